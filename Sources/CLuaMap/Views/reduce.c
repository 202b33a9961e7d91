/* The trampolines of reductions, scans, order and arithmetic of views. */
#include <string.h>

#include "trampoline.h"

static LM_TRAMPOLINE(v_sum, lm_view_sum)
static LM_TRAMPOLINE(v_min, lm_view_min)
static LM_TRAMPOLINE(v_max, lm_view_max)
static LM_TRAMPOLINE(v_minmax, lm_view_minmax)
static LM_TRAMPOLINE(v_mean, lm_view_mean)
static LM_TRAMPOLINE(v_variance, lm_view_variance)
static LM_TRAMPOLINE(v_argmin, lm_view_argmin)
static LM_TRAMPOLINE(v_argmax, lm_view_argmax)
static LM_TRAMPOLINE(v_count, lm_view_count)
static LM_TRAMPOLINE(v_find, lm_view_find)
static LM_TRAMPOLINE(v_sorted, lm_view_sorted)
static LM_TRAMPOLINE(v_sort, lm_view_sort)
static LM_TRAMPOLINE(v_unique, lm_view_unique)
static LM_TRAMPOLINE(v_lowerbound, lm_view_lowerbound)
static LM_TRAMPOLINE(v_upperbound, lm_view_upperbound)
static LM_TRAMPOLINE(v_dot, lm_view_dot)
static LM_TRAMPOLINE(v_add, lm_view_add)
static LM_TRAMPOLINE(v_sub, lm_view_sub)
static LM_TRAMPOLINE(v_mul, lm_view_mul)
static LM_TRAMPOLINE(v_div, lm_view_div)

/* [-0, +0, m] A number as a field of the table on top. */
static void set_number(lua_State *L, const char *name, bool is_float, uint64_t bits) {
  if (is_float) lua_pushnumber(L, mm_double_of_bits(bits));
  else lua_pushinteger(L, (lua_Integer)bits);
  lua_setfield(L, -2, name);
}

static int v_stats(lua_State *L) {
  lm_call call;
  lm_stats stats;
  int code = lm_view_stats(L, &call, &stats);
  if (code < 0) return lm_finish(L, &call, code);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, stats.count);
  lua_setfield(L, -2, "count");
  set_number(L, "sum", stats.is_float, stats.sum);
  if (stats.count == 0) return 1;
  set_number(L, "min", stats.is_float, stats.least);
  set_number(L, "max", stats.is_float, stats.greatest);
  lua_pushnumber(L, stats.mean);
  lua_setfield(L, -2, "mean");
  return 1;
}

static int v_histogram(lua_State *L) {
  lm_check_view(L);
  /* An end of the range goes with the other one. */
  lm_take(L, 4, lua_isnoneornil(L, 3) ? 2 : 4, "number");
  lm_call call;
  lm_histogram histogram;
  int code = lm_histogram_start(L, &call, &histogram);
  if (code < 0) return lm_finish(L, &call, code);
  enum { COUNTS = 5, EDGES };
  size_t size = (size_t)histogram.bins * sizeof(int64_t);
  lua_createtable(L, (int)histogram.bins, 0);
  lua_createtable(L, (int)histogram.bins + 1, 0);
  int64_t *counters = lua_newuserdatauv(L, size, 0);
  memset(counters, 0, size);
  code = lm_histogram_count(L, &call, &histogram, counters);
  if (code < 0) return lm_finish(L, &call, code);
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

const luaL_Reg lm_reduce_methods[] = {{"sum", v_sum},
                                      {"min", v_min},
                                      {"max", v_max},
                                      {"minmax", v_minmax},
                                      {"mean", v_mean},
                                      {"variance", v_variance},
                                      {"stats", v_stats},
                                      {"argmin", v_argmin},
                                      {"argmax", v_argmax},
                                      {"count", v_count},
                                      {"find", v_find},
                                      {"histogram", v_histogram},
                                      {"sorted", v_sorted},
                                      {"sort", v_sort},
                                      {"unique", v_unique},
                                      {"lowerbound", v_lowerbound},
                                      {"upperbound", v_upperbound},
                                      {"dot", v_dot},
                                      {"add", v_add},
                                      {"sub", v_sub},
                                      {"mul", v_mul},
                                      {"div", v_div},
                                      {NULL, NULL}};
