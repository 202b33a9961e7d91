/* Compiled functions for the rows of tables, on any thread. */
#include <alloca.h>
#include <stdlib.h>

#include "compile.h"
#include "mm_run.h"

/* Machine code for one combination of kinds of the arguments. */
typedef struct combination {
  uint8_t *kinds; /* MC_NIL … */
  const mc_code *code;
} combination;

struct lm_row_code {
  int64_t function;
  size_t columns;   /* that are given to the function */
  size_t arguments; /* of them, those that are parameters too */
  uint8_t *kinds;   /* of the columns: LM_CELL_BOOLEAN … */
  uint8_t *usual;   /* of their values that are not null: MC_INTEGER … */
  int32_t *places;  /* of the arguments among the slots */
  mc_input *inputs; /* for values that are not null */
  uint64_t *slots;  /* of the inputs */
  size_t input_count, slot_count;
  mm_region *regions;
  size_t region_count;
  combination combinations[LM_MOST_COMBINATIONS];
  int count;
};

struct lm_row_worker {
  const lm_row_code *code;
  uint64_t *slots[LM_MOST_COMBINATIONS];
  uint64_t *frames;    /* for linked code */
  mc_tables tables;    /* those of one row are freed while the next ones make theirs */
  uint8_t *kinds;      /* of the row */
  lm_row_batch *batch; /* that is being computed */
  int current;         /* the combination */
  bool is_mixed;       /* the batch may have other kinds than the usual ones */
};

void lm_row_code_close(lm_row_code *code) {
  for (int i = 0; i < code->count; i++) free(code->combinations[i].kinds);
  free(code->kinds);
  free(code->usual);
  free(code->places);
  free(code->inputs);
  free(code->slots);
  free(code->regions);
  free(code);
}

static void *copy(const void *from, size_t count, size_t size) {
  void *to = calloc(count + 1, size);
  if (to && from && count > 0) memcpy(to, from, count * size);
  return to;
}

/* What a question is about. */
typedef struct request {
  int (*answer)(lua_State *L, lm_compiled *compiled, void *data);
  lm_row_code *code;
  const uint8_t *wanted;
  bool is_done;
} request;

static uint8_t usual_kind(uint8_t cell) {
  return cell == LM_CELL_INTEGER ? MC_INTEGER : cell == LM_CELL_FLOAT ? MC_FLOAT : MC_TRUE;
}

/* [-?, +?, v] The inputs for arguments of these kinds. Nothing is written: machine code leaves before it does. */
static bool read_inputs(lua_State *L, lm_compiled *compiled, const uint8_t *kinds, size_t arguments, mc_input *inputs,
                        uint64_t *slots, uint16_t *where) {
  lua_settop(L, 0);
  luaL_checkstack(L, compiled->parameters + compiled->source_count + 12, NULL);
  for (size_t i = 0; i < arguments; i++) {
    switch (kinds[i]) {
      case MC_INTEGER: lua_pushinteger(L, 0); break;
      case MC_FLOAT: lua_pushnumber(L, 0); break;
      case MC_NIL: lua_pushnil(L); break;
      default: lua_pushboolean(L, kinds[i] == MC_TRUE); break;
    }
  }
  lua_settop(L, compiled->parameters);
  const char *reason = lm_read_inputs(L, compiled, inputs, slots, where);
  if (reason) lm_note_reason(compiled, reason);
  for (int i = 0; !reason && i < compiled->source_count; i++) inputs[i].flags &= (uint8_t)~MC_WRITABLE;
  return !reason;
}

/* The number of the parameter that is a source, or -1. */
static int32_t parameter_of(const lm_compiled *compiled, size_t source) {
  return compiled->sources[source].member == 0 ? compiled->sources[source].parameter : -1;
}

static bool add_combination(lm_row_code *code, const lm_compiled *compiled, const lm_signature *signature) {
  if (!signature->code || signature->reason || code->count == LM_MOST_COMBINATIONS) return false;
  uint8_t *kinds = calloc(code->arguments + 1, 1);
  if (!kinds) return false;
  for (int i = 0; i < compiled->source_count; i++) {
    int32_t parameter = parameter_of(compiled, i);
    if (parameter >= 0 && (size_t)parameter < code->arguments) kinds[parameter] = signature->inputs[i].kind;
  }
  code->combinations[code->count++] = (combination){.kinds = kinds, .code = signature->code};
  return true;
}

