/* Integers shared between processes: sequentially consistent atomic instructions on memory that may fault, and
   futex(2). */
#ifndef MM_ATOMIC_H
#define MM_ATOMIC_H

#include "mm_elements.h"

/* Integers are passed as 64 bits, sign-extended if the type is signed. Types are MM_U8 … MM_I64. Addresses must be
   aligned to the size of the integer. Call mm_was_intact after the access. */
static inline uint64_t mm_extended(int32_t type, uint64_t bits) {
  int unused = 64 - (8 << ((type & 6) >> 1));
  return type & 1 ? (uint64_t)((int64_t)(bits << unused) >> unused) : bits << unused >> unused;
}

static inline uint64_t mm_atomic_load(const uint8_t *_Nonnull p, int32_t type) {
  switch ((type & 6) >> 1) {
    case 0: return mm_extended(type, __atomic_load_n(p, __ATOMIC_SEQ_CST));
    case 1: return mm_extended(type, __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_SEQ_CST));
    case 2: return mm_extended(type, __atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_SEQ_CST));
    default: return __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_SEQ_CST);
  }
}

/* Returns the previous value. */
static inline uint64_t mm_atomic_exchange(uint8_t *_Nonnull p, int32_t type, uint64_t bits) {
  switch ((type & 6) >> 1) {
    case 0: return mm_extended(type, __atomic_exchange_n(p, (uint8_t)bits, __ATOMIC_SEQ_CST));
    case 1: return mm_extended(type, __atomic_exchange_n((uint16_t *)(void *)p, (uint16_t)bits, __ATOMIC_SEQ_CST));
    case 2: return mm_extended(type, __atomic_exchange_n((uint32_t *)(void *)p, (uint32_t)bits, __ATOMIC_SEQ_CST));
    default: return __atomic_exchange_n((uint64_t *)(void *)p, bits, __ATOMIC_SEQ_CST);
  }
}

/* Returns the previous value. The sum wraps around. */
static inline uint64_t mm_atomic_add(uint8_t *_Nonnull p, int32_t type, uint64_t bits) {
  switch ((type & 6) >> 1) {
    case 0: return mm_extended(type, __atomic_fetch_add(p, (uint8_t)bits, __ATOMIC_SEQ_CST));
    case 1: return mm_extended(type, __atomic_fetch_add((uint16_t *)(void *)p, (uint16_t)bits, __ATOMIC_SEQ_CST));
    case 2: return mm_extended(type, __atomic_fetch_add((uint32_t *)(void *)p, (uint32_t)bits, __ATOMIC_SEQ_CST));
    default: return __atomic_fetch_add((uint64_t *)(void *)p, bits, __ATOMIC_SEQ_CST);
  }
}

#define MM_COMPARE(word)                                                                                               \
  __extension__({                                                                                                      \
    word found_ = (word) * expected;                                                                                   \
    bool done_ = __atomic_compare_exchange_n((word *)(void *)p, &found_, (word)desired, false, __ATOMIC_SEQ_CST,       \
                                             __ATOMIC_SEQ_CST);                                                        \
    *expected = mm_extended(type, found_);                                                                             \
    done_;                                                                                                             \
  })

/* Compare-and-exchange. True if the value was `*expected` and is now `desired`. Stores the value found in
   `*expected`. */
static inline bool mm_atomic_compare(uint8_t *_Nonnull p, int32_t type, uint64_t *_Nonnull expected, uint64_t desired) {
  switch ((type & 6) >> 1) {
    case 0: return MM_COMPARE(uint8_t);
    case 1: return MM_COMPARE(uint16_t);
    case 2: return MM_COMPARE(uint32_t);
    default: return MM_COMPARE(uint64_t);
  }
}
#undef MM_COMPARE

/* FUTEX_WAIT between processes: sleeps while the 32-bit word at `p` is `expected`, at most `nanoseconds`. 0 when
   woken, or -1 with errno: EAGAIN if the word had another value, ETIMEDOUT, EINTR. */
int mm_futex_wait(const uint8_t *_Nonnull p, uint32_t expected, int64_t nanoseconds);
/* FUTEX_WAKE: wakes up to `count` sleepers. Returns their number, or -1 with errno. */
int mm_futex_wake(const uint8_t *_Nonnull p, int count);

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t mm_now(void);

#endif
