/* The trampolines of arrays of records. */
#include <string.h>
#include <sys/mman.h>

#include "record.h"

const char lm_records_kind;

static LM_TRAMPOLINE(rs_len, lm_records_len)

lm_records *lm_new_records(lua_State *L, int keeper, int layout) {
  lm_records *records = lm_new_kind(L, sizeof *records, 3, &lm_records_kind);
  records->records.region.slot = mm_closed_slot();
  records->records.stride = records->records.size = 1;
  lm_set_metatable(L, LM_RECORDS);
  lm_keep_mapping(L, keeper);
  const lm_layout *description = lm_layout_at(L, layout);
  if (description) records->layout = description->id;
  lm_user_value(L, layout, LM_RECORD_CLASS);
  lua_setiuservalue(L, -2, 2);
  lua_pushvalue(L, layout);
  lua_setiuservalue(L, -2, 3);
  return records;
}

/* [-0, +0, e] */
static lm_records *check_records(lua_State *L) {
  lm_records *records = lm_records_at(L, 1);
  if (!records) luaL_typeerror(L, 1, LM_RECORDS);
  return records;
}

/* [-0, +1, e] Pushes the layout of the records at argument 1. */
static void push_layout(lua_State *L) {
  lm_user_value(L, 1, 3);
  if (!lm_layout_at(L, -1)) luaL_argerror(L, 1, "its layout is damaged");
}

int lm_custom_buffer_records(lua_State *L) {
  lm_check_buffer(L);
  size_t size = lm_check_layout(L, 2)->size;
  lua_settop(L, 5);
  lm_records *records = lm_new_records(L, 1, 2);
  lm_outcome outcome;
  int count = lm_buffer_records(L, &outcome, size, records);
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

/* [-0, +2, e] Pushes the layout of the records at argument 1, and new records of it. */
static lm_records *new_slice(lua_State *L) {
  push_layout(L);
  return lm_new_records(L, 1, lua_gettop(L));
}

LM_MAKER(lm_custom_records_slice, check_records, 1, LM_RECORDS, 3, lm_records, new_slice, lm_records_slice)

/* [-0, +1, e] Pushes the record whose index is argument 2. */
static int push_record(lua_State *L, uint64_t layout) {
  lm_outcome outcome;
  lm_record *record = lm_new_record(L, 1, layout, 1, 2);
  int count = lm_records_get(L, &outcome, record);
  return mm_likely(count >= 0) ? count : lm_push_or_raise(L, &outcome, count);
}

static int rs_index(lua_State *L) {
  lm_records *records = check_records(L);
  if (mm_likely(lua_type(L, 2) != LUA_TSTRING)) return push_record(L, records->layout);
  lua_settop(L, 2);
  lm_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* r[i] = { id = 7, … } */
static int rs_newindex(lua_State *L) {
  lm_records *records = check_records(L);
  if (lua_type(L, 2) == LUA_TSTRING) return luaL_error(L, "an array of records has no fields to assign to");
  if (lua_type(L, 3) != LUA_TTABLE && !lm_record_at(L, 3))
    return luaL_error(L, "a record is assigned from a table of its fields or a record, not from a %s",
                      luaL_typename(L, 3));
  push_layout(L);
  push_record(L, records->layout);
  lm_record *record = lm_record_at(L, -1);
  if (record) lm_assign_record(L, 4, record->region, 0, 3);
  return 0;
}

static int rs_next(lua_State *L) {
  bool is_alone = lm_step_alone(L);
  lm_records *records = check_records(L);
  lua_settop(L, 2);
  lua_Integer next = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : -1;
  if (next >= (lua_Integer)records->records.count - 1) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, next + 1);
  lua_copy(L, 3, 2);
  push_record(L, records->layout);
  return is_alone ? lm_end_step(L, 2) : 2;
}

/* for i, record in r:each() do */
int lm_custom_records_each(lua_State *L) {
  check_records(L);
  lua_pushinteger(L, -1);
  return lm_push_step(L, rs_next);
}

/* [-0, +0, e] The index of an element of an array field, argument 3. */
static size_t check_element(lua_State *L, mm_field field) {
  lua_Integer last = (lua_Integer)mm_field_count(field) - 1;
  if (lua_isnoneornil(L, 3))
    luaL_argerror(
        L, 3,
        lua_pushfstring(L, "array field '%s' needs an element index (0 to %I)", lm_shown_at(L, 2), (LUAI_UACINT)last));
  lua_Integer element = lm_check_integer(L, 3, "integer");
  if (element < 0 || element > last)
    luaL_argerror(L, 3,
                  lua_pushfstring(L, "index %I is out of range (0 to %I)", (LUAI_UACINT)element, (LUAI_UACINT)last));
  return (size_t)element;
}

/* [-0, +0, e] The field named by argument 2 of the layout at an absolute index, and the index of its element. */
static mm_field check_column(lua_State *L, int layout, size_t *element) {
  if (lua_type(L, 2) != LUA_TSTRING) luaL_typeerror(L, 2, "string");
  if (!lm_push_part(L, layout, LM_NAMES)) luaL_argerror(L, 1, "its layout is damaged");
  lua_pushvalue(L, 2);
  if (lm_rawget(L, -2) != LUA_TNUMBER)
    luaL_argerror(L, 2, lua_pushfstring(L, "there is no field '%s' in the layout", lm_shown_at(L, 2)));
  mm_field field = (mm_field)lua_tointeger(L, -1);
  int kind = mm_field_kind(field);
  bool is_array = kind == MM_NUMBERS || kind == MM_RECORDS;
  if (kind == MM_CHARACTERS || kind == MM_BYTES)
    luaL_argerror(L, 2,
                  lua_pushfstring(L, "field '%s' is a string: a column has numbers or records", lm_shown_at(L, 2)));
  if (!is_array && !lua_isnoneornil(L, 3))
    luaL_argerror(L, 3, lua_pushfstring(L, "field '%s' is not an array", lm_shown_at(L, 2)));
  *element = is_array ? check_element(L, field) : 0;
  lua_pop(L, 2);
  return field;
}

/* r:column(name [, element]) */
int lm_custom_records_column(lua_State *L) {
  enum { LAYOUT = 4 };
  mm_records records = check_records(L)->records;
  lm_settop(L, 3, 2, "string");
  push_layout(L);
  size_t element;
  mm_field field = check_column(L, LAYOUT, &element);
  lm_outcome outcome;
  int count;
  if (mm_field_kind(field) == MM_NUMBER || mm_field_kind(field) == MM_NUMBERS) {
    int32_t type = mm_field_type(field);
    field = mm_make_field(MM_NUMBER, type, mm_field_offset(field) + element * mm_element_size(type), 0);
    lm_view *view = lm_new_view(L);
    lm_keep_mapping(L, 1);
    count = lm_records_column(&outcome, &records, field, view);
  } else {
    lm_push_part(L, LAYOUT, LM_INNER);
    size_t size = lm_push_inner(L, lua_gettop(L), 2, INT32_MAX)->size;
    lm_records *inner = lm_new_records(L, 1, lua_gettop(L));
    count = lm_records_inner(&outcome, &records, mm_field_offset(field) + element * size, size, inner);
  }
  return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);
}

