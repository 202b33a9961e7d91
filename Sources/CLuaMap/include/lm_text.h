/* Lines and fields: iterators over the text in a buffer. */
#ifndef LM_TEXT_H
#define LM_TEXT_H

#include "lm_runtime.h"
#include "lm_view.h"

/* The states of iterators, as userdata. `kind` is the address of the type's mark, which tells it from other userdata of
   the same size. User value 1 is the buffer that owns the mapping. */
typedef struct lm_lines {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_lines walk;
  int64_t offset, length;
  bool has_length, keep, ranges, reverse;
} lm_lines;

/* The success of the string cache in a column. If strings rarely repeat, the column bypasses the cache for a while. */
typedef struct lm_usage {
  size_t since;    /* rows at the start of the count */
  uint32_t misses; /* strings that were not in the cache */
  uint32_t bypass; /* fields that still bypass the cache */
  uint32_t last;   /* the length of the last bypass; it doubles each time */
} lm_usage;
enum { LM_USAGES = 64, LM_MISSES = 2048, LM_BYPASS = 1 << 16, LM_LONGEST_BYPASS = 1 << 20 };

/* The user values from 2 on are the cache: strings of earlier fields. A field with the same bytes gets the same string,
   which saves the hashing and the search of lua_pushlstring. The last user value is the table of nulls, or nil. */
typedef struct lm_fields {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_rows walk;
  int64_t offset, length;
  bool has_length, has_line, has_csv;
  bool has_nulls;  /* false: the empty string is the only null */
  bool bad_is_nil; /* a field that is not a number becomes nil */
  bool position;   /* the first three results are offset, length and line number */
  lm_usage usage[LM_USAGES];
  uint8_t types[]; /* MM_MOST_TYPES */
} lm_fields;

enum { LM_FIRST_KEPT = 2, LM_KEPT = 2048, LM_LONGEST_KEPT = 64, LM_NULLS = LM_FIRST_KEPT + LM_KEPT };

/* [-0, +0, –] Checks the range and begins the walk. */
int lm_lines_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_lines *_Nonnull lines);
int lm_fields_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_fields *_Nonnull fields);

/* Whether the separator overlaps itself: then a search from the end of the text can find other separators than a
   search from its start. */
bool lm_overlaps_itself(const mm_separator *_Nonnull separator);

/* Fails if the file at the path now ends before `end`, the end of a walk. */
int lm_text_end(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const mm_region *_Nonnull region, size_t end,
                const char *_Nonnull path);

/* The next line: 1, or 0 at the end. */
int lm_lines_find(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, mm_lines *_Nonnull walk, mm_line *_Nonnull line);
/* The last line that was not found yet: 1, or 0 at the beginning of the text. */
int lm_lines_find_last(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, mm_lines *_Nonnull walk,
                       mm_line *_Nonnull line);

/* The offset of a text in a line that was found, or LM_NOWHERE, or LM_PLACE_FAILED. */
int64_t lm_lines_place(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, mm_lines *_Nonnull walk,
                       const mm_line *_Nonnull line, const char *_Nonnull text, size_t count);
enum { LM_NOWHERE = -1, LM_PLACE_FAILED = -2 };

/* Stores the next fields of a row, at most `room`: their number, or LM_FAILED, or another negative code for the end or
   an error of the row. */
int lm_row_scan(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, mm_rows *_Nonnull walk, mm_row *_Nonnull row,
                mm_text_field *_Nonnull found, int room);
enum { LM_ROW_END = -10, LM_UNCLOSED_QUOTE = -11, LM_STRAY_BYTE = -12, LM_TOO_FEW_FIELDS = -13, LM_BARE_QUOTE = -14 };

/* The number of the line at an offset of a row, or LM_FAILED. */
int64_t lm_row_line(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, mm_rows *_Nonnull walk, size_t offset);

/* Removes the escapes of quotes; returns the number of bytes left. */
size_t lm_undouble(uint8_t *_Nonnull bytes, size_t count, uint8_t quote, uint8_t escape);

/* A u64 in decimal or hexadecimal digits, with blanks around; false for anything else. */
bool lm_u64(const char *_Nonnull text, size_t count, uint64_t *_Nonnull value);

/* The integer that a numeral of Lua is exactly, an int64_t or a uint64_t; false if it is none of these. [-0, +0, –] */
bool lm_whole(const char *_Nonnull text, size_t count, bool is_unsigned, uint64_t *_Nonnull value);

/* The places where b:split may cut: after a separator and, if `csv`, outside of quotes. */
typedef struct lm_cuts {
  mm_separator separator;
  bool csv;
  uint8_t quote, escape;
} lm_cuts;

/* The end of the i-th of n pieces; `from` is the end of the one before it. */
int64_t lm_split_end(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t i, int64_t n, int64_t from,
                     const lm_cuts *_Nonnull cuts);

#endif
