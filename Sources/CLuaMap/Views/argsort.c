/* The trampoline of v:argsort. */
#include "trampoline.h"

/* v:argsort(["desc"]) */
int lm_custom_view_argsort(lua_State *L) {
  lm_check_view(L);
  lua_settop(L, 2);
  return lm_make_view(L, lm_view_argsort, 0);
}
