/* mmap.json.encode */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mm_budget.h"
#include "mm_text.h"

static const char writer_kind;

/* The text that is made. */
typedef struct {
  const void *self;
  const void *kind;
  char *bytes;
  size_t count, capacity;
} writer;
LM_APART(writer);

int lm_writer_gc(lua_State *L) {
  writer *w = lm_kind_at(L, 1, sizeof *w, &writer_kind);
  if (!w) return 0;
  free(w->bytes);
  mm_budget_give(w->capacity);
  w->bytes = NULL;
  w->count = w->capacity = 0;
  return 0;
}

/* The slots of encode. */
enum { VALUE_SLOT = 1, WRITER_SLOT = 2 };

/* [-0, +0, e] Room for more bytes. */
static char *reserve(lua_State *L, writer *w, size_t more) {
  if (mm_likely(more <= w->capacity - w->count)) return w->bytes + w->count;
  size_t wanted = w->count + more > 2 * w->capacity ? w->count + more : 2 * w->capacity;
  if (wanted < 256) wanted = 256;
  if (!mm_budget_take(wanted - w->capacity)) luaL_error(L, "not enough memory");
  char *moved = realloc(w->bytes, wanted);
  if (!moved) {
    mm_budget_give(wanted - w->capacity);
    luaL_error(L, "not enough memory");
  }
  w->bytes = moved;
  w->capacity = wanted;
  return moved + w->count;
}

static void put(lua_State *L, writer *w, const char *text, size_t count) {
  memcpy(reserve(L, w, count), text, count);
  w->count += count;
}

/* [-0, +0, e] Writes the string at an index, which is one. */
static void put_string(lua_State *L, writer *w, int index) {
  static const char digits[] = "0123456789abcdef";
  size_t count;
  const char *text = lua_tolstring(L, index, &count);
  size_t valid = lm_json_valid(text, count);
  if (valid < count)
    luaL_error(L, "JSON: a string of %I bytes is not UTF-8 at byte %I", (LUAI_UACINT)count, (LUAI_UACINT)valid);
  if (count > (SIZE_MAX >> 4)) luaL_error(L, "not enough memory");
  /* Most strings have nothing to escape; room for those that are all control characters is made only then. */
  size_t special = 0;
  for (size_t i = 0; i < count; i++) special += (unsigned char)text[i] < 32 || text[i] == '"' || text[i] == '\\';
  char *to = reserve(L, w, count + 5 * special + 2);
  *to++ = '"';
  for (size_t i = 0; i < count; i++) {
    if (mm_unlikely(i % (1 << 20) == 0 && lm_interrupt)) lm_raise_interrupt(L);
    unsigned char c = (unsigned char)text[i];
    static const char named[] = "btn\0fr"; /* from 8 on; 11 has none */
    if (mm_likely(c >= 32 && c != '"' && c != '\\')) {
      *to++ = (char)c;
      continue;
    }
    *to++ = '\\';
    if (c >= 32) *to++ = (char)c;
    else if (c >= 8 && c < 14 && named[c - 8]) *to++ = named[c - 8];
    else {
      memcpy(to, "u00", 3);
      to[3] = digits[c >> 4];
      to[4] = digits[c & 15];
      to += 5;
    }
  }
  *to++ = '"';
  w->count = (size_t)(to - w->bytes);
}

