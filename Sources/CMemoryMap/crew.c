/* Machine code on several threads that work together. Ctrl-C and the limits of time reach one thread, which ends the
   code of the others by a signal. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "CMemoryMap.h"

/* Its default action is to do nothing: so one that comes late does no harm. */
enum { END_SIGNAL = SIGURG };

typedef struct runner {
  pthread_t thread;
  const void *work;
  bool is_to_end;
  struct runner *next;
} runner;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static runner *runners;
static _Thread_local __attribute__((tls_model("initial-exec"))) runner *volatile current;
static struct sigaction previous;

static void handle(int signal, siginfo_t *info, void *context) {
  const runner *self = current;
  if (!self || !__atomic_load_n(&self->is_to_end, __ATOMIC_RELAXED)) {
    if (previous.sa_flags & SA_SIGINFO) previous.sa_sigaction(signal, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) previous.sa_handler(signal);
    return;
  }
  mm_escape(signal); /* last: it may not return */
}

/* Called with the lock. */
static void install(void) {
  struct sigaction action;
  if (sigaction(END_SIGNAL, NULL, &action) != 0) return;
  if (action.sa_flags & SA_SIGINFO && action.sa_sigaction == handle) return;
  previous = action;
  action = (struct sigaction){.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(END_SIGNAL, &action, NULL);
}

int64_t mm_run_for(const void *work, int64_t (*code)(uint64_t *), uint64_t *slots) {
  runner self = {.thread = pthread_self(), .work = work};
  pthread_mutex_lock(&lock);
  self.next = runners;
  runners = &self;
  pthread_mutex_unlock(&lock);
  current = &self;
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, END_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, &before);
  int64_t result = mm_run(code, slots);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  current = NULL;
  pthread_mutex_lock(&lock);
  for (runner **link = &runners; *link; link = &(*link)->next) {
    if (*link != &self) continue;
    *link = self.next;
    break;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

void mm_end_runs(const void *work) {
  pthread_mutex_lock(&lock);
  install();
  for (runner *each = runners; each; each = each->next) {
    if (each->work != work || pthread_equal(each->thread, pthread_self())) continue;
    __atomic_store_n(&each->is_to_end, true, __ATOMIC_RELAXED);
    pthread_kill(each->thread, END_SIGNAL);
  }
  pthread_mutex_unlock(&lock);
}
