/* Advice for users who treat buffers and views like strings and tables. */
#include <string.h>

#include "trampoline.h"

/* The last name that was not in the table of methods. A copy, because the string may be collected. */
static _Thread_local struct {
  char name[32];
  char class[32];
} missing;

static void note(lua_State *L, const char *class) {
  size_t length;
  const char *name = lm_string_at(L, 2, &length);
  if (!name || length >= sizeof missing.name || strlen(class) >= sizeof missing.class) return;
  memcpy(missing.name, name, length);
  missing.name[length] = 0;
  strcpy(missing.class, class);
}

void lm_note_missing(lua_State *L) { note(L, lm_view_at(L, 1) ? LM_VIEW : LM_BUFFER); }

int lm_find_no_method(lua_State *L) {
  const char *class = lm_string_at(L, lua_upvalueindex(1), &(size_t){0});
  if (class) note(L, class);
  return 0;
}

static const struct {
  const char *name, *buffer, *view;
} others[] = {
    {"len", "#b is its length in bytes", "#v is the number of its elements"},
    {"length", "#b is its length in bytes", "#v is the number of its elements"},
    {"size", "#b is its length in bytes", "#v is the number of its elements"},
    {"sub", "b:string(offset, length) gives a part of it, counted from offset 0", NULL /* views have it */},
    {"byte", "b[offset] is a byte of it, counted from offset 0", "v[index] is an element of it, counted from index 0"},
    {"read", "b:string(offset, length) reads bytes, b:get(type, offset) a number",
     "v[index] is an element of it, v:get(index, count) some of them"},
    {"write", "b:copy(offset, bytes) writes bytes, b:set(type, offset, value) a number",
     "v[index] = value writes an element, v:set(index, value, ...) some of them"},
    {"gsub", "its length is fixed; mmap.regex(pattern):gsub(b, replacement) gives a string",
     "it has numbers; b:string(offset, length):gsub(pattern, replacement) gives a string"},
};

/* [-0, +1, m] Pushes a list of the methods of a class, without the accessors of Node's Buffer. */
static const char *push_methods(lua_State *L, const char *class) {
  luaL_checkstack(L, 8, NULL);
  int first = lua_gettop(L) + 1;
  lua_pushliteral(L, "");
  if (luaL_getmetatable(L, class) == LUA_TTABLE) {
    lua_pushliteral(L, "__methods");
    lua_rawget(L, -2);
  }
  if (lua_istable(L, -1)) {
    int methods = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, methods); lua_settop(L, methods + 1)) {
      const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
      if (strncmp(name, "readB", 5) == 0 || strncmp(name, "writeB", 6) == 0 || strpbrk(name, "UIFD")) continue;
      lua_pushfstring(L, "%s %s", lua_tostring(L, first), name);
      lua_copy(L, -1, first);
    }
  }
  lua_settop(L, first);
  return lua_tostring(L, first);
}

const char *lm_push_advice(lua_State *L, const char *message) {
  static const char call[] = "attempt to call a nil value (method '";
  const char *found = strstr(message, call);
  if (!found || !*missing.name) return NULL;
  const char *name = found + sizeof call - 1;
  size_t length = strcspn(name, "'");
  if (strcmp(name + length, "')") != 0 || strlen(missing.name) != length || memcmp(name, missing.name, length) != 0)
    return NULL;
  const char *class = strchr(missing.class, '.') ? strchr(missing.class, '.') + 1 : missing.class;
  bool is_view = strcmp(missing.class, LM_VIEW) == 0, is_buffer = strcmp(missing.class, LM_BUFFER) == 0;
  for (size_t i = 0; i < sizeof others / sizeof *others && (is_view || is_buffer); i++)
    if (strcmp(missing.name, others[i].name) == 0 && (others[i].view || is_buffer))
      return lua_pushfstring(L, "a %s has no method '%s': %s", class, missing.name,
                             is_view ? others[i].view : others[i].buffer);
  const char *methods = push_methods(L, missing.class);
  lm_push_meant(L, missing.name, length, methods);
  lua_pushfstring(L, "%s %s has no method '%s'%s", strchr("aeiou", *class) ? "an" : "a", class, missing.name,
                  lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
  return lua_tostring(L, -1);
}

const char *lm_loop_advice(lua_State *L, int index) {
  if (lm_buffer_at(L, index)) return "a buffer is not a table, and starts at 0: for i = 0, #b - 1 do ... b[i] ... end";
  if (lm_view_at(L, index)) return "a view is not a table, and starts at 0: for i, x in v:each() do ... end";
  if (lm_records_at(L, index)) return "records are not a table, and start at 0: for i, record in r:each() do ... end";
  if (lm_pages_at(L, index)) return "pages are not a table, and start at 0: for first, count in p:ranges() do ... end";
  if (lua_iscfunction(L, index) && lua_getupvalue(L, index, 1)) {
    const void *const *state = lua_touserdata(L, -1);
    bool is_ours = state && lua_type(L, -1) == LUA_TUSERDATA && lua_rawlen(L, -1) >= sizeof *state && *state == state;
    lua_pop(L, 1);
    if (is_ours) return "an iterator is for the generic for loop: for line in b:lines() do ... end";
  }
  return NULL;
}

int lm_raise_loop(lua_State *L, int level) {
  const char *advice = lm_loop_advice(L, 1);
  luaL_checkstack(L, 3, NULL);
  luaL_where(L, level);
  lua_pushstring(L, advice);
  lua_concat(L, 2);
  return lua_error(L);
}

int lm_no_pairs(lua_State *L) {
  /* Level 1 is pairs, level 2 its caller. */
  return lm_loop_advice(L, 1) ? lm_raise_loop(L, 2) : luaL_typeerror(L, 1, "mmap object");
}
