/* Tables that machine code has made. */
#include <stdlib.h>

#include "compile.h"
#include "mm_run.h"

#define LM_MADE "mmap.made"
static const char made_kind;

const mc_memory lm_table_memory = {mm_budget_take, mm_budget_give, mm_run_hold, mm_run_release};

void lm_free_made(lm_made *made) {
  for (size_t i = 0; i < made->count; i++)
    if (made->parts[i].first) lm_loaded_compiler()->free_tables(&made->parts[i]);
  free(made->parts);
  made->parts = NULL;
  made->count = 0;
}

static int made_close(lua_State *L) {
  lm_made *made = (lm_made *)lm_kind_at(L, 1, sizeof(lm_made), &made_kind);
  if (!made) return luaL_typeerror(L, 1, LM_MADE);
  lm_free_made(made);
  return 0;
}

lm_made *lm_new_made(lua_State *L, size_t count) {
  lm_made *made = lm_new_userdata(L, sizeof *made, 0);
  *made = (lm_made){.self = made, .kind = &made_kind, .index = lua_gettop(L)};
  lm_set_metatable(L, LM_MADE);
  mc_tables *parts = calloc(count, sizeof *parts);
  if (!parts) luaL_error(L, "not enough memory");
  for (size_t i = 0; i < count; i++) parts[i].memory = &lm_table_memory;
  made->parts = parts;
  made->count = count;
  return made;
}

void lm_open_made(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", made_close}, {"__close", made_close}, {NULL, NULL}};
  luaL_newmetatable(L, LM_MADE);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

/* How many places the list of Lua's table has, by the rule of luaH_resize's callers: up to the last value below the
   greatest 2^n of whose keys more than half have values. The other keys, of which there are `*others`, are in its hash. */
static uint64_t list_size(const mc_table *table, uint64_t *others) {
  uint64_t size = 0, inside = 0, count = 0, last = 0, power = 1;
  for (uint64_t key = 1; key < table->capacity; key++) {
    if (table->tags[key] != MC_NIL) {
      count++;
      last = key;
    }
    if (key != power && key + 1 < table->capacity) continue;
    if (count > power / 2) {
      size = last;
      inside = count;
    }
    if (key == power) power *= 2;
  }
  *others = count - inside + (table->capacity > 0 && table->tags[0] != MC_NIL);
  return size;
}

static void set(lua_State *L, const mc_table *table, uint64_t key) {
  if (table->tags[key] == MC_NIL) return;
  lm_push_any(L, table->tags[key], table->values[key]);
  lua_rawseti(L, -2, (lua_Integer)key);
}

static const char freed[] = "a finalizer freed the tables of a compiled function";

/* [-0, +0, v] */
static void check_part(lua_State *L, const lm_made *made, size_t part) {
  if (lua_touserdata(L, made->index) != made || part >= made->count || !made->parts[part].first) luaL_error(L, freed);
}

/* [-0, +1, m] Only lua_createtable runs finalizers: no pointer is used after it that is not looked up again. */
static void push_table(lua_State *L, const lm_made *made, size_t part, const mc_table *table) {
  uint64_t others, size = list_size(table, &others);
  lua_createtable(L, (int)size, (int)others);
  if (lua_type(L, -1) != LUA_TTABLE) luaL_error(L, freed);
  check_part(L, made, part);
  for (uint64_t key = 1; key < table->capacity; key++) set(L, table, key);
  if (table->capacity > 0) set(L, table, 0);
}

void lm_push_made(lua_State *L, lm_made *made, size_t part, const mc_exit *exit, uint64_t *slots) {
  for (int i = 0; i < exit->count; i++) {
    if (exit->values[i].kind != MC_TABLE) continue;
    check_part(L, made, part);
    uint64_t *slot = &slots[exit->values[i].slot];
    mc_table *table = (mc_table *)(uintptr_t)*slot;
    if (table->place == 0) {
      push_table(L, made, part, table);
      table->place = lua_gettop(L);
    }
    *slot = (uint64_t)table->place;
  }
  if (part < made->count && made->parts[part].first) lm_loaded_compiler()->free_tables(&made->parts[part]);
}
