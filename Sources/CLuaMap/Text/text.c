/* What the iterators over lines and fields share. */
#include <string.h>

#include "text.h"

const mm_separator lm_newline = {.bytes = {'\n'}, .count = 1};

int lm_fail_step(lua_State *L, const lm_outcome *outcome, int code) {
  lua_settop(L, LM_STATE);
  lua_getiuservalue(L, LM_STATE, 1);
  lua_replace(L, 1);
  return lm_push_or_raise(L, outcome, code);
}

int lm_end_steps(lua_State *L, const mm_region *region, size_t end) {
  lm_outcome outcome;
  int code = 0;
  lua_settop(L, LM_STATE);
  lua_getiuservalue(L, LM_STATE, 1);
  lm_push_path(L, -1);
  if (lua_type(L, -1) == LUA_TSTRING) code = LM_RUN(L, lm_text_end(L, &outcome, region, end, lua_tostring(L, -1)));
  if (mm_unlikely(code < 0)) return lm_fail_step(L, &outcome, code);
  lua_pushnil(L);
  return 1;
}

bool lm_read_byte(lua_State *L, int argument, const char *name, uint8_t *byte) {
  if (!lua_istable(L, argument)) return false;
  lua_pushstring(L, name);
  if (lua_rawget(L, argument) == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  size_t length;
  const char *text = lm_string_at(L, -1, &length);
  if (!text || length != 1)
    luaL_argerror(L, argument,
                  text ? lua_pushfstring(L, "option '%s': one byte expected, got %I", name, (LUAI_UACINT)length)
                       : lua_pushfstring(L, "option '%s': string expected, got %s", name, luaL_typename(L, -1)));
  *byte = (uint8_t)*text;
  lua_pop(L, 1);
  return true;
}

void lm_read_quotes(lua_State *L, int argument, bool *quoted, bool has_csv, uint8_t *quote, uint8_t *escape) {
  *quote = '"';
  bool given = lm_read_byte(L, argument, "quote", quote);
  *escape = *quote;
  given = lm_read_byte(L, argument, "escape", escape) || given;
  luaL_argcheck(L, !given || *quoted || !has_csv, argument, "options 'quote' and 'escape' need csv = true");
  *quoted = *quoted || given;
}
