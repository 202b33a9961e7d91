/* The trampolines of what asks the kernel: madvise(2), msync(2), mincore(2), mprotect(2), mlock(2),
   mremap(2). */
#include "trampoline.h"

static LM_SYSTEM_TRAMPOLINE(b_advise, lm_buffer_advise)
static LM_SYSTEM_TRAMPOLINE(b_incore, lm_buffer_incore)
static LM_SYSTEM_TRAMPOLINE(b_protect, lm_buffer_protect)
static LM_SYSTEM_TRAMPOLINE(b_unlock, lm_buffer_unlock)

/* [-?, +?, e] A body that also wants the path of the buffer's file: it is pushed after the arguments
   first, so that it stays alive. */
static int with_path(lua_State *L, int (*body)(lua_State *, lm_call *, const char *)) {
  lm_check_buffer(L);
  luaL_checkstack(L, 4, NULL);
  lm_push_path(L, 1);
  lm_call call;
  const char *path = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int count = LM_RUN_COLLECTING(L, &call, body(L, &call, path));
  return count >= 0 ? count : lm_finish(L, &call, count);
}

static int b_resize(lua_State *L) {
  lm_check_buffer(L);
  lm_take(L, 2, 2, "number");
  return with_path(L, lm_buffer_resize);
}

static int b_remap(lua_State *L) {
  lm_take(L, 1, 1, LM_BUFFER);
  return with_path(L, lm_buffer_remap);
}

static int b_sync(lua_State *L) {
  lm_take(L, 5, 1, LM_BUFFER);
  return with_path(L, lm_buffer_sync);
}

static int b_lock(lua_State *L) {
  lm_take(L, 3, 1, LM_BUFFER);
  return with_path(L, lm_buffer_lock);
}

const luaL_Reg lm_original_functions[] = {{"advise", b_advise}, {"sync", b_sync}, {"incore", b_incore}, {NULL, NULL}};

const luaL_Reg lm_kernel_methods[] = {{"protect", b_protect}, {"lock", b_lock},   {"unlock", b_unlock},
                                      {"resize", b_resize},   {"remap", b_remap}, {NULL, NULL}};
