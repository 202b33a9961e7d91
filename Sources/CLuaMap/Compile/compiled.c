/* Compiled functions: mmap.compile, and the call of one. */
#include "compile.h"

#include <alloca.h>
#include <stdlib.h>

#include "mm_run.h"

#define LM_COMPILED "mmap.compiled"
static const char compiled_kind;

static int compiled_call(lua_State *L);

static lm_compiled *compiled_at(lua_State *L, int index) {
  return (lm_compiled *)lm_kind_at(L, index, sizeof(lm_compiled), &compiled_kind);
}

void lm_note_reason(lm_compiled *compiled, const char *reason) {
  snprintf(compiled->reason, sizeof compiled->reason, "%s", reason);
}

/* [-0, +0, –] The state of the running function; NULL if a script has changed its upvalues with the debug library. */
static lm_compiled *running(lua_State *L) {
  lm_compiled *compiled = compiled_at(L, lua_upvalueindex(LM_UPVALUE_COMPILED));
  int function = lua_upvalueindex(LM_UPVALUE_FUNCTION);
  if (mm_unlikely(!compiled || lua_topointer(L, function) != compiled->identity)) return NULL;
  return lua_type(L, lua_upvalueindex(LM_UPVALUE_TABLE)) == LUA_TTABLE ? compiled : NULL;
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

/* The upvalues of the function that a script gets, which is one of Lua. So a function that calls itself in the interpreter
   is not nested in C, where Lua allows 200 calls: once it is known that the interpreter runs all of it, LM_TARGET is the
   function itself. */
enum { LM_TARGET = 1, LM_STATE };
enum { LM_WRAPPER = -1 };

bool lm_push_state(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TFUNCTION || !lua_getupvalue(L, index, LM_STATE)) return false;
  if (lua_tocfunction(L, -1) == compiled_call) return true;
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

/* [-0, +0, –] uses 2 slots. From now on the interpreter runs the function, and this code is not called. */
static void run_itself(lua_State *L, lm_compiled *compiled) {
  compiled->is_off = true;
  if (compiled->is_strict) return;
  if (lua_rawgeti(L, lua_upvalueindex(LM_UPVALUE_TABLE), LM_WRAPPER) == LUA_TFUNCTION) {
    lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION));
    if (!lua_setupvalue(L, -2, LM_TARGET)) lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* [-?, +?, m] As many arguments as there are parameters. */
static void take_arguments(lua_State *L, const lm_compiled *compiled) {
  int count = lua_gettop(L);
  if (mm_likely(count == compiled->parameters)) return;
  if (count < compiled->parameters) luaL_checkstack(L, compiled->parameters - count + LUA_MINSTACK, NULL);
  lua_settop(L, compiled->parameters);
}

static const char too_many_sources[] = "the function reads too many upvalues and global variables";

/* [-0, +0, m] Decodes the function, at its first call. False with a reason if it cannot be compiled. */
static bool prepare(lua_State *L, lm_compiled *compiled) {
  const mc_interface *compiler = lm_compiler(compiled->reason);
  if (!compiler) return false;
  int given = lua_upvalueindex(LM_UPVALUE_FUNCTION);
  if (lua_iscfunction(L, given) || lm_push_compiled(L, given)) {
    lm_note_reason(compiled, "a function of C, or one that is compiled already");
    return false;
  }
  lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION));
  size_t count;
  uint8_t *bytes = lm_bytecode(L, &count);
  lua_pop(L, 1);
  mc_function *function = NULL;
  if (!bytes) lm_note_reason(compiled, "not enough memory");
  else function = compiler->open(bytes, count, compiled->reason, sizeof compiled->reason);
  free(bytes);
  if (!function) return false;
  count = compiler->source_count(function);
  if (count > LM_MOST_SOURCES) {
    compiler->close(function);
    lm_note_reason(compiled, too_many_sources);
    return false;
  }
  compiled->makes_tables = compiler->makes_tables(function);
  compiled->sources = compiler->sources(function);
  compiled->source_count = (int32_t)count;
  compiled->parameters = 0;
  for (size_t i = 0; i < count; i++)
    if (compiled->sources[i].parameter >= compiled->parameters)
      compiled->parameters = compiled->sources[i].parameter + 1;
  compiled->function = function;
  compiled->uses++;
  take_arguments(L, compiled);
  bool has_room = lm_link(L, compiled, compiler);
  compiled->uses--;
  if (!has_room) lm_note_reason(compiled, too_many_sources);
  compiled->slot_count = (size_t)compiled->source_count * MC_SLOTS_PER_INPUT + 1;
  return has_room;
}

