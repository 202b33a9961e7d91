/* The ways out of machine code. */
#include <limits.h>
#include <stdlib.h>

#include "compile.h"

void lm_push_any(lua_State *L, uint64_t tag, uint64_t value) {
  switch (tag) {
    case MC_FALSE: lua_pushboolean(L, 0); break;
    case MC_TRUE: lua_pushboolean(L, 1); break;
    case MC_INTEGER: lua_pushinteger(L, (lua_Integer)value); break;
    case MC_FLOAT: lua_pushnumber(L, mm_double_of_bits(value)); break;
    default: lua_pushnil(L); break;
  }
}

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
    case MC_RECORD:
      lua_pushinteger(L, (lua_Integer)slots[value->slot]);
      lua_gettable(L, where[value->number]);
      break;
    case MC_CONSTANT:
    case MC_METHOD:
      text = compiler->constant(compiled->function, value->constant, &length);
      lua_pushlstring(L, text ? text : "", length);
      if (value->kind == MC_METHOD) lua_gettable(L, where[value->number]);
      break;
    case MC_TABLE: lua_pushvalue(L, (int)slots[value->slot]); break;
    case MC_ANY: lm_push_any(L, slots[value->slot + 1], slots[value->slot]); break;
    default: lua_pushnil(L); break;
  }
}

enum { LM_BINDER = 0, MOST_REGISTERS = 512 };

/* [-0, +1, e] The function that continues at the pc of an exit. */
static void push_continuation(lua_State *L, const lm_compiled *compiled, const mc_interface *compiler,
                              const mc_exit *exit) {
  lua_Integer key =
      -2 - (((lua_Integer)exit->member * MC_MOST_INSTRUCTIONS + exit->pc) * MOST_REGISTERS + exit->registers);
  if (lua_rawgeti(L, lm_check_table(L), key) == LUA_TFUNCTION && !lua_iscfunction(L, -1)) return;
  lua_pop(L, 1);
  size_t count;
  uint8_t *chunk = compiler->resume(compiled->function, exit->member, exit->pc, exit->registers, &count);
  if (!chunk) luaL_error(L, "not enough memory");
  int status = luaL_loadbufferx(L, (const char *)chunk, count, "compiled", "b");
  free(chunk);
  if (status != LUA_OK) lua_error(L);
  lm_push_link(L, exit->member);
  /* lua_upvaluejoin takes a function of C, with which the debug library can replace it, for one of Lua. */
  if (lua_type(L, -1) != LUA_TFUNCTION || lua_iscfunction(L, -1)) luaL_error(L, LM_CHANGED_UPVALUES);
  for (int i = 1; lua_upvalueid(L, -2, i); i++)
    if (lua_upvalueid(L, -1, i)) lua_upvaluejoin(L, -2, i, -1, i);
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, lm_check_table(L), key);
}

static int finish(lua_State *L, int status, lua_KContext base) {
  (void)status;
  return lua_gettop(L) - (int)base;
}

const mc_exit *lm_innermost_in(const mc_code *code, const mc_exit *exit, const uint64_t *frame) {
  while (exit->is_below) {
    exit = &code->exits[frame[0]];
    frame += exit->extent;
  }
  return exit;
}

const mc_exit *lm_innermost(const mc_code *code, const mc_exit *exit) {
  return exit->is_below ? lm_innermost_in(code, exit, lm_own_frames()->next) : exit;
}

/* [-1, +1, m] uses 1 slot. */
static int make_box(lua_State *L) {
  lua_newuserdatauv(L, (size_t)lua_tointegerx(L, 1, NULL), 0);
  return 1;
}

/* [-0, +1, e] Copies the frames below an exit to memory of Lua, because finalizers, which may run with any
   allocation, may run machine code. */
static const uint64_t *push_frames(lua_State *L, const mc_code *code, const mc_exit *exit) {
  lm_frames *frames = lm_own_frames();
  uint64_t *start = frames->next;
  while (exit->is_below) {
    exit = &code->exits[frames->next[0]];
    frames->next += exit->extent;
  }
  size_t size = (size_t)((char *)frames->next - (char *)start);
  lua_pushcfunction(L, make_box);
  lua_pushinteger(L, (lua_Integer)size);
  int status = lua_pcallk(L, 1, 1, 0, 0, NULL);
  frames->next = start;
  if (status != LUA_OK) lua_error(L);
  return memcpy(lua_touserdata(L, -1), start, size);
}

