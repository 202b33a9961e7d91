/* holes.c - LD_PRELOAD: puts every mapping between two unreadable pages, so that a read past either end kills the
   process, whatever else is mapped nearby. scripts/soak builds it.

   Exceptions: mappings at a given address, of huge pages, or below 2 GiB; and the C library's own, which do not call
   this mmap. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Maximum number of mappings at a time. */
enum { MOST = 1 << 16 };

/* A mapping with its two holes. A free entry has the length 0. */
static struct place {
  char *low;
  size_t length;
} places[MOST];
static size_t used; /* number of entries in use, free ones among them */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static void *map(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}
static int unmap(void *address, size_t length) { return (int)syscall(SYS_munmap, address, length); }
static void undo(void *low, size_t length) {
  int error = errno;
  unmap(low, length);
  errno = error;
}

/* Reserves address space for `length` bytes and the holes; MAP_FAILED without space. */
static char *reserve(size_t length, size_t *whole) {
  size_t page = page_size();
  if (length == 0 || length > SIZE_MAX - 3 * page) return MAP_FAILED;
  *whole = ((length + page - 1) & ~(page - 1)) + 2 * page;
  return map(NULL, *whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* The entry that contains an address, or NULL. The caller holds the lock. */
static struct place *find(const char *address) {
  for (size_t i = 0; i < used; i++)
    if (places[i].length > 0 && address >= places[i].low && (size_t)(address - places[i].low) < places[i].length)
      return &places[i];
  return NULL;
}

/* Adds an entry. The caller holds the lock. */
static void keep(char *low, size_t length) {
  size_t i = 0;
  while (i < used && places[i].length > 0) i++;
  if (i == MOST) abort();
  if (i == used) used++;
  places[i] = (struct place){low, length};
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  const int special = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_HUGETLB | MAP_GROWSDOWN
#ifdef MAP_32BIT
                      | MAP_32BIT
#endif
      ;
  size_t whole;
  char *low = address || flags & special ? MAP_FAILED : reserve(length, &whole);
  if (low == MAP_FAILED) return map(address, length, protection, flags, file, offset);
  char *start = map(low + page_size(), length, protection, flags | MAP_FIXED, file, offset);
  if (start == MAP_FAILED) {
    undo(low, whole);
    return MAP_FAILED;
  }
  pthread_mutex_lock(&lock);
  keep(low, whole);
  pthread_mutex_unlock(&lock);
  return start;
}
void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

int munmap(void *address, size_t length) {
  pthread_mutex_lock(&lock);
  size_t page = page_size();
  struct place *place = find(address);
  int result;
  if (!place) {
    result = unmap(address, length);
  } else if ((char *)address == place->low + page && length + 2 * page > place->length - page) {
    result = unmap(place->low, place->length);
    if (result == 0) place->length = 0;
  } else {
    /* Turn the unmapped part into a hole. */
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    result = map(address, length, PROT_NONE, flags, -1, 0) == MAP_FAILED ? -1 : 0;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

/* Always moves the mapping, so that the old address becomes unreadable. */
void *mremap(void *address, size_t old, size_t new, int flags, ...) {
  pthread_mutex_lock(&lock);
  struct place *place = flags == MREMAP_MAYMOVE ? find(address) : NULL;
  size_t whole;
  char *low = place ? reserve(new, &whole) : MAP_FAILED;
  void *moved;
  if (low == MAP_FAILED) {
    moved = (void *)syscall(SYS_mremap, address, old, new, flags);
  } else {
    moved = (void *)syscall(SYS_mremap, address, old, new, flags | MREMAP_FIXED, low + page_size());
    if (moved == MAP_FAILED) {
      undo(low, whole);
    } else {
      unmap(place->low, place->length);
      *place = (struct place){low, whole};
    }
  }
  pthread_mutex_unlock(&lock);
  return moved;
}
