/* Compiled functions: the boundary between Lua and the compiler's plug-in. */
#ifndef COMPILE_H
#define COMPILE_H

#include "mc_compile.h"
#include "trampoline.h"

/* Machine code for one combination of types, or the reason why there is none. */
typedef struct lm_signature {
  mc_input *inputs;
  mc_code *code;
  char *reason;
  uint32_t resumes, unknowns; /* how often the interpreter continued */
} lm_signature;

enum { LM_MOST_SIGNATURES = 8, LM_MOST_SOURCES = 500, LM_MOST_LAYOUTS = 16, LM_REASON = 320 };

/* A compiled function is a closure of C. Its upvalues: this userdata; the function; a table with the keys of sources at
   1, 2, 3 …, functions that it calls from LM_LINKS on, and functions that continue at a pc at negative numbers. */
typedef struct lm_compiled {
  const void *self, *kind;
  const void *identity; /* of the function */
  mc_function *function;
  const mc_source *sources;
  int32_t source_count, parameters;
  int32_t signature_count, latest, link_count;
  uint64_t layouts[LM_MOST_LAYOUTS]; /* of records, by their numbers */
  int32_t layout_count;
  const void *links[MC_MOST_FUNCTIONS]; /* functions that are compiled with it, by number; the first is itself */
  lm_signature signatures[LM_MOST_SIGNATURES];
  int32_t uses;        /* what the compiler made is in use: it is not freed */
  size_t slot_count;   /* the most that a signature needs */
  bool is_off;         /* the interpreter runs it always */
  uintptr_t outermost; /* a place on the stack of C: calls of itself in the interpreter have lower ones */
  bool is_strict;
  bool makes_tables;
  int32_t line; /* where the function begins */
  char place[LUA_IDSIZE + 16];
  char reason[LM_REASON]; /* why the last call did not run compiled; empty if it did */
} lm_compiled;
LM_APART(lm_compiled);

enum { LM_UPVALUE_COMPILED = 1, LM_UPVALUE_FUNCTION, LM_UPVALUE_TABLE };
#define LM_CHANGED_UPVALUES "the upvalues of a compiled function were changed"
enum { LM_LINKS = 1 << 20 };

/* The upvalues of the function that a script gets, which is one of Lua. So a function that calls itself in the interpreter
   is not nested in C, where Lua allows 200 calls: once it is known that the interpreter runs all of it, LM_TARGET is the
   function itself. */
enum { LM_TARGET = 1, LM_STATE };
enum { LM_WRAPPER = -1 };

/* [-0, +0, –] Whether the table of the running function is there. A script can change it where anything is allocated, by
   a finalizer with the debug library: so it is looked at before each use. */
static inline bool lm_has_table(lua_State *L) { return lua_type(L, lua_upvalueindex(LM_UPVALUE_TABLE)) == LUA_TTABLE; }
/* [-0, +0, v] The index of that table. */
static inline int lm_check_table(lua_State *L) {
  if (mm_unlikely(!lm_has_table(L))) luaL_error(L, LM_CHANGED_UPVALUES);
  return lua_upvalueindex(LM_UPVALUE_TABLE);
}
/* [-0, +1, –] Pushes the state of a closure of C, which keeps it as long as it is on the stack. */
static inline void lm_push_kept(lua_State *L, int closure) {
  if (!lua_getupvalue(L, closure, LM_UPVALUE_COMPILED)) lua_pushnil(L);
}

/* [-0, +0, –] The compiled function at an index, or NULL. */
lm_compiled *lm_compiled_at(lua_State *L, int index);
/* [-?, +n, e] The call of a compiled function. */
int lm_call_compiled(lua_State *L);

/* Memory for the frames of functions that machine code calls, of the running thread. */
typedef struct lm_frames {
  uint64_t *next, *end;
  uintptr_t stack_end;
  bool is_mapped;
} lm_frames;
lm_frames *lm_own_frames(void);
/* Sets the slots that tell linked machine code where the memory is. To be called by the thread that runs the code. Where
   there is none, the first function that is called leaves at once, and its frame is in `spare`. */
