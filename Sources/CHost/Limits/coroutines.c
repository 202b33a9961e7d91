/* Coroutines under a time limit. A hook belongs to one coroutine, and Lua has no function that tells which one runs. So
   these replacements behave exactly as resume, wrap and close in lcorolib.c, and set host_running too.

   No code between setting host_running and restoring it may raise: it would keep pointing to a coroutine that may be
   collected. */
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

#include "call.h"
#include "host_limits.h"

/* [-0, +0, e] */
static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "thread");
  return co;
}

/* [-0, +0, –] never raises. */
static lua_State *enter(lua_State *co) {
  lua_State *before = host_running;
  host_running = co;
  limits_rearm(co);
  return before;
}

/* [-0, +0, –] never raises. */
static void leave(lua_State *L, lua_State *before) {
  host_running = before;
  limits_rearm(L);
}

/* [-count, +(results | 1), m] Returns the number of results, or -1 with an error on top. */
static int resume(lua_State *L, lua_State *co, int count) {
  int results = 0;
  if (!lua_checkstack(co, count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, count);
  lua_State *before = enter(co);
  int status = lua_resume(co, L, count, &results);
  leave(L, before);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

static int co_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  lua_insert(L, results >= 0 ? -(results + 1) : -2);
  return results >= 0 ? results + 1 : 2;
}

/* [-0, +0, –] never raises. Closes the pending to-be-closed variables of a coroutine that will not be resumed. */
static int reset(lua_State *L, lua_State *co) {
  lua_State *before = enter(co);
  int status = lua_resetthread(co);
  leave(L, before);
  return status;
}

static int step(lua_State *L) {
  /* On the stack too: a script can replace the upvalue while the coroutine runs. */
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_State *co = check_coroutine(L);
  int results = resume(L, co, lua_gettop(L) - 1);
  if (results >= 0) return results;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = reset(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int co_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, step, 1);
  return 1;
}

static lua_CFunction original_close;

static int co_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  lua_Debug frame;
  bool is_active = co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame));
  if (is_active) return original_close(L); /* raises */
  if (reset(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

/* [-0, +0, e] uses 3 slots. */
void limits_open_coroutines(lua_State *L) {
  static const luaL_Reg functions[] = {{"resume", co_resume}, {"wrap", co_wrap}, {"close", co_close}, {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  lua_getfield(L, -1, "close");
  original_close = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
