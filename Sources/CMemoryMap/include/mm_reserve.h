/* Memory for the Swift runtime when malloc(3) fails.

   The runtime allocates metadata of generic types at their first use, and the storage of small arrays. It cannot report
   an error: without memory it ends the process with a signal. scripts/lua-object links the runtime with the functions
   below in place of malloc(3). They fall back to a fixed reserve. The C code of this program does not use the reserve,
   it returns an error. So the reserve holds permanent data of the runtime, which is limited, and temporary data of a
   running body; a script cannot accumulate either. */
#ifndef MM_RESERVE_H
#define MM_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc(3), calloc(3) and so on, but if the reserve has no such block either, they end the process with a message
   and status 1. */
void *_Nonnull mm_runtime_malloc(size_t size);
void *_Nonnull mm_runtime_calloc(size_t count, size_t size);
void *_Nonnull mm_runtime_realloc(void *_Nullable block, size_t size);
int mm_runtime_posix_memalign(void *_Nullable *_Nonnull block, size_t alignment, size_t size);
void mm_runtime_free(void *_Nullable block);
/* C++ operator new and operator delete. */
void *_Nonnull mm_runtime_new(size_t size);
void *_Nonnull mm_runtime_aligned_new(size_t size, size_t alignment);
void mm_runtime_delete(void *_Nullable block);
void mm_runtime_sized_delete(void *_Nullable block, size_t size);
void mm_runtime_aligned_delete(void *_Nullable block, size_t size, size_t alignment);

/* Allocates a block of the reserve, or returns NULL. The alignment is a power of 2, at most a page. */
void *_Nullable mm_reserve_take(size_t size, size_t alignment);
/* Frees a block of the reserve. False if the block is not in the reserve. */
bool mm_reserve_give(void *_Nullable block);
/* Bytes of the reserve in use. */
size_t mm_reserve_used(void);

#endif
