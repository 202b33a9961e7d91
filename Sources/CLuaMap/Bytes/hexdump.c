/* The trampoline of b:hexdump. */
#include "trampoline.h"

int lm_custom_buffer_hexdump(lua_State *L) {
  enum { PIECE = 4096 };
  lm_check_buffer(L);
  lua_settop(L, 3);
  lm_outcome outcome;
  lm_dump dump;
  int code = lm_dump_start(L, &outcome, &dump);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (!dump.done) {
    int printed = lm_dump_next(L, &outcome, &dump, (uint8_t *)luaL_prepbuffsize(&text, PIECE), PIECE);
    if (printed < 0) return lm_push_or_raise(L, &outcome, printed);
    luaL_addsize(&text, (size_t)printed);
  }
  luaL_pushresult(&text);
  return 1;
}
