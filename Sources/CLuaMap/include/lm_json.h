/* JSON as Lua values. */
#ifndef LM_JSON_H
#define LM_JSON_H

#include "CSimdjson.h"
#include "lm_runtime.h"

/* JSON text that was read: a userdata, so that its memory is freed if Lua raises an error. */
typedef struct lm_json {
  const void *_Nullable self;
  const void *_Nullable kind;
  /* The Swift object that owns the memory. */
  void *_Nullable owner;
  /* A private copy of the text, with zeros after it. Strings have no escapes any more. */
  char *_Nullable text;
  const sj_node *_Nullable nodes;
  size_t count;
  /* After the value, in the source. */
  int64_t end;
  /* What is wrong with the text, and where. */
  const char *_Nullable fault;
  int64_t place;
  int64_t apart; /* The size differs from that of a buffer, a view, and an atomic. */
} lm_json;

/* Reads the value in the string or buffer at 1, in the range at 2 and 3. 0: not JSON, see `fault`. */
int lm_json_read(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_json *_Nonnull target);
void lm_json_free(lm_json *_Nonnull json);
/* How many bytes at the start are UTF-8. */
size_t lm_json_valid(const char *_Nonnull text, size_t count);

#endif
