/* Iterators over lines and fields. Each is a C closure; its upvalue 1 is the state, and of lines the upvalue 2 is
   the text to look for in each, or nil. */
#include <string.h>

#include "trampoline.h"

static const char lines_kind, fields_kind;

/* The state is on the stack too, which keeps it alive: a finalizer can replace the upvalue (debug.setupvalue). */
enum { STATE = 1 };

/* [-?, +0, e] */
static int fail(lua_State *L, const lm_call *call, int code) {
  lua_settop(L, STATE);
  lua_getiuservalue(L, STATE, 1);
  lua_replace(L, 1);
  return lm_finish(L, call, code);
}

/* [-?, +1, e] Pushes the state of the running iterator as the only value on the stack; raises if debug.setupvalue has
   replaced it. */
static inline void *push_state(lua_State *L, size_t size, const char *kind) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  void *state = lm_kind_at(L, STATE, size, kind);
  if (mm_unlikely(!state)) luaL_error(L, "this iterator's state is not its own");
  return state;
}

static int lines_next(lua_State *L) {
  lm_lines *lines = push_state(L, sizeof *lines, &lines_kind);
  for (;;) {
    lm_call call;
    mm_line line;
    int found = lm_lines_find(L, &call, &lines->walk, &line);
    if (mm_unlikely(found < 0)) return fail(L, &call, found);
    if (mm_unlikely(found == 0)) {
      lua_pushnil(L);
      return 1;
    }
    if (lines->keep) line.length = line.next - line.start;
    size_t count;
    const char *text = lm_string_at(L, lua_upvalueindex(2), &count);
    int64_t place = LM_NOWHERE;
    if (text && mm_unlikely((place = lm_lines_place(L, &call, &lines->walk, &line, text, count)) < LM_NOWHERE))
      return fail(L, &call, LM_FAILED);
    mm_region source = lines->walk.region;
    if (lines->ranges) {
      lua_pushinteger(L, (lua_Integer)line.start);
      lua_pushinteger(L, (lua_Integer)line.length);
    } else {
      if (mm_unlikely(!lm_push_bytes(L, &source, source.base + line.start, line.length))) {
        lua_settop(L, STATE); /* the next search reports the error */
        continue;
      }
      lua_pushinteger(L, (lua_Integer)line.start);
    }
    lines->walk.position = line.next;
    if (!text) return 2;
    if (place == LM_NOWHERE) lua_pushnil(L);
    else lua_pushinteger(L, (lua_Integer)place);
    return 3;
  }
}

static const mm_separator newline = {.bytes = {'\n'}, .count = 1};

/* [-0, +1, e] Pushes the option `find` of the table at argument 2, or nil. */
static void push_sought(lua_State *L) {
  lua_pushnil(L);
  if (!lua_istable(L, 2)) return;
  lua_pushliteral(L, "find");
  lua_rawget(L, 2);
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    luaL_argerror(L, 2, lua_pushfstring(L, "option 'find': string expected, got %s", luaL_typename(L, -1)));
  lua_replace(L, -2);
}

int lm_custom_buffer_lines(lua_State *L) {
  static const lm_option options[] = {
      {"offset", LM_INTEGER, offsetof(lm_lines, offset), 0},
      {"length", LM_INTEGER, offsetof(lm_lines, length), offsetof(lm_lines, has_length)},
      {"keep", LM_BOOLEAN, offsetof(lm_lines, keep), 0},
      {"ranges", LM_BOOLEAN, offsetof(lm_lines, ranges), 0},
      {"sep", LM_SEPARATOR, offsetof(lm_lines, walk.separator), 0},
      {"find", LM_CALLERS, 0, 0},
      {NULL, LM_INTEGER, 0, 0}};
  lm_check_buffer(L);
  lua_settop(L, 2);
  lm_lines *lines = lua_newuserdatauv(L, sizeof *lines, 1);
  memset(lines, 0, sizeof *lines);
  lines->kind = &lines_kind;
  lines->walk.separator = newline;
  lm_read_options(L, 2, options, lines);
  lm_call call;
  int code = lm_lines_start(L, &call, lines);
  if (code < 0) return lm_finish(L, &call, code);
  lines->self = lines;
  lm_keep_mapping(L, 1);
  push_sought(L);
  lua_pushcclosure(L, lines_next, 2);
  return 1;
}

