/* The trampolines of methods on several elements. Tables are read without metamethods, so no code of the script runs
   between the pass that checks the values and the pass that writes them. */
#include <limits.h>

#include "trampoline.h"

static LM_TRAMPOLINE(v_copy_memory, lm_view_copy)

/* The number of elements of one transfer. */
enum { ROW = 256 };

int lm_custom_view_totable(lua_State *L) {
  lm_outcome outcome;
  lm_view_rows rows;
  uint64_t bits[ROW];
  lm_settop(L, 3, 1, LM_VIEW);
  int code = lm_view_range(L, &outcome, &rows);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  if (rows.count > INT_MAX) return luaL_error(L, "%I elements are too many for a table", (LUAI_UACINT)rows.count);
  lm_push_table(L, rows.count);
  for (size_t done = 0; done < rows.count; done += ROW) {
    size_t count = rows.count - done < ROW ? rows.count - done : ROW;
    code = lm_view_load(L, &outcome, rows.index + done, bits, count);
    if (code < 0) return lm_push_or_raise(L, &outcome, code);
    for (size_t i = 0; i < count; i++) {
      if (rows.type & MM_FLOAT) lua_pushnumber(L, mm_double_of_bits(bits[i]));
      else lua_pushinteger(L, (lua_Integer)bits[i]);
      lua_rawseti(L, 4, (lua_Integer)(done + i + 1));
    }
  }
  return 1;
}

/* [-0, +0, –] The values of the table at 3, from the k-th on. */
static void read_row(lua_State *L, lm_table_value *values, size_t k, size_t count) {
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (lua_Integer)(k + i));
    if (lua_isinteger(L, -1)) values[i] = (lm_table_value){(uint64_t)lua_tointeger(L, -1), LM_VALUE_INTEGER};
    else if (lua_type(L, -1) == LUA_TNUMBER)
      values[i] = (lm_table_value){mm_bits_of_double(lua_tonumber(L, -1)), LM_VALUE_FLOAT};
    else values[i] = (lm_table_value){0, LM_VALUE_OTHER};
    lua_pop(L, 1);
  }
}

static int copy_table(lua_State *L) {
  lm_outcome outcome;
  lm_view_rows rows = {.count = (size_t)lua_rawlen(L, 3)};
  lm_table_value values[ROW];
  int code = lm_view_room(L, &outcome, &rows);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  for (int pass = 0; pass < 2; pass++) {
    rows.writes = pass == 1;
    for (size_t done = 0; done < rows.count; done += ROW) {
      size_t count = rows.count - done < ROW ? rows.count - done : ROW;
      read_row(L, values, done + 1, count);
      code = lm_view_put(L, &outcome, &rows, values, done + 1, count);
      if (code < 0) return lm_push_or_raise(L, &outcome, code);
    }
  }
  lua_pushinteger(L, (lua_Integer)rows.count);
  return 1;
}

int lm_custom_view_copy(lua_State *L) {
  lm_check_view(L);
  if (lua_isnone(L, 2)) luaL_typeerror(L, 2, "number");
  lm_settop(L, 4, 3, "mmap.view, mmap.buffer or table");
  return lua_type(L, 3) == LUA_TTABLE ? copy_table(L) : v_copy_memory(L);
}