int lm_custom_records_layout(lua_State *L) {
  check_records(L);
  push_layout(L);
  return 1;
}

static int rs_tostring(lua_State *L) {
  mm_records records = check_records(L)->records;
  lm_description d;
  lm_describe_records(&records.region, &d);
  if (d.closed) {
    lua_pushliteral(L, LM_RECORDS " (closed)");
    return 1;
  }
  lua_pushfstring(L, LM_RECORDS ": %p %I of %I bytes", (void *)d.address, (LUAI_UACINT)records.count,
                  (LUAI_UACINT)records.size);
  if (records.stride == records.size) lua_pushliteral(L, "");
  else lua_pushfstring(L, " every %I bytes", (LUAI_UACINT)records.stride);
  lm_push_place(L, &d, 1);
  lua_concat(L, 3);
  return 1;
}

int lm_custom_records_info(lua_State *L) {
  mm_records records = check_records(L)->records;
  lm_description d;
  lm_describe_records(&records.region, &d);
  lua_createtable(L, 0, 13);
  lm_set_description(L, &d, 1);
  lua_pushinteger(L, (lua_Integer)records.count);
  lua_setfield(L, -2, "count");
  lua_pushinteger(L, (lua_Integer)records.stride);
  lua_setfield(L, -2, "stride");
  lua_pushinteger(L, (lua_Integer)records.size);
  lua_setfield(L, -2, "size");
  return 1;
}

void lm_open_records(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__newindex", rs_newindex},
                                         {"__len", rs_len},
                                         {"__tostring", rs_tostring},
                                         {"__pairs", lm_no_pairs},
                                         {NULL, NULL}};
  lm_open_class(L, LM_RECORDS, LM_CLASS_records, metamethods, rs_index);
  lua_pop(L, 1);
}
