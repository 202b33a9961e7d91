/* Declarations for the C files of layouts and records. */
#ifndef RECORD_H
#define RECORD_H

#include "trampoline.h"

#define LM_STRUCT "mmap.struct"
#define LM_RECORDS "mmap.records"
#define LM_RECORD_NAME "mmap.record"

/* Functions of the Lua API with a check of the value at an absolute index. Any allocation may run a finalizer, which
   can replace values on the running function's stack (debug.setlocal). So the type is checked at each use. */
static inline void lm_need_table(lua_State *L, int index) {
  if (mm_unlikely(lua_type(L, index) != LUA_TTABLE)) luaL_error(L, "a layout was modified while it was in use");
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

/* [-0, +1, m] Makes the metatable of a layout's records. The upvalues of its functions are the layout, or the tables
   of names and of inner layouts; all three are at absolute indexes. */
void lm_new_record_class(lua_State *L, int layout, int names, int inner);

/* [-0, +1, e] A new, closed record, which keeps alive the owner of the mapping of the object at `keeper`. Its metatable
   is the user value `part` of the userdata at `owner`. Both indexes are absolute. */
lm_record *lm_new_record(lua_State *L, int keeper, uint64_t layout, int owner, int part);

/* [-0, +1, e] New, closed records with the layout at an absolute index. They keep alive the owner of the mapping of the
   object at `keeper`. */
lm_records *lm_new_records(lua_State *L, int keeper, int layout);

/* These functions get the region of a record by value, because the record may be collected while they run. */

/* [-0, +1, e] Pushes a table of the fields of a record whose layout is at an absolute index. */
void lm_push_record_table(lua_State *L, int layout, mm_region record, size_t offset);

/* [-0, +0, e] Assigns the table at an absolute index to a record: each key must be the name of a field; the other
   fields do not change. Or assigns all fields of another record with the same layout. */
void lm_assign_record(lua_State *L, int layout, mm_region record, size_t offset, int value);

/* [-0, +0, e] Assigns the value at an index to the field whose name is at an index. `inner` is the index of the table
   LM_INNER; all indexes are absolute. For `depth` see lm_push_inner. */
void lm_assign_field(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset, mm_field field,
                     int value);

/* [-?, +?, e] lm_push_or_raise with the field's name at the beginning of messages. */
int lm_push_or_raise_field(lua_State *L, const lm_outcome *outcome, int code, int name);

/* [-0, +1, –] Pushes a user value of a layout; false if it is not a table. */
static inline bool lm_push_part(lua_State *L, int layout, int part) {
  return lm_user_value(L, layout, part) == LUA_TTABLE;
}

/* [-0, +0, e] The layout at an argument. */
lm_layout *lm_check_layout(lua_State *L, int argument);

/* [-0, +1, e] Pushes the layout of a field; raises unless its depth is less than `depth`, that of the layout around it.
   So a recursion ends even if a script has changed the layout with the debug library. */
const lm_layout *lm_push_inner(lua_State *L, int inner, int name, int32_t depth);

/* r:totable(). Its upvalue is the layout. */
int lm_record_totable(lua_State *L);

#endif
