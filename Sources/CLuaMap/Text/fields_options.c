/* The trampoline of b:fields: its types and options. */
#include <ctype.h>
#include <string.h>

#include "fields.h"

/* [-0, +0, e] Reads the list of types at argument 3. */
static void read_types(lua_State *L, lm_fields *fields) {
  static const char choices[] = "string number integer u64 skip"; /* in the order of MM_TEXT_STRING and so on */
  if (lua_isnoneornil(L, 3)) return;
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, 3);
  luaL_argcheck(L, count >= 1 && count <= MM_MOST_TYPES, 3, "1 to 4096 types expected");
  bool results = fields->position;
  for (lua_Unsigned i = 0; i < count; i++) {
    size_t length;
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    const char *name = lm_string_at(L, -1, &length);
    bool optional = name && length > 0 && name[length - 1] == '?';
    if (optional) length--;
    int type = name ? lm_find_word(name, length, choices) : -1;
    if (type < 0 || (optional && type == MM_TEXT_SKIP)) {
      lm_push_meant(L, name, name ? length : 0, choices);
      luaL_tolstring(L, -2, NULL);
      luaL_argerror(L, 3,
                    lua_pushfstring(L, "type %I: 'string', 'number', 'integer', 'u64' or 'skip' expected, got %s%s",
                                    (LUAI_UACINT)i + 1, lm_show(L, -1), lua_tostring(L, -2)));
    }
    if (optional && !results)
      luaL_argerror(L, 3,
                    lua_pushfstring(L,
                                    "type %I: the first result ends the loop where it is nil, so it "
                                    "cannot be optional (unless position = true)",
                                    (LUAI_UACINT)i + 1));
    results = results || type != MM_TEXT_SKIP;
    fields->types[i] = (uint8_t)(type | (optional ? MM_TEXT_OPTIONAL : 0));
    lua_pop(L, 1);
  }
  luaL_argcheck(L, results, 3, "every field is skipped");
  fields->walk.count = (uint16_t)count;
}

/* [-0, +0, e] Reads the option 'decimal'. */
static void read_point(lua_State *L, mm_rows *walk) {
  walk->point = '.';
  if (!lm_read_byte(L, 4, "decimal", &walk->point)) return;
  luaL_argcheck(L, !isalnum(walk->point) && !isspace(walk->point) && walk->point != '+' && walk->point != '-', 4,
                "option 'decimal': numbers contain this byte already");
  luaL_argcheck(L, walk->separator.bytes[0] != walk->point && walk->line.bytes[0] != walk->point, 4,
                "option 'decimal': a separator starts with it");
}

/* [-0, +0, e] Reads the option 'bad'. */
static void read_bad(lua_State *L, lm_fields *fields) {
  if (!lua_istable(L, 4)) return;
  lua_pushliteral(L, "bad");
  if (lua_rawget(L, 4) != LUA_TNIL) {
    size_t length;
    const char *text = lm_string_at(L, -1, &length);
    if (!text || strcmp(text, "nil") != 0 || length != 3)
      luaL_argerror(L, 4, lua_pushfstring(L, "option 'bad': 'nil' expected, got %s", luaL_tolstring(L, -1, NULL)));
    fields->bad_is_nil = true;
  }
  lua_pop(L, 1);
}

/* [-0, +1, e] Pushes the strings of the option 'null' as a set, or nil. */
static void push_nulls(lua_State *L, lm_fields *fields) {
  lua_pushnil(L);
  if (!lua_istable(L, 4)) return;
  int set = lua_gettop(L);
  lua_pushliteral(L, "null");
  if (lua_rawget(L, 4) != LUA_TNIL) {
    if (!lua_istable(L, -1))
      luaL_argerror(L, 4, lua_pushfstring(L, "option 'null': table expected, got %s", luaL_typename(L, -1)));
    lua_createtable(L, 0, 4);
    lua_replace(L, set);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
      size_t length;
      lua_rawgeti(L, -1, i);
      const char *text = lm_string_at(L, -1, &length);
      if (!text)
        luaL_argerror(L, 4,
                      lua_pushfstring(L, "option 'null': element %I: string expected, got %s", (LUAI_UACINT)i,
                                      luaL_typename(L, -1)));
      if (length > 0) fields->walk.optional_text = true;
      lua_pushboolean(L, 1);
      lua_rawset(L, set);
    }
    fields->has_nulls = true;
  }
  lua_settop(L, set);
}

