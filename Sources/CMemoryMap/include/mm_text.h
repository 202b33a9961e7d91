/* Lines and fields of a text in a mapping: the state of a scanner between two steps. */
#ifndef MM_TEXT_H
#define MM_TEXT_H

#include <string.h>

#include "mm_guard.h"

enum { MM_LONGEST_SEPARATOR = 16, MM_MOST_TYPES = 4096 };

/* The end of a line, or what is between two fields: 1 to 16 bytes. A count of 0: none. */
typedef struct mm_separator {
  uint8_t bytes[MM_LONGEST_SEPARATOR];
  uint32_t count;
} mm_separator;

/* A walk over the lines of bytes [position, end) of a buffer: forward, `position` moves; backward, `end` does. */
typedef struct mm_lines {
  mm_region region;
  size_t position, end;
  size_t reach; /* the end at the start of the walk */
  mm_separator separator;
} mm_lines;

/* A line: its start, its length without the separator, and the start of the line after it. */
typedef struct mm_line {
  size_t start, length, next;
} mm_line;

enum {
  MM_TEXT_STRING,
  MM_TEXT_NUMBER,
  MM_TEXT_INTEGER,
  MM_TEXT_U64,
  MM_TEXT_SKIP,
  MM_TEXT_TYPE = 7,
  MM_TEXT_OPTIONAL = 8
};

/* Of 64 bytes, a bit each: where one of three is, and where the third is. */
typedef struct mm_marks {
  uint64_t all, third;
} mm_marks;

/* Inlined, so that what depends on the three alone is computed once for all of a text. */
__attribute__((always_inline)) static inline mm_marks mm_find_marks(const uint8_t *_Nonnull bytes, uint8_t first,
                                                                    uint8_t second, uint8_t third) {
  mm_marks marks = {0, 0};
#if defined(__SSE2__)
  typedef char block __attribute__((vector_size(16)));
  for (int part = 0; part < 4; part++) {
    block b;
    memcpy(&b, bytes + 16 * part, sizeof b);
    block is_third = (block)(b == (block){} + (char)third);
    block is_any = (block)(b == (block){} + (char)first) | (block)(b == (block){} + (char)second) | is_third;
    marks.all |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128(is_any) << 16 * part;
    marks.third |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128(is_third) << 16 * part;
  }
#else
  for (int i = 0; i < 64; i++) {
    uint64_t is_third = bytes[i] == third;
    marks.all |= (is_third | (bytes[i] == first) | (bytes[i] == second)) << i;
    marks.third |= is_third << i;
  }
#endif
  return marks;
}

/* Two ranges of bytes, given by their first byte and how many come after it, each 16 times. */
typedef struct mm_ranges {
  uint8_t first[16], more[16], other_first[16], other_more[16];
} mm_ranges;

static inline mm_ranges mm_make_ranges(uint8_t first, uint8_t more, uint8_t other_first, uint8_t other_more) {
  mm_ranges ranges;
  memset(ranges.first, first, 16);
  memset(ranges.more, more, 16);
  memset(ranges.other_first, other_first, 16);
  memset(ranges.other_more, other_more, 16);
  return ranges;
}

/* Of 16 bytes, a bit each: which are in one of the ranges. */
static inline uint32_t mm_find_ranges(const uint8_t *_Nonnull bytes, const mm_ranges *_Nonnull ranges) {
#if defined(__SSE2__)
  typedef unsigned char block __attribute__((vector_size(16)));
  typedef char mask __attribute__((vector_size(16)));
  block b, first, more, other_first, other_more;
  memcpy(&b, bytes, sizeof b);
  memcpy(&first, ranges->first, sizeof b);
  memcpy(&more, ranges->more, sizeof b);
  memcpy(&other_first, ranges->other_first, sizeof b);
  memcpy(&other_more, ranges->other_more, sizeof b);
  mask found = (mask)(b - first <= more) | (mask)(b - other_first <= other_more);
  return (uint32_t)__builtin_ia32_pmovmskb128(found);
#else
  uint32_t found = 0;
  for (int i = 0; i < 16; i++)
    found |= (uint32_t)((uint8_t)(bytes[i] - ranges->first[i]) <= ranges->more[i] ||
                        (uint8_t)(bytes[i] - ranges->other_first[i]) <= ranges->other_more[i])
             << i;
  return found;
#endif
}

