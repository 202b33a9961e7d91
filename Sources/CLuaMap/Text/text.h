/* What the iterators over lines and fields share. Each is a C closure, and its upvalue 1 is the state. */
#ifndef TEXT_H
#define TEXT_H

#include "trampoline.h"

/* The state is on the stack too, which keeps it alive: a finalizer can replace the upvalue (debug.setupvalue). */
enum { LM_STATE = 1 };

/* [-?, +1, e] Pushes the state of the running iterator as the only value on the stack; raises if debug.setupvalue has
   replaced it. */
static inline void *lm_push_state(lua_State *L, size_t size, const char *kind) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  void *state = lm_kind_at(L, LM_STATE, size, kind);
  if (mm_unlikely(!state)) luaL_error(L, "the state does not belong to this iterator");
  return state;
}

/* [-?, +0, e] Raises the error of a step. */
int lm_fail_step(lua_State *L, const lm_outcome *outcome, int code);

/* [-?, +1, e] Pushes nil, which ends the loop; raises if the file now ends before the end of the walk. */
int lm_end_steps(lua_State *L, const mm_region *region, size_t end);

extern const mm_separator lm_newline;

/* [-0, +0, e] Reads an option whose value is one byte; false if it is absent. */
bool lm_read_byte(lua_State *L, int argument, const char *name, uint8_t *byte);

/* [-0, +0, e] Reads the options 'quote' and 'escape'; each of them implies csv = true. */
void lm_read_quotes(lua_State *L, int argument, bool *quoted, bool has_csv, uint8_t *quote, uint8_t *escape);

/* [-0, +0, –] Whether the separator contains the byte. */
static inline bool lm_has_byte(const mm_separator *separator, uint8_t byte) {
  return memchr(separator->bytes, byte, separator->count) != NULL;
}

#endif
