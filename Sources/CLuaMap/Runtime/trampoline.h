/* Declarations for the C files of this target; Swift does not see them. */
#ifndef TRAMPOLINE_H
#define TRAMPOLINE_H

#include <lua5.4/lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "CLuaMap.h"

#define LM_BUFFER "mmap.buffer"
#define LM_PAGES "mmap.pages"
#define LM_VIEW "mmap.view"
#define LM_ATOMIC "mmap.atomic"
#define LM_TABLE "mmap.table"

/* Buffers, views, and atomics are identified by their size and by their own address at their beginning, which is fast.
   All other types that begin with their own address have a kind too, and must differ from these three in size. */
#define LM_APART(type)                                                                                                 \
  _Static_assert(sizeof(type) != sizeof(lm_buffer) && sizeof(type) != sizeof(lm_view) &&                               \
                     sizeof(type) != sizeof(lm_atomic),                                                                \
                 #type " could be taken for a buffer, a view or an atomic")
_Static_assert(sizeof(lm_buffer) != sizeof(lm_view) && sizeof(lm_view) != sizeof(lm_atomic) &&
                   sizeof(lm_atomic) != sizeof(lm_buffer),
               "buffers, views and atomics could be taken for each other");
LM_APART(lm_regex);
LM_APART(lm_text);
LM_APART(lm_layout);
LM_APART(lm_records);
LM_APART(lm_record);
LM_APART(lm_lines);
LM_APART(lm_fields);
LM_APART(lm_lock);
LM_APART(lm_table);
LM_APART(lm_frame);
LM_APART(lm_rows);

/* [-?, +?, e] The trampoline of a body that needs nothing from Lua but its arguments. */
#define LM_TRAMPOLINE(name, body)                                                                                      \
  int name(lua_State *L) {                                                                                             \
    lm_outcome outcome;                                                                                                \
    int count = body(L, &outcome);                                                                                     \
    if (mm_likely(count >= 0)) return count;                                                                           \
    return lm_push_or_raise(L, &outcome, count);                                                                       \
  }

/* [-?, +1, e] The trampoline of a body that fills in a new object on the mapping of argument 1. `check` checks that
   argument, and argument `needed` must be given; at most `most` arguments reach the body. */
#define LM_MAKER(name, check, needed, expected, most, type, make, body)                                                \
  int name(lua_State *L) {                                                                                             \
    check(L);                                                                                                          \
    lm_settop(L, most, needed, expected);                                                                              \
    type *object = make(L);                                                                                            \
    lm_keep_mapping(L, 1);                                                                                             \
    lm_outcome outcome;                                                                                                \
    int count = body(L, &outcome, object);                                                                             \
    return count >= 0 ? count : lm_push_or_raise(L, &outcome, count);                                                  \
  }

/* [-?, +?, –] Runs a body that makes system calls. Sets lm_running meanwhile, from which the trace gets the line of the
   script. A body never raises, so lm_running is always restored. */
#define LM_RUN(L, body)                                                                                                \
  __extension__({                                                                                                      \
    lua_State *before_ = lm_running;                                                                                   \
    lm_running = (L);                                                                                                  \
    int count_ = (body);                                                                                               \
    lm_running = before_;                                                                                              \
    count_;                                                                                                            \
  })
extern _Thread_local lua_State *lm_running;

/* [-?, +?, e] As LM_RUN. If memory or descriptors ran out, collects garbage, which may free some, and runs the body
   again. */
#define LM_RUN_COLLECTING(L, outcome, body)                                                                            \
  __extension__({                                                                                                      \
    int result_ = LM_RUN(L, body);                                                                                     \
    if (lm_worth_collecting(outcome, result_)) {                                                                       \
      lua_gc(L, LUA_GCCOLLECT);                                                                                        \
      result_ = LM_RUN(L, body);                                                                                       \
    }                                                                                                                  \
    result_;                                                                                                           \
  })

/* [-?, +?, e] The trampoline of a body that makes system calls. */
#define LM_SYSTEM_TRAMPOLINE(name, body)                                                                               \
  int name(lua_State *L) {                                                                                             \
    lm_outcome outcome;                                                                                                \
    int count = LM_RUN(L, body(L, &outcome));                                                                          \
    if (mm_likely(count >= 0)) return count;                                                                           \
    return lm_push_or_raise(L, &outcome, count);                                                                       \
  }

/* [-?, +?, e] Acts on the negative code of a body: pushes a string, or raises. */
int lm_push_or_raise(lua_State *L, const lm_outcome *outcome, int code);

/* [-0, +1, e] lua_createtable for `count` elements; Ctrl-C interrupts it if the table has LM_LARGE bytes or more. */
void lm_push_table(lua_State *L, size_t count);

/* Lua interns strings up to this length: LUAI_MAXSHORTLEN. */
enum { LM_SHORT = MM_SHORT };

/* [-0, +1, e] lm_push_bytes for more than LM_SHORT bytes. */
bool lm_push_long(lua_State *L, const mm_region *source, const uint8_t *bytes, size_t count);

/* [-0, +(0|1), e] Pushes bytes of a region as a string. Reads each byte once, because another process may write there;
   Lua itself would read the bytes of a short string twice, first for its hash. False if the region is lost: what this
   function pushed is then undefined. The bytes are copied before any finalizer runs, which may remap or close the
   mapping. */
static inline bool lm_push_bytes(lua_State *L, const mm_region *source, const uint8_t *bytes, size_t count) {
  char copy[LM_SHORT];
  if (count > sizeof copy) return lm_push_long(L, source, bytes, count);
  /* A fixed number of bytes, all in the page of the first, needs no call. */
  if (mm_likely(count > 0 && ((uintptr_t)bytes & 4095) <= 4096 - sizeof copy)) mm_copy_short_of_page(copy, bytes);
  else if (count > 0) memcpy(copy, bytes, count);
  if (mm_unlikely(!mm_was_intact(source))) return false;
  lua_pushlstring(L, copy, count);
  return true;
}

/* [-0, +1, m] The text of an outcome, with its values inserted. */
const char *lm_push_text(lua_State *L, const lm_outcome *outcome, const char *path);
/* [-0, +1, e] lua_newuserdatauv, with a check. A finalizer that runs in it can remove the new userdata from the stack
   (debug.setlocal), and a collection can then free it. */
void *lm_new_userdata(lua_State *L, size_t size, int values);
/* [-0, +1, e] The same for one that lm_kind_at finds: it begins with itself and its kind, and the rest is zero. */
void *lm_new_kind(lua_State *L, size_t size, int values, const void *kind);

/* [-0, +0, e] luaL_setmetatable, with a check. A script can replace the metatable in the registry
   (debug.getregistry) by another value, and lua_setmetatable does not check the type. */
void lm_set_metatable(lua_State *L, const char *name);

/* [-0, +1, m] A new, closed buffer: a garbage collection at this point finds nothing to unmap. */
lm_buffer *lm_new_buffer(lua_State *L);

/* As lauxlib's functions, but they find the running function's name, "mmap.open" or "buffer:find", if Lua has none, as
   under pcall. */
int lm_argument_error(lua_State *L, int argument, const char *problem);
int lm_type_error(lua_State *L, int argument, const char *expected);
void lm_check_type(lua_State *L, int argument, int type);
#define luaL_argerror lm_argument_error
#define luaL_typeerror lm_type_error
#define luaL_checktype lm_check_type
/* [-0, +0, m] Registers the table on top as one of functions whose names in errors begin with `owner`: "mmap.". */
void lm_name_functions(lua_State *L, const char *owner);

/* [-?, +?, v] The metamethod __pairs of objects with elements: raises an error that names the right loop. */
int lm_no_pairs(lua_State *L);
/* [-?, +0, v] Raises an error that names the right loop for the object at 1, with the position of a level. */
int lm_raise_loop(lua_State *L, int level);

/* [-0, +1, m] Pushes the message about an unknown word. `problem` has one %s, for the value at the index. `choices` are
   separated by blanks; after a comma other text may follow. NULL stands for the names of all advice. The message lists
   the choices, unless `problem` contains them, and ends with the likely one. */
const char *lm_push_unknown(lua_State *L, int index, const char *problem, const char *choices);
/* [-0, +1, m] Pushes "; did you mean 'u32'?" or an empty string. */
void lm_push_meant(lua_State *L, const char *given, size_t length, const char *choices);
/* [-0, +1, m] Pushes a copy of the string at an absolute index for a message, with control characters escaped. */
const char *lm_shown_at(lua_State *L, int index);
/* [-0, +0, –] The position of a word among choices that blanks separate, or -1. */
int lm_find_word(const char *given, size_t length, const char *choices);

/* [-0, +0, e] The position among the choices of the string at an argument; 0 for a missing argument. */
int lm_check_word(lua_State *L, int argument, const char *problem, const char *choices);
/* [-0, +0, e] The string at an argument, which must not contain a zero byte; `what` is its noun in the error. */
const char *lm_check_c_string(lua_State *L, int argument, const char *what, const char *expected);

/* [-?, +?, e] lua_settop, after a check that the first `needed` arguments are present: afterward a missing argument
   looks like nil. `expected` is the type of argument `needed`. */
void lm_settop(lua_State *L, int most, int needed, const char *expected);

/* [-0, +0, e] An integer at an argument, or a float with an exact integer value; never a string. `expected` is the
   type that the error names. */
lua_Integer lm_check_integer(lua_State *L, int argument, const char *expected);

/* [-0, +0, e] Checks that an argument is a function, or has a function as its metamethod __call. */
void lm_check_function(lua_State *L, int argument);

/* [-0, +0, e] The buffer at argument 1. */
lm_buffer *lm_check_buffer(lua_State *L);

/* The same for views. */
lm_view *lm_new_view(lua_State *L);
lm_view *lm_check_view(lua_State *L);

/* [-0, +0, –] The region of the buffer, view, records, record, or atomic at the index, or NULL. */
const mm_region *lm_region_at(lua_State *L, int index);

/* [-0, +0, e] Makes the new slice or view on top keep alive the buffer that owns the mapping of the object at the
   index. */
void lm_keep_mapping(lua_State *L, int index);

/* [-0, +1, –] The path of the file of a buffer, a view or records, or nil. */
void lm_push_path(lua_State *L, int index);

/* [-0, +2, e] Pushes a new, closed buffer and a new view that keeps it alive. */
lm_view *lm_new_owner(lua_State *L, lm_buffer **buffer);

/* [-0, +2, e] Pushes a new buffer and a new view of it that a body fills in; memory of its own. If memory ran out, it
   collects garbage and tries again. The number of results: the view. */
int lm_make_view(lua_State *L, lm_view_maker *body, int operation);

/* [-0, +0, m] Counts the anonymous memory of a buffer for the garbage collector. */
void lm_count_memory(lua_State *L, const lm_buffer *buffer);

/* [-0, +1, m] A new set of pages, all absent. */
lm_pages *lm_new_pages(lua_State *L, int64_t count, int64_t offset);

/* The protection and flags as in /proc/self/maps: "rw-s". */
void lm_permissions(const lm_description *d, char text[5]);

/* [-0, +1, m] The permissions, path, and offset of the object at the index: " rw-s data.bin+4096". */
void lm_push_place(lua_State *L, const lm_description *d, int index);

/* [-0, +0, m] Adds the description of the buffer or view at the index to the table on top. */
void lm_set_description(lua_State *L, const lm_description *d, int index);

/* The classes of methods.def; `mmap` is the module. */
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
  LM_CLASS_child,
  LM_CLASS_table,
  LM_CLASS_json /* the functions of mmap.json */
};

