/* Tables: the class, and its verbs, which make new plans. */
#include "table.h"

const char lm_table_kind;

lm_table *lm_new_table(lua_State *L) {
  lm_table *table = lm_new_kind(L, sizeof *table, 1, &lm_table_kind);
  lm_set_metatable(L, LM_TABLE);
  return table;
}

lm_table *lm_check_table(lua_State *L, int argument) {
  lm_table *table = lm_table_at(L, argument);
  if (!table) luaL_typeerror(L, argument, LM_TABLE);
  if (!table->object) luaL_error(L, "attempt to use a closed table");
  return table;
}

int64_t lm_next_kept(void) {
  static int64_t last;
  return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* [-0, +0, –] Whether the object at an index is on a mapping that is lost or closed. */
static bool is_gone(lua_State *L, int index) {
  const mm_region *region = lm_region_at(L, index);
  return region && (mm_is_closed(region) || mm_is_lost(region));
}

/* [-0, +(0|1), e] Pushes an object of the Lua table at an absolute index, or of one in it, whose mapping is gone. */
static bool push_gone(lua_State *L, int table, int depth) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  for (lua_pushnil(L); lm_next(L, table); lua_settop(L, top + 1)) {
    if (!is_gone(L, top + 2) && !(depth > 0 && lua_istable(L, top + 2) && push_gone(L, top + 2, depth - 1))) continue;
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
  }
  lua_settop(L, top);
  return false;
}

int lm_raise_table(lua_State *L, const lm_outcome *outcome, int code, int keep) {
  bool is_about_mapping = code == LM_FAILED && (outcome->kind == LM_LOST || outcome->kind == LM_CLOSED);
  if (is_about_mapping && !outcome->has_path && lua_istable(L, keep)) push_gone(L, keep, 1);
  return lm_push_or_raise(L, outcome, code);
}

/* [-0, +0, e] Copies the pairs of the Lua table at an absolute index to the one on top. */
static void copy_kept(lua_State *L, int from) {
  if (lua_type(L, from) != LUA_TTABLE) return;
  int to = lua_gettop(L);
  for (lua_pushnil(L); lm_next(L, from); lua_settop(L, to + 1)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lm_rawset(L, to);
  }
}

/* [-0, +1, e] Pushes the Lua table of what the table at argument 1 keeps. With more, a new one: with what the table at
   `other` keeps (0 for none), and the function at `function` (0 for none), whose number there is stored. */
static void push_kept(lua_State *L, int other, int function, int64_t *number) {
  lm_user_value(L, 1, 1);
  int first = lua_gettop(L);
  if (other > 0) lm_user_value(L, other, 1);
  if (function > 0 || (other > 0 && !lua_rawequal(L, first, first + 1))) {
    lua_createtable(L, 0, 4);
    int made = lua_gettop(L);
    copy_kept(L, first);
    if (other > 0) copy_kept(L, first + 1);
    if (function > 0) {
      *number = lm_next_kept();
      lua_pushvalue(L, function);
      lm_rawseti(L, made, *number);
    }
    lua_replace(L, first);
  }
  lua_settop(L, first);
}

typedef int verb(lua_State *L, lm_outcome *outcome, int count, int target, int64_t function);

/* [-?, +1, e] Makes a plan from that of the table at 1. `other` is the index of a second one, `function` that of a
   function; 0 for none. */
static int make(lua_State *L, verb *body, int other, int function) {
  int count = lua_gettop(L);
  int64_t number = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  push_kept(L, other, function, &number);
  lm_new_table(L);
  lua_pushvalue(L, count + 1);
  lm_set_user_value(L, count + 2, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, body(L, &outcome, count, count + 2, number));
  if (code < 0) return lm_raise_table(L, &outcome, code, count + 1);
  lua_settop(L, count + 2);
  return 1;
}

void lm_check_list(lua_State *L, int index, int argument, const char *option) {
  if (lua_type(L, index) != LUA_TTABLE) return;
  luaL_checkstack(L, 8, NULL);
  int top = lua_gettop(L), list = lua_absindex(L, index);
  lua_Integer count = (lua_Integer)lua_rawlen(L, list);
  for (lua_pushnil(L); lm_next(L, list); lua_settop(L, top + 1)) {
    lua_Integer number = lua_isinteger(L, top + 1) ? lua_tointegerx(L, top + 1, NULL) : 0;
    if (number >= 1 && number <= count) continue;
    luaL_tolstring(L, top + 1, NULL);
    const char *key = lm_show(L, -1);
    luaL_argerror(L, argument,
                  option ? lua_pushfstring(L, "option '%s': list expected, but it has the key '%s'", option, key)
                         : lua_pushfstring(L, "list expected, but it has the key '%s'", key));
  }
  lua_settop(L, top);
}

/* [-0, +0, e] Checks the arguments that are lists. */
static void check_lists(lua_State *L) {
  int top = lua_gettop(L);
  for (int i = 2; i <= top; i++) lm_check_list(L, i, i, NULL);
}

/* [-0, +0, e] Checks the table at 1, and that as many arguments follow as there are types, which end with NULL. */
static void check(lua_State *L, const char *const *types) {
  lm_check_table(L, 1);
  for (int i = 2; *types; i++, types++)
    if (lua_gettop(L) < i) luaL_typeerror(L, i, *types);
}

