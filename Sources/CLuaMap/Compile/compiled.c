/* Compiled functions: mmap.compile, and what it says of them. */
#include "compile.h"

#include <stdlib.h>

#define LM_COMPILED "mmap.compiled"
static const char compiled_kind;

lm_compiled *lm_compiled_at(lua_State *L, int index) {
  return (lm_compiled *)lm_kind_at(L, index, sizeof(lm_compiled), &compiled_kind);
}

void lm_note_reason(lm_compiled *compiled, const char *reason) {
  snprintf(compiled->reason, sizeof compiled->reason, "%s", reason);
}

typedef struct bytecode {
  uint8_t *bytes;
  size_t count, capacity;
} bytecode;

static int add_bytes(lua_State *L, const void *bytes, size_t count, void *target) {
  (void)L;
  bytecode *code = target;
  if (count > code->capacity - code->count) {
    size_t capacity = (code->capacity + count) * 2;
    uint8_t *moved = realloc(code->bytes, capacity);
    if (!moved) return 1;
    code->bytes = moved;
    code->capacity = capacity;
  }
  if (count > 0) memcpy(code->bytes + code->count, bytes, count);
  code->count += count;
  return 0;
}

uint8_t *lm_bytecode(lua_State *L, size_t *count) {
  bytecode code = {0};
  if (lua_dump(L, add_bytes, &code, 0) != 0) {
    free(code.bytes);
    return NULL;
  }
  *count = code.count;
  return code.bytes;
}

bool lm_push_state(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TFUNCTION || !lua_getupvalue(L, index, LM_STATE)) return false;
  if (lua_tocfunction(L, -1) == lm_call_compiled) return true;
  lua_pop(L, 1);
  return false;
}

bool lm_push_compiled(lua_State *L, int index) {
  if (!lm_push_state(L, index)) return false;
  const char *name = lua_getupvalue(L, -1, LM_UPVALUE_FUNCTION);
  if (!name) lua_pushnil(L);
  lua_remove(L, -2);
  return true;
}

const void *lm_function_at(lua_State *L, int index) {
  if (lua_iscfunction(L, index)) return NULL;
  if (!lm_push_compiled(L, index)) return lua_topointer(L, index);
  const void *identity = lua_iscfunction(L, -1) ? NULL : lua_topointer(L, -1);
  lua_pop(L, 1);
  return identity;
}

static int compiled_gc(lua_State *L) {
  lm_compiled *compiled = lm_compiled_at(L, 1);
  if (!compiled) return luaL_typeerror(L, 1, LM_COMPILED);
  if (!compiled->function) return 0;
  /* A script can call this by itself, in a finalizer, while the function runs. */
  compiled->is_off = true;
  if (compiled->uses > 0) return 0;
  lm_note_reason(compiled, "its finalizer was called");
  const mc_interface *compiler = lm_loaded_compiler();
  for (int i = 0; i < compiled->signature_count; i++) {
    lm_signature *signature = &compiled->signatures[i];
    if (signature->code) {
      mm_budget_give(signature->code->bytes);
      compiler->release(signature->code);
    }
    free(signature->inputs);
    free(signature->reason);
  }
  compiled->signature_count = 0;
  compiler->close(compiled->function);
  compiled->function = NULL;
  return 0;
}

static const lm_option compile_options[] = {{"strict", LM_BOOLEAN, sizeof(int64_t), 0}, {NULL, LM_INTEGER, 0, 0}};

/* [-1, +1, e] The function of Lua that calls the closure on top of the stack, with as many parameters as the function at
   1 has. For messages it is where that function is. */
static void push_wrapper(lua_State *L, const lm_compiled *compiled, int parameters) {
  enum { MOST = 100 };
  char names[MOST * 5 + 8] = "...", text[2 * sizeof names + 100];
  if (parameters >= 0 && parameters <= MOST) names[0] = '\0';
  for (int i = 0, length = 0; i < parameters && parameters <= MOST; i++)
    length += snprintf(names + length, sizeof names - (size_t)length, i ? ",a%d" : "a%d", i);
  /* `state` is there for whynot and the like. */
  snprintf(text, sizeof text, "local target, state = ... return function(%s) do return target(%s) end return state end",
           names, names);
  lm_load_at(L, 1, compiled->line, text);
  lua_insert(L, -2);
  lua_pushvalue(L, -1);
  lua_call(L, 2, 1);
}

