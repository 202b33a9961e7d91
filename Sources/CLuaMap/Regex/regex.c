/* The trampolines of patterns: mmap.regex, and Lua's patterns on buffers. */
#include <cpcre2.h>
#include <ctype.h>
#include <string.h>

#include "trampoline.h"

#if PCRE2_MAJOR * 1000 + PCRE2_MINOR < 10047
#error "PCRE2 is too old: scripts/build gets a newer one"
#endif

static LM_TRAMPOLINE(r_close, lm_regex_close)

#define LM_REGEX "mmap.regex"

const char lm_regex_kind, lm_text_kind;

/* User values: 1 the pattern, 2 the flags, 3 a block of the size of PCRE2's memory. */
static lm_regex *new_regex(lua_State *L) {
  lm_regex *regex = lm_new_userdata(L, sizeof *regex, 3);
  memset(regex, 0, sizeof *regex);
  regex->kind = &lm_regex_kind;
  regex->self = regex;
  lm_set_metatable(L, LM_REGEX);
  return regex;
}

/* [-0, +0, e] Allocates a block of the size of PCRE2's memory in Lua, because Lua's garbage collector and memory limit
   do not see PCRE2's own. */
static void add_pressure(lua_State *L, int index) {
  const lm_regex *regex = lm_regex_at(L, index);
  /* Clear the first word: the block may have the bytes of a freed view, and must not be identified as one. */
  memset(lm_new_userdata(L, lm_regex_size(regex), 0), 0, sizeof(void *));
  lua_setiuservalue(L, index, 3);
}

/* [-0, +0, v] */
static int raise_pattern(lua_State *L, int argument, const lm_pattern_error *error) {
  if (error->code == PCRE2_ERROR_NOMEMORY || error->code == PCRE2_ERROR_HEAP_FAILED)
    return luaL_error(L, "not enough memory");
  char text[256];
  if (pcre2_get_error_message(error->code, (PCRE2_UCHAR *)text, sizeof text) < 0) text[0] = 0;
  return luaL_argerror(L, argument, lua_pushfstring(L, "%s (at byte %I)", text, (LUAI_UACINT)error->offset));
}

/* [-0, +0, e] */
static void check_flags(lua_State *L, int argument) {
  size_t length;
  if (lua_isnoneornil(L, argument)) return;
  const char *flags = lm_string_at(L, argument, &length);
  if (!flags) luaL_typeerror(L, argument, "string");
  for (size_t i = 0; i < length; i++)
    if (!memchr("imsxu", flags[i], 5))
      luaL_argerror(L, argument, lua_pushfstring(L, "flag '%c' is not one of 'i', 'm', 's', 'x' and 'u'", flags[i]));
}

int lm_custom_mmap_regex(lua_State *L) {
  static const lm_option known[] = {
      {"steps", LM_INTEGER, offsetof(lm_regex_options, steps), offsetof(lm_regex_options, has_steps)},
      {NULL, LM_INTEGER, 0, 0}};
  if (lua_type(L, 1) != LUA_TSTRING) return luaL_typeerror(L, 1, "string");
  lua_settop(L, 3);
  check_flags(L, 2);
  lm_regex_options options = {0};
  lm_read_options(L, 3, known, &options);
  if (options.has_steps && (options.steps < 1 || options.steps > UINT32_MAX))
    return luaL_argerror(L, 3,
                         lua_pushfstring(L, "option 'steps': %I is out of range (1 to %I)", (LUAI_UACINT)options.steps,
                                         (LUAI_UACINT)UINT32_MAX));
  lm_regex *regex = new_regex(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 4, 2);
  lm_pattern_error error;
  if (lm_regex_compile(L, regex, &options, &error) < 0) return raise_pattern(L, 1, &error);
  add_pressure(L, 4);
  return 1;
}

/* The registry key of the cache of translated Lua patterns. The cache has their number at index 1. */
static const char cache_key;
enum { MOST_TRANSLATIONS = 256 };