/* The arguments of a continuation: a table, and how many there are. */
static int give_all(lua_State *L) {
  int count = (int)lua_tointegerx(L, 2, NULL);
  luaL_checkstack(L, count, NULL);
  for (int i = 1; i <= count; i++) lua_rawgeti(L, 1, i);
  return count;
}
static int give_arguments(lua_State *L) { return lua_gettop(L); }

void lm_load_at(lua_State *L, int function, int line, const char *source) {
  enum { MOST_LINES = 1 << 20 };
  if (line < 1 || line > MOST_LINES) line = 1;
  luaL_checkstack(L, 6, NULL);
  lua_Debug debug;
  lua_pushvalue(L, function);
  lua_getinfo(L, ">S", &debug);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 1; i < line; i++) luaL_addchar(&text, '\n');
  luaL_addstring(&text, source);
  luaL_pushresult(&text);
  size_t length;
  const char *chunk = lua_tolstring(L, -1, &length);
  if (luaL_loadbufferx(L, chunk, length, debug.source, "t") != LUA_OK) lua_error(L);
  lua_remove(L, -2);
}

/* [-3, +1, e] Of a function, a table and a count on top of the stack: a function that calls the first with what is in
   the table, whatever it is called with. It is one of Lua, so that many of them can be nested. */
static void bind(lua_State *L, const lm_compiled *compiled) {
  if (lua_rawgeti(L, lm_check_table(L), LM_BINDER) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    lm_load_at(L, lua_upvalueindex(LM_UPVALUE_FUNCTION), compiled->line,
               "local all = ... return function(f, t, n) return function() return f(all(t, n)) end end");
    lua_pushcfunction(L, give_all);
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, lm_check_table(L), LM_BINDER);
  }
  lua_insert(L, -4);
  lua_call(L, 3, 1);
}

/* What is needed to push the values of an exit. */
typedef struct leaving {
  const lm_compiled *compiled;
  const mc_interface *compiler;
  const mc_code *code;
  const uint16_t *where;
} leaving;

/* [-0, +1, e] The function that an exit calls: it gives the results of the call, which are in `slots`. */
static void push_given(lua_State *L, const leaving *l, const mc_exit *exit, const uint64_t *slots) {
  lua_pushcfunction(L, give_arguments);
  lua_createtable(L, exit->given, 0);
  for (int i = 0; i < exit->count; i++) {
    if (exit->values[i].place < MC_GIVEN) continue;
    push_value(L, l->compiled, l->compiler, &exit->values[i], slots, l->where);
    lua_rawseti(L, -2, exit->values[i].place - MC_GIVEN + 1);
  }
  lua_pushinteger(L, exit->given);
  bind(L, l->compiled);
}

/* [-0, +1, e] A table with the registers of a frame, and what the loop that does not run needs. */
static void push_registers(lua_State *L, const leaving *l, const mc_exit *exit, const uint64_t *frame) {
  lua_createtable(L, exit->registers + 3, 0);
  for (int i = 0; i < exit->count; i++) {
    int place = exit->values[i].place;
    if (place < 0 || place >= MC_GIVEN) continue;
    push_value(L, l->compiled, l->compiler, &exit->values[i], frame, l->where);
    lua_rawseti(L, -2, place + 1);
  }
  for (int i = 1; i <= 3; i++) {
    lua_pushinteger(L, i % 2);
    lua_rawseti(L, -2, exit->registers + i);
  }
}

/* [-0, +1, e] The function that an exit calls: it continues in the frames below. The outermost of them is made
   first; each gets the next one as the value of the register that it calls. `frame` is NULL if the frames were not
   copied yet. */
