/* Files that are not mapped: reading pipes, decompressing, and replacing files. */
#ifndef LM_FILE_H
#define LM_FILE_H

#include <stdio.h>

#include "lm_runtime.h"
#include "mm_replacement.h"

/* A file that is written by mmap.writefile. */
typedef struct lm_replacement {
  const void *_Nullable self;
  const void *_Nullable kind;
  mm_replacement file;
} lm_replacement;

/* Reads a whole file into a new buffer; `max` is the limit in bytes, or -1 for none. */
int lm_read_stream(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
                   FILE *_Nonnull stream, int64_t max);
int lm_read_path(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
                 const char *_Nonnull path, int64_t max);

/* Decompresses a file or, if the path is NULL, the buffer at argument 1; `format` is LM_ANY_FORMAT … */
int lm_decompress(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
                  const char *_Nullable path, int format);
enum { LM_ANY_FORMAT = -1, LM_GZIP = 0, LM_ZSTD = 1 };

/* Writes the range of arguments 3 and 4 of the buffer at 1. */
int lm_file_write(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, FILE *_Nonnull stream);

int lm_replace_begin(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_replacement *_Nonnull replacement,
                     const char *_Nonnull path);
/* Writes the text or, if it is NULL, the buffer at argument 2. */
int lm_replace_write(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_replacement *_Nonnull replacement,
                     const char *_Nullable text, size_t length);
/* Another descriptor of the file. */
int lm_replace_duplicate(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_replacement *_Nonnull replacement);
int lm_replace_commit(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_replacement *_Nonnull replacement);
/* Removes the new file, unless it was committed. */
void lm_replace_abort(lm_replacement *_Nonnull replacement);

#endif