/* [-0, +0, e] Writes a float with the fewest digits that give it back. */
static void put_float(lua_State *L, writer *w, double value) {
  if (!isfinite(value)) luaL_error(L, "JSON has no %s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
  char text[48];
  /* 15 digits without their zeros at the end are the fewest, where they do; subnormal floats have fewer. */
  int digits = isnormal(value) ? 15 : 1;
  do snprintf(text, sizeof text - 2, "%.*g", digits, value);
  while (strtod(text, NULL) != value && ++digits <= 17);
  bool is_float = false;
  for (char *c = text; *c; c++) {
    if (*c == 'e') is_float = true;
    else if (*c != '-' && *c != '+' && (*c < '0' || *c > '9')) {
      /* The decimal point of the locale. */
      *c = '.';
      is_float = true;
    }
  }
  put(L, w, text, strlen(text));
  if (!is_float) put(L, w, ".0", 2);
}

/* A table that is being written: the table, and for an object the list of its keys, are on the stack. */
typedef struct {
  const void *table;
  bool is_object;
  lua_Integer count, next;
} open_value;

typedef struct {
  const char *text;
  size_t length;
  lua_Integer place;
} key_entry;

static int compare_keys(const void *a, const void *b) {
  const key_entry *x = a, *y = b;
  size_t least = x->length < y->length ? x->length : y->length;
  int order = memcmp(x->text, y->text, least);
  return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* [-0, +0, e] What the table on top is: the number of its values, and whether it is an object. */
static void inspect(lua_State *L, open_value *value) {
  bool is_array = false;
  if (lua_getmetatable(L, -1)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lm_array_key);
    is_array = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  lua_Integer strings = 0, integers = 0, greatest = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lm_pause_often(L);
    if (!lua_istable(L, -3)) lm_raise_changed(L);
    if (lua_type(L, -2) == LUA_TSTRING) strings++;
    else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
      integers++;
      if (lua_tointeger(L, -2) > greatest) greatest = lua_tointeger(L, -2);
    } else {
      luaL_error(L, "JSON: a key is %s; keys are strings, or integers from 1 on",
                 lua_type(L, -2) == LUA_TNUMBER ? lua_pushfstring(L, "the number %s", luaL_tolstring(L, -2, NULL))
                                                : luaL_typename(L, -2));
    }
  }
  if (integers > 0 && strings > 0) luaL_error(L, "JSON: a table has strings and integers as keys");
  if (greatest != integers)
    luaL_error(L, "JSON: an array of %I values has an index %I; use mmap.json.null for missing values",
               (LUAI_UACINT)integers, (LUAI_UACINT)greatest);
  if (is_array && strings > 0) luaL_error(L, "JSON: an array (mmap.json.array) has strings as keys");
  value->is_object = !is_array && integers == 0;
  value->count = value->is_object ? strings : integers;
}

/* [-0, +1, e] Pushes the keys of the object on top, in the order of their bytes. Between the look at the keys and
   their last use nothing is allocated in Lua. */
static void push_keys(lua_State *L, writer *w, const open_value *value) {
  lua_Integer count = value->count;
  if (count > INT32_MAX) luaL_error(L, "JSON: too many keys");
  int object = lua_gettop(L);
  lua_createtable(L, (int)count, 0);
  lua_createtable(L, (int)count, 0);
  if (lm_kind_at(L, WRITER_SLOT, sizeof *w, &writer_kind) != w || !lua_istable(L, object) ||
      !lua_istable(L, object + 1) || !lua_istable(L, object + 2))
    lm_raise_changed(L);
  /* The rest of the writer's memory, aligned. */
  size_t start = (w->count + 7) & ~(size_t)7;
  reserve(L, w, start - w->count + (size_t)count * sizeof(key_entry));
  key_entry *keys = (key_entry *)(void *)(w->bytes + start);
  lua_Integer found = 0;
  for (lua_pushnil(L); found < count && lua_next(L, object); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) lm_raise_changed(L);
    keys[found].text = lua_tolstring(L, -2, &keys[found].length);
    keys[found].place = found + 1;
    lua_pushvalue(L, -2);
    lua_rawseti(L, object + 1, ++found);
  }
  if (found != count) lm_raise_changed(L);
  lua_settop(L, object + 2);
  qsort(keys, (size_t)count, sizeof *keys, compare_keys);
  for (lua_Integer i = 0; i < count; i++) {
    lua_rawgeti(L, object + 1, keys[i].place);
    lua_rawseti(L, object + 2, i + 1);
  }
  lua_remove(L, object + 1);
}

