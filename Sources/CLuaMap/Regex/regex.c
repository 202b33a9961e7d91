/* The trampolines of mmap.regex. */
#include <cpcre2.h>
#include <string.h>

#include "regex.h"

#if PCRE2_MAJOR * 1000 + PCRE2_MINOR < 10047
#error "PCRE2 is too old: scripts/build gets a newer one"
#endif

static LM_TRAMPOLINE(r_close, lm_regex_close)

const char lm_regex_kind;

lm_regex *lm_new_regex(lua_State *L) {
  lm_regex *regex = lm_new_kind(L, sizeof *regex, 3, &lm_regex_kind);
  lm_set_metatable(L, LM_REGEX);
  return regex;
}

void lm_add_pressure(lua_State *L, int index) {
  const lm_regex *regex = lm_regex_at(L, index);
  /* Clear the first word: the block may have the bytes of a freed view, and must not be identified as one. */
  memset(lm_new_userdata(L, lm_regex_size(regex), 0), 0, sizeof(void *));
  lua_setiuservalue(L, index, 3);
}

int lm_raise_pattern(lua_State *L, int argument, const lm_pattern_error *error) {
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
  lm_regex *regex = lm_new_regex(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 4, 2);
  lm_pattern_error error;
  if (lm_regex_compile(L, regex, &options, &error) < 0) return lm_raise_pattern(L, 1, &error);
  lm_add_pressure(L, 4);
  return 1;
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
  lm_open_gsub(L);
  lm_open_methods(L, LM_REGEX, LM_CLASS_regex, metamethods);
}
