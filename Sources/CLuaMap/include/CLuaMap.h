#ifndef CLUAMAP_H
#define CLUAMAP_H
#include <lua5.4/lua.h>
int luaopen_mmap(lua_State *_Nonnull L);
int lm_index(lua_State *_Nonnull L);
#endif
