/* Shared by the C files of layouts and records. */
#ifndef RECORD_H
#define RECORD_H

#include "trampoline.h"

#define LM_STRUCT "mmap.struct"
#define LM_RECORDS "mmap.records"
#define LM_RECORD_NAME "mmap.record"

/* What is at an absolute index was checked when it was put there. Any allocation may run a finalizer since,
   which can reach this function's stack with debug.setlocal: so tables and userdata are checked again. */
static inline void lm_need_table(lua_State *L, int index) {
  if (mm_unlikely(lua_type(L, index) != LUA_TTABLE)) luaL_error(L, "a layout was taken apart while it was in use");
}
static inline int lm_rawget(lua_State *L, int index) {
  lm_need_table(L, index);
  return lua_rawget(L, index);
}
static inline int lm_rawgeti(lua_State *L, int index, lua_Integer i) {
  lm_need_table(L, index);
  return lua_rawgeti(L, index, i);
}
static inline void lm_rawset(lua_State *L, int index) {
  lm_need_table(L, index);
  lua_rawset(L, index);
}
static inline void lm_rawseti(lua_State *L, int index, lua_Integer i) {
  lm_need_table(L, index);
  lua_rawseti(L, index, i);
}
static inline int lm_next(lua_State *L, int index) {
  lm_need_table(L, index);
  return lua_next(L, index);
}
static inline int lm_user_value(lua_State *L, int index, int n) {
  if (mm_likely(lua_type(L, index) == LUA_TUSERDATA)) return lua_getiuservalue(L, index, n);
  lua_pushnil(L);
  return LUA_TNIL;
}
static inline void lm_set_user_value(lua_State *L, int index, int n) {
  if (lua_type(L, index) == LUA_TUSERDATA) lua_setiuservalue(L, index, n);
  else lua_pop(L, 1);
}

/* [-0, +1, m] The metatable of a layout's records. Its functions have the table of names and that of the
   inner layouts as upvalues, or the layout: all three at absolute indexes. */
void lm_new_record_class(lua_State *L, int layout, int names, int inner);

/* [-0, +1, e] A new record, closed, which keeps alive what the userdata at `keeper` does. Its metatable is a
   user value of the userdata at `owner`. Both indexes are absolute. */
lm_record *lm_new_record(lua_State *L, int keeper, uint64_t layout, int owner, int part);

/* [-0, +1, e] New records, closed, of the layout at an absolute index. They keep alive what the userdata
   at `keeper` does. */
lm_records *lm_new_records(lua_State *L, int keeper, int layout);

/* The region of a record is handed on as a value: the record itself may be gone before all is done. */

/* [-0, +1, e] A table of the fields of a record whose layout is at an absolute index. */
void lm_push_record_table(lua_State *L, int layout, mm_region record, size_t offset);

/* [-0, +0, e] Assigns the table at an absolute index: every key is a field's name, fields without a key stay
   as they are. Or a record of the same layout, with all its fields. */
void lm_assign_record(lua_State *L, int layout, mm_region record, size_t offset, int value);

/* [-0, +0, e] Assigns the value to the field whose name is at an index; all indexes are absolute, `inner` is
   that of the table LM_INNER, `depth` as of lm_push_inner. */
void lm_assign_field(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset, mm_field field,
                     int value);

/* [-?, +?, e] As lm_finish; a message begins with the field's name. */
int lm_finish_field(lua_State *L, const lm_call *call, int code, int name);

/* [-0, +1, –] A user value of a layout; false where it is no table. */
static inline bool lm_push_part(lua_State *L, int layout, int part) {
  return lm_user_value(L, layout, part) == LUA_TTABLE;
}

/* [-0, +0, e] The layout at an argument. */
lm_layout *lm_check_layout(lua_State *L, int argument);

/* [-0, +1, e] The layout of a field, which must be less deep than that which it is in: the table can have been tampered
   with, and what follows it must end. */
const lm_layout *lm_push_inner(lua_State *L, int inner, int name, int32_t depth);

/* r:totable() where the upvalue is the layout, and layout:totable(r). */
int lm_record_totable(lua_State *L);

#endif
