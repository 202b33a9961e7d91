/* The trampoline of regex:split. */
#include "regex.h"

/* One step of regex:split. Upvalues: those of g_next, and the start of the piece. */
static int split_next(lua_State *L) {
  lua_settop(L, 1);
  int how = (int)lua_tointeger(L, lua_upvalueindex(4));
  lua_Integer start = lua_tointeger(L, lua_upvalueindex(5));
  lm_search search = {.regex = lua_upvalueindex(1),
                      .subject = lua_upvalueindex(2),
                      .from = lua_tointeger(L, lua_upvalueindex(3)),
                      .how = (how & LM_SKIP_EMPTY) | LM_PLACE};
  if (search.from < 0) {
    lua_pushnil(L);
    return 1;
  }
  lm_outcome outcome;
  int pairs = lm_regex_search(L, &outcome, &search);
  if (pairs < 0) return lm_fail_search(L, &search, &outcome, pairs);
  lua_Integer length, next = 0;
  if (pairs > 0) {
    int match = lua_gettop(L) - 2 * pairs + 1;
    length = lua_tointeger(L, match) - start;
    next = lua_tointeger(L, match) + lua_tointeger(L, match + 1);
    /* \K may put the match before the piece. */
    if (length < 0) length = 0;
    lua_settop(L, 1);
  } else {
    length = start < 0 ? LM_NO_REST : lm_regex_rest(L, &outcome, search.subject, start);
    if (length == LM_NO_REST) {
      lua_pushnil(L);
      return 1;
    }
    if (length < 0) return lm_fail_search(L, &search, &outcome, (int)length);
  }
  lua_pushinteger(L, pairs > 0 ? search.from : -1);
  lua_replace(L, lua_upvalueindex(3));
  lua_pushinteger(L, (search.how & LM_SKIP_EMPTY) | (how & LM_OFFSETS));
  lua_replace(L, lua_upvalueindex(4));
  lua_pushinteger(L, next);
  lua_replace(L, lua_upvalueindex(5));
  if (how & LM_OFFSETS) {
    lua_pushinteger(L, start);
    lua_pushinteger(L, length);
    return 2;
  }
  lua_pushvalue(L, search.subject);
  lua_replace(L, 1);
  lm_push_subject(L, 1, start, length);
  return 1;
}

int lm_custom_regex_split(lua_State *L) {
  static const lm_option known[] = {{"ranges", LM_BOOLEAN, 0, 0}, {NULL, LM_INTEGER, 0, 0}};
  if (!lm_regex_at(L, 1)) luaL_typeerror(L, 1, LM_REGEX);
  lm_settop(L, 3, 2, "string or mmap.buffer");
  bool has_ranges = false;
  lm_read_options(L, 3, known, &has_ranges);
  lm_search search = {.regex = 1, .subject = 2};
  lm_outcome outcome;
  int code = lm_regex_start(L, &outcome, &search);
  if (code < 0) return lm_fail_search(L, &search, &outcome, code);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, has_ranges ? LM_OFFSETS : 0);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, split_next, 5);
  return 1;
}
