/* Shared memory, atomics, and locks on ranges of files. */
#ifndef LM_SHARED_H
#define LM_SHARED_H

#include "lm_runtime.h"

/* Bodies that fill in a new, closed buffer. `path` is the path of the shared memory object. */
int lm_shared(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
              const char *_Nonnull path, bool exclusive);
int lm_memfd(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target, const char *_Nonnull name,
             bool seal);
int lm_unlink(lm_outcome *_Nonnull outcome, const char *_Nonnull path);

/* An atomic as userdata: an integer in a mapping. */
typedef struct lm_atomic {
  const void *_Nullable self;
  mm_region region; /* its bytes; aligned to its size */
  int32_t type;     /* MM_U8 … MM_I64 */
} lm_atomic;

/* [-0, +0, –] The atomic at an index, or NULL. */
static inline lm_atomic *_Nullable lm_atomic_at(lua_State *_Nonnull L, int index) {
  return (lm_atomic *)lm_self_at(L, index, sizeof(lm_atomic));
}

int lm_buffer_atomic(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_atomic *_Nonnull target);

/* One short sleep of a wait until `deadline`, in nanoseconds of CLOCK_MONOTONIC. Returns 0 results if the wait is not
   over. */
int lm_atomic_wait(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t deadline);

/* A lock on a range of a file as userdata. */
typedef struct lm_lock {
  const void *_Nullable self, *_Nullable kind;
  int64_t offset, length;             /* in the file, bytes */
  struct mm_memory *_Nullable memory; /* the budget's entry for a file without a path, which the descriptor keeps */
  int32_t descriptor;                 /* the lock's own; -1 after the release */
  bool is_exclusive;
} lm_lock;

int lm_lock_open(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_lock *_Nonnull lock);
/* 1 if the lock was acquired, 0 if another lock conflicts with it. */
int lm_lock_try(lm_outcome *_Nonnull outcome, lm_lock *_Nonnull lock);

/* The description of an atomic, and its type. */
void lm_describe_atomic(const lm_atomic *_Nonnull atomic, lm_description *_Nonnull description,
                        const char *_Nonnull *_Nonnull type);

#endif
