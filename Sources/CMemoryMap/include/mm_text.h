/* Lines and fields of a text in a mapping: what the scanners know between two steps. */
#ifndef MM_TEXT_H
#define MM_TEXT_H

#include <string.h>

#include "mm_guard.h"

enum { MM_LONGEST_SEPARATOR = 16, MM_MOST_TYPES = 250 };

/* What ends a line or parts two fields: 1 to 16 bytes. */
typedef struct mm_separator {
  uint8_t bytes[MM_LONGEST_SEPARATOR];
  uint32_t count;
} mm_separator;

/* A walk over the lines of bytes [position, end) of a buffer. */
typedef struct mm_lines {
  mm_region region;
  size_t position, end;
  mm_separator separator;
} mm_lines;

/* A line that was found: where it starts, its bytes without the separator, and where the next starts. */
typedef struct mm_line {
  size_t start, length, next;
} mm_line;

enum { MM_TEXT_STRING, MM_TEXT_NUMBER, MM_TEXT_INTEGER, MM_TEXT_SKIP, MM_TEXT_TYPE = 7, MM_TEXT_OPTIONAL = 8 };

/* A walk over the rows of bytes [position, end) of a buffer. */
typedef struct mm_rows {
  mm_region region;
  size_t position, end;
  size_t given; /* rows up to now, with the header */
  mm_separator separator, line;
  bool takes_return; /* a carriage return in front of the line's end belongs to that */
  bool quoted;       /* quotes as in RFC 4180 */
  bool skips_blank;  /* rows without a byte are none */
  bool header;       /* one more row is to be skipped before the first */
  uint8_t count;     /* of the types; 0: every field is a string */
  uint8_t types[MM_MOST_TYPES];
} mm_rows;

/* A row in work: whoever has no room for all its fields takes them in several goes. */
typedef struct mm_row {
  size_t position;
  size_t column;  /* fields behind us */
  size_t skipped; /* rows passed over in front of it */
  bool ended;     /* all its bytes are behind us */
  bool complete;  /* and all its fields were given */
} mm_row;

enum {
  MM_FIELD_STRING,  /* the bytes as they are */
  MM_FIELD_DOUBLED, /* the bytes, with every quote doubled */
  MM_FIELD_INTEGER, /* value: the integer */
  MM_FIELD_FLOAT,   /* value: the float's bits */
  MM_FIELD_NUMERAL, /* the bytes of what may be a number but is not a plain one */
  MM_FIELD_ABSENT   /* an optional field behind the end of the row */
};

typedef struct mm_text_field {
  uint8_t kind, type;
  uint16_t column; /* counted from 1, for a type's field */
  uint32_t hash;   /* of a string's bytes */
  size_t start, length;
  int64_t value;
} mm_text_field;

/* Whether the bytes at p, of which `count` may be read, begin with the separator. The first byte is
   known to be right. */
static inline bool mm_separator_follows(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p, size_t count) {
  return s->count == 1 || (s->count <= count && memcmp(s->bytes, p, s->count) == 0);
}

/* Whether there may be another row; it is then begun. */
static inline bool mm_begin_row(const mm_rows *_Nonnull rows, mm_row *_Nonnull row) {
  *row = (mm_row){.position = rows->position};
  return rows->position < rows->end;
}

/* The walk goes on behind a row. */
static inline void mm_finish_row(mm_rows *_Nonnull rows, const mm_row *_Nonnull row) {
  rows->position = row->position;
  rows->given += row->skipped + 1;
  rows->header = false;
}

/* Pointers into a structure, which Swift does not take of a tuple. */
static inline const mm_separator *_Nonnull mm_field_separator(const mm_rows *_Nonnull rows) { return &rows->separator; }
static inline const mm_separator *_Nonnull mm_row_separator(const mm_rows *_Nonnull rows) { return &rows->line; }

/* Eight bytes at any address, the first in the lowest bits. */
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

/* Where the separator stands first, or NULL. */
static inline const void *_Nullable mm_find_separator(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p,
                                                      size_t count) {
  return mm_find(p, count, s->bytes, s->count);
}

/* 10^n for n from 0 to 22, which are exact. */
static inline double mm_power_of_ten(size_t n) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  return powers[n < 22 ? n : 22];
}

#endif