/* [-0, +0, –] Whether a signature is of these upvalues, and of values of the columns. */
static bool is_usable(const lm_row_code *code, const lm_compiled *compiled, const lm_signature *signature) {
  for (int i = 0; i < compiled->source_count; i++) {
    int32_t parameter = parameter_of(compiled, i);
    uint8_t kind = signature->inputs[i].kind;
    if (parameter >= 0 && (size_t)parameter < code->arguments) {
      bool is_boolean = code->kinds[parameter] == LM_CELL_BOOLEAN;
      if (kind != MC_NIL && kind != code->usual[parameter] && !(is_boolean && kind == MC_FALSE)) return false;
    } else if (memcmp(&signature->inputs[i], &code->inputs[i], sizeof *code->inputs) != 0) {
      return false;
    }
  }
  return true;
}

/* [-?, +0, e] Compiles the function, and fills in the code. */
static int open_code(lua_State *L, lm_compiled *compiled, void *data) {
  request *asked = data;
  lm_row_code *code = asked->code;
  if (!lm_is_ready(L, compiled)) return 0;
  for (int i = 0; i < compiled->source_count; i++)
    if (compiled->sources[i].is_written) return 0;
  if (code->arguments > (size_t)compiled->parameters) code->arguments = (size_t)compiled->parameters;
  size_t count = (size_t)compiled->source_count;
  mc_input *inputs = alloca((count + 1) * sizeof *inputs);
  uint16_t *where = alloca((count + 1) * sizeof *where);
  uint64_t *slots = alloca((count + 1) * MC_SLOTS_PER_INPUT * sizeof *slots);
  if (asked->wanted) {
    if (!read_inputs(L, compiled, asked->wanted, code->arguments, inputs, slots, where)) return 0;
    lm_signature *signature = lm_find_signature(L, compiled, inputs);
    if (!signature || signature->reason) return 0;
  }
  if (!read_inputs(L, compiled, code->usual, code->arguments, inputs, slots, where)) return 0;
  lm_signature *signature = lm_find_signature(L, compiled, inputs);
  if (!signature || signature->reason) return 0;
  code->input_count = count;
  code->inputs = copy(inputs, count, sizeof *inputs);
  code->slots = calloc(count + 1, MC_SLOTS_PER_INPUT * sizeof *code->slots);
  code->places = calloc(code->arguments + 1, sizeof *code->places);
  code->regions = calloc(count + 1, sizeof *code->regions);
  if (!code->inputs || !code->slots || !code->places || !code->regions) return 0;
  for (size_t i = 0; i < count; i++) {
    int32_t parameter = parameter_of(compiled, i);
    if (parameter >= 0 && (size_t)parameter < code->arguments)
      code->places[parameter] = (int32_t)(i * MC_SLOTS_PER_INPUT);
  }
  if (!add_combination(code, compiled, signature)) return 0;
  for (int i = 0; i < compiled->signature_count; i++)
    if (&compiled->signatures[i] != signature && is_usable(code, compiled, &compiled->signatures[i]))
      add_combination(code, compiled, &compiled->signatures[i]);
  for (int i = 0; i < code->count; i++)
    if (code->combinations[i].code->slot_count > code->slot_count)
      code->slot_count = code->combinations[i].code->slot_count;
  compiled->reason[0] = '\0';
  asked->is_done = true;
  return 0;
}

static bool has_code(const lm_compiled *compiled, const mc_code *code) {
  for (int i = 0; i < compiled->signature_count; i++)
    if (compiled->signatures[i].code == code) return true;
  return false;
}

