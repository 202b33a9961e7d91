/* The trampolines of locks on ranges of files. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trampoline.h"

#define LM_LOCK "mmap.lock"

static const char lock_kind;

/* [-0, +0, –] The lock at an index, or NULL. */
static lm_lock *lock_at(lua_State *L, int index) { return lm_kind_at(L, index, sizeof(lm_lock), &lock_kind); }

static lm_lock *check_lock(lua_State *L) {
  lm_lock *lock = lock_at(L, 1);
  if (!lock) luaL_typeerror(L, 1, LM_LOCK);
  return lock;
}

/* Closing the descriptor releases the lock. */
static void release(lm_lock *lock) {
  if (lock->descriptor >= 0) close(lock->descriptor);
  if (lock->memory) mm_memory_release(lock->memory);
  lock->descriptor = -1;
  lock->memory = NULL;
}

/* `unlock`, `__close`, and `__gc`; may run any number of times. */
int lm_custom_lock_unlock(lua_State *L) {
  release(check_lock(L));
  return 0;
}

/* b:lockrange([offset [, length [, mode [, timeout]]]]). The wait of the kernel has no timeout and does not end at
   Ctrl-C. So this tries again, first after 1 ms, later every 20 ms. */
int lm_custom_buffer_lockrange(lua_State *L) {
  enum { LONGEST_PAUSE = 20000000 };
  lm_check_buffer(L);
  lua_settop(L, 5);
  bool is_exclusive = lm_check_word(L, 4, "invalid option %s: it is not one of", "exclusive shared") == 0;
  int64_t deadline = lm_check_deadline(L, 5);
  lm_lock *lock = lm_new_kind(L, sizeof *lock, 1, &lock_kind);
  lock->descriptor = -1;
  lock->is_exclusive = is_exclusive;
  lm_set_metatable(L, LM_LOCK);
  lm_push_path(L, 1);
  lua_setiuservalue(L, 6, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_lock_open(L, &outcome, lock));
  if (lm_worth_collecting(&outcome, code)) {
    lua_gc(L, LUA_GCCOLLECT);
    code = LM_RUN(L, lm_lock_open(L, &outcome, lock));
  }
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  for (int64_t pause = 1000000;; pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE) {
    code = LM_RUN(L, lm_lock_try(&outcome, lock));
    if (code < 0) return lm_push_or_raise(L, &outcome, code);
    if (code > 0) return 1;
    int64_t rest = deadline - mm_now();
    if (rest <= 0) break;
    if (rest > pause) rest = pause;
    struct timespec time = {.tv_nsec = rest};
    nanosleep(&time, NULL);
    lm_pause(L);
    if (lock_at(L, 6) != lock) return luaL_error(L, "a finalizer modified the stack");
  }
  release(lock);
  lua_pushnil(L);
  lua_pushliteral(L, "timeout");
  return 2;
}

/* "mmap.lock: exclusive data.bin+0 4096 bytes" */
static int l_tostring(lua_State *L) {
  lm_lock *lock = check_lock(L);
  if (lock->descriptor < 0) {
    lua_pushliteral(L, LM_LOCK " (released)");
    return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, LM_LOCK ": %s %s+%I %I bytes", lock->is_exclusive ? "exclusive" : "shared",
                  lua_type(L, -1) == LUA_TSTRING ? lm_show(L, -1) : "anonymous", (LUAI_UACINT)lock->offset,
                  (LUAI_UACINT)lock->length);
  return 1;
}

void lm_open_lock(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", l_tostring}, {"__gc", lm_custom_lock_unlock}, {"__close", lm_custom_lock_unlock}, {NULL, NULL}};
  lm_open_methods(L, LM_LOCK, LM_CLASS_lock, metamethods);
}
