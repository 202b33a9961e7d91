/* The handle of a child: its state, its exit status, and its results. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"

static const char child_kind;

lm_child *lm_child_at(lua_State *L, int index) { return lm_kind_at(L, index, sizeof(lm_child), &child_kind); }

static lm_child *check_child(lua_State *L) {
  lm_child *child = lm_child_at(L, 1);
  if (!child) luaL_typeerror(L, 1, LM_CHILD);
  return child;
}

/* ---- orphans: running children whose handle is gone. Those that have ended are reaped whenever another child is
   started or its handle collected, so that none stays a zombie for long. */

typedef struct orphan {
  struct orphan *next;
  int process;
} orphan;
static orphan *orphans;
static pthread_mutex_t orphans_lock = PTHREAD_MUTEX_INITIALIZER;
MM_FREE_AFTER_FORK(orphans_lock)

static void reap_orphans(void) {
  pthread_mutex_lock(&orphans_lock);
  for (orphan **place = &orphans; *place;) {
    orphan *o = *place;
    int status;
    if (waitpid(o->process, &status, WNOHANG) == 0) {
      place = &o->next;
      continue;
    }
    *place = o->next;
    free(o);
  }
  pthread_mutex_unlock(&orphans_lock);
}

static void add_orphan(int process) {
  orphan *o = malloc(sizeof *o);
  if (!o) return;
  o->process = process;
  pthread_mutex_lock(&orphans_lock);
  o->next = orphans;
  orphans = o;
  pthread_mutex_unlock(&orphans_lock);
}

static void close_one(int32_t *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

void lm_close_given(lm_child *child) {
  for (int i = 0; i < child->count; i++) close_one(&child->descriptors[i]);
  child->count = 0;
}

static int child_gc(lua_State *L) {
  lm_child *child = lm_child_at(L, 1);
  if (!child) return luaL_typeerror(L, 1, LM_CHILD);
  lm_close_given(child);
  close_one(&child->message);
  close_one(&child->watch);
  if (child->process > 0 && !child->has_ended) add_orphan(child->process);
  child->has_ended = true;
  child->status = -1;
  reap_orphans();
  return 0;
}

lm_child *lm_new_child(lua_State *L) {
  reap_orphans();
  lm_child *child = lm_new_kind(L, sizeof *child, 1, &child_kind);
  child->message = child->watch = -1;
  lm_set_metatable(L, LM_CHILD);
  return child;
}

/* [-0, +0, –] Whether the child has ended; waits for it until the deadline, but only a short time. */
static bool has_ended(lm_child *child, lua_State *L, int64_t deadline) {
  if (child->has_ended) return true;
  int status;
  if (!LM_RUN(L, lm_await(child->process, child->watch, deadline, &status))) return false;
  child->status = status;
  child->has_ended = true;
  close_one(&child->watch);
  return true;
}

/* [-0, +1, m] A sentence about the end of the child. */
static const char *push_ending(lua_State *L, const lm_child *child) {
  int status = child->status;
  if (status == -1)
    return lua_pushfstring(L, "child %d has ended, but other code has collected its exit status", child->process);
  if (WIFSIGNALED(status))
    return lua_pushfstring(L, "child %d was killed by signal %d (%s)", child->process, WTERMSIG(status),
                           strsignal(WTERMSIG(status)));
  return lua_pushfstring(L, "child %d ended with exit status %d", child->process, WEXITSTATUS(status));
}

/* [-0, +1, e] The results of an ended child as a table with a field n: true and the values, or false, a message, and
   "exit" or "signal" with its number. */
static void push_results(lua_State *L, lm_child *child) {
  /* If the status is unknown, for example because SIGCHLD is ignored, only the answer counts. */
  bool is_known = child->status != -1;
  bool is_well = !is_known || (WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0);
  lua_createtable(L, 4, 1);
  int table = lua_gettop(L);
  lua_Integer count = 0;
  lm_reader reader = {.L = L, .child = child, .place = 1, .file = child->message};
  bool has_answer = lm_read_begin(&reader, LM_ANSWER, false);
  int top = lua_gettop(L);
  bool is_done = has_answer && lm_read_value(&reader) && lua_isboolean(L, top + 1);
  bool has_failed = is_done && !lua_toboolean(L, top + 1);
  if (is_done && is_well && !has_failed) {
    lua_pushboolean(L, 1);
    lua_rawseti(L, table, ++count);
    is_done = lm_read_value(&reader) && lua_isinteger(L, -1);
    lua_Integer results = is_done ? lua_tointegerx(L, -1, NULL) : 0;
    for (; is_done && results > 0; results--) {
      lua_settop(L, top);
      is_done = lm_read_value(&reader);
      if (!lua_istable(L, table)) luaL_error(L, "a finalizer modified the stack");
      if (is_done) lua_rawseti(L, table, ++count);
    }
  } else if (!has_answer && is_well && is_known) {
    /* os.exit(0) ends the child without an answer. */
    lua_pushboolean(L, 1);
    lua_rawseti(L, table, ++count);
    is_done = true;
  } else {
    count = 0;
    is_done = true;
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, ++count);
    bool has_text = has_failed && lm_read_value(&reader) && lua_type(L, -1) == LUA_TSTRING;
    if (!has_text) push_ending(L, child);
    lua_rawseti(L, table, ++count);
    if (is_known) {
      bool is_signal = WIFSIGNALED(child->status);
      lua_pushstring(L, is_signal ? "signal" : "exit");
      lua_rawseti(L, table, ++count);
      lua_pushinteger(L, is_signal ? WTERMSIG(child->status) : WEXITSTATUS(child->status));
      lua_rawseti(L, table, ++count);
    }
  }
  lua_settop(L, table);
  if (!is_done) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, 1);
    lua_pushfstring(L, "child %d sent back a malformed message", child->process);
    lua_rawseti(L, table, 2);
    count = 2;
  }
  lua_pushinteger(L, count);
  lua_setfield(L, table, "n");
}