/* [-?, +0, e] Reads the upvalues. Allocates nothing, so that no finalizer runs. */
static int read_code(lua_State *L, lm_compiled *compiled, void *data) {
  request *asked = data;
  lm_row_code *code = asked->code;
  size_t count = (size_t)compiled->source_count;
  if (compiled->is_off || !compiled->function || lua_gethook(L) || count != code->input_count) return 0;
  mc_input *inputs = alloca((count + 1) * sizeof *inputs);
  uint16_t *where = alloca((count + 1) * sizeof *where);
  if (!read_inputs(L, compiled, code->usual, code->arguments, inputs, code->slots, where)) return 0;
  if (memcmp(inputs, code->inputs, count * sizeof *inputs) != 0) return 0;
  /* A finalizer may have put another state into the function. */
  for (int i = 0; i < code->count; i++)
    if (!has_code(compiled, code->combinations[i].code)) return 0;
  code->region_count = 0;
  for (size_t i = 0; i < count; i++) {
    const mm_region *region = lm_input_region(L, &inputs[i], where[i]);
    if (region) code->regions[code->region_count++] = *region;
  }
  asked->is_done = true;
  return 0;
}

/* [-?, +0, e] Asks the closure at 1, with the request at 2. */
static int ask_closure(lua_State *L) {
  request *asked = lua_touserdata(L, 2);
  lm_ask(L, asked->answer, asked);
  lua_settop(L, 1);
  lm_push_kept(L, 1);
  lua_insert(L, 1);
  lua_call(L, 0, 0);
  return 0;
}

/* [-0, +0, –] uses few slots, which it makes sure of. */
static bool ask(lua_State *L, int keep, request *request) {
  /* More than any compiled function needs: a stack that grows could run finalizers. */
  if (!lua_checkstack(L, 2 * LM_MOST_SOURCES + 300)) return false;
  int top = lua_gettop(L);
  bool is_compiled = false;
  lua_pushcfunction(L, ask_closure);
  if (lua_type(L, keep) == LUA_TTABLE) {
    lua_rawgeti(L, keep, request->code->function);
    is_compiled = lm_push_state(L, -1);
    if (is_compiled) lua_remove(L, -2);
  }
  if (is_compiled) {
    lua_pushlightuserdata(L, request);
    /* An error, of lack of memory, is one of the interpreter too. */
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) request->is_done = false;
  }
  lm_asked = (lm_question){0};
  lua_settop(L, top);
  return is_compiled && request->is_done;
}

lm_row_code *lm_row_code_open(lua_State *L, int keep, int64_t function, const uint8_t *kinds, size_t arguments,
                              const uint8_t *wanted) {
  for (size_t i = 0; i < arguments; i++)
    if (kinds[i] == LM_CELL_STRING) return NULL;
  lm_row_code *code = calloc(1, sizeof *code);
  if (!code) return NULL;
  code->function = function;
  code->columns = code->arguments = arguments;
  code->kinds = copy(kinds, arguments, 1);
  code->usual = calloc(arguments + 1, 1);
  request request = {.answer = open_code, .code = code, .wanted = wanted};
  if (code->kinds && code->usual) {
    for (size_t i = 0; i < arguments; i++) code->usual[i] = usual_kind(kinds[i]);
    if (ask(L, keep, &request)) return code;
  }
  lm_row_code_close(code);
  return NULL;
}

bool lm_row_code_read(lua_State *L, int keep, lm_row_code *code) {
  request request = {.answer = read_code, .code = code};
  return ask(L, keep, &request);
}

lm_row_worker *lm_row_worker_open(const lm_row_code *code) {
  lm_row_worker *worker = calloc(1, sizeof *worker);
  if (!worker) return NULL;
  worker->code = code;
  worker->tables.memory = &lm_table_memory;
  worker->kinds = calloc(code->columns + 1, 1);
  worker->frames = calloc(LM_FEW_FRAMES + LM_FRAME_SLACK, sizeof *worker->frames);
  bool has_all = worker->kinds && worker->frames;
  for (int i = 0; has_all && i < code->count; i++) {
    worker->slots[i] = calloc(code->slot_count + 1, sizeof **worker->slots);
    has_all = worker->slots[i] != NULL;
    if (!has_all) break;
    memcpy(worker->slots[i], code->slots, code->input_count * MC_SLOTS_PER_INPUT * sizeof *code->slots);
    worker->slots[i][code->combinations[i].code->tables_slot] = (uintptr_t)&worker->tables;
  }
  if (has_all) return worker;
  lm_row_worker_close(worker);
  return NULL;
}

