/* What is asked of the kernel to show it at work, and that Swift cannot ask itself: GNU's functions and
   variadic ones. */
#ifndef MM_INSTRUMENTS_H
#define MM_INSTRUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* cachestat(2): numbers of pages. */
typedef struct mm_cache_state {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
} mm_cache_state;

/* 0, or -1 with errno. A length of 0 means to the end of the file. */
int mm_cachestat(int descriptor, uint64_t offset, uint64_t length, mm_cache_state *_Nonnull state);

/* How the pages of a file on this file system relate to its mappings. */
typedef enum {
  MM_CACHE_UNKNOWN, /* cachestat(2) may look at another inode than the one that is mapped, or there is no cache */
  MM_CACHE_STACKED, /* overlayfs: the pages belong to a file below */
  MM_CACHE_MEMORY,  /* tmpfs: the cache is the file */
  MM_CACHE_BACKED,  /* a file system on a disk, whose cache is that of its mappings */
} mm_cache_kind;
mm_cache_kind mm_cache_kind_of(int descriptor);

/* memfd_create(2), which is GNU's; closed by execve(2). With seals the file may be sealed later. */
int mm_memfd(const char *_Nonnull name, bool with_seals);
/* Fixes the size of such a file for good: fcntl(2) with F_ADD_SEALS. 0, or -1 with errno. */
int mm_seal_size(int descriptor);

/* sync_file_range(2), which is GNU's: writes the dirty pages of a range and waits for them. 0, or -1 with errno. */
int mm_write_out(int descriptor, int64_t offset, int64_t length);

/* The columns of the terminal behind a descriptor; 0 where there is none. */
int mm_terminal_columns(int descriptor);

/* What the process has used: getrusage(2). */
typedef struct mm_usage {
  int64_t minor_faults, major_faults;
  int64_t blocks_read; /* of 512 bytes */
  int64_t peak;        /* bytes resident at most */
  double seconds;      /* of the clock on the wall, from any moment */
} mm_usage;
void mm_read_usage(mm_usage *_Nonnull usage);

/* "EINVAL"; NULL for a number that is no error. */
const char *_Nullable mm_error_name(int error);

/* Whether system calls are reported, and who knows the place in the program that a call comes from: writes
   it into the buffer and returns its length. Set once, at the start. */
void mm_trace(size_t (*_Nullable origin)(char *_Nonnull buffer, size_t size));
extern bool mm_tracing;
static inline bool mm_is_tracing(void) { return __builtin_expect(mm_tracing, 0); }
size_t mm_trace_origin(char *_Nonnull buffer, size_t size);

#endif
