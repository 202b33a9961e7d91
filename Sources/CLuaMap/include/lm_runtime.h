/* The boundary between Lua and Swift.
 *
 * No Lua error may cross a Swift frame, because it is a longjmp. So the work is split. Lua calls a *trampoline* in C,
 * which allocates in Lua and raises errors. The trampoline calls a *body* in Swift, which computes and calls only
 * functions of the Lua API that the manual marks "–" (never raises). The body returns its number of results, or a
 * negative code with an lm_outcome filled in.
 */
#ifndef LM_RUNTIME_H
#define LM_RUNTIME_H

#include <lua5.4/lua.h>

#include "CMemoryMap.h"
#include "lm_sandbox.h"

/* The version of the program and of the library. This is its only place. */
#define LM_VERSION "0.1.0"

/* Opens the library: pushes the module table "mmap". luaopen_mmap is the name that Lua looks up in a shared library;
   lm_open_module is for a program that contains the library. */
int luaopen_mmap(lua_State *_Nonnull L);
int lm_open_module(lua_State *_Nonnull L);

/* A buffer as userdata. It begins with its own address, which proves its type. A metatable is no proof, because
   debug.setmetatable can give any metatable to any userdata. */
typedef struct lm_buffer {
  const void *_Nullable self;
  mm_region region;
} lm_buffer;

/* [-0, +0, m] uses two slots. The errno of an error object; 0 for any other value. */
int lm_error_number(lua_State *_Nonnull L, int index);

/* The details of an outcome. A body fills it in only if it returns a negative code. */
typedef struct lm_outcome {
  int32_t kind;     /* LM_TYPE … */
  int32_t argument; /* the number of the wrong argument; 0 for none */
  int32_t error;    /* errno, or a signal's number */
  const char *_Nullable call;
  /* A template. %1, %2, and %3 are replaced by the values, %f by the first value as the bits of a double, %c by the
     first value as a character, %0 by the path. */
  const char *_Nullable text;
  int64_t values[3];
  bool element;  /* the error is in one element of many; values[1]: its index */
  bool has_path; /* lm_error_path has the path of the file */
  /* LM_BYTES: the bytes of the string to push, and their region, which is checked for loss after the copy. */
  const uint8_t *_Nullable bytes;
  size_t count;
  mm_region source;
} lm_outcome;

enum { LM_FAILED = -1, LM_BYTES = -2 };
enum {
  LM_TYPE,     /* text: the type that was expected */
  LM_WORD,     /* the argument is a word that is not known; text and call: the problem and choices of lm_push_unknown */
  LM_ARGUMENT, /* text: what is wrong with the argument */
  LM_MISUSE,   /* text: the message */
  LM_CLOSED,   /* a closed buffer was used */
  LM_SYSTEM,   /* a system call failed: an error object */
  LM_LOST,     /* pages are gone: an error object; values[0]: the offset */
  LM_INTERRUPTED, /* long work was stopped by Ctrl-C */
  LM_MESSAGE,     /* the message is in lm_error_message */
  LM_RAISED       /* a function of the script raised the error on top of the stack */
};

/* Texts of errors that no template can say. A body that fails writes them, and the trampoline reads them at once. */
typedef struct lm_error_text {
  size_t count;
  char bytes[4096]; /* what is longer is cut */
} lm_error_text;
lm_error_text *_Nonnull lm_error_message(void);
lm_error_text *_Nonnull lm_error_path(void);

/* Set to stop long work, as the host's SIGINT handler does. Bodies poll it; the trampoline then raises the error
   "interrupted!". */
extern volatile sig_atomic_t lm_interrupt;
static inline bool lm_is_interrupted(void) { return lm_interrupt != 0; }
/* [-0, +0, –] The same where no debug hook is set: a stock interpreter does not set lm_interrupt, its SIGINT handler sets
   a hook. */
static inline bool lm_is_stopped(lua_State *_Nonnull L) { return lm_is_interrupted() || lua_gethookmask(L) != 0; }
/* Raises the Lua error of an interrupt. The host may replace this function. */
extern void (*_Nonnull lm_raise_interrupt)(lua_State *_Nonnull L);

