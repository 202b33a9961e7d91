/* The global `help` of an interactive session. The manual is embedded in the program and parsed at the first use. */
#include <lua5.4/lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

#define HELPER "mmaplua.help"
#define WORDS "mmaplua.words"

/* #embed in C, because SwiftPM's `embedInCode` makes a Swift array literal, which takes half a minute to compile for
   these texts. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
static const char parser[] = {
#embed "../../../manual/manual.lua"
};
static const char helper[] = {
#embed "../../../manual/help.lua"
};
/* Each text ends with a zero byte. */
static const char texts[] = {
#embed "../../../manual/01-buffers.txt" suffix(, 0, )
#embed "../../../manual/02-bytes.txt" suffix(, 0, )
#embed "../../../manual/03-kernel.txt" suffix(, 0, )
#embed "../../../manual/04-numbers.txt" suffix(, 0, )
#embed "../../../manual/05-views.txt" suffix(, 0, )
#embed "../../../manual/06-text.txt" suffix(, 0, )
#embed "../../../manual/07-regex.txt" suffix(, 0, )
#embed "../../../manual/08-records.txt" suffix(, 0, )
#embed "../../../manual/09-instruments.txt" suffix(, 0, )
#embed "../../../manual/10-processes.txt" suffix(, 0, )
#embed "../../../manual/11-tables.txt" suffix(, 0, )
#embed "../../../manual/12-compile.txt" suffix(, 0, )
};
#pragma clang diagnostic pop

static void load(lua_State *L, const char *source, size_t length, const char *name) {
  if (luaL_loadbufferx(L, source, length, name, "t") != LUA_OK) lua_error(L);
}

/* [-0, +0, m] uses 4 slots. In the table on top, maps each function of the table at the index to its full name. */
static void add_functions(lua_State *L, int index, const char *owner) {
  int table = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -1) != LUA_TFUNCTION || lua_type(L, -2) != LUA_TSTRING) continue;
    lua_pushvalue(L, -1);
    lua_pushfstring(L, "%s%s", owner, lua_tostring(L, -3));
    lua_rawset(L, -5);
  }
}

/* [-0, +2, e] uses 8 slots. Pushes the set of the library's type names, and a table from its functions to their
   names. In C, because Lua code would need the registry, which a script in a sandbox must not see, and a script can
   replace the functions that Lua code calls. */
static void push_library(lua_State *L) {
  lua_newtable(L);
  int classes = lua_gettop(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX); lua_pop(L, 1)) {
    static const char library[] = "mmap.";
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strncmp(name, library, sizeof library - 1) != 0 || lua_type(L, -1) != LUA_TTABLE) continue;
    lua_pushliteral(L, "__methods");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
      lua_pushboolean(L, 1);
      lua_setfield(L, classes, name);
      const char *owner = lua_pushfstring(L, "%s:", name + sizeof library - 1);
      lua_pushvalue(L, classes + 1);
      add_functions(L, -3, owner);
    }
    lua_settop(L, classes + 3);
  }
  if (luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) && lua_getfield(L, -1, "mmap") == LUA_TTABLE &&
      luaL_getmetafield(L, -1, "__index") == LUA_TTABLE) {
    lua_pushvalue(L, classes + 1);
    add_functions(L, -2, "mmap.");
    if (lua_getfield(L, -2, "json") == LUA_TTABLE && luaL_getmetafield(L, -1, "__index") == LUA_TTABLE) {
      lua_pushvalue(L, classes + 1);
      add_functions(L, -2, "mmap.json.");
    }
  }
  lua_settop(L, classes + 1);
}

/* [-0, +1, e] uses 12 slots. Pushes a function of manual/help.lua from the registry, loading it at the first use. */
static void push_helper(lua_State *L, const char *key) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, key) == LUA_TFUNCTION) return;
  lua_pop(L, 1);
  load(L, helper, sizeof helper, "=help");
  load(L, parser, sizeof parser, "=manual");
  lua_call(L, 0, 1);
  lua_pushlstring(L, texts, sizeof texts);
  push_library(L);
  lua_getglobal(L, "mmap");
  lua_call(L, 5, 2);
  lua_setfield(L, LUA_REGISTRYINDEX, WORDS);
  lua_setfield(L, LUA_REGISTRYINDEX, HELPER);
  lua_getfield(L, LUA_REGISTRYINDEX, key);
}

bool host_is_unicode(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL && *value != '\0')
      return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL || strstr(value, "utf-8") != NULL;
  }
  return false;
}

/* help([value]) */
static int f_help(lua_State *L) {
  int count = lua_gettop(L);
  lua_settop(L, 1);
  push_helper(L, HELPER);
  lua_pushinteger(L, count);
  lua_pushvalue(L, 1);
  if (lua_type(L, 1) != LUA_TUSERDATA || luaL_getmetafield(L, 1, "__name") == LUA_TNIL) lua_pushnil(L);
  lua_pushinteger(L, terminal_columns());
  lua_pushboolean(L, host_is_unicode());
  lua_call(L, 5, 1);
  luaL_checkstring(L, -1);
  lua_pushliteral(L, "\n");
  lua_concat(L, 2);
  host_page(lua_tostring(L, -1));
  return 0;
}

/* [-all, +results, e] Calls the second function of manual/help.lua with the arguments. */
int host_manual_words(lua_State *L) {
  push_helper(L, WORDS);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* [-0, +0, m] uses 3 slots. Does not replace a script's global of this name. Raw access, because a script may raise
   errors for undefined globals by a metatable. */
void host_open_help(lua_State *L) {
  lua_pushglobaltable(L);
  lua_pushliteral(L, "help");
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pushliteral(L, "help");
    lua_pushcfunction(L, f_help);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2);
}
