/* The trampoline of b:split. */
#include "text.h"

/* [-0, +0, e] Reads the separator, or the table of options, at argument 3. */
static void read_cuts(lua_State *L, lm_cuts *cuts) {
  static const lm_option options[] = {{"csv", LM_BOOLEAN, offsetof(lm_cuts, csv), 0},
                                      {"sep", LM_SEPARATOR, offsetof(lm_cuts, separator), 0},
                                      {"quote", LM_CALLERS, 0, 0},
                                      {"escape", LM_CALLERS, 0, 0},
                                      {NULL, LM_INTEGER, 0, 0}};
  *cuts = (lm_cuts){.separator = lm_newline};
  if (!lua_isnoneornil(L, 3) && !lua_istable(L, 3)) lm_check_separator(L, 3, 3, "separator", &cuts->separator);
  if (!lua_istable(L, 3)) return;
  lm_read_options(L, 3, options, cuts);
  lm_read_quotes(L, 3, &cuts->csv, false, &cuts->quote, &cuts->escape);
  luaL_argcheck(
      L, !cuts->csv || !(lm_has_byte(&cuts->separator, cuts->quote) || lm_has_byte(&cuts->separator, cuts->escape)), 3,
      "with option 'csv', a separator must not contain a quote or an escape");
}

int lm_custom_buffer_split(lua_State *L) {
  enum { MOST = 1000000, LIST = 4 };
  lm_check_buffer(L);
  lm_settop(L, 3, 2, "integer");
  lua_Integer count = lm_check_integer(L, 2, "integer");
  luaL_argcheck(L, count >= 1 && count <= MOST, 2,
                lua_pushfstring(L, "%I pieces are out of range (1 to %d)", (LUAI_UACINT)count, (int)MOST));
  lm_cuts cuts;
  read_cuts(L, &cuts);
  lua_settop(L, 3);
  lua_createtable(L, (int)count, 0);
  int64_t from = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    lm_outcome outcome;
    int64_t end = lm_split_end(L, &outcome, i, count, from, &cuts);
    if (end < 0) return lm_push_or_raise(L, &outcome, (int)end);
    /* The arguments of lm_buffer_slice. */
    lua_pushinteger(L, from);
    lua_replace(L, 2);
    lua_pushinteger(L, end - from);
    lua_replace(L, 3);
    lm_buffer *slice = lm_new_buffer(L);
    lm_keep_mapping(L, 1);
    int code = lm_buffer_slice(L, &outcome, slice);
    if (code < 0) return lm_push_or_raise(L, &outcome, code);
    lua_rawseti(L, LIST, i);
    from = end;
  }
  return 1;
}
