/* The trampolines of buffers. */
#include <string.h>
#include <sys/mman.h>

#include "trampoline.h"

static LM_HOT_TRAMPOLINE(b_index, lm_buffer_index)
static LM_HOT_TRAMPOLINE(b_newindex, lm_buffer_newindex)
static LM_HOT_TRAMPOLINE(b_len, lm_buffer_len)
static LM_TRAMPOLINE(b_string, lm_buffer_string)
static LM_TRAMPOLINE(b_copy, lm_buffer_copy)
static LM_TRAMPOLINE(b_fill, lm_buffer_fill)
static LM_TRAMPOLINE(b_find, lm_buffer_find)
static LM_TRAMPOLINE(b_rfind, lm_buffer_rfind)
static LM_TRAMPOLINE(b_compare, lm_buffer_compare)
static LM_TRAMPOLINE(b_equals, lm_buffer_equals)
static LM_TRAMPOLINE(b_mismatch, lm_buffer_mismatch)
static LM_TRAMPOLINE(b_close, lm_buffer_close)

void lm_set_metatable(lua_State *L, const char *name) {
  if (luaL_getmetatable(L, name) != LUA_TTABLE) luaL_error(L, "the registry's '%s' was replaced", name);
  lua_setmetatable(L, -2);
}

lm_buffer *lm_new_buffer(lua_State *L) {
  lm_buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 1);
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

/* The user value is the path, or for a slice the buffer that it was cut from. */
void lm_push_path(lua_State *L, int index) {
  if (!lm_buffer_at(L, index)) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, index, 1);
  if (!lm_buffer_at(L, -1)) return;
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
}

static int b_slice(lua_State *L) {
  lm_check_buffer(L);
  lua_settop(L, 3);
  lm_buffer *slice = lm_new_buffer(L);
  lua_getiuservalue(L, 1, 1);
  if (!lm_buffer_at(L, -1)) {
    lua_pop(L, 1);
    lua_pushvalue(L, 1);
  }
  lua_setiuservalue(L, -2, 1);
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

static void permissions(const lm_description *d, char text[5]) {
  text[0] = d->protection & PROT_READ ? 'r' : '-';
  text[1] = d->protection & PROT_WRITE ? 'w' : '-';
  text[2] = d->protection & PROT_EXEC ? 'x' : '-';
  text[3] = d->flags & MAP_SHARED ? 's' : 'p';
  text[4] = 0;
}

static int b_tostring(lua_State *L) {
  lm_buffer *buffer = lm_check_buffer(L);
  lm_description d;
  lm_describe(buffer, &d);
  if (d.closed) {
    lua_pushliteral(L, LM_BUFFER " (closed)");
    return 1;
  }
  char mode[5];
  permissions(&d, mode);
  lm_push_path(L, 1);
  const char *path = lua_isstring(L, -1) ? lua_tostring(L, -1) : d.kind == MM_ANONYMOUS ? "anonymous" : "?";
  lua_pushfstring(L, LM_BUFFER ": %p %I bytes %s %s+%I%s", (void *)d.address, (LUAI_UACINT)d.length, mode, path,
                  (LUAI_UACINT)d.offset, d.lost ? " (lost)" : "");
  return 1;
}

static int b_info(lua_State *L) {
  lm_buffer *buffer = lm_check_buffer(L);
  lm_description d;
  lm_describe(buffer, &d);
  lua_createtable(L, 0, 10);
  int table = lua_gettop(L);
  lua_pushboolean(L, d.closed);
  lua_setfield(L, table, "closed");
  lua_pushboolean(L, d.lost);
  lua_setfield(L, table, "lost");
  lua_pushinteger(L, (lua_Integer)d.length);
  lua_setfield(L, table, "length");
  lm_push_path(L, 1);
  lua_setfield(L, table, "path");
  if (d.closed) return 1;
  lua_pushboolean(L, d.slice);
  lua_setfield(L, table, "slice");
  lua_pushinteger(L, (lua_Integer)d.address);
  lua_setfield(L, table, "address");
  lua_pushinteger(L, (lua_Integer)d.offset);
  lua_setfield(L, table, "offset");
  lua_pushinteger(L, d.protection);
  lua_setfield(L, table, "protection");
  lua_pushinteger(L, d.flags);
  lua_setfield(L, table, "flags");
  lua_pushinteger(L, (lua_Integer)d.page);
  lua_setfield(L, table, "pagesize");
  return 1;
}

const luaL_Reg lm_byte_methods[] = {
    {"string", b_string},   {"copy", b_copy},       {"fill", b_fill},         {"slice", b_slice},
    {"find", b_find},       {"rfind", b_rfind},     {"compare", b_compare},   {"equals", b_equals},
    {"hexdump", b_hexdump}, {"info", b_info},       {"mismatch", b_mismatch}, {"close", b_close},
    {"unmap", b_close},     {NULL, NULL}};

void lm_open_buffer(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__newindex", b_newindex}, {"__len", b_len},   {"__tostring", b_tostring},
                                         {"__gc", b_close},          {"__close", b_close}, {NULL, NULL}};
  static const luaL_Reg *const capabilities[] = {lm_byte_methods, lm_kernel_methods, lm_original_functions,
                                                 lm_instrument_methods, lm_picture_methods};
  /* Each access looks its metamethod up by name, and Lua's hash is seeded anew in each process: where
     two names fall together, the one that came first is found at once and the other behind it. So the
     two that are looked up for each byte come first, into a table that never grows. */
  lua_createtable(L, 0, 16);
  lua_createtable(L, 0, 64);
  for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) luaL_setfuncs(L, capabilities[i], 0);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, b_index, 1);
  lua_setfield(L, -3, "__index");
  lua_insert(L, -2);
  luaL_setfuncs(L, metamethods, 0);
  lua_insert(L, -2);
  /* For whoever lists the methods, as completion does. */
  lua_setfield(L, -2, "__methods");
  lua_pushliteral(L, LM_BUFFER);
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, LM_BUFFER);
  lua_pushliteral(L, LM_BUFFER);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
