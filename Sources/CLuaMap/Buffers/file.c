/* Files that are not mapped: reading pipes, decompressing, and replacing files. */
#include <errno.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <unistd.h>

#include "lm_file.h"
#include "trampoline.h"

#define LM_REPLACEMENT "mmap.replacement"
LM_APART(lm_replacement);

static const char replacement_kind;

FILE *lm_file_at(lua_State *L, int argument) {
  luaL_Stream *stream = luaL_testudata(L, argument, LUA_FILEHANDLE);
  /* debug.setmetatable can give a buffer the metatable of a file, but their sizes differ. */
  if (!stream || lua_rawlen(L, argument) != sizeof *stream) return NULL;
  luaL_argcheck(L, stream->closef && stream->f, argument, "attempt to use a closed file");
  return stream->f;
}

/* [-0, +0, e] The path at argument 1, or NULL. */
static const char *path_at(lua_State *L) {
  return lua_type(L, 1) == LUA_TSTRING ? lm_check_c_string(L, 1, "path", "path") : NULL;
}

/* [-0, +0, e] Collects garbage before a read if memory is limited. If memory ran out during the read, a pipe could not
   be read again. */
static void make_room(lua_State *L) {
  if (mm_budget_limit() != SIZE_MAX) lua_gc(L, LUA_GCCOLLECT);
}

/* [-0, +0, e] The stream of mmap.read. */
static FILE *stream_at(lua_State *L) {
  if (lua_isnil(L, 1)) return stdin;
  FILE *stream = lm_file_at(L, 1);
  if (!stream) luaL_typeerror(L, 1, "file or path");
  return stream;
}

int lm_custom_mmap_read(lua_State *L) {
  int64_t max = -1;
  static const lm_option options[] = {{"max", LM_INTEGER, 0, 0}, {NULL, LM_INTEGER, 0, 0}};
  lua_settop(L, 2);
  const char *path = path_at(L);
  if (!path) stream_at(L);
  lm_read_options(L, 2, options, &max);
  luaL_argcheck(L, max >= -1, 2, "option 'max' must not be negative");
  make_room(L);
  lm_buffer *buffer = lm_new_buffer(L);
  lm_outcome outcome;
  int count = path ? LM_RUN(L, lm_read_path(L, &outcome, buffer, path, max))
                   : LM_RUN(L, lm_read_stream(L, &outcome, buffer, stream_at(L), max));
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  lm_count_memory(L, buffer);
  return count;
}

/* [-0, +0, e] The format at argument 2. */
static int check_format(lua_State *L) {
  static const int formats[] = {LM_GZIP, LM_ZSTD};
  if (lua_isnil(L, 2)) return LM_ANY_FORMAT;
  return formats[lm_check_word(L, 2, "format %s is not one of", "gzip zstd")];
}

int lm_custom_mmap_decompress(lua_State *L) {
  lm_settop(L, 2, 1, "path or mmap.buffer");
  const char *path = path_at(L);
  if (!path && !lm_buffer_at(L, 1)) luaL_typeerror(L, 1, "path or mmap.buffer");
  int format = check_format(L);
  make_room(L);
  lm_buffer *buffer = lm_new_buffer(L);
  lm_outcome outcome;
  int count = LM_RUN(L, lm_decompress(L, &outcome, buffer, path, format));
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  lm_count_memory(L, buffer);
  return count;
}

int lm_custom_buffer_write(lua_State *L) {
  lm_check_buffer(L);
  lm_settop(L, 4, 2, "file");
  FILE *stream = lm_file_at(L, 2);
  if (!stream) luaL_typeerror(L, 2, "file");
  lm_outcome outcome;
  int count = LM_RUN(L, lm_file_write(L, &outcome, stream));
  if (count >= 0) return count;
  if (outcome.kind == LM_SYSTEM) { /* the error is not about the path of the buffer */
    lua_pushnil(L);
    lua_replace(L, 1);
  }
  return lm_push_or_raise(L, &outcome, count);
}

static int replacement_close(lua_State *L) {
  lm_replacement *replacement = lm_kind_at(L, 1, sizeof *replacement, &replacement_kind);
  if (!replacement) return luaL_typeerror(L, 1, LM_REPLACEMENT);
  lm_replace_abort(replacement);
  return 0;
}

/* [-0, +1, m] Pushes a closed file, for the script to write to. Its user value is the errno of its close, which the
   script may have ignored. */