static bool is_same(const mc_input *a, const mc_input *b, size_t size) {
  if (mm_unlikely(size > 8 * sizeof *a)) return memcmp(a, b, size) == 0;
  for (size_t i = 0; i < size / sizeof *a; i++)
    if (memcmp(&a[i], &b[i], sizeof *a) != 0) return false;
  return true;
}

lm_signature *lm_find_signature(lm_compiled *compiled, const mc_input *inputs) {
  size_t size = (size_t)compiled->source_count * sizeof *inputs;
  lm_signature *latest = &compiled->signatures[compiled->latest];
  if (mm_likely(compiled->latest < compiled->signature_count && is_same(latest->inputs, inputs, size))) return latest;
  for (int i = 0; i < compiled->signature_count; i++) {
    if (memcmp(compiled->signatures[i].inputs, inputs, size) != 0) continue;
    compiled->latest = i;
    return &compiled->signatures[i];
  }
  if (compiled->signature_count == LM_MOST_SIGNATURES) {
    lm_note_reason(compiled, "it is called with more than 8 combinations of types; make a function for each");
    return NULL;
  }
  const mc_interface *compiler = lm_compiler(compiled->reason);
  if (!compiler) return NULL;
  lm_signature signature = {.inputs = malloc(size > 0 ? size : 1)};
  char reason[LM_REASON];
  if (signature.inputs) {
    memcpy(signature.inputs, inputs, size);
    signature.code = compiler->compile(compiled->function, inputs, reason, sizeof reason);
    if (signature.code && !mm_budget_take(signature.code->bytes)) {
      compiler->release(signature.code);
      signature.code = NULL;
      snprintf(reason, sizeof reason, "its machine code is over the limit of --memory");
    }
    if (!signature.code) signature.reason = strdup(reason);
    lm_report_compiled(compiled, inputs, signature.code, reason);
  }
  if (!signature.code && !signature.reason) {
    free(signature.inputs);
    lm_note_reason(compiled, "not enough memory");
    return NULL;
  }
  compiled->latest = compiled->signature_count;
  compiled->signatures[compiled->signature_count++] = signature;
  return &compiled->signatures[compiled->latest];
}

/* [-0, +0, v] With the position of the caller. */
static int raise_strict(lua_State *L, const char *reason) {
  luaL_where(L, 2);
  lua_pushfstring(L, "not compiled: %s", reason);
  lua_concat(L, 2);
  return lua_error(L);
}

/* How often the interpreter may continue before it runs the whole function. What it continues with most is an error. */
enum { MOST_RESUMES = 1000, MOST_UNKNOWNS = 3 };

static void give_up(lm_signature *signature, const char *reason) {
  if (!signature->reason) signature->reason = strdup(reason);
}

void lm_note_exit(lua_State *L, lm_compiled *compiled, lm_signature *signature, const mc_input *inputs,
                  const mc_code *code, const mc_exit *exit) {
  if (exit->kind != MC_RESUME && exit->kind != MC_UNKNOWN) return;
  char reason[LM_REASON];
  const mc_exit *last = lm_innermost(code, exit);
  snprintf(reason, sizeof reason, "line %d: %s", (int)last->line,
           last->reason ? last->reason : "the interpreter continues here too often");
  if (last->kind == MC_UNKNOWN) {
    lm_note_reason(compiled, reason);
    if (compiled->is_strict) {
      compiled->uses--;
      raise_strict(L, reason);
    }
    if (++signature->unknowns >= MOST_UNKNOWNS) give_up(signature, reason);
    if (signature->unknowns == 1) lm_report_compiled(compiled, inputs, NULL, reason);
  } else if (++signature->resumes >= MOST_RESUMES) {
    give_up(signature, reason);
  }
}

