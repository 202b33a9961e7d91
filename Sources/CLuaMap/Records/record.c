/* The trampolines of single records: fields by name, and whole records to and from tables. */
#include <string.h>
#include <sys/mman.h>

#include "record.h"

const char lm_record_kind;

lm_record *lm_new_record(lua_State *L, int keeper, uint64_t layout, int owner, int part) {
  lm_record *record = lm_new_userdata(L, sizeof *record, 1);
  memset(record, 0, sizeof *record);
  record->region.slot = mm_closed_slot();
  record->self = record;
  record->kind = &lm_record_kind;
  record->layout = layout;
  lm_keep_mapping(L, keeper);
  if (mm_likely(lm_user_value(L, owner, part) == LUA_TTABLE)) lua_setmetatable(L, -2);
  else lua_pop(L, 1);
  return record;
}

int lm_push_or_raise_field(lua_State *L, const lm_outcome *outcome, int code, int name) {
  if (code == LM_NO_FIELD) return luaL_error(L, "there is no field '%s' in this record", lm_shown_at(L, name));
  if (code == LM_FAILED && outcome->kind == LM_MISUSE && lua_type(L, name) == LUA_TSTRING)
    return luaL_error(L, "field '%s': %s", lm_shown_at(L, name), lm_push_text(L, outcome, NULL));
  return lm_push_or_raise(L, outcome, code);
}

/* [-0, +0, e] The depth of the layout at an index. */
static int32_t check_depth(lua_State *L, int layout) {
  const lm_layout *own = lm_layout_at(L, layout);
  if (!own) luaL_error(L, "the layout is damaged");
  return own->depth;
}

const lm_layout *lm_push_inner(lua_State *L, int inner, int name, int32_t depth) {
  const lm_layout *layout = NULL;
  if (lua_type(L, inner) == LUA_TTABLE) {
    lua_pushvalue(L, name);
    lm_rawget(L, inner);
    layout = lm_layout_at(L, -1);
  }
  if (!layout || layout->size == 0 || layout->depth >= depth)
    luaL_error(L, "the layout of field '%s' is damaged", lm_shown_at(L, name));
  return layout;
}

enum { NAMES = lua_upvalueindex(1), INNER = lua_upvalueindex(2) };

/* [-0, +1, e] Pushes a field of the record at argument 1 that is an array or a record. */
static int push_part(lua_State *L, mm_region record, mm_field field) {
  lm_outcome outcome;
  int count;
  lua_settop(L, 2);
  if (mm_field_kind(field) == MM_NUMBERS) {
    lm_view *view = lm_new_view(L);
    lm_keep_mapping(L, 1);
    count = lm_record_view(&outcome, &record, field, view);
  } else {
    const lm_layout *layout = lm_push_inner(L, INNER, 2, INT32_MAX);
    size_t size = layout->size;
    if (mm_field_kind(field) == MM_RECORD) {
      lm_record *inner = lm_new_record(L, 1, layout->id, 3, LM_RECORD_CLASS);
      count = lm_record_inner(&outcome, &record, field, size, inner);
    } else {
      count = lm_record_records(&outcome, &record, field, size, lm_new_records(L, 1, 3));
    }
  }
  return count >= 0 ? count : lm_push_or_raise_field(L, &outcome, count, 2);
}

static int rec_index(lua_State *L) {
  lm_outcome outcome;
  int count = lm_record_index(L, &outcome);
  if (mm_likely(count >= 0)) return count;
  const lm_record *record = lm_record_at(L, 1);
  if (count == LM_PART && record) return push_part(L, record->region, (mm_field)outcome.values[0]);
  return lm_push_or_raise_field(L, &outcome, count, 2);
}

static int rec_newindex(lua_State *L) {
  lm_outcome outcome;
  int count = lm_record_newindex(L, &outcome);
  if (mm_likely(count >= 0)) return count;
  const lm_record *record = lm_record_at(L, 1);
  if (count != LM_PART || !record) return lm_push_or_raise_field(L, &outcome, count, 2);
  lua_settop(L, 3);
  lua_pushvalue(L, INNER);
  lm_assign_field(L, 4, 2, INT32_MAX, record->region, 0, (mm_field)outcome.values[0], 3);
  return 0;
}