/* [-0, +1, e] The string of a field, the one that is kept if it has the same bytes. A string is kept
   in one of two places, and the newer in the first. */
static void push_string(lua_State *L, const mm_text_field *field, const mm_region *source) {
  const uint8_t *bytes = source->base + field->start;
  if (field->length > LM_LONGEST_KEPT) {
    lm_push_bytes(L, source, bytes, field->length);
    return;
  }
  int first = LM_FIRST_KEPT + (int)(field->hash >> 20 & (LM_KEPT - 2));
  size_t length;
  const char *kept;
  if (lua_getiuservalue(L, STATE, first) == LUA_TSTRING && (kept = lua_tolstring(L, -1, &length)) &&
      length == field->length && memcmp(kept, bytes, length) == 0)
    return;
  if (lua_getiuservalue(L, STATE, first + 1) == LUA_TSTRING && (kept = lua_tolstring(L, -1, &length)) &&
      length == field->length && memcmp(kept, bytes, length) == 0) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_setiuservalue(L, STATE, first + 1);
  if (mm_unlikely(!lm_push_bytes(L, source, bytes, field->length))) return;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, STATE, first);
}

/* [-0, +1, m] Memory for more than LUAL_BUFFERSIZE bytes is a userdata: a finalizer may have run, and the bytes are
   not where they were. */
static void push_undoubled(lua_State *L, const mm_text_field *field, const mm_region *source) {
  luaL_Buffer text;
  char *copy = luaL_buffinitsize(L, &text, field->length);
  if (mm_unlikely(!mm_was_intact(source))) return;
  memcpy(copy, source->base + field->start, field->length);
  luaL_pushresultsize(&text, lm_undouble((uint8_t *)copy, field->length));
}

/* [-1, +1, –] The string on top becomes the number that it says; false: it says none. */
static bool to_number(lua_State *L, uint8_t type) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  size_t size = lua_stringtonumber(L, text);
  if (size == 0) return false;
  if (size != length + 1) { /* a number ends at the first zero byte */
    lua_pop(L, 1);
    return false;
  }
  if ((type & MM_TEXT_TYPE) == MM_TEXT_INTEGER) {
    int is_integer;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer) {
      lua_pop(L, 1);
      return false;
    }
    lua_pushinteger(L, value);
    lua_replace(L, -2);
  }
  lua_replace(L, -2);
  return true;
}

/* [-0, +1, e] False: the field is no number, and on top is its text. Where the source is not intact afterwards,
   nothing that was pushed counts. */
static inline bool push_field(lua_State *L, const mm_text_field *field, const mm_region *source) {
  switch (field->kind) {
    case MM_FIELD_INTEGER: lua_pushinteger(L, field->value); return true;
    case MM_FIELD_FLOAT: {
      double value;
      memcpy(&value, &field->value, sizeof value);
      lua_pushnumber(L, value);
      return true;
    }
    case MM_FIELD_STRING: push_string(L, field, source); return true;
    case MM_FIELD_DOUBLED: push_undoubled(L, field, source); return true;
    case MM_FIELD_NUMERAL:
      if (!lm_push_bytes(L, source, source->base + field->start, field->length)) return true;
      if (to_number(L, field->type)) return true;
      if (!(field->type & MM_TEXT_OPTIONAL)) return false;
      lua_pop(L, 1);
      lua_pushnil(L);
      return true;
    default: lua_pushnil(L); return true;
  }
}

/* [-?, +0, e] What is wrong with a row; the walk goes on behind it. */
static int bad_row(lua_State *L, lm_fields *fields, const mm_row *row, int code) {
  LUAI_UACINT number = (LUAI_UACINT)(fields->walk.given + row->skipped + 1);
  LUAI_UACINT column = (LUAI_UACINT)(row->column + 1);
  mm_finish_row(&fields->walk, row);
  switch (code) {
    case LM_UNCLOSED_QUOTE: return luaL_error(L, "row %I, field %I: the quote is not closed", number, column);
    case LM_STRAY_BYTE:
      return luaL_error(L, "row %I, field %I: the closing quote is not at the field's end", number, column);
    default: return luaL_error(L, "row %I has no field %I", number, column);
  }
}

