/* The global ipairs. Other than Lua's own it refuses a buffer and an iterator of the library, and names the right loop:
   ipairs has no metamethod, and the loop itself would fail far from the mistake, or after a gigabyte. */
#include <lua5.4/lauxlib.h>

#include "CLuaMap.h"
#include "call.h"

/* [-?, +3, e] uses 3 slots; as in lbaselib.c. Upvalue 1: the step. */
static int f_ipairs(lua_State *L) {
  luaL_checkany(L, 1);
  const char *advice = lm_loop_advice(L, 1);
  if (advice != NULL) return luaL_error(L, "%s", advice);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

void host_open_loops(lua_State *L) {
  lua_getglobal(L, "ipairs");
  lua_newtable(L);
  lua_call(L, 1, 1);
  lua_pushcclosure(L, f_ipairs, 1);
  lua_setglobal(L, "ipairs");
}
