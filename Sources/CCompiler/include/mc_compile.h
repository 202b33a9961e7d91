/* The boundary between the program and the compiler, which is a plug-in of its own (mmap-compile.so).
 *
 * The compiler gets the bytecode of a Lua function and a description of its inputs, and returns machine code. It knows
 * nothing of Lua's API, and the program knows nothing of LLVM. The plug-in exports one function, mc_interface_of.
 *
 * The machine code computes in an array of 64-bit words, the slots. The program fills in the inputs, runs the code, and
 * gets the number of an exit. The exit says what the values in the slots after the inputs are: the results, or the
 * registers of the Lua function before the instruction `pc`. From there the interpreter continues, with a function that
 * mc_resume makes: it raises the errors, and runs what the compiler does not know.
 */
#ifndef MC_COMPILE_H
#define MC_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mc_tables.h"

#pragma clang assume_nonnull begin

/* Changes with any change of this file. */
enum { MC_VERSION = 1 };
#define MC_INTERFACE_NAME "mc_interface_of"

/* Functions with more instructions are not compiled, and not more functions together. */
enum { MC_MOST_INSTRUCTIONS = 10000, MC_MOST_FUNCTIONS = 32 };

/* Why nothing is compiled any more. */
#define MC_NO_MEMORY "the compiler ran out of memory; the interpreter runs everything now"
#define MC_STOPPED "the compiler was interrupted; the interpreter runs everything now"

/* What a value is. */
enum {
  MC_NIL,
  MC_FALSE,
  MC_TRUE,
  MC_INTEGER,
  MC_FLOAT,
  MC_BOOLEAN,  /* in exits: false or true, as the slot says */
  MC_BUFFER,   /* inputs */
  MC_VIEW,     /* inputs */
  MC_FUNCTION, /* inputs: a function of Lua's library, `detail` is its MC_… */
  MC_OTHER,    /* inputs: what the compiler cannot use */
  MC_RECORDS,  /* inputs: `detail` is the number of its layout */
  MC_ABSENT,   /* inputs: a field of something that is no table */
  MC_COMPILED, /* inputs: a function of Lua, `detail` is the number that `link` gave, 0 for the function itself */
  MC_INPUT,    /* in exits: the input with this number */
  MC_CONSTANT, /* in exits: the constant with this number, a string */
  MC_RECORD,   /* in exits: the record of the input `number` whose index is in the slot */
  MC_METHOD,   /* in exits: the method of the input `number` whose name is the constant `constant` */
  MC_TABLE,    /* in exits: a table of the call, whose address is in the slot */
  MC_ANY       /* in exits: MC_NIL to MC_FLOAT, as the slot after it says */
};

/* Functions of Lua's library that compile. */
enum {
  MC_ABS = 1,
  MC_CEIL,
  MC_FLOOR,
  MC_FMOD,
  MC_MAX,
  MC_MIN,
  MC_SQRT,
  MC_TOINTEGER,
  MC_ULT,
  MC_EXP,
  MC_LOG,
  MC_SIN,
  MC_COS,
  MC_TAN,
  MC_ASIN,
  MC_ACOS,
  MC_ATAN,
  MC_ERROR /* it ends the function, and is no reason to leave compiled code for good */
};

/* Flags of a buffer or a view. */
enum {
  MC_WRITABLE = 1,
  MC_PACKED = 2 /* the stride is the size of an element */
};

/* One input. Two calls whose inputs are equal run the same code. */
typedef struct mc_input {
  uint8_t kind;    /* MC_NIL … MC_OTHER */
  uint8_t element; /* of a buffer or view: the type in mm_elements.h */
  uint8_t flags;
  uint8_t detail; /* of a function */
} mc_input;

/* Where an input comes from: a parameter, an upvalue, or a field of an upvalue, as in _ENV.math.max. */
typedef struct mc_source {
  int32_t member;    /* whose: 0 for the function itself. Only it has parameters from the program */
  int32_t parameter; /* from 0; -1 for an upvalue */
  int32_t upvalue;   /* from 1, as in lua_getupvalue */
  bool is_written;   /* an upvalue that exits write back */
  int32_t parent;    /* the source whose field it is; -1 for none */
  const char *_Nullable key;
  size_t key_length;
} mc_source;

/* The slots of each input: its value (the bits of an integer or a float), or of a buffer or view the address of the
   first byte, the number of elements, and the stride in bytes. */
enum { MC_SLOTS_PER_INPUT = 3 };

typedef struct mc_value {
  uint8_t kind;  /* MC_NIL … MC_METHOD */
  int16_t place; /* of an exit to the interpreter: the register, from 0; MC_GIVEN + the number of a result of the call
                there; or -1 - the source of a written upvalue */
  int32_t number, constant;
  int32_t slot; /* of MC_INTEGER, MC_FLOAT, MC_BOOLEAN, MC_TABLE, MC_ANY; in a frame, the word */
} mc_value;

