/* The trampolines of descriptions in words: b:smaps, b:explain, mmap.advices. */
#include <sys/mman.h>
#include <unistd.h>

#include "trampoline.h"

#define LM_WORDS "mmap.words"

/* A lua_CFunction: the width of the terminal on standard output, or nil. */
static int columns(lua_State *L) {
  int count = mm_terminal_columns(STDOUT_FILENO);
  if (count > 0) lua_pushinteger(L, count);
  else lua_pushnil(L);
  return 1;
}

/* [-0, +1, e] Pushes a function of explain.lua, which is loaded at its first use. */
static void push_words(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LM_WORDS) != LUA_TTABLE) {
    lua_pop(L, 1);
    if (lm_load_explain(L) != LUA_OK) lua_error(L);
    lua_pushcfunction(L, lm_shown);
    lua_pushcfunction(L, lm_size);
    lua_pushcfunction(L, columns);
    lua_call(L, 3, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, LM_WORDS);
  }
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* [-0, +1, e] The entries of the buffer at argument 1 in /proc/self/maps or smaps, as a string. */
static void push_entries(lua_State *L, bool detailed) {
  size_t capacity = 4096, needed;
  for (;;) {
    char *memory = lua_newuserdatauv(L, capacity, 0);
    lm_outcome outcome;
    int code = LM_RUN(L, lm_process_entries(L, &outcome, detailed, memory, capacity, &needed));
    if (code < 0) lm_push_or_raise(L, &outcome, code);
    if (needed <= capacity) {
      lua_pushlstring(L, memory, needed);
      lua_remove(L, -2);
      return;
    }
    lua_pop(L, 1);
    capacity = needed + 4096;
  }
}

int lm_custom_buffer_smaps(lua_State *L) {
  lm_check_buffer(L);
  lua_settop(L, 1);
  push_words(L, "smaps");
  push_entries(L, true);
  lua_call(L, 1, 1);
  return 1;
}

int lm_custom_buffer_explain(lua_State *L) {
  lm_buffer *buffer = lm_check_buffer(L);
  lua_settop(L, 1);
  push_words(L, "explain");
  lua_getfield(L, 1, "info");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  lm_description d;
  lm_describe(buffer, &d);
  lua_pushboolean(L, (d.flags & MAP_SHARED) != 0);
  lua_setfield(L, -2, "shared");
  lua_pushinteger(L, d.kind);
  lua_setfield(L, -2, "kind");
  if (!d.closed && !d.lost) {
    push_entries(L, false);
    lua_setfield(L, -2, "entries");
    lm_outcome outcome;
    lua_pushvalue(L, 1);
    int code = d.kind == MM_FILE ? LM_RUN(L, lm_buffer_storage(L, &outcome)) : 0;
    if (code == 1) lua_setfield(L, -3, "storage");
    lua_pop(L, 1);
  }
  lua_call(L, 1, 1);
  return 1;
}

int lm_custom_mmap_advices(lua_State *L) {
  static const char *const kinds[] = {"private anonymous", "shared anonymous", "private file", "shared file"};
  lua_settop(L, 0);
  push_words(L, "advices");
  lua_createtable(L, 32, 0);
  int64_t value;
  bool is_known;
  const char *name;
  for (int i = 0; (name = lm_advice_at(i, &value, &is_known)); i++) {
    if (!is_known) continue;
    lua_createtable(L, 0, 6);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, value);
    lua_setfield(L, -2, "number");
    lua_createtable(L, 0, 4);
    lua_createtable(L, 0, 4);
    for (int kind = 0; kind < 4; kind++) {
      lm_outcome outcome;
      int32_t error;
      bool destroys;
      int code = LM_RUN(L, lm_advice_trial(&outcome, i, kind, &error, &destroys));
      if (code < 0) return lm_push_or_raise(L, &outcome, code);
      if (error < 0) continue; /* it was not tried */
      if (error == 0) lua_pushboolean(L, true);
      else lua_pushstring(L, mm_error_name(error));
      lua_setfield(L, -3, kinds[kind]);
      lua_pushboolean(L, destroys);
      lua_setfield(L, -2, kinds[kind]);
    }
    lua_setfield(L, -3, "destroys");
    lua_setfield(L, -2, "takes");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  lua_call(L, 1, 1);
  return 1;
}
