/* Layouts: from a table that describes a record to offsets, and what a script can ask about them. */
#include <string.h>

#include "record.h"

enum { DEEPEST = 32, LARGEST_ALIGNMENT = 16 };

const char lm_layout_kind;

lm_layout *lm_check_layout(lua_State *L, int argument) {
  lm_layout *layout = lm_layout_at(L, argument);
  if (!layout) luaL_typeerror(L, argument, LM_STRUCT);
  return layout;
}

bool lm_push_part(lua_State *L, int layout, int part) {
  return lua_getiuservalue(L, layout, part) == LUA_TTABLE;
}

/* [-0, +1, m] */
static lm_layout *new_layout(lua_State *L) {
  static uint64_t last;
  lm_layout *layout = lua_newuserdatauv(L, sizeof *layout, LM_INNER);
  memset(layout, 0, sizeof *layout);
  layout->self = layout;
  layout->kind = &lm_layout_kind;
  layout->id = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
  layout->depth = 1;
  luaL_setmetatable(L, LM_STRUCT);
  return layout;
}

/* [-0, +0, e] The integer on top, which is taken away: [-1]. */
static lua_Integer take_integer(lua_State *L, const char *what) {
  int is_integer = 0;
  lua_Integer number = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
  if (!is_integer)
    luaL_argerror(L, 1,
                  lua_pushfstring(L, "%s: integer expected, got %s", what,
                                  lua_type(L, -1) == LUA_TNUMBER ? "a fraction" : luaL_typename(L, -1)));
  lua_pop(L, 1);
  return number;
}

/* [-0, +0, e] No key of the table at an absolute index is left unread: a misspelt one would be. */
static void check_keys(lua_State *L, int table, lua_Integer count, const char *const *names, const char *what) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const char *const *name = names;
    if (lua_isinteger(L, -2)) {
      lua_Integer i = lua_tointeger(L, -2);
      if (i >= 1 && i <= count) continue;
    } else if (lua_type(L, -2) == LUA_TSTRING) {
      while (*name && strcmp(*name, lua_tostring(L, -2)) != 0) name++;
      if (*name) continue;
    }
    luaL_argerror(L, 1, lua_pushfstring(L, "%s: key '%s' is not known", what, luaL_tolstring(L, -2, NULL)));
  }
}

/* [-0, +0, e] `align`: a boolean, or what fields are aligned to at most, as by #pragma pack. */
static size_t read_alignment(lua_State *L) {
  lua_pushliteral(L, "align");
  int type = lua_rawget(L, 1);
  if (type == LUA_TNIL || type == LUA_TBOOLEAN) {
    bool is_aligned = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_aligned ? LARGEST_ALIGNMENT : 1;
  }
  lua_Integer limit = take_integer(L, "option 'align'");
  luaL_argcheck(L, limit >= 1 && limit <= LARGEST_ALIGNMENT && (limit & (limit - 1)) == 0, 1,
                "option 'align' is true, false, 1, 2, 4, 8 or 16");
  return (size_t)limit;
}

/* [-0, +0, e] An integer of the table at an absolute index that is not below `least`; `none` without one. */
static lua_Integer read_integer(lua_State *L, int table, const char *key, lua_Integer least, lua_Integer none,
                                const char *what) {
  lua_pushstring(L, key);
  if (lua_rawget(L, table) == LUA_TNIL) {
    lua_pop(L, 1);
    return none;
  }
  lua_Integer number = take_integer(L, what);
  if (number < least || number > MM_LARGEST_RECORD)
    luaL_argerror(L, 1,
                  lua_pushfstring(L, "%s: %s %I is out of range (%I to %I)", what, key, (LUAI_UACINT)number,
                                  (LUAI_UACINT)least, (LUAI_UACINT)MM_LARGEST_RECORD));
  return number;
}

/* The tables of the layout that is being made. */
enum { LAYOUT = 2, NAMES, FIELDS, INNER, FIELD };

