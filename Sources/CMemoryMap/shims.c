/* Functions that Swift cannot call: variadic ones, GNU extensions, and compiler builtins. */
#include "CMemoryMap.h"
#include "mm_replacement.h"

#include <linux/magic.h>
#include <locale.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

const void *mm_find(const void *memory, size_t count, const void *needle, size_t length) {
  return memmem(memory, count, needle, length);
}

const void *mm_find_last(const void *memory, int byte, size_t count) { return memrchr(memory, byte, count); }

void *mm_mremap(void *address, size_t old_extent, size_t new_extent) {
  return mremap(address, old_extent, new_extent, MREMAP_MAYMOVE);
}

int mm_lock_on_fault(const void *address, size_t extent) { return mlock2(address, extent, MLOCK_ONFAULT); }

int mm_processor_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

bool mm_is_virtual(int descriptor) {
  struct statfs status;
  return fstatfs(descriptor, &status) == 0 && (status.f_type == PROC_SUPER_MAGIC || status.f_type == SYSFS_MAGIC);
}

long mm_huge_page_size(int descriptor) {
  struct statfs status;
  return fstatfs(descriptor, &status) == 0 && status.f_type == HUGETLBFS_MAGIC ? (long)status.f_bsize : 0;
}

bool mm_may_have_space(int descriptor, uint64_t count) {
  struct statfs system;
  struct stat file;
  if (fstatfs(descriptor, &system) != 0 || fstat(descriptor, &file) != 0) return true;
  if (system.f_blocks == 0 || system.f_bsize <= 0) return true; /* a file system without a count of blocks */
  /* f_bfree and not f_bavail: this user may use the reserved blocks. The range may include the file's own blocks. */
  uint64_t present = (uint64_t)file.st_blocks * 512;
  return count <= present || (count - present) / (uint64_t)system.f_bsize <= system.f_bfree;
}

bool mm_has_avx2(void) {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("popcnt");
#else
  return false;
#endif
}

int mm_sync_file_system(int descriptor) { return syncfs(descriptor); }

bool mm_random(uint64_t *bits) { return getrandom(bits, sizeof *bits, 0) == sizeof *bits; }

/* newlocale(3) gives the locale "C" without an allocation. */
double mm_strtod(const char *text, char **end) { return strtod_l(text, end, newlocale(LC_ALL_MASK, "C", (locale_t)0)); }
