/* Layouts: mmap.struct, which computes offsets from a table of fields, and the methods of layouts. */
#include <string.h>

#include "record.h"

enum { DEEPEST = 32, LARGEST_ALIGNMENT = 16 };

const char lm_layout_kind;

lm_layout *lm_check_layout(lua_State *L, int argument) {
  lm_layout *layout = lm_layout_at(L, argument);
  if (!layout) luaL_typeerror(L, argument, LM_STRUCT);
  return layout;
}

/* [-0, +1, m] */
static void push_layout(lua_State *L) {
  static uint64_t last;
  lm_layout *layout = lm_new_kind(L, sizeof *layout, LM_INNER, &lm_layout_kind);
  layout->alignment = 1;
  layout->depth = 1;
  layout->id = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
  lm_set_metatable(L, LM_STRUCT);
}

/* [-?, +0, e] Raises an error about the table of mmap.struct, or about the field whose name is at the index `name` if
   that is not 0. */
static int complain(lua_State *L, int name, const char *problem) {
  if (name) problem = lua_pushfstring(L, "field '%s': %s", lm_shown_at(L, name), problem);
  return luaL_argerror(L, 1, problem);
}

/* [-1, +0, e] Pops an integer; raises unless it is from `least` to MM_LARGEST_RECORD. */
static lua_Integer take_integer(lua_State *L, int name, const char *key, lua_Integer least) {
  int is_integer = 0;
  lua_Integer number = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
  if (!is_integer)
    complain(L, name,
             lua_pushfstring(L, "%s: integer expected, got %s", key,
                             lua_type(L, -1) == LUA_TNUMBER ? "a fraction" : luaL_typename(L, -1)));
  if (number < least || number > MM_LARGEST_RECORD)
    complain(L, name,
             lua_pushfstring(L, "%s %I is out of range (%I to %I)", key, (LUAI_UACINT)number, (LUAI_UACINT)least,
                             (LUAI_UACINT)MM_LARGEST_RECORD));
  lua_pop(L, 1);
  return number;
}

/* [-0, +0, e] The integer with this key in the table at an absolute index; -1 if there is none. */
static lua_Integer read_integer(lua_State *L, int table, int name, const char *key, lua_Integer least) {
  lua_pushstring(L, key);
  if (lm_rawget(L, table) != LUA_TNIL) return take_integer(L, name, key, least);
  lua_pop(L, 1);
  return -1;
}

/* [-0, +0, e] Raises if the table at an absolute index has an unknown key: it may be a misspelled one. */
static void check_keys(lua_State *L, int table, int name, lua_Integer count, const char *const *keys) {
  for (lua_pushnil(L); lm_next(L, table); lua_pop(L, 1)) {
    const char *const *key = keys;
    if (lua_isinteger(L, -2)) {
      lua_Integer i = lua_tointeger(L, -2);
      if (i >= 1 && i <= count) continue;
    } else if (lua_type(L, -2) == LUA_TSTRING) {
      while (*key && (strcmp(*key, lua_tostring(L, -2)) != 0 || strlen(*key) != lua_rawlen(L, -2))) key++;
      if (*key) continue;
    }
    if (!name && lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
      const char *type = lm_show(L, -1);
      lua_pushvalue(L, -2);
      const char *field = lm_show(L, -1);
      complain(L, 0,
               lua_pushfstring(L,
                               "key '%s' is not known; write each field as a list: "
                               "mmap.struct { { \"%s\", \"%s\" } }",
                               field, field, type));
    }
    lua_pushvalue(L, -2);
    complain(L, name, lm_push_unknown(L, -1, "key %s is not known", name ? "offset" : "align size"));
  }
}

/* [-0, +0, e] The option `align`: a boolean, or the greatest alignment of fields, as in #pragma pack. */
static size_t read_alignment(lua_State *L) {
  lua_pushliteral(L, "align");
  int type = lm_rawget(L, 1);
  if (type == LUA_TNIL || type == LUA_TBOOLEAN) {
    bool is_aligned = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_aligned ? LARGEST_ALIGNMENT : 1;
  }
  lua_Integer limit = take_integer(L, 0, "align", 1);
  if (limit > LARGEST_ALIGNMENT || (limit & (limit - 1)) != 0)
    complain(L, 0, "align is not one of true, false, 1, 2, 4, 8 and 16");
  return (size_t)limit;
}

/* The stack indexes of mmap.struct. */
enum { LAYOUT = 2, NAMES, FIELDS, INNER, FIELD, NAME };

/* [-0, +2, e] Reads the i-th field, whose table is on top. */
static void read_field(lua_State *L, mm_ruler *ruler, int32_t *depth, lua_Integer i) {
  static const char *const keys[] = {"offset", NULL};
  if (lua_type(L, FIELD) != LUA_TTABLE)
    complain(L, 0, lua_pushfstring(L, "field %I: table expected, got %s", (LUAI_UACINT)i, luaL_typename(L, FIELD)));
  if (lm_rawgeti(L, FIELD, 1) != LUA_TSTRING || lua_rawlen(L, NAME) == 0)
    complain(L, 0, lua_pushfstring(L, "field %I: its first item is not a name", (LUAI_UACINT)i));
  check_keys(L, FIELD, NAME, 3, keys);
  lua_pushvalue(L, NAME);
  if (lm_rawget(L, NAMES) != LUA_TNIL) complain(L, NAME, "two fields have this name");
  lua_Integer count = lm_rawgeti(L, FIELD, 3) == LUA_TNIL ? 0 : take_integer(L, NAME, "count", 1);
  lua_Integer offset = read_integer(L, FIELD, NAME, "offset", 0);

  int type = lm_rawgeti(L, FIELD, 2);
  const lm_layout *inner = lm_layout_at(L, -1);
  if (!inner && type != LUA_TSTRING) complain(L, NAME, "its second item is not a type or a layout");
  lm_outcome outcome;
  mm_field field;
  int code = lm_layout_place(&outcome, ruler, inner ? NULL : lua_tostring(L, -1), lua_rawlen(L, -1), inner, count,
                             offset, &field);
  if (code < 0)
    complain(L, NAME,
             outcome.kind == LM_WORD ? lm_push_unknown(L, -1, outcome.text, outcome.call)
                                     : lm_push_text(L, &outcome, NULL));
  if (inner) {
    if (inner->depth >= DEEPEST) complain(L, NAME, "layouts are nested too deeply");
    if (inner->depth >= *depth) *depth = inner->depth + 1;
    lua_pushvalue(L, NAME);
    lua_insert(L, -2);
    lm_rawset(L, INNER);
  }
  lua_pushvalue(L, NAME);
  lua_pushinteger(L, (lua_Integer)field);
  lm_rawset(L, NAMES);
  lua_pushvalue(L, NAME);
  lm_rawseti(L, FIELDS, i);
}

