/* Lines and fields of text in a mapping: the state of the scanners. */
#ifndef MM_TEXT_H
#define MM_TEXT_H

#include <string.h>

#include "mm_guard.h"

enum { MM_LONGEST_SEPARATOR = 16, MM_MOST_TYPES = 250 };

/* A separator of lines or fields: 1 to 16 bytes. */
typedef struct mm_separator {
  uint8_t bytes[MM_LONGEST_SEPARATOR];
  uint32_t count;
} mm_separator;

/* An iteration over the lines in bytes [position, end) of a buffer. */
typedef struct mm_lines {
  mm_region region;
  size_t position, end;
  mm_separator separator;
} mm_lines;

/* A line: its start, its length without the separator, and the start of the next line. In bytes. */
typedef struct mm_line {
  size_t start, length, next;
} mm_line;

enum { MM_TEXT_STRING, MM_TEXT_NUMBER, MM_TEXT_INTEGER, MM_TEXT_SKIP, MM_TEXT_TYPE = 7, MM_TEXT_OPTIONAL = 8 };

/* An iteration over the rows in bytes [position, end) of a buffer. */
typedef struct mm_rows {
  mm_region region;
  size_t position, end;
  size_t given; /* number of rows passed, with the header and skipped rows */
  mm_separator separator, line;
  bool takes_return; /* a carriage return before the end of a line is part of the line separator */
  bool quoted;       /* quotes as in RFC 4180 */
  bool skips_blank;  /* skip empty rows */
  bool header;       /* skip a header row first */
  uint8_t count;     /* number of types; 0: every field is a string */
  uint8_t types[MM_MOST_TYPES];
} mm_rows;

/* Resumable state of a row, for callers with a small array of fields. */
typedef struct mm_row {
  size_t position;
  size_t column;  /* number of fields passed */
  size_t skipped; /* number of rows skipped before it */
  bool ended;     /* all its bytes are read */
  bool complete;  /* all its bytes are read and all its fields returned */
} mm_row;

enum {
  MM_FIELD_STRING,  /* a string, the bytes unchanged */
  MM_FIELD_DOUBLED, /* a string whose bytes have every quote doubled */
  MM_FIELD_INTEGER, /* `value` is the integer */
  MM_FIELD_FLOAT,   /* `value` has the bits of the float */
  MM_FIELD_NUMERAL, /* bytes that may be a number, in a format other than the common one */
  MM_FIELD_ABSENT   /* an optional field after the end of the row */
};

typedef struct mm_text_field {
  uint8_t kind, type;
  uint16_t column; /* from 1, for a field with a type */
  uint32_t hash;   /* of a string's bytes */
  size_t start, length;
  int64_t value;
} mm_text_field;

/* Whether the separator is at p; `count` bytes may be read. The caller has already compared the first byte. */
static inline bool mm_separator_follows(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p, size_t count) {
  return s->count == 1 || (s->count <= count && memcmp(s->bytes, p, s->count) == 0);
}

/* Begins a row. False at the end. True does not guarantee a row: the rest may be blank rows. */
static inline bool mm_begin_row(const mm_rows *_Nonnull rows, mm_row *_Nonnull row) {
  *row = (mm_row){.position = rows->position};
  return rows->position < rows->end;
}

/* Continues the iteration after the row. */
static inline void mm_finish_row(mm_rows *_Nonnull rows, const mm_row *_Nonnull row) {
  rows->position = row->position;
  rows->given += row->skipped + 1;
  rows->header = false;
}

/* Pointers to members, which Swift cannot make. */
static inline const mm_separator *_Nonnull mm_field_separator(const mm_rows *_Nonnull rows) { return &rows->separator; }
static inline const mm_separator *_Nonnull mm_row_separator(const mm_rows *_Nonnull rows) { return &rows->line; }

/* Eight bytes at any address as a little-endian integer. */
static inline uint64_t mm_load_word(const uint8_t *_Nonnull p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

static inline uint8_t mm_type_of_column(const mm_rows *_Nonnull rows, size_t column) {
  return rows->count == 0 ? MM_TEXT_STRING : rows->types[column < MM_MOST_TYPES ? column : MM_MOST_TYPES - 1];
}

/* The address of the first separator, or NULL. */
static inline const void *_Nullable mm_find_separator(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p,
                                                      size_t count) {
  return mm_find(p, count, s->bytes, s->count);
}

/* 10^n for n from 0 to 22: exact as a double. */
static inline double mm_power_of_ten(size_t n) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  return powers[n < 22 ? n : 22];
}

#endif