/* Has the processor load the line of its cache at an address, which need not be readable. */
static inline void mm_prefetch(const void *_Nonnull address) { __builtin_prefetch(address); }

/* A walk over the rows of bytes [position, end) of a buffer. */
typedef struct mm_rows {
  mm_region region;
  size_t position, end;
  size_t given;                    /* rows so far, without the header and what is passed over */
  size_t counted_to, counted_line; /* the line number of an offset: lines are counted only where one is asked for */
  mm_separator separator, line;
  mm_separator comment; /* rows with this at their start are passed over; a count of 0 for none */
  uint8_t quote, escape, point;
  bool takes_return;              /* a carriage return before the line's end is part of that */
  bool quoted;                    /* fields may be in quotes, RFC 4180 */
  bool lazy;                      /* a quote may also be a plain byte */
  bool merges;                    /* a run of separators is one, and none at the start of a row */
  bool skips_blank;               /* rows without a byte are passed over */
  bool header;                    /* one more row is to be skipped before the first */
  bool optional_text;             /* a number under an optional type is given as text: it may be one of the nulls */
  bool special;                   /* set by mm_settle_rows */
  uint16_t count;                 /* of the types; 0: every field is a string */
  const uint8_t *_Nullable types; /* as long as the walk */
} mm_rows;

/* The state of a row, for callers with a small array of fields. */
typedef struct mm_row {
  size_t position;
  size_t start;  /* of the row */
  size_t finish; /* its last byte is before this; its line's end is not part of it */
  size_t column; /* fields done */
  bool ended;    /* all its bytes are done */
  bool complete; /* and all its fields were given */
} mm_row;

enum {
  MM_FIELD_STRING,  /* the bytes as they are */
  MM_FIELD_DOUBLED, /* the bytes, with escapes before quotes */
  MM_FIELD_INTEGER, /* value: the integer */
  MM_FIELD_FLOAT,   /* value: the float's bits */
  MM_FIELD_NUMERAL, /* the bytes of what may be a number but is not a plain one */
  MM_FIELD_ABSENT   /* an optional field after the end of the row */
};

typedef struct mm_text_field {
  uint8_t kind, type;
  bool quoted;
  uint32_t column; /* counted from 1, for a type's field */
  size_t start, length;
  int64_t value;
} mm_text_field;

/* Whether the bytes at p, of which `count` may be read, begin with the separator. The first byte is
   known to match. */
static inline bool mm_separator_follows(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p, size_t count) {
  return s->count == 1 || (s->count <= count && memcmp(s->bytes, p, s->count) == 0);
}

/* Chooses the scanner, once all options are set. */
static inline void mm_settle_rows(mm_rows *_Nonnull rows) {
  rows->special = rows->merges || rows->point != '.' || rows->optional_text ||
                  (rows->quoted && (rows->lazy || rows->escape != rows->quote));
}

/* Whether there may be another row; it is then begun. */
static inline bool mm_begin_row(const mm_rows *_Nonnull rows, mm_row *_Nonnull row) {
  *row = (mm_row){.position = rows->position, .start = rows->position};
  return rows->position < rows->end;
}

/* The walk goes on after a row. */
static inline void mm_finish_row(mm_rows *_Nonnull rows, const mm_row *_Nonnull row) {
  rows->position = row->position;
  rows->given++;
  rows->header = false;
}