/* [-?, +0, e] The text on top is not the number that a field should be. */
static int bad_number(lua_State *L, lm_fields *fields, mm_row *row, size_t column, uint8_t type) {
  LUAI_UACINT number = (LUAI_UACINT)(fields->walk.given + row->skipped + 1);
  const char *kind = (type & MM_TEXT_TYPE) == MM_TEXT_INTEGER ? "an integer" : "a number";
  lm_call call;
  mm_text_field rest;
  while (!row->complete && lm_row_scan(L, &call, &fields->walk, row, &rest, 1) >= 0) continue;
  if (row->complete) mm_finish_row(&fields->walk, row);
  const char *text = lua_tostring(L, -1);
  return luaL_error(
      L, "row %I, field %I: '%s' is not %s", number, (LUAI_UACINT)column,
      strlen(text) <= 40 ? text : lua_pushfstring(L, "%s...", (lua_pushlstring(L, text, 40), lua_tostring(L, -1))),
      kind);
}

static int fields_next(lua_State *L) {
  enum { ROOM = 16 };
  lm_fields *fields = push_state(L, sizeof *fields, &fields_kind);
  lm_call call;
  mm_row row;
  mm_text_field found[ROOM];
again:
  if (!mm_begin_row(&fields->walk, &row)) {
    lua_pushnil(L);
    return 1;
  }
  do {
    int count = lm_row_scan(L, &call, &fields->walk, &row, found, ROOM);
    if (mm_unlikely(count < 0)) {
      if (count == LM_ROW_END) {
        lua_settop(L, STATE);
        fields->walk.position = fields->walk.end;
        lua_pushnil(L);
        return 1;
      }
      return count == LM_FAILED ? fail(L, &call, count) : bad_row(L, fields, &row, count);
    }
    mm_region source = fields->walk.region;
    if (mm_unlikely(count > 8)) luaL_checkstack(L, count + LUA_MINSTACK, "too many fields");
    for (int i = 0; i < count; i++) {
      bool good = push_field(L, &found[i], &source);
      if (mm_unlikely(!mm_was_intact(&source))) {
        /* A finalizer closed, moved, or resized the buffer. It may do so each time, so this loop must be
           interruptible. */
        lua_settop(L, STATE);
        lm_pause(L);
        goto again;
      }
      if (mm_unlikely(!good)) return bad_number(L, fields, &row, found[i].column, found[i].type);
    }
  } while (mm_unlikely(!row.complete));
  mm_finish_row(&fields->walk, &row);
  return lua_gettop(L) - STATE;
}

/* [-0, +0, e] The list of types at argument 3. */
static void read_types(lua_State *L, mm_rows *walk) {
  static const char *const names[] = {"string", "number", "integer", "skip"};
  if (lua_isnoneornil(L, 3)) return;
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, 3);
  luaL_argcheck(L, count >= 1 && count <= MM_MOST_TYPES, 3, "1 to 250 types expected");
  bool results = false;
  for (lua_Unsigned i = 0; i < count; i++) {
    size_t length;
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    const char *name = lm_string_at(L, -1, &length);
    int type = 0;
    bool optional = name && length > 0 && name[length - 1] == '?';
    if (optional) length--;
    while (name && type < 4 && (strlen(names[type]) != length || memcmp(names[type], name, length) != 0)) type++;
    if (!name || type == 4 || (optional && type == MM_TEXT_SKIP))
      luaL_argerror(L, 3,
                    lua_pushfstring(L, "type %I: 'string', 'number', 'integer' or 'skip' expected, got %s",
                                    (LUAI_UACINT)i + 1, luaL_tolstring(L, -1, NULL)));
    if (optional && !results)
      luaL_argerror(L, 3,
                    lua_pushfstring(L,
                                    "type %I: the first result ends the loop where it is nil, so it "
                                    "cannot be optional",
                                    (LUAI_UACINT)i + 1));
    results = results || type != MM_TEXT_SKIP;
    walk->types[i] = (uint8_t)(type | (optional ? MM_TEXT_OPTIONAL : 0));
    lua_pop(L, 1);
  }
  luaL_argcheck(L, results, 3, "every field is skipped");
  walk->count = (uint8_t)count;
}

