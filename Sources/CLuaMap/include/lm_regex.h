/* Compiled patterns: those of mmap.regex, and translated Lua patterns. */
#ifndef LM_REGEX_H
#define LM_REGEX_H

#include "lm_runtime.h"

/* A compiled pattern as userdata. */
typedef struct lm_regex {
  const void *_Nullable self;
  const void *_Nullable kind; /* lm_regex_kind */
  mm_pattern pattern;
  uint32_t captures;             /* the number of captures, without the translation's own groups */
  uint32_t positions;            /* a bit for each capture that is a position capture "()" of Lua */
  const char *_Nullable mistake; /* the error in a Lua pattern; raised when a match reaches it */
  int64_t mistaken;              /* the value of %1 in that message */
} lm_regex;

extern const char lm_regex_kind;

/* [-0, +0, –] The regex at an index, or NULL; a closed one too. */
static inline lm_regex *_Nullable lm_regex_at(lua_State *_Nonnull L, int index) {
  return (lm_regex *)lm_kind_at(L, index, sizeof(lm_regex), &lm_regex_kind);
}

static inline mm_pattern *_Nonnull lm_regex_pattern(lm_regex *_Nonnull regex) { return &regex->pattern; }

/* The text that regex:gsub builds. It is a userdata, because a script may end the function by an error, or replace the
   values on its stack. */
typedef struct lm_text {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_text text;
} lm_text;

extern const char lm_text_kind;

/* [-0, +0, –] The text at an index, or NULL. */
static inline lm_text *_Nullable lm_text_at(lua_State *_Nonnull L, int index) {
  return (lm_text *)lm_kind_at(L, index, sizeof(lm_text), &lm_text_kind);
}

/* The options of mmap.regex. */
typedef struct lm_regex_options {
  int64_t steps; /* the limit of steps for a match from one offset */
  bool has_steps;
} lm_regex_options;

/* The name of a group and its number. */
typedef struct lm_group {
  const char *_Nullable name;
  int64_t number;
} lm_group;

/* The parameters of a search. */
typedef struct lm_search {
  int32_t regex, subject; /* stack indexes; the subject is a buffer or a string */
  int32_t argument;       /* the stack index of the start offset, or 0: the start is `from` */
  int32_t how;            /* LM_AFTER_MATCH … */
  int64_t from;
} lm_search;

enum {
  LM_AFTER_MATCH = 1, /* Lua's gmatch: the last match ended at the start, so skip a match that ends there */
  LM_SKIP_EMPTY = 2,  /* the last match at the start was empty, so skip an empty match there */
  LM_LUA = 4,         /* the pattern is a Lua pattern */
  LM_OFFSETS = 8,     /* captures as offsets and lengths */
  LM_PLACE = 16       /* results begin with the match's offset and length */
};

enum { LM_NO_REST = -100 }; /* different from all codes of bodies */

/* An error in a pattern: PCRE2's code, and the offset in the pattern. */
typedef struct lm_pattern_error {
  int32_t code;
  int64_t offset;
} lm_pattern_error;

/* Compile the pattern at argument 1 with the flags at argument 2; or the Lua pattern at an index. A negative result
   means that `error` is filled in. */
int lm_regex_compile(lua_State *_Nonnull L, lm_regex *_Nonnull target, const lm_regex_options *_Nonnull options,
                     lm_pattern_error *_Nonnull error);
int lm_regex_translate(lua_State *_Nonnull L, lm_regex *_Nonnull target, int index, lm_pattern_error *_Nonnull error);

/* Bodies. */
int lm_regex_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_search *_Nonnull search);
int lm_regex_search(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_search *_Nonnull search);
int lm_regex_capture(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int subject, int64_t offset, int64_t length);
int lm_regex_count(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
/* The name at an index, and the number of its group: 1, or 0 after the last one. The name is in PCRE2's memory and
   valid until the regex is closed. */
int lm_regex_name(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t index, lm_group *_Nonnull group);
/* The bytes of a subject after an offset: their number, or LM_NO_REST if the subject is shorter. */
int64_t lm_regex_rest(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int subject, int64_t offset);
/* Append a part of a subject to a text (all after `offset` if the length is less than 0); any bytes. */
int lm_text_add_part(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_text *_Nonnull target, int subject,
                     int64_t offset, int64_t length);
int lm_text_add(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_text *_Nonnull target,
                const char *_Nonnull bytes, size_t count);
void lm_text_free(lm_text *_Nonnull text);
int lm_regex_close(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
/* The memory of a compiled pattern, in bytes. */
size_t lm_regex_size(const lm_regex *_Nonnull regex);

#endif
