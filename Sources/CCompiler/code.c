/* Memory for machine code. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mc_helpers.h"

/* A process that may not make written memory executable (PR_SET_MDWE) may still map a file so. */
static void *map_file(const uint8_t *bytes, size_t count, size_t extent) {
  int file = memfd_create("mmap.compile", MFD_CLOEXEC);
  if (file < 0) return NULL;
  size_t done = 0;
  while (done < count) {
    ssize_t written = write(file, bytes + done, count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += (size_t)written;
  }
  void *code = MAP_FAILED;
  if (done == count && ftruncate(file, (off_t)extent) == 0)
    code = mmap(NULL, extent, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  int error = errno;
  close(file);
  errno = error;
  return code == MAP_FAILED ? NULL : code;
}

void *mc_code_map(const uint8_t *bytes, size_t count, size_t extent) {
  void *code = mmap(NULL, extent, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return NULL;
  memcpy(code, bytes, count);
  if (mprotect(code, extent, PROT_READ | PROT_EXEC) == 0) return code;
  munmap(code, extent);
  return map_file(bytes, count, extent);
}

void mc_code_unmap(void *code, size_t extent) { munmap(code, extent); }
