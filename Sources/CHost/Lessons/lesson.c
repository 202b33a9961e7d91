/* C functions of the Lua module mmap.lesson: the terminal's properties, a line or Ctrl-C from the terminal, and a
   temporary folder that is removed however the process ends. */
#include "lesson.h"

#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lua5.4/lauxlib.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "mmap.lesson.folder"

extern char **environ;

/* [-0, +3, –] uses 3 slots. terminal() → whether standard input is a terminal, whether standard output is, columns */
static int f_terminal(lua_State *L) {
  struct winsize size = {0};
  int input = isatty(STDIN_FILENO), output = isatty(STDOUT_FILENO);
  lua_pushboolean(L, input);
  lua_pushboolean(L, output);
  lua_pushinteger(L, output && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
  return 3;
}

/* [-0, +1, e] uses 2 slots. ask(prompt) → the line, nil at the end of the input, false for Ctrl-C */
static int f_ask(lua_State *L) {
  const char *line;
  size_t length;
  switch (host_read_plainly(luaL_checkstring(L, 1), &line, &length)) {
    case HOST_LINE: lua_pushlstring(L, line, length); break;
    case HOST_END: lua_pushnil(L); break;
    case HOST_INTERRUPTED: lua_pushboolean(L, 0); break;
  }
  return 1;
}

typedef struct folder {
  const void *mark; /* its own address: debug.setmetatable can give any userdata this type */
  pid_t keeper;     /* 0 when the folder is gone */
  int alive;        /* write end of a pipe that the keeper reads; closed when this process ends */
  int back;         /* descriptor of the previous current folder */
} folder;

/* Starts the process that removes the folder when this process ends. A separate process, because no handler runs
   after SIGKILL. In a separate process group, so that neither Ctrl-C nor a hangup of the terminal reaches it. */
static int start_keeper(folder *f, const char *path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  char *words[] = {"sh", "-c", "read -r never; exec rm -rf -- \"$1\"", "sh", (char *)path, NULL};
  int code = posix_spawn(&f->keeper, "/bin/sh", &actions, &attributes, words, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  if (code != 0) {
    close(ends[1]);
    f->keeper = 0;
    return code;
  }
  f->alive = ends[1];
  return 0;
}

/* [-0, +0, –] uses no slots. Returns to the previous current folder and waits until the lesson's folder is removed.
   */
static int d_close(lua_State *L) {
  folder *f = lua_touserdata(L, 1);
  if (f == NULL || lua_rawlen(L, 1) != sizeof *f || f->mark != f || f->keeper == 0) return 0;
  pid_t keeper = f->keeper;
  f->keeper = 0;
  if (fchdir(f->back) != 0 && chdir("/") != 0) {} /* best effort: either folder may be inaccessible by now */
  close(f->back);
  close(f->alive);
  while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR) {}
  return 0;
}

/* [-0, +(2 | 3), e] uses 6 slots. folder(parent) → object, path; or nil, message, errno. Makes a temporary folder and
   changes to it. */
static int f_folder(lua_State *L) {
  const char *parent = luaL_checkstring(L, 1);
  folder *f = lua_newuserdatauv(L, sizeof *f, 0);
  *f = (folder){.mark = f};
  luaL_setmetatable(L, FOLDER);
  char full[PATH_MAX];
  if (realpath(parent, full) == NULL) return luaL_fileresult(L, 0, parent);
  lua_pushfstring(L, "%s/mmaplua-lesson-XXXXXX", full);
  char *path = lua_newuserdatauv(L, lua_rawlen(L, -1) + 1, 0);
  strcpy(path, lua_tostring(L, -2));
  f->back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (f->back < 0 || mkdtemp(path) == NULL) {
    int code = errno;
    if (f->back >= 0) close(f->back);
    errno = code;
    return luaL_fileresult(L, 0, parent);
  }
  int code = start_keeper(f, path);
  if (code != 0) {
    rmdir(path);
    close(f->back);
    errno = code;
    return luaL_fileresult(L, 0, "/bin/sh");
  }
  if (chdir(path) != 0) return luaL_fileresult(L, 0, path);
  lua_pushstring(L, path);
  lua_pushvalue(L, 2);
  lua_insert(L, -2);
  return 2;
}

/* [-0, +1, e] uses 6 slots. The loader for require. */
static int load_module(lua_State *L) {
  static const luaL_Reg methods[] = {{"__gc", d_close}, {"__close", d_close}, {NULL, NULL}};
  luaL_newmetatable(L, FOLDER);
  luaL_setfuncs(L, methods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  const host_plan *plan = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbufferx(L, plan->lesson, plan->lesson_length, "=mmap.lesson", "t") != LUA_OK) return lua_error(L);
  lua_pushcfunction(L, f_terminal);
  lua_pushcfunction(L, f_ask);
  lua_pushcfunction(L, f_folder);
  char program[PATH_MAX];
  lua_pushstring(L, realpath("/proc/self/exe", program) != NULL ? program : plan->name);
  lua_call(L, 4, 1);
  return 1;
}

void lesson_open(lua_State *L, const host_plan *plan) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushlightuserdata(L, (void *)plan);
  lua_pushcclosure(L, load_module, 1);
  lua_setfield(L, -2, "mmap.lesson");
  lua_pop(L, 1);
}
