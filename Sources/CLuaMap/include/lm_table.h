/* Tables: plans over rows, as userdata, and what carries rows between Swift and Lua. */
#ifndef LM_TABLE_H
#define LM_TABLE_H

#include "lm_record.h"
#include "lm_regex.h"
#include "lm_runtime.h"

/* The values of a column of some rows, in memory that only this process writes. `values` are those of Swift's Vector:
   words of 8 bytes, or pairs of an address and a length. */
typedef struct lm_vector {
  const void *_Nonnull values;
  const uint8_t *_Nullable nulls; /* not 0: the value is nil */
  int32_t kind;                   /* LM_CELL_BOOLEAN … */
} lm_vector;
enum { LM_CELL_NIL, LM_CELL_BOOLEAN, LM_CELL_INTEGER, LM_CELL_FLOAT, LM_CELL_STRING, LM_CELL_OTHER };

/* Marks of these types: they tell these userdata from others of the same size. */
extern const char lm_table_kind, lm_frame_kind, lm_rows_kind;

/* User value 1 is a Lua table that keeps alive what the plan refers to by integers: functions, and the objects that its
   rows come from. It is never changed: a plan that needs more gets a new one. */
typedef struct lm_table {
  const void *_Nullable self, *_Nullable kind;
  void *_Nullable object; /* a retained Table; NULL once it is closed */
} lm_table;

/* Rows in memory of their own, for results that become Lua tables. */
typedef struct lm_frame {
  const void *_Nullable self, *_Nullable kind;
  void *_Nullable object; /* a retained FrameHolder; NULL if empty */
  const lm_vector *_Nullable vectors;
  size_t count; /* rows */
  int32_t columns;
} lm_frame;

/* The state of t:rows(). User value 1 is that of its table. */
typedef struct lm_rows {
  const void *_Nullable self, *_Nullable kind;
  void *_Nullable object; /* a retained Reader; NULL at the end */
  const lm_vector *_Nullable vectors;
  int64_t row;           /* number of the next row */
  uint32_t place, count; /* the next row in the batch, and the rows of the batch */
  int32_t columns;
  bool is_reading; /* a function of the script that runs meanwhile cannot step again */
} lm_rows;

/* [-0, +0, –] The userdata at an index, or NULL; a closed one too. */
static inline lm_table *_Nullable lm_table_at(lua_State *_Nonnull L, int index) {
  return (lm_table *)lm_kind_at(L, index, sizeof(lm_table), &lm_table_kind);
}
static inline lm_frame *_Nullable lm_frame_at(lua_State *_Nonnull L, int index) {
  return (lm_frame *)lm_kind_at(L, index, sizeof(lm_frame), &lm_frame_kind);
}
static inline lm_rows *_Nullable lm_rows_at(lua_State *_Nonnull L, int index) {
  return (lm_rows *)lm_kind_at(L, index, sizeof(lm_rows), &lm_rows_kind);
}

/* A column's name and type, in memory of the table. */
typedef struct lm_column {
  const char *_Nullable name;
  size_t count;
  const char *_Nullable type;
} lm_column;

/* The options of mmap.table; the values of the others are on the stack. */
typedef struct lm_table_options {
  uint32_t steps; /* the limit of steps that the regex of `pattern` has; 0 if it has none */
  mm_separator separator, comment;
  bool has_header, header, has_csv, csv, merge, lazyquotes, skipblank;
  bool has_separator, has_comment;
  int64_t offset, length;
  bool has_offset, has_length;
  int32_t format; /* one of LM_CSV …, or LM_NO_FORMAT */
  int32_t bad;    /* LM_BAD_ERROR … */
} lm_table_options;
enum { LM_NO_FORMAT = -1, LM_CSV, LM_TSV, LM_JSONL, LM_LINES };
enum { LM_BAD_ERROR, LM_BAD_NIL, LM_BAD_SKIP };

