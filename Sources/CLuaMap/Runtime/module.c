/* The module table: constructors, constants, and its protection against assignment. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trampoline.h"

static const lm_option open_options[] = {
    {"offset", LM_INTEGER, offsetof(lm_open_options, offset), 0},
    {"length", LM_INTEGER, offsetof(lm_open_options, length), offsetof(lm_open_options, has_length)},
    {"size", LM_INTEGER, offsetof(lm_open_options, size), 0},
    {"grow", LM_BOOLEAN, offsetof(lm_open_options, grow), 0},
    {"advice", LM_ADVICE, offsetof(lm_open_options, advice), offsetof(lm_open_options, has_advice)},
    {"populate", LM_BOOLEAN, offsetof(lm_open_options, populate), 0},
    {"lock", LM_BOOLEAN, offsetof(lm_open_options, lock), 0},
    {"sparse", LM_BOOLEAN, offsetof(lm_open_options, sparse), 0},
    {NULL, LM_INTEGER, 0, 0}};

static const lm_option anonymous_options[] = {
    {"shared", LM_BOOLEAN, offsetof(lm_open_options, shared), 0},
    {"advice", LM_ADVICE, offsetof(lm_open_options, advice), offsetof(lm_open_options, has_advice)},
    {"populate", LM_BOOLEAN, offsetof(lm_open_options, populate), 0},
    {"lock", LM_BOOLEAN, offsetof(lm_open_options, lock), 0},
    {NULL, LM_INTEGER, 0, 0}};

/* [-0, +0, e] The descriptor at an argument: an integer or an open Lua file; -1 for nil. Flushes a Lua file, because
   the mapping does not show what is still in the file's buffer. */
static int check_descriptor(lua_State *L, int argument) {
  if (lua_isnoneornil(L, argument)) return -1;
  FILE *file = lm_file_at(L, argument);
  if (file) {
    fflush(file);
    return fileno(file);
  }
  int is_integer = 0;
  lua_Integer number = lua_type(L, argument) == LUA_TNUMBER ? lua_tointegerx(L, argument, &is_integer) : 0;
  if (!is_integer) return luaL_typeerror(L, argument, "file or integer descriptor");
  luaL_argcheck(L, number >= -1 && number <= 0x7fffffff, argument,
                lua_pushfstring(L, "descriptor %I is out of range (0 to 2147483647)", (LUAI_UACINT)number));
  luaL_argcheck(L, number < 0 || !lm_is_sandboxed(), argument,
                "the number of a descriptor is not allowed in a sandbox: use an open file");
  return (int)number;
}

/* [-0, +1, m] The path of an open file from /proc/self/fd, or nil. */
static void push_path_of(lua_State *L, int descriptor) {
  char link[40], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = descriptor < 0 ? -1 : readlink(link, path, sizeof path);
  if (length > 0 && path[0] == '/') lua_pushlstring(L, path, (size_t)length);
  else lua_pushnil(L);
}

/* [-0, +0, m] Counts anonymous memory for the garbage collector as if Lua had allocated it, so that a loop that maps
   memory and drops it collects in time. Does nothing while the script has the collector stopped. */
void lm_count_memory(lua_State *L, const lm_buffer *buffer) {
  size_t kibibytes = buffer->region.length >> 10;
  if (buffer->region.slot->kind != MM_ANONYMOUS || kibibytes == 0 || !lua_gc(L, LUA_GCISRUNNING)) return;
  lua_gc(L, LUA_GCSTEP, kibibytes < 0x7fffffff ? (int)kibibytes : 0x7fffffff);
}

int lm_custom_mmap_map(lua_State *L) {
  for (int i = 1; i <= 3; i++)
    if (lua_isnone(L, i)) luaL_typeerror(L, i, "number");
  int descriptor = check_descriptor(L, 4);
  if (lua_isnone(L, 4) && !(lua_tointeger(L, 3) & MAP_ANONYMOUS)) luaL_typeerror(L, 4, "file or integer descriptor");
  lua_settop(L, 6);
  int is_integer = 0;
  lua_Integer flags = lua_tointegerx(L, 3, &is_integer);
  lm_buffer *buffer = lm_new_buffer(L);
  push_path_of(L, is_integer && flags & MAP_ANONYMOUS ? -1 : descriptor);
  lua_setiuservalue(L, 7, 1);
  lm_outcome outcome;
  /* Checked again: a finalizer may have closed the file since. */
  descriptor = check_descriptor(L, 4);
  int count = LM_RUN(L, lm_map(L, &outcome, buffer, descriptor));
  if (lm_worth_collecting(&outcome, count)) {
    lua_gc(L, LUA_GCCOLLECT);
    descriptor = check_descriptor(L, 4);
    count = LM_RUN(L, lm_map(L, &outcome, buffer, descriptor));
  }
  if (count >= 0) {
    lm_count_memory(L, buffer);
    return count;
  }
  if (outcome.kind == LM_SYSTEM) lua_copy(L, 7, 1); /* the path for the error object */
  return lm_push_or_raise(L, &outcome, count);
}

