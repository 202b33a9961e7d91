/* The trampolines of instruments that return numbers and sets of pages. Pictures are in picture.c, words in explain.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trampoline.h"

static LM_SYSTEM_TRAMPOLINE(b_evict, lm_buffer_evict)

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

int lm_custom_buffer_pages(lua_State *L) {
  lm_settop(L, 3, 1, LM_BUFFER);
  lm_outcome outcome;
  int64_t pages, offset;
  int code = LM_RUN(L, lm_pages_span(L, &outcome, &pages, &offset));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lm_pages *set = lm_new_pages(L, pages, offset);
  code = LM_RUN(L, lm_pages_fill(L, &outcome, set));
  return code < 0 ? lm_push_or_raise(L, &outcome, code) : code;
}

int lm_custom_buffer_pagemap(lua_State *L) {
  static const char *const names[LM_TABLE_SETS] = {
      [LM_PRESENT] = "present",     [LM_SWAPPED] = "swapped",   [LM_FILE] = "file",
      [LM_EXCLUSIVE] = "exclusive", [LM_DIVERGED] = "diverged", [LM_SOFT_DIRTY] = "softdirty"};
  lm_settop(L, 3, 1, LM_BUFFER);
  lm_outcome outcome;
  int64_t pages, offset;
  int code = LM_RUN(L, lm_pages_span(L, &outcome, &pages, &offset));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  luaL_checkstack(L, LM_TABLE_SETS + 4, NULL);
  lm_pages *sets[LM_TABLE_SETS];
  for (int i = 0; i < LM_TABLE_SETS; i++) sets[i] = lm_new_pages(L, pages, offset);
  code = LM_RUN(L, lm_page_table(L, &outcome, sets));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  bool keeps_soft_dirty = LM_RUN(L, lm_keeps_soft_dirty());
  lua_createtable(L, 0, LM_TABLE_SETS + 1);
  for (int i = 0; i < LM_TABLE_SETS; i++) {
    if (i == LM_SOFT_DIRTY && !keeps_soft_dirty) continue;
    lua_pushvalue(L, 4 + i);
    lua_setfield(L, -2, names[i]);
  }
  set_integer(L, "pages", pages);
  return 1;
}

int lm_custom_buffer_cachestat(lua_State *L) {
  lm_outcome outcome;
  lm_cache_state state;
  int code = LM_RUN(L, lm_buffer_cachestat(L, &outcome, &state));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_createtable(L, 0, 5);
  set_integer(L, "cached", state.cached);
  set_integer(L, "dirty", state.dirty);
  set_integer(L, "writeback", state.writeback);
  set_integer(L, "evicted", state.evicted);
  set_integer(L, "recently_evicted", state.recently_evicted);
  return 1;
}

/* b:populate([offset [, length]] [, "read" | "write"]) */
int lm_custom_buffer_populate(lua_State *L) {
  lm_check_buffer(L);
  int argument = lua_type(L, 2) == LUA_TSTRING ? 2 : 4;
  bool writing = lm_check_word(L, argument, "invalid option %s: it is not one of", "read write") == 1;
  lm_outcome outcome;
  int code = LM_RUN(L, lm_buffer_populate(L, &outcome, writing));
  return code < 0 ? lm_push_or_raise(L, &outcome, code) : code;
}

/* [-0, +1, m] Pushes an extent as { offset =, length =, data = }. */
static void push_extent(lua_State *L, const lm_extent *extent) {
  lua_createtable(L, 0, 3);
  set_integer(L, "offset", extent->offset);
  set_integer(L, "length", extent->length);
  lua_pushboolean(L, extent->is_data);
  lua_setfield(L, -2, "data");
}

int lm_custom_buffer_holes(lua_State *L) {
  lm_settop(L, 3, 1, LM_BUFFER);
  lm_outcome outcome;
  int64_t offset, length, data = 0, hole = 0;
  int code = LM_RUN(L, lm_range(L, &outcome, &offset, &length));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lm_extent extents[LM_EXTENTS];
  lua_createtable(L, 8, 2);
  lua_Integer found = 0;
  do {
    code = LM_RUN(L, lm_extents(L, &outcome, offset, length, extents));
    if (code < 0) return lm_push_or_raise(L, &outcome, code);
    for (int i = 0; i < code; i++) {
      push_extent(L, &extents[i]);
      lua_rawseti(L, 4, ++found);
      if (extents[i].is_data) data += extents[i].length;
      else hole += extents[i].length;
      length -= extents[i].offset + extents[i].length - offset;
      offset = extents[i].offset + extents[i].length;
    }
    lm_pause(L);
    if (!lua_istable(L, 4)) return luaL_error(L, "the arguments were changed");
  } while (code == LM_EXTENTS);
  set_integer(L, "data", data);
  set_integer(L, "hole", hole);
  return 1;
}

int lm_custom_mmap_evict(lua_State *L) {
  if (lm_buffer_at(L, 1)) return b_evict(L);
  const char *path = lm_check_c_string(L, 1, "path", "path or " LM_BUFFER);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_evict_path(L, &outcome, path));
  return code < 0 ? lm_push_or_raise(L, &outcome, code) : code;
}

int lm_custom_mmap_sparse(lua_State *L) {
  const char *path = lm_check_c_string(L, 1, "path", "string");
  lm_settop(L, 2, 2, "number");
  lm_buffer *buffer = lm_new_buffer(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_sparse(L, &outcome, buffer, path));
  return code < 0 ? lm_push_or_raise(L, &outcome, code) : code;
}

void lm_check_function(lua_State *L, int argument) {
  if (lua_isfunction(L, argument)) return;
  /* __call must be a function itself. Otherwise the call fails later, without the argument's number. */
  int type = luaL_getmetafield(L, argument, "__call");
  if (type != LUA_TNIL) lua_pop(L, 1);
  if (type != LUA_TFUNCTION) luaL_typeerror(L, argument, "function");
}

/* mmap.faults(fn, …) */
int lm_custom_mmap_faults(lua_State *L) {
  lm_check_function(L, 1);
  int arguments = lua_gettop(L) - 1;
  size_t size = LM_RUN(L, lm_cost_size());
  void *memory = lua_newuserdatauv(L, size, 0);
  lua_insert(L, 1);
  lua_createtable(L, 0, 6);
  lua_insert(L, 1);
  lm_cost cost;
  lm_outcome outcome;
  int code = LM_RUN(L, lm_cost_start(L, &outcome, &cost, memory, size));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_call(L, arguments, LUA_MULTRET);
  /* A script can change this stack with the debug library. */
  if (lua_touserdata(L, 2) != memory || !lua_istable(L, 1)) return luaL_error(L, "the arguments were changed");
  code = LM_RUN(L, lm_cost_end(L, &outcome, &cost, memory));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  luaL_checkstack(L, 4, NULL);
  lua_remove(L, 2);
  lua_pushvalue(L, 1);
  set_integer(L, "minor", cost.minor);
  set_integer(L, "major", cost.major);
  set_integer(L, "pages", cost.pages);
  set_integer(L, "rss", cost.resident);
  set_integer(L, "read", cost.read);
  lua_pushnumber(L, cost.seconds);
  lua_setfield(L, -2, "seconds");
  lua_pop(L, 1);
  return lua_gettop(L);
}
