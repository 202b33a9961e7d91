/* The trampolines of pack and unpack, and the accessors of Node's Buffer. */
#include <stdio.h>
#include <string.h>

#include "trampoline.h"

int lm_custom_buffer_unpack(lua_State *L) {
  lm_outcome outcome;
  lm_unpacking progress;
  progress.started = false;
  int count;
  while ((count = lm_buffer_unpack(L, &outcome, &progress)) == LM_BYTES) lm_push_or_raise(L, &outcome, count);
  return mm_likely(count >= 0) ? count : lm_push_or_raise(L, &outcome, count);
}

int lm_custom_buffer_pack(lua_State *L) {
  lm_outcome outcome;
  int count;
  luaL_checkstack(L, 1, NULL);
  while ((count = lm_buffer_pack(L, &outcome)) == LM_CONVERT) lua_tolstring(L, outcome.argument, NULL);
  return mm_likely(count >= 0) ? count : lm_push_or_raise(L, &outcome, count);
}

/* The accessors of Node's Buffer share four functions, whose upvalue is the type. */
#define LM_ACCESSOR(name, body, most)                                                                                  \
  static int name(lua_State *L) {                                                                                      \
    lm_outcome outcome;                                                                                                \
    if (mm_unlikely(lua_gettop(L) > (most))) lm_check_count(L, most, LM_BUFFER);                                       \
    int count = body(L, &outcome, (int32_t)lua_tointeger(L, lua_upvalueindex(1)));                                     \
    return mm_likely(count >= 0) ? count : lm_push_or_raise(L, &outcome, count);                                       \
  }
LM_ACCESSOR(b_read, lm_buffer_read, 2)
LM_ACCESSOR(b_write, lm_buffer_write, 3)
LM_ACCESSOR(b_read_bytes, lm_buffer_read_bytes, 3)
LM_ACCESSOR(b_write_bytes, lm_buffer_write_bytes, 4)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LE = 0, BE = MM_SWAPPED };
#else
enum { LE = MM_SWAPPED, BE = 0 };
#endif

static const struct {
  const char *name; /* without "read" or "write" */
  int32_t type;
  bool has_length;
} accessors[] = {
    {"UInt8", MM_U8, false},
    {"Int8", MM_I8, false},
    {"UInt16LE", MM_U16 | LE, false},
    {"UInt16BE", MM_U16 | BE, false},
    {"Int16LE", MM_I16 | LE, false},
    {"Int16BE", MM_I16 | BE, false},
    {"UInt32LE", MM_U32 | LE, false},
    {"UInt32BE", MM_U32 | BE, false},
    {"Int32LE", MM_I32 | LE, false},
    {"Int32BE", MM_I32 | BE, false},
    {"BigUInt64LE", MM_U64 | LE, false},
    {"BigUInt64BE", MM_U64 | BE, false},
    {"BigInt64LE", MM_I64 | LE, false},
    {"BigInt64BE", MM_I64 | BE, false},
    {"FloatLE", MM_F32 | LE, false},
    {"FloatBE", MM_F32 | BE, false},
    {"DoubleLE", MM_F64 | LE, false},
    {"DoubleBE", MM_F64 | BE, false},
    {"UIntLE", MM_U64 | LE, true},
    {"UIntBE", MM_U64 | BE, true},
    {"IntLE", MM_I64 | LE, true},
    {"IntBE", MM_I64 | BE, true},
};

/* [-0, +0, m] Adds a method to the table on top, also under its other spelling: Node has readUInt8 and readUint8. */
static void add(lua_State *L, const char *verb, const char *noun, lua_CFunction function, int32_t type) {
  char name[32];
  snprintf(name, sizeof name, "%s%s", verb, noun);
  lua_pushinteger(L, type);
  lua_pushcclosure(L, function, 1);
  char *other = strstr(name, "UInt");
  if (other) {
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    other[1] = 'i';
  }
  lua_setfield(L, -2, name);
}

void lm_add_accessors(lua_State *L) {
  for (size_t i = 0; i < sizeof accessors / sizeof *accessors; i++) {
    bool has_length = accessors[i].has_length;
    add(L, "read", accessors[i].name, has_length ? b_read_bytes : b_read, accessors[i].type);
    add(L, "write", accessors[i].name, has_length ? b_write_bytes : b_write, accessors[i].type);
  }
}
