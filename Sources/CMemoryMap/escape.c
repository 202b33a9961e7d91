/* Ends a match of a regular expression, or compiled code, from a signal handler. */
#include "mm_pattern.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

#include <cpcre2.h>

#include "CMemoryMap.h"

/* initial-exec: the handler reads them without a call to __tls_get_addr, which may allocate. */
static _Thread_local __attribute__((tls_model("initial-exec"))) sigjmp_buf *volatile way_out;
static _Thread_local __attribute__((tls_model("initial-exec"))) volatile sig_atomic_t came_early;

/* Returns the value of `body`; `left` if mm_escape ended it, `early` if mm_escape was called before it began. A macro: the
   function that calls sigsetjmp(3) must not have returned when the jump comes. */
#define MM_RETURN_ESCAPABLE(type, left, early, body)                                                                   \
  do {                                                                                                                 \
    sigjmp_buf here_;                                                                                                  \
    if (sigsetjmp(here_, 0)) return left;                                                                              \
    way_out = &here_;                                                                                                  \
    mm_barrier();                                                                                                      \
    type result_ = early;                                                                                              \
    if (mm_unlikely(came_early)) came_early = 0;                                                                       \
    else result_ = body;                                                                                               \
    mm_barrier();                                                                                                      \
    way_out = NULL;                                                                                                    \
    return result_;                                                                                                    \
  } while (0)

int mm_match(const mm_pattern *pattern, const uint8_t *subject, size_t length, size_t start, uint32_t options) {
  /* PCRE2's interpreter allocates, so a jump out of it is not safe. */
  if (!pattern->is_machine_code)
    return pcre2_match(pattern->code, subject, length, start, options | PCRE2_NO_JIT | PCRE2_NO_UTF_CHECK,
                       pattern->data, pattern->context);
  MM_RETURN_ESCAPABLE(int, MM_MATCH_LEFT, MM_MATCH_LEFT,
                      pcre2_jit_match(pattern->code, subject, length, start, options, pattern->data, pattern->context));
}

int64_t mm_run(int64_t (*code)(uint64_t *), uint64_t *slots) {
  MM_RETURN_ESCAPABLE(int64_t, MM_RUN_LEFT, MM_RUN_EARLY, code(slots));
}

static _Thread_local sigjmp_buf *held;

void mm_run_hold(void) {
  held = way_out;
  way_out = NULL;
  mm_barrier();
}

void mm_run_release(void) {
  sigjmp_buf *target = held;
  held = NULL;
  mm_barrier();
  way_out = target;
  if (mm_likely(!came_early) || !target) return;
  came_early = 0;
  way_out = NULL;
  siglongjmp(*target, 1);
}

void mm_escape(int signal) {
  sigjmp_buf *target = way_out;
  if (!target) {
    /* The signal may have come just before the intended match or code. So the next one ends at once, and its caller
       decides whether to start it again. */
    came_early = 1;
    return;
  }
  way_out = NULL;
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, signal);
  pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
  siglongjmp(*target, 1);
}

/* SIGINT ends matches of one thread at a time, because signal handlers belong to the process. */
static atomic_flag taken = ATOMIC_FLAG_INIT;
static _Thread_local bool armed;
static struct sigaction previous;

static void handle(int signal, siginfo_t *info, void *context) {
  if (previous.sa_flags & SA_SIGINFO) previous.sa_sigaction(signal, info, context);
  else previous.sa_handler(signal);
  mm_escape(signal);
}

static bool is_ours(const struct sigaction *action) {
  return action->sa_flags & SA_SIGINFO && action->sa_sigaction == handle;
}

void mm_escape_begin(void) {
  if (armed || atomic_flag_test_and_set(&taken)) return;
  struct sigaction action;
  if (sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN &&
      !(action.sa_flags & SA_RESETHAND) && !is_ours(&action)) {
    previous = action;
    action.sa_flags |= SA_SIGINFO;
    action.sa_sigaction = handle;
    armed = sigaction(SIGINT, &action, NULL) == 0;
  }
  if (!armed) atomic_flag_clear(&taken);
}

/* Restores the previous handler, unless a handler has replaced it, as that of lua5.4 does. */
void mm_escape_end(void) {
  if (!armed) return;
  struct sigaction action;
  if (sigaction(SIGINT, NULL, &action) == 0 && is_ours(&action)) sigaction(SIGINT, &previous, NULL);
  armed = false;
  atomic_flag_clear(&taken);
}
