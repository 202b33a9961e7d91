/* The limits of memory and time.
 *
 * Memory: the budget counts Lua's allocations and what the process alone maps (mm_budget.h). When an allocation is refused,
 * Lua collects garbage, tries again, and raises "not enough memory".
 *
 * Time: the signal of a timer, or of the kernel at its own limit of CPU time ("ulimit -t"), sets a hook in the running
 * coroutine, and the hook raises an error. Until then the limit costs no time. A script may catch the first error, to
 * report its results so far. After the second one the hook raises at every instruction, which ends any loop around a
 * pcall. A second signal ends the process, in case no hook can run: during a match that does not end, a blocked read,
 * or a finalizer, where Lua runs no hooks. */
#include "host_limits.h"

#include <errno.h>
#include <lua5.4/lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "call.h"

enum { INSTRUCTIONS_TO_SAY_GOODBYE = 1000000 };

static const host_bounds *limits;
static bool memory_ended_it;

/* The signals received after the time was up, and the errors raised for it. */
static volatile sig_atomic_t ticks;
static int raised;
static bool is_timed;
/* The error message, and the line written to standard error. Both are about --time unless the limit of CPU time is
   reached first. */
static const char cpu_reason[] = "CPU time limit exceeded (\"ulimit -t\")";
static char time_reason[128], last_words[256], cpu_words[256];
static const char *reason = time_reason;
static struct termios terminal;
static bool has_terminal;

/* The allocator of the state before the limit. */
static lua_Alloc allocate_uncounted;

static void *allocate(void *state, void *block, size_t old, size_t size) {
  if (block == NULL) old = 0; /* for a new block, `old` is the type of the object and not a size */
  if (size == 0) {
    allocate_uncounted(state, block, old, 0);
    mm_budget_give(old);
    return NULL;
  }
  size_t more = size > old ? size - old : 0;
  if (more > 0 && !mm_budget_take(more)) return NULL;
  void *moved = allocate_uncounted(state, block, old, size);
  if (moved == NULL) mm_budget_give(more);
  else if (old > size) mm_budget_give(old - size);
  return moved;
}

bool limits_have_time(void) { return is_timed; }

bool limits_time_is_up(void) { return ticks > 0; }

void limits_say_goodbye(void) { fputs(last_words, stderr); }

int limits_exit_status(int status) {
  if (limits_time_is_up()) {
    if (status == EXIT_SUCCESS) limits_say_goodbye(); /* the script has caught the error */
    return HOST_TIME_IS_UP;
  }
  return status != EXIT_SUCCESS && memory_ended_it ? HOST_MEMORY_IS_FULL : status;
}

/* [-0, +0, m] uses 2 slots. */
void limits_note_error(lua_State *L, int index) {
  memory_ended_it = limits != NULL && (limits->memory > 0 || limits->mapped > 0) && lm_error_number(L, index) == ENOMEM;
}

void limits_note_lack_of_memory(void) { memory_ended_it = limits != NULL && limits->memory > 0; }

const char *limits_hint(int status) {
  static char hint[128];
  if (status != LUA_ERRMEM || limits == NULL || limits->memory == 0) return "";
  snprintf(hint, sizeof hint, " (the limit is --memory=%s)", limits->memory_text);
  return hint;
}

static void on_time(lua_State *L, lua_Debug *where);

/* [-0, +0, –] As safe in a signal handler as lua_sethook. Keeps a hook that is set: its count must not restart. */
static void arm(lua_State *L) {
  int count = raised == 1 ? INSTRUCTIONS_TO_SAY_GOODBYE : 1;
  if (lua_gethook(L) == on_time && lua_gethookcount(L) == count) return;
  lua_sethook(L, on_time, LUA_MASKCOUNT, count);
}

void limits_rearm(lua_State *L) {
  if (limits_time_is_up()) arm(L);
}

/* [-0, +0, v] uses 3 slots. */
static void raise_time(lua_State *L, int level) {
  raised++;
  arm(L);
  if (raised == 1) fflush(stdout); /* now: a second signal ends the process without it */
  luaL_where(L, level);
  lua_pushstring(L, reason);
  lua_concat(L, 2);
  lua_error(L);
}

/* [-0, +0, v] uses 3 slots. */
static void on_time(lua_State *L, lua_Debug *where) {
  (void)where;
  raise_time(L, 0);
}

