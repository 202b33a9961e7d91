/* The trampolines of quantile, argsort, cumsum, diff, and rolling. */
#include "trampoline.h"

/* v:quantile(q), v:quantile { q, … } */
int lm_custom_view_quantile(lua_State *L) {
  enum { MOST = 1 << 20 };
  lm_check_view(L);
  bool is_list = lua_type(L, 2) == LUA_TTABLE;
  if (!is_list && lua_type(L, 2) != LUA_TNUMBER) return luaL_typeerror(L, 2, "number or table");
  lua_settop(L, 3);
  size_t count = is_list ? (size_t)lua_rawlen(L, 2) : 1;
  if (count > MOST)
    return luaL_argerror(L, 2, lua_pushfstring(L, "%I parts are too many (%d at most)", (LUAI_UACINT)count, MOST));
  /* The list is made first: its allocation may run a finalizer, which could take the userdata from the stack. */
  if (is_list) lua_createtable(L, (int)count, 0);
  int list = lua_gettop(L);
  double *parts = lm_new_userdata(L, (count + 1) * sizeof *parts, 0);
  for (size_t i = 0; i < count; i++) {
    int place = 2;
    if (is_list) {
      if (lua_type(L, 2) != LUA_TTABLE) luaL_typeerror(L, 2, "number or table");
      lua_rawgeti(L, 2, (lua_Integer)i + 1);
      place = -1;
    }
    if (lua_type(L, place) != LUA_TNUMBER)
      return luaL_argerror(L, 2, lua_pushfstring(L, "element %I: not a number", (LUAI_UACINT)i + 1));
    parts[i] = lua_tonumber(L, place);
    if (is_list) lua_pop(L, 1);
  }
  lm_outcome outcome;
  int code = lm_view_quantile(L, &outcome, parts, count);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  if (code == 0) {
    lua_pushnil(L);
    return 1;
  }
  if (!is_list) {
    lua_pushnumber(L, parts[0]);
    return 1;
  }
  if (lua_type(L, list) != LUA_TTABLE) return luaL_error(L, "a finalizer modified the stack");
  for (size_t i = 0; i < count; i++) {
    lua_pushnumber(L, parts[i]);
    lua_rawseti(L, list, (lua_Integer)i + 1);
  }
  lua_settop(L, list);
  return 1;
}

/* [-0, +0, e] If memory or descriptors ran out, collects garbage and returns true: try again. Raises if the new view
   and its buffer are not on top any more. */
static bool collect(lua_State *L, const lm_outcome *outcome, int code, const lm_buffer *buffer, const lm_view *target) {
  if (!lm_worth_collecting(outcome, code)) return false;
  lua_gc(L, LUA_GCCOLLECT);
  if (lm_view_at(L, -1) != target || lm_buffer_at(L, -2) != buffer) luaL_error(L, "a finalizer modified the stack");
  return true;
}

/* v:argsort(["desc"]) */
int lm_custom_view_argsort(lua_State *L) {
  lm_check_view(L);
  lua_settop(L, 2);
  lm_buffer *buffer;
  lm_outcome outcome;
  lm_view *target = lm_new_owner(L, &buffer);
  int count = LM_RUN(L, lm_view_argsort(L, &outcome, buffer, target));
  if (collect(L, &outcome, count, buffer, target)) count = LM_RUN(L, lm_view_argsort(L, &outcome, buffer, target));
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  lm_count_memory(L, buffer);
  return count;
}

/* [-0, +1, e] */
static int run(lua_State *L, int operation, int into) {
  lm_outcome outcome;
  int count;
  lm_check_view(L);
  if (!lua_isnoneornil(L, into)) {
    count = lm_view_run_into(L, &outcome, operation);
    return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
  }
  lua_settop(L, into);
  lm_buffer *buffer;
  lm_view *target = lm_new_owner(L, &buffer);
  count = LM_RUN(L, lm_view_run(L, &outcome, operation, buffer, target));
  if (collect(L, &outcome, count, buffer, target))
    count = LM_RUN(L, lm_view_run(L, &outcome, operation, buffer, target));
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  lm_count_memory(L, buffer);
  return count;
}

int lm_custom_view_cumsum(lua_State *L) { return run(L, LM_CUMSUM, 2); }
int lm_custom_view_diff(lua_State *L) { return run(L, LM_DIFF, 2); }
int lm_custom_view_rolling(lua_State *L) {
  lm_check_view(L);
  if (lua_gettop(L) < 3) return luaL_typeerror(L, lua_gettop(L) + 1, lua_gettop(L) < 2 ? "string" : "number");
  return run(L, LM_ROLLING, 4);
}