/* Strings and tables of this size or more, in bytes, take long to make: Ctrl-C can interrupt that. */
enum { LM_LARGE = 16 << 20 };

typedef struct lm_open_options {
  int64_t offset, length, size, advice;
  bool has_length, has_advice, grow, sparse, populate, lock, shared;
} lm_open_options;

/* A hex dump in progress. */
typedef struct lm_dump {
  int64_t offset, length, position;
  bool folded, done;
} lm_dump;

/* The description of a buffer, for tostring and info. */
typedef struct lm_description {
  bool closed, lost, slice;
  uintptr_t address;
  size_t length;
  int64_t offset; /* in the file, bytes */
  int32_t protection, flags, kind;
  size_t page;
} lm_description;

enum { LM_UPVALUE_1 = LUA_REGISTRYINDEX - 1 };

/* [-0, +0, –] The userdata at an index if it has this size and begins with its own address, or NULL. The pointer of a
   light userdata is not read, because its lua_rawlen is 0. */
static inline void *_Nullable lm_self_at(lua_State *_Nonnull L, int index, size_t size) {
  void *p = lua_touserdata(L, index);
  return p && lua_rawlen(L, index) == size && *(const void *const *)p == p ? p : NULL;
}

/* [-0, +0, –] As lm_self_at, for a type that has its kind after its own address. */
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

/* The bodies. Each returns its number of results, or a negative code with `outcome` filled in. */
#define LM_BODY(name) int name(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome)
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
int lm_buffer_slice(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target);
int lm_map(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target, int descriptor);
int lm_open(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target, const char *_Nonnull path,
            int mode, const lm_open_options *_Nonnull options);
int lm_anonymous(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
                 const lm_open_options *_Nonnull options);

void lm_lost(const lm_buffer *_Nonnull buffer, lm_outcome *_Nonnull outcome);

/* [-0, +0, –] The current size of the mapped file, in bytes; -1 if the file is no longer at the path or its size cannot
   be read, as in a sandbox. `uses_kept`: of a file in memory, whether or not the path leads there. */
int64_t lm_file_size(const mm_region *_Nonnull region, const char *_Nonnull path, bool uses_kept);

/* [-0, +0, m] uses 4 slots. Makes the string at the index safe to print: replaces each byte that mm_shown.h does not
   accept by its code, as in \x1b. lm_shown is the same as a Lua function. */
const char *_Nonnull lm_show(lua_State *_Nonnull L, int index);
int lm_shown(lua_State *_Nonnull L);
/* A lua_CFunction: formats a number of bytes, see mm_format_size. */
int lm_size(lua_State *_Nonnull L);
/* [-0, +0, –] Records that the buffer or view at 1 has no method with the name at 2. */
void lm_note_missing(lua_State *_Nonnull L);
/* [-0, +(0|1), m] Pushes advice for an uncaught error about a missing method; NULL if there is none. */
const char *_Nullable lm_push_advice(lua_State *_Nonnull L, const char *_Nonnull message);
/* [-0, +0, –] The error of ipairs and pairs for an object or iterator of the library, with the right loop; otherwise
   NULL. */
const char *_Nullable lm_loop_advice(lua_State *_Nonnull L, int index);
/* Bodies that need the path of the file. */
int lm_buffer_resize(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const char *_Nullable path, bool sparse);
int lm_buffer_remap(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const char *_Nullable path);
int lm_buffer_sync(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const char *_Nullable path);
int lm_buffer_lock(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const char *_Nullable path);

/* A hex dump: lm_dump_start checks the range; each lm_dump_next prints some lines and returns the number of bytes
   printed, or LM_FAILED. */
int lm_dump_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_dump *_Nonnull dump);
int lm_dump_next(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_dump *_Nonnull dump, uint8_t *_Nonnull target,
                 size_t capacity);

void lm_describe(const lm_buffer *_Nonnull buffer, lm_description *_Nonnull description);

/* The number of the advice with this name, or -1. */
int64_t lm_advice_named(const char *_Nonnull name, size_t length);
/* The name of the i-th advice, its number, and whether the kernel knows it; NULL after the last. */
const char *_Nullable lm_advice_at(int i, int64_t *_Nonnull value, bool *_Nonnull is_known);

#endif