/* [-0, +0, v] uses 3 slots. The library calls it when a long operation finds lm_interrupt set. */
static void raise_interrupt(lua_State *L) {
  if (limits_time_is_up()) raise_time(L, 1);
  host_raise_interrupt(L);
}

/* Must not block: a full pipe must not keep the process alive. */
static void leave(void) {
  if (has_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
  struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&errors, 1, 0) == 1 && (errors.revents & POLLOUT)) {
    ssize_t written = write(STDERR_FILENO, last_words, strlen(last_words));
    (void)written;
  }
  _exit(HOST_TIME_IS_UP);
}

static void tick(int signal_number) {
  int saved = errno;
  if (ticks == 0 && signal_number == SIGXCPU) {
    reason = cpu_reason;
    memcpy(last_words, cpu_words, sizeof last_words);
  }
  ticks++;
  if (ticks == 2) leave();
  if (ticks > 2) _exit(HOST_TIME_IS_UP); /* the write of the last message is blocked by the terminal */
  lm_interrupt = 1;
  lua_State *L = host_running;
  if (L != NULL) arm(L);
  errno = saved;
  mm_escape(signal_number); /* last: it may not return */
}

/* The time from the first signal to the second: half of the limit, between 0.1 s and 1 s. */
static struct timeval grace(struct timeval time) {
  long long microseconds = (time.tv_sec * 1000000LL + time.tv_usec) / 2;
  if (microseconds > 1000000) microseconds = 1000000;
  if (microseconds < 100000) microseconds = 100000;
  return (struct timeval){.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000};
}

static void handle_ticks(int signal_number) {
  is_timed = true;
  has_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
  /* No SA_RESTART: a blocked system call must return, or the hook could not run. */
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_NODEFER};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  sigaction(signal_number, &action, NULL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void start_timer(void) {
  struct timeval time = {.tv_sec = (time_t)(limits->time / 1000000), .tv_usec = (suseconds_t)(limits->time % 1000000)};
  struct itimerval timer = {.it_value = time, .it_interval = grace(time)};
  snprintf(time_reason, sizeof time_reason, "time limit exceeded (--time=%s)", limits->time_text);
  snprintf(last_words, sizeof last_words, "%s: %s\n", host_program, time_reason);
  handle_ticks(SIGALRM);
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* The kernel sends SIGXCPU at the limit and after each further second; at the hard limit it kills the process. */
static void start_cpu_limit(void) {
  struct rlimit limit;
  struct sigaction former;
  if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || sigaction(SIGXCPU, NULL, &former) != 0 ||
      former.sa_handler != SIG_DFL)
    return;
  snprintf(cpu_words, sizeof cpu_words, "%s: %s\n", host_program, cpu_reason);
  handle_ticks(SIGXCPU);
}

static int forget_state(lua_State *L) {
  (void)L;
  host_running = NULL;
  return 0;
}

/* [-0, +0, m] uses 2 slots. Makes the first finalizer of the state, which is the last to run, also when a script
   closes the state with os.exit. It clears host_running, so that the signal handler does not use a closed state. */
static void guard_state(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, forget_state);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Bytes. C calls nested up to Lua's limit (LUAI_MAXCCALLS) would overflow a smaller stack and end the process. */
enum { LEAST_STACK = 1 << 20 };

bool limits_make_room(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= LEAST_STACK) return true;
  limit.rlim_cur = LEAST_STACK;
  if (limit.rlim_max < LEAST_STACK) limit.rlim_max = LEAST_STACK; /* only root can raise it */
  if (setrlimit(RLIMIT_STACK, &limit) == 0) return true;
  host_message("the stack limit must be at least 1024 KiB (\"ulimit -s\")", "");
  return false;
}

void limits_begin(lua_State *L, const host_bounds *bounds) {
  limits = bounds;
  if (bounds->mapped > 0) mm_mapped_set_limit(bounds->mapped);
  if (bounds->memory > 0) {
    mm_budget_set_limit(bounds->memory);
    mm_budget_add((size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB));
    void *state;
    allocate_uncounted = lua_getallocf(L, &state);
    lua_setallocf(L, allocate, state);
  }
  if (bounds->time > 0) start_timer();
  start_cpu_limit();
}

/* [-0, +0, m] uses 3 slots. */
void limits_open(lua_State *L) {
  if (!is_timed) return;
  lm_raise_interrupt = raise_interrupt;
  guard_state(L);
}
