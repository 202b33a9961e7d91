/* Text from outside, made safe to print. */
#include <stdio.h>

#include "trampoline.h"

/* [-0, +0, –] The number of bytes at the beginning of a text that are shown unchanged. */
static size_t plain_length(const char *text, size_t length) {
  size_t count = 0, next;
  while (count < length && (next = mm_shown(text + count, length - count)) > 0) count += next;
  return count;
}

const char *lm_show(lua_State *L, int index) {
  size_t length;
  index = lua_absindex(L, index);
  const char *text = lua_tolstring(L, index, &length);
  size_t plain = plain_length(text, length);
  if (plain == length) return text;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t place = 0;;) {
    luaL_addlstring(&b, text + place, plain);
    place += plain;
    if (place == length) break;
    char code[5];
    luaL_addlstring(&b, code, (size_t)snprintf(code, sizeof code, "\\x%02x", (unsigned char)text[place++]));
    plain = plain_length(text + place, length - place);
  }
  luaL_pushresult(&b);
  lua_replace(L, index);
  return lua_tostring(L, index);
}

const char *lm_shown_at(lua_State *L, int index) {
  luaL_checkstack(L, 8, NULL);
  lua_pushvalue(L, index);
  return lm_show(L, -1);
}

int lm_shown(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lm_show(L, 1);
  return 1;
}

int lm_size(lua_State *L) {
  char text[MM_SIZE_TEXT];
  lua_Integer bytes = luaL_checkinteger(L, 1);
  lua_pushlstring(L, text, (size_t)mm_format_size(bytes > 0 ? (uint64_t)bytes : 0, text));
  return 1;
}
