/* debug.setlocal without access to C functions. A finalizer runs in the middle of any C function that allocates, and
   could replace the values on its stack: neither Lua's own libraries nor C modules expect that. */
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

#include "call.h"

/* [-0, +1, e] uses 3 slots. As in ldblib.c, but returns nil for a C function. */
static int f_setlocal(lua_State *L) {
  int shift = lua_isthread(L, 1);
  lua_State *target = shift ? lua_tothread(L, 1) : L;
  int level = (int)luaL_checkinteger(L, shift + 1), number = (int)luaL_checkinteger(L, shift + 2);
  lua_Debug frame;
  if (!lua_getstack(target, level, &frame)) return luaL_argerror(L, shift + 1, "level out of range");
  luaL_checkany(L, shift + 3);
  lua_settop(L, shift + 3);
  if (target != L && !lua_checkstack(target, 1)) return luaL_error(L, "stack overflow");
  lua_getinfo(target, "S", &frame);
  if (*frame.what == 'C') {
    lua_pushnil(L);
    return 1;
  }
  lua_xmove(L, target, 1);
  const char *name = lua_setlocal(target, &frame, number);
  if (name == NULL) lua_pop(target, 1);
  lua_pushstring(L, name);
  return 1;
}

void host_open_locals(lua_State *L) {
  if (lua_getglobal(L, LUA_DBLIBNAME) == LUA_TTABLE) {
    lua_pushcfunction(L, f_setlocal);
    lua_setfield(L, -2, "setlocal");
  }
  lua_pop(L, 1);
}
