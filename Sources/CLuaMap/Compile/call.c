/* The call of a compiled function. */
#include <alloca.h>
#include <stdlib.h>

#include "compile.h"
#include "mm_run.h"

/* [-0, +0, –] The state of the running function; NULL if a script has changed its upvalues with the debug library. */
static lm_compiled *running(lua_State *L) {
  lm_compiled *compiled = lm_compiled_at(L, lua_upvalueindex(LM_UPVALUE_COMPILED));
  int function = lua_upvalueindex(LM_UPVALUE_FUNCTION);
  if (mm_unlikely(!compiled || lua_topointer(L, function) != compiled->identity)) return NULL;
  return lm_has_table(L) ? compiled : NULL;
}

/* [-0, +0, –] uses 2 slots. From now on the interpreter runs the function, and this code is not called. */
static void run_itself(lua_State *L, lm_compiled *compiled) {
  compiled->is_off = true;
  if (compiled->is_strict || !lm_has_table(L)) return;
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
  lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_COMPILED)); /* keeps it, whatever finalizers do */
  bool has_room = lm_link(L, compiled, compiler);
  lua_pop(L, 1);
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

lm_signature *lm_find_signature(lua_State *L, lm_compiled *compiled, const mc_input *inputs) {
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
    lm_compile_for(L);
    signature.code = compiler->compile(compiled->function, inputs, reason, sizeof reason);
    lm_compile_for(NULL);
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
  if (made) lua_toclose(L, made->index);
  slots[code->line_slot] = (uint64_t)compiled->line;
  if (code->is_linked) lm_lend_frames(code, slots, alloca(LM_SPARE * sizeof *slots));
  slots[code->tables_slot] = made ? (uintptr_t)made->parts : 0;
  int64_t number;
  /* A host that does not know of machine code only sets a hook at SIGINT. */
  if (code->may_be_long) mm_escape_begin();
  if (!code->may_be_long) number = code->run(slots);
  else
    while (mm_unlikely((number = mm_run(code->run, slots)) == MM_RUN_EARLY))
      if (lm_is_stopped(L)) break;
  if (code->may_be_long) mm_escape_end();
  int line = (int)slots[code->line_slot];
  const mc_exit *exit = number >= 0 && (size_t)number < code->exit_count ? &code->exits[number] : NULL;
  int lost = lm_lost_input(L, compiled, inputs, where);
  if (mm_unlikely(lost || !exit)) {
    if (made) lm_free_made(made);
    return lost ? lm_raise_lost_at(L, line, lost) : lm_raise_interrupt_at(L, line);
  }
  compiled->uses++;
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

int lm_call_compiled(lua_State *L) {
  lm_compiled *compiled = running(L);
  if (mm_unlikely(!compiled)) return luaL_error(L, LM_CHANGED_UPVALUES);
  if (mm_unlikely(lm_asked.answer != NULL)) {
    int results = answer(L, compiled);
    if (results >= 0) return results;
  }
  if (mm_unlikely(!lm_is_ready(L, compiled))) return not_compiled(L, compiled);
  take_arguments(L, compiled);
  lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_COMPILED)); /* keeps it, whatever finalizers do */
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
  lm_signature *signature = reason ? NULL : lm_find_signature(L, compiled, inputs);
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
