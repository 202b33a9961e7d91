/* The trampolines of Lua's patterns on buffers. */
#include <cpcre2.h>
#include <ctype.h>

#include "regex.h"

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
  lm_regex *regex = lm_new_regex(L);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lm_pattern_error error;
  if (lm_regex_translate(L, regex, index, &error) < 0) {
    if (error.code == PCRE2_ERROR_PATTERN_TOO_LARGE || error.code == PCRE2_ERROR_PATTERN_STRING_TOO_LONG)
      luaL_error(L, "pattern too complex");
    lm_raise_pattern(L, index, &error);
  }
  lm_add_pressure(L, cache + 1);
  lua_pushvalue(L, index);
  lua_pushvalue(L, cache + 1);
  lua_rawset(L, cache);
  lua_rawgeti(L, cache, 1);
  lua_pushinteger(L, lua_tointeger(L, -1) + 1);
  lua_rawseti(L, cache, 1);
  lua_pop(L, 1);
  lua_remove(L, cache);
}

int lm_custom_buffer_match(lua_State *L) {
  lm_check_buffer(L);
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, "string");
  lua_settop(L, 3);
  push_translation(L, 2);
  lm_search search = {.regex = 4, .subject = 1, .argument = 3, .how = LM_LUA};
  return lm_search_once(L, &search);
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
  return lm_push_matches(L, &search);
}
