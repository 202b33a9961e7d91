/* What several processes share: memory by a name or a descriptor, integers that they change at once, locks.
   */
#ifndef LM_SHARED_H
#define LM_SHARED_H

#include "lm_runtime.h"

/* Bodies that fill in a new, closed buffer. `path` is where the object is kept. */
int lm_shared(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target, const char *_Nonnull path,
              bool exclusive);
int lm_memfd(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target, const char *_Nonnull name,
             bool seal);
int lm_unlink(lm_call *_Nonnull call, const char *_Nonnull path);

/* An integer in a mapping as userdata. */
typedef struct lm_atomic {
  const void *_Nullable self;
  mm_region region; /* its bytes, aligned to their number */
  int32_t type;     /* MM_U8 … MM_I64 */
} lm_atomic;

/* [-0, +0, –] The atomic at an index, or NULL. */
static inline lm_atomic *_Nullable lm_atomic_at(lua_State *_Nonnull L, int index) {
  return (lm_atomic *)lm_self_at(L, index, sizeof(lm_atomic));
}

int lm_buffer_atomic(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_atomic *_Nonnull target);

/* One short sleep of a wait until `deadline`, in nanoseconds of CLOCK_MONOTONIC: 0 results where it has to go on. */
int lm_atomic_wait(lua_State *_Nonnull L, lm_call *_Nonnull call, int64_t deadline);

/* A lock on a range of a file as userdata. */
typedef struct lm_lock {
  const void *_Nullable self, *_Nullable kind;
  int64_t offset, length;             /* in the file, bytes */
  struct mm_memory *_Nullable memory; /* what the descriptor keeps, where no path leads to the file */
  int32_t descriptor;                 /* the lock's own; -1 once it was released */
  bool is_exclusive;
} lm_lock;

int lm_lock_open(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_lock *_Nonnull lock);
/* 1 where it was taken, 0 where another one stands against it. */
int lm_lock_try(lm_call *_Nonnull call, lm_lock *_Nonnull lock);

/* What there is to say about an atomic. */
void lm_describe_atomic(const lm_atomic *_Nonnull atomic, lm_description *_Nonnull description,
                        const char *_Nonnull *_Nonnull type);

#endif