void lm_row_worker_close(lm_row_worker *worker) {
  for (int i = 0; i < LM_MOST_COMBINATIONS; i++) free(worker->slots[i]);
  if (worker->tables.first) lm_loaded_compiler()->free_tables(&worker->tables);
  free(worker->frames);
  free(worker->kinds);
  free(worker);
}

const uint8_t *lm_row_worker_kinds(const lm_row_worker *worker) { return worker->kinds; }

/* Finds the machine code for the kinds of a row. */
static bool choose(lm_row_worker *worker, size_t row) {
  const lm_row_code *code = worker->code;
  const lm_vector *vectors = worker->batch->vectors;
  for (size_t i = 0; i < code->arguments; i++) {
    uint8_t kind = code->usual[i];
    if (vectors[i].nulls && vectors[i].nulls[row]) kind = MC_NIL;
    else if (kind == MC_TRUE && ((const uint64_t *)vectors[i].values)[row] == 0) kind = MC_FALSE;
    worker->kinds[i] = kind;
  }
  if (memcmp(worker->kinds, code->combinations[worker->current].kinds, code->arguments) == 0) return true;
  for (int i = 0; i < code->count; i++) {
    if (memcmp(worker->kinds, code->combinations[i].kinds, code->arguments) != 0) continue;
    worker->current = i;
    return true;
  }
  return false;
}

static bool store_result(const mc_exit *exit, const uint64_t *slots, uint8_t *kind, uint64_t *word) {
  *word = 0;
  *kind = LM_CELL_NIL;
  if (exit->kind != MC_RETURN) return false;
  if (exit->results == 0) return true;
  const mc_value *value = &exit->values[0];
  uint64_t actual = value->kind == MC_ANY ? slots[value->slot + 1] : value->kind;
  switch (actual) {
    case MC_NIL: return true;
    case MC_FALSE:
    case MC_TRUE:
    case MC_BOOLEAN:
      *kind = LM_CELL_BOOLEAN;
      *word = actual == MC_TRUE || (actual == MC_BOOLEAN && slots[value->slot] != 0);
      return true;
    case MC_INTEGER:
    case MC_FLOAT:
      *kind = actual == MC_INTEGER ? LM_CELL_INTEGER : LM_CELL_FLOAT;
      *word = slots[value->slot];
      return true;
    default: return false;
  }
}

/* Runs as machine code: a signal may end it anywhere. */
static int64_t walk(uint64_t *data) {
  lm_row_worker *worker = (lm_row_worker *)data;
  const lm_row_code *code = worker->code;
  lm_row_batch *batch = worker->batch;
  for (; batch->row < batch->count; batch->row++) {
    size_t row = batch->row;
    if (worker->is_mixed && !choose(worker, row)) return LM_ROWS_COMBINATION;
    const mc_code *machine = code->combinations[worker->current].code;
    uint64_t *slots = worker->slots[worker->current];
    for (size_t i = 0; i < code->arguments; i++)
      slots[code->places[i]] = ((const uint64_t *)batch->vectors[i].values)[row];
    int64_t number = machine->run(slots);
    if (number < 0 || (size_t)number >= machine->exit_count ||
        !store_result(&machine->exits[number], slots, &batch->kinds[row], &batch->words[row]))
      return LM_ROWS_INTERPRETER;
  }
  return LM_ROWS_DONE;
}

int lm_compute_rows(lm_row_worker *worker, const void *work, lm_row_batch *batch) {
  const lm_row_code *code = worker->code;
  worker->batch = batch;
  worker->is_mixed = false;
  for (size_t i = 0; i < code->arguments; i++)
    if (batch->vectors[i].nulls || code->kinds[i] == LM_CELL_BOOLEAN) worker->is_mixed = true;
  if (!worker->is_mixed) worker->current = 0;
  for (int i = 0; i < code->count; i++)
    if (code->combinations[i].code->is_linked)
      lm_set_frames(code->combinations[i].code, worker->slots[i], worker->frames, worker->frames + LM_FEW_FRAMES);
  int64_t result = mm_run_for(work, walk, (uint64_t *)worker);
  worker->batch = NULL;
  if (result < 0) return LM_ROWS_LEFT;
  for (size_t i = 0; i < code->region_count; i++)
    if (!mm_was_intact(&code->regions[i])) return LM_ROWS_INTERPRETER;
  return (int)result;
}
