#include <lua5.4/lauxlib.h>
#include "CLuaMap.h"
int luaopen_mmap(lua_State *L) { lua_createtable(L, 0, 0); lua_pushcfunction(L, lm_index); lua_setfield(L, -2, "x"); return 1; }