/* Pointers into a structure, which Swift does not take of a tuple. */
static inline const mm_separator *_Nonnull mm_field_separator(const mm_rows *_Nonnull rows) { return &rows->separator; }
static inline const mm_separator *_Nonnull mm_row_separator(const mm_rows *_Nonnull rows) { return &rows->line; }

/* Whether a row with its first byte at p, of which `count` may be read, is a comment. */
static inline bool mm_is_comment(const mm_rows *_Nonnull rows, const uint8_t *_Nonnull p, size_t count) {
  const mm_separator *c = &rows->comment;
  return c->count > 0 && c->count <= count && memcmp(c->bytes, p, c->count) == 0;
}

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
  return column < rows->count && rows->types ? rows->types[column] : MM_TEXT_STRING;
}

static inline bool mm_separator_is_at(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p) {
  return memcmp(s->bytes, p, s->count) == 0;
}

/* The first place of the separator, or NULL. */
static inline const void *_Nullable mm_find_separator(const mm_separator *_Nonnull s, const uint8_t *_Nonnull p,
                                                      size_t count) {
  return mm_find(p, count, s->bytes, s->count);
}

/* Of a function that reads bytes after those it was given, on the same page. */
#define MM_READS_PAGE __attribute__((no_sanitize("address")))

/* Eight bytes, of which some may be after what there is to read. */
MM_READS_PAGE static inline uint64_t mm_load_word_of_page(const uint8_t *_Nonnull p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/* Copies MM_SHORT bytes, of which some may be after what there is to read. */
enum { MM_SHORT = 40 };
MM_READS_PAGE static inline void mm_copy_short_of_page(void *_Nonnull to, const uint8_t *_Nonnull from) {
  memcpy(to, from, MM_SHORT);
}

/* 16 bytes that are compared at once. */
typedef uint8_t mm_bytes16 __attribute__((vector_size(16)));

static inline mm_bytes16 mm_splat(uint8_t byte) {
  return (mm_bytes16){byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte};
}

/* Whether a comparison is true for one of the first `count` bytes. */
static inline bool mm_is_any(mm_bytes16 comparison, size_t count) {
  const mm_bytes16 places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  uint64_t words[2];
  comparison &= (mm_bytes16)(places < mm_splat((uint8_t)count));
  memcpy(words, &comparison, sizeof words);
  return (words[0] | words[1]) != 0;
}

/* Copies 16 bytes; true if none of the first `count` is the separator, a quote, or part of a line's end. */
MM_READS_PAGE static inline bool mm_copy_field(uint8_t *_Nonnull to, const uint8_t *_Nonnull from, size_t count,
                                               uint8_t separator) {
  mm_bytes16 bytes;
  memcpy(&bytes, from, sizeof bytes);
  memcpy(to, &bytes, sizeof bytes);
  return !mm_is_any((mm_bytes16)((bytes == mm_splat(separator)) | (bytes == mm_splat('"')) | (bytes == mm_splat('\n')) |
                                 (bytes == mm_splat('\r'))),
                    count);
}

/* Copies 16 bytes; true if each of the first `count` is ASCII that stands for itself in a string of JSON. */
MM_READS_PAGE static inline bool mm_copy_json(uint8_t *_Nonnull to, const uint8_t *_Nonnull from, size_t count) {
  mm_bytes16 bytes;
  memcpy(&bytes, from, sizeof bytes);
  memcpy(to, &bytes, sizeof bytes);
  return !mm_is_any((mm_bytes16)((bytes < mm_splat(' ')) | (bytes >= mm_splat(0x80)) | (bytes == mm_splat('"')) |
                                 (bytes == mm_splat('\\'))),
                    count);
}

/* strtod(3) in the locale "C", whatever os.setlocale was told. */
double mm_strtod(const char *_Nonnull text, char *_Nullable *_Nonnull end);

/* 10^n for n from 0 to 22, which are exact. */
static inline double mm_power_of_ten(size_t n) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  return powers[n < 22 ? n : 22];
}

#endif