int lm_custom_mmap_open(lua_State *L) {
  const char *path = lm_check_c_string(L, 1, "path", "string");
  lua_settop(L, 3);
  int mode = lm_check_word(L, 2, "mode %s is not one of", "r r+ c w+");
  lm_open_options options = {0};
  lm_read_options(L, 3, open_options, &options);
  lm_buffer *buffer = lm_new_buffer(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lm_outcome outcome;
  int count = LM_RUN_COLLECTING(L, &outcome, lm_open(L, &outcome, buffer, path, mode, &options));
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

int lm_custom_mmap_anonymous(lua_State *L) {
  lm_settop(L, 2, 1, "number");
  lm_open_options options = {0};
  lm_read_options(L, 2, anonymous_options, &options);
  lm_buffer *buffer = lm_new_buffer(L);
  lm_outcome outcome;
  int count = LM_RUN_COLLECTING(L, &outcome, lm_anonymous(L, &outcome, buffer, &options));
  if (count >= 0) lm_count_memory(L, buffer);
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

static const struct {
  const char *name;
  int64_t value;
} constants[] = {
    {"PROT_NONE", PROT_NONE},
    {"PROT_READ", PROT_READ},
    {"PROT_WRITE", PROT_WRITE},
    {"PROT_EXEC", PROT_EXEC},
    {"PROT_EXECUTE", PROT_EXEC},
    {"MAP_SHARED", MAP_SHARED},
    {"MAP_PRIVATE", MAP_PRIVATE},
    {"MAP_SHARED_VALIDATE", MAP_SHARED_VALIDATE},
    {"MAP_ANONYMOUS", MAP_ANONYMOUS},
    {"MAP_ANON", MAP_ANONYMOUS},
    {"MAP_POPULATE", MAP_POPULATE},
    {"MAP_NONBLOCK", MAP_NONBLOCK},
    {"MAP_NORESERVE", MAP_NORESERVE},
    {"MAP_LOCKED", MAP_LOCKED},
    {"MAP_STACK", MAP_STACK},
    {"MAP_SYNC", MAP_SYNC},
    {"MAP_GROWSDOWN", MAP_GROWSDOWN},
    {"MAP_FIXED", MAP_FIXED},
    {"MAP_FIXED_NOREPLACE", MAP_FIXED_NOREPLACE},
    {"MAP_HUGETLB", MAP_HUGETLB},
    {"MAP_HUGE_2MB", 21 << 26},
    {"MAP_HUGE_1GB", 30 << 26},
#ifdef MAP_32BIT
    {"MAP_32BIT", MAP_32BIT},
#endif
    {"MS_ASYNC", MS_ASYNC},
    {"MS_SYNC", MS_SYNC},
    {"MS_INVALIDATE", MS_INVALIDATE},
};

/* [-0, +0, m] Adds the constants to the table on top. */
static void add_constants(lua_State *L) {
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    lua_pushinteger(L, constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  lua_pushinteger(L, sysconf(_SC_PAGESIZE));
  lua_setfield(L, -2, "PAGESIZE");
  int64_t value;
  bool is_known;
  const char *name;
  for (int i = 0; (name = lm_advice_at(i, &value, &is_known)); i++) {
    if (!is_known) continue;
    char constant[40] = "MADV_";
    for (size_t j = 0; name[j] && j + 6 < sizeof constant; j++)
      constant[j + 5] = name[j] >= 'a' && name[j] <= 'z' ? (char)(name[j] - 32) : name[j];
    lua_pushinteger(L, value);
    lua_setfield(L, -2, constant);
  }
}

static int module_newindex(lua_State *L) {
  return luaL_error(L, "attempt to change the module 'mmap' (field '%s')", luaL_tolstring(L, 2, NULL));
}

static int module_next(lua_State *L) {
  lua_settop(L, 2);
  luaL_checktype(L, lua_upvalueindex(1), LUA_TTABLE); /* debug.setupvalue can replace it */
  if (lua_next(L, lua_upvalueindex(1))) return 2;
  lua_pushnil(L);
  return 1;
}

static int module_pairs(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, module_next, 1);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* [-1, +1, m] Replaces the table on top by an empty proxy for it, because Lua calls __newindex only for absent keys. */
static void protect(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, module_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, module_pairs, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

/* Keeps the library loaded after dlclose(3): the signal handlers point into it, and the Swift runtime cannot be
   unloaded. */
static void stay_loaded(void) {
  Dl_info info;
  if (dladdr((void *)luaopen_mmap, &info) && info.dli_fname) {
    void *handle = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    if (handle) dlclose(handle);
  }
}

/* [-0, +0, e] Makes the metatable of lauxlib's large buffers now. lauxlib itself makes it for the first string buffer
   that outgrows the C stack. If memory runs out there, the metatable stays in the registry without its methods, and
   lauxlib can build no string over 1 KiB any more. */
static void make_buffer_class(lua_State *L) {
  luaL_Buffer buffer;
  luaL_buffinitsize(L, &buffer, LUAL_BUFFERSIZE + 1);
  luaL_pushresultsize(&buffer, 0);
  lua_pop(L, 1);
}

int lm_open_module(lua_State *L) {
  lm_choose_vectors();
  make_buffer_class(L);
  lm_open_errors(L);
  lm_open_buffer(L);
  lm_open_pages(L);
  lm_open_view(L);
  lm_open_layout(L);
  lm_open_records(L);
  lm_open_regex(L);
  lm_open_atomic(L);
  lm_open_child(L);
  lm_open_lock(L);
  lm_open_files(L);
  lm_open_tables(L);
  lm_open_compile(L);
  lua_createtable(L, 0, 128);
  lm_set_methods(L, LM_CLASS_mmap);
  lm_name_functions(L, "mmap.");
  lm_add_json(L);
  add_constants(L);
  lua_pushliteral(L, "mmaplua " LM_VERSION);
  lua_setfield(L, -2, "_VERSION");
  protect(L);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_mmap(lua_State *L) {
  stay_loaded();
  return lm_open_module(L);
}
