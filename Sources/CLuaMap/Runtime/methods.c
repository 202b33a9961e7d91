/* The trampolines of all functions, and the method tables, from methods.def. */
#include "trampoline.h"

enum { ANY = INT32_MAX };

void lm_check_count(lua_State *L, int most, const char *name) {
  int all = lua_gettop(L);
  /* An object of another class is the more important error, and the body reports it. */
  bool foreign = luaL_getmetatable(L, name) == LUA_TTABLE && (!lua_getmetatable(L, 1) || !lua_rawequal(L, -1, -2));
  lua_settop(L, all);
  for (int i = most + 1; i <= all && !foreign; i++)
    if (!lua_isnil(L, i)) luaL_argerror(L, i, "too many arguments");
  lua_settop(L, most);
}

#define CALL_PURE(class, name)                                                                                         \
  lm_outcome outcome;                                                                                                  \
  int count = lm_##class##_##name(L, &outcome);                                                                        \
  if (mm_likely(count >= 0)) return count;                                                                             \
  return lm_push_or_raise(L, &outcome, count);
#define CALL_SYSTEM(class, name)                                                                                       \
  lm_outcome outcome;                                                                                                  \
  int count = LM_RUN(L, lm_##class##_##name(L, &outcome));                                                             \
  if (mm_likely(count >= 0)) return count;                                                                             \
  return lm_push_or_raise(L, &outcome, count);
#define CALL_CUSTOM(class, name) return lm_custom_##class##_##name(L);

#define METHOD(class, name, kind, most)                                                                                \
  static int class##_##name(lua_State *L) {                                                                            \
    if ((most) != ANY && mm_unlikely(lua_gettop(L) > (most))) lm_check_count(L, most, "mmap." #class);                 \
    CALL_##kind(class, name)                                                                                           \
  }
#define ALIAS(class, name, other_class, other_name)
#include "methods.def"

static const struct {
  enum lm_class class;
  const char *name;
  lua_CFunction function;
} rows[] = {
#define METHOD(class, name, kind, most) {LM_CLASS_##class, #name, class##_##name},
#define ALIAS(class, name, other_class, other_name) {LM_CLASS_##class, #name, other_class##_##other_name},
#include "methods.def"
};

void lm_set_methods(lua_State *L, enum lm_class class) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].class != class) continue;
    lua_pushcfunction(L, rows[i].function);
    lua_setfield(L, -2, rows[i].name);
  }
}
