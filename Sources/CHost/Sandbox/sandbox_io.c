/* io in a sandbox: functions that open a file by name. */
#include <errno.h>
#include <fcntl.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "sandbox.h"

static struct {
  lua_CFunction input, output, lines, file_lines;
} original;

static int close_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Pushes a closed file object. It comes before open(2), so an error between the two leaks no descriptor. */
static luaL_Stream *push_closed(lua_State *L) {
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->f = NULL;
  stream->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  return stream;
}

/* The open(2) flags of a mode, as in fopen(3). */
static int flags_of(const char *mode) {
  int way = strchr(mode, '+') != NULL ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
  return way | (mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0);
}

/* [-0, +0, –] Makes a descriptor the stream's file. False with errno on failure, with the descriptor closed. */
static bool adopt(luaL_Stream *stream, int descriptor, const char *mode) {
  FILE *file = fdopen(descriptor, mode);
  if (file == NULL) {
    int reason = errno;
    close(descriptor);
    errno = reason;
    return false;
  }
  stream->f = file;
  stream->closef = close_file;
  return true;
}

bool sandbox_push_file(lua_State *L, const char *function, const char *path, const char *mode) {
  luaL_Stream *stream = push_closed(L);
  int descriptor = lm_sandbox_open(path, flags_of(mode), 0666);
  if (descriptor < -1) sandbox_refuse_file(L, function, descriptor, path);
  return descriptor >= 0 && adopt(stream, descriptor, mode);
}

static int io_open(lua_State *L) {
  const char *path = sandbox_check_path(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  const char *rest = mode + (mode[0] != '\0' && strchr("rwa", mode[0]) != NULL ? 1 : 0);
  if (rest > mode && *rest == '+') rest++;
  luaL_argcheck(L, rest > mode && strspn(rest, "b") == strlen(rest), 2, "invalid mode");
  return sandbox_push_file(L, "io.open", path, mode) ? 1 : luaL_fileresult(L, 0, path);
}

/* [-0, +0, v] Opens the file named by argument 1 and replaces the argument with it. */
static void open_argument(lua_State *L, const char *function, const char *mode) {
  const char *path = sandbox_check_path(L, 1);
  if (!sandbox_push_file(L, function, path, mode)) luaL_error(L, "cannot open file '%s' (%s)", path, strerror(errno));
  lua_replace(L, 1);
}

static int io_input(lua_State *L) {
  if (lua_isstring(L, 1)) open_argument(L, "io.input", "r");
  return original.input(L);
}

static int io_output(lua_State *L) {
  if (lua_isstring(L, 1)) open_argument(L, "io.output", "w");
  return original.output(L);
}

/* The iterator of file:lines, set to close its file at the end as that of io.lines does: by its third upvalue. */
static int io_lines(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return original.lines(L);
  open_argument(L, "io.lines", "r");
  original.file_lines(L);
  lua_pushboolean(L, 1);
  lua_setupvalue(L, -2, 3);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  return 4;
}

static int io_popen(lua_State *L) {
  return luaL_error(L, "io.popen: running a program is not allowed (use --allow-run)");
}

static int io_tmpfile(lua_State *L) {
  luaL_Stream *stream = push_closed(L);
  char path[SANDBOX_TEMPORARY_LENGTH];
  int descriptor = sandbox_make_temporary(path, O_RDWR);
  if (descriptor < -1) sandbox_refuse_file(L, "io.tmpfile", descriptor, "/tmp");
  if (descriptor < 0) return luaL_fileresult(L, 0, NULL);
  lm_sandbox_remove(path);
  return adopt(stream, descriptor, "w+") ? 1 : luaL_fileresult(L, 0, NULL);
}

void sandbox_open_io(lua_State *L, const host_bounds *bounds) {
  static const char *const harmless[] = {"close",   "flush", "input", "lines", "open",   "output", "popen", "read",
                                         "tmpfile", "type",  "write", "stdin", "stdout", "stderr", NULL};
  static const luaL_Reg functions[] = {{"open", io_open},   {"input", io_input},     {"output", io_output},
                                       {"lines", io_lines}, {"tmpfile", io_tmpfile}, {NULL, NULL}};
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  original.file_lines = sandbox_original(L, "lines");
  lua_pop(L, 2);
  lua_getglobal(L, LUA_IOLIBNAME);
  sandbox_keep_only(L, harmless);
  original.input = sandbox_original(L, "input");
  original.output = sandbox_original(L, "output");
  original.lines = sandbox_original(L, "lines");
  luaL_setfuncs(L, functions, 0);
  if (!bounds->allows_programs) {
    lua_pushcfunction(L, io_popen);
    lua_setfield(L, -2, "popen");
  }
  lua_pop(L, 1);
}
