/* mmap.json.decode */
#include <string.h>

#include "json.h"

LM_APART(lm_json);
static const char json_kind;

int lm_json_gc(lua_State *L) {
  lm_json *json = lm_kind_at(L, 1, sizeof *json, &json_kind);
  if (json) lm_json_free(json);
  return 0;
}

/* The slots of decode: after the arguments. */
enum { JSON_SLOT = 4 };

typedef struct {
  uint32_t end;
  bool is_object;
  lua_Integer count;
} open_table;

/* [-0, +1, e] Pushes the number of a node. */
static void push_number(lua_State *L, const lm_json *json, const sj_node *node) {
  char *text = json->text + node->start;
  if (node->kind == SJ_INTEGER && node->count < 19) {
    lua_Integer value = 0;
    for (uint32_t i = text[0] == '-'; i < node->count; i++) value = value * 10 + (text[i] - '0');
    lua_pushinteger(L, text[0] == '-' ? -value : value);
    return;
  }
  /* The byte after the number is not read any more, and strtod(3) would take part of it for the number. */
  text[node->count] = 0;
  if (node->kind == SJ_INTEGER) {
    lua_Unsigned value = 0, limit = (lua_Unsigned)LUA_MAXINTEGER + (text[0] == '-');
    bool fits = true;
    for (uint32_t i = text[0] == '-'; i < node->count && fits; i++) {
      lua_Unsigned digit = (lua_Unsigned)(text[i] - '0');
      fits = value <= (limit - digit) / 10;
      value = value * 10 + digit;
    }
    if (fits) {
      lua_pushinteger(L, (lua_Integer)(text[0] == '-' ? 0 - value : value));
      return;
    }
  }
  char *stop;
  double value = mm_strtod(text, &stop);
  if (isinf(value))
    luaL_error(L, "JSON: the number of %d bytes at offset %I is out of the range of floats", (int)node->count,
               (LUAI_UACINT)(json->place + node->start));
  lua_pushnumber(L, value);
}

/* [-0, +1, e] Pushes the value of a node that has no others in it. */
static void push_scalar(lua_State *L, const lm_json *json, const sj_node *node) {
  switch (node->kind) {
    case SJ_NULL: lua_rawgetp(L, LUA_REGISTRYINDEX, &lm_null_key); break;
    case SJ_FALSE: lua_pushboolean(L, 0); break;
    case SJ_TRUE: lua_pushboolean(L, 1); break;
    case SJ_INTEGER:
    case SJ_FLOAT: push_number(L, json, node); break;
    default: lua_pushlstring(L, json->text + node->start, node->count); break;
  }
}

/* [-0, +1, e] Makes the value of all nodes. */
static void push_value(lua_State *L, const lm_json *json) {
  open_table open[LM_DEEPEST];
  int depth = 0;
  for (size_t i = 0; i < json->count;) {
    lm_pause_often(L);
    if (lm_kind_at(L, JSON_SLOT, sizeof *json, &json_kind) != json) lm_raise_changed(L);
    luaL_checkstack(L, 8, "too many nested values");
    const sj_node node = json->nodes[i++];
    bool is_table = node.kind == SJ_ARRAY || node.kind == SJ_OBJECT;
    if (is_table) {
      lua_createtable(L, 0, 0);
      if (node.kind == SJ_ARRAY) lm_set_json_metatable(L, &lm_array_key);
    } else {
      push_scalar(L, json, &node);
    }
    /* The allocation above may have run finalizers. */
    if (lm_kind_at(L, JSON_SLOT, sizeof *json, &json_kind) != json) lm_raise_changed(L);
    if (is_table && i < node.next) {
      open[depth++] = (open_table){node.next, node.kind == SJ_OBJECT, 0};
    } else {
      /* The value is complete, and maybe the tables that it is in. */
      while (depth > 0) {
        open_table *table = &open[depth - 1];
        int place = table->is_object ? -3 : -2;
        if (!lua_istable(L, place) || (table->is_object && lua_type(L, -2) != LUA_TSTRING)) lm_raise_changed(L);
        if (table->is_object) lua_rawset(L, place);
        else lua_rawseti(L, place, ++table->count);
        if (i < table->end) break;
        depth--;
      }
    }
    if (depth == 0) return;
    if (open[depth - 1].is_object) push_scalar(L, json, &json->nodes[i++]);
  }
}

/* mmap.json.decode(source [, offset [, length]]) */
int lm_custom_json_decode(lua_State *L) {
  lm_settop(L, 3, 1, "string or mmap.buffer");
  lm_json *json = lm_new_kind(L, sizeof *json, 0, &json_kind);
  lm_set_json_metatable(L, &lm_json_meta);
  lm_outcome outcome;
  int code = LM_RUN_COLLECTING(L, &outcome, lm_json_read(L, &outcome, json));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  if (code == 0) return luaL_error(L, "JSON: %s (offset %I)", json->fault, (LUAI_UACINT)json->place);
  lua_Integer end = json->end;
  push_value(L, json);
  if (lm_kind_at(L, JSON_SLOT, sizeof *json, &json_kind) == json) lm_json_free(json);
  lua_pushinteger(L, end);
  return 2;
}
