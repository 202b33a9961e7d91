/* The boundary between Lua and Swift.
 *
 * No Lua error may cross a Swift frame (it is a longjmp). So the work is split: a *trampoline* in C is
 * what Lua calls; it allocates in Lua and raises; the *body* in Swift computes, calls only functions
 * of the Lua API that the manual marks "–" (never raises), and returns its number of results or a
 * negative code with an lm_call filled in.
 */
#ifndef LM_RUNTIME_H
#define LM_RUNTIME_H

#include <lua5.4/lua.h>

#include "CMemoryMap.h"
#include "lm_sandbox.h"

/* The version of the program and of the library, here and nowhere else. */
#define LM_VERSION "0.1.0"

/* Opens the library: pushes the module table "mmap". The first is what Lua looks for in a shared library, the
   second is for a program that the library is part of. */
int luaopen_mmap(lua_State *_Nonnull L);
int lm_open_module(lua_State *_Nonnull L);

/* A buffer as userdata. It begins with its own address, which proves what it is: a metatable does
   not, debug.setmetatable gives any userdata any. */
typedef struct lm_buffer {
  const void *_Nullable self;
  mm_region region;
} lm_buffer;

/* [-0, +0, m] uses two slots. The errno of an error object; 0 for any other value. */
int lm_error_number(lua_State *_Nonnull L, int index);

/* What a body says beside its number of results. Filled in only with a negative code. */
typedef struct lm_call {
  int32_t kind;     /* LM_TYPE … */
  int32_t argument; /* the argument it is about; 0 for none */
  int32_t error;    /* errno, or a signal's number */
  const char *_Nullable call;
  /* A template: %1, %2, %3 stand for the values, %f for the first as a double's bits, %c for it as a character,
     %0 for the path. */
  const char *_Nullable text;
  int64_t values[3];
  bool element; /* the text is about one element of many: values[1] says which */
  /* LM_BYTES: the string to push, and the regions that must be intact after it was copied. */
  const uint8_t *_Nullable bytes;
  size_t count;
  mm_region source;
} lm_call;

enum { LM_FAILED = -1, LM_BYTES = -2 };
enum {
  LM_TYPE,       /* text: the type that was expected */
  LM_ARGUMENT,   /* text: what is wrong with the argument */
  LM_MISUSE,     /* text: the message */
  LM_CLOSED,     /* a closed buffer was used */
  LM_SYSTEM,     /* a system call failed: an error object */
  LM_LOST,       /* pages are gone: an error object; values[0]: the offset */
  LM_INTERRUPTED /* long work was stopped by Ctrl-C */
};

/* Set by whoever wants long work to stop, as the host's handler of SIGINT does: bodies poll it, and
   the error "interrupted!" is raised. */
extern volatile sig_atomic_t lm_interrupt;
static inline bool lm_is_interrupted(void) { return lm_interrupt != 0; }
/* Raises what an interrupt is to be in Lua; the host may put its own function here. */
extern void (*_Nonnull lm_raise_interrupt)(lua_State *_Nonnull L);

/* Bytes of a string or a table from which on it takes a while to make them. */
enum { LM_LARGE = 16 << 20 };

typedef struct lm_open_options {
  int64_t offset, length, size, advice;
  bool has_length, has_advice, grow, populate, lock, shared;
} lm_open_options;

/* A hex dump in progress. */
typedef struct lm_dump {
  int64_t offset, length, position;
  bool folded, done;
} lm_dump;

/* What there is to say about a buffer. */
typedef struct lm_description {
  bool closed, lost, slice;
  uintptr_t address;
  size_t length;
  int64_t offset; /* in the file, bytes */
  int32_t protection, flags, kind;
  size_t page;
} lm_description;

enum { LM_UPVALUE_1 = LUA_REGISTRYINDEX - 1 };

/* [-0, +0, –] The userdata at an index if it has this size and begins with its own address, or NULL. lua_rawlen is 0
   for a light userdata, so nothing is read that is not a userdata of this size. */
