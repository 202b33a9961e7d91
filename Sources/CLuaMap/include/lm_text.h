/* Lines and fields: iterators over the text in a buffer. */
#ifndef LM_TEXT_H
#define LM_TEXT_H

#include "lm_runtime.h"
#include "lm_view.h"

/* The state of an iterator is a userdata of one of these; `kind` is the address of a mark of its own,
   so that no other userdata of the same size is taken for it. The user value 1 is the buffer that owns
   the mapping. */
typedef struct lm_lines {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_lines walk;
  int64_t offset, length;
  bool has_length, keep, ranges;
} lm_lines;

/* The user values from 2 on are strings that were fields before: a field with the same bytes again
   is taken from there, which saves Lua's hashing and looking up. */
typedef struct lm_fields {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_rows walk;
  int64_t offset, length;
  bool has_length, csv, header, skipblank, has_line;
} lm_fields;

enum { LM_FIRST_KEPT = 2, LM_KEPT = 2048, LM_LONGEST_KEPT = 64 };

/* [-0, +0, –] Checks the range and begins the walk. */
int lm_lines_start(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_lines *_Nonnull lines);
int lm_fields_start(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_fields *_Nonnull fields);

/* The next line: 1, or 0 at the end. */
int lm_lines_find(lua_State *_Nonnull L, lm_call *_Nonnull call, mm_lines *_Nonnull walk, mm_line *_Nonnull line);

/* Where a text stands first in a line that was found, or LM_NOWHERE, or LM_PLACE_FAILED. */
int64_t lm_lines_place(lua_State *_Nonnull L, lm_call *_Nonnull call, mm_lines *_Nonnull walk,
                       const mm_line *_Nonnull line, const char *_Nonnull text, size_t count);
enum { LM_NOWHERE = -1, LM_PLACE_FAILED = -2 };

/* Stores the next fields of a row, at most `room`: their number, or LM_FAILED, or another negative code for the end or
   an error of the row. */
int lm_row_scan(lua_State *_Nonnull L, lm_call *_Nonnull call, mm_rows *_Nonnull walk, mm_row *_Nonnull row,
                mm_text_field *_Nonnull found, int room);
enum { LM_ROW_END = -10, LM_UNCLOSED_QUOTE = -11, LM_STRAY_BYTE = -12, LM_TOO_FEW_FIELDS = -13 };

/* One of every two quotes; returns how many bytes are left. */
size_t lm_undouble(uint8_t *_Nonnull bytes, size_t count);

/* Where the i-th of n pieces ends that begin and end at separators; `from` is where the one before it
   ended. */
int64_t lm_split_end(lua_State *_Nonnull L, lm_call *_Nonnull call, int64_t i, int64_t n, int64_t from,
                     const mm_separator *_Nonnull separator);

#endif
