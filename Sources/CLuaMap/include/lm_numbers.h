/* Numbers in place: get and set, pack and unpack, the accessors of Node's Buffer. */
#ifndef LM_NUMBERS_H
#define LM_NUMBERS_H

#include "lm_runtime.h"

/* An unpack in progress: it is interrupted for every string, which only the trampoline can make. Where it
   is in the format is a number and no address: a finalizer may run then. */
typedef struct lm_unpacking {
  bool started;
  bool isLittle;
  int32_t alignment;
  int32_t results;
  size_t consumed;  /* of the format, bytes */
  int64_t position; /* in the buffer, bytes */
} lm_unpacking;

/* A number at `argument` is to be converted to a string, and the body called again. */
enum { LM_CONVERT = -3 };

int lm_buffer_unpack(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_unpacking *_Nonnull progress);

int lm_buffer_pack(lua_State *_Nonnull L, lm_call *_Nonnull call);

/* The accessors of Node's Buffer: the type is a MM_U8 …; with a length as an argument, only its sign and
   byte order count. */
int lm_buffer_read(lua_State *_Nonnull L, lm_call *_Nonnull call, int32_t type);
int lm_buffer_write(lua_State *_Nonnull L, lm_call *_Nonnull call, int32_t type);
int lm_buffer_read_bytes(lua_State *_Nonnull L, lm_call *_Nonnull call, int32_t type);
int lm_buffer_write_bytes(lua_State *_Nonnull L, lm_call *_Nonnull call, int32_t type);

#endif