/* [-0, +0, m] Adds the functions of a class to the table on top. */
void lm_set_methods(lua_State *L, enum lm_class class);

/* [-0, +1, m] Makes the metatable of a class, and pushes its table of methods, which is the upvalue of `index`. */
void lm_open_class(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods,
                   lua_CFunction index);

/* [-0, +0, –] A lua_CFunction, the __index of a table of methods: notes that the class, its upvalue, has no method with
   the name at 2. Returns nothing. */
int lm_find_no_method(lua_State *L);
/* [-0, +0, m] Makes the metatable of a class, whose __index is the table of methods itself. */
void lm_open_methods(lua_State *L, const char *name, enum lm_class class, const luaL_Reg *metamethods);

/* [-?, +0, e] Drops the arguments of a method after the first `most`, and raises if one of them is not nil. `name` is
   the metatable of the class. */
void lm_check_count(lua_State *L, int most, const char *name);

/* The prototypes of the CUSTOM trampolines. */
#define LM_PROTOTYPE_PURE(class, name)
#define LM_PROTOTYPE_SYSTEM(class, name)
#define LM_PROTOTYPE_CUSTOM(class, name) int lm_custom_##class##_##name(lua_State *L);
#define METHOD(class, name, kind, most) LM_PROTOTYPE_##kind(class, name)
#define ALIAS(class, name, other_class, other_name)
#include "methods.def"

