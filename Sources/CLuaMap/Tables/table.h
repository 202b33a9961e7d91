/* Declarations for the C files of tables. */
#ifndef TABLE_H
#define TABLE_H

#include "../Records/record.h"

/* [-0, +0, e] The open table at an argument. */
lm_table *lm_check_table(lua_State *L, int argument);

/* [-0, +0, e] Raises if the Lua table at an index, an argument or the option of one, has a key that is not the number
   of an element: it would be passed over without a word. `option` is NULL for an argument. */
void lm_check_list(lua_State *L, int index, int argument, const char *option);

/* [-0, +1, m] A new, closed table. */
lm_table *lm_new_table(lua_State *L);

/* [-0, +1, m] New rows, empty. */
lm_frame *lm_new_frame(lua_State *L);

/* [-?, +?, e] lm_push_or_raise for a plan whose kept objects are in the Lua table at an index: of a mapping that is lost
   or closed, the error names the path. */
int lm_raise_table(lua_State *L, const lm_outcome *outcome, int code, int keep);

/* [-0, +0, –] A number for a function or object that a plan keeps; no other has it. */
int64_t lm_next_kept(void);

/* [-0, +0, e] For the frame that a body filled in: raises if a finalizer took it from its place on the stack. */
lm_frame *lm_check_frame(lua_State *L, int index);

/* Metatables of userdata that are no class, by their mark: scripts see such an object at most as a value to close.
   [-0, +0, m] Makes one. [-0, +0, e] Sets that of the userdata on top. */
void lm_open_hidden(lua_State *L, const char *kind, const luaL_Reg *metamethods);
void lm_set_hidden(lua_State *L, const char *kind);
void lm_open_rows(lua_State *L);

/* [-0, +1, m] Pushes the value of a row. The bytes of a string are copied before any finalizer runs. */
static inline void lm_push_cell(lua_State *L, const lm_vector *vector, size_t row) {
  if (vector->kind == LM_CELL_NIL || (vector->nulls && vector->nulls[row])) {
    lua_pushnil(L);
    return;
  }
  uint64_t word = 0;
  if (vector->kind != LM_CELL_STRING) word = ((const uint64_t *)vector->values)[row];
  switch (vector->kind) {
    case LM_CELL_BOOLEAN: lua_pushboolean(L, word != 0); break;
    case LM_CELL_INTEGER: lua_pushinteger(L, (lua_Integer)word); break;
    case LM_CELL_FLOAT: lua_pushnumber(L, mm_double_of_bits(word)); break;
    default: {
      const struct {
        const char *start;
        size_t count;
      } *text = vector->values;
      text += row;
      lua_pushlstring(L, text->count > 0 ? text->start : "", text->count);
    }
  }
}

#endif
