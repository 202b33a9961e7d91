/* The trampolines of sort and gather of records. */
#include "record.h"

enum { MOST_FIELDS = 64 };

/* [-0, +0, e] The field whose name is at the index `name`, of the layout at the index `layout`; both are absolute. A
   `-` before the name means descending, unless the field's own name begins with it. */
static lm_sort_field read_field(lua_State *L, int layout, int name) {
  if (lua_type(L, name) != LUA_TSTRING) luaL_argerror(L, 2, "the name of a field is a string");
  if (!lm_push_part(L, layout, LM_NAMES)) luaL_argerror(L, 1, "its layout is damaged");
  int names = lua_gettop(L);
  lm_sort_field result = {0, false};
  lua_pushvalue(L, name);
  if (lm_rawget(L, names) != LUA_TNUMBER && lua_tostring(L, name)[0] == '-') {
    size_t length;
    const char *text = lua_tolstring(L, name, &length);
    lua_pushlstring(L, text + 1, length - 1);
    lm_rawget(L, names);
    result.is_descending = true;
  }
  if (lua_type(L, -1) != LUA_TNUMBER) {
    lua_pushvalue(L, name);
    luaL_argerror(L, 2, lua_pushfstring(L, "there is no field '%s' in the layout", lm_show(L, -1)));
  }
  result.field = (mm_field)lua_tointeger(L, -1);
  int kind = mm_field_kind(result.field);
  if (kind != MM_NUMBER && kind != MM_CHARACTERS && kind != MM_BYTES) {
    lua_pushvalue(L, name);
    luaL_argerror(L, 2,
                  lua_pushfstring(L, "field '%s' is neither a number nor a string: records cannot be sorted by it",
                                  lm_show(L, -1)));
  }
  lua_settop(L, names - 1);
  return result;
}

/* r:sort(field [, "desc"]), r:sort { field, … } */
int lm_custom_records_sort(lua_State *L) {
  lm_sort_field fields[MOST_FIELDS];
  size_t count = 1;
  if (!lm_records_at(L, 1)) return luaL_typeerror(L, 1, LM_RECORDS);
  bool is_list = lua_type(L, 2) == LUA_TTABLE;
  if (!is_list && lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, "string or table");
  lua_settop(L, 3);
  enum { LAYOUT = 4, NAME };
  lm_user_value(L, 1, 3);
  if (!lm_layout_at(L, LAYOUT)) return luaL_argerror(L, 1, "its layout is damaged");
  if (is_list) {
    if (!lua_isnil(L, 3)) return luaL_argerror(L, 3, "in a list, put '-' in front of a field for descending order");
    count = (size_t)lua_rawlen(L, 2);
    if (count == 0 || count > MOST_FIELDS)
      return luaL_argerror(L, 2, lua_pushfstring(L, "list of 1 to %d fields expected", MOST_FIELDS));
    for (size_t i = 0; i < count; i++) {
      lm_rawgeti(L, 2, (lua_Integer)i + 1);
      fields[i] = read_field(L, LAYOUT, NAME);
      lua_settop(L, LAYOUT);
    }
  } else {
    fields[0] = read_field(L, LAYOUT, 2);
    if (!lua_isnil(L, 3)) {
      size_t length;
      const char *word = lm_string_at(L, 3, &length);
      if (!word) return luaL_typeerror(L, 3, "string");
      if (length != 4 || memcmp(word, "desc", 4) != 0) return luaL_argerror(L, 3, "the only option is \"desc\"");
      fields[0].is_descending = true;
    }
  }
  lm_outcome outcome;
  int code = LM_RUN_COLLECTING(L, &outcome, lm_records_sort(L, &outcome, fields, count));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_settop(L, 1);
  return 1;
}

/* r:gather(order, source) */
int lm_custom_records_gather(lua_State *L) {
  const lm_records *records = lm_records_at(L, 1), *source = lm_records_at(L, 3);
  if (!records) return luaL_typeerror(L, 1, LM_RECORDS);
  if (!lm_view_at(L, 2)) return luaL_typeerror(L, 2, LM_VIEW);
  if (!source) return luaL_typeerror(L, 3, LM_RECORDS);
  if (source->layout != records->layout) return luaL_argerror(L, 3, "the records have another layout");
  lm_outcome outcome;
  int code = lm_records_gather(L, &outcome);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_settop(L, 1);
  return 1;
}