/* [-0, +1, m] A new atomic, closed. */
lm_atomic *lm_new_atomic(lua_State *L);

/* Steps of iterators. A for loop passes the state and the control value; both are upvalues too, so that a script can
   call a step by itself. */

/* [-1, +3, m] Pushes the values of a generic for: the step, the object at argument 1 as the state, and the value on top
   as the first control value. */
static inline int lm_push_step(lua_State *L, lua_CFunction step) {
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, step, 2);
  lua_pushvalue(L, 1);
  lua_rotate(L, -3, -1);
  return 3;
}
/* [-0, +(0|2), –] At the start of a step: if a script called it without arguments, pushes them from the upvalues and
   returns true. */
static inline bool lm_step_alone(lua_State *L) {
  if (mm_likely(lua_gettop(L) > 0)) return false;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  return true;
}
/* [-0, +0, –] At the end of a step without arguments: keeps the first result as the control value of the next call. */
static inline int lm_end_step(lua_State *L, int results) {
  if (!lua_isnil(L, -results)) lua_copy(L, -results, lua_upvalueindex(2));
  return results;
}

/* [-0, +0, e] The deadline, in nanoseconds of CLOCK_MONOTONIC, for a timeout at an argument, in seconds. INT64_MAX
   (never) for nil. */
int64_t lm_check_deadline(lua_State *L, int argument);
/* [-0, +0, e] For loops that wait: raises after Ctrl-C or at a time limit, and lets hooks run. A hook may change the
   stack, so check its values again. */
