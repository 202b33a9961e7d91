/* Tables of options. Every key is checked: a misspelled one is an error. */
#include <string.h>

#include "trampoline.h"

/* [-0, +0, e] */
static int64_t check_advice(lua_State *L, int argument, int index) {
  size_t length;
  const char *name = lm_string_at(L, index, &length);
  if (name) {
    int64_t advice = lm_advice_named(name, length);
    if (advice < 0) luaL_argerror(L, argument, lm_push_unknown(L, index, "advice %s is not known", NULL));
    return advice;
  }
  int is_integer = 0;
  lua_Integer number = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &is_integer) : 0;
  if (!is_integer)
    luaL_argerror(L, argument,
                  lua_pushfstring(L, "option 'advice': name or integer expected, got %s", luaL_typename(L, index)));
  return number;
}

lua_Integer lm_check_integer(lua_State *L, int argument, const char *expected) {
  int is_integer;
  if (lua_type(L, argument) != LUA_TNUMBER) luaL_typeerror(L, argument, expected);
  lua_Integer value = lua_tointegerx(L, argument, &is_integer);
  luaL_argcheck(L, is_integer, argument, "number has no integer representation");
  return value;
}

void lm_check_separator(lua_State *L, int argument, int index, const char *what, mm_separator *separator) {
  size_t length;
  const char *bytes = lm_string_at(L, index, &length);
  if (!bytes && index == argument) luaL_typeerror(L, argument, lua_pushfstring(L, "%s: string", what));
  if (!bytes)
    luaL_argerror(L, argument, lua_pushfstring(L, "%s: string expected, got %s", what, luaL_typename(L, index)));
  if (length < 1 || length > MM_LONGEST_SEPARATOR)
    luaL_argerror(L, argument,
                  lua_pushfstring(L, "%s: %I bytes are out of range (1 to %d)", what, (LUAI_UACINT)length,
                                  (int)MM_LONGEST_SEPARATOR));
  memset(separator, 0, sizeof *separator);
  memcpy(separator->bytes, bytes, length);
  separator->count = (uint32_t)length;
}

/* [-0, +0, e] Stores the value on top in the option's place in the structure. */
static void store(lua_State *L, int argument, const lm_option *option, char *target) {
  switch (option->type) {
    case LM_INTEGER: {
      int is_integer = 0;
      lua_Integer number = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
      if (!is_integer)
        luaL_argerror(L, argument,
                      lua_pushfstring(L, "option '%s': integer expected, got %s", option->name,
                                      lua_type(L, -1) == LUA_TNUMBER ? "a fraction" : luaL_typename(L, -1)));
      *(int64_t *)(target + option->place) = number;
      break;
    }
    case LM_BOOLEAN:
      if (!lua_isboolean(L, -1))
        luaL_argerror(L, argument,
                      lua_pushfstring(L, "option '%s': boolean expected, got %s", option->name, luaL_typename(L, -1)));
      *(bool *)(target + option->place) = lua_toboolean(L, -1);
      break;
    case LM_CALLERS: return;
    case LM_ADVICE: *(int64_t *)(target + option->place) = check_advice(L, argument, -1); break;
    case LM_SEPARATOR:
      lm_check_separator(L, argument, -2, lua_pushfstring(L, "option '%s'", option->name),
                         (mm_separator *)(target + option->place));
      lua_pop(L, 1);
      break;
  }
  if (option->given) *(bool *)(target + option->given) = true;
}

/* [-0, +1, m] The names of the options, between blanks. */
static const char *push_names(lua_State *L, const lm_option *options) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (const lm_option *option = options; option->name; option++) {
    if (option != options) luaL_addchar(&text, ' ');
    luaL_addstring(&text, option->name);
  }
  luaL_pushresult(&text);
  return lua_tostring(L, -1);
}

void lm_read_options(lua_State *L, int argument, const lm_option *options, void *target) {
  if (lua_isnoneornil(L, argument)) return;
  luaL_checktype(L, argument, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, argument); lua_pop(L, 1)) {
    const lm_option *option = options;
    size_t length;
    const char *key = lm_string_at(L, -2, &length);
    if (key)
      while (option->name && (strcmp(option->name, key) != 0 || strlen(key) != length)) option++;
    if (!key || !option->name) {
      const char *names = push_names(L, options);
      luaL_argerror(L, argument, lm_push_unknown(L, -3, "option %s is not known", names));
    }
    store(L, argument, option, target);
  }
}
