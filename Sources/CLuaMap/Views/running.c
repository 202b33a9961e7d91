/* The trampolines of cumsum, diff, and rolling. */
#include "trampoline.h"

/* [-0, +1, e] */
static int run(lua_State *L, int operation, int into) {
  lm_check_view(L);
  if (lua_isnoneornil(L, into)) {
    lua_settop(L, into);
    return lm_make_view(L, lm_view_run, operation);
  }
  lm_outcome outcome;
  int count = lm_view_run_into(L, &outcome, operation);
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

int lm_custom_view_cumsum(lua_State *L) { return run(L, LM_CUMSUM, 2); }
int lm_custom_view_diff(lua_State *L) { return run(L, LM_DIFF, 2); }
int lm_custom_view_rolling(lua_State *L) {
  lm_check_view(L);
  if (lua_gettop(L) < 3) return luaL_typeerror(L, lua_gettop(L) + 1, lua_gettop(L) < 2 ? "string" : "number");
  return run(L, LM_ROLLING, 4);
}
