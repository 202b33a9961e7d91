/* The iterator of v:each. */
#include "trampoline.h"

static int v_next(lua_State *L) {
  bool is_alone = lm_step_alone(L);
  lm_outcome outcome;
  int count = lm_view_next(L, &outcome);
  if (mm_unlikely(count < 0)) return lm_push_or_raise(L, &outcome, count);
  return mm_unlikely(is_alone) ? lm_end_step(L, count) : count;
}

/* for i, x in v:each() do */
int lm_custom_view_each(lua_State *L) {
  lm_outcome outcome;
  int code = lm_view_len(L, &outcome); /* raises for a closed view now, not at the first step */
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_pushinteger(L, -1);
  return lm_push_step(L, v_next);
}
