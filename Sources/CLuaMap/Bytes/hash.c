/* The trampolines of checksums and digests. */
#include "trampoline.h"

static LM_TRAMPOLINE(b_crc32, lm_buffer_crc32)
static LM_TRAMPOLINE(b_xxh3, lm_buffer_xxh3)

static int b_sha256(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  uint8_t digest[LM_SHA256];
  char text[2 * LM_SHA256];
  lm_call call;
  int count = lm_buffer_sha256(L, &call, digest);
  if (count < 0) return lm_finish(L, &call, count);
  for (size_t i = 0; i < LM_SHA256; i++) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

const luaL_Reg lm_hash_methods[] = {{"crc32", b_crc32}, {"xxh3", b_xxh3}, {"sha256", b_sha256}, {NULL, NULL}};