enum { MC_GIVEN = 1000 };

enum {
  MC_RETURN,  /* the values are the results, before those of upvalues */
  MC_RESUME,  /* the interpreter continues, and most likely raises an error */
  MC_UNKNOWN, /* the interpreter continues: the compiler does not know what comes now, see `reason` */
  MC_RAISE    /* an error with the position of a caller: the first two values are the arguments of `error` */
};

typedef struct mc_exit {
  int32_t kind; /* MC_RETURN … */
  int32_t pc;   /* where the interpreter continues */
  int32_t line;
  int32_t count;
  int32_t results;   /* of MC_RETURN: how many of the values are results */
  int32_t registers; /* how many registers the interpreter needs */
  int32_t member;    /* the function that leaves */
  int32_t extent;    /* words of its frame; 0 for the first function */
  int32_t called;    /* the register of the function that was called; -1 for none */
  int32_t given;     /* how many of the values are results of that call */
  bool is_below;     /* the call has left too: its frame follows */
  const mc_value *values;
  const char *_Nullable reason;
} mc_exit;

typedef struct mc_function mc_function;

typedef struct mc_code {
  int64_t (*_Nonnull run)(uint64_t *slots);
  size_t slot_count;
  size_t line_slot;   /* the slot where the code stores the line of the loop it enters */
  size_t tables_slot; /* an input where the function makes tables: the address of an mc_tables */
  const mc_exit *exits;
  size_t exit_count;
  size_t bytes;     /* of machine code, in whole pages */
  size_t length;    /* of machine code */
  bool may_be_long; /* it has a loop, or calls functions of Lua */
  bool is_linked; /* it calls functions of Lua: the three slots after line_slot are the memory for frames, its end, and
                    the end of the machine's stack */
  double seconds;
  void *owner; /* the compiler's */
} mc_code;

typedef struct mc_interface {
  int32_t version;
  /* Where the reason is when the compiler ran out of memory or was stopped: nothing is compiled from then on. Before,
     NULL is there. The table of Swift's functions, which cannot tell, has none. */
  const char *_Nullable const volatile *_Nullable why_off;
  /* The compiler stops if this says so for longer than most functions take. */
  bool (*_Nullable *_Nullable is_stopped)(void);
  /* Decodes a function that lua_dump wrote, with its debug information. NULL with a reason if it cannot be compiled. */
  mc_function *_Nullable (*_Nonnull open)(const uint8_t *bytes, size_t count, char *reason, size_t capacity);
  void (*_Nonnull close)(mc_function *function);
  /* Adds a function that the function may call: its number, or -1. There are more sources after that. */
  int32_t (*_Nonnull link)(mc_function *function, const uint8_t *bytes, size_t count);
  /* Adds a layout of records with `size` bytes: its number, from 0. Then fields that are numbers, to the last layout. */
  int32_t (*_Nonnull add_layout)(mc_function *function, size_t size);
  void (*_Nonnull add_field)(mc_function *function, const char *name, size_t length, size_t offset, uint8_t element);
  /* Two sources are upvalues that are the same variable. */
  void (*_Nonnull unite)(mc_function *function, int32_t source, int32_t earlier);
  size_t (*_Nonnull source_count)(const mc_function *function);
  const mc_source *_Nonnull (*_Nonnull sources)(const mc_function *function);
  const char *_Nullable (*_Nonnull constant)(const mc_function *function, int32_t number, size_t *length);
  /* Whether its machine code makes tables. */
  bool (*_Nonnull makes_tables)(const mc_function *function);
  void (*_Nonnull free_tables)(mc_tables *tables);
  /* Machine code for these inputs, one for each source; NULL with a reason if it cannot be compiled. */
  mc_code *_Nullable (*_Nonnull compile)(mc_function *function, const mc_input *inputs, char *reason, size_t capacity);
  void (*_Nonnull release)(mc_code *code);
  /* A binary chunk: the member of the function that takes `registers` registers as parameters and continues at `pc`.
     The caller frees it with free(3). */
  uint8_t *_Nullable (*_Nonnull resume)(const mc_function *function, int32_t member, int32_t pc, int32_t registers,
                                        size_t *count);
  /* The machine code for these inputs as text, with the lines between, to be freed with free(3). */
  char *_Nullable (*_Nonnull disassemble)(mc_function *function, const mc_input *inputs);
} mc_interface;

/* The same without the protection from lack of memory, inside the plug-in. */
const mc_interface *_Nonnull mc_swift_interface(void);

/* The interface, or NULL if the version is another one. */
const mc_interface *_Nullable mc_interface_of(int32_t version);

#pragma clang assume_nonnull end
#endif