int lm_custom_mmap_compile(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 2);
  struct {
    int64_t unused;
    bool is_strict;
  } options = {0};
  lm_read_options(L, 2, compile_options, &options);
  lm_compiled *compiled = lm_new_kind(L, sizeof *compiled, 0, &compiled_kind);
  compiled->identity = lua_topointer(L, 1);
  compiled->is_strict = options.is_strict;
  lm_note_reason(compiled, "not called yet");
  lm_set_metatable(L, LM_COMPILED);
  lua_Debug debug;
  lua_pushvalue(L, 1);
  lua_getinfo(L, ">Su", &debug);
  int parameters = debug.isvararg ? -1 : debug.nparams;
  compiled->line = debug.linedefined > 0 ? debug.linedefined : 1;
  snprintf(compiled->place, sizeof compiled->place, "%s:%d", debug.short_src, compiled->line);
  lua_pushvalue(L, 1);
  lua_createtable(L, 0, 0);
  lua_pushvalue(L, -1);
  lua_insert(L, 3);
  lua_pushcclosure(L, lm_call_compiled, 3);
  push_wrapper(L, compiled, parameters);
  lua_pushvalue(L, -1);
  lua_rawseti(L, 3, LM_WRAPPER);
  return 1;
}

/* [-0, +1, e] Pushes the state of the compiled function at 1 in front of the function. */
static lm_compiled *check_compiled(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lm_compiled *compiled = NULL;
  if (lm_push_state(L, 1) && lua_getupvalue(L, -1, LM_UPVALUE_COMPILED)) compiled = lm_compiled_at(L, -1);
  if (!compiled) luaL_argerror(L, 1, "a function that mmap.compile returned is expected");
  return compiled;
}

int lm_custom_mmap_whynot(lua_State *L) {
  const lm_compiled *compiled = check_compiled(L);
  if (compiled->reason[0]) lua_pushstring(L, compiled->reason);
  else lua_pushnil(L);
  return 1;
}

int lm_custom_mmap_compiled(lua_State *L) {
  lm_compiled *compiled = check_compiled(L);
  compiled->uses++;
  lua_createtable(L, compiled->signature_count, 0);
  int count = 0;
  for (int i = 0; i < compiled->signature_count; i++) {
    const lm_signature *signature = &compiled->signatures[i];
    if (!signature->code) continue;
    lua_createtable(L, 0, 3);
    char types[LM_TYPES];
    lm_describe_types(compiled, signature->inputs, types);
    lua_pushstring(L, types);
    lua_setfield(L, -2, "types");
    lua_pushinteger(L, (lua_Integer)signature->code->length);
    lua_setfield(L, -2, "bytes");
    lua_pushnumber(L, signature->code->seconds);
    lua_setfield(L, -2, "seconds");
    lua_rawseti(L, -2, ++count);
  }
  compiled->uses--;
  return 1;
}

int lm_custom_mmap_disassemble(lua_State *L) {
  lm_compiled *compiled = check_compiled(L);
  char reason[LM_REASON] = "";
  const mc_interface *compiler = lm_compiler(reason);
  compiled->uses++;
  luaL_Buffer all;
  luaL_buffinit(L, &all);
  for (int i = 0; compiler && i < compiled->signature_count; i++) {
    const lm_signature *signature = &compiled->signatures[i];
    if (!signature->code) continue;
    char types[LM_TYPES];
    lm_describe_types(compiled, signature->inputs, types);
    lua_pushfstring(L, "for (%s):\n", types);
    luaL_addvalue(&all);
    char *text = compiler->disassemble(compiled->function, signature->inputs);
    if (!text) continue;
    lua_pushstring(L, text);
    free(text);
    luaL_addvalue(&all);
  }
  compiled->uses--;
  luaL_pushresult(&all);
  if (lua_rawlen(L, -1) == 0)
    lua_pushfstring(L, "no machine code: %s\n", compiled->reason[0] ? compiled->reason : reason);
  return 1;
}

void lm_open_compile(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", compiled_gc}, {NULL, NULL}};
  luaL_newmetatable(L, LM_COMPILED);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  lm_know_functions(L);
  lm_open_made(L);
}
