/* mmap.table: where the rows come from, and the options. */
#include "table.h"

/* [-0, +0, e] Raises about an option. */
static int bad_option(lua_State *L, const char *name, const char *expected, int index) {
  return luaL_argerror(L, 2,
                       lua_pushfstring(L, "option '%s': %s expected, got %s", name, expected, luaL_typename(L, index)));
}

/* [-0, +1, e] Pushes an option of the table at 2, or nil. Its type must be `type`, or `other`. */
static int push_option(lua_State *L, const char *name, int type, int other, const char *expected) {
  if (lua_type(L, 2) != LUA_TTABLE) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  lua_pushstring(L, name);
  int found = lm_rawget(L, 2);
  if (found != LUA_TNIL && found != type && found != other) bad_option(L, name, expected, -1);
  return found;
}

/* [-0, +1, e] Pushes a list of strings, copied: the script may change its own meanwhile. */
static void push_strings(lua_State *L, const char *name, bool may_be_string) {
  int option = lua_gettop(L) + 1;
  int type = push_option(L, name, LUA_TTABLE, may_be_string ? LUA_TSTRING : LUA_TTABLE, "table");
  if (type == LUA_TNIL) return;
  lm_check_list(L, option, 2, name);
  lua_createtable(L, 4, 0);
  if (type == LUA_TSTRING) {
    lua_pushvalue(L, option);
    lm_rawseti(L, option + 1, 1);
  }
  lua_Integer count = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, option) : 0;
  for (lua_Integer i = 1; i <= count; i++) {
    if (lm_rawgeti(L, option, i) != LUA_TSTRING)
      luaL_argerror(L, 2,
                    lua_pushfstring(L, "option '%s': element %I: string expected, got %s", name, (LUAI_UACINT)i,
                                    luaL_typename(L, -1)));
    lm_rawseti(L, option + 1, i);
  }
  lua_replace(L, option);
}

/* [-0, +1, e] Pushes an option that is one byte, as a string, or nil. */
static void push_byte(lua_State *L, const char *name) {
  if (push_option(L, name, LUA_TSTRING, LUA_TSTRING, "string") == LUA_TSTRING && lua_rawlen(L, -1) != 1)
    luaL_argerror(L, 2,
                  lua_pushfstring(L, "option '%s': one byte expected, got %I", name, (LUAI_UACINT)lua_rawlen(L, -1)));
}

/* [-0, +2, e] Pushes the pattern and its flags. */
static void push_pattern(lua_State *L, lm_table_options *options) {
  int type = push_option(L, "pattern", LUA_TSTRING, LUA_TUSERDATA, "string or mmap.regex");
  if (type == LUA_TUSERDATA) {
    int regex = lua_gettop(L);
    const lm_regex *object = lm_regex_at(L, regex);
    if (!object) return (void)bad_option(L, "pattern", "string or mmap.regex", regex);
    options->steps = object->pattern.has_steps ? object->pattern.steps : 0;
    lua_getiuservalue(L, regex, 2);
    lm_user_value(L, regex, 1);
    lua_replace(L, regex);
  } else {
    lua_pushnil(L);
  }
}

/* [-0, +0, e] The word of an option: its position among the choices, or -1 if it is absent. */
static int read_word(lua_State *L, const char *name, const char *problem, const char *choices) {
  int index = lua_gettop(L) + 1;
  int found = -1;
  if (push_option(L, name, LUA_TSTRING, LUA_TSTRING, "string") == LUA_TSTRING) {
    found = lm_find_word(lua_tostring(L, index), lua_rawlen(L, index), choices);
    if (found < 0) luaL_argerror(L, 2, lm_push_unknown(L, index, problem, choices));
  }
  lua_settop(L, index - 1);
  return found;
}

/* [-0, +0, e] */
static void read_options(lua_State *L, lm_table_options *options) {
  static const lm_option known[] = {
      {"header", LM_BOOLEAN, offsetof(lm_table_options, header), offsetof(lm_table_options, has_header)},
      {"csv", LM_BOOLEAN, offsetof(lm_table_options, csv), offsetof(lm_table_options, has_csv)},
      {"merge", LM_BOOLEAN, offsetof(lm_table_options, merge), 0},
      {"lazyquotes", LM_BOOLEAN, offsetof(lm_table_options, lazyquotes), 0},
      {"skipblank", LM_BOOLEAN, offsetof(lm_table_options, skipblank), 0},
      {"sep", LM_SEPARATOR, offsetof(lm_table_options, separator), offsetof(lm_table_options, has_separator)},
      {"comment", LM_SEPARATOR, offsetof(lm_table_options, comment), offsetof(lm_table_options, has_comment)},
      {"offset", LM_INTEGER, offsetof(lm_table_options, offset), offsetof(lm_table_options, has_offset)},
      {"length", LM_INTEGER, offsetof(lm_table_options, length), offsetof(lm_table_options, has_length)},
      {"format", LM_CALLERS, 0, 0},
      {"columns", LM_CALLERS, 0, 0},
      {"pattern", LM_CALLERS, 0, 0},
      {"null", LM_CALLERS, 0, 0},
      {"bad", LM_CALLERS, 0, 0},
      {"quote", LM_CALLERS, 0, 0},
      {"escape", LM_CALLERS, 0, 0},
      {"decimal", LM_CALLERS, 0, 0},
      {NULL, LM_INTEGER, 0, 0}};
  lm_read_options(L, 2, known, options);
  options->format = read_word(L, "format", "option 'format': %s is not one of", "csv tsv jsonl lines");
  options->bad = read_word(L, "bad", "option 'bad': %s is not one of", "nil skip") + 1;
}

