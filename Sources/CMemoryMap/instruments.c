/* cachestat(2), getrusage(2) and other functions that Swift cannot call. */
#include "CMemoryMap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Since Linux 6.5; missing in the headers of Debian 12. The number is the same on all architectures. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

int mm_cachestat(int descriptor, uint64_t offset, uint64_t length, mm_cache_state *state) {
  struct {
    uint64_t offset, length;
  } range = {offset, length};
  return (int)syscall(SYS_cachestat, descriptor, &range, state, 0);
}

mm_cache_kind mm_cache_kind_of(int descriptor) {
  struct statfs system;
  struct statx file;
  if (fstatfs(descriptor, &system) != 0) return MM_CACHE_UNKNOWN;
  switch (system.f_type) {
    case OVERLAYFS_SUPER_MAGIC: return MM_CACHE_STACKED;
    case TMPFS_MAGIC: return MM_CACHE_MEMORY;
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC: break;
    default: return MM_CACHE_UNKNOWN;
  }
  /* DAX: a file on persistent memory is mapped without a page cache. */
  if (statx(descriptor, "", AT_EMPTY_PATH, 0, &file) != 0) return MM_CACHE_UNKNOWN;
  return file.stx_attributes & STATX_ATTR_DAX ? MM_CACHE_UNKNOWN : MM_CACHE_BACKED;
}

int mm_write_out(int descriptor, int64_t offset, int64_t length) {
  return sync_file_range(descriptor, offset, length,
                         SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int mm_memfd(const char *name, bool with_seals) {
  return memfd_create(name, MFD_CLOEXEC | (with_seals ? MFD_ALLOW_SEALING : 0));
}

int mm_seal_size(int descriptor) { return fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW); }

int mm_terminal_columns(int descriptor) {
  struct winsize size;
  return isatty(descriptor) && ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void mm_read_usage(mm_usage *usage) {
  struct rusage used = {0};
  struct timespec now = {0};
  getrusage(RUSAGE_SELF, &used);
  clock_gettime(CLOCK_MONOTONIC, &now);
  *usage = (mm_usage){.minor_faults = used.ru_minflt,
                      .major_faults = used.ru_majflt,
                      .blocks_read = used.ru_inblock,
                      .peak = (int64_t)used.ru_maxrss << 10,
                      .seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9};
}

const char *mm_error_name(int error) { return strerrorname_np(error); }

bool mm_tracing;
static size_t (*place)(char *buffer, size_t size);

void mm_trace(size_t (*origin)(char *buffer, size_t size)) {
  place = origin;
  mm_tracing = true;
}

size_t mm_trace_origin(char *buffer, size_t size) { return place ? place(buffer, size) : 0; }
