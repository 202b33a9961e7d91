/* Functions for the targets in Lua: references in C, and parts of the program that no script calls. */
#include "functions.h"

#include <cpcre2.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "CFuzz.h"
#include "message.h"

/* fuzz.hole(address): maps an inaccessible page there, unless the address is in use. It is never unmapped: the memory
   of the next state may lie between the same holes. */
static int f_hole(lua_State *L) {
  enum { MOST = 1000 };
  static void *holes[MOST];
  static int made;
  void *address = (void *)luaL_checkinteger(L, 1);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  bool is_hole = false;
  for (int i = 0; i < made && !is_hole; i++) is_hole = holes[i] == address;
  if (!is_hole && made < MOST && mmap(address, (size_t)getpagesize(), PROT_NONE, flags, -1, 0) == address) {
    holes[made++] = address;
    is_hole = true;
  }
  lua_pushboolean(L, is_hole);
  return 1;
}

/* ---- PCRE2's interpreter, on a copy of the subject */

/* fuzz.regex(pattern, flags, subject, offset, optimizes): a list of offsets, two for the match and for each group, -1
   for an unmatched group; false for no match; or nil if a limit was reached. Then whether the pattern may match the
   empty string; nil for a malformed pattern. */
static int f_regex(lua_State *L) {
  size_t length, count;
  const char *pattern = luaL_checklstring(L, 1, &length), *flags = luaL_checkstring(L, 2);
  const char *bytes = luaL_checklstring(L, 3, &count);
  size_t offset = (size_t)luaL_checkinteger(L, 4);
  uint32_t options =
      strchr(flags, 'u') ? PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C : PCRE2_NEVER_UTF;
  if (strchr(flags, 'i')) options |= PCRE2_CASELESS;
  if (strchr(flags, 'm')) options |= PCRE2_MULTILINE;
  if (strchr(flags, 's')) options |= PCRE2_DOTALL;
  if (strchr(flags, 'x')) options |= PCRE2_EXTENDED;
  if (!lua_toboolean(L, 5)) options |= PCRE2_NO_START_OPTIMIZE;
  int error;
  size_t place;
  pcre2_compile_context *language = pcre2_compile_context_create(NULL);
  pcre2_set_newline(language, PCRE2_NEWLINE_LF);
  /* A lookbehind without a fixed length reads out of bounds in a subject that is not UTF-8. */
  pcre2_set_max_varlookbehind(language, 0);
  pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, length, options, &error, &place, language);
  bool is_unknown = false;
  if (!code) {
    pcre2_set_max_varlookbehind(language, 255);
    code = pcre2_compile((PCRE2_SPTR)pattern, length, options, &error, &place, language);
    is_unknown = code && options & PCRE2_UTF;
  }
  pcre2_compile_context_free(language);
  if (!code) {
    lua_pushnil(L);
    return 1;
  }
  char *subject = malloc(count + 1); /* a copy of its own, so that AddressSanitizer detects reads past it */
  memcpy(subject, bytes, count);
  pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
  pcre2_match_context *context = pcre2_match_context_create(NULL);
  pcre2_set_match_limit(context, 20000);
  pcre2_set_heap_limit(context, 16384);
  int pairs = is_unknown ? PCRE2_ERROR_MATCHLIMIT
                         : pcre2_match(code, (PCRE2_SPTR)subject, count, offset, PCRE2_NO_JIT, data, context);
  uint32_t may_be_empty = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &may_be_empty);
  if (pairs > 0) {
    uint32_t all = pcre2_get_ovector_count(data);
    const size_t *places = pcre2_get_ovector_pointer(data);
    lua_createtable(L, (int)(2 * all), 0);
    for (uint32_t i = 0; i < 2 * all; i++) {
      lua_pushinteger(L, places[i] == PCRE2_UNSET ? -1 : (lua_Integer)places[i]);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
  } else if (pairs == PCRE2_ERROR_NOMATCH) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushnil(L);
  }
  lua_pushboolean(L, may_be_empty != 0);
  pcre2_match_context_free(context);
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  free(subject);
  return 2;
}

/* ---- the messages of children */