/* The stack of mmap.table when its body is called. */
enum {
  LM_TABLE_SOURCE = 1,
  LM_TABLE_COLUMNS = 3, /* the option `columns`, a list of strings, or nil */
  LM_TABLE_NULL,        /* the option `null`, or nil */
  LM_TABLE_PATTERN,     /* the option `pattern`: a string, or nil */
  LM_TABLE_FLAGS,       /* the flags of the pattern, a string or nil */
  LM_TABLE_QUOTE,       /* the options of one byte, or nil */
  LM_TABLE_ESCAPE,
  LM_TABLE_DECIMAL,
  LM_TABLE_PARTS, /* of views a list of names and views, of records a list of names and fields; else nil */
  LM_TABLE_KEEP,
  LM_TABLE_TARGET
};

/* Bodies of verbs: fill in the new, closed table at the index `target`. The arguments are at 1 to `count`; the objects
   that the new plan keeps are in the Lua table at `target` - 1. `function` is the number of a new function there. */
#define LM_VERB(name)                                                                                                  \
  int lm_table_##name(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int count, int target, int64_t function)
LM_VERB(where);
LM_VERB(with);
LM_VERB(select);
LM_VERB(rename);
LM_VERB(fill);
LM_VERB(group);
LM_VERB(sort);
LM_VERB(top);
LM_VERB(bottom);
LM_VERB(head);
LM_VERB(distinct);
LM_VERB(join);
LM_VERB(append);
LM_VERB(piece);
int lm_table_open(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_table_options *_Nonnull options);

void lm_table_release(lm_table *_Nonnull table);
void lm_frame_release(lm_frame *_Nonnull frame);
void lm_rows_release(lm_rows *_Nonnull reader);

/* Bodies of results. The Lua table of what the plan keeps is at the index `keep`. */
int lm_table_collect(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, int name, lm_frame *_Nonnull frame);
int lm_table_describe(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, lm_frame *_Nonnull frame);
int lm_table_count_rows(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep);
int lm_table_make_column(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, lm_buffer *_Nonnull buffer,
                         lm_view *_Nonnull target);
/* Whether the terminal shows UTF-8. The host may change it. */
extern bool lm_is_unicode;
/* The text of tostring, `columns` wide (0 for no limit), or of explain; the frame holds it. */
int lm_table_text(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, int columns, bool is_unicode,
                  lm_frame *_Nonnull frame);
int lm_table_explanation(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_frame *_Nonnull frame);
int lm_table_save(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, const char *_Nonnull path, int format);
int lm_table_skipped_rows(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
int lm_table_begin(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, lm_rows *_Nonnull reader);
/* Reads the next batch: 1, or 0 at the end. The reader is at `index`. */
int lm_rows_next(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int keep, int index);

/* [-0, +0, –] A column; false if there is none. Its name lives as long as the object. */
bool lm_table_column_at(const lm_table *_Nonnull table, int32_t column, lm_column *_Nonnull found);
bool lm_frame_column_at(const lm_frame *_Nonnull frame, int32_t column, lm_column *_Nonnull found);
/* The text of a frame that holds one. */
bool lm_frame_text(const lm_frame *_Nonnull frame, const char *_Nullable *_Nonnull bytes, size_t *_Nonnull count);

/* The call of a function for each row of a batch. */
typedef struct lm_row_call {
  lua_State *_Nonnull L;
  void *_Nonnull owner; /* gets strings */
  const lm_vector *_Nonnull vectors;
  size_t count;     /* rows */
  int64_t function; /* its key in the Lua table at the index `keep` */
  int32_t keep, arguments;
  /* Of the results, for each row: LM_CELL_NIL …, and an integer, the bits of a float, 0 or 1. */
  uint8_t *_Nonnull kinds;
  uint64_t *_Nonnull words;
} lm_row_call;
/* [-0, +(0|1), –] Makes the calls. False after an error, which is on top of the stack. */
bool lm_call_rows(lm_row_call *_Nonnull call);
/* [-0, +0, –] Stores the string that is the result of a row; false if there is no memory. */
bool lm_call_string(void *_Nonnull owner, size_t row, const char *_Nonnull bytes, size_t count);

#endif