static void push_below(lua_State *L, const leaving *l, const mc_exit *exit, const uint64_t *frame) {
  if (frame) lua_pushnil(L);
  else frame = push_frames(L, l->code, exit);
  int box = lua_gettop(L), registers = box + 1, first = box + 2;
  lua_pushnil(L);
  lua_pushnil(L);
  while (exit->is_below || exit->called >= 0) {
    int called = exit->called;
    bool has_frame = exit->is_below;
    if (has_frame) {
      exit = &l->code->exits[frame[0]];
      push_registers(L, l, exit, frame);
      push_continuation(L, l->compiled, l->compiler, exit);
      lua_pushvalue(L, -2);
      lua_pushinteger(L, exit->registers + 3);
      bind(L, l->compiled);
      if (exit->is_below) frame += exit->extent;
    } else {
      lua_pushnil(L);
      push_given(L, l, exit, frame);
    }
    if (lua_type(L, registers) == LUA_TTABLE) lua_rawseti(L, registers, called + 1);
    else lua_replace(L, first);
    lua_replace(L, registers);
    if (!has_frame) break;
  }
  lua_copy(L, first, box);
  lua_settop(L, box);
}

/* [-0, +n, e] */
static int resume(lua_State *L, lm_compiled *compiled, const mc_interface *compiler, const mc_code *code,
                  const mc_exit *exit, const uint64_t *slots, const uint16_t *where, const uint64_t *frames) {
  int base = lua_gettop(L);
  luaL_checkstack(L, exit->registers + 16, NULL);
  const leaving l = {compiled, compiler, code, where};
  if (exit->is_below) push_below(L, &l, exit, frames);
  else if (exit->called >= 0) push_given(L, &l, exit, slots);
  int called = lua_gettop(L);
  push_continuation(L, compiled, compiler, exit);
  int first = lua_gettop(L);
  for (int i = 0; i < exit->registers; i++) lua_pushnil(L);
  for (int i = 0; i < exit->count; i++) {
    int place = exit->values[i].place;
    if (place < 0 || place >= MC_GIVEN) continue;
    push_value(L, compiled, compiler, &exit->values[i], slots, where);
    lua_replace(L, first + 1 + place);
  }
  if (exit->called >= 0) {
    lua_pushvalue(L, called);
    lua_replace(L, first + 1 + exit->called);
  }
  /* For the loop that does not run. */
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, 1);
  int count = exit->registers + 3;
  compiled->uses--;
  if (called > base) {
    /* The function below is in a register now. */
    lua_remove(L, called);
  }
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
    luaL_where(L, level > INT_MAX ? INT_MAX : (int)level); /* the function that a script gets is one more */
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int lm_leave(lua_State *L, lm_compiled *compiled, const mc_code *code, const mc_exit *exit, uint64_t *slots,
             const uint16_t *where, lm_made *made, size_t part) {
  const mc_interface *compiler = lm_loaded_compiler();
  if (mm_unlikely(exit->count > 2)) luaL_checkstack(L, exit->count + 4, NULL);
  const uint64_t *frames = NULL;
  if (made) {
    luaL_checkstack(L, 2 * exit->count + 8, NULL);
    if (exit->is_below) frames = push_frames(L, code, exit);
    lm_push_made(L, made, part, exit, slots);
  }
  for (int i = 0; i < exit->count; i++) {
    if (exit->values[i].place >= 0 || i < exit->results) continue;
    push_value(L, compiled, compiler, &exit->values[i], slots, where);
    const mc_source *source = &compiled->sources[-1 - exit->values[i].place];
    lm_push_link(L, source->member);
    lua_insert(L, -2);
    if (!lua_setupvalue(L, -2, source->upvalue)) lua_pop(L, 1);
    lua_pop(L, 1);
  }
  if (exit->kind == MC_RAISE) return raise_for_caller(L, compiled, compiler, exit, slots, where);
  if (exit->kind != MC_RETURN) return resume(L, compiled, compiler, code, exit, slots, where, frames);
  int results = exit->results;
  for (int i = 0; i < results; i++) push_value(L, compiled, compiler, &exit->values[i], slots, where);
  compiled->uses--;
  return results;
}

/* [-1, +0, v] The function on top raises. It is called from a function of Lua that has nothing but this line of this
   file: so luaL_where finds them. `index` is its argument. */
static int raise_at(lua_State *L, int line, int index) {
  lm_load_at(L, lua_upvalueindex(LM_UPVALUE_FUNCTION), line, "local raise, of = ... raise(of)");
  lua_pushvalue(L, -2);
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
