/* Iterators over lines and fields. Each is a C closure, and its upvalue 1 is the state. Upvalue 2 of a lines iterator
   is the text to find in each line, or nil. */
#include <ctype.h>
#include <string.h>

#include "trampoline.h"

static const char lines_kind, fields_kind;

/* The state is on the stack too, which keeps it alive: a finalizer can replace the upvalue (debug.setupvalue). */
enum { STATE = 1 };

/* [-?, +0, e] */
static int fail(lua_State *L, const lm_outcome *outcome, int code) {
  lua_settop(L, STATE);
  lua_getiuservalue(L, STATE, 1);
  lua_replace(L, 1);
  return lm_push_or_raise(L, outcome, code);
}

/* [-?, +1, e] Pushes the state of the running iterator as the only value on the stack; raises if debug.setupvalue has
   replaced it. */
static inline void *push_state(lua_State *L, size_t size, const char *kind) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  void *state = lm_kind_at(L, STATE, size, kind);
  if (mm_unlikely(!state)) luaL_error(L, "the state does not belong to this iterator");
  return state;
}

/* [-?, +1, e] Pushes nil, which ends the loop; raises if the file now ends before the end of the walk. */
static int finish(lua_State *L, const mm_region *region, size_t end) {
  lm_outcome outcome;
  int code = 0;
  lua_settop(L, STATE);
  lua_getiuservalue(L, STATE, 1);
  lm_push_path(L, -1);
  if (lua_type(L, -1) == LUA_TSTRING) code = LM_RUN(L, lm_text_end(L, &outcome, region, end, lua_tostring(L, -1)));
  if (mm_unlikely(code < 0)) return fail(L, &outcome, code);
  lua_pushnil(L);
  return 1;
}

static int lines_next(lua_State *L) {
  lm_lines *lines = push_state(L, sizeof *lines, &lines_kind);
  for (;;) {
    lm_outcome outcome;
    mm_line line;
    int found = mm_unlikely(lines->reverse) ? lm_lines_find_last(L, &outcome, &lines->walk, &line)
                                            : lm_lines_find(L, &outcome, &lines->walk, &line);
    if (mm_unlikely(found < 0)) return fail(L, &outcome, found);
    if (mm_unlikely(found == 0)) return finish(L, &lines->walk.region, lines->walk.reach);
    if (lines->keep) line.length = line.next - line.start;
    size_t count;
    const char *text = lm_string_at(L, lua_upvalueindex(2), &count);
    int64_t place = LM_NOWHERE;
    if (text && mm_unlikely((place = lm_lines_place(L, &outcome, &lines->walk, &line, text, count)) < LM_NOWHERE))
      return fail(L, &outcome, LM_FAILED);
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
    if (lines->reverse) lines->walk.end = line.start;
    else lines->walk.position = line.next;
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
      {"reverse", LM_BOOLEAN, offsetof(lm_lines, reverse), 0},
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
  luaL_argcheck(L, !lines->reverse || !lm_overlaps_itself(&lines->walk.separator), 2,
                "option 'reverse': the separator overlaps itself, so lines from the end would differ");
  lm_outcome outcome;
  int code = lm_lines_start(L, &outcome, lines);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lines->self = lines;
  lm_keep_mapping(L, 1);
  push_sought(L);
  lua_pushcclosure(L, lines_next, 2);
  return 1;
}

/* [-0, +0, –] After LM_MISSES misses: the column bypasses the cache if more than half of its strings were misses. */
static void judge(lm_usage *usage, size_t rows, size_t column) {
  size_t tries = (rows - usage->since) * (column / LM_USAGES + 1);
  if (tries >= 2 * LM_MISSES) usage->last = 0;
  else if (usage->last == 0) usage->bypass = usage->last = LM_BYPASS;
  else usage->bypass = usage->last = usage->last < LM_LONGEST_BYPASS ? usage->last * 2 : LM_LONGEST_BYPASS;
  usage->misses = 0;
  usage->since = rows;
}

/* [-0, +1, e] Pushes the string of a field: the one in the cache if it has the same bytes. A hash has two places in the
   cache; the newer string is in the first. */
static void push_string(lua_State *L, lm_fields *fields, const mm_text_field *field, const mm_region *source) {
  const uint8_t *bytes = source->base + field->start;
  lm_usage *usage = &fields->usage[field->column % LM_USAGES];
  if (field->length > LM_LONGEST_KEPT) {
    lm_push_bytes(L, source, bytes, field->length);
    return;
  }
  if (usage->bypass > 0) {
    if (--usage->bypass == 0) usage->since = fields->walk.given;
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
  if (mm_unlikely(++usage->misses == LM_MISSES)) judge(usage, fields->walk.given, field->column);
  lua_pop(L, 1);
  lua_setiuservalue(L, STATE, first + 1);
  if (mm_unlikely(!lm_push_bytes(L, source, bytes, field->length))) return;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, STATE, first);
}

/* [-0, +1, m] Pushes a field without its escapes. For more than LUAL_BUFFERSIZE bytes lauxlib allocates a userdata.
   That may run a finalizer which moves or closes the mapping, so the region is checked before the copy. */
static void push_unescaped(lua_State *L, const mm_rows *walk, const mm_text_field *field, const mm_region *source) {
  luaL_Buffer text;
  char *copy = luaL_buffinitsize(L, &text, field->length);
  if (mm_unlikely(!mm_was_intact(source))) return;
  memcpy(copy, source->base + field->start, field->length);
  luaL_pushresultsize(&text, lm_undouble((uint8_t *)copy, field->length, walk->quote, walk->escape));
}

/* [-1, +1, m] Replaces the byte `point` in the string on top by a decimal point; false, with the string unchanged, if
   it has a decimal point already. */
static bool set_point(lua_State *L, uint8_t point) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  if (memchr(text, '.', length)) return false;
  luaL_Buffer changed;
  char *copy = luaL_buffinitsize(L, &changed, length);
  for (size_t i = 0; i < length; i++) copy[i] = (uint8_t)text[i] == point ? '.' : text[i];
  luaL_pushresultsize(&changed, length);
  lua_replace(L, -2);
  return true;
}

