/* The trampolines of shared memory. */
#include <string.h>

#include "trampoline.h"

enum { LONGEST_SHARED = 255, LONGEST_MEMFD = 249 };

/* [-0, +0, e] The name at argument 1. */
static const char *check_name(lua_State *L, size_t longest) {
  const char *name = lm_check_c_string(L, 1, "name", "string");
  size_t length = strlen(name);
  luaL_argcheck(
      L, length <= longest, 1,
      lua_pushfstring(L, "name length %I is out of range (1 to %d bytes)", (LUAI_UACINT)length, (int)longest));
  return name;
}

/* [-0, +0, e] Replaces the name of a shared memory object, argument 1, by its path, which errors show. Accepts the name
   with or without the slash at its beginning that shm_overview(7) requires. */
static const char *check_shared_name(lua_State *L) {
  const char *name = check_name(L, LONGEST_SHARED + 1);
  if (*name == '/') name++;
  if (!*name || strlen(name) > LONGEST_SHARED || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    luaL_argerror(L, 1, "the name of shared memory must have 1 to 255 bytes and no slash except a leading one");
  const char *path = lua_pushfstring(L, "/dev/shm/%s", name);
  lua_replace(L, 1);
  return path;
}

/* [-0, +1, m] A new buffer whose path is the string at argument 1. */
static lm_buffer *new_named(lua_State *L) {
  lm_buffer *buffer = lm_new_buffer(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return buffer;
}

/* mmap.shared(name [, size [, options]]) */
int lm_custom_mmap_shared(lua_State *L) {
  static const lm_option known[] = {{"exclusive", LM_BOOLEAN, 0, 0}, {NULL, LM_INTEGER, 0, 0}};
  lm_settop(L, 3, 1, "string");
  const char *path = check_shared_name(L);
  bool exclusive = false;
  lm_read_options(L, 3, known, &exclusive);
  lm_buffer *buffer = new_named(L);
  lm_outcome outcome;
  int count = LM_RUN_COLLECTING(L, &outcome, lm_shared(L, &outcome, buffer, path, exclusive));
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

/* mmap.memfd(name, size [, options]) */
int lm_custom_mmap_memfd(lua_State *L) {
  static const lm_option known[] = {{"seal", LM_BOOLEAN, 0, 0}, {NULL, LM_INTEGER, 0, 0}};
  if (lua_isnone(L, 1)) luaL_typeerror(L, 1, "string");
  lm_settop(L, 3, 2, "number");
  check_name(L, LONGEST_MEMFD);
  bool seal = false;
  lm_read_options(L, 3, known, &seal);
  lua_pushfstring(L, "memfd:%s", lua_tostring(L, 1));
  lua_replace(L, 1);
  const char *name = lua_tostring(L, 1) + strlen("memfd:");
  lm_buffer *buffer = new_named(L);
  lm_outcome outcome;
  int count = LM_RUN_COLLECTING(L, &outcome, lm_memfd(L, &outcome, buffer, name, seal));
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

/* mmap.unlink(name) */
int lm_custom_mmap_unlink(lua_State *L) {
  lm_settop(L, 1, 1, "string");
  const char *path = check_shared_name(L);
  lm_outcome outcome;
  int count = LM_RUN(L, lm_unlink(&outcome, path));
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}
