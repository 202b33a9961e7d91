/* The trampolines of methods that call the kernel: madvise(2), msync(2), mincore(2), mprotect(2), mlock(2),
   mremap(2). */
#include "trampoline.h"

/* [-?, +?, e] Runs a body that also needs the path of the buffer's file. The path is on the stack after the arguments,
   so that the garbage collector keeps it. */
static int with_path(lua_State *L, int (*body)(lua_State *, lm_outcome *, const char *)) {
  lm_check_buffer(L);
  luaL_checkstack(L, 4, NULL);
  lm_push_path(L, 1);
  lm_outcome outcome;
  const char *path = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int count = LM_RUN_COLLECTING(L, &outcome, body(L, &outcome, path));
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

static int resize_sparse(lua_State *L, lm_outcome *outcome, const char *path) {
  return lm_buffer_resize(L, outcome, path, true);
}

static int resize(lua_State *L, lm_outcome *outcome, const char *path) {
  return lm_buffer_resize(L, outcome, path, false);
}

int lm_custom_buffer_resize(lua_State *L) {
  static const lm_option options[] = {{"sparse", LM_BOOLEAN, offsetof(lm_open_options, sparse), 0},
                                      {NULL, LM_INTEGER, 0, 0}};
  lm_open_options given = {0};
  lm_check_buffer(L);
  lm_settop(L, 3, 2, "number");
  lm_read_options(L, 3, options, &given);
  return with_path(L, given.sparse ? resize_sparse : resize);
}

int lm_custom_buffer_remap(lua_State *L) {
  lm_settop(L, 1, 1, LM_BUFFER);
  return with_path(L, lm_buffer_remap);
}

int lm_custom_buffer_sync(lua_State *L) {
  lm_settop(L, 5, 1, LM_BUFFER);
  return with_path(L, lm_buffer_sync);
}

int lm_custom_buffer_lock(lua_State *L) {
  lm_settop(L, 3, 1, LM_BUFFER);
  return with_path(L, lm_buffer_lock);
}
