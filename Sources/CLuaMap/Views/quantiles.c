/* The trampoline of v:quantile. */
#include "trampoline.h"

/* v:quantile(q), v:quantile { q, … } */
int lm_custom_view_quantile(lua_State *L) {
  enum { MOST = 1 << 20 };
  lm_check_view(L);
  bool is_list = lua_type(L, 2) == LUA_TTABLE;
  if (!is_list && lua_type(L, 2) != LUA_TNUMBER) return luaL_typeerror(L, 2, "number or table");
  lua_settop(L, 3);
  size_t count = is_list ? (size_t)lua_rawlen(L, 2) : 1;
  if (count > MOST)
    return luaL_argerror(L, 2, lua_pushfstring(L, "%I parts are too many (%d at most)", (LUAI_UACINT)count, MOST));
  /* The list is made first: its allocation may run a finalizer, which could take the userdata from the stack. */
  if (is_list) lua_createtable(L, (int)count, 0);
  int list = lua_gettop(L);
  double *parts = lm_new_userdata(L, (count + 1) * sizeof *parts, 0);
  for (size_t i = 0; i < count; i++) {
    int place = 2;
    if (is_list) {
      if (lua_type(L, 2) != LUA_TTABLE) luaL_typeerror(L, 2, "number or table");
      lua_rawgeti(L, 2, (lua_Integer)i + 1);
      place = -1;
    }
    if (lua_type(L, place) != LUA_TNUMBER)
      return luaL_argerror(L, 2, lua_pushfstring(L, "element %I: not a number", (LUAI_UACINT)i + 1));
    parts[i] = lua_tonumber(L, place);
    if (is_list) lua_pop(L, 1);
  }
  lm_outcome outcome;
  int code = lm_view_quantile(L, &outcome, parts, count);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  if (code == 0) {
    lua_pushnil(L);
    return 1;
  }
  if (!is_list) {
    lua_pushnumber(L, parts[0]);
    return 1;
  }
  if (lua_type(L, list) != LUA_TTABLE) return luaL_error(L, "a finalizer modified the stack");
  for (size_t i = 0; i < count; i++) {
    lua_pushnumber(L, parts[i]);
    lua_rawseti(L, list, (lua_Integer)i + 1);
  }
  lua_settop(L, list);
  return 1;
}
