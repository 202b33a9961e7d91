/* The sandbox: removes every library function that is not known to be harmless, and replaces functions that open
   files with ones that check the policy. A replacement calls the original from C in its own stack frame, so a script
   cannot get hold of the original, not even by debug.getinfo. */
#include "sandbox.h"

#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <string.h>

#include "CLuaMap.h"

static struct {
  lua_CFunction load, getinfo;
} original;

lua_CFunction sandbox_original(lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  lua_CFunction function = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return function;
}

int sandbox_refuse_file(lua_State *L, const char *function, int refused, const char *path) {
  switch (-refused - LM_REFUSED) {
    case LM_READ: return luaL_error(L, "%s: reading '%s' is not allowed (use --allow-read=%s)", function, path, path);
    case LM_WRITE: return luaL_error(L, "%s: writing '%s' is not allowed (use --allow-write=%s)", function, path, path);
    default:
      return luaL_error(L, "%s: reading and writing '%s' is not allowed (use --allow-read=%s --allow-write=%s)",
                        function, path, path, path);
  }
}

const char *sandbox_check_path(lua_State *L, int argument) {
  size_t length;
  const char *path = luaL_checklstring(L, argument, &length);
  luaL_argcheck(L, strlen(path) == length, argument, "the path contains a zero byte");
  return path;
}

static bool is_among(const char *key, const char *const *names) {
  while (*names != NULL && strcmp(*names, key) != 0) names++;
  return *names != NULL;
}

void sandbox_keep_only(lua_State *L, const char *const *names) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (is_among(key, names)) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, -5); /* lua_next allows fields to be cleared during a traversal */
  }
}

/* [-?, +?, e] Text only: bytecode can break the interpreter. */
static int b_load(lua_State *L) {
  const char *mode = luaL_optstring(L, 3, "bt");
  if (lua_gettop(L) < 3) lua_settop(L, 3);
  lua_pushstring(L, strchr(mode, 't') != NULL ? "t" : "");
  lua_replace(L, 3);
  return original.load(L);
}

/* [-?, +?, e] Ignores the option "f", which would return function values of other stack levels. */
static int d_getinfo(lua_State *L) {
  int argument = lua_isthread(L, 1) ? 3 : 2;
  const char *what = luaL_optstring(L, argument, "nSlutr");
  char kept[32];
  size_t count = 0;
  for (; *what != '\0' && count < sizeof kept - 1; what++)
    if (*what != 'f') kept[count++] = *what;
  kept[count] = '\0';
  if (lua_gettop(L) < argument) lua_settop(L, argument);
  lua_pushstring(L, kept);
  lua_replace(L, argument);
  return original.getinfo(L);
}

static int refuse_mmap(lua_State *L) {
  return luaL_error(L, "mmap.%s is not allowed in a sandbox%s", lua_tostring(L, lua_upvalueindex(1)),
                    lua_toboolean(L, lua_upvalueindex(2)) ? " (use --allow-run)" : "");
}

/* [-0, +0, e] Keeps the functions of the library that are harmless or check the policy; the others raise an error.
   The global `mmap` is a read-only proxy, so this changes the module table in its __index. */
static void bound_mmap(lua_State *L, const host_bounds *bounds) {
  static const char *const harmless[] = {
      "map",        "open",      "anonymous", "advise",  "sync",    "incore",   "regex",       "struct",   "evict",
      "sparse",     "threads",   "progress",  "faults",  "advices", "shared",   "memfd",       "unlink",   "read",
      "decompress", "writefile", "table",     "compile", "whynot",  "compiled", "disassemble", "parallel", NULL};
  lua_getglobal(L, "mmap");
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, "__index");
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -1) != LUA_TFUNCTION || lua_type(L, -2) != LUA_TSTRING) continue;
    const char *key = lua_tostring(L, -2);
    bool runs = strcmp(key, "spawn") == 0;
    if (is_among(key, harmless) || (runs && bounds->allows_programs)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, runs);
    lua_pushcclosure(L, refuse_mmap, 2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 3);
}

/* [-0, +0, e] */
static void bound_debug(lua_State *L) {
  static const char *const harmless[] = {"traceback", "getinfo", NULL};
  lua_getglobal(L, LUA_DBLIBNAME);
  original.getinfo = sandbox_original(L, "getinfo");
  sandbox_keep_only(L, harmless);
  lua_pushcfunction(L, d_getinfo);
  lua_setfield(L, -2, "getinfo");
  lua_pop(L, 1);
}

/* [-0, +0, e] */
static void bound_globals(lua_State *L) {
  static const char *const harmless[] = {
      "_G",      "_VERSION", "assert",       "collectgarbage", "error",    "getmetatable",
      "ipairs",  "load",     "loadfile",     "dofile",         "next",     "pairs",
      "pcall",   "print",    "rawequal",     "rawget",         "rawlen",   "rawset",
      "require", "select",   "setmetatable", "tonumber",       "tostring", "type",
      "warn",    "xpcall",   "coroutine",    "debug",          "io",       "math",
      "mmap",    "os",       "package",      "string",         "table",    "utf8",
      NULL};
  lua_pushglobaltable(L);
  sandbox_keep_only(L, harmless);
  original.load = sandbox_original(L, "load");
  lua_pushcfunction(L, b_load);
  lua_setfield(L, -2, "load");
  lua_pop(L, 1);
}

void sandbox_open(lua_State *L, const host_bounds *bounds) {
  bound_globals(L);
  bound_debug(L);
  sandbox_open_package(L);
  sandbox_open_io(L, bounds);
  sandbox_open_os(L, bounds);
  bound_mmap(L, bounds);
}
