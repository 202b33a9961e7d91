/* Process-wide memory accounting. Two sums, each with a limit: of the memory that the process alone holds, to which
   programs with this library add their own; and of the other mappings of files, whose pages the kernel can take back. */
#ifndef MM_BUDGET_H
#define MM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

/* The limit in bytes; initially SIZE_MAX, no limit. A lower limit does not affect memory already counted. */
void mm_budget_set_limit(size_t limit);
size_t mm_budget_limit(void);
size_t mm_budget_used(void);

/* Counts bytes if they fit the limit; else returns false. Thread-safe. */
bool mm_budget_take(size_t bytes);
/* Counts bytes regardless of the limit, for memory that exists already. */
void mm_budget_add(size_t bytes);
void mm_budget_give(size_t bytes);

/* The same for mappings that take no memory of the process. */
void mm_mapped_set_limit(size_t limit);
size_t mm_mapped_limit(void);
size_t mm_mapped_used(void);
bool mm_mapped_take(size_t bytes);
void mm_mapped_give(size_t bytes);

/* Whether malloc(3) has so many bytes at this moment. */
bool mm_has_heap(size_t bytes);

/* A file in memory without a path. All its pages exist while this process holds any part of it, also pages that are
   no longer mapped; their bytes stay counted until the last holder releases it. */
typedef struct mm_memory mm_memory;

/* A new object with one holder; NULL if out of memory. */
mm_memory *_Nullable mm_memory_make(void);
void mm_memory_hold(mm_memory *_Nonnull memory);
void mm_memory_release(mm_memory *_Nonnull memory);
/* Counts bytes that were unmapped and still exist. */
void mm_memory_leave(mm_memory *_Nonnull memory, size_t bytes);

#endif
