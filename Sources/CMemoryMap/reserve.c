/* The reserve: units of 64 bytes, and the length of each block at its first unit. A simple first-fit allocator,
   because it is used only when memory has run out. Until then its pages are not touched and take no memory. */
#include "mm_fork.h"
#include "mm_reserve.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 17 MiB: up to 256 threads with up to 64 KiB each for a parallel operation, and 1 MiB for metadata of the library,
   which is less than 100 KiB. */
enum { UNIT = 64, UNITS = (16 << 20) / UNIT + (1 << 20) / UNIT, PAGE = 4096 };

static _Alignas(PAGE) unsigned char reserve[UNITS][UNIT];
static uint32_t lengths[UNITS];
static size_t used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
MM_FREE_AFTER_FORK(lock)

void *mm_reserve_take(size_t size, size_t alignment) {
  size_t count = size / UNIT + 1;
  size_t step = alignment > UNIT ? alignment / UNIT : 1;
  size_t start = 0;
  void *block = NULL;
  if (alignment > PAGE) return NULL;
  pthread_mutex_lock(&lock);
  for (size_t unit = 0; unit <= UNITS && !block; unit++) {
    /* The units from `start` up to `unit` are free. */
    if (unit >= start && unit - start == count) {
      lengths[start] = (uint32_t)count;
      used += count * UNIT;
      block = reserve[start];
    } else if (unit < UNITS && lengths[unit]) {
      unit += lengths[unit] - 1;
      start = (unit + step) / step * step;
    }
  }
  pthread_mutex_unlock(&lock);
  return block;
}

/* The first unit of a block, or UNITS for a block outside the reserve. */
static size_t unit_of(const void *block) {
  size_t offset = (uintptr_t)block - (uintptr_t)reserve;
  return offset < sizeof reserve ? offset / UNIT : UNITS;
}

bool mm_reserve_give(void *block) {
  size_t unit = unit_of(block);
  if (unit == UNITS) return false;
  pthread_mutex_lock(&lock);
  used -= (size_t)lengths[unit] * UNIT;
  lengths[unit] = 0;
  pthread_mutex_unlock(&lock);
  return true;
}

size_t mm_reserve_used(void) {
  pthread_mutex_lock(&lock);
  size_t result = used;
  pthread_mutex_unlock(&lock);
  return result;
}

/* Allocates from the reserve, or ends the process: with NULL, the runtime would crash without a message. */
static void *require(size_t size, size_t alignment) {
  static const char message[] = "mmaplua: not enough memory for Swift's runtime\n";
  void *block = mm_reserve_take(size, alignment);
  if (block) return block;
  if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(1);
  _exit(1);
}

void *mm_runtime_malloc(size_t size) {
  void *block = malloc(size);
  return block ? block : require(size, 1);
}

void *mm_runtime_calloc(size_t count, size_t size) {
  void *block = calloc(count, size);
  size_t total;
  if (block) return block;
  if (__builtin_mul_overflow(count, size, &total)) total = SIZE_MAX;
  return memset(require(total, 1), 0, total);
}

int mm_runtime_posix_memalign(void **block, size_t alignment, size_t size) {
  if (posix_memalign(block, alignment, size) != 0) *block = require(size, alignment);
  return 0;
}

void mm_runtime_free(void *block) {
  if (!mm_reserve_give(block)) free(block);
}

void *mm_runtime_new(size_t size) { return mm_runtime_malloc(size); }

void *mm_runtime_aligned_new(size_t size, size_t alignment) {
  void *block;
  mm_runtime_posix_memalign(&block, alignment, size);
  return block;
}

void mm_runtime_delete(void *block) { mm_runtime_free(block); }

void mm_runtime_sized_delete(void *block, size_t size) {
  (void)size;
  mm_runtime_free(block);
}

void mm_runtime_aligned_delete(void *block, size_t size, size_t alignment) {
  (void)size, (void)alignment;
  mm_runtime_free(block);
}

/* Swift's arrays call malloc_usable_size(3), also for blocks of the reserve. `scripts/build` links with --wrap. */
size_t __real_malloc_usable_size(void *block) __attribute__((weak));
size_t __wrap_malloc_usable_size(void *block);
size_t __wrap_malloc_usable_size(void *block) {
  size_t unit = unit_of(block);
  return unit == UNITS ? __real_malloc_usable_size(block) : (size_t)lengths[unit] * UNIT;
}

void *mm_runtime_realloc(void *old, size_t size) {
  if (size == 0) size = 1; /* for size 0, NULL would not mean a lack of memory */
  void *block = unit_of(old) == UNITS ? realloc(old, size) : NULL;
  if (block) return block;
  block = mm_runtime_malloc(size);
  if (!old) return block;
  size_t had = __wrap_malloc_usable_size(old);
  memcpy(block, old, had < size ? had : size);
  mm_runtime_free(old);
  return block;
}
