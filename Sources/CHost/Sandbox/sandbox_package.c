/* Loading code from files in a sandbox: loadfile, dofile, require and package. */
#include <errno.h>
#include <fcntl.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "sandbox.h"

static lua_CFunction original_loadfile;

/* [-0, +1, m] Pushes the text of an open stream. False with errno after a read error. */
static bool push_text(lua_State *L, FILE *file) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  size_t count;
  do {
    char *piece = luaL_prepbuffsize(&text, LUAL_BUFFERSIZE);
    count = fread(piece, 1, LUAL_BUFFERSIZE, file);
    luaL_addsize(&text, count);
  } while (count > 0);
  luaL_pushresult(&text);
  return !ferror(file);
}

/* As luaL_loadfilex, skips a byte order mark and a first line that begins with '#'. The newline stays, for the line
   numbers. */
static const char *skip_first_line(const char *text, size_t *length) {
  const char *end = text + *length;
  if (*length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
  if (text < end && *text == '#') {
    const char *line_end = memchr(text, '\n', (size_t)(end - text));
    text = line_end != NULL ? line_end : end;
  }
  *length = (size_t)(end - text);
  return text;
}

/* [-0, +1, v] As luaL_loadfilex: pushes a function or a message. Raises an error when the policy does not allow the
   file. */
static int load_file(lua_State *L, const char *function, const char *path) {
  int top = lua_gettop(L);
  const char *what = "open";
  bool is_read = sandbox_push_file(L, function, path, "r");
  if (is_read) {
    luaL_Stream *stream = lua_touserdata(L, -1);
    what = "read";
    is_read = push_text(L, stream->f);
    int reason = errno;
    fclose(stream->f);
    stream->closef = NULL;
    errno = reason;
  }
  int status = LUA_ERRFILE;
  if (is_read) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    text = skip_first_line(text, &length);
    status = luaL_loadbufferx(L, text, length, lua_pushfstring(L, "@%s", path), "t");
  } else {
    lua_pushfstring(L, "cannot %s %s: %s", what, path, strerror(errno));
  }
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return status;
}

static int b_loadfile(lua_State *L) {
  const char *mode = luaL_optstring(L, 2, "bt");
  bool has_environment = !lua_isnone(L, 3);
  if (lua_isnoneornil(L, 1)) { /* standard input */
    if (lua_gettop(L) < 2) lua_settop(L, 2);
    lua_pushstring(L, strchr(mode, 't') != NULL ? "t" : "");
    lua_replace(L, 2);
    return original_loadfile(L);
  }
  const char *path = sandbox_check_path(L, 1);
  int status = load_file(L, "loadfile", path);
  if (status == LUA_OK && strchr(mode, 't') == NULL) {
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
    status = LUA_ERRSYNTAX;
  }
  if (status != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_environment) {
    lua_pushvalue(L, 3);
    if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
  }
  return 1;
}

static int finish_dofile(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 1;
}

static int b_dofile(lua_State *L) {
  const char *path = lua_isnoneornil(L, 1) ? NULL : sandbox_check_path(L, 1);
  lua_settop(L, 1);
  int status = path != NULL ? load_file(L, "dofile", path) : luaL_loadfilex(L, NULL, "t");
  if (status != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, finish_dofile);
  return finish_dofile(L, 0, 0);
}

/* [-0, +n, v] As package.searchpath: true with the name of the first readable file on top, else false with a message
   on top. */
static bool search(lua_State *L, const char *name, const char *path, const char *separator, const char *with) {
  if (*separator != '\0' && strstr(name, separator) != NULL) name = luaL_gsub(L, name, separator, with);
  const char *next = luaL_gsub(L, path, LUA_PATH_MARK, name);
  lua_pushliteral(L, "");
  int message = lua_gettop(L);
  for (const char *between = ""; *next != '\0'; between = "\n\t") {
    const char *end = strchrnul(next, LUA_PATH_SEP[0]);
    const char *file = lua_pushlstring(L, next, (size_t)(end - next));
    int result = lm_sandbox_open(file, O_RDONLY, 0);
    if (result >= 0) {
      close(result);
      return true;
    }
    const char *before = lua_tostring(L, message);
    if (result < -1)
      lua_pushfstring(L, "%s%sreading '%s' is not allowed (use --allow-read=%s)", before, between, file, file);
    else lua_pushfstring(L, "%s%sno file '%s'", before, between, file);
    lua_replace(L, message);
    lua_settop(L, message);
    next = *end != '\0' ? end + 1 : end;
  }
  return false;
}

static int p_searchpath(lua_State *L) {
  bool found = search(L, sandbox_check_path(L, 1), sandbox_check_path(L, 2), luaL_optstring(L, 3, "."),
                      luaL_optstring(L, 4, LUA_DIRSEP));
  if (found) return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

static int search_lua(lua_State *L) {
  const char *name = sandbox_check_path(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  const char *path = lua_tostring(L, -1);
  if (path == NULL) return luaL_error(L, "'package.path' must be a string");
  if (!search(L, name, path, ".", LUA_DIRSEP)) return 1;
  const char *file = lua_tostring(L, -1);
  if (load_file(L, "require", file) != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file, lua_tostring(L, -1));
  lua_pushstring(L, file);
  return 2;
}

static int search_c(lua_State *L) {
  lua_pushliteral(L, "C modules are not allowed in a sandbox");
  return 1;
}

static int p_loadlib(lua_State *L) { return luaL_error(L, "package.loadlib: C modules are not allowed in a sandbox"); }

/* [-0, +0, m] Replaces the searchers in the table `package` on top; keeps the one for package.preload. */
static void set_searchers(lua_State *L) {
  lua_createtable(L, 3, 0);
  lua_getfield(L, -2, "searchers");
  lua_rawgeti(L, -1, 1);
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, search_lua, 1);
  lua_rawseti(L, -2, 2);
  lua_pushcfunction(L, search_c);
  lua_rawseti(L, -2, 3);
  lua_setfield(L, -2, "searchers");
}

void sandbox_open_package(lua_State *L) {
  static const char *const harmless[] = {"config", "loaded", "path", "preload", "searchers", NULL};
  static const luaL_Reg functions[] = {{"loadlib", p_loadlib}, {"searchpath", p_searchpath}, {NULL, NULL}};
  static const luaL_Reg globals[] = {{"loadfile", b_loadfile}, {"dofile", b_dofile}, {NULL, NULL}};
  lua_pushglobaltable(L);
  original_loadfile = sandbox_original(L, "loadfile");
  luaL_setfuncs(L, globals, 0);
  lua_pop(L, 1);
  lua_getglobal(L, LUA_LOADLIBNAME);
  set_searchers(L);
  sandbox_keep_only(L, harmless);
  luaL_setfuncs(L, functions, 0);
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
}
