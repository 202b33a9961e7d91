/* What the files of mmap.json share. */
#ifndef JSON_H
#define JSON_H

#include "trampoline.h"

/* Tables in each other, as JSONReader.maximumDepth. */
enum { LM_DEEPEST = 1024 };

/* The registry keys of the metatables of lm_json and of writers, of mmap.json.null, and of mmap.json.array. */
extern const char lm_json_meta, lm_writer_meta, lm_null_key, lm_array_key;

int lm_json_gc(lua_State *L);
int lm_writer_gc(lua_State *L);

/* [-0, +0, e] Sets the metatable with a registry key to the object on top. */
void lm_set_json_metatable(lua_State *L, const char *key);
/* [-0, +0, v] A finalizer, or a hook, can put other values in the place of those on the stack (debug.setlocal). */
int lm_raise_changed(lua_State *L);

#endif
