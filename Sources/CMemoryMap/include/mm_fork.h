/* Locks and fork(2): a child has the thread that forked and no other. */
#ifndef MM_FORK_H
#define MM_FORK_H

#include <pthread.h>

/* Once for a lock of static storage: the thread that forks takes it first, so that no other thread holds it in the
   child, where nobody would ever let go of it. No other lock may be taken while it is held. */
#define MM_FREE_AFTER_FORK(lock)                                                                                       \
  static void lock##_before_fork(void) { pthread_mutex_lock(&(lock)); }                                                \
  static void lock##_after_fork(void) { pthread_mutex_unlock(&(lock)); }                                               \
  __attribute__((constructor)) static void lock##_over_fork(void) {                                                    \
    pthread_atfork(lock##_before_fork, lock##_after_fork, lock##_after_fork);                                          \
  }

#endif
