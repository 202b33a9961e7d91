/* Errors about arguments, as in lauxlib, with a name for the function where Lua knows none: under pcall, and in every
   other call from C. */
#include <string.h>

#include "../Records/record.h"

#undef luaL_argerror

static const char functions_key;

void lm_name_functions(lua_State *L, const char *owner) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key);
  }
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, owner);
  lua_pop(L, 1);
}

/* [-0, +0, m] Searches the table at an index for the function in the slot `function`. Stores the owner and the first key
   in the alphabet in the slot `best`. */
static void search(lua_State *L, int table, int function, int best, const char *owner) {
  if (!lua_istable(L, table)) return;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, function)) continue;
    const char *name = lua_pushfstring(L, "%s%s", owner, lua_tostring(L, -2));
    if (lua_isnil(L, best) || strcmp(name, lua_tostring(L, best)) < 0) lua_copy(L, -1, best);
    lua_pop(L, 1);
  }
}

/* [-0, +1, m] Pushes the name of the running function, "mmap.open" or "buffer:find"; nil, and returns NULL, for one that
   is in no table of the library. */
static const char *push_name(lua_State *L, lua_Debug *running) {
  static const char library[] = "mmap.";
  luaL_checkstack(L, 12, NULL);
  lua_pushnil(L);
  int best = lua_gettop(L), function = best + 1, key = best + 2, class = best + 3, methods = best + 4;
  lua_getinfo(L, "f", running);
  if (lua_tocfunction(L, function) == lm_record_totable) {
    lua_pushliteral(L, "record:totable");
    lua_copy(L, -1, best);
    lua_settop(L, function);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key);
  if (lua_istable(L, key)) {
    for (lua_pushnil(L); lua_next(L, key); lua_settop(L, key + 1))
      if (lua_type(L, key + 1) == LUA_TSTRING) search(L, key + 2, function, best, lua_tostring(L, key + 1));
  }
  lua_settop(L, function);
  for (lua_pushnil(L); lua_isnil(L, best) && lua_next(L, LUA_REGISTRYINDEX); lua_settop(L, key)) {
    const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";
    if (strncmp(name, library, sizeof library - 1) != 0 || !lua_istable(L, class)) continue;
    name += sizeof library - 1;
    lua_pushliteral(L, "__methods");
    lua_rawget(L, class);
    search(L, methods, function, best, lua_pushfstring(L, "%s:", name));
    if (lua_isnil(L, best)) search(L, class, function, best, lua_pushfstring(L, "%s:", name));
  }
  lua_settop(L, best);
  return lua_tostring(L, best);
}

int lm_argument_error(lua_State *L, int argument, const char *problem) {
  lua_Debug running;
  if (!lua_getstack(L, 0, &running)) return luaL_error(L, "bad argument #%d (%s)", argument, problem);
  lua_getinfo(L, "n", &running);
  if (running.name) return luaL_argerror(L, argument, problem);
  const char *name = push_name(L, &running);
  return luaL_error(L, "bad argument #%d to '%s' (%s)", argument, name ? name : "?", problem);
}

int lm_type_error(lua_State *L, int argument, const char *expected) {
  const char *given;
  if (luaL_getmetafield(L, argument, "__name") == LUA_TSTRING) given = lua_tostring(L, -1);
  else if (lua_type(L, argument) == LUA_TLIGHTUSERDATA) given = "light userdata";
  else given = luaL_typename(L, argument);
  return lm_argument_error(L, argument, lua_pushfstring(L, "%s expected, got %s", expected, given));
}

void lm_check_type(lua_State *L, int argument, int type) {
  if (lua_type(L, argument) != type) lm_type_error(L, argument, lua_typename(L, type));
}
