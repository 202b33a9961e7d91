/* Userdata: creation, identification, the owner of their mapping, and their classes. */
#include <string.h>

#include "trampoline.h"

void lm_set_metatable(lua_State *L, const char *name) {
  if (luaL_getmetatable(L, name) != LUA_TTABLE) luaL_error(L, "the registry's '%s' was replaced", name);
  lua_setmetatable(L, -2);
}

void *lm_new_userdata(lua_State *L, size_t size, int values) {
  void *block = lua_newuserdatauv(L, size, values);
  if (mm_unlikely(lua_touserdata(L, -1) != block)) luaL_error(L, "a finalizer modified the stack");
  return block;
}

void *lm_new_kind(lua_State *L, size_t size, int values, const void *kind) {
  const void **block = lm_new_userdata(L, size, values);
  memset(block, 0, size);
  block[0] = block;
  block[1] = kind;
  return block;
}

void lm_settop(lua_State *L, int most, int needed, const char *expected) {
  if (lua_gettop(L) < needed) luaL_typeerror(L, needed, expected);
  lua_settop(L, most);
}

const mm_region *lm_region_at(lua_State *L, int index) {
  const void *const *self = lua_touserdata(L, index);
  if (!self) return NULL;
  switch (lua_rawlen(L, index)) {
    case sizeof(lm_buffer): return *self == self ? &((const lm_buffer *)self)->region : NULL;
    case sizeof(lm_view): return *self == self ? &((const lm_view *)self)->elements.region : NULL;
    case sizeof(lm_record): return lm_record_at(L, index) ? &((const lm_record *)self)->region : NULL;
    case sizeof(lm_records): return lm_records_at(L, index) ? &((const lm_records *)self)->records.region : NULL;
    case sizeof(lm_atomic): return lm_atomic_at(L, index) ? &((const lm_atomic *)self)->region : NULL;
    default: return NULL;
  }
}

/* User value 1 is the path, or for an object on another's memory the buffer that owns the mapping. */
void lm_push_path(lua_State *L, int index) {
  if (!lm_region_at(L, index)) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, index, 1);
  if (!lm_buffer_at(L, -1)) return;
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
}

void lm_keep_mapping(lua_State *L, int index) {
  /* Checked again: a finalizer that ran during the allocation may have replaced the object. */
  if (!lm_region_at(L, index)) luaL_typeerror(L, index, LM_BUFFER);
  lua_getiuservalue(L, index, 1);
  if (!lm_buffer_at(L, -1)) {
    lua_pop(L, 1);
    lua_pushvalue(L, index);
  }
  lua_setiuservalue(L, -2, 1);
}

/* Each access looks up its metamethod by name. Lua seeds its hash differently in each process, so any two names can
   collide, and then the name inserted first is found faster. So __index and __newindex, which are looked up for each
   element, are inserted first, in a table that never grows. */
void lm_open_class(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods,
                   lua_CFunction index) {
  lua_createtable(L, 0, 16);
  lua_createtable(L, 0, 64);
  lm_set_methods(L, class);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, index, 1);
  lua_setfield(L, -3, "__index");
  lua_insert(L, -2);
  luaL_setfuncs(L, metamethods, 0);
  /* For completion, which lists the methods. */
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__methods");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void lm_open_methods(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods) {
  lua_createtable(L, 0, 8);
  lua_createtable(L, 0, 8);
  lm_set_methods(L, class);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, name);
  lua_pushcclosure(L, lm_find_no_method, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -2, "__methods");
  luaL_setfuncs(L, metamethods, 0);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}