/* [-0, +0, e] Raises if the separators and options of b:fields contradict each other. */
static void check_fields(lua_State *L, const lm_fields *fields) {
  const mm_rows *walk = &fields->walk;
  const mm_separator *separator = &walk->separator, *line = &walk->line;
  luaL_argcheck(L, memcmp(separator, line, sizeof *line) != 0, 2, "fields and lines have the same separator");
  luaL_argcheck(L, separator->count >= line->count || memcmp(separator->bytes, line->bytes, separator->count) != 0, 4,
                "option 'sep' starts with the separator of fields: a field would end where a row does");
  if (!walk->quoted) {
    luaL_argcheck(L, !walk->lazy, 4, "option 'lazyquotes' needs csv = true");
    return;
  }
  luaL_argcheck(L, !lm_has_byte(separator, walk->quote) && !lm_has_byte(line, walk->quote), 2,
                "with option 'csv', a separator must not contain a quote");
  luaL_argcheck(L, !lm_has_byte(separator, walk->escape) && !lm_has_byte(line, walk->escape), 4,
                "option 'escape': a separator contains it");
  luaL_argcheck(L, !walk->merges, 4, "options 'merge' and 'csv' exclude each other");
}

int lm_custom_buffer_fields(lua_State *L) {
  static const lm_option options[] = {
      {"offset", LM_INTEGER, offsetof(lm_fields, offset), 0},
      {"length", LM_INTEGER, offsetof(lm_fields, length), offsetof(lm_fields, has_length)},
      {"csv", LM_BOOLEAN, offsetof(lm_fields, walk.quoted), offsetof(lm_fields, has_csv)},
      {"header", LM_BOOLEAN, offsetof(lm_fields, walk.header), 0},
      {"skipblank", LM_BOOLEAN, offsetof(lm_fields, walk.skips_blank), 0},
      {"merge", LM_BOOLEAN, offsetof(lm_fields, walk.merges), 0},
      {"lazyquotes", LM_BOOLEAN, offsetof(lm_fields, walk.lazy), 0},
      {"position", LM_BOOLEAN, offsetof(lm_fields, position), 0},
      {"comment", LM_SEPARATOR, offsetof(lm_fields, walk.comment), 0},
      {"sep", LM_SEPARATOR, offsetof(lm_fields, walk.line), offsetof(lm_fields, has_line)},
      {"quote", LM_CALLERS, 0, 0},
      {"escape", LM_CALLERS, 0, 0},
      {"decimal", LM_CALLERS, 0, 0},
      {"null", LM_CALLERS, 0, 0},
      {"bad", LM_CALLERS, 0, 0},
      {NULL, LM_INTEGER, 0, 0}};
  lm_check_buffer(L);
  lm_settop(L, 4, 2, "separator: string");
  lm_fields *fields = lua_newuserdatauv(L, LM_FIELDS_SIZE, LM_NULLS);
  memset(fields, 0, sizeof *fields);
  fields->kind = &lm_fields_kind;
  mm_rows *walk = &fields->walk;
  walk->line = lm_newline;
  walk->types = fields->types;
  lm_check_separator(L, 2, 2, "separator", &walk->separator);
  lm_read_options(L, 4, options, fields);
  lm_read_quotes(L, 4, &walk->quoted, fields->has_csv, &walk->quote, &walk->escape);
  read_point(L, walk);
  read_bad(L, fields);
  push_nulls(L, fields);
  lua_setiuservalue(L, -2, LM_NULLS);
  read_types(L, fields);
  walk->takes_return = !fields->has_line;
  check_fields(L, fields);
  lm_outcome outcome;
  int code = lm_fields_start(L, &outcome, fields);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  fields->self = fields;
  lm_keep_mapping(L, 1);
  lua_pushcclosure(L, lm_fields_next, 1);
  return 1;
}