static bool begins_with(const mm_separator *separator, uint8_t byte) { return separator->bytes[0] == byte; }

int lm_custom_buffer_fields(lua_State *L) {
  static const lm_option options[] = {
      {"offset", LM_INTEGER, offsetof(lm_fields, offset), 0},
      {"length", LM_INTEGER, offsetof(lm_fields, length), offsetof(lm_fields, has_length)},
      {"csv", LM_BOOLEAN, offsetof(lm_fields, walk.quoted), 0},
      {"header", LM_BOOLEAN, offsetof(lm_fields, walk.header), 0},
      {"skipblank", LM_BOOLEAN, offsetof(lm_fields, walk.skips_blank), 0},
      {"sep", LM_SEPARATOR, offsetof(lm_fields, walk.line), offsetof(lm_fields, has_line)},
      {NULL, LM_INTEGER, 0, 0}};
  lm_check_buffer(L);
  lm_take(L, 4, 2, "separator: string");
  lm_fields *fields = lua_newuserdatauv(L, sizeof *fields, LM_FIRST_KEPT - 1 + LM_KEPT);
  memset(fields, 0, sizeof *fields);
  fields->kind = &fields_kind;
  mm_rows *walk = &fields->walk;
  walk->line = newline;
  lm_check_separator(L, 2, 2, "separator", &walk->separator);
  read_types(L, walk);
  lm_read_options(L, 4, options, fields);
  walk->takes_return = !fields->has_line;
  luaL_argcheck(L, memcmp(&walk->separator, &walk->line, sizeof walk->line) != 0, 2,
                "the fields' separator is the lines' too");
  luaL_argcheck(L,
                walk->separator.count >= walk->line.count ||
                    memcmp(walk->separator.bytes, walk->line.bytes, walk->separator.count) != 0,
                4, "option 'sep' begins with the fields' separator: a field would end where a row does");
  luaL_argcheck(L, !walk->quoted || !(begins_with(&walk->separator, '"') || begins_with(&walk->line, '"')), 2,
                "with option 'csv' no separator begins with a quote");
  lm_call call;
  int code = lm_fields_start(L, &call, fields);
  if (code < 0) return lm_finish(L, &call, code);
  fields->self = fields;
  lm_keep_mapping(L, 1);
  lua_pushcclosure(L, fields_next, 1);
  return 1;
}

int lm_custom_buffer_split(lua_State *L) {
  enum { MOST = 1000000, LIST = 4 };
  lm_check_buffer(L);
  lm_take(L, 3, 2, "integer");
  lua_Integer count = lm_check_integer(L, 2, "integer");
  luaL_argcheck(L, count >= 1 && count <= MOST, 2,
                lua_pushfstring(L, "%I pieces are out of range (1 to %d)", (LUAI_UACINT)count, (int)MOST));
  mm_separator separator = newline;
  if (!lua_isnil(L, 3)) lm_check_separator(L, 3, 3, "separator", &separator);
  lua_settop(L, 3);
  lua_createtable(L, (int)count, 0);
  int64_t from = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    lm_call call;
    int64_t end = lm_split_end(L, &call, i, count, from, &separator);
    if (end < 0) return lm_finish(L, &call, (int)end);
    /* The arguments of lm_buffer_slice. */
    lua_pushinteger(L, from);
    lua_replace(L, 2);
    lua_pushinteger(L, end - from);
    lua_replace(L, 3);
    lm_buffer *slice = lm_new_buffer(L);
    lm_keep_mapping(L, 1);
    int code = lm_buffer_slice(L, &call, slice);
    if (code < 0) return lm_finish(L, &call, code);
    lua_rawseti(L, LIST, i);
    from = end;
  }
  return 1;
}