static inline void *_Nullable lm_self_at(lua_State *_Nonnull L, int index, size_t size) {
  void *p = lua_touserdata(L, index);
  return p && lua_rawlen(L, index) == size && *(const void *const *)p == p ? p : NULL;
}

/* [-0, +0, –] The same of those that have their kind after that, or NULL. */
static inline void *_Nullable lm_kind_at(lua_State *_Nonnull L, int index, size_t size, const void *_Nonnull kind) {
  void *p = lm_self_at(L, index, size);
  return p && ((const void *const *)p)[1] == kind ? p : NULL;
}

/* [-0, +0, –] The buffer at an index, or NULL. */
static inline lm_buffer *_Nullable lm_buffer_at(lua_State *_Nonnull L, int index) {
  return (lm_buffer *)lm_self_at(L, index, sizeof(lm_buffer));
}

/* [-0, +0, –] The bytes of the string at an index, or NULL. A number is not converted: that would
   allocate. */
static inline const char *_Nullable lm_string_at(lua_State *_Nonnull L, int index, size_t *_Nonnull length) {
  return lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, length) : NULL;
}

/* The bodies. Each returns its number of results, or a negative code with `call` filled in. */
#define LM_BODY(name) int name(lua_State *_Nonnull L, lm_call *_Nonnull call)
#define LM_BODY_PURE(class, name) LM_BODY(lm_##class##_##name);
#define LM_BODY_SYSTEM(class, name) LM_BODY(lm_##class##_##name);
#define LM_BODY_CUSTOM(class, name)
#define METHOD(class, name, kind, most) LM_BODY_##kind(class, name)
#define ALIAS(class, name, other_class, other_name)
#include "methods.def"
LM_BODY(lm_buffer_index);
LM_BODY(lm_buffer_newindex);
LM_BODY(lm_buffer_len);

/* Bodies that fill in a new, closed buffer. */
int lm_buffer_slice(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target);
int lm_map(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target, int descriptor);
int lm_open(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target, const char *_Nonnull path,
            int mode, const lm_open_options *_Nonnull options);
int lm_anonymous(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_buffer *_Nonnull target,
                 const lm_open_options *_Nonnull options);

void lm_lost(const lm_buffer *_Nonnull buffer, lm_call *_Nonnull call);

/* [-0, +0, –] The size of the mapped file now; -1 where it is not at the path any more, or may not be known. */
int64_t lm_file_size(const mm_region *_Nonnull region, const char *_Nonnull path);

/* [-0, +0, m] uses 4 slots. Puts in the place of the string at the index what a person is shown: what mm_shown.h lets
   through, and the codes of the other bytes. It is a function of Lua too. */
const char *_Nonnull lm_show(lua_State *_Nonnull L, int index);
int lm_shown(lua_State *_Nonnull L);
/* Bodies that need the path of the file. */
int lm_buffer_resize(lua_State *_Nonnull L, lm_call *_Nonnull call, const char *_Nullable path);
int lm_buffer_remap(lua_State *_Nonnull L, lm_call *_Nonnull call, const char *_Nullable path);
int lm_buffer_sync(lua_State *_Nonnull L, lm_call *_Nonnull call, const char *_Nullable path);
int lm_buffer_lock(lua_State *_Nonnull L, lm_call *_Nonnull call, const char *_Nullable path);

/* Checks the range of a dump; then prints some of it: bytes printed, or LM_FAILED. */
int lm_dump_start(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_dump *_Nonnull dump);
int lm_dump_next(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_dump *_Nonnull dump, uint8_t *_Nonnull target,
                 size_t capacity);

void lm_describe(const lm_buffer *_Nonnull buffer, lm_description *_Nonnull description);

/* The advice of that name, or -1. */
int64_t lm_advice_named(const char *_Nonnull name, size_t length);
/* The i-th advice there is, whether or not the kernel knows it; its name or NULL after the last. */
const char *_Nullable lm_advice_at(int i, int64_t *_Nonnull value, bool *_Nonnull is_known);

#endif