/* [-0, +1, m] Makes a new cache. Needed also after the character classes changed, as by os.setlocale. */
static void push_new_cache(lua_State *L) {
  lua_createtable(L, 0, 16);
  lua_pushinteger(L, 0);
  lua_rawseti(L, -2, 1);
  lua_pushlightuserdata(L, (void *)*__ctype_b_loc());
  lua_rawseti(L, -2, 2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
}

/* [-0, +1, m] Pushes the cache; a new one if it is full. */
static void push_cache(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cache_key) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    bool fits = lua_tointeger(L, -2) < MOST_TRANSLATIONS && lua_touserdata(L, -1) == (void *)*__ctype_b_loc();
    lua_pop(L, 2);
    if (fits) return;
  }
  lua_pop(L, 1);
  push_new_cache(L);
}

/* [-0, +1, e] Pushes the translation of the Lua pattern at an index. */
static void push_translation(lua_State *L, int index) {
  push_cache(L);
  int cache = lua_gettop(L);
  lua_pushvalue(L, index);
  lua_rawget(L, cache);
  if (lm_regex_at(L, -1)) {
    lua_remove(L, cache);
    return;
  }
  lua_pop(L, 1);
  lm_regex *regex = new_regex(L);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lm_pattern_error error;
  if (lm_regex_translate(L, regex, index, &error) < 0) {
    if (error.code == PCRE2_ERROR_PATTERN_TOO_LARGE || error.code == PCRE2_ERROR_PATTERN_STRING_TOO_LONG)
      luaL_error(L, "pattern too complex");
    raise_pattern(L, index, &error);
  }
  add_pressure(L, cache + 1);
  lua_pushvalue(L, index);
  lua_pushvalue(L, cache + 1);
  lua_rawset(L, cache);
  lua_rawgeti(L, cache, 1);
  lua_pushinteger(L, lua_tointeger(L, -1) + 1);
  lua_rawseti(L, cache, 1);
  lua_pop(L, 1);
  lua_remove(L, cache);
}

/* [-0, +0, e] The form of the captures, at an argument. */
static int check_how(lua_State *L, int argument) {
  return lm_check_word(L, argument, "%s is not one of", "strings offsets") == 0 ? 0 : LM_OFFSETS;
}

/* [-0, +1, e] Pushes a part of a subject as a string. A finalizer or a hook may have replaced the subject
   (debug.setlocal). */
static void push_part(lua_State *L, int subject, lua_Integer offset, lua_Integer length) {
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

/* [-0, +(1|2), e] Pushes a capture of the subject at 1 as a result, from the two integers at an index. A push may run a
   finalizer that closes the buffer, so the buffer is checked again each time. */
static void push_capture(lua_State *L, int index, int how) {
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
    push_part(L, 1, offset, length);
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
  for (; i < pairs; i++) push_capture(L, first + 2 * i, search->how);
  return lua_gettop(L) - results;
}

/* [-?, +?, e] Acts on the negative code of a search. Errors about a buffer expect it at 1. */
static int fail(lua_State *L, const lm_search *search, const lm_outcome *outcome, int code) {
  if (code == LM_BYTES || outcome->kind == LM_LOST || outcome->kind == LM_CLOSED) {
    lua_pushvalue(L, search->subject);
    lua_replace(L, 1);
  }
  return lm_push_or_raise(L, outcome, code);
}

static int search_once(lua_State *L, lm_search *search) {
  lm_outcome outcome;
  int pairs = lm_regex_search(L, &outcome, search);
  if (pairs < 0) return fail(L, search, &outcome, pairs);
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
  return search_once(L, &search);
}

int lm_custom_regex_match(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4)};
  return search_once(L, &search);
}

int lm_custom_buffer_match(lua_State *L) {
  lm_check_buffer(L);
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, "string");
  lua_settop(L, 3);
  push_translation(L, 2);
  lm_search search = {.regex = 4, .subject = 1, .argument = 3, .how = LM_LUA};
  return search_once(L, &search);
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
  if (pairs < 0 && pairs != LM_BYTES) return fail(L, &search, &outcome, pairs);
  lua_pushinteger(L, pairs != 0 ? search.from : -1);
  lua_replace(L, lua_upvalueindex(3));
  if (search.how != how) {
    lua_pushinteger(L, search.how);
    lua_replace(L, lua_upvalueindex(4));
  }
  if (pairs < 0) return fail(L, &search, &outcome, pairs);
  if (pairs > 0) return finish_match(L, &search, pairs);
  lua_pushnil(L);
  return 1;
}

