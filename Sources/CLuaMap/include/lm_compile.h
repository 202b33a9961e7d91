/* Compiled functions, for the host. */
#ifndef LM_COMPILE_H
#define LM_COMPILE_H

#include "lm_table.h"

/* Nothing is compiled: --no-compile. */
extern bool lm_compile_is_off;

/* At exit, lists on standard error what was compiled, for which types and in what time, and what was not and why. */
void lm_report_compiler(void);

/* Loads the compiler now, before a sandbox closes, and allows it there; false if there is none. */
bool lm_load_compiler(void);

/* The parts of a range that mmap.parallel runs. */
typedef struct lm_parts lm_parts;
size_t lm_part_count(const lm_parts *_Nonnull parts);
/* Runs a part, on any thread. False if those after it are not needed. */
bool lm_run_part(lm_parts *_Nonnull parts, size_t part);
/* Ends the parts that run on other threads. */
void lm_end_parts(lm_parts *_Nonnull parts);
/* The body: runs all parts. */
int lm_run_parts(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_parts *_Nonnull parts);

/* Machine code of a compiled function, for the rows of a table. It changes nothing: where a row needs more than that,
   the interpreter has to run all rows. No Lua code may run from lm_row_code_read to the end of its use. */
typedef struct lm_row_code lm_row_code;
enum { LM_MOST_COMBINATIONS = 8 };

/* [-0, +0, –] uses few slots, which it makes sure of. The machine code of the function with this key in the Lua table at
   the index `keep`; NULL if there is none for columns of these kinds (LM_CELL_BOOLEAN …). `wanted` is a combination of
   kinds of values (LM_CELL_NIL …) that is to be compiled too. */
lm_row_code *_Nullable lm_row_code_open(lua_State *_Nonnull L, int keep, int64_t function,
                                        const uint8_t *_Nonnull kinds, size_t arguments,
                                        const uint8_t *_Nullable wanted);
/* [-0, +0, –] uses few slots, which it makes sure of. Reads the upvalues; false if they are not of the same types. */
bool lm_row_code_read(lua_State *_Nonnull L, int keep, lm_row_code *_Nonnull code);
void lm_row_code_close(lm_row_code *_Nonnull code);

/* What one thread needs for a row code; NULL if there is no memory. */
typedef struct lm_row_worker lm_row_worker;
lm_row_worker *_Nullable lm_row_worker_open(const lm_row_code *_Nonnull code);
void lm_row_worker_close(lm_row_worker *_Nonnull worker);

typedef struct lm_row_batch {
  const lm_vector *_Nonnull vectors; /* of the arguments */
  size_t count, row;                 /* the next row, which is 0 at first */
  uint8_t *_Nonnull kinds;           /* of the results, LM_CELL_NIL … */
  uint64_t *_Nonnull words;
} lm_row_batch;
enum {
  LM_ROWS_DONE,
  LM_ROWS_LEFT,        /* a signal ended it */
  LM_ROWS_COMBINATION, /* the row has a combination of kinds that was not compiled: lm_row_worker_kinds */
  LM_ROWS_INTERPRETER  /* the row needs the interpreter */
};
/* Computes rows, on any thread. `work` is for mm_end_runs. */
int lm_compute_rows(lm_row_worker *_Nonnull worker, const void *_Nonnull work, lm_row_batch *_Nonnull batch);
/* The kinds of the arguments of the row. */
const uint8_t *_Nonnull lm_row_worker_kinds(const lm_row_worker *_Nonnull worker);

#endif