/* [-0, +n, e] Runs machine code, whose inputs are ready. */
static int run(lua_State *L, lm_compiled *compiled, lm_signature *signature, const mc_input *inputs, uint64_t *slots,
               const uint16_t *where, lm_made *made) {
  const mc_code *code = signature->code;
  slots[code->line_slot] = (uint64_t)compiled->line;
  if (code->is_linked) lm_lend_frames(code, slots, alloca(LM_SPARE * sizeof *slots));
  slots[code->tables_slot] = made ? (uintptr_t)made->parts : 0;
  int64_t number;
  /* A host that does not know of machine code only sets a hook at SIGINT. */
  if (code->may_be_long) mm_escape_begin();
  if (!code->may_be_long) number = code->run(slots);
  else
    while (mm_unlikely((number = mm_run(code->run, slots)) == MM_RUN_EARLY))
      if (lm_is_interrupted() || lua_gethookmask(L) != 0) break;
  if (code->may_be_long) mm_escape_end();
  int line = (int)slots[code->line_slot];
  const mc_exit *exit = number >= 0 && (size_t)number < code->exit_count ? &code->exits[number] : NULL;
  compiled->uses++;
  for (int i = 0; i < compiled->source_count; i++) {
    if (inputs[i].kind != MC_BUFFER && inputs[i].kind != MC_VIEW && inputs[i].kind != MC_RECORDS) continue;
    const mm_region *region = lm_region_at(L, where[i]);
    if (mm_likely(!region || mm_was_intact(region))) continue;
    compiled->uses--;
    if (made) lm_free_made(made);
    return lm_raise_lost_at(L, line, where[i]);
  }
  if (mm_unlikely(!exit)) {
    compiled->uses--;
    if (made) lm_free_made(made);
    return lm_raise_interrupt_at(L, line);
  }
  if (mm_unlikely(exit->kind != MC_RETURN)) lm_note_exit(L, compiled, signature, inputs, code, exit);
  return lm_leave(L, compiled, code, exit, slots, where, made, 0);
}

static int not_compiled(lua_State *L, lm_compiled *compiled) {
  if (compiled->is_strict) return raise_strict(L, compiled->reason);
  /* A function that calls itself. */
  enum { DEEP = 1 << 17 };
  char here;
  uintptr_t place = (uintptr_t)&here;
  if (place > compiled->outermost) compiled->outermost = place;
  luaL_checkstack(L, 4, NULL);
  if (compiled->is_off || compiled->outermost - place > DEEP) run_itself(L, compiled);
  return lm_interpret(L);
}

/* Slots on the stack of C. More are in memory of Lua: Lua nests calls of C functions 200 deep. */
enum { MOST_SMALL_SLOTS = 128 };

bool lm_is_ready(lua_State *L, lm_compiled *compiled) {
  if (mm_unlikely(compiled->is_off)) return false;
  if (mm_unlikely(!compiled->function)) {
    /* Where memory runs out in the middle, Lua raises an error, and it stays so. */
    compiled->is_off = true;
    lm_note_reason(compiled, "there was not enough memory to compile it");
    if (!prepare(L, compiled)) {
      lm_report_compiled(compiled, NULL, NULL, compiled->reason);
      return false;
    }
    compiled->is_off = false;
  }
  if (mm_unlikely(lm_compiler_is_off())) {
    lm_compiler(compiled->reason);
    return false;
  }
  if (mm_likely(lua_gethook(L) == NULL)) return true;
  lm_note_reason(compiled, "a debug hook is set");
  return false;
}