void lm_pause(lua_State *L);
/* [-0, +0, e] Calls lm_pause at every 1024th call, for loops over values, fields, and elements. These can be many
   although they use little memory, because tables can be nested and shared. */
static inline void lm_pause_often(lua_State *L) {
  static _Thread_local uint32_t passed;
  if (mm_unlikely((++passed & 1023) == 0)) lm_pause(L);
}

/* [-0, +0, e] Reads the table of options at an argument, if there is one. `options` ends with a NULL name. */
typedef struct lm_option {
  const char *name;
  /* LM_CALLERS: the caller reads the value itself. */
  enum { LM_INTEGER, LM_BOOLEAN, LM_ADVICE, LM_SEPARATOR, LM_CALLERS } type;
  size_t place; /* the value's offset in the structure */
  size_t given; /* the offset of its flag "is present"; 0 for none: no structure begins with a flag */
} lm_option;
void lm_read_options(lua_State *L, int argument, const lm_option *options, void *target);

/* [-0, +0, e] The open Lua file at an argument, or NULL where it is none. */
FILE *lm_file_at(lua_State *L, int argument);

/* [-0, +0, e] The separator at an index; `what` names it in errors: "separator", "option 'sep'". */
void lm_check_separator(lua_State *L, int argument, int index, const char *what, mm_separator *separator);

/* [-0, +0, –] Whether a body failed because memory or descriptors ran out: a garbage collection may free some. */
bool lm_worth_collecting(const lm_outcome *outcome, int code);

/* Make the metatables, once per state, in the order of module.c. */
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
void lm_open_files(lua_State *L);
void lm_open_tables(lua_State *L);
void lm_open_compile(lua_State *L);

/* [-0, +0, m] Adds the accessors of Node's Buffer to the table of methods on top. */
void lm_add_accessors(lua_State *L);

/* [-0, +0, e] Adds `json` to the module table on top. */
void lm_add_json(lua_State *L);

#endif