enum { LM_SPARE = 300 };
void lm_lend_frames(const mc_code *code, uint64_t *slots, uint64_t spare[LM_SPARE]);
/* Where the stack of the running thread must end for machine code. */
uintptr_t lm_stack_end(void);

/* Words for the frames of machine code that runs beside the script's thread. Deeper calls leave it. After them there is
   room for results. */
enum { LM_FEW_FRAMES = 1024, LM_FRAME_SLACK = 512 };
/* Gives linked code the memory for its frames, from `frames` to `end`. */
static inline void lm_set_frames(const mc_code *code, uint64_t *slots, uint64_t *frames, uint64_t *end) {
  slots[code->line_slot + 1] = (uintptr_t)frames;
  slots[code->line_slot + 2] = (uintptr_t)end;
  slots[code->line_slot + 3] = lm_stack_end();
}

/* [-0, +0, –] The Lua function at an index, that of a compiled function there too; NULL for any other value. */
const void *lm_function_at(lua_State *L, int index);
/* [-0, +1, –] Pushes the function with this number among the links, or nil. */
void lm_push_link(lua_State *L, int number);
/* [-0, +0, m] Finds the functions that it may call, and adds them. The arguments are at 1 and following. False if there
   are too many sources. */
bool lm_link(lua_State *L, lm_compiled *compiled, const mc_interface *compiler);
/* [-0, +0, –] The bytecode of the function on top of the stack, to be freed with free(3); NULL if there is no memory. */
uint8_t *lm_bytecode(lua_State *L, size_t *count);
/* [-0, +1, –] Pushes the closure of C of the compiled function at an index. False, and nothing, for any other value. */
bool lm_push_state(lua_State *L, int index);
/* [-0, +1, –] Pushes the function that is compiled, if the value at an index is a compiled function; else false. */
bool lm_push_compiled(lua_State *L, int index);

/* [-0, +0, –] The plug-in, loaded at the first call; NULL with a reason if there is none, or no memory to compile. */
const mc_interface *lm_compiler(char reason[LM_REASON]);
/* [-0, +0, –] The plug-in, for what it has compiled before. */
const mc_interface *lm_loaded_compiler(void);
/* [-0, +0, –] Whether it has run out of memory or was interrupted: nothing runs compiled any more. */
bool lm_compiler_is_off(void);
/* [-0, +0, –] The thread of Lua whose Ctrl-C ends what is compiled next; NULL for none. */
void lm_compile_for(lua_State *L);

/* [-0, +0, m] Whether the function can run compiled now; makes ready what its first call needs. Else there is a
   reason. */
bool lm_is_ready(lua_State *L, lm_compiled *compiled);

/* [-0, +0, –] Machine code for these inputs, made if there is none yet. NULL, or one with a reason, if there is none. */
lm_signature *lm_find_signature(lua_State *L, lm_compiled *compiled, const mc_input *inputs);

/* [-0, +0, v] Notes that machine code was left by an exit. */
void lm_note_exit(lua_State *L, lm_compiled *compiled, lm_signature *signature, const mc_input *inputs,
                  const mc_code *code, const mc_exit *exit);

/* A question to a compiled function, instead of a call: only while it runs it sees its upvalues. It is for the next call
   of a compiled function by the function `asker`. The answer is a number of results, or -1 to run the function. */
typedef struct lm_question {
  int (*answer)(lua_State *L, lm_compiled *compiled, void *data);
  void *data;
  lua_CFunction asker;
} lm_question;
extern _Thread_local __attribute__((tls_model("initial-exec"))) lm_question lm_asked;

/* [-0, +0, –] Asks the compiled function that the running function calls next. The stack has room for the call: no
   collection comes between. */
void lm_ask(lua_State *L, int (*answer)(lua_State *L, lm_compiled *compiled, void *data), void *data);

/* [-0, +0, –] The inputs of a call whose arguments are at 1 and following. Pushes the others. `where` gets the stack
   index of each. A reason if there is something that cannot be an input. Uses `source_count` slots. */
const char *lm_read_inputs(lua_State *L, lm_compiled *compiled, mc_input *inputs, uint64_t *slots, uint16_t *where);