#define VERB(name, most, ...)                                                                                          \
  int lm_custom_table_##name(lua_State *L) {                                                                           \
    static const char *const types[] = {__VA_ARGS__, NULL};                                                            \
    check(L, types);                                                                                                   \
    lua_settop(L, most);                                                                                               \
    check_lists(L);                                                                                                    \
    return make(L, lm_table_##name, 0, 0);                                                                             \
  }
VERB(rename, 3, "string", "string")
VERB(fill, 3, "string", "string, number or boolean")
VERB(sort, 3, "string or table")
VERB(top, 3, "number", "string")
VERB(bottom, 3, "number", "string")
VERB(head, 2, "number")
VERB(piece, 3, "number", "number")
VERB(select, lua_gettop(L), "string or table")

/* [-0, +0, e] Checks the keys of the aggregates that are given in parts: { "sum", "x", as = "s" }. */
static void check_parts(lua_State *L) {
  if (lua_type(L, 3) != LUA_TTABLE) return;
  lua_Integer count = (lua_Integer)lua_rawlen(L, 3);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_settop(L, 4);
    if (lm_rawgeti(L, 3, i) != LUA_TTABLE) continue;
    for (lua_pushnil(L); lm_next(L, 5); lua_settop(L, 6)) {
      if (lua_isinteger(L, 6) || lua_rawequal(L, 6, 4)) continue;
      luaL_argerror(L, 3, lm_push_unknown(L, 6, "field %s of an aggregate is not known", "as"));
    }
  }
  lua_settop(L, 4);
}

/* t:group(keys, aggregates); the key `as` of aggregates follows. */
int lm_custom_table_group(lua_State *L) {
  static const char *const types[] = {"string or table", "string or table", NULL};
  check(L, types);
  lua_settop(L, 3);
  check_lists(L);
  lua_pushliteral(L, "as");
  check_parts(L);
  return make(L, lm_table_group, 0, 0);
}

int lm_custom_table_distinct(lua_State *L) {
  lm_check_table(L, 1);
  check_lists(L);
  return make(L, lm_table_distinct, 0, 0);
}

/* t:where(column, op, value), t:where(f, columns…) */
int lm_custom_table_where(lua_State *L) {
  static const char *const types[] = {"string or function", NULL};
  check(L, types);
  if (lua_type(L, 2) == LUA_TFUNCTION) return make(L, lm_table_where, 0, 2);
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, *types);
  if (lua_gettop(L) < 3) return luaL_typeerror(L, 3, "string");
  lm_check_count(L, 4, LM_TABLE);
  check_lists(L);
  /* After a regex, its pattern and its flags follow. */
  if (lm_regex_at(L, 4)) {
    lua_getiuservalue(L, 4, 1);
    lua_getiuservalue(L, 4, 2);
  }
  return make(L, lm_table_where, 0, 0);
}

/* t:with(name, f, columns…) */
int lm_custom_table_with(lua_State *L) {
  static const char *const types[] = {"string", "function", NULL};
  check(L, types);
  if (lua_type(L, 2) != LUA_TSTRING) return luaL_typeerror(L, 2, types[0]);
  if (lua_type(L, 3) != LUA_TFUNCTION) return luaL_typeerror(L, 3, types[1]);
  return make(L, lm_table_with, 0, 3);
}

/* [-0, +0, e] Replaces the table at 3, as in { "a", left = "right" }, by a list of names, two for each pair. */
static void flatten_pairs(lua_State *L) {
  int list = lua_gettop(L) + 1;
  lua_createtable(L, 4, 0);
  lua_Integer count = 0;
  for (lua_pushnil(L); lm_next(L, 3); lua_settop(L, list + 1)) {
    bool is_item = lua_isinteger(L, list + 1);
    if ((!is_item && lua_type(L, list + 1) != LUA_TSTRING) || lua_type(L, list + 2) != LUA_TSTRING)
      luaL_argerror(L, 3, "names of columns expected: \"a\", { \"a\", \"b\" } or { left = \"right\" }");
    lua_pushvalue(L, is_item ? list + 2 : list + 1);
    lm_rawseti(L, list, ++count);
    lua_pushvalue(L, list + 2);
    lm_rawseti(L, list, ++count);
  }
  lua_settop(L, list);
  lua_replace(L, 3);
}

/* t:join(other, on [, kind]) */
int lm_custom_table_join(lua_State *L) {
  static const char *const types[] = {LM_TABLE, "string or table", NULL};
  check(L, types);
  lm_check_table(L, 2);
  lua_settop(L, 4);
  if (lua_type(L, 3) == LUA_TTABLE) flatten_pairs(L);
  else if (lua_type(L, 3) != LUA_TSTRING) return luaL_typeerror(L, 3, types[1]);
  return make(L, lm_table_join, 2, 0);
}

int lm_custom_table_append(lua_State *L) {
  static const char *const types[] = {LM_TABLE, NULL};
  check(L, types);
  lm_check_table(L, 2);
  lua_settop(L, 2);
  return make(L, lm_table_append, 2, 0);
}

int lm_custom_table_close(lua_State *L) {
  lm_table *table = lm_table_at(L, 1);
  if (!table) return luaL_typeerror(L, 1, LM_TABLE);
  lm_table_release(table);
  return 0;
}
