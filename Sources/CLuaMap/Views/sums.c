/* The trampoline of v:stats. */
#include "trampoline.h"

/* [-0, +0, m] Sets a field of the table on top to a number. */
static void set_number(lua_State *L, const char *name, bool is_float, uint64_t bits) {
  if (is_float) lua_pushnumber(L, mm_double_of_bits(bits));
  else lua_pushinteger(L, (lua_Integer)bits);
  lua_setfield(L, -2, name);
}

int lm_custom_view_stats(lua_State *L) {
  lm_outcome outcome;
  lm_stats stats;
  int code = lm_view_stats(L, &outcome, &stats);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  if (stats.is_nothing) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, stats.count);
  lua_setfield(L, -2, "count");
  set_number(L, "sum", stats.is_float_sum, stats.sum);
  lua_pushboolean(L, stats.is_exact);
  lua_setfield(L, -2, "exact");
  if (stats.count == 0) return 1;
  set_number(L, "min", stats.is_float, stats.least);
  set_number(L, "max", stats.is_float, stats.greatest);
  lua_pushnumber(L, stats.mean);
  lua_setfield(L, -2, "mean");
  return 1;
}