/* [-0, +n, e] Pushes the results; keeps them after the first call. */
static int give_results(lua_State *L, lm_child *child) {
  lua_settop(L, 1);
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    push_results(L, child);
    if (lm_child_at(L, 1) != child) return luaL_error(L, "a finalizer modified the stack");
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
    close_one(&child->message);
  }
  int table = lua_gettop(L);
  lua_pushliteral(L, "n");
  if (!lua_istable(L, table)) return luaL_error(L, "a finalizer modified the stack");
  lua_rawget(L, table);
  lua_Integer known = lua_tointegerx(L, -1, NULL);
  /* A script can get the table with debug.getuservalue and change it. */
  if (known < 0 || known > INT_MAX) return luaL_error(L, "the results were changed");
  int count = (int)known;
  luaL_checkstack(L, count, "too many results");
  for (int i = 1; i <= count; i++) lua_rawgeti(L, table, i);
  return count;
}

/* [-0, +0, e] The child at argument 1, which must have been started. */
static lm_child *check_started(lua_State *L) {
  lm_child *child = check_child(L);
  if (child->process == 0) luaL_error(L, "this child was never started");
  return child;
}

/* child:wait([timeout]) */
int lm_custom_child_wait(lua_State *L) {
  check_started(L);
  lua_settop(L, 2);
  int64_t deadline = lm_check_deadline(L, 2);
  for (;;) {
    lm_child *child = check_started(L);
    if (has_ended(child, L, deadline)) return give_results(L, child);
    if (mm_now() >= deadline) {
      lua_pushnil(L);
      lua_pushliteral(L, "timeout");
      return 2;
    }
    lm_pause(L);
  }
}

int lm_custom_child_running(lua_State *L) {
  lm_child *child = check_started(L);
  lua_pushboolean(L, !has_ended(child, L, 0));
  return 1;
}

int lm_custom_child_pid(lua_State *L) {
  lua_pushinteger(L, check_started(L)->process);
  return 1;
}

/* [-0, +0, e] The signal at an argument, by its number or name; SIGTERM for nil. */
static int check_signal(lua_State *L, int argument) {
  static const char names[] = "TERM HUP INT QUIT KILL USR1 USR2 CONT STOP";
  static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGCONT, SIGSTOP};
  if (lua_isnoneornil(L, argument)) return SIGTERM;
  size_t length;
  const char *name = lm_string_at(L, argument, &length);
  if (name) {
    if (strncmp(name, "SIG", 3) == 0) {
      lua_pushlstring(L, name + 3, length - 3);
      lua_replace(L, argument);
    }
    return signals[lm_check_word(L, argument, "signal %s is neither a number nor one of", names)];
  }
  lua_Integer number = lm_check_integer(L, argument, "number or string");
  luaL_argcheck(L, number >= 0 && number <= SIGRTMAX, argument,
                lua_pushfstring(L, "signal %I is out of range (0 to %d)", (LUAI_UACINT)number, SIGRTMAX));
  return (int)number;
}

/* child:kill([signal]): whether it was still running. */
int lm_custom_child_kill(lua_State *L) {
  check_started(L);
  int number = check_signal(L, 2);
  lm_child *child = check_started(L);
  bool is_there = !has_ended(child, L, 0);
  lm_outcome outcome;
  int code = is_there ? LM_RUN(L, lm_signal(&outcome, child->process, child->watch, number)) : 0;
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_pushboolean(L, code);
  return 1;
}

/* __close: waits for the child. If the scope is left by an error, it sends SIGTERM to the child first. Otherwise it
   raises the error of the child, unless the script has called wait before. */
static int c_close(lua_State *L) {
  lm_child *child = check_child(L);
  lua_settop(L, 2);
  bool is_error = !lua_isnil(L, 2);
  if (child->process == 0 || lua_getiuservalue(L, 1, 1) == LUA_TTABLE) return 0;
  lm_outcome outcome;
  if (is_error && !has_ended(child, L, 0)) LM_RUN(L, lm_signal(&outcome, child->process, child->watch, SIGTERM));
  lua_settop(L, 1);
  lm_custom_child_wait(L);
  /* The stack: the child, the table of results, their number, the results. */
  if (is_error || lua_gettop(L) < 4 || lua_toboolean(L, 4)) return 0;
  lua_pushvalue(L, 5); /* the message has its position already */
  return lua_error(L);
}

static int c_tostring(lua_State *L) {
  lm_child *child = check_child(L);
  if (child->process == 0) lua_pushliteral(L, LM_CHILD ": not started");
  else if (!has_ended(child, L, 0)) lua_pushfstring(L, LM_CHILD ": %d is running", child->process);
  else lua_pushfstring(L, LM_CHILD ": %s", push_ending(L, child));
  return 1;
}

void lm_open_child(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", c_tostring}, {"__gc", child_gc}, {"__close", c_close}, {NULL, NULL}};
  lm_open_methods(L, LM_CHILD, LM_CLASS_child, metamethods);
}
