/* os in a sandbox: functions for files, environment variables and programs. */
#include <errno.h>
#include <fcntl.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "sandbox.h"

static lua_CFunction original_setlocale;

static int os_remove(lua_State *L) {
  const char *path = sandbox_check_path(L, 1);
  int result = lm_sandbox_remove(path);
  if (result < -1) return sandbox_refuse_file(L, "os.remove", result, path);
  return luaL_fileresult(L, result == 0, path);
}

static int os_rename(lua_State *L) {
  const char *old = sandbox_check_path(L, 1);
  const char *new = sandbox_check_path(L, 2);
  int result = lm_sandbox_rename(old, new);
  if (result < -1) {
    bool is_about_new = result == -LM_REFUSED - LM_WRITE && lm_sandbox_may_change(old);
    return sandbox_refuse_file(L, "os.rename", result, is_about_new ? new : old);
  }
  return luaL_fileresult(L, result == 0, NULL);
}

int sandbox_make_temporary(char *path, int way) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
  for (int attempt = 0; attempt < 100; attempt++) {
    unsigned char random[12];
    if (getrandom(random, sizeof random, 0) != sizeof random) return -1;
    char *end = stpcpy(path, "/tmp/lua_");
    for (size_t i = 0; i < sizeof random; i++) *end++ = letters[random[i] & 31];
    *end = '\0';
    int descriptor = lm_sandbox_open(path, way | O_CREAT | O_EXCL, 0600);
    if (descriptor != -1 || errno != EEXIST) return descriptor;
  }
  return -1;
}

static int os_tmpname(lua_State *L) {
  char path[SANDBOX_TEMPORARY_LENGTH];
  int descriptor = sandbox_make_temporary(path, O_WRONLY);
  if (descriptor < -1) return sandbox_refuse_file(L, "os.tmpname", descriptor, "/tmp");
  if (descriptor < 0) return luaL_error(L, "unable to generate a unique filename");
  close(descriptor);
  lua_pushstring(L, path);
  return 1;
}

static int os_getenv(lua_State *L) {
  return luaL_error(L, "os.getenv: reading the environment variable '%s' is not allowed (use --allow-env)",
                    luaL_checkstring(L, 1));
}

/* Without a command, os.execute tells whether a shell is available. */
static int os_execute(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) return luaL_error(L, "os.execute: running a program is not allowed (use --allow-run)");
  lua_pushboolean(L, 0);
  return 1;
}

/* Other locales are read from files, and "" reads the environment. */
static int os_setlocale(lua_State *L) {
  const char *name = luaL_optstring(L, 1, NULL);
  if (name == NULL || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0) return original_setlocale(L);
  luaL_pushfail(L);
  return 1;
}

void sandbox_open_os(lua_State *L, const host_bounds *bounds) {
  static const char *const harmless[] = {"clock",  "date",   "difftime",  "execute", "exit",    "getenv",
                                         "remove", "rename", "setlocale", "time",    "tmpname", NULL};
  static const luaL_Reg functions[] = {
      {"remove", os_remove}, {"rename", os_rename}, {"tmpname", os_tmpname}, {"setlocale", os_setlocale}, {NULL, NULL}};
  lua_getglobal(L, LUA_OSLIBNAME);
  sandbox_keep_only(L, harmless);
  original_setlocale = sandbox_original(L, "setlocale");
  luaL_setfuncs(L, functions, 0);
  if (!bounds->allows_environment) {
    lua_pushcfunction(L, os_getenv);
    lua_setfield(L, -2, "getenv");
  }
  if (!bounds->allows_programs) {
    lua_pushcfunction(L, os_execute);
    lua_setfield(L, -2, "execute");
  }
  lua_pop(L, 1);
}
