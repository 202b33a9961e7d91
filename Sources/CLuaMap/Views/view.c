/* The trampolines of typed views. */
#include <string.h>

#include "trampoline.h"

static LM_TRAMPOLINE(v_index, lm_view_index)
static LM_TRAMPOLINE(v_newindex, lm_view_newindex)
static LM_TRAMPOLINE(v_len, lm_view_len)
static LM_TRAMPOLINE(v_close, lm_view_close)

lm_view *lm_new_view(lua_State *L) {
  lm_view *view = lm_new_userdata(L, sizeof *view, 1);
  memset(view, 0, sizeof *view);
  view->elements.region.slot = mm_closed_slot();
  view->elements.stride = 1;
  view->self = view;
  lm_set_metatable(L, LM_VIEW);
  return view;
}

lm_view *lm_new_owner(lua_State *L, lm_buffer **buffer) {
  *buffer = lm_new_buffer(L);
  int index = lua_gettop(L);
  lm_view *view = lm_new_view(L);
  /* Checked again: a finalizer may have taken the buffer from the stack since. */
  if (lm_buffer_at(L, index) != *buffer) luaL_error(L, "a finalizer modified the stack");
  lm_keep_mapping(L, index);
  return view;
}

int lm_make_view(lua_State *L, lm_view_maker *body, int operation) {
  lm_buffer *buffer;
  lm_outcome outcome;
  lm_view *target = lm_new_owner(L, &buffer);
  int count = LM_RUN(L, body(L, &outcome, operation, buffer, target));
  if (lm_worth_collecting(&outcome, count)) {
    lua_gc(L, LUA_GCCOLLECT);
    if (lm_view_at(L, -1) != target || lm_buffer_at(L, -2) != buffer) luaL_error(L, "a finalizer modified the stack");
    count = LM_RUN(L, body(L, &outcome, operation, buffer, target));
  }
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  lm_count_memory(L, buffer);
  return count;
}

lm_view *lm_check_view(lua_State *L) {
  lm_view *view = lm_view_at(L, 1);
  if (!view) luaL_typeerror(L, 1, LM_VIEW);
  return view;
}

LM_MAKER(lm_custom_buffer_view, lm_check_buffer, 2, "string", 5, lm_view, lm_new_view, lm_buffer_view)
LM_MAKER(lm_custom_view_slice, lm_check_view, 1, LM_VIEW, 3, lm_view, lm_new_view, lm_view_slice)

static int v_tostring(lua_State *L) {
  lm_view_description d;
  lm_describe_view(lm_check_view(L), &d);
  if (d.bytes.closed) {
    lua_pushliteral(L, LM_VIEW " (closed)");
    return 1;
  }
  lua_pushfstring(L, LM_VIEW ": %p %I %s", (void *)d.bytes.address, (LUAI_UACINT)d.count, d.type);
  if (d.stride != d.size) lua_pushfstring(L, " every %I bytes", (LUAI_UACINT)d.stride);
  else lua_pushliteral(L, "");
  lm_push_place(L, &d.bytes, 1);
  lua_concat(L, 3);
  return 1;
}

int lm_custom_view_info(lua_State *L) {
  lm_view_description d;
  lm_describe_view(lm_check_view(L), &d);
  lua_createtable(L, 0, 14);
  lm_set_description(L, &d.bytes, 1);
  lua_pushstring(L, d.type);
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)d.count);
  lua_setfield(L, -2, "count");
  lua_pushinteger(L, (lua_Integer)d.stride);
  lua_setfield(L, -2, "stride");
  lua_pushinteger(L, (lua_Integer)d.size);
  lua_setfield(L, -2, "size");
  return 1;
}

void lm_open_view(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__newindex", v_newindex}, {"__len", v_len},
                                         {"__tostring", v_tostring}, {"__close", v_close},
                                         {"__pairs", lm_no_pairs},   {NULL, NULL}};
  lm_open_class(L, LM_VIEW, LM_CLASS_view, metamethods, v_index);
  lua_pop(L, 1);
}
