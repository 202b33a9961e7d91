/* Passes libFuzzer's inputs, one at a time, to the function that a target's Lua file returns. An error of that function
   is a finding, and so is a report of a sanitizer. */
#include "CFuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lua5.4/lualib.h>

#include "functions.h"

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *, size_t));

/* A state's memory limit: a format may ask for more, and then the program and the reference both fail. */
enum { MOST_MEMORY = 64 << 20, INPUTS_OF_A_STATE = 20000 };

static lua_State *L;
static size_t used;
static int inputs;

static void *allocate(void *context, void *old, size_t old_size, size_t size) {
  (void)context;
  if (!old) old_size = 0;
  if (size == 0) {
    free(old);
    used -= old_size;
    return NULL;
  }
  if (size > old_size && size - old_size > MOST_MEMORY - used) return NULL;
  void *new = realloc(old, size);
  if (new) used = used - old_size + size;
  return new;
}

static int describe(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static _Noreturn void fail(void) {
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  abort();
}

/* Leaves a message handler at index 1 and the target's function at index 2. */
static void open_state(void) {
  L = lua_newstate(allocate, NULL);
  if (!L) abort();
  luaL_openlibs(L);
  luaL_requiref(L, "mmap", luaopen_mmap, 1);
  fuzz_open_functions(L);
  lua_settop(L, 0);
  lua_pushcfunction(L, describe);
  const char *target = getenv("MMAPLUA_FUZZ_TARGET");
  if (!target) target = "";
  lua_getglobal(L, "package");
  lua_pushlstring(L, target, strrchr(target, '/') ? (size_t)(strrchr(target, '/') - target) : 0);
  lua_pushliteral(L, "/?.lua");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_settop(L, 1);
  if (luaL_loadfile(L, target) != LUA_OK || lua_pcall(L, 0, 1, 1) != LUA_OK) fail();
}

static int run_one(const uint8_t *data, size_t size) {
  if (L && ++inputs % INPUTS_OF_A_STATE == 0) {
    lua_close(L);
    L = NULL;
  }
  if (!L) open_state();
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) fail();
  return 0;
}

int fuzz_main(int argc, char **argv) { return LLVMFuzzerRunDriver(&argc, &argv, run_one); }
