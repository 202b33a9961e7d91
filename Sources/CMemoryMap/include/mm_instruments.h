/* Calls for observing the kernel that Swift cannot make: GNU extensions and variadic functions. */
#ifndef MM_INSTRUMENTS_H
#define MM_INSTRUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The result of cachestat(2), in pages. */
typedef struct mm_cache_state {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
} mm_cache_state;

/* cachestat(2). A length of 0 means up to the end of the file. 0, or -1 with errno. */
int mm_cachestat(int descriptor, uint64_t offset, uint64_t length, mm_cache_state *_Nonnull state);

/* How the page cache of a file relates to its mappings, by its file system. */
typedef enum {
  MM_CACHE_UNKNOWN, /* cachestat(2) may report another inode than the mapped one, or there is no cache */
  MM_CACHE_STACKED, /* overlayfs: the pages belong to a file of a lower or upper layer */
  MM_CACHE_MEMORY,  /* tmpfs: the pages are the only storage */
  MM_CACHE_BACKED,  /* a disk file system; mappings use the page cache */
} mm_cache_kind;
mm_cache_kind mm_cache_kind_of(int descriptor);

/* memfd_create(2), a GNU extension. The descriptor is closed on exec. `with_seals` allows seals (F_ADD_SEALS). -1
   with errno. */
int mm_memfd(const char *_Nonnull name, bool with_seals);
/* Makes the size of a memfd permanent: fcntl(2) with F_ADD_SEALS. 0, or -1 with errno. */
int mm_seal_size(int descriptor);

/* sync_file_range(2), a GNU extension: writes the dirty pages of a range and waits. 0, or -1 with errno. */
int mm_write_out(int descriptor, int64_t offset, int64_t length);

/* The columns of a terminal; 0 if the descriptor is not a terminal. */
int mm_terminal_columns(int descriptor);

/* Resources used by the process: getrusage(2). */
typedef struct mm_usage {
  int64_t minor_faults, major_faults;
  int64_t blocks_read; /* blocks of 512 bytes */
  int64_t peak;        /* maximum resident set size, in bytes */
  double seconds;      /* CLOCK_MONOTONIC */
} mm_usage;
void mm_read_usage(mm_usage *_Nonnull usage);

/* The name of an errno, for example "EINVAL"; NULL for other numbers. */
const char *_Nullable mm_error_name(int error);

/* Turns on the trace of system calls; call it once, at the start. `origin` writes the place in the script that makes
   the call into the buffer, and returns its length. */
void mm_trace(size_t (*_Nullable origin)(char *_Nonnull buffer, size_t size));
extern bool mm_tracing;
static inline bool mm_is_tracing(void) { return __builtin_expect(mm_tracing, 0); }
size_t mm_trace_origin(char *_Nonnull buffer, size_t size);

#endif
