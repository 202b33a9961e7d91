/* The picture by which an interactive session shows a buffer, view, records, or table. */
#include <lua5.4/lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "call.h"

#define DISPLAYER "mmaplua.display"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
static const char source[] = {
#embed "display.lua"
};
#pragma clang diagnostic pop

/* [-1, +1, v] uses 5 slots. Returns a string, or nil when there is no picture of the value. */
static int display(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, DISPLAYER) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    if (luaL_loadbufferx(L, source, sizeof source, "=display", "t") != LUA_OK) lua_error(L);
    lua_pushcfunction(L, lm_shown);
    lua_pushcfunction(L, lm_size);
    lua_call(L, 2, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, DISPLAYER);
  }
  lua_pushvalue(L, 1);
  if (luaL_getmetafield(L, 1, "__name") == LUA_TNIL) lua_pushnil(L);
  lua_pushinteger(L, terminal_columns());
  lm_is_unicode = host_is_unicode();
  lua_pushboolean(L, lm_is_unicode);
  lua_call(L, 4, 1);
  return 1;
}

bool host_is_shown(void) {
  const char *terminal = getenv("TERM");
  return isatty(STDOUT_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

/* [-0, +0, –] uses 1 slot. A table that says nothing of how it is shown. */
static bool is_plain_table(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return lua_type(L, index) == LUA_TTABLE;
  lua_pop(L, 1);
  return false;
}

host_display host_push_display(lua_State *L, int index) {
  if (!host_is_shown() || !(lua_type(L, index) == LUA_TUSERDATA || is_plain_table(L, index))) return HOST_NOT_SHOWN;
  lua_pushvalue(L, index);
  lua_pushcfunction(L, display);
  lua_insert(L, -2);
  /* After an error, or Ctrl-C during the drawing, print shows the value without a picture. */
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING) return HOST_SHOWN;
  if (status != LUA_OK && lm_table_at(L, index)) return HOST_FAILED;
  lua_pop(L, 1);
  return HOST_NOT_SHOWN;
}
