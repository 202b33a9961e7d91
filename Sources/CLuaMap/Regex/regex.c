/* The trampolines of patterns: mmap.regex, and Lua's patterns on buffers. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <string.h>

#include "trampoline.h"

#define LM_REGEX "mmap.regex"

static LM_TRAMPOLINE(r_close, lm_regex_close)

const char lm_regex_kind;

/* User values: 1 the pattern, 2 the flags, 3 the ballast. */
static lm_regex *new_regex(lua_State *L) {
  lm_regex *regex = lm_new_userdata(L, sizeof *regex, 3);
  memset(regex, 0, sizeof *regex);
  regex->kind = &lm_regex_kind;
  regex->self = regex;
  lm_set_metatable(L, LM_REGEX);
  return regex;
}

/* [-0, +0, e] PCRE2 takes memory that Lua's collector and a limit of Lua's memory know nothing of: as
   much of theirs stands for it. */
static void add_ballast(lua_State *L, int index) {
  const lm_regex *regex = lm_regex_at(L, index);
  /* What lay there before, a view perhaps, is not to be taken for one. */
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
  if (lua_type(L, 1) != LUA_TSTRING) return luaL_typeerror(L, 1, "string");
  lua_settop(L, 2);
  check_flags(L, 2);
  lm_regex *regex = new_regex(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 2);
  lm_pattern_error error;
  if (lm_regex_compile(L, regex, &error) < 0) return raise_pattern(L, 1, &error);
  add_ballast(L, 3);
  return 1;
}

/* Where the translations of Lua's patterns are kept; at the integer 1 is their number. */
static const char cache_key;
enum { MOST_TRANSLATIONS = 256 };

/* [-0, +1, m] Also when the classes of characters have changed, as os.setlocale can do. */
static void push_new_cache(lua_State *L) {
  lua_createtable(L, 0, 16);
  lua_pushinteger(L, 0);
  lua_rawseti(L, -2, 1);
  lua_pushlightuserdata(L, (void *)*__ctype_b_loc());
  lua_rawseti(L, -2, 2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cache_key);
}

/* [-0, +1, m] The cache; another one where it is full. */
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

/* [-0, +1, e] The translation of the pattern of Lua's at an index. */
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
  add_ballast(L, cache + 1);
  lua_pushvalue(L, index);
  lua_pushvalue(L, cache + 1);
  lua_rawset(L, cache);
  lua_rawgeti(L, cache, 1);
  lua_pushinteger(L, lua_tointeger(L, -1) + 1);
  lua_rawseti(L, cache, 1);
  lua_pop(L, 1);
  lua_remove(L, cache);
}

/* [-0, +0, e] How captures are wanted. */
static int check_how(lua_State *L, int argument) {
  return lm_check_word(L, argument, "%s is not one of", "strings offsets") == 0 ? 0 : LM_OFFSETS;
}

/* [-0, +(1|2), e] One capture of the subject at 1 as a result, from the two integers at an index. What is
   pushed may have run a finalizer, which may have closed the buffer: it is asked again each time. */
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
  } else if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushlstring(L, lua_tostring(L, 1) + offset, (size_t)length);
  } else {
    lm_call call;
    int code = lm_regex_capture(L, &call, 1, offset, length);
    lm_finish(L, &call, code);
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

/* [-?, +?, e] Does what a search's negative code asks for. An error that is about a buffer looks for it at
   1. */
static int fail(lua_State *L, const lm_search *search, const lm_call *call, int code) {
  if (code == LM_BYTES || call->kind == LM_LOST || call->kind == LM_CLOSED) {
    lua_pushvalue(L, search->subject);
    lua_replace(L, 1);
  }
  return lm_finish(L, call, code);
}

static int search_once(lua_State *L, lm_search *search) {
  lm_call call;
  int pairs = lm_regex_search(L, &call, search);
  if (pairs < 0) return fail(L, search, &call, pairs);
  if (pairs > 0) return finish_match(L, search, pairs);
  lua_pushnil(L);
  return 1;
}

/* [-?, +?, e] Checks the arguments of a method that searches. */
static void take_search(lua_State *L) {
  if (!lm_regex_at(L, 1)) luaL_typeerror(L, 1, LM_REGEX);
  lm_take(L, 4, 2, "string or mmap.buffer");
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

/* One step of an iterator. Upvalues: the regex, the subject, where to go on (-1 at the end), and how.
   They are read anew at each step, as are the objects: between two steps anything may happen. */
static int g_next(lua_State *L) {
  lua_settop(L, 1);
  int how = (int)lua_tointeger(L, lua_upvalueindex(4));
  lm_search search = {.regex = lua_upvalueindex(1),
                      .subject = lua_upvalueindex(2),
                      .from = lua_tointeger(L, lua_upvalueindex(3)),
                      .how = how};
  lm_call call;
  int pairs = search.from < 0 ? 0 : lm_regex_search(L, &call, &search);
  if (pairs < 0 && pairs != LM_BYTES) return fail(L, &search, &call, pairs);
  lua_pushinteger(L, pairs != 0 ? search.from : -1);
  lua_replace(L, lua_upvalueindex(3));
  if (search.how != how) {
    lua_pushinteger(L, search.how);
    lua_replace(L, lua_upvalueindex(4));
  }
  if (pairs < 0) return fail(L, &search, &call, pairs);
  if (pairs > 0) return finish_match(L, &search, pairs);
  lua_pushnil(L);
  return 1;
}

static int push_iterator(lua_State *L, lm_search *search) {
  lm_call call;
  int code = lm_regex_start(L, &call, search);
  if (code < 0) return fail(L, search, &call, code);
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

int lm_custom_buffer_gmatch(lua_State *L) {
  lm_check_buffer(L);
  lm_take(L, 3, 2, "string");
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
  lm_open_methods(L, LM_REGEX, LM_CLASS_regex, metamethods);
}
