/* Locks and fork(2): a child has only the thread that called fork. */
#ifndef MM_FORK_H
#define MM_FORK_H

#include <pthread.h>

/* For a static lock, at file scope. The forking thread takes the lock before fork(2) and both processes release it
   after: otherwise another thread could hold it, and in the child it would stay locked forever. Do not take another
   lock while holding it. */
#define MM_FREE_AFTER_FORK(lock)                                                                                       \
  static void lock##_before_fork(void) { pthread_mutex_lock(&(lock)); }                                                \
  static void lock##_after_fork(void) { pthread_mutex_unlock(&(lock)); }                                               \
  __attribute__((constructor)) static void lock##_over_fork(void) {                                                    \
    pthread_atfork(lock##_before_fork, lock##_after_fork, lock##_after_fork);                                          \
  }

#endif