_Thread_local __attribute__((tls_model("initial-exec"))) lm_question lm_asked;

/* [-0, +0, –] uses 1 slot. The function of C at a level. */
static lua_CFunction function_at(lua_State *L, int level) {
  lua_Debug debug;
  if (!lua_getstack(L, level, &debug) || !lua_getinfo(L, "f", &debug)) return NULL;
  lua_CFunction function = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return function;
}

void lm_ask(lua_State *L, int (*answer)(lua_State *L, lm_compiled *compiled, void *data), void *data) {
  lm_asked = (lm_question){.answer = answer, .data = data, .asker = function_at(L, 0)};
}

/* [-?, +n, e] Answers a question, if the caller has asked it: an error can have come between. */
static int answer(lua_State *L, lm_compiled *compiled) {
  lm_question asked = lm_asked;
  lm_asked = (lm_question){0};
  return function_at(L, 1) == asked.asker ? asked.answer(L, compiled, asked.data) : -1;
}

/* [-?, +n, e] The call of a compiled function. */
static int compiled_call(lua_State *L) {
  lm_compiled *compiled = running(L);
  if (mm_unlikely(!compiled)) return luaL_error(L, LM_CHANGED_UPVALUES);
  if (mm_unlikely(lm_asked.answer != NULL)) {
    int results = answer(L, compiled);
    if (results >= 0) return results;
  }
  if (mm_unlikely(!lm_is_ready(L, compiled))) return not_compiled(L, compiled);
  take_arguments(L, compiled);
  size_t count = (size_t)compiled->source_count;
  if (mm_unlikely(count > 4)) luaL_checkstack(L, (int)count + 12, NULL);
  mc_input *inputs = alloca((count + 1) * sizeof *inputs);
  uint16_t *where = alloca((count + 1) * sizeof *where);
  uint64_t small[MOST_SMALL_SLOTS];
  uint64_t *slots = small;
  size_t capacity = MOST_SMALL_SLOTS;
  lm_made *made = NULL;
  if (compiled->makes_tables) {
    made = lm_new_made(L, 1);
    if (!compiled->function) return not_compiled(L, compiled); /* a finalizer has ended it */
  }
again:
  if (mm_unlikely(compiled->slot_count > capacity)) {
    capacity = compiled->slot_count;
    slots = lua_newuserdatauv(L, capacity * sizeof *slots, 0);
    if (!compiled->function) return not_compiled(L, compiled); /* a finalizer has ended it */
  }
  int top = lua_gettop(L);
  const char *reason = lm_read_inputs(L, compiled, inputs, slots, where);
  lm_signature *signature = reason ? NULL : lm_find_signature(compiled, inputs);
  if (mm_unlikely(!signature || signature->reason)) {
    if (reason) lm_note_reason(compiled, reason);
    if (signature) lm_note_reason(compiled, signature->reason);
    lua_settop(L, compiled->parameters);
    return reason == lm_unusable_memory ? lm_interpret(L) : not_compiled(L, compiled);
  }
  if (mm_unlikely(signature->code->slot_count > capacity)) {
    compiled->slot_count = signature->code->slot_count;
    lua_settop(L, top);
    goto again;
  }
  compiled->reason[0] = '\0';
  return run(L, compiled, signature, inputs, slots, where, made);
}

static int compiled_gc(lua_State *L) {
  lm_compiled *compiled = compiled_at(L, 1);
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
  lm_compiled *compiled = lm_new_userdata(L, sizeof *compiled, 0);
  memset(compiled, 0, sizeof *compiled);
  compiled->self = compiled;
  compiled->kind = &compiled_kind;
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
  lua_pushcclosure(L, compiled_call, 3);
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
  if (lm_push_state(L, 1) && lua_getupvalue(L, -1, LM_UPVALUE_COMPILED)) compiled = compiled_at(L, -1);
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
