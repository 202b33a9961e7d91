/* Shared by the C files of this target; nothing of it is seen by Swift. */
#ifndef TRAMPOLINE_H
#define TRAMPOLINE_H

#include <lua5.4/lauxlib.h>
#include <string.h>

#include "CLuaMap.h"

#define LM_BUFFER "mmap.buffer"
#define LM_PAGES "mmap.pages"
#define LM_VIEW "mmap.view"
#define LM_ATOMIC "mmap.atomic"

/* Buffers, views and atomics are known by their size and by pointing to themselves, which is quick; all others have a
   kind too. No other type that points to itself may have their size. */
#define LM_APART(type)                                                                                                 \
  _Static_assert(sizeof(type) != sizeof(lm_buffer) && sizeof(type) != sizeof(lm_view) &&                               \
                     sizeof(type) != sizeof(lm_atomic),                                                                \
                 #type " could be taken for a buffer, a view or an atomic")
_Static_assert(sizeof(lm_buffer) != sizeof(lm_view) && sizeof(lm_view) != sizeof(lm_atomic) &&
                   sizeof(lm_atomic) != sizeof(lm_buffer),
               "buffers, views and atomics could be taken for each other");
LM_APART(lm_regex);
LM_APART(lm_layout);
LM_APART(lm_records);
LM_APART(lm_record);
LM_APART(lm_lines);
LM_APART(lm_fields);
LM_APART(lm_lock);

/* [-?, +?, e] The trampoline of a body that needs nothing from Lua but its arguments. */
#define LM_TRAMPOLINE(name, body)                                                                                      \
  int name(lua_State *L) {                                                                                             \
    lm_call call;                                                                                                      \
    int count = body(L, &call);                                                                                        \
    if (mm_likely(count >= 0)) return count;                                                                           \
    return lm_finish(L, &call, count);                                                                                 \
  }

/* [-?, +?, –] Runs a body that makes system calls: a report of them then knows which script is running. A
   body never raises, so the state is never left behind. */
#define LM_RUN(L, body)                                                                                                \
  __extension__({                                                                                                      \
    lua_State *before_ = lm_running;                                                                                   \
    lm_running = (L);                                                                                                  \
    int count_ = (body);                                                                                               \
    lm_running = before_;                                                                                              \
    count_;                                                                                                            \
  })
extern _Thread_local lua_State *lm_running;

/* [-?, +?, e] The same, and once more after a collection where the body ran out of something that it may have freed. */
#define LM_RUN_COLLECTING(L, call, body)                                                                               \
  __extension__({                                                                                                      \
    int result_ = LM_RUN(L, body);                                                                                     \
    if (lm_worth_collecting(call, result_)) {                                                                          \
      lua_gc(L, LUA_GCCOLLECT);                                                                                        \
      result_ = LM_RUN(L, body);                                                                                       \
    }                                                                                                                  \
    result_;                                                                                                           \
  })

/* [-?, +?, e] The trampoline of a body that makes system calls. */
#define LM_SYSTEM_TRAMPOLINE(name, body)                                                                               \
  int name(lua_State *L) {                                                                                             \
    lm_call call;                                                                                                      \
    int count = LM_RUN(L, body(L, &call));                                                                             \
    if (mm_likely(count >= 0)) return count;                                                                           \
    return lm_finish(L, &call, count);                                                                                 \
  }

/* [-?, +?, e] Does what a body's negative code asks for: pushes a string, or raises. */
int lm_finish(lua_State *L, const lm_call *call, int code);

/* [-0, +1, e] lua_createtable for so many elements, but that Ctrl-C ends it from LM_LARGE bytes on. */
void lm_push_table(lua_State *L, size_t count);

/* Strings up to this length exist once in Lua: LUAI_MAXSHORTLEN. */
enum { LM_SHORT = 40 };

/* [-0, +1, e] A string of more bytes than that: see lm_push_bytes. */
bool lm_push_long(lua_State *L, const mm_region *source, const uint8_t *bytes, size_t count);

/* [-0, +(0|1), e] A string of bytes of a region, each read once: another process may write there, and Lua would read
   those of a short string for its hash and then again. False, and the stack undefined from here on: they were not there.
   The string is copied before any finalizer runs; the mapping may be another one, or closed, after that. */
static inline bool lm_push_bytes(lua_State *L, const mm_region *source, const uint8_t *bytes, size_t count) {
  char copy[LM_SHORT];
  if (count > sizeof copy) return lm_push_long(L, source, bytes, count);
  if (count > 0) memcpy(copy, bytes, count);
  if (mm_unlikely(!mm_was_intact(source))) return false;
  lua_pushlstring(L, copy, count);
  return true;
}

/* [-0, +1, m] A body's text with its values put in. */
const char *lm_push_text(lua_State *L, const lm_call *call, const char *path);
/* [-0, +1, e] lua_newuserdatauv, but for a finalizer: one that runs at once can take the new userdata from the
   stack (debug.setlocal), and a collection can free it. */
void *lm_new_userdata(lua_State *L, size_t size, int values);

/* [-0, +0, e] luaL_setmetatable, but for a script that has been at the registry (debug.getregistry):
   lua_setmetatable takes what is no table for one. */
void lm_set_metatable(lua_State *L, const char *name);

/* [-0, +1, m] A new buffer, closed, so that a collection at any moment finds nothing to unmap. */
lm_buffer *lm_new_buffer(lua_State *L);

/* [-?, +?, e] lua_settop, for a function's arguments of which the first `needed` must be given: padded, a
   missing one could not be told from nil any more. `expected` is the type of the last of these. */
void lm_take(lua_State *L, int most, int needed, const char *expected);

/* [-0, +0, e] An integer at an argument, or a float with an exact integer value; never a string. `expected` is what
   the error names. */
lua_Integer lm_check_integer(lua_State *L, int argument, const char *expected);

/* [-0, +0, e] A function at an argument, or what can be called like one. */
void lm_check_function(lua_State *L, int argument);

/* [-0, +0, e] The buffer at argument 1. */
lm_buffer *lm_check_buffer(lua_State *L);

/* The same of views. */
lm_view *lm_new_view(lua_State *L);
lm_view *lm_check_view(lua_State *L);

/* [-0, +0, –] The memory of the buffer, view or records at the index, or NULL. */
const mm_region *lm_region_at(lua_State *L, int index);

/* [-0, +0, e] The new slice or view on top keeps alive the buffer that owns the mapping of the buffer
   or view at the index. */
void lm_keep_mapping(lua_State *L, int index);

/* [-0, +1, –] The path of the file of a buffer, a view or records, or nil. */
void lm_push_path(lua_State *L, int index);

/* [-0, +1, m] A new set of pages, all absent. */
lm_pages *lm_new_pages(lua_State *L, int64_t count, int64_t offset);

/* The protection and flags as in /proc/self/maps: "rw-s". */
void lm_permissions(const lm_description *d, char text[5]);

/* [-0, +1, m] " rw-s data.bin+4096" about the buffer, the view or the records at the index. */
void lm_push_place(lua_State *L, const lm_description *d, int index);

/* [-0, +0, m] What is known about the buffer or view at the index into the table on top. */
void lm_set_description(lua_State *L, const lm_description *d, int index);

/* Whose functions they are, as methods.def says; `mmap` is the module. */
enum lm_class {
  LM_CLASS_mmap,
  LM_CLASS_buffer,
  LM_CLASS_view,
  LM_CLASS_regex,
  LM_CLASS_struct,
  LM_CLASS_records,
  LM_CLASS_pages,
  LM_CLASS_atomic,
  LM_CLASS_lock,
  LM_CLASS_child
};

/* [-0, +0, m] The functions of a class into the table on top. */
void lm_set_methods(lua_State *L, enum lm_class class);

/* [-0, +1, m] A metatable, and its table of methods on top: `index` has that as its upvalue. */
void lm_open_class(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods,
                   lua_CFunction index);

/* [-0, +0, m] A metatable whose __index is the table of methods itself. */
void lm_open_methods(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods);

/* [-?, +0, e] Drops the arguments past the greatest number of a method of the class, and raises unless they are nil: one
   that means nothing is a mistake. */
void lm_check_count(lua_State *L, int most, const char *name);

/* The trampolines that are written in C. */
#define LM_PROTOTYPE_PURE(class, name)
#define LM_PROTOTYPE_SYSTEM(class, name)
#define LM_PROTOTYPE_CUSTOM(class, name) int lm_custom_##class##_##name(lua_State *L);
#define METHOD(class, name, kind, most) LM_PROTOTYPE_##kind(class, name)
#define ALIAS(class, name, other_class, other_name)
#include "methods.def"

/* [-0, +1, m] A new atomic, closed. */
lm_atomic *lm_new_atomic(lua_State *L);

/* [-0, +0, e] When the time at an argument will be over, in seconds from now: nanoseconds of CLOCK_MONOTONIC.
   INT64_MAX, never, for nil. */
int64_t lm_check_deadline(lua_State *L, int argument);
/* [-0, +0, e] For whoever waits: raises where Ctrl-C or a limit of time was meant for it, and lets hooks run. What
   is on the stack has to be looked at again. */
void lm_pause(lua_State *L);
/* [-0, +0, e] The same at every 1024th of the values, fields and elements that are gone through: nested and shared
   ones can be many that take little. */
static inline void lm_pause_often(lua_State *L) {
  static _Thread_local uint32_t passed;
  if (mm_unlikely((++passed & 1023) == 0)) lm_pause(L);
}

/* [-0, +0, e] The table of options at an argument, or none. `keys` ends with a NULL name. */
typedef struct lm_option {
  const char *name;
  /* LM_CALLERS: whoever reads the options sees to it. */
  enum { LM_INTEGER, LM_BOOLEAN, LM_ADVICE, LM_SEPARATOR, LM_CALLERS } type;
  size_t place; /* of the value in the structure */
  size_t given; /* of the flag "was given"; 0 for none: no structure begins with one */
} lm_option;
void lm_read_options(lua_State *L, int argument, const lm_option *options, void *target);

/* [-0, +0, e] The separator at an index; `what` names it in errors: "separator", "option 'sep'". */
void lm_check_separator(lua_State *L, int argument, int index, const char *what, mm_separator *separator);

/* [-0, +0, –] Whether running out of something is worth a collection and another try. */
bool lm_worth_collecting(const lm_call *call, int code);

/* The metatables, once per state; see module.c for the order. */
void lm_open_errors(lua_State *L);
void lm_open_buffer(lua_State *L);
void lm_open_pages(lua_State *L);
void lm_open_view(lua_State *L);
void lm_open_layout(lua_State *L);
void lm_open_records(lua_State *L);
void lm_open_regex(lua_State *L);
void lm_open_atomic(lua_State *L);
void lm_open_child(lua_State *L);
void lm_open_lock(lua_State *L);

/* [-0, +0, m] The accessors of Node's Buffer into the table of methods on top. */
void lm_add_accessors(lua_State *L);

#endif