static int push_iterator(lua_State *L, lm_search *search) {
  lm_outcome outcome;
  int code = lm_regex_start(L, &outcome, search);
  if (code < 0) return fail(L, search, &outcome, code);
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
  return push_iterator(L, &search);
}

int lm_custom_regex_gfind(lua_State *L) {
  take_search(L);
  lm_search search = {.regex = 1, .subject = 2, .argument = 3, .how = check_how(L, 4) | LM_PLACE};
  return push_iterator(L, &search);
}

int lm_custom_regex_names(lua_State *L) {
  if (!lm_regex_at(L, 1)) luaL_typeerror(L, 1, LM_REGEX);
  lua_settop(L, 1);
  lua_newtable(L);
  lm_outcome outcome;
  lm_group group;
  int code;
  for (lua_Integer i = 0; (code = lm_regex_name(L, &outcome, i, &group)) > 0; i++) {
    lua_pushstring(L, group.name);
    lua_pushvalue(L, -1);
    /* A name that several groups have, as (?J) allows, is that of the first. */
    bool is_new = lua_type(L, 2) == LUA_TTABLE && lua_rawget(L, 2) == LUA_TNIL;
    if (!is_new && (lua_type(L, 2) != LUA_TTABLE || lua_tointeger(L, -1) < group.number)) {
      lua_settop(L, 2);
      continue;
    }
    lua_pop(L, 1);
    lua_pushinteger(L, group.number);
    lua_rawset(L, 2);
  }
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_settop(L, 2);
  return 1;
}

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
  if (pairs < 0) return fail(L, &search, &outcome, pairs);
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
    if (length < 0) return fail(L, &search, &outcome, (int)length);
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
  push_part(L, 1, start, length);
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
  if (code < 0) return fail(L, &search, &outcome, code);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, has_ranges ? LM_OFFSETS : 0);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, split_next, 5);
  return 1;
}

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
      for (int i = pairs > 1 ? 1 : 0; i < pairs; i++) push_capture(L, first + 2 * i, 0);
      lua_call(L, pairs > 1 ? pairs - 1 : 1, 1);
      break;
    default: push_capture(L, first + (pairs > 1 ? 2 : 0), 0); lua_gettable(L, GSUB_REPLACEMENT);
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
  if (code < 0) fail(L, &search, &outcome, code);
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
  lm_text *text = lm_new_userdata(L, sizeof *text, 0);
  memset(text, 0, sizeof *text);
  text->kind = &lm_text_kind;
  text->self = text;
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

int lm_custom_buffer_gmatch(lua_State *L) {
  lm_check_buffer(L);
  lm_settop(L, 3, 2, "string");
  size_t length;
  const char *pattern = lm_string_at(L, 2, &length);
  if (!pattern) return luaL_typeerror(L, 2, "string");
  if (length > 0 && *pattern == '^') {
    /* In gmatch a '^' at the beginning is not an anchor. */
    lua_pushliteral(L, "%");
    lua_pushvalue(L, 2);
    lua_concat(L, 2);
    lua_replace(L, 2);
  }
  push_translation(L, 2);
  lm_search search = {.regex = 4, .subject = 1, .argument = 3, .how = LM_LUA};
  return push_iterator(L, &search);
}

static int r_tostring(lua_State *L) {
  lm_regex *regex = lm_regex_at(L, 1);
  if (!regex) return luaL_typeerror(L, 1, LM_REGEX);
  lua_settop(L, 1); /* tostring passes one argument; a script that has the metatable may pass more */
  if (!regex->pattern.code) {
    lua_pushliteral(L, LM_REGEX " (closed)");
    return 1;
  }
  lua_pushliteral(L, LM_REGEX ": /");
  lua_getiuservalue(L, 1, 1);
  lua_pushliteral(L, "/");
  if (lua_getiuservalue(L, 1, 2) != LUA_TSTRING) lua_pop(L, 1);
  /* debug.setuservalue can set any value. */
  if (lua_type(L, 3) != LUA_TSTRING) lua_settop(L, 2);
  lua_concat(L, lua_gettop(L) - 1);
  lm_show(L, -1);
  return 1;
}

void lm_open_regex(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", r_tostring}, {"__gc", r_close}, {"__close", r_close}, {NULL, NULL}};
  /* No class: scripts never see a text. */
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, text_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lm_text_kind);
  lm_open_methods(L, LM_REGEX, LM_CLASS_regex, metamethods);
}
