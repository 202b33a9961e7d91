/* mmap.spawn: the parent starts a child. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

const char *const *lm_child_options;

/* The path of the running program, for ps(1) to show; /proc/self/exe if the file was replaced or removed. */
static const char *own_program(char *path, size_t size) {
  static const char link[] = "/proc/self/exe";
  ssize_t length = readlink(link, path, size - 1);
  struct stat now, then;
  if (length <= 0) return link;
  path[length] = 0;
  bool is_there =
      stat(path, &now) == 0 && stat(link, &then) == 0 && now.st_dev == then.st_dev && now.st_ino == then.st_ino;
  return is_there ? path : link;
}

enum { MOST_ARGUMENTS = 256 };

/* [-0, +1, e] Pushes the Lua code with which a stock lua becomes a child: the argument of -e. */
static const char *push_bootstrap(lua_State *L, const char *program, int message) {
  const char *name = strrchr(program, '/');
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length > 0) {
    path[length] = 0;
    name = strrchr(path, '/');
  }
  if (!name || strncmp(name + 1, "lua", 3) != 0)
    luaL_error(L, "mmap.spawn starts the running interpreter again, and '%s' is neither mmaplua nor lua",
               name ? name + 1 : program);
  Dl_info info;
  if (!dladdr((void *)push_bootstrap, &info) || !info.dli_fname || strstr(info.dli_fname, "]==]"))
    luaL_error(L, "mmap.spawn cannot find the module's own file");
  return lua_pushfstring(L, "assert(package.loadlib([==[%s]==], 'luaopen_mmap_child'))()(%d)", info.dli_fname, message);
}

/* [-0, +0, e] */
static int fail_system(lua_State *L, const char *outcome, int error) {
  lm_outcome failure;
  lm_refused(&failure, outcome, error);
  return lm_push_or_raise(L, &failure, LM_FAILED);
}

/* [-0, +0, e] Starts the process, after the message was written and its descriptors are in the child's list. */
static void start(lua_State *L, int place, lm_child *child) {
  char path[4096], option[32];
  const char *program = own_program(path, sizeof path);
  char *arguments[MOST_ARGUMENTS + 4];
  size_t count = 0;
  arguments[count++] = (char *)program;
  snprintf(option, sizeof option, "--child=%d", child->message);
  if (lm_child_options) {
    for (const char *const *o = lm_child_options; *o && count < MOST_ARGUMENTS; o++) arguments[count++] = (char *)*o;
    arguments[count++] = option;
  } else {
    arguments[count++] = "-e";
    arguments[count++] = (char *)push_bootstrap(L, program, child->message);
  }
  arguments[count] = NULL;
  if (lm_child_at(L, place) != child) luaL_error(L, "a finalizer modified the stack");
  int descriptors[LM_MOST_MAPPINGS + 1];
  memcpy(descriptors, child->descriptors, (size_t)child->count * sizeof *descriptors);
  descriptors[child->count] = child->message;
  fflush(NULL); /* so that earlier output comes before the child's */
  lm_outcome outcome;
  int code = LM_RUN(
      L, lm_start(&outcome, program, arguments, descriptors, (size_t)child->count + 1, &child->process, &child->watch));
  if (code < 0) lm_push_or_raise(L, &outcome, code);
  lm_close_given(child);
}

/* [-0, +0, e] Writes a field of package for the child. */
static void write_search_path(lm_writer *w, const char *name) {
  lua_State *L = w->L;
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_istable(L, -1)) {
    lua_pushliteral(L, "package");
    lua_rawget(L, -2);
    if (lua_istable(L, -1)) {
      lua_pushstring(L, name);
      lua_rawget(L, -2);
    }
  }
  if (lua_type(L, -1) != LUA_TSTRING) lua_pushnil(L);
  lm_write_value(w, lua_gettop(L));
  lua_settop(L, top);
}

/* mmap.spawn(script or function, …) */
int lm_custom_mmap_spawn(lua_State *L) {
  int count = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  bool is_script = lua_type(L, 1) == LUA_TSTRING;
  if (is_script) lm_check_c_string(L, 1, "path", "path or function");
  else if (!lua_isfunction(L, 1)) return luaL_typeerror(L, 1, "path or function");
  lm_child *child = lm_new_child(L);
  int place = count + 1;
  child->message = mm_memfd("mmaplua child", false);
  if (child->message < 0 && (errno == EMFILE || errno == ENFILE)) {
    lua_gc(L, LUA_GCCOLLECT);
    if (lm_child_at(L, place) != child) return luaL_error(L, "a finalizer modified the stack");
    child->message = mm_memfd("mmaplua child", false);
  }
  if (child->message < 0) return fail_system(L, "memfd_create", errno);
  if (child->message < 3) {
    int other = mm_duplicate(child->message);
    int error = errno;
    close(child->message);
    child->message = other;
    if (other < 0) return fail_system(L, "fcntl", error);
  }
  lm_writer writer = {.L = L, .child = child, .place = place, .file = child->message, .argument = 1};
  lm_write_begin(&writer);
  lua_pushinteger(L, getpid());
  lm_write_value(&writer, lua_gettop(L));
  write_search_path(&writer, "path");
  write_search_path(&writer, "cpath");
  lua_pushboolean(L, is_script);
  lm_write_value(&writer, lua_gettop(L));
  lua_pushinteger(L, count - 1);
  lm_write_value(&writer, lua_gettop(L));
  if (is_script) lm_write_value(&writer, 1);
  else lm_write_function(&writer, 1);
  for (int i = 2; i <= count; i++) {
    writer.argument = i;
    lm_write_value(&writer, i);
  }
  lm_write_end(&writer, LM_REQUEST);
  start(L, place, child);
  lua_settop(L, place);
  return 1;
}
