/* The trampolines of searches: find, match, and their iterators. */
#include "regex.h"

/* [-0, +0, e] The form of the captures, at an argument. */
static int check_how(lua_State *L, int argument) {
  return lm_check_word(L, argument, "%s is not one of", "strings offsets") == 0 ? 0 : LM_OFFSETS;
}

void lm_push_subject(lua_State *L, int subject, lua_Integer offset, lua_Integer length) {
  size_t count;
  const char *text = lm_string_at(L, subject, &count);
  if (!text) {
    lm_outcome outcome;
    int code = lm_regex_capture(L, &outcome, subject, offset, length);
    lm_push_or_raise(L, &outcome, code);
    return;
  }
  if ((lua_Unsigned)offset > count || (lua_Unsigned)length > count - (size_t)offset)
    luaL_error(L, "the subject was replaced by a shorter one");
  lua_pushlstring(L, text + offset, (size_t)length);
}

void lm_push_capture(lua_State *L, int index, int how) {
  lua_Integer offset = lua_tointeger(L, index), length = lua_tointeger(L, index + 1);
  if (offset < 0) {
    lua_pushboolean(L, 0);
    if (how & LM_OFFSETS) lua_pushboolean(L, 0);
  } else if (how & LM_OFFSETS) {
    lua_pushinteger(L, offset);
    lua_pushinteger(L, length);
  } else if (length < 0) {
    lua_pushinteger(L, offset);
  } else {
    lm_push_subject(L, 1, offset, length);
  }
}

/* [-?, +?, e] Pushes the results of a search that left `pairs` pairs of integers on the stack: the match and its
   captures. The results are, as of string.match, the captures, or the match if there are none. */
static int finish_match(lua_State *L, const lm_search *search, int pairs) {
  int first = lua_gettop(L) - 2 * pairs + 1;
  luaL_checkstack(L, 2 * pairs + LUA_MINSTACK, "too many captures");
  lua_pushvalue(L, search->subject);
  lua_replace(L, 1);
  int results = lua_gettop(L);
  if (search->how & LM_PLACE) {
    lua_pushvalue(L, first);
    lua_pushvalue(L, first + 1);
  }
  int i = pairs > 1 || search->how & LM_PLACE ? 1 : 0;
  for (; i < pairs; i++) lm_push_capture(L, first + 2 * i, search->how);
  return lua_gettop(L) - results;
}

int lm_fail_search(lua_State *L, const lm_search *search, const lm_outcome *outcome, int code) {
  if (code == LM_BYTES || outcome->kind == LM_LOST || outcome->kind == LM_CLOSED) {
    lua_pushvalue(L, search->subject);
    lua_replace(L, 1);
  }
  return lm_push_or_raise(L, outcome, code);
}

int lm_search_once(lua_State *L, lm_search *search) {
  lm_outcome outcome;
  int pairs = lm_regex_search(L, &outcome, search);
  if (pairs < 0) return lm_fail_search(L, search, &outcome, pairs);
  if (pairs > 0) return finish_match(L, search, pairs);
  lua_pushnil(L);
  return 1;
}

/* [-?, +?, e] Checks the arguments of a method that searches. */
static void take_search(lua_State *L) {
  if (!lm_regex_at(L, 1)) luaL_typeerror(L, 1, LM_REGEX);
  lm_settop(L, 4, 2, "string or mmap.buffer");
}

int lm_custom_regex_find(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4) | LM_PLACE};
  return lm_search_once(L, &search);
}

int lm_custom_regex_match(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4)};
  return lm_search_once(L, &search);
}

/* One step of an iterator. Upvalues: the regex, the subject, the next start (-1 at the end), and the flags
   LM_SKIP_EMPTY …. Upvalues and objects are read again at each step, because they may change between steps. */
static int g_next(lua_State *L) {
  lua_settop(L, 1);
  int how = (int)lua_tointeger(L, lua_upvalueindex(4));
  lm_search search = {.regex = lua_upvalueindex(1),
                      .subject = lua_upvalueindex(2),
                      .from = lua_tointeger(L, lua_upvalueindex(3)),
                      .how = how};
  lm_outcome outcome;
  int pairs = search.from < 0 ? 0 : lm_regex_search(L, &outcome, &search);
  if (pairs < 0 && pairs != LM_BYTES) return lm_fail_search(L, &search, &outcome, pairs);
  lua_pushinteger(L, pairs != 0 ? search.from : -1);
  lua_replace(L, lua_upvalueindex(3));
  if (search.how != how) {
    lua_pushinteger(L, search.how);
    lua_replace(L, lua_upvalueindex(4));
  }
  if (pairs < 0) return lm_fail_search(L, &search, &outcome, pairs);
  if (pairs > 0) return finish_match(L, &search, pairs);
  lua_pushnil(L);
  return 1;
}

int lm_push_matches(lua_State *L, lm_search *search) {
  lm_outcome outcome;
  int code = lm_regex_start(L, &outcome, search);
  if (code < 0) return lm_fail_search(L, search, &outcome, code);
  lua_pushvalue(L, search->regex);
  lua_pushvalue(L, search->subject);
  lua_pushinteger(L, search->from);
  lua_pushinteger(L, search->how);
  lua_pushcclosure(L, g_next, 4);
  return 1;
}

int lm_custom_regex_gmatch(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4)};
  return lm_push_matches(L, &search);
}

int lm_custom_regex_gfind(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4) | LM_PLACE};
  return lm_push_matches(L, &search);
}