static int make_file(void) {
  int file = memfd_create("fuzz", MFD_CLOEXEC);
  if (file < 0) abort();
  return file;
}

/* The file of the message is in upvalue 1. */
static int message_file(lua_State *L) { return (int)lua_tointeger(L, lua_upvalueindex(1)); }

/* fuzz.encode(…): the message of a child that answers these values. */
static int f_encode(lua_State *L) {
  int count = lua_gettop(L);
  luaL_checkstack(L, 20, NULL);
  lm_writer writer = {.L = L, .file = message_file(L), .number = 1};
  lm_write_begin(&writer);
  for (int i = 1; i <= count; i++) lm_write_value(&writer, i);
  lm_write_end(&writer, LM_ANSWER);
  struct stat status;
  if (fstat(writer.file, &status) != 0) abort();
  luaL_Buffer text;
  char *bytes = luaL_buffinitsize(L, &text, (size_t)status.st_size);
  if (pread(writer.file, bytes, (size_t)status.st_size, 0) != status.st_size) abort();
  luaL_pushresultsize(&text, (size_t)status.st_size);
  return 1;
}

/* Memory that a message may map: INHERITED is a descriptor of three pages, like one from a child's parent. */
enum { INHERITED = 100 };
static void inherit(void) {
  static int memory;
  if (memory == 0) {
    memory = make_file();
    if (ftruncate(memory, 3 * getpagesize()) != 0) abort();
  }
  if (dup2(memory, INHERITED) != INHERITED) abort();
}

/* fuzz.decode(message [, with_mappings]): whether the message is valid, and the values read from it. */
static int f_decode(lua_State *L) {
  size_t count;
  const char *bytes = luaL_checklstring(L, 1, &count);
  bool with_mappings = lua_toboolean(L, 2);
  lua_settop(L, 1);
  if (with_mappings) inherit();
  int file = message_file(L);
  if (ftruncate(file, 0) != 0 || pwrite(file, bytes, count, 0) != (ssize_t)count) abort();
  lm_reader reader = {.L = L, .file = file};
  if (!lm_read_begin(&reader, LM_ANSWER, with_mappings)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int top = lua_gettop(L);
  lua_createtable(L, 0, 0);
  lua_Integer values = 0;
  while (lm_read_value(&reader)) {
    lua_rawseti(L, top + 1, ++values);
    if (lua_gettop(L) != top + 1) abort();
  }
  lua_settop(L, top + 1);
  lua_pushinteger(L, values);
  lua_setfield(L, -2, "n");
  lua_pushboolean(L, 1);
  lua_insert(L, -2);
  return 2;
}

/* ---- the command line */

/* fuzz.options(word, …): the requested action, and the number of the word that it is about. */
static int f_options(lua_State *L) {
  enum { MOST = 64 };
  char *words[MOST + 2] = {"mmaplua"}, *copies[MOST + 2];
  int count = lua_gettop(L), index = 0;
  luaL_argcheck(L, count <= MOST, 1, "too many");
  /* Each copy in a block of its own, guarded by AddressSanitizer. */
  for (int i = 1; i <= count; i++) copies[i] = words[i] = strdup(luaL_checkstring(L, i));
  int kind = fuzz_options(count + 1, words, &index);
  for (int i = 1; i <= count; i++) {
    if (words[i] != copies[i]) free(words[i]); /* the path of a lesson */
    free(copies[i]);
  }
  lua_pushlstring(L, &(char){(char)kind}, 1);
  lua_pushinteger(L, index);
  return 2;
}

static int f_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)fuzz_bytes(luaL_checkstring(L, 1)));
  return 1;
}

static int f_microseconds(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)fuzz_microseconds(luaL_checkstring(L, 1)));
  return 1;
}

/* ---- the sandbox */

/* Pushes a descriptor's path, device, and inode as one string. Closes the descriptor. */
static void push_place(lua_State *L, int file) {
  char link[32], path[PATH_MAX];
  struct stat status;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path);
  if (length < 0 || fstat(file, &status) != 0) abort();
  close(file);
  lua_pushlstring(L, path, (size_t)length);
  lua_pushfstring(L, "%I:%I", (LUAI_UACINT)status.st_dev, (LUAI_UACINT)status.st_ino);
}