/* [-0, +0, –] The mapping of an input; NULL where it is none. */
static inline const mm_region *lm_input_region(lua_State *L, const mc_input *input, int index) {
  bool is_memory = input->kind == MC_BUFFER || input->kind == MC_VIEW || input->kind == MC_RECORDS;
  return is_memory ? lm_region_at(L, index) : NULL;
}
/* [-0, +0, –] The stack index of the first input whose mapping has lost pages; 0 if there is none. */
static inline int lm_lost_input(lua_State *L, const lm_compiled *compiled, const mc_input *inputs,
                                const uint16_t *where) {
  for (int i = 0; i < compiled->source_count; i++) {
    const mm_region *region = lm_input_region(L, &inputs[i], where[i]);
    if (mm_unlikely(region && !mm_was_intact(region))) return where[i];
  }
  return 0;
}

/* The reason of lm_read_inputs where the interpreter most likely raises an error. */
extern const char lm_unusable_memory[];

/* [-0, +0, –] Remembers the functions of Lua's library that compile. */
void lm_know_functions(lua_State *L);

/* The tables of one call, or of the parts of one. A userdata that is closed with the call: they are freed whatever
   happens. */
typedef struct lm_made {
  const void *self, *kind;
  int index; /* on the stack */
  size_t count;
  mc_tables *parts;
} lm_made;
LM_APART(lm_made);

extern const mc_memory lm_table_memory;
/* [-0, +1, e] A new one. When machine code is about to run, and not before, it is marked to be closed: lua_settop of
   Lua 5.4.4 closes values with a pointer to the stack that is no longer right where the stack grows meanwhile. */
lm_made *lm_new_made(lua_State *L, size_t count);
/* [-0, +0, –] */
void lm_open_made(lua_State *L);
/* [-0, +1, –] A value with its tag, MC_NIL to MC_FLOAT. */
void lm_push_any(lua_State *L, uint64_t tag, uint64_t value);
/* [-0, +0, –] Frees the tables. */
void lm_free_made(lm_made *made);
/* [-0, +n, e] Pushes a table of Lua for each table among the values of an exit, puts its stack index into the slot, and
   frees the tables. */
void lm_push_made(lua_State *L, lm_made *made, size_t part, const mc_exit *exit, uint64_t *slots);

/* [-0, +n, e] Leaves machine code by an exit: pushes the results, or lets the
   interpreter continue. `made` is NULL if the function makes no tables. */
int lm_leave(lua_State *L, lm_compiled *compiled, const mc_code *code, const mc_exit *exit, uint64_t *slots,
             const uint16_t *where, lm_made *made, size_t part);
/* [-0, +0, –] The exit of the innermost function that has left. */
const mc_exit *lm_innermost(const mc_code *code, const mc_exit *exit);
/* The same, where the frames below are here. */
const mc_exit *lm_innermost_in(const mc_code *code, const mc_exit *exit, const uint64_t *frame);

/* [-0, +1, e] Loads a chunk of one line, which for messages is a line of the function at an index. */
void lm_load_at(lua_State *L, int function, int line, const char *source);

/* [-0, +0, v] Raises an error from a line of the function: of the lost mapping at an index, or of an interrupt. */
int lm_raise_lost_at(lua_State *L, int line, int index);
int lm_raise_interrupt_at(lua_State *L, int line);

/* [-0, +n, e] Runs the function in the interpreter, with the arguments from 1 to the top. */
int lm_interpret(lua_State *L);

/* [-0, +0, –] The types of the parameters: "buffer, view f64, integer". */
enum { LM_TYPES = 512 };
void lm_describe_types(const lm_compiled *compiled, const mc_input *inputs, char text[LM_TYPES]);

/* [-0, +0, –] Adds a line to the report, where there is one. `inputs` is NULL for all types; `code` is NULL where there
   is none, for `reason`. */
void lm_report_compiled(const lm_compiled *compiled, const mc_input *inputs, const mc_code *code, const char *reason);

/* [-0, +0, –] Why the last call did not run compiled. */
void lm_note_reason(lm_compiled *compiled, const char *reason);

#endif