/* [-0, +0, e] The i-th field, whose table is at FIELD. */
static void read_field(lua_State *L, mm_ruler *ruler, lm_layout *layout, lua_Integer i) {
  static const char *const keys[] = {"offset", NULL};
  if (lua_type(L, FIELD) != LUA_TTABLE)
    luaL_argerror(L, 1, lua_pushfstring(L, "field %I: table expected, got %s", (LUAI_UACINT)i, luaL_typename(L, FIELD)));
  if (lua_rawgeti(L, FIELD, 1) != LUA_TSTRING || lua_rawlen(L, -1) == 0)
    luaL_argerror(L, 1, lua_pushfstring(L, "field %I: its first item is not a name", (LUAI_UACINT)i));
  int name = lua_gettop(L);
  const char *what = lua_pushfstring(L, "field '%s'", lua_tostring(L, name));
  check_keys(L, FIELD, 3, keys, what);
  lua_pushvalue(L, name);
  if (lua_rawget(L, NAMES) == LUA_TNUMBER) luaL_argerror(L, 1, lua_pushfstring(L, "%s: there are two", what));

  int type = lua_rawgeti(L, FIELD, 2);
  const lm_layout *inner = lm_layout_at(L, -1);
  if (!inner && type != LUA_TSTRING)
    luaL_argerror(L, 1, lua_pushfstring(L, "%s: its second item is not a type or a layout", what));
  lua_Integer count = 0;
  if (lua_rawgeti(L, FIELD, 3) != LUA_TNIL) {
    count = take_integer(L, what);
    if (count < 1) luaL_argerror(L, 1, lua_pushfstring(L, "%s: count %I is out of range: it is at least 1", what, (LUAI_UACINT)count));
  } else {
    lua_pop(L, 1);
  }
  lua_Integer offset = read_integer(L, FIELD, "offset", 0, -1, what);

  lm_call call;
  mm_field field;
  const char *type_name = inner ? NULL : lua_tostring(L, -1);
  size_t length = inner ? 0 : lua_rawlen(L, -1);
  int code = lm_layout_place(&call, ruler, type_name, length, inner, count, offset, &field);
  if (code < 0) luaL_argerror(L, 1, lua_pushfstring(L, "%s: %s", what, lm_push_text(L, &call)));
  if (inner) {
    if (inner->depth >= DEEPEST) luaL_argerror(L, 1, lua_pushfstring(L, "%s: layouts are nested too deeply", what));
    if (inner->depth >= layout->depth) layout->depth = inner->depth + 1;
    lua_pushvalue(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, INNER);
  }
  lua_pushvalue(L, name);
  lua_pushinteger(L, (lua_Integer)field);
  lua_rawset(L, NAMES);
  lua_pushvalue(L, name);
  lua_rawseti(L, FIELDS, i);
}

/* mmap.struct { {name, type [, count]}, … } */
static int f_struct(lua_State *L) {
  static const char *const keys[] = {"align", "size", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  check_keys(L, 1, count, keys, "layout");
  mm_ruler ruler = {.limit = read_alignment(L), .alignment = 1};
  lua_Integer size = read_integer(L, 1, "size", 1, -1, "layout");

  lm_layout *layout = new_layout(L);
  for (int i = 0; i < 3; i++) lua_createtable(L, 0, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_settop(L, INNER);
    lua_rawgeti(L, 1, i);
    read_field(L, &ruler, layout, i);
  }
  lua_settop(L, INNER);
  lm_call call;
  int code = lm_layout_finish(&call, &ruler, size, layout);
  if (code < 0) luaL_argerror(L, 1, lm_push_text(L, &call));

  lm_new_record_class(L, LAYOUT, NAMES, INNER);
  lua_setiuservalue(L, LAYOUT, LM_RECORD_CLASS);
  lua_setiuservalue(L, LAYOUT, LM_INNER);
  lua_setiuservalue(L, LAYOUT, LM_FIELDS);
  lua_setiuservalue(L, LAYOUT, LM_NAMES);
  return 1;
}

/* [-0, +1, e] The field whose name is at an absolute index, of the layout at argument 1; what is pushed is its
   type as a script writes it, without the count. */
static mm_field push_type(lua_State *L, int name) {
  mm_field field = 0;
  if (lm_push_part(L, 1, LM_NAMES)) {
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) != LUA_TNUMBER)
      luaL_error(L, "there is no field '%s' in the layout", lua_tostring(L, name));
    field = (mm_field)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  switch (mm_field_kind(field)) {
    case MM_CHARACTERS: lua_pushfstring(L, "char[%I]", (LUAI_UACINT)mm_field_count(field)); break;
    case MM_BYTES: lua_pushfstring(L, "bytes[%I]", (LUAI_UACINT)mm_field_count(field)); break;
    case MM_RECORD:
    case MM_RECORDS: lua_pushliteral(L, "struct"); break;
    default: lua_pushstring(L, lm_type_name(mm_field_type(field))); break;
  }
  lua_remove(L, -2);
  return field;
}

