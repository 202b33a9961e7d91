/* The trampolines of atomics, and waits that Ctrl-C and hooks can end. */
#include <string.h>

#include "trampoline.h"

/* [-0, +0, e] */
static lm_atomic *check_atomic(lua_State *L) {
  lm_atomic *atomic = lm_atomic_at(L, 1);
  if (!atomic) luaL_typeerror(L, 1, LM_ATOMIC);
  return atomic;
}

/* [-0, +1, m] */
lm_atomic *lm_new_atomic(lua_State *L) {
  lm_atomic *atomic = lm_new_userdata(L, sizeof *atomic, 1);
  memset(atomic, 0, sizeof *atomic);
  atomic->region.slot = mm_closed_slot();
  atomic->self = atomic;
  lm_set_metatable(L, LM_ATOMIC);
  return atomic;
}

/* [-0, +0, e] */
static void check_atomic_arguments(lua_State *L) {
  lm_check_buffer(L);
  if (lua_isnone(L, 2)) luaL_typeerror(L, 2, "string");
}

LM_MAKER(lm_custom_buffer_atomic, check_atomic_arguments, 3, "number", 3, lm_atomic, lm_new_atomic, lm_buffer_atomic)

int64_t lm_check_deadline(lua_State *L, int argument) {
  if (lua_isnoneornil(L, argument)) return INT64_MAX;
  if (lua_type(L, argument) != LUA_TNUMBER) luaL_typeerror(L, argument, "number");
  double seconds = lua_tonumber(L, argument);
  luaL_argcheck(L, seconds >= 0, argument,
                lua_pushfstring(L, "timeout %f is out of range (0 seconds or more)", (LUAI_UACNUMBER)seconds));
  int64_t now = mm_now();
  return seconds < 4e9 ? now + (int64_t)(seconds * 1e9) : INT64_MAX;
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

void lm_pause(lua_State *L) {
  if (lm_is_interrupted()) {
    lm_outcome outcome = {.kind = LM_INTERRUPTED};
    lm_push_or_raise(L, &outcome, LM_FAILED);
  }
  /* The call lets hooks run: lua5.4's hook for Ctrl-C, and those of scripts. */
  luaL_checkstack(L, 1, NULL);
  lua_pushcfunction(L, nothing);
  lua_call(L, 0, 0);
}

/* a:wait(expected [, timeout]) */
int lm_custom_atomic_wait(lua_State *L) {
  check_atomic(L);
  lm_settop(L, 3, 2, "number");
  int64_t deadline = lm_check_deadline(L, 3);
  for (;;) {
    lm_outcome outcome;
    int count = LM_RUN(L, lm_atomic_wait(L, &outcome, deadline));
    if (count != 0) return count > 0 ? count : lm_push_or_raise(L, &outcome, count);
    lm_pause(L);
  }
}

/* "mmap.atomic: 0x7f… u32le rw-s data.bin+8" */
static int a_tostring(lua_State *L) {
  lm_description d;
  const char *type;
  lm_describe_atomic(check_atomic(L), &d, &type);
  if (d.closed) {
    lua_pushliteral(L, LM_ATOMIC " (closed)");
    return 1;
  }
  lua_pushfstring(L, LM_ATOMIC ": %p %s", (void *)d.address, type);
  lm_push_place(L, &d, 1);
  lua_concat(L, 2);
  return 1;
}

void lm_open_atomic(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__tostring", a_tostring}, {NULL, NULL}};
  lm_open_methods(L, LM_ATOMIC, LM_CLASS_atomic, metamethods);
}
