/* The trampolines of stats and histogram. */
#include <string.h>

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

int lm_custom_view_histogram(lua_State *L) {
  lm_check_view(L);
  /* If one end of the range is given, so must be the other. */
  lm_settop(L, 4, lua_isnoneornil(L, 3) ? 2 : 4, "number");
  lm_outcome outcome;
  lm_histogram histogram;
  int code = lm_histogram_start(L, &outcome, &histogram);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  enum { COUNTS = 5, EDGES };
  size_t size = (size_t)histogram.bins * sizeof(int64_t);
  lua_createtable(L, (int)histogram.bins, 0);
  lua_createtable(L, (int)histogram.bins + 1, 0);
  int64_t *counters = lm_new_userdata(L, size, 0);
  memset(counters, 0, size);
  if (lua_type(L, COUNTS) != LUA_TTABLE || lua_type(L, EDGES) != LUA_TTABLE)
    return luaL_error(L, "a finalizer modified the stack");
  code = lm_histogram_count(L, &outcome, &histogram, counters);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  for (int64_t i = 0; i < histogram.bins; i++) {
    lua_pushinteger(L, counters[i]);
    lua_rawseti(L, COUNTS, i + 1);
  }
  for (int64_t i = 0; i <= histogram.bins; i++) {
    lm_histogram_edge(L, &histogram, i);
    lua_rawseti(L, EDGES, i + 1);
  }
  lua_settop(L, EDGES);
  return 2;
}
