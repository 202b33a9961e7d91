/* The trampoline of b:hexdump. */
#include "trampoline.h"

int lm_custom_buffer_hexdump(lua_State *L) {
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
