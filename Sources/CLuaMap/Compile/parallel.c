/* mmap.parallel: a compiled function for the parts of a range, on all cores. */
#include <alloca.h>
#include <pthread.h>

#include "compile.h"
#include "mm_run.h"

/* The parts depend on the range alone, not on the number of threads. */
enum { LM_MOST_PARTS = 256 };

enum { PART_FRAMES = LM_FEW_FRAMES + LM_FRAME_SLACK };

/* What the machine code came to. */
enum { LM_NOT_RUN = -3 };

struct lm_parts {
  lua_State *L;
  pthread_t thread; /* that of the script */
  const mc_code *code;
  bool is_ended; /* atomic */
  size_t count;
  int64_t *exits;   /* of each part: its exit, or what is below 0 */
  uint64_t *slots;  /* of all parts */
  uint64_t *frames; /* of all parts, for linked code */
};

size_t lm_part_count(const lm_parts *parts) { return parts->count; }

void lm_end_parts(lm_parts *parts) {
  __atomic_store_n(&parts->is_ended, true, __ATOMIC_RELAXED);
  mm_end_runs(parts);
}

/* The first value of a part of first … last; of the part `count`, last + 1. */
static int64_t part_start(int64_t first, int64_t last, size_t count, size_t part) {
  unsigned __int128 values = (unsigned __int128)((uint64_t)last - (uint64_t)first) + 1;
  return (int64_t)((uint64_t)first + (uint64_t)(values * part / count));
}

/* [-0, +0, –] What the interrupt of this thread asks for. */
static bool is_stopped(const lm_parts *parts) {
  if (__atomic_load_n(&parts->is_ended, __ATOMIC_RELAXED)) return true;
  return pthread_equal(pthread_self(), parts->thread) && lm_is_stopped(parts->L);
}

bool lm_run_part(lm_parts *parts, size_t part) {
  const mc_code *code = parts->code;
  uint64_t *slots = parts->slots + part * code->slot_count;
  uint64_t *frames = parts->frames + part * PART_FRAMES;
  if (code->is_linked) lm_set_frames(code, slots, frames, frames + LM_FEW_FRAMES);
  int64_t number;
  do number = mm_run_for(parts, code->run, slots);
  while (number == MM_RUN_EARLY && !is_stopped(parts));
  if (number < 0 || (size_t)number >= code->exit_count) return false;
  parts->exits[part] = number;
  /* Most likely an error: what comes after it is not needed. */
  const mc_exit *exit = lm_innermost_in(code, &code->exits[number], frames);
  return exit->kind == MC_RETURN || exit->kind == MC_UNKNOWN;
}

/* [-n, +0, e] Puts the n values on top, packed, into the list of results. */
static void add_results(lua_State *L, int list, int64_t number, int count) {
  luaL_checkstack(L, 3, NULL);
  lua_createtable(L, count, 1);
  lua_insert(L, -1 - count);
  for (int i = count; i > 0; i--) lua_rawseti(L, -1 - i, i);
  lua_pushinteger(L, count);
  lua_setfield(L, -2, "n");
  /* A function of the script can change the stack with the debug library. */
  if (lua_type(L, list) != LUA_TTABLE) luaL_error(L, "the stack was modified");
  lua_rawseti(L, list, number);
}

/* What mmap.parallel asks its function. */
typedef struct lm_parallel {
  int64_t first, last;
  const void *list; /* the results, where it was called in parts */
} lm_parallel;

