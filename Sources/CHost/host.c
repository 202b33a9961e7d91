#include <stdio.h>
#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include "CHost.h"
#include "CLuaMap.h"
int host_main(int argc, char **argv) {
  lua_State *L = luaL_newstate(); luaL_openlibs(L);
  luaL_requiref(L, "mmap", luaopen_mmap, 1); lua_pop(L, 1);
  if (argc > 1 && luaL_dofile(L, argv[1])) { fprintf(stderr, "%s\n", lua_tostring(L, -1)); return 1; }
  lua_close(L); return 0;
}