static luaL_Stream *push_stream(lua_State *L) {
  luaL_Stream *stream = lm_new_userdata(L, sizeof *stream, 1);
  stream->f = NULL;
  stream->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  return stream;
}

/* [-0, +0, –] 0, or the errno of the last failure; EIO for a write that failed earlier, whose errno is not kept. */
static int close_stream(FILE *file) {
  int error = ferror(file) ? EIO : 0;
  if (fclose(file) != 0) error = errno;
  return error;
}

static int close_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int error = close_stream(stream->f);
  lua_pushinteger(L, error);
  lua_setiuservalue(L, 1, 1);
  errno = error;
  return luaL_fileresult(L, error == 0, NULL);
}

/* [-0, +0, e] Removes the new file and raises. __close is not enough, because a coroutine that ends by an error does
   not close its variables. */
static int give_up(lua_State *L, const lm_outcome *outcome, lm_replacement *replacement) {
  lm_replace_abort(replacement);
  return lm_push_or_raise(L, outcome, LM_FAILED);
}

/* [-0, +0, e] Opens a stream on another descriptor of the new file. */
static void open_stream(lua_State *L, luaL_Stream *stream, lm_replacement *replacement) {
  lm_outcome outcome;
  int descriptor = LM_RUN(L, lm_replace_duplicate(L, &outcome, replacement));
  if (descriptor < 0) give_up(L, &outcome, replacement);
  stream->f = fdopen(descriptor, "w");
  if (!stream->f) {
    outcome = (lm_outcome){.kind = LM_SYSTEM, .call = "fdopen", .error = errno, .text = ""};
    close(descriptor);
    give_up(L, &outcome, replacement);
  }
  stream->closef = close_file;
}

/* [-0, +0, e] Calls the function at 2 with the stream at 4, and closes the stream. */
static void write_by_function(lua_State *L, luaL_Stream *stream, lm_replacement *replacement) {
  enum { STREAM = 4 };
  bool is_main = lua_pushthread(L);
  lua_toclose(L, STREAM);
  open_stream(L, stream, replacement);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, STREAM);
  /* In the main thread, no protected call: the error keeps its traceback, and __close removes the new file. */
  if (is_main) lua_call(L, 1, 0);
  else if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    if (stream->closef) fclose(stream->f);
    stream->closef = NULL;
    lm_replace_abort(replacement);
    lua_error(L);
  }
  int error;
  if (stream->closef) {
    stream->closef = NULL;
    error = close_stream(stream->f);
  } else {
    lua_getiuservalue(L, STREAM, 1);
    error = (int)lua_tointeger(L, -1);
  }
  if (error == 0) return;
  lm_outcome outcome = {.kind = LM_SYSTEM, .call = "write", .error = error, .text = "a write of the function failed"};
  give_up(L, &outcome, replacement);
}

int lm_custom_mmap_writefile(lua_State *L) {
  lm_settop(L, 2, 2, "string, mmap.buffer or function");
  const char *path = lm_check_c_string(L, 1, "path", "string");
  size_t length = 0;
  const char *text = lm_string_at(L, 2, &length);
  bool is_function = lua_isfunction(L, 2);
  if (!text && !is_function && !lm_buffer_at(L, 2)) luaL_typeerror(L, 2, "string, mmap.buffer or function");
  lm_replacement *replacement = lm_new_kind(L, sizeof *replacement, 0, &replacement_kind);
  replacement->file.folder = replacement->file.file = -1;
  lm_set_metatable(L, LM_REPLACEMENT);
  /* From here on, an error closes the replacement and removes the new file. */
  lua_toclose(L, 3);
  luaL_Stream *stream = is_function ? push_stream(L) : NULL;
  lm_outcome outcome;
  int code = LM_RUN_COLLECTING(L, &outcome, lm_replace_begin(L, &outcome, replacement, path));
  if (code < 0) return give_up(L, &outcome, replacement);
  if (stream) write_by_function(L, stream, replacement);
  else if (LM_RUN(L, lm_replace_write(L, &outcome, replacement, text, length)) < 0)
    return give_up(L, &outcome, replacement);
  if (LM_RUN(L, lm_replace_commit(L, &outcome, replacement)) < 0) return give_up(L, &outcome, replacement);
  return 0;
}

void lm_open_files(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", replacement_close}, {"__close", replacement_close}, {NULL, NULL}};
  luaL_newmetatable(L, LM_REPLACEMENT);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
