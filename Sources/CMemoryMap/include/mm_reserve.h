/* Memory for Swift's runtime where malloc(3) has none left.

   The runtime allocates when something is first used: metadata of generic types, its tables of them, the storage of a
   small array. It has no way to fail, and ends the process by a signal. scripts/lua-object links it with the functions
   below instead of malloc(3), which take from a fixed reserve then. The C code of this program never does: it returns
   an error. So the reserve holds what the runtime keeps for good, which has a limit, and what a body has while it runs;
   a script cannot pile any of it up. */
#ifndef MM_RESERVE_H
#define MM_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc(3) and its relatives, but that they end the process, with a message and status 1, where the reserve has no
   such block either. */
void *_Nonnull mm_runtime_malloc(size_t size);
void *_Nonnull mm_runtime_calloc(size_t count, size_t size);
void *_Nonnull mm_runtime_realloc(void *_Nullable block, size_t size);
int mm_runtime_posix_memalign(void *_Nullable *_Nonnull block, size_t alignment, size_t size);
void mm_runtime_free(void *_Nullable block);
/* operator new and operator delete of C++. */
void *_Nonnull mm_runtime_new(size_t size);
void *_Nonnull mm_runtime_aligned_new(size_t size, size_t alignment);
void mm_runtime_delete(void *_Nullable block);
void mm_runtime_sized_delete(void *_Nullable block, size_t size);
void mm_runtime_aligned_delete(void *_Nullable block, size_t size, size_t alignment);

/* A block of the reserve, or NULL. The alignment is a power of 2, at most a page. */
void *_Nullable mm_reserve_take(size_t size, size_t alignment);
/* Whether the block was one of the reserve, which has it back now. */
bool mm_reserve_give(void *_Nullable block);
/* How many bytes of the reserve are taken. */
size_t mm_reserve_used(void);

#endif