/* [-0, +1, e] Pushes the parts of records: a list of names and fields, each an integer. */
static void push_fields(lua_State *L) {
  int top = lua_gettop(L), layout = top + 1, order = top + 2, fields = top + 3, list = top + 4;
  lm_user_value(L, LM_TABLE_SOURCE, 3);
  if (!lm_layout_at(L, layout)) luaL_argerror(L, 1, "its layout is damaged");
  if (!lm_push_part(L, layout, LM_FIELDS) || !lm_push_part(L, layout, LM_NAMES))
    luaL_argerror(L, 1, "its layout is damaged");
  lua_createtable(L, 8, 0);
  lua_Integer count = 0;
  for (lua_Integer i = 1; lm_rawgeti(L, order, i) == LUA_TSTRING; i++) {
    lua_pushvalue(L, -1);
    if (lm_rawget(L, fields) != LUA_TNUMBER) luaL_argerror(L, 1, "its layout is damaged");
    lm_rawseti(L, list, count + 2);
    lm_rawseti(L, list, count + 1);
    count += 2;
  }
  lua_settop(L, list);
  lua_replace(L, layout);
  lua_settop(L, layout);
}

/* [-0, +1, e] Pushes the parts of a table of views: a list of names and views. */
static void push_views(lua_State *L) {
  int list = lua_gettop(L) + 1;
  lua_createtable(L, 8, 0);
  lua_Integer count = 0;
  for (lua_pushnil(L); lm_next(L, LM_TABLE_SOURCE); lua_settop(L, list + 1)) {
    if (lua_type(L, list + 1) != LUA_TSTRING || !lm_view_at(L, list + 2))
      luaL_argerror(L, 1, "a list of paths, or a table of views by name, expected");
    lua_pushvalue(L, list + 1);
    lm_rawseti(L, list, ++count);
    lua_pushvalue(L, list + 2);
    lm_rawseti(L, list, ++count);
  }
  luaL_argcheck(L, count > 0, 1, "the table is empty: no paths, no views");
  lua_settop(L, list);
}

/* [-0, +1, e] Pushes the list of paths at 1, copied. */
static void push_paths(lua_State *L) {
  int list = lua_gettop(L) + 1;
  lua_Integer count = (lua_Integer)lua_rawlen(L, LM_TABLE_SOURCE);
  lua_createtable(L, count < 1024 ? (int)count : 1024, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t length = 0;
    const char *path = lm_rawgeti(L, LM_TABLE_SOURCE, i) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    if (!path)
      luaL_argerror(L, 1,
                    lua_pushfstring(L, "element %I: path expected, got %s", (LUAI_UACINT)i, luaL_typename(L, -1)));
    if (strlen(path) != length)
      luaL_argerror(L, 1, lua_pushfstring(L, "element %I: the path contains a zero byte", (LUAI_UACINT)i));
    lm_rawseti(L, list, i);
  }
}

/* [-0, +1, e] Pushes the parts of the source, or nil. */
static void push_parts(lua_State *L) {
  static const char expected[] = "path, list of paths, mmap.buffer, mmap.records or table of views";
  if (lua_type(L, LM_TABLE_SOURCE) == LUA_TSTRING) {
    lm_check_c_string(L, LM_TABLE_SOURCE, "path", expected);
    lua_pushnil(L);
  } else if (lm_buffer_at(L, LM_TABLE_SOURCE)) {
    lm_push_path(L, LM_TABLE_SOURCE);
  } else if (lm_records_at(L, LM_TABLE_SOURCE)) {
    push_fields(L);
  } else if (lua_type(L, LM_TABLE_SOURCE) != LUA_TTABLE) {
    luaL_typeerror(L, LM_TABLE_SOURCE, expected);
  } else if (lua_rawlen(L, LM_TABLE_SOURCE) > 0) {
    lm_check_list(L, LM_TABLE_SOURCE, LM_TABLE_SOURCE, NULL);
    push_paths(L);
  } else {
    push_views(L);
  }
}

/* [-0, +1, m] Pushes the Lua table of what the plan keeps. */
static void push_source(lua_State *L) {
  lua_createtable(L, 0, 1);
  if (lua_type(L, LM_TABLE_SOURCE) == LUA_TSTRING) return;
  /* Of a table of views, the list of its parts: the script may change its own table. */
  lua_pushvalue(L, lua_type(L, LM_TABLE_SOURCE) == LUA_TTABLE ? LM_TABLE_PARTS : LM_TABLE_SOURCE);
  lm_rawseti(L, LM_TABLE_KEEP, lm_next_kept());
}

int lm_custom_mmap_table(lua_State *L) {
  lm_settop(L, 2, 1, "path, list of paths, mmap.buffer, mmap.records or table of views");
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  lm_table_options options = {0};
  read_options(L, &options);
  push_strings(L, "columns", false);
  push_strings(L, "null", true);
  push_pattern(L, &options);
  push_byte(L, "quote");
  push_byte(L, "escape");
  push_byte(L, "decimal");
  push_parts(L);
  push_source(L);
  lm_new_table(L);
  lua_pushvalue(L, LM_TABLE_KEEP);
  lm_set_user_value(L, LM_TABLE_TARGET, 1);
  lm_outcome outcome;
  int code = LM_RUN_COLLECTING(L, &outcome, lm_table_open(L, &outcome, &options));
  if (code < 0) return lm_raise_table(L, &outcome, code, LM_TABLE_KEEP);
  lua_settop(L, LM_TABLE_TARGET);
  return 1;
}