/* [-1, +(0|1|2), e] Writes the value on top, or the beginning of a table, which stays, with its keys. True: a table was
   opened. */
static bool put_value(lua_State *L, writer *w, open_value *open, int depth) {
  char text[32];
  switch (lua_type(L, -1)) {
    case LUA_TNIL: put(L, w, "null", 4); break;
    case LUA_TBOOLEAN: lua_toboolean(L, -1) ? put(L, w, "true", 4) : put(L, w, "false", 5); break;
    case LUA_TSTRING: put_string(L, w, -1); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, -1)) put(L, w, text, (size_t)snprintf(text, sizeof text, "%lld", lua_tointeger(L, -1)));
      else put_float(L, w, lua_tonumber(L, -1));
      break;
    case LUA_TTABLE: {
      if (depth == LM_DEEPEST) luaL_error(L, "JSON: tables are nested more than %d levels deep", LM_DEEPEST);
      open_value *value = &open[depth];
      value->table = lua_topointer(L, -1);
      value->next = 0;
      for (int i = 0; i < depth; i++)
        if (open[i].table == value->table) luaL_error(L, "JSON: a table contains itself");
      luaL_checkstack(L, 12, "too many nested tables");
      inspect(L, value);
      if (value->count == 0) {
        put(L, w, value->is_object ? "{}" : "[]", 2);
        break;
      }
      put(L, w, value->is_object ? "{" : "[", 1);
      if (value->is_object) push_keys(L, w, value);
      return true;
    }
    default: {
      lua_rawgetp(L, LUA_REGISTRYINDEX, &lm_null_key);
      if (!lua_rawequal(L, -1, -2)) luaL_error(L, "JSON: a %s has no JSON", luaL_typename(L, -2));
      lua_pop(L, 1);
      put(L, w, "null", 4);
    }
  }
  lua_pop(L, 1);
  return false;
}

/* [-0, +0, e] Writes the value at VALUE_SLOT. */
static void put_all(lua_State *L, writer *w) {
  open_value open[LM_DEEPEST];
  lua_pushvalue(L, VALUE_SLOT);
  int depth = put_value(L, w, open, 0);
  while (depth > 0) {
    lm_pause_often(L);
    if (lm_kind_at(L, WRITER_SLOT, sizeof *w, &writer_kind) != w) lm_raise_changed(L);
    open_value *value = &open[depth - 1];
    if (value->next == value->count) {
      put(L, w, value->is_object ? "}" : "]", 1);
      lua_pop(L, value->is_object ? 2 : 1);
      depth--;
      continue;
    }
    if (value->next++ > 0) put(L, w, ",", 1);
    if (!lua_istable(L, value->is_object ? -2 : -1)) lm_raise_changed(L);
    if (value->is_object) {
      if (!lua_istable(L, -1) || lua_rawgeti(L, -1, value->next) != LUA_TSTRING) lm_raise_changed(L);
      put_string(L, w, -1);
      put(L, w, ":", 1);
      lua_rawget(L, -3);
    } else {
      lua_rawgeti(L, -1, value->next);
    }
    depth += put_value(L, w, open, depth);
  }
}

/* mmap.json.encode(value) */
int lm_custom_json_encode(lua_State *L) {
  lm_settop(L, 1, 1, "value");
  writer *w = lm_new_kind(L, sizeof *w, 0, &writer_kind);
  lm_set_json_metatable(L, &lm_writer_meta);
  put_all(L, w);
  if (lm_kind_at(L, WRITER_SLOT, sizeof *w, &writer_kind) != w) lm_raise_changed(L);
  /* The string is a copy; a finalizer that runs before it is made can do nothing to a writer that is on the stack. */
  lua_pushlstring(L, w->bytes, w->count);
  if (lm_kind_at(L, WRITER_SLOT, sizeof *w, &writer_kind) == w) {
    lua_pushvalue(L, WRITER_SLOT);
    lua_replace(L, 1);
    lm_writer_gc(L);
  }
  return 1;
}
