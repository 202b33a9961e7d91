/* The trampolines of checksums and digests. */
#include "trampoline.h"

int lm_custom_buffer_sha256(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  uint8_t digest[LM_SHA256];
  char text[2 * LM_SHA256];
  lm_outcome outcome;
  int count = lm_buffer_sha256(L, &outcome, digest);
  if (count < 0) return lm_push_or_raise(L, &outcome, count);
  for (size_t i = 0; i < LM_SHA256; i++) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}
