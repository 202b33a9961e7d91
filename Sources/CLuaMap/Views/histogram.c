/* The trampoline of v:histogram. */
#include <string.h>

#include "trampoline.h"

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
