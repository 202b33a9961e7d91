/* Shared by the C files of this target; nothing of it is seen by Swift. */
#ifndef TRAMPOLINE_H
#define TRAMPOLINE_H

#include <lua5.4/lauxlib.h>

#include "CLuaMap.h"

#define LM_BUFFER "mmap.buffer"

/* [-?, +?, e] Does what a body's negative code asks for: pushes a string, or raises. */
int lm_finish(lua_State *L, const lm_call *call, int code);

/* [-0, +1, m] A new buffer, closed, so that a collection at any moment finds nothing to unmap. */
lm_buffer *lm_new_buffer(lua_State *L);

/* [-0, +0, e] The buffer at argument 1. */
lm_buffer *lm_check_buffer(lua_State *L);

/* [-0, +1, –] The path of a buffer's file or nil. */
void lm_push_path(lua_State *L, int index);

/* [-0, +0, e] The table of options at an argument, or none. `keys` ends with a NULL name. */
typedef struct lm_option {
  const char *name;
  enum { LM_INTEGER, LM_BOOLEAN, LM_ADVICE } type;
  size_t place; /* of the value in the structure */
  size_t given; /* of the flag "was given"; 0 for none: no structure begins with one */
} lm_option;
void lm_read_options(lua_State *L, int argument, const lm_option *options, void *target);

/* [-0, +0, –] Whether running out of something is worth a collection and another try. */
bool lm_worth_collecting(const lm_call *call, int code);

/* [-0, +1, m] The metatable of buffers, with the methods. */
void lm_open_buffer(lua_State *L);
void lm_open_errors(lua_State *L);

int lm_f_advise(lua_State *L);
int lm_f_sync(lua_State *L);
int lm_f_incore(lua_State *L);

#endif