/* mmap.struct { {name, type [, count]}, … } */
int lm_custom_mmap_struct(lua_State *L) {
  static const char *const keys[] = {"align", "size", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  check_keys(L, 1, 0, count, keys);
  mm_ruler ruler = {.limit = read_alignment(L), .alignment = 1};
  lua_Integer size = read_integer(L, 1, 0, "size", 1);
  int32_t depth = 1;

  push_layout(L);
  for (int i = 0; i < 3; i++) lua_createtable(L, 0, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_settop(L, INNER);
    lm_rawgeti(L, 1, i);
    read_field(L, &ruler, &depth, i);
  }
  lua_settop(L, INNER);
  lm_new_record_class(L, LAYOUT, NAMES, INNER);
  lm_set_user_value(L, LAYOUT, LM_RECORD_CLASS);
  lm_set_user_value(L, LAYOUT, LM_INNER);
  lm_set_user_value(L, LAYOUT, LM_FIELDS);
  lm_set_user_value(L, LAYOUT, LM_NAMES);

  lm_outcome outcome;
  lm_layout *layout = lm_check_layout(L, LAYOUT);
  int code = lm_layout_finish(&outcome, &ruler, size, layout);
  if (code < 0) complain(L, 0, lm_push_text(L, &outcome, NULL));
  layout->depth = depth;
  return 1;
}

/* [-0, +1, e] The field of the layout at argument 1 whose name is at an absolute index. Pushes its type as a script
   writes it, without the count. */
static mm_field push_type(lua_State *L, int name) {
  mm_field field = 0;
  if (lm_push_part(L, 1, LM_NAMES)) {
    lua_pushvalue(L, name);
    if (lm_rawget(L, -2) != LUA_TNUMBER) luaL_error(L, "there is no field '%s' in the layout", lm_shown_at(L, name));
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

/* [-1, +1, e] Replaces the name of a field on top by a table that describes the field. */
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
    size = lm_push_inner(L, lua_gettop(L), name, INT32_MAX)->size;
    lua_remove(L, -2);
    lua_setfield(L, -2, "layout");
  }
  set_integer(L, "size", is_array(field) ? size * mm_field_count(field) : size);
  lua_replace(L, name);
}

int lm_custom_struct_fields(lua_State *L) {
  lm_check_layout(L, 1);
  lua_settop(L, 1);
  luaL_argcheck(L, lm_push_part(L, 1, LM_FIELDS), 1, "the layout is damaged");
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    luaL_argcheck(L, lm_rawgeti(L, 2, i) == LUA_TSTRING, 1, "the layout is damaged");
    push_description(L);
    lm_rawseti(L, 3, i);
  }
  return 1;
}

int lm_custom_struct_offset(lua_State *L) {
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

/* "mmap.struct: 44 bytes { id @0 u32le, name @4 char[16], pos @20 f64le[3] }" */
static int l_tostring(lua_State *L) {
  enum { MOST_SHOWN = 100 };
  lm_layout *layout = lm_check_layout(L, 1);
  lua_settop(L, 1);
  lua_Integer count = lm_push_part(L, 1, LM_FIELDS) ? (lua_Integer)lua_rawlen(L, 2) : 0;
  lua_pushfstring(L, LM_STRUCT ": %I bytes {", (LUAI_UACINT)layout->size);
  for (lua_Integer i = 1; i <= count && i <= MOST_SHOWN; i++) {
    luaL_argcheck(L, lm_rawgeti(L, 2, i) == LUA_TSTRING, 1, "the layout is damaged");
    mm_field field = push_type(L, 4);
    lua_pushfstring(L, "%s%s %s @%I %s", lua_tostring(L, 3), i > 1 ? "," : "", lm_show(L, 4),
                    (LUAI_UACINT)mm_field_offset(field), lua_tostring(L, 5));
    if (is_array(field)) lua_pushfstring(L, "%s[%I]", lua_tostring(L, -1), (LUAI_UACINT)mm_field_count(field));
    lua_replace(L, 3);
    lua_settop(L, 3);
  }
  if (count <= MOST_SHOWN) lua_pushfstring(L, "%s }", lua_tostring(L, 3));
  else lua_pushfstring(L, "%s, and %I more }", lua_tostring(L, 3), (LUAI_UACINT)(count - MOST_SHOWN));
  return 1;
}

static int l_index(lua_State *L) {
  lua_settop(L, 2);
  lm_rawget(L, lua_upvalueindex(1));
  return 1;
}

void lm_open_layout(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__len", l_len}, {"__tostring", l_tostring}, {NULL, NULL}};
  lm_open_class(L, LM_STRUCT, LM_CLASS_struct, metamethods, l_index);
  lua_pop(L, 1);
}
