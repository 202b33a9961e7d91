/* The iterator of b:fields. */
#include "fields.h"

#include <string.h>

const char lm_fields_kind;

/* [-0, +0, –] After LM_MISSES misses: the column bypasses the cache if more than half of its strings were misses. */
static void judge(lm_usage *usage, size_t rows, size_t column) {
  size_t tries = (rows - usage->since) * (column / LM_USAGES + 1);
  if (tries >= 2 * LM_MISSES) usage->last = 0;
  else if (usage->last == 0) usage->bypass = usage->last = LM_BYPASS;
  else usage->bypass = usage->last = usage->last < LM_LONGEST_BYPASS ? usage->last * 2 : LM_LONGEST_BYPASS;
  usage->misses = 0;
  usage->since = rows;
}

/* A hash of a string's length, its first and its last bytes. */
static uint32_t hash(const mm_rows *walk, const uint8_t *bytes, const mm_text_field *field) {
  size_t length = field->length;
  uint64_t first = 0, last = 0;
  if (length >= 8) {
    first = mm_load_word(bytes);
    last = mm_load_word(bytes + length - 8);
  } else if (field->start + 8 <= walk->end) {
    first = mm_load_word(bytes) & ((UINT64_C(1) << length * 8) - 1);
  } else {
    for (size_t i = 0; i < length; i++) first = first << 8 | bytes[i];
  }
  uint64_t mixed = first ^ last * UINT64_C(0x9E3779B97F4A7C15) ^ length;
  return (uint32_t)(mixed * UINT64_C(0xD6E8FEB86659FD93) >> 32);
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
  int first = LM_FIRST_KEPT + (int)(hash(&fields->walk, bytes, field) >> 20 & (LM_KEPT - 2));
  size_t length;
  const char *kept;
  if (lua_getiuservalue(L, LM_STATE, first) == LUA_TSTRING && (kept = lua_tolstring(L, -1, &length)) &&
      length == field->length && memcmp(kept, bytes, length) == 0)
    return;
  if (lua_getiuservalue(L, LM_STATE, first + 1) == LUA_TSTRING && (kept = lua_tolstring(L, -1, &length)) &&
      length == field->length && memcmp(kept, bytes, length) == 0) {
    lua_remove(L, -2);
    return;
  }
  if (mm_unlikely(++usage->misses == LM_MISSES)) judge(usage, fields->walk.given, field->column);
  lua_pop(L, 1);
  lua_setiuservalue(L, LM_STATE, first + 1);
  if (mm_unlikely(!lm_push_bytes(L, source, bytes, field->length))) return;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, LM_STATE, first);
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
  if (good && kind != MM_TEXT_NUMBER && (kind == MM_TEXT_U64 || !lua_isinteger(L, -1))) {
    /* From the text, as a float may be rounded. */
    good = lm_whole(text, length, kind == MM_TEXT_U64, &value);
    if (good) {
      lua_pushinteger(L, (lua_Integer)value);
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
  if (lua_getiuservalue(L, LM_STATE, LM_NULLS) == LUA_TTABLE) {
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
  if (!where) return lm_fail_step(L, &outcome, LM_FAILED);
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
  if (!where) return lm_fail_step(L, &outcome, LM_FAILED);
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
  if (!where) return lm_fail_step(L, &outcome, LM_FAILED);
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
    lua_replace(L, LM_STATE + 2);
  } else if (mm_unlikely(fields->bad_is_nil) && lua_isnil(L, LM_STATE + 1)) {
    return bad_first(L, fields, row);
  }
  mm_finish_row(&fields->walk, row);
  return lua_gettop(L) - LM_STATE;
}

int lm_fields_next(lua_State *L) {
  enum { ROOM = 16 };
  lm_fields *fields = lm_push_state(L, LM_FIELDS_SIZE, &lm_fields_kind);
  lm_outcome outcome;
  mm_row row;
  mm_text_field found[ROOM];
again:
  if (!mm_begin_row(&fields->walk, &row)) return lm_end_steps(L, &fields->walk.region, fields->walk.end);
  do {
    bool is_first = row.column == 0;
    int count = lm_row_scan(L, &outcome, &fields->walk, &row, found, ROOM);
    if (mm_unlikely(count < 0)) {
      if (count == LM_FAILED) return lm_fail_step(L, &outcome, count);
      if (count != LM_ROW_END) return bad_row(L, fields, &row, count);
      fields->walk.position = fields->walk.end;
      return lm_end_steps(L, &fields->walk.region, fields->walk.end);
    }
    mm_region source = fields->walk.region;
    if (mm_unlikely(count > 8)) luaL_checkstack(L, count + LUA_MINSTACK, "too many fields");
    if (fields->position && is_first && !push_position(L, &outcome, fields, &row))
      return lm_fail_step(L, &outcome, LM_FAILED);
    for (int i = 0; i < count; i++) {
      bool good = push_field(L, fields, &found[i], &source);
      if (mm_unlikely(!mm_was_intact(&source))) {
        /* A finalizer closed, moved, or resized the buffer. It may do so each time, so this loop must be
           interruptible. */
        lua_settop(L, LM_STATE);
        lm_pause(L);
        goto again;
      }
      if (mm_unlikely(!good)) return bad_number(L, fields, &row, &found[i]);
    }
  } while (mm_unlikely(!row.complete));
  return end_row(L, fields, &row);
}
