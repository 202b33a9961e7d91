/* The work of a child: reads the request, runs it, and writes the answer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

/* 0 until a valid request was read: before that, the descriptor may be that of any file. */
static pid_t parent;

/* [-1, +0, e] Pops a value and sets a field of package to it, if it is a string. */
static void set_search_path(lua_State *L, const char *name) {
  if (lua_getglobal(L, "package") == LUA_TTABLE && lua_type(L, -2) == LUA_TSTRING) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
  }
  lua_pop(L, 2);
}

static int refuse(lua_State *L) { return luaL_error(L, "this descriptor is not from mmap.spawn"); }

/* [-0, +1, e] Loads the script with the global loadfile, which keeps to the policy in a sandbox. */
static void load_script(lua_State *L, int path) {
  lua_getglobal(L, "loadfile");
  lua_pushvalue(L, path);
  lua_call(L, 1, 2);
  if (lua_isnil(L, -2)) lua_error(L);
  lua_pop(L, 1);
}

/* [-0, +0, e] Sets the global arg: arg[0] is the script; the arguments are at the stack indexes from `first` on. */
static void set_arg(lua_State *L, int script, int first, int count) {
  lua_createtable(L, count, 1);
  lua_pushvalue(L, script);
  lua_rawseti(L, -2, 0);
  for (int i = 0; i < count; i++) {
    lua_pushvalue(L, first + i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setglobal(L, "arg");
}

/* [-0, +n, e] Pushes the function and its arguments: the number of arguments. */
static int read_request(lua_State *L, lm_reader *r) {
  if (!lm_read_begin(r, LM_REQUEST, true)) refuse(L);
  if (!lm_read_value(r) || !lua_isinteger(L, -1)) refuse(L);
  parent = (pid_t)lua_tointegerx(L, -1, NULL);
  lua_pop(L, 1);
  if (!lm_read_value(r)) refuse(L);
  set_search_path(L, "path");
  if (!lm_read_value(r)) refuse(L);
  set_search_path(L, "cpath");
  if (!lm_read_value(r) || !lm_read_value(r)) refuse(L);
  bool is_script = lua_toboolean(L, -2);
  lua_Integer given = lua_tointegerx(L, -1, NULL);
  if (given < 0 || given > INT_MAX - 8) refuse(L);
  int count = (int)given;
  lua_pop(L, 2);
  if (!(is_script ? lm_read_value(r) : lm_read_function(r))) refuse(L);
  int callee = lua_gettop(L);
  luaL_checkstack(L, count + 8, "too many arguments");
  for (int i = 0; i < count; i++)
    if (!lm_read_value(r)) refuse(L);
  if (!is_script) return count;
  set_arg(L, callee, callee + 1, count);
  load_script(L, callee);
  lua_replace(L, callee);
  return count;
}

int lm_child_run(lua_State *L) {
  int file = (int)luaL_checkinteger(L, 1);
  if (file < 3 || fcntl(file, F_SETFD, FD_CLOEXEC) != 0) return refuse(L);
  lua_settop(L, 1);
  {
    lm_reader reader = {.L = L, .file = file};
    int count = read_request(L, &reader);
    if (ftruncate(file, 0) != 0) return refuse(L);
    lua_call(L, count, LUA_MULTRET);
  }
  /* The results are after the argument and the two tables of the reader. */
  int count = lua_gettop(L) - 3;
  lm_writer writer = {.L = L, .file = file};
  luaL_checkstack(L, 8, NULL);
  lm_write_begin(&writer);
  lua_pushboolean(L, 1);
  lm_write_value(&writer, lua_gettop(L));
  lua_pushinteger(L, count);
  lm_write_value(&writer, lua_gettop(L));
  for (int i = 1; i <= count; i++) {
    writer.number = i;
    lm_write_value(&writer, 3 + i);
  }
  lm_write_end(&writer, LM_ANSWER);
  return 0;
}

static bool write_all(int file, const void *bytes, size_t count) {
  const char *next = bytes;
  while (count > 0) {
    ssize_t done = write(file, next, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    next += done;
    count -= (size_t)done;
  }
  return true;
}

/* Uses no Lua, because memory may have run out. */
bool lm_child_fail(int file, const char *message) {
  if (parent == 0) return false;
  int64_t length = (int64_t)strlen(message);
  uint64_t header[2] = {LM_ANSWER, 2 + sizeof length + (uint64_t)length};
  bool done = mm_may_have_size(sizeof header + header[1]) && ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0 &&
              write_all(file, header, sizeof header) && write_all(file, "fs", 2) &&
              write_all(file, &length, sizeof length) && write_all(file, message, (size_t)length);
  return done && getppid() == parent;
}

/* ---- in a plain Lua */

/* [-0, +1, m] The message handler of lua(1). */
static int describe(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  if (!message) message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

static int run(lua_State *L) {
  lua_settop(L, 1);
  int file = (int)luaL_checkinteger(L, 1);
  lua_pushcfunction(L, describe);
  lua_pushcfunction(L, lm_child_run);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 2) == LUA_OK) return 0;
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error message not a string";
  if (!lm_child_fail(file, message)) fprintf(stderr, "lua: %s\n", message);
  exit(EXIT_FAILURE);
}

__attribute__((visibility("default"))) int luaopen_mmap_child(lua_State *L) {
  luaL_requiref(L, "mmap", luaopen_mmap, 0);
  lua_pushcfunction(L, run);
  return 1;
}
