/* The trampolines of buffers. */
#include <string.h>
#include <sys/mman.h>

#include "trampoline.h"

static LM_TRAMPOLINE(b_index, lm_buffer_index)
static LM_TRAMPOLINE(b_newindex, lm_buffer_newindex)
static LM_TRAMPOLINE(b_len, lm_buffer_len)
static LM_TRAMPOLINE(b_string, lm_buffer_string)
static LM_TRAMPOLINE(b_copy, lm_buffer_copy)
static LM_TRAMPOLINE(b_fill, lm_buffer_fill)
static LM_TRAMPOLINE(b_find, lm_buffer_find)
static LM_TRAMPOLINE(b_rfind, lm_buffer_rfind)
static LM_TRAMPOLINE(b_count, lm_buffer_count)
static LM_TRAMPOLINE(b_compare, lm_buffer_compare)
static LM_TRAMPOLINE(b_equals, lm_buffer_equals)
static LM_TRAMPOLINE(b_mismatch, lm_buffer_mismatch)
static LM_SYSTEM_TRAMPOLINE(b_close, lm_buffer_close)

void lm_set_metatable(lua_State *L, const char *name) {
  if (luaL_getmetatable(L, name) != LUA_TTABLE) luaL_error(L, "the registry's '%s' was replaced", name);
  lua_setmetatable(L, -2);
}

void *lm_new_userdata(lua_State *L, size_t size, int values) {
  void *block = lua_newuserdatauv(L, size, values);
  if (mm_unlikely(lua_touserdata(L, -1) != block)) luaL_error(L, "a finalizer was at the stack");
  return block;
}

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

void lm_take(lua_State *L, int most, int needed, const char *expected) {
  if (lua_gettop(L) < needed) luaL_typeerror(L, needed, expected);
  lua_settop(L, most);
}

const mm_region *lm_region_at(lua_State *L, int index) {
  const void *const *self = lua_touserdata(L, index);
  if (!self) return NULL;
  switch (lua_rawlen(L, index)) {
    case sizeof(lm_buffer): return *self == self ? &((const lm_buffer *)self)->region : NULL;
    case sizeof(lm_view): return *self == self ? &((const lm_view *)self)->elements.region : NULL;
    case sizeof(lm_record): return lm_record_at(L, index) ? &((const lm_record *)self)->region : NULL;
    case sizeof(lm_records): return lm_records_at(L, index) ? &((const lm_records *)self)->records.region : NULL;
    case sizeof(lm_atomic): return lm_atomic_at(L, index) ? &((const lm_atomic *)self)->region : NULL;
    default: return NULL;
  }
}

/* The user value is the path, or for a slice or a view the buffer that owns the mapping. */
void lm_push_path(lua_State *L, int index) {
  if (!lm_region_at(L, index)) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, index, 1);
  if (!lm_buffer_at(L, -1)) return;
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
}

void lm_keep_mapping(lua_State *L, int index) {
  /* Again: a finalizer that ran when the new one was made may have put something else there. */
  if (!lm_region_at(L, index)) luaL_typeerror(L, index, LM_BUFFER);
  lua_getiuservalue(L, index, 1);
  if (!lm_buffer_at(L, -1)) {
    lua_pop(L, 1);
    lua_pushvalue(L, index);
  }
  lua_setiuservalue(L, -2, 1);
}

static int b_slice(lua_State *L) {
  lm_check_buffer(L);
  lm_take(L, 3, 2, "number");
  lm_buffer *slice = lm_new_buffer(L);
  lm_keep_mapping(L, 1);
  lm_call call;
  int count = lm_buffer_slice(L, &call, slice);
  return count >= 0 ? count : lm_finish(L, &call, count);
}

static int b_hexdump(lua_State *L) {
  enum { PIECE = 4096 };
  lm_check_buffer(L);
  lua_settop(L, 3);
  lm_call call;
  lm_dump dump;
  int code = lm_dump_start(L, &call, &dump);
  if (code < 0) return lm_finish(L, &call, code);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (!dump.done) {
    int printed = lm_dump_next(L, &call, &dump, (uint8_t *)luaL_prepbuffsize(&text, PIECE), PIECE);
    if (printed < 0) return lm_finish(L, &call, printed);
    luaL_addsize(&text, (size_t)printed);
  }
  luaL_pushresult(&text);
  return 1;
}

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

void lm_set_description(lua_State *L, const lm_description *d, int index) {
  set_boolean(L, "closed", d->closed);
  set_boolean(L, "lost", d->lost);
  set_integer(L, "length", (lua_Integer)d->length);
  lm_push_path(L, index);
  lua_setfield(L, -2, "path");
  if (d->closed) return;
  set_boolean(L, "slice", d->slice);
  set_integer(L, "address", (lua_Integer)d->address);
  set_integer(L, "offset", (lua_Integer)d->offset);
  set_integer(L, "protection", d->protection);
  set_integer(L, "flags", d->flags);
  set_integer(L, "pagesize", (lua_Integer)d->page);
}

static int b_info(lua_State *L) {
  lm_description d;
  lm_describe(lm_check_buffer(L), &d);
  lua_createtable(L, 0, 10);
  lm_set_description(L, &d, 1);
  return 1;
}

const luaL_Reg lm_byte_methods[] = {
    {"string", b_string},     {"copy", b_copy},       {"fill", b_fill},     {"slice", b_slice},     {"find", b_find},
    {"rfind", b_rfind},       {"compare", b_compare}, {"equals", b_equals}, {"hexdump", b_hexdump}, {"info", b_info},
    {"mismatch", b_mismatch}, {"close", b_close},     {"unmap", b_close},   {"count", b_count},     {NULL, NULL}};

/* Each access looks its metamethod up by name, and Lua's hash is seeded anew in each process: where two
   names fall together, the one that came first is found at once and the other after it. So the two that
   are looked up for each element come first, into a table that never grows. */
void lm_open_class(lua_State *L, const char *name, const luaL_Reg *metamethods, lua_CFunction index,
                   const luaL_Reg *const *capabilities, size_t count) {
  lua_createtable(L, 0, 16);
  lua_createtable(L, 0, 64);
  for (size_t i = 0; i < count; i++) luaL_setfuncs(L, capabilities[i], 0);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, index, 1);
  lua_setfield(L, -3, "__index");
  lua_insert(L, -2);
  luaL_setfuncs(L, metamethods, 0);
  /* For whoever lists the methods, as completion does. */
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__methods");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void lm_open_methods(lua_State *L, const char *name, const luaL_Reg *metamethods, const luaL_Reg *methods) {
  lua_createtable(L, 0, 8);
  lua_createtable(L, 0, 8);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -2, "__methods");
  luaL_setfuncs(L, metamethods, 0);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void lm_open_buffer(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__newindex", b_newindex}, {"__len", b_len},     {"__tostring", b_tostring},
                                         {"__gc", b_close},          {"__close", b_close}, {NULL, NULL}};
  static const luaL_Reg *const capabilities[] = {
      lm_byte_methods,    lm_kernel_methods, lm_original_functions, lm_number_methods, lm_view_makers,
      lm_regex_methods,   lm_hash_methods,   lm_records_makers,     lm_text_methods,   lm_instrument_methods,
      lm_picture_methods, lm_atomic_makers,  lm_lock_makers};
  lm_open_class(L, LM_BUFFER, metamethods, b_index, capabilities, sizeof capabilities / sizeof *capabilities);
  lm_add_accessors(L);
  lua_pop(L, 1);
}