/* [-0, +1, e] Pushes a list of the elements of an array field. */
static void push_list(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset,
                      mm_field field) {
  lm_outcome outcome;
  size_t count = mm_field_count(field), start = offset + mm_field_offset(field);
  bool are_numbers = mm_field_kind(field) == MM_NUMBERS;
  mm_field number = mm_make_field(MM_NUMBER, mm_field_type(field), 0, 0);
  size_t size = mm_element_size(mm_field_type(field));
  int layout = 0;
  if (!are_numbers) {
    size = lm_push_inner(L, inner, name, depth)->size;
    layout = lua_gettop(L);
  }
  /* The count is greater only if a script has changed the layout (debug library); the table could be huge. */
  if (count > record.length / size) luaL_error(L, "the layout of field '%s' is damaged", lm_shown_at(L, name));
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    int code = 0;
    lm_pause_often(L);
    if (are_numbers) code = lm_field_load(L, &outcome, &record, start + i * size, number);
    else lm_push_record_table(L, layout, record, start + i * size);
    if (code < 0) lm_push_or_raise_field(L, &outcome, code, name);
    lm_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (layout) lua_remove(L, layout);
}

/* [-0, +1, e] */
static void push_value(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset,
                       mm_field field) {
  lm_outcome outcome;
  switch (mm_field_kind(field)) {
    case MM_NUMBERS:
    case MM_RECORDS: push_list(L, inner, name, depth, record, offset, field); break;
    case MM_RECORD:
      lm_push_inner(L, inner, name, depth);
      lm_push_record_table(L, lua_gettop(L), record, offset + mm_field_offset(field));
      lua_remove(L, -2);
      break;
    default: {
      int code = lm_field_load(L, &outcome, &record, offset, field);
      if (code < 0) lm_push_or_raise_field(L, &outcome, code, name);
    }
  }
}

/* [-0, +3, e] Pushes the tables of the layout at an absolute index: names, fields, inner layouts. Returns the index of
   the first. */
static int push_tables(lua_State *L, int layout) {
  luaL_checkstack(L, 12, NULL);
  if (!lm_push_part(L, layout, LM_NAMES) || !lm_push_part(L, layout, LM_FIELDS) || !lm_push_part(L, layout, LM_INNER))
    luaL_error(L, "the layout is damaged");
  return lua_gettop(L) - 2;
}

/* [-0, +1, e] Pushes the name of the i-th field and returns the field. After the last, pushes nothing and sets
   `is_there` to false. */
static mm_field push_name(lua_State *L, int tables, lua_Integer i, bool *is_there) {
  *is_there = lm_rawgeti(L, tables + 1, i) == LUA_TSTRING;
  if (!*is_there) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pushvalue(L, -1);
  lm_rawget(L, tables);
  mm_field field = (mm_field)lua_tointegerx(L, -1, NULL);
  lua_pop(L, 1);
  return field;
}

void lm_push_record_table(lua_State *L, int layout, mm_region record, size_t offset) {
  int32_t depth = check_depth(L, layout);
  int tables = push_tables(L, layout);
  bool is_there;
  lua_createtable(L, 0, (int)lua_rawlen(L, tables + 1));
  int result = lua_gettop(L);
  for (lua_Integer i = 1;; i++) {
    mm_field field = push_name(L, tables, i, &is_there);
    if (!is_there) break;
    lm_pause_often(L);
    push_value(L, tables + 2, result + 1, depth, record, offset, field);
    lm_rawset(L, result);
  }
  lua_replace(L, tables);
  lua_settop(L, tables);
}

/* [-0, +1, e] Pushes a table of the fields of the record at the index `value`, which must have the layout at the index
   `layout`. Both indexes are absolute. */
static void push_fields(lua_State *L, int value, int layout) {
  const lm_record *record = lm_record_at(L, value);
  const lm_layout *its = lm_layout_at(L, layout);
  if (!record || !its || its->id != record->layout) luaL_error(L, "the record has another layout");
  lm_push_record_table(L, layout, record->region, 0);
}

