/* Numbers in place: get and set, pack and unpack, the accessors of Node's Buffer. */
#ifndef LM_NUMBERS_H
#define LM_NUMBERS_H

#include "lm_runtime.h"

/* An unpack in progress. The body returns for each string, because only the trampoline can push it. A finalizer may run
   then, so the place in the format is an offset, not an address. */
typedef struct lm_unpacking {
  bool started;
  bool isLittle;
  int32_t alignment;
  int32_t results;
  size_t consumed;  /* of the format, bytes */
  int64_t position; /* in the buffer, bytes */
} lm_unpacking;

/* The trampoline is to convert the number at `argument` to a string and call the body again. */
enum { LM_CONVERT = -3 };

int lm_buffer_unpack(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_unpacking *_Nonnull progress);

int lm_buffer_pack(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);

/* The accessors of Node's Buffer. `type` is MM_U8 …; the accessors with a length argument (`_bytes`) use only its sign
   and byte order. */
int lm_buffer_read(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int32_t type);
int lm_buffer_write(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int32_t type);
int lm_buffer_read_bytes(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int32_t type);
int lm_buffer_write_bytes(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int32_t type);

#endif