static bool is_array(mm_field field) {
  return mm_field_kind(field) == MM_NUMBERS || mm_field_kind(field) == MM_RECORDS;
}

static void set_integer(lua_State *L, const char *key, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

/* [-0, +1, e] A table about the field whose name is on top, which is taken away: [-1]. */
static void push_description(lua_State *L) {
  int name = lua_gettop(L);
  mm_field field = push_type(L, name);
  size_t size = mm_element_size(mm_field_type(field));
  lua_createtable(L, 0, 6);
  lua_insert(L, -2);
  lua_setfield(L, -2, "type");
  lua_pushvalue(L, name);
  lua_setfield(L, -2, "name");
  set_integer(L, "offset", mm_field_offset(field));
  if (is_array(field)) set_integer(L, "count", mm_field_count(field));
  if (mm_field_kind(field) == MM_CHARACTERS || mm_field_kind(field) == MM_BYTES) size = mm_field_count(field);
  if (mm_field_kind(field) >= MM_RECORD && lm_push_part(L, 1, LM_INNER)) {
    size = lm_push_inner(L, lua_gettop(L), name)->size;
    lua_remove(L, -2);
    lua_setfield(L, -2, "layout");
  }
  set_integer(L, "size", is_array(field) ? size * mm_field_count(field) : size);
  lua_replace(L, name);
}

static int l_fields(lua_State *L) {
  lm_check_layout(L, 1);
  lua_settop(L, 1);
  luaL_argcheck(L, lm_push_part(L, 1, LM_FIELDS), 1, "the layout is damaged");
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    luaL_argcheck(L, lua_rawgeti(L, 2, i) == LUA_TSTRING, 1, "the layout is damaged");
    push_description(L);
    lua_rawseti(L, 3, i);
  }
  return 1;
}

static int l_offset(lua_State *L) {
  lm_check_layout(L, 1);
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, "string");
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)mm_field_offset(push_type(L, 2)));
  return 1;
}

static int l_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)lm_check_layout(L, 1)->size);
  return 1;
}

/* "mmap.struct: 44 bytes { id u32le, name char[16] @4, pos f64le[3] @20 }" */
static int l_tostring(lua_State *L) {
  lm_layout *layout = lm_check_layout(L, 1);
  lua_settop(L, 1);
  lua_Integer count = lm_push_part(L, 1, LM_FIELDS) ? (lua_Integer)lua_rawlen(L, 2) : 0;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  lua_pushfstring(L, LM_STRUCT ": %I bytes {", (LUAI_UACINT)layout->size);
  luaL_addvalue(&text);
  for (lua_Integer i = 1; i <= count; i++) {
    luaL_argcheck(L, lua_rawgeti(L, 2, i) == LUA_TSTRING, 1, "the layout is damaged");
    int name = lua_gettop(L);
    mm_field field = push_type(L, name);
    lua_pushfstring(L, "%s %s @%I %s", i > 1 ? "," : "", lua_tostring(L, name), (LUAI_UACINT)mm_field_offset(field),
                    lua_tostring(L, -1));
    if (is_array(field)) lua_pushfstring(L, "[%I]", (LUAI_UACINT)mm_field_count(field));
    else lua_pushliteral(L, "");
    lua_concat(L, 2);
    lua_replace(L, name);
    lua_settop(L, name);
    luaL_addvalue(&text);
  }
  luaL_addstring(&text, " }");
  luaL_pushresult(&text);
  return 1;
}

static int l_index(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

const luaL_Reg lm_record_functions[] = {{"struct", f_struct}, {NULL, NULL}};

void lm_open_layout(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__len", l_len}, {"__tostring", l_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"fields", l_fields}, {"offset", l_offset}, {"totable", lm_layout_totable}, {NULL, NULL}};
  static const luaL_Reg *const capabilities[] = {methods};
  lm_open_class(L, LM_STRUCT, metamethods, l_index, capabilities, sizeof capabilities / sizeof *capabilities);
  lua_pop(L, 1);
}
