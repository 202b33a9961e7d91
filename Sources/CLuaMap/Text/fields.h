/* The iterator of b:fields, and its state. */
#ifndef FIELDS_H
#define FIELDS_H

#include "text.h"

extern const char lm_fields_kind;
enum { LM_FIELDS_SIZE = sizeof(lm_fields) + MM_MOST_TYPES };

/* The iterator's step. Its upvalue 1 is the state. */
int lm_fields_next(lua_State *L);

#endif