/* [-1, +1, m] Converts the string on top to a number; false, with the string unchanged, if it is not a numeral. */
static bool to_number(lua_State *L, uint8_t type, uint8_t point) {
  size_t length;
  lua_pushvalue(L, -1);
  if (point != '.' && !set_point(L, point)) {
    lua_pop(L, 1);
    return false;
  }
  const char *text = lua_tolstring(L, -1, &length);
  int kind = type & MM_TEXT_TYPE;
  uint64_t value;
  if (kind == MM_TEXT_U64 && lm_u64(text, length, &value)) {
    lua_pop(L, 2);
    lua_pushinteger(L, (lua_Integer)value);
    return true;
  }
  /* The stack is now: text, copy, number. lua_stringtonumber stops at the first zero byte. */
  size_t size = lua_stringtonumber(L, text);
  if (size == 0) {
    lua_pop(L, 1);
    return false;
  }
  bool good = size == length + 1;
  if (good && kind != MM_TEXT_NUMBER) {
    int is_integer;
    lua_Integer integer = lua_tointegerx(L, -1, &is_integer);
    /* lm_u64 has rejected the text, so for a u64 only a float with an integer value is left: "1e3". */
    good = is_integer && (kind != MM_TEXT_U64 || (integer >= 0 && !lua_isinteger(L, -1)));
    if (good) {
      lua_pushinteger(L, integer);
      lua_replace(L, -2);
    }
  }
  if (!good) {
    lua_pop(L, 2);
    return false;
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
  return true;
}

/* [-0, +0, –] Whether the text on top means nil. */
static bool is_null(lua_State *L, const lm_fields *fields, const mm_text_field *field) {
  if (field->quoted && (field->type & MM_TEXT_TYPE) == MM_TEXT_STRING) return false;
  if (!fields->has_nulls) return lua_rawlen(L, -1) == 0;
  bool found = false;
  if (lua_getiuservalue(L, STATE, LM_NULLS) == LUA_TTABLE) {
    lua_pushvalue(L, -2);
    found = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

/* [-0, +1, e] Pushes a field as text. */
static void push_text(lua_State *L, lm_fields *fields, const mm_text_field *field, const mm_region *source) {
  if (field->kind == MM_FIELD_DOUBLED) push_unescaped(L, &fields->walk, field, source);
  else if (field->kind == MM_FIELD_STRING) push_string(L, fields, field, source);
  else lm_push_bytes(L, source, source->base + field->start, field->length);
}

/* [-0, +1, e] Pushes a field; false, with its text pushed, if it should be a number and is not. If the source is not
   intact afterward, what was pushed is undefined. */
static bool push_slowly(lua_State *L, lm_fields *fields, const mm_text_field *field, const mm_region *source) {
  push_text(L, fields, field, source);
  if (mm_unlikely(!mm_was_intact(source))) return true;
  if (field->type & MM_TEXT_OPTIONAL && is_null(L, fields, field)) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return true;
  }
  if (field->kind != MM_FIELD_NUMERAL || to_number(L, field->type, fields->walk.point)) return true;
  if (!fields->bad_is_nil) return false;
  lua_pop(L, 1);
  lua_pushnil(L);
  return true;
}

/* [-0, +1, e] As push_slowly. */
static inline bool push_field(lua_State *L, lm_fields *fields, const mm_text_field *field, const mm_region *source) {
  switch (field->kind) {
    case MM_FIELD_INTEGER: lua_pushinteger(L, field->value); return true;
    case MM_FIELD_FLOAT: {
      double value;
      memcpy(&value, &field->value, sizeof value);
      lua_pushnumber(L, value);
      return true;
    }
    case MM_FIELD_STRING:
      if (mm_unlikely(field->type & MM_TEXT_OPTIONAL)) return push_slowly(L, fields, field, source);
      push_string(L, fields, field, source);
      return true;
    case MM_FIELD_ABSENT: lua_pushnil(L); return true;
    default: return push_slowly(L, fields, field, source);
  }
}

/* [-0, +1, e] Pushes "row 1, line 3, offset 40": rows and offsets count from 0, lines from 1. NULL, with `outcome` filled
   in, if counting the lines failed. */
static const char *push_row(lua_State *L, lm_outcome *outcome, lm_fields *fields, const mm_row *row) {
  int64_t line = lm_row_line(L, outcome, &fields->walk, row->start);
  if (line < 0) return NULL;
  return lua_pushfstring(L, "row %I, line %I, offset %I", (LUAI_UACINT)fields->walk.given, (LUAI_UACINT)line,
                         (LUAI_UACINT)row->start);
}

/* [-?, +0, e] Raises the error of a row. The walk can continue after the row. */
static int bad_row(lua_State *L, lm_fields *fields, const mm_row *row, int code) {
  lm_outcome outcome;
  LUAI_UACINT column = (LUAI_UACINT)(row->column + 1);
  const char *where = push_row(L, &outcome, fields, row);
  if (!where) return fail(L, &outcome, LM_FAILED);
  mm_finish_row(&fields->walk, row);
  switch (code) {
    case LM_UNCLOSED_QUOTE: return luaL_error(L, "%s, field %I: the quote is not closed", where, column);
    case LM_STRAY_BYTE:
      return luaL_error(L, "%s, field %I: the closing quote is not at the field's end", where, column);
    case LM_BARE_QUOTE:
      return luaL_error(L, "%s, field %I: a quote inside a field without quotes (use lazyquotes = true to accept it)",
                        where, column);
    default: return luaL_error(L, "%s: there is no field %I", where, column);
  }
}

/* [-0, +0, e] Moves the walk to the end of a row. */
static void pass_row(lua_State *L, lm_fields *fields, mm_row *row) {
  lm_outcome outcome;
  mm_text_field rest;
  int count = 0;
  while (!row->complete && count >= 0) count = lm_row_scan(L, &outcome, &fields->walk, row, &rest, 1);
  if (count != LM_FAILED) mm_finish_row(&fields->walk, row);
}

/* [-?, +0, e] Raises: the text on top is not a number of the field's type. */
static int bad_number(lua_State *L, lm_fields *fields, mm_row *row, const mm_text_field *field) {
  static const char *const kinds[] = {
      [MM_TEXT_NUMBER] = "a number", [MM_TEXT_INTEGER] = "an integer", [MM_TEXT_U64] = "a u64"};
  lm_outcome outcome;
  const char *where = push_row(L, &outcome, fields, row);
  if (!where) return fail(L, &outcome, LM_FAILED);
  pass_row(L, fields, row);
  const char *text = lua_tostring(L, -2);
  if (strlen(text) > 40) text = lua_pushfstring(L, "%s...", (lua_pushlstring(L, text, 40), lua_tostring(L, -1)));
  return luaL_error(L, "%s, field %I: '%s' is not %s", where, (LUAI_UACINT)field->column, text,
                    kinds[field->type & MM_TEXT_TYPE]);
}

/* [-?, +0, e] Raises: the first result of a row is nil, which would end the loop. */
static int bad_first(lua_State *L, lm_fields *fields, const mm_row *row) {
  lm_outcome outcome;
  const char *where = push_row(L, &outcome, fields, row);
  if (!where) return fail(L, &outcome, LM_FAILED);
  mm_finish_row(&fields->walk, row);
  return luaL_error(L, "%s: the first result would be nil, which ends the loop (use position = true)", where);
}

/* [-0, +3, e] Pushes the offset of a row, 0, and its line number; false, with `outcome` filled in, if counting the lines
   failed. */
static bool push_position(lua_State *L, lm_outcome *outcome, lm_fields *fields, const mm_row *row) {
  int64_t line = lm_row_line(L, outcome, &fields->walk, row->start);
  if (line < 0) return false;
  lua_pushinteger(L, (lua_Integer)row->start);
  lua_pushinteger(L, 0); /* for the length, which end_row sets */
  lua_pushinteger(L, line);
  return true;
}

/* Completes a row after all its fields were pushed: the number of results. */
static inline int end_row(lua_State *L, lm_fields *fields, const mm_row *row) {
  if (fields->position) {
    lua_pushinteger(L, (lua_Integer)(row->finish - row->start));
    lua_replace(L, STATE + 2);
  } else if (mm_unlikely(fields->bad_is_nil) && lua_isnil(L, STATE + 1)) {
    return bad_first(L, fields, row);
  }
  mm_finish_row(&fields->walk, row);
  return lua_gettop(L) - STATE;
}

enum { FIELDS_SIZE = sizeof(lm_fields) + MM_MOST_TYPES };

static int fields_next(lua_State *L) {
  enum { ROOM = 16 };
  lm_fields *fields = push_state(L, FIELDS_SIZE, &fields_kind);
  lm_outcome outcome;
  mm_row row;
  mm_text_field found[ROOM];
again:
  if (!mm_begin_row(&fields->walk, &row)) return finish(L, &fields->walk.region, fields->walk.end);
  do {
    bool is_first = row.column == 0;
    int count = lm_row_scan(L, &outcome, &fields->walk, &row, found, ROOM);
    if (mm_unlikely(count < 0)) {
      if (count == LM_FAILED) return fail(L, &outcome, count);
      if (count != LM_ROW_END) return bad_row(L, fields, &row, count);
      fields->walk.position = fields->walk.end;
      return finish(L, &fields->walk.region, fields->walk.end);
    }
    mm_region source = fields->walk.region;
    if (mm_unlikely(count > 8)) luaL_checkstack(L, count + LUA_MINSTACK, "too many fields");
    if (fields->position && is_first && !push_position(L, &outcome, fields, &row)) return fail(L, &outcome, LM_FAILED);
    for (int i = 0; i < count; i++) {
      bool good = push_field(L, fields, &found[i], &source);
      if (mm_unlikely(!mm_was_intact(&source))) {
        /* A finalizer closed, moved, or resized the buffer. It may do so each time, so this loop must be
           interruptible. */
        lua_settop(L, STATE);
        lm_pause(L);
        goto again;
      }
      if (mm_unlikely(!good)) return bad_number(L, fields, &row, &found[i]);
    }
  } while (mm_unlikely(!row.complete));
  return end_row(L, fields, &row);
}

/* [-0, +0, e] Reads the list of types at argument 3. */
static void read_types(lua_State *L, lm_fields *fields) {
  static const char *const names[] = {"string", "number", "integer", "u64", "skip"};
  enum { NAMES = sizeof names / sizeof *names };
  if (lua_isnoneornil(L, 3)) return;
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, 3);
  luaL_argcheck(L, count >= 1 && count <= MM_MOST_TYPES, 3, "1 to 4096 types expected");
  bool results = fields->position;
  for (lua_Unsigned i = 0; i < count; i++) {
    size_t length;
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    const char *name = lm_string_at(L, -1, &length);
    int type = 0;
    bool optional = name && length > 0 && name[length - 1] == '?';
    if (optional) length--;
    while (name && type < NAMES && (strlen(names[type]) != length || memcmp(names[type], name, length) != 0)) type++;
    if (!name || type == NAMES || (optional && type == MM_TEXT_SKIP))
      luaL_argerror(L, 3,
                    lua_pushfstring(L, "type %I: 'string', 'number', 'integer', 'u64' or 'skip' expected, got %s",
                                    (LUAI_UACINT)i + 1, luaL_tolstring(L, -1, NULL)));
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

/* [-0, +0, e] Reads an option whose value is one byte; false if it is absent. */
static bool read_byte(lua_State *L, int argument, const char *name, uint8_t *byte) {
  if (!lua_istable(L, argument)) return false;
  lua_pushstring(L, name);
  if (lua_rawget(L, argument) == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  size_t length;
  const char *text = lm_string_at(L, -1, &length);
  if (!text || length != 1)
    luaL_argerror(L, argument,
                  text ? lua_pushfstring(L, "option '%s': one byte expected, got %I", name, (LUAI_UACINT)length)
                       : lua_pushfstring(L, "option '%s': string expected, got %s", name, luaL_typename(L, -1)));
  *byte = (uint8_t)*text;
  lua_pop(L, 1);
  return true;
}

/* [-0, +0, e] Whether the separator contains the byte. */
static bool has_byte(const mm_separator *separator, uint8_t byte) {
  return memchr(separator->bytes, byte, separator->count) != NULL;
}

/* [-0, +0, e] Reads the options 'quote' and 'escape'; each of them implies csv = true. */
static void read_quotes(lua_State *L, int argument, bool *quoted, bool has_csv, uint8_t *quote, uint8_t *escape) {
  *quote = '"';
  bool given = read_byte(L, argument, "quote", quote);
  *escape = *quote;
  given = read_byte(L, argument, "escape", escape) || given;
  luaL_argcheck(L, !given || *quoted || !has_csv, argument, "options 'quote' and 'escape' need csv = true");
  *quoted = *quoted || given;
}

/* [-0, +0, e] Reads the option 'decimal'. */
static void read_point(lua_State *L, mm_rows *walk) {
  walk->point = '.';
  if (!read_byte(L, 4, "decimal", &walk->point)) return;
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
  luaL_argcheck(L, !has_byte(separator, walk->quote) && !has_byte(line, walk->quote), 2,
                "with option 'csv', a separator must not contain a quote");
  luaL_argcheck(L, !has_byte(separator, walk->escape) && !has_byte(line, walk->escape), 4,
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
  lm_fields *fields = lua_newuserdatauv(L, FIELDS_SIZE, LM_NULLS);
  memset(fields, 0, sizeof *fields);
  fields->kind = &fields_kind;
  mm_rows *walk = &fields->walk;
  walk->line = newline;
  walk->types = fields->types;
  lm_check_separator(L, 2, 2, "separator", &walk->separator);
  lm_read_options(L, 4, options, fields);
  read_quotes(L, 4, &walk->quoted, fields->has_csv, &walk->quote, &walk->escape);
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
  lua_pushcclosure(L, fields_next, 1);
  return 1;
}

/* [-0, +0, e] Reads the separator, or the table of options, at argument 3. */
static void read_cuts(lua_State *L, lm_cuts *cuts) {
  static const lm_option options[] = {{"csv", LM_BOOLEAN, offsetof(lm_cuts, csv), 0},
                                      {"sep", LM_SEPARATOR, offsetof(lm_cuts, separator), 0},
                                      {"quote", LM_CALLERS, 0, 0},
                                      {"escape", LM_CALLERS, 0, 0},
                                      {NULL, LM_INTEGER, 0, 0}};
  *cuts = (lm_cuts){.separator = newline};
  if (!lua_isnoneornil(L, 3) && !lua_istable(L, 3)) lm_check_separator(L, 3, 3, "separator", &cuts->separator);
  if (!lua_istable(L, 3)) return;
  lm_read_options(L, 3, options, cuts);
  read_quotes(L, 3, &cuts->csv, false, &cuts->quote, &cuts->escape);
  luaL_argcheck(L, !cuts->csv || !(has_byte(&cuts->separator, cuts->quote) || has_byte(&cuts->separator, cuts->escape)),
                3, "with option 'csv', a separator must not contain a quote or an escape");
}

int lm_custom_buffer_split(lua_State *L) {
  enum { MOST = 1000000, LIST = 4 };
  lm_check_buffer(L);
  lm_settop(L, 3, 2, "integer");
  lua_Integer count = lm_check_integer(L, 2, "integer");
  luaL_argcheck(L, count >= 1 && count <= MOST, 2,
                lua_pushfstring(L, "%I pieces are out of range (1 to %d)", (LUAI_UACINT)count, (int)MOST));
  lm_cuts cuts;
  read_cuts(L, &cuts);
  lua_settop(L, 3);
  lua_createtable(L, (int)count, 0);
  int64_t from = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    lm_outcome outcome;
    int64_t end = lm_split_end(L, &outcome, i, count, from, &cuts);
    if (end < 0) return lm_push_or_raise(L, &outcome, (int)end);
    /* The arguments of lm_buffer_slice. */
    lua_pushinteger(L, from);
    lua_replace(L, 2);
    lua_pushinteger(L, end - from);
    lua_replace(L, 3);
    lm_buffer *slice = lm_new_buffer(L);
    lm_keep_mapping(L, 1);
    int code = lm_buffer_slice(L, &outcome, slice);
    if (code < 0) return lm_push_or_raise(L, &outcome, code);
    lua_rawseti(L, LIST, i);
    from = end;
  }
  return 1;
}
