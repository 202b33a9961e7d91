/* Values on their way from process to process: a file in memory, written by one and then read by the other, so that
   nobody waits for anybody and no size is too large. Only for the C files of this target. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "trampoline.h"

#define LM_CHILD "mmap.child"

enum { LM_MOST_MAPPINGS = 64, LM_DEEPEST_TABLE = 200 };

/* A child as userdata. Descriptors are -1 for none. */
typedef struct lm_child {
  const void *self, *kind;
  int32_t process; /* 0 before it was started */
  bool has_ended;
  int32_t status;  /* as of waitpid(2), or -1 */
  int32_t message; /* what it is to do, and then what came of it */
  int32_t watch;   /* readable once it has ended */
  int32_t count;   /* of what it is to get: closed here as soon as it runs */
  int32_t descriptors[LM_MOST_MAPPINGS];
  const mm_slot *slots[LM_MOST_MAPPINGS];
} lm_child;
LM_APART(lm_child);

/* [-0, +0, –] The child at an index, or NULL. */
lm_child *lm_child_at(lua_State *L, int index);
/* [-0, +1, m] A new child, not started. */
lm_child *lm_new_child(lua_State *L);
/* [-0, +0, –] Closes what was only for the child to get. */
void lm_close_given(lm_child *child);

/* What a value begins with. */
enum {
  T_NIL = 'z',
  T_FALSE = 'f',
  T_TRUE = 't',
  T_INTEGER = 'i',
  T_NUMBER = 'd',
  T_STRING = 's',
  T_TABLE = '{',
  T_END = '}',
  T_AGAIN = 'r',
  T_MAPPING = 'm',
  T_BUFFER = 'b',
  T_SLICE = 'l',
  T_VIEW = 'v',
  T_ATOMIC = 'a',
  T_GLOBALS = 'e',
  T_MODULE = 'q'
};

/* A message that is written. With a child, at stack index `place`, buffers can be part of it. */
typedef struct lm_writer {
  lua_State *L;
  lm_child *child;
  int place;
  int file;
  int seen; /* stack index of a table: from tables to their numbers */
  int tables;
  int depth;
  int argument; /* for errors: of the function; 0 for a result */
  int number;   /* of the result */
  uint64_t size;
  size_t used;
  char bytes[4096];
} lm_writer;

/* [-0, +1, e] Pushes the table that is `seen`. */
void lm_write_begin(lm_writer *w);
void lm_write_bytes(lm_writer *w, const void *bytes, size_t count);
/* [-0, +0, e] The value at an index. */
void lm_write_value(lm_writer *w, int index);
/* [-0, +0, e] A Lua function, with the upvalues that a child has too. */
void lm_write_function(lm_writer *w, int index);
/* [-0, +0, e] The header, last: without it the message is none. */
void lm_write_end(lm_writer *w, uint64_t magic);

/* A message that is read. With a child at stack index `place` it comes from there. */
typedef struct lm_reader {
  lua_State *L;
  lm_child *child;
  int place;
  int file;
  int tables;   /* stack index of a table: numbers to tables */
  int mappings; /* stack index of a table: numbers to buffers; 0 where none may come */
  int tables_count, mappings_count;
  int depth;
  uint64_t position, size;
  size_t used, filled;
  char bytes[4096];
} lm_reader;

/* [-0, +2, e] Whether there is a message under this magic number; pushes the two tables. */
bool lm_read_begin(lm_reader *r, uint64_t magic, bool with_mappings);
bool lm_read_bytes(lm_reader *r, void *bytes, size_t count);
/* [-0, +1, e] The next value; false, and nothing pushed, where there is none. */
bool lm_read_value(lm_reader *r);
/* [-0, +1, e] A function. */
bool lm_read_function(lm_reader *r);

/* A number that says what it is, and the bytes after it. */
enum { LM_HEADER_SIZE = 16 };
#define LM_REQUEST UINT64_C(0x3170616d6d756c61)
#define LM_ANSWER UINT64_C(0x3270616d6d756c61)

#endif
