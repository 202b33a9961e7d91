/* JSON: simdjson's first stage behind functions of C, and what is shared by the readers in Swift and in C.

   The first stage checks UTF-8 and that strings are closed, and finds where the tokens begin. It reads no byte outside
   the text, but reads some more than once: the text must be in private memory. No function throws, and a shortage of
   memory is a result. */
#ifndef C_SIMDJSON_H
#define C_SIMDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first stage's memory. One thread at a time uses it. */
typedef struct sj_index sj_index;

/* For texts of up to 2^32 - 1 bytes. */
#define SJ_LONGEST_TEXT ((size_t)0xFFFFFFFF)

/* NULL if out of memory. */
sj_index *_Nullable sj_index_make(void);
void sj_index_free(sj_index *_Nonnull index);

/* Memory for texts of so many bytes, in bytes. */
size_t sj_index_memory(size_t length);

/* Gets that memory; false if there is none, and then no text fits. Former positions are lost. */
bool sj_index_reserve(sj_index *_Nonnull index, size_t length);

/* Finds the positions of `{ } [ ] : ,` outside strings, of the quotes that open strings, and of the first bytes of
   other tokens. False if the text is no UTF-8, a string is not closed, or has a control character. */
bool sj_index_find(sj_index *_Nonnull index, const uint8_t *_Nonnull text, size_t length,
                   const uint32_t *_Nullable *_Nonnull positions, size_t *_Nonnull count);

typedef enum : uint8_t {
  SJ_NULL,
  SJ_FALSE,
  SJ_TRUE,
  /* A number without point and exponent. */
  SJ_INTEGER,
  SJ_FLOAT,
  SJ_STRING,
  /* A string with a backslash. */
  SJ_ESCAPED,
  SJ_ARRAY,
  SJ_OBJECT,
} sj_kind;

/* A value, or the key of one, in the order of the text. */
typedef struct {
  /* The bytes of the text; of a string without the quotes. */
  uint32_t start, count;
  /* The number of the node after this one and all nodes in it. */
  uint32_t next;
  sj_kind kind;
} sj_node;

#ifdef __cplusplus
}
#endif

#endif
