/* Messages: Lua values in a file in memory, which one process writes and then another reads. So neither process waits
   for the other, and no message is too large. Only for the C files of this target. */
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
  int32_t message; /* the file with the request, and later the answer */
  int32_t watch;   /* readable after the child has ended */
  int32_t count;   /* of the descriptors for the child; they are closed here after its start */
  int32_t descriptors[LM_MOST_MAPPINGS];
  const mm_slot *slots[LM_MOST_MAPPINGS];
} lm_child;
LM_APART(lm_child);

/* [-0, +0, –] The child at an index, or NULL. */
lm_child *lm_child_at(lua_State *L, int index);
/* [-0, +1, m] A new child, not started. */
lm_child *lm_new_child(lua_State *L);
/* [-0, +0, –] Closes the descriptors for the child. */
void lm_close_given(lm_child *child);

/* The first byte of a value: its type. */
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

/* A message that is written. It can contain buffers only if it is for a child, whose handle is at stack index
   `place`. */
typedef struct lm_writer {
  lua_State *L;
  lm_child *child;
  int place;
  int file;
  int seen; /* stack index of a table that maps written tables to their numbers */
  int tables;
  int depth;
  int argument; /* for errors: the number of the argument of mmap.spawn; 0 for a result */
  int number;   /* for errors: the number of the result */
  uint64_t size;
  size_t used;
  char bytes[4096];
} lm_writer;

/* [-0, +1, e] Begins a message; pushes the table `seen`. */
void lm_write_begin(lm_writer *w);
void lm_write_bytes(lm_writer *w, const void *bytes, size_t count);
/* [-0, +0, e] Writes the value at an index. */
void lm_write_value(lm_writer *w, int index);
/* [-0, +0, e] Writes a Lua function. Its upvalues may only be the table of globals and modules. */
void lm_write_function(lm_writer *w, int index);
/* [-0, +0, e] Writes the header last, so that an incomplete message is invalid. */
void lm_write_end(lm_writer *w, uint64_t magic);

/* A message that is read. If it comes from a child, the child's handle is at stack index `place`. */
typedef struct lm_reader {
  lua_State *L;
  lm_child *child;
  int place;
  int file;
  int tables;   /* stack index of the array of tables read so far */
  int mappings; /* stack index of the array of buffers read so far; 0 if the message may have none */
  int tables_count, mappings_count;
  int depth;
  uint64_t position, size;
  size_t used, filled;
  char bytes[4096];
} lm_reader;

/* [-0, +2, e] Whether the file has a message with this magic number; pushes the two arrays. */
bool lm_read_begin(lm_reader *r, uint64_t magic, bool with_mappings);
bool lm_read_bytes(lm_reader *r, void *bytes, size_t count);
/* [-0, +1, e] Pushes the next value; false if the message is invalid or at its end: then what it pushed is
   undefined. */
bool lm_read_value(lm_reader *r);
/* [-0, +1, e] Pushes a function that lm_write_function has written; false if the message is invalid. */
bool lm_read_function(lm_reader *r);

/* The header: a magic number, and the number of bytes after the header. */
enum { LM_HEADER_SIZE = 16 };
#define LM_REQUEST UINT64_C(0x3170616d6d756c61)
#define LM_ANSWER UINT64_C(0x3270616d6d756c61)

#endif
