/* Shared by the C files of layouts and records. */
#ifndef RECORD_H
#define RECORD_H

#include "trampoline.h"

#define LM_STRUCT "mmap.struct"
#define LM_RECORDS "mmap.records"
#define LM_RECORD_NAME "mmap.record"

/* [-0, +1, m] The metatable of a layout's records. Its functions have the table of names and that of the
   inner layouts as upvalues, or the layout: all three at absolute indexes. */
void lm_new_record_class(lua_State *L, int layout, int names, int inner);

/* [-0, +1, m] A new record, closed, which keeps alive what the userdata at `keeper` does. Its metatable is a
   user value of the userdata at `owner`. Both indexes are absolute. */
lm_record *lm_new_record(lua_State *L, int keeper, uint64_t layout, int owner, int part);

/* [-0, +1, m] New records, closed, of the layout at an absolute index. They keep alive what the userdata
   at `keeper` does. */
lm_records *lm_new_records(lua_State *L, int keeper, int layout);

/* [-0, +1, e] A table of the fields of a record whose layout is at an absolute index. */
void lm_push_record_table(lua_State *L, int layout, const mm_region *record, size_t offset);

/* [-0, +0, e] Assigns the table at an absolute index: every key is a field's name, fields without a key stay
   as they are. */
void lm_assign_record(lua_State *L, int layout, const mm_region *record, size_t offset, int value);

/* [-0, +0, e] Assigns the value to the field whose name is at an index; all indexes are absolute, `inner` is
   that of the table LM_INNER. */
void lm_assign_field(lua_State *L, int inner, int name, const mm_region *record, size_t offset, mm_field field,
                     int value);

/* [-?, +?, e] As lm_finish; a message begins with the field's name. */
int lm_finish_field(lua_State *L, const lm_call *call, int code, int name);

/* [-0, +1, –] A user value of a layout, a table; false where it is none. */
bool lm_push_part(lua_State *L, int layout, int part);

/* [-0, +0, e] The layout at an argument. */
lm_layout *lm_check_layout(lua_State *L, int argument);

/* [-0, +0, e] The layout of a field, which is then on top: [-0, +1]. */
lm_layout *lm_push_inner(lua_State *L, int inner, int name);

/* r:totable() where the upvalue is the layout, and layout:totable(r). */
int lm_record_totable(lua_State *L);
int lm_layout_totable(lua_State *L);

#endif
