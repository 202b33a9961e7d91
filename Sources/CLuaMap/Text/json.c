/* The table mmap.json, and what decode and encode share. */
#include "json.h"

#include <string.h>

const char lm_json_meta, lm_writer_meta, lm_null_key, lm_array_key;

void lm_set_json_metatable(lua_State *L, const char *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) luaL_error(L, "a metatable in the registry was replaced");
  lua_setmetatable(L, -2);
}

int lm_raise_changed(lua_State *L) { return luaL_error(L, "a finalizer or a hook modified the stack"); }

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

static int json_newindex(lua_State *L) {
  return luaL_error(L, "attempt to change 'mmap.json' (field '%s')", luaL_tolstring(L, 2, NULL));
}

/* [-0, +0, m] */
static void set_gc(lua_State *L, const char *key, lua_CFunction gc) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* [-0, +0, m] Sets the field `json` of the module table on top. */
void lm_add_json(lua_State *L) {
  set_gc(L, &lm_json_meta, lm_json_gc);
  set_gc(L, &lm_writer_meta, lm_writer_gc);
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 4);
  lua_createtable(L, 0, 4);
  lm_set_methods(L, LM_CLASS_json);
  lm_name_functions(L, "mmap.json.");
  memset(lm_new_userdata(L, sizeof(void *), 0), 0, sizeof(void *));
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "mmap.json.null");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lm_null_key);
  lua_setfield(L, -2, "null");
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "mmap.json.array");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lm_array_key);
  lua_setfield(L, -2, "array");
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, json_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "json");
}
