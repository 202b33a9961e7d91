/* How much memory the process may take: one sum of the bytes that are mapped and of those that whoever embeds
   the library counts here too, against one limit. */
#ifndef MM_BUDGET_H
#define MM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

/* In bytes, SIZE_MAX for none, which is what it is at first. What is taken already stays so. */
void mm_budget_set_limit(size_t limit);
size_t mm_budget_limit(void);
size_t mm_budget_used(void);

/* Whether there was room for so many more bytes: they are counted then. Any thread may ask. */
bool mm_budget_take(size_t bytes);
/* Counts bytes that exist already, whether or not there is room. */
void mm_budget_add(size_t bytes);
void mm_budget_give(size_t bytes);

/* Whether malloc(3) has so many bytes at this moment. */
bool mm_has_heap(size_t bytes);

/* A file in memory that no path leads to. Its pages stay while this process holds any of it, also what is no longer
   mapped: that is counted here until the last holder lets go. */
typedef struct mm_memory mm_memory;

/* With one holder; NULL where memory ran out. */
mm_memory *_Nullable mm_memory_make(void);
void mm_memory_hold(mm_memory *_Nonnull memory);
void mm_memory_release(mm_memory *_Nonnull memory);
/* Counts bytes that were unmapped. */
void mm_memory_leave(mm_memory *_Nonnull memory, size_t bytes);

#endif
