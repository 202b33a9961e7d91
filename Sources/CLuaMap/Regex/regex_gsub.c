/* The trampoline of regex:gsub. */
#include <string.h>

#include "regex.h"

const char lm_text_kind;

/* The stack of regex:gsub. A function that it calls may replace any of it (debug.setlocal), so everything is
   checked at each use. */
enum { GSUB_SUBJECT = 1, GSUB_REGEX, GSUB_REPLACEMENT, GSUB_TEXT };

/* [-0, +0, e] */
static lm_text *check_text(lua_State *L) {
  lm_text *text = lm_text_at(L, GSUB_TEXT);
  if (!text) luaL_error(L, "the text of gsub was replaced");
  return text;
}

/* [-0, +0, e] Appends a part of the subject; all after `offset` if the length is less than 0. */
static void add_part(lua_State *L, lua_Integer offset, lua_Integer length) {
  lm_outcome outcome;
  int code = lm_text_add_part(L, &outcome, check_text(L), GSUB_SUBJECT, offset, length);
  if (code < 0) lm_push_or_raise(L, &outcome, code);
}

/* [-0, +0, e] */
static void add_bytes(lua_State *L, const char *bytes, size_t count) {
  lm_outcome outcome;
  int code = lm_text_add(L, &outcome, check_text(L), bytes, count);
  if (code < 0) lm_push_or_raise(L, &outcome, code);
}

/* [-0, +0, e] Appends a group (0 to `pairs` - 1) of the match whose integers begin at an index. Group 1 is the match if
   there are no groups. */
static void add_group(lua_State *L, int first, int pairs, int group) {
  if (pairs == 1 && group == 1) group = 0;
  if (group >= pairs) luaL_error(L, "invalid capture index %%%d in replacement string", group);
  lua_Integer offset = lua_tointeger(L, first + 2 * group), length = lua_tointeger(L, first + 2 * group + 1);
  if (offset >= 0 && length > 0) add_part(L, offset, length);
}

/* [-0, +0, e] Appends the replacement string with its captures %0 to %9, as string.gsub does. */
static void add_template(lua_State *L, int first, int pairs) {
  size_t count;
  const char *text = lm_string_at(L, GSUB_REPLACEMENT, &count);
  for (const char *end = text + count; text < end;) {
    const char *percent = memchr(text, '%', (size_t)(end - text));
    if (!percent) percent = end;
    if (percent > text) add_bytes(L, text, (size_t)(percent - text));
    if (percent == end) return;
    char next = percent + 1 < end ? percent[1] : 0;
    if (next == '%') add_bytes(L, "%", 1);
    else if (next >= '0' && next <= '9') add_group(L, first, pairs, next - '0');
    else luaL_error(L, "invalid use of '%c' in replacement string", '%');
    text = percent + 2;
  }
}

/* [-?, +0, e] Appends the replacement of the match whose integers begin at an index. */
static void add_replacement(lua_State *L, int first, int pairs) {
  lua_Integer offset = lua_tointeger(L, first), length = lua_tointeger(L, first + 1);
  luaL_checkstack(L, pairs + LUA_MINSTACK, "too many captures");
  switch (lua_type(L, GSUB_REPLACEMENT)) {
    case LUA_TSTRING: return add_template(L, first, pairs);
    case LUA_TFUNCTION:
      lua_pushvalue(L, GSUB_REPLACEMENT);
      for (int i = pairs > 1 ? 1 : 0; i < pairs; i++) lm_push_capture(L, first + 2 * i, 0);
      lua_call(L, pairs > 1 ? pairs - 1 : 1, 1);
      break;
    default: lm_push_capture(L, first + (pairs > 1 ? 2 : 0), 0); lua_gettable(L, GSUB_REPLACEMENT);
  }
  if (!lua_toboolean(L, -1)) return add_part(L, offset, length);
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  size_t count;
  const char *bytes = lua_tolstring(L, -1, &count);
  add_bytes(L, bytes, count);
}

/* [-0, +0, e] Reads the arguments: the regex, the subject, the replacement, and the greatest number of matches, which
   it returns. Swaps the first two. */
static lua_Integer take_gsub(lua_State *L) {
  if (!lm_regex_at(L, 1)) luaL_typeerror(L, 1, LM_REGEX);
  bool has_replacement = lua_gettop(L) > 2;
  lm_settop(L, 4, 2, "string or mmap.buffer");
  lm_search search = {.regex = 1, .subject = 2};
  lm_outcome outcome;
  int code = lm_regex_start(L, &outcome, &search);
  if (code < 0) lm_fail_search(L, &search, &outcome, code);
  int type = lua_type(L, 3);
  if (!has_replacement) lua_settop(L, 2);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TTABLE && type != LUA_TFUNCTION)
    luaL_typeerror(L, 3, "string/function/table");
  lua_Integer most = lua_isnil(L, 4) ? LUA_MAXINTEGER : lm_check_integer(L, 4, "number");
  lua_settop(L, 3);
  if (type == LUA_TNUMBER) lua_tolstring(L, 3, NULL);
  lua_pushvalue(L, 2);
  lua_insert(L, GSUB_SUBJECT);
  lua_remove(L, 3);
  return most;
}

int lm_custom_regex_gsub(lua_State *L) {
  lua_Integer most = take_gsub(L), count = 0, copied = 0;
  lm_text *text = lm_new_kind(L, sizeof *text, 0, &lm_text_kind);
  /* A script may have changed the registry (debug.getregistry). */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &lm_text_kind) != LUA_TTABLE) luaL_error(L, "the metatable of gsub is gone");
  lua_setmetatable(L, -2);
  lm_search search = {.regex = GSUB_REGEX, .subject = GSUB_SUBJECT, .how = LM_PLACE};
  for (; count < most; count++) {
    lm_outcome outcome;
    lua_settop(L, GSUB_TEXT);
    int pairs = lm_regex_search(L, &outcome, &search);
    if (pairs < 0) return lm_push_or_raise(L, &outcome, pairs);
    if (pairs == 0) break;
    lua_Integer start = lua_tointeger(L, GSUB_TEXT + 1), end = start + lua_tointeger(L, GSUB_TEXT + 2);
    /* \K may put the start before the search. */
    if (start > copied) add_part(L, copied, start - copied);
    add_replacement(L, GSUB_TEXT + 1, pairs);
    if (end > copied) copied = end;
  }
  add_part(L, copied, -1);
  lua_settop(L, GSUB_TEXT);
  text = check_text(L);
  lua_pushlstring(L, text->text.count ? (const char *)text->text.bytes : "", text->text.count);
  if ((text = lm_text_at(L, GSUB_TEXT))) lm_text_free(text);
  lua_pushinteger(L, count);
  return 2;
}

static int text_gc(lua_State *L) {
  lm_text *text = lm_text_at(L, 1);
  if (text) lm_text_free(text);
  return 0;
}

void lm_open_gsub(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, text_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lm_text_kind);
}
