/* The trampolines of buffers. */
#include <string.h>
#include <sys/mman.h>

#include "trampoline.h"

static LM_TRAMPOLINE(b_index, lm_buffer_index)
static LM_TRAMPOLINE(b_newindex, lm_buffer_newindex)
static LM_TRAMPOLINE(b_len, lm_buffer_len)
static LM_SYSTEM_TRAMPOLINE(b_close, lm_buffer_close)

lm_buffer *lm_new_buffer(lua_State *L) {
  lm_buffer *buffer = lm_new_userdata(L, sizeof *buffer, 1);
  memset(buffer, 0, sizeof *buffer);
  buffer->region.slot = mm_closed_slot();
  buffer->self = buffer;
  lm_set_metatable(L, LM_BUFFER);
  return buffer;
}

lm_buffer *lm_check_buffer(lua_State *L) {
  lm_buffer *buffer = lm_buffer_at(L, 1);
  if (!buffer) luaL_typeerror(L, 1, LM_BUFFER);
  return buffer;
}

LM_MAKER(lm_custom_buffer_slice, lm_check_buffer, 2, "number", 3, lm_buffer, lm_new_buffer, lm_buffer_slice)

void lm_permissions(const lm_description *d, char text[5]) {
  text[0] = d->protection & PROT_READ ? 'r' : '-';
  text[1] = d->protection & PROT_WRITE ? 'w' : '-';
  text[2] = d->protection & PROT_EXEC ? 'x' : '-';
  text[3] = d->flags & MAP_SHARED ? 's' : 'p';
  text[4] = 0;
}

void lm_push_place(lua_State *L, const lm_description *d, int index) {
  char mode[5];
  lm_permissions(d, mode);
  lm_push_path(L, index);
  const char *path = lua_isstring(L, -1) ? lm_show(L, -1) : d->kind == MM_ANONYMOUS ? "anonymous" : "?";
  lua_pushfstring(L, " %s %s+%I%s", mode, path, (LUAI_UACINT)d->offset, d->lost ? " (lost)" : "");
  lua_remove(L, -2);
}

static int b_tostring(lua_State *L) {
  lm_buffer *buffer = lm_check_buffer(L);
  lm_description d;
  lm_describe(buffer, &d);
  if (d.closed) {
    lua_pushliteral(L, LM_BUFFER " (closed)");
    return 1;
  }
  lua_pushfstring(L, LM_BUFFER ": %p %I bytes", (void *)d.address, (LUAI_UACINT)d.length);
  lm_push_place(L, &d, 1);
  lua_concat(L, 2);
  return 1;
}

static void set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* [-0, +0, m] The field `filesize`, into the table on top: of the file at the path now, where it is the mapped one. */
static void set_file_size(lua_State *L, int index) {
  lm_push_path(L, index);
  const mm_region *region = lm_region_at(L, index);
  int64_t size = -1;
  if (region && lua_type(L, -1) == LUA_TSTRING) size = LM_RUN(L, lm_file_size(region, lua_tostring(L, -1), false));
  lua_pop(L, 1);
  if (size >= 0) set_integer(L, "filesize", size);
}

void lm_set_description(lua_State *L, const lm_description *d, int index) {
  set_boolean(L, "closed", d->closed);
  set_boolean(L, "lost", d->lost);
  set_integer(L, "length", (lua_Integer)d->length);
  lm_push_path(L, index);
  lua_setfield(L, -2, "path");
  if (d->closed) return;
  set_file_size(L, index);
  set_boolean(L, "slice", d->slice);
  set_integer(L, "address", (lua_Integer)d->address);
  set_integer(L, "offset", (lua_Integer)d->offset);
  set_integer(L, "protection", d->protection);
  set_integer(L, "flags", d->flags);
  set_integer(L, "pagesize", (lua_Integer)d->page);
}

int lm_custom_buffer_info(lua_State *L) {
  lm_description d;
  lm_describe(lm_check_buffer(L), &d);
  lua_createtable(L, 0, 10);
  lm_set_description(L, &d, 1);
  return 1;
}

void lm_open_buffer(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__newindex", b_newindex}, {"__len", b_len}, {"__tostring", b_tostring}, {"__gc", b_close}, {"__close", b_close},
      {"__pairs", lm_no_pairs},   {NULL, NULL}};
  lm_open_class(L, LM_BUFFER, LM_CLASS_buffer, metamethods, b_index);
  lm_add_accessors(L);
  lua_pop(L, 1);
}