/* [-0, +1, e] Pushes the source of an assignment to an array field: the table at an absolute index, or a copy of the
   view or the records there as a table, because they may overlap the field. `layout` is 0 for numbers. */
static void push_elements(lua_State *L, int value, int layout, size_t expected) {
  const lm_view *view = lm_view_at(L, value);
  const lm_records *records = lm_records_at(L, value);
  size_t count = view ? view->elements.count : records ? records->records.count : 0;
  if (count != expected) {
    lua_pushvalue(L, value);
    return;
  }
  lua_createtable(L, (int)count, 0);
  int list = lua_gettop(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)i);
    lua_gettable(L, value);
    if (layout && lm_record_at(L, -1)) push_fields(L, lua_gettop(L), layout);
    lm_rawseti(L, list, (lua_Integer)i + 1);
    lua_settop(L, list);
  }
}

/* [-0, +0, e] Assigns the list at an absolute index to an array field of the same length. */
static void assign_list(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset,
                        mm_field field, int value) {
  lm_outcome outcome;
  size_t count = mm_field_count(field), start = offset + mm_field_offset(field);
  bool are_numbers = mm_field_kind(field) == MM_NUMBERS;
  mm_field number = mm_make_field(MM_NUMBER, mm_field_type(field), 0, 0);
  size_t size = mm_element_size(mm_field_type(field));
  int top = lua_gettop(L), layout = 0;
  if (!are_numbers) {
    size = lm_push_inner(L, inner, name, depth)->size;
    layout = lua_gettop(L);
  }
  push_elements(L, value, layout, count);
  value = lua_gettop(L);
  if (lua_type(L, value) != LUA_TTABLE || lua_rawlen(L, value) != count)
    luaL_error(L, "field '%s': list of %I %s expected", lm_shown_at(L, name), (LUAI_UACINT)count,
               are_numbers ? "numbers" : "records");
  for (size_t i = 0; i < count; i++) {
    lm_rawgeti(L, value, (lua_Integer)i + 1);
    int code = 0, element = lua_gettop(L);
    lm_pause_often(L);
    if (are_numbers) code = lm_field_store(L, &outcome, &record, start + i * size, number, element);
    else if (lua_type(L, element) == LUA_TTABLE || lm_record_at(L, element))
      lm_assign_record(L, layout, record, start + i * size, element);
    else luaL_error(L, "field '%s': list of %I records expected", lm_shown_at(L, name), (LUAI_UACINT)count);
    if (code < 0) lm_push_or_raise_field(L, &outcome, code, name);
    lua_settop(L, value);
  }
  lua_settop(L, top);
}

void lm_assign_field(lua_State *L, int inner, int name, int32_t depth, mm_region record, size_t offset, mm_field field,
                     int value) {
  lm_outcome outcome;
  switch (mm_field_kind(field)) {
    case MM_NUMBERS:
    case MM_RECORDS: assign_list(L, inner, name, depth, record, offset, field, value); break;
    case MM_RECORD:
      if (lua_type(L, value) != LUA_TTABLE && !lm_record_at(L, value))
        luaL_error(L, "field '%s': table of fields expected", lm_shown_at(L, name));
      lm_push_inner(L, inner, name, depth);
      lm_assign_record(L, lua_gettop(L), record, offset + mm_field_offset(field), value);
      lua_pop(L, 1);
      break;
    default: {
      int code = lm_field_store(L, &outcome, &record, offset, field, value);
      if (code < 0) lm_push_or_raise_field(L, &outcome, code, name);
    }
  }
}