/* [-?, +1, e] The list of results, of calls for each part: -1 if it is to be called once. */
static int call_parts(lua_State *L, lm_compiled *compiled, void *data) {
  lm_parallel *call = data;
  int64_t first = call->first, last = call->last;
  uint64_t values = (uint64_t)last - (uint64_t)first;
  if (values == 0 || !lm_is_ready(L, compiled)) return -1;
  /* Parts would not see what others have written. */
  for (int i = 0; i < compiled->source_count; i++)
    if (compiled->sources[i].is_written) return -1;
  size_t input_count = (size_t)compiled->source_count, input_slots = input_count * MC_SLOTS_PER_INPUT;
  int arguments = lua_gettop(L), parameters = compiled->parameters;
  luaL_checkstack(L, 2 * (int)input_count + parameters + 16, NULL);
  /* The parameters at 1 and following: for the parts that are called again, all arguments are kept after them. */
  mc_input *inputs = alloca((input_count + 1) * sizeof *inputs);
  uint16_t *where = alloca((input_count + 1) * sizeof *where);
  uint64_t *base = alloca((input_slots + 1) * sizeof *base);
  lua_settop(L, parameters > arguments ? parameters : arguments);
  const char *reason = lm_read_inputs(L, compiled, inputs, base, where);
  lm_signature *signature = reason ? NULL : lm_find_signature(L, compiled, inputs);
  if (!signature || signature->reason) {
    lua_settop(L, arguments);
    return -1;
  }
  size_t count = values < LM_MOST_PARTS ? (size_t)values + 1 : LM_MOST_PARTS, size = signature->code->slot_count;
  lua_createtable(L, (int)count, 0);
  int list = lua_gettop(L);
  size_t frames = signature->code->is_linked ? PART_FRAMES : 0;
  uint64_t *memory = lm_new_userdata(L, count * (1 + size + frames) * sizeof *memory, 0);
  int memory_at = lua_gettop(L);
  lm_made *made = compiled->makes_tables ? lm_new_made(L, count) : NULL;
  /* A finalizer may have closed a buffer, or changed an upvalue. What follows allocates nothing before the code runs. */
  reason = lm_is_ready(L, compiled) ? lm_read_inputs(L, compiled, inputs, base, where) : "changed";
  lm_signature *again = reason ? NULL : lm_find_signature(L, compiled, inputs);
  if (again != signature || signature->reason) return luaL_error(L, "a finalizer changed what the function uses");
  const mc_code *code = signature->code;
  lm_parts parts = {.L = L,
                    .thread = pthread_self(),
                    .code = code,
                    .count = count,
                    .exits = (int64_t *)memory,
                    .slots = memory + count,
                    .frames = memory + count * (1 + size)};
  int first_slot = -1, last_slot = -1; /* not a parameter */
  for (size_t i = 0; i < input_count; i++) {
    if (compiled->sources[i].member != 0) continue;
    if (compiled->sources[i].parameter == 0) first_slot = (int)(i * MC_SLOTS_PER_INPUT);
    if (compiled->sources[i].parameter == 1) last_slot = (int)(i * MC_SLOTS_PER_INPUT);
  }
  for (size_t part = 0; part < count; part++) {
    uint64_t *slots = parts.slots + part * size;
    memcpy(slots, base, input_slots * sizeof *base);
    slots[code->line_slot] = (uint64_t)compiled->line;
    slots[code->tables_slot] = made ? (uintptr_t)&made->parts[part] : 0;
    if (first_slot >= 0) slots[first_slot] = (uint64_t)part_start(first, last, count, part);
    if (last_slot >= 0) slots[last_slot] = (uint64_t)part_start(first, last, count, part + 1) - 1;
    parts.exits[part] = LM_NOT_RUN;
  }
  compiled->reason[0] = '\0';
  if (made) lua_toclose(L, made->index);
  lm_outcome outcome;
  mm_escape_begin();
  int result = LM_RUN(L, lm_run_parts(L, &outcome, &parts));
  mm_escape_end();
  int line = (int)parts.slots[code->line_slot];
  for (size_t part = count; part-- > 0;)
    if (parts.exits[part] < 0) line = (int)parts.slots[part * size + code->line_slot];
  int lost = lm_lost_input(L, compiled, inputs, where);
  if (lost) return lm_raise_lost_at(L, line, lost);
  if (result < 0) {
    if (outcome.kind == LM_INTERRUPTED) return lm_raise_interrupt_at(L, line);
    return lm_push_or_raise(L, &outcome, result);
  }
  int top = lua_gettop(L);
  for (size_t part = 0; part < count; part++) {
    int results;
    if (parts.exits[part] >= 0) {
      const mc_exit *exit = &code->exits[parts.exits[part]];
      if (exit->is_below) {
        lm_frames *own = lm_own_frames();
        if (!own->next) return luaL_error(L, "not enough memory");
        memcpy(own->next, parts.frames + part * PART_FRAMES, PART_FRAMES * sizeof *parts.frames);
      }
      compiled->uses++;
      lm_note_exit(L, compiled, signature, inputs, code, exit);
      results = lm_leave(L, compiled, code, exit, parts.slots + part * size, where, made, part);
    } else {
      /* After one that was most likely an error, and was none. */
      lua_Debug debug;
      luaL_checkstack(L, arguments + 2, NULL);
      lua_getstack(L, 0, &debug);
      lua_getinfo(L, "f", &debug);
      lua_pushinteger(L, part_start(first, last, count, part));
      lua_pushinteger(L, part_start(first, last, count, part + 1) - 1);
      for (int i = 3; i <= arguments; i++) lua_pushvalue(L, i);
      lua_call(L, arguments > 2 ? arguments : 2, LUA_MULTRET);
      results = lua_gettop(L) - top;
    }
    add_results(L, list, (int64_t)part + 1, results);
    lua_settop(L, top);
    /* The script may have run, with a finalizer or the debug library. */
    if (!compiled->function || lua_touserdata(L, memory_at) != memory ||
        (made && lua_touserdata(L, made->index) != made))
      return luaL_error(L, "a finalizer ended the function");
  }
  lua_pushvalue(L, list);
  call->list = lua_topointer(L, -1);
  return 1;
}

int lm_custom_mmap_parallel(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lm_parallel call = {.first = lm_check_integer(L, 2, "integer"), .last = lm_check_integer(L, 3, "integer")};
  if (call.first > call.last) {
    lua_createtable(L, 0, 0);
    return 1;
  }
  int arguments = lua_gettop(L) - 1;
  luaL_checkstack(L, LUA_MINSTACK + arguments, NULL);
  lua_pushinteger(L, call.first);
  lua_replace(L, 2);
  lua_pushinteger(L, call.last);
  lua_replace(L, 3);
  /* The closure of C itself is called, so that the question comes from this function. */
  bool is_compiled = lm_push_state(L, 1);
  if (is_compiled) {
    lm_push_kept(L, -1);
    lua_insert(L, 1);
    lua_replace(L, 2);
    lm_ask(L, call_parts, &call);
  }
  lua_call(L, arguments, LUA_MULTRET);
  if (is_compiled) lua_remove(L, 1);
  if (call.list && lua_gettop(L) == 1 && lua_topointer(L, 1) == call.list) return 1;
  int results = lua_gettop(L);
  luaL_checkstack(L, 3, NULL);
  lua_createtable(L, 1, 0);
  lua_insert(L, 1);
  add_results(L, 1, 1, results);
  return 1;
}
