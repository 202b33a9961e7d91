/* The ways out of machine code. */
#include <limits.h>
#include <stdlib.h>

#include "compile.h"

/* [-0, +1, m] uses 2 slots. Pushes a value of an exit. */
static void push_value(lua_State *L, const lm_compiled *compiled, const mc_interface *compiler, const mc_value *value,
                       const uint64_t *slots, const uint16_t *where) {
  size_t length = 0;
  const char *text;
  switch (value->kind) {
    case MC_FALSE: lua_pushboolean(L, 0); break;
    case MC_TRUE: lua_pushboolean(L, 1); break;
    case MC_INTEGER: lua_pushinteger(L, (lua_Integer)slots[value->slot]); break;
    case MC_FLOAT: lua_pushnumber(L, mm_double_of_bits(slots[value->slot])); break;
    case MC_BOOLEAN: lua_pushboolean(L, slots[value->slot] != 0); break;
    case MC_INPUT: lua_pushvalue(L, where[value->number]); break;
    case MC_CONSTANT:
    case MC_METHOD:
      text = compiler->constant(compiled->function, value->constant, &length);
      lua_pushlstring(L, text ? text : "", length);
      if (value->kind == MC_METHOD) { lua_gettable(L, where[value->number]); }
      break;
    default: lua_pushnil(L); break;
  }
}

/* [-0, +1, e] The function that continues at the pc of an exit. */
static void push_continuation(lua_State *L, const lm_compiled *compiled, const mc_interface *compiler,
                              const mc_exit *exit) {
  int table = lua_upvalueindex(LM_UPVALUE_TABLE), function = lua_upvalueindex(LM_UPVALUE_FUNCTION);
  /* Two exits at one pc need the same registers: those that are live there. */
  if (lua_rawgeti(L, table, -1 - exit->pc) == LUA_TFUNCTION && !lua_iscfunction(L, -1)) return;
  lua_pop(L, 1);
  size_t count;
  uint8_t *chunk = compiler->resume(compiled->function, exit->pc, exit->registers, &count);
  if (!chunk) luaL_error(L, "not enough memory");
  int status = luaL_loadbufferx(L, (const char *)chunk, count, "compiled", "b");
  free(chunk);
  if (status != LUA_OK) lua_error(L);
  for (int i = 1; lua_upvalueid(L, -1, i); i++)
    if (lua_upvalueid(L, function, i)) lua_upvaluejoin(L, -1, i, function, i);
  lua_pushvalue(L, -1);
  lua_rawseti(L, table, -1 - exit->pc);
}

static int finish(lua_State *L, int status, lua_KContext base) {
  (void)status;
  return lua_gettop(L) - (int)base;
}

/* [-0, +n, e] */
static int resume(lua_State *L, lm_compiled *compiled, const mc_interface *compiler, const mc_exit *exit,
                  const uint64_t *slots, const uint16_t *where) {
  int base = lua_gettop(L);
  luaL_checkstack(L, exit->registers + 8, NULL);
  push_continuation(L, compiled, compiler, exit);
  int first = lua_gettop(L);
  for (int i = 0; i < exit->registers; i++) lua_pushnil(L);
  for (int i = 0; i < exit->count; i++) {
    if (exit->values[i].place < 0) continue;
    push_value(L, compiled, compiler, &exit->values[i], slots, where);
    lua_replace(L, first + 1 + exit->values[i].place);
  }
  /* For the loop that does not run. */
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, 1);
  int count = exit->registers + 3;
  compiled->uses--;
  lua_callk(L, count, LUA_MULTRET, base, finish);
  return finish(L, LUA_OK, base);
}

/* [-0, +0, v] error(message, level), where level 1 is the compiled function. */
static int raise_for_caller(lua_State *L, lm_compiled *compiled, const mc_interface *compiler, const mc_exit *exit,
                            const uint64_t *slots, const uint16_t *where) {
  push_value(L, compiled, compiler, &exit->values[0], slots, where);
  uint64_t level = slots[exit->values[1].slot];
  compiled->uses--;
  if (lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, level > INT_MAX ? INT_MAX : (int)level - 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int lm_leave(lua_State *L, lm_compiled *compiled, const mc_exit *exit, const uint64_t *slots, const uint16_t *where) {
  const mc_interface *compiler = lm_loaded_compiler();
  luaL_checkstack(L, exit->count + 4, NULL);
  for (int i = 0; i < exit->count; i++) {
    if (exit->values[i].place >= 0 || i < exit->results) continue;
    push_value(L, compiled, compiler, &exit->values[i], slots, where);
    int upvalue = compiled->sources[-1 - exit->values[i].place].upvalue;
    if (!lua_setupvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION), upvalue)) lua_pop(L, 1);
  }
  if (exit->kind == MC_RAISE) return raise_for_caller(L, compiled, compiler, exit, slots, where);
  if (exit->kind != MC_RETURN) return resume(L, compiled, compiler, exit, slots, where);
  int results = exit->results;
  for (int i = 0; i < results; i++) push_value(L, compiled, compiler, &exit->values[i], slots, where);
  compiled->uses--;
  return results;
}

/* [-1, +0, v] The function on top raises. It is called from a function of Lua that has nothing but this line of this
   file: so luaL_where finds them. `index` is its argument. */
static int raise_at(lua_State *L, int line, int index) {
  enum { MOST_LINES = 1 << 20 };
  if (line < 1 || line > MOST_LINES) line = 1;
  luaL_checkstack(L, 6, NULL);
  lua_Debug debug;
  lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION));
  lua_getinfo(L, ">S", &debug);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 1; i < line; i++) luaL_addchar(&text, '\n');
  luaL_addstring(&text, "local raise, of = ... raise(of)");
  luaL_pushresult(&text);
  size_t length;
  const char *chunk = lua_tolstring(L, -1, &length);
  if (luaL_loadbufferx(L, chunk, length, debug.source, "t") != LUA_OK) return lua_error(L);
  lua_pushvalue(L, -3);
  if (index) lua_pushvalue(L, index);
  else lua_pushnil(L);
  lua_call(L, 2, 0);
  return luaL_error(L, "interrupted!");
}

static int raise_lost(lua_State *L) {
  const mm_region *region = lm_region_at(L, 1);
  if (!region) return 0;
  lm_outcome outcome;
  lm_buffer copy = {.region = *region};
  lm_lost(&copy, &outcome);
  return lm_push_or_raise(L, &outcome, LM_FAILED);
}

static int raise_interrupt(lua_State *L) {
  lm_raise_interrupt(L);
  return 0;
}

int lm_raise_lost_at(lua_State *L, int line, int index) {
  lua_pushcfunction(L, raise_lost);
  return raise_at(L, line, index);
}

int lm_raise_interrupt_at(lua_State *L, int line) {
  lua_sethook(L, NULL, 0, 0); /* a hook of the SIGINT handler would raise the error without the line */
  lua_pushcfunction(L, raise_interrupt);
  return raise_at(L, line, 0);
}

int lm_interpret(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION));
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, finish);
  return finish(L, LUA_OK, 0);
}