/* fuzz.open(path, flags, allowance, …): the path and the number of the opened file; false and an errno; or nil if the
   sandbox refuses the path. An allowance is a letter, r, w, or b for both, and a path. */
static int f_open(lua_State *L) {
  enum { MOST = 8 };
  const char *allowed[MOST], *path = luaL_checkstring(L, 1);
  int flags = (int)luaL_checkinteger(L, 2), count = lua_gettop(L) - 2;
  luaL_argcheck(L, count <= MOST, 3, "too many");
  for (int i = 0; i < count; i++) allowed[i] = luaL_checkstring(L, 3 + i);
  int file = fuzz_open(allowed, (size_t)count, path, flags);
  if (file >= 0) {
    push_place(L, file);
  } else if (file == INT_MIN) {
    lua_pushnil(L);
    return 1;
  } else {
    lua_pushboolean(L, 0);
    lua_pushinteger(L, -file);
  }
  return 2;
}

/* fuzz.plain_open(path, flags): the same without a sandbox. */
static int f_plain_open(lua_State *L) {
  int file = open(luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2) | O_CLOEXEC, 0600);
  if (file >= 0) {
    push_place(L, file);
  } else {
    lua_pushboolean(L, 0);
    lua_pushinteger(L, errno);
  }
  return 2;
}

/* fuzz.realpath(path): the resolved path and whether it exists, or nil. */
static int f_realpath(lua_State *L) {
  char path[PATH_MAX] = "";
  bool is_there = realpath(luaL_checkstring(L, 1), path) != NULL;
  lua_pushstring(L, (is_there || errno == ENOENT) && path[0] ? path : NULL);
  lua_pushboolean(L, is_there);
  return 2;
}

static void check(lua_State *L, const char *call, int result) {
  if (result != 0) luaL_error(L, "%s: %s", call, strerror(errno));
}

static int f_mkdir(lua_State *L) {
  check(L, "mkdir", mkdir(luaL_checkstring(L, 1), 0700));
  return 0;
}

static int f_symlink(lua_State *L) {
  check(L, "symlink", symlink(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 0;
}

static int f_chdir(lua_State *L) {
  check(L, "chdir", chdir(luaL_checkstring(L, 1)));
  return 0;
}

/* fuzz.folder(): makes a folder; scripts/fuzz removes it and its content. */
static int f_folder(lua_State *L) {
  const char *place = getenv("TMPDIR");
  lua_pushfstring(L, "%s/mmaplua-fuzz.XXXXXX", place ? place : "/tmp");
  char *path = strdup(lua_tostring(L, -1));
  check(L, "mkdtemp", mkdtemp(path) ? 0 : -1);
  lua_pushstring(L, path);
  free(path);
  return 1;
}

static int f_exchange(lua_State *L) {
  check(L, "renameat2", renameat2(AT_FDCWD, luaL_checkstring(L, 1), AT_FDCWD, luaL_checkstring(L, 2), RENAME_EXCHANGE));
  return 0;
}

static const luaL_Reg functions[] = {{"hole", f_hole},
                                     {"regex", f_regex},
                                     {"options", f_options},
                                     {"bytes", f_bytes},
                                     {"open", f_open},
                                     {"realpath", f_realpath},
                                     {"plain_open", f_plain_open},
                                     {"microseconds", f_microseconds},
                                     {"mkdir", f_mkdir},
                                     {"symlink", f_symlink},
                                     {"chdir", f_chdir},
                                     {"folder", f_folder},
                                     {"exchange", f_exchange},
                                     {NULL, NULL}};

void fuzz_open_functions(lua_State *L) {
  static int file = -1;
  static const luaL_Reg messages[] = {{"encode", f_encode}, {"decode", f_decode}, {NULL, NULL}};
  if (file < 0) file = make_file();
  luaL_newlib(L, functions);
  lua_pushinteger(L, file);
  luaL_setfuncs(L, messages, 1);
  lua_setglobal(L, "fuzz");
}