void lm_assign_record(lua_State *L, int layout, mm_region record, size_t offset, int value) {
  int before = lua_gettop(L);
  int32_t depth = check_depth(L, layout);
  if (lua_type(L, value) == LUA_TUSERDATA) {
    luaL_checkstack(L, 4, NULL);
    push_fields(L, value, layout);
    value = lua_gettop(L);
  }
  int tables = push_tables(L, layout), top = lua_gettop(L);
  for (lua_pushnil(L); lm_next(L, value); lua_pop(L, 2)) {
    lua_pushvalue(L, -2);
    if (lm_rawget(L, tables) != LUA_TNUMBER) {
      lua_settop(L, top + 1);
      luaL_error(L, "there is no field '%s' in this record", luaL_tolstring(L, -1, NULL));
    }
  }
  /* Fields can overlap, and then the last assignment counts. So assign in the order of the layout, not of the table. */
  bool is_there;
  for (lua_Integer i = 1;; i++) {
    mm_field field = push_name(L, tables, i, &is_there);
    if (!is_there) break;
    lua_pushvalue(L, top + 1);
    if (lm_rawget(L, value) != LUA_TNIL) lm_assign_field(L, tables + 2, top + 1, depth, record, offset, field, top + 2);
    lm_pause_often(L);
    lua_settop(L, top);
  }
  lua_settop(L, before);
}

/* [-0, +0, e] The record at an argument, which must have the layout at an index. */
static lm_record *check_record(lua_State *L, int argument, int layout) {
  lm_record *record = lm_record_at(L, argument);
  lm_layout *its = lm_layout_at(L, layout);
  if (!record) luaL_typeerror(L, argument, LM_RECORD_NAME);
  if (!its || its->id != record->layout) luaL_argerror(L, argument, "the record has another layout");
  return record;
}

int lm_record_totable(lua_State *L) {
  if (lm_record_at(L, 1) && lua_gettop(L) > 1) lm_check_count(L, 1, LM_RECORD_NAME);
  lm_settop(L, 1, 1, LM_RECORD_NAME);
  lua_pushvalue(L, lua_upvalueindex(1));
  lm_push_record_table(L, 2, check_record(L, 1, 2)->region, 0);
  return 1;
}

int lm_custom_struct_totable(lua_State *L) {
  lm_check_layout(L, 1);
  lm_settop(L, 2, 2, LM_RECORD_NAME);
  lm_push_record_table(L, 1, check_record(L, 2, 1)->region, 0);
  return 1;
}

/* The step of pairs. Its upvalues are the layout and the number of fields returned so far. */
static int rec_next(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  check_record(L, 1, 2);
  int tables = push_tables(L, 2);
  lua_Integer i = lua_tointegerx(L, lua_upvalueindex(2), NULL) + 1;
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(2));
  bool is_there;
  push_name(L, tables, i, &is_there);
  if (!is_there) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushvalue(L, -1);
  lua_gettable(L, 1);
  return 2;
}

static int rec_pairs(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  check_record(L, 1, 2);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, rec_next, 2);
  lua_pushvalue(L, 1);
  return 2;
}

static int rec_tostring(lua_State *L) {
  const lm_record *record = lm_record_at(L, 1);
  if (!record) return luaL_typeerror(L, 1, LM_RECORD_NAME);
  lm_description d;
  lm_describe_records(&record->region, &d);
  if (d.closed) {
    lua_pushliteral(L, LM_RECORD_NAME " (closed)");
    return 1;
  }
  lua_pushfstring(L, LM_RECORD_NAME ": %p %I bytes", (void *)d.address, (LUAI_UACINT)d.length);
  lm_push_place(L, &d, 1);
  lua_concat(L, 2);
  return 1;
}

void lm_new_record_class(lua_State *L, int layout, int names, int inner) {
  lua_pushliteral(L, "totable");
  lua_pushvalue(L, -1);
  if (lm_rawget(L, names) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushvalue(L, layout);
    lua_pushcclosure(L, lm_record_totable, 1);
    lm_rawset(L, names);
  } else {
    lua_pop(L, 2);
  }
  lua_createtable(L, 0, 8);
  lua_pushvalue(L, names);
  lua_pushvalue(L, inner);
  lua_pushcclosure(L, rec_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, names);
  lua_pushvalue(L, inner);
  lua_pushcclosure(L, rec_newindex, 2);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, rec_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushvalue(L, layout);
  lua_pushcclosure(L, rec_pairs, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushliteral(L, LM_RECORD_NAME);
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, LM_RECORD_NAME);
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, names);
  lua_setfield(L, -2, "__methods");
}
