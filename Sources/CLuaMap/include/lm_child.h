/* Processes that share memory with this one. */
#ifndef LM_CHILD_H
#define LM_CHILD_H

#include "lm_runtime.h"
#include "lm_shared.h"
#include "lm_view.h"

/* The description of a mapping in a message to a child. */
typedef struct lm_mapping {
  int64_t offset; /* of the first byte in the file */
  int64_t length;
  int32_t descriptor, protection, kind;
  int32_t keeps; /* if not 0, the child keeps the descriptor open: the file has no path */
} lm_mapping;

int lm_share(lm_outcome *_Nonnull outcome, const mm_region *_Nonnull region, int *_Nonnull descriptor);
int lm_adopt(lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target, const lm_mapping *_Nonnull shared);
/* Slices, views, and atomics on a buffer that lm_adopt has filled in. All values from the message are checked. `place`
   is the number of the mapping, and the offset and length in bytes. `shape` is the count, the stride in bytes, and the
   type of a view's elements. */
int lm_share_slice(lm_outcome *_Nonnull outcome, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                   lm_buffer *_Nonnull target);
int lm_share_view(lm_outcome *_Nonnull outcome, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                  const int64_t *_Nonnull shape, lm_view *_Nonnull target);
int lm_share_atomic(lm_outcome *_Nonnull outcome, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                    int64_t type, lm_atomic *_Nonnull target);
int lm_start(lm_outcome *_Nonnull outcome, const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
             const int *_Nonnull descriptors, size_t count, int *_Nonnull process, int *_Nonnull watch);
/* Returns 1 and the status of waitpid(2), or 1 and -1 if other code has reaped the process; 0 while the process runs.
   Does not wait if the deadline is 0. */
int lm_await(int process, int watch, int64_t deadline, int *_Nonnull status);
/* Reports the failure of a system call that C code made; as elsewhere, the message names the limit that was reached.
   `name` is a string literal. */
void lm_refused(lm_outcome *_Nonnull outcome, const char *_Nonnull name, int error);
/* 1, or 0 if the process has ended. */
int lm_signal(lm_outcome *_Nonnull outcome, int process, int watch, int signal);

/* The command-line options of a child of this program, ended by NULL; set by the host. NULL if the module runs in a
   stock lua. */
extern const char *_Nullable const *_Nullable lm_child_options;

/* [-1, +0, e] The main function of a child, called by its host with a traceback handler: runs the request in the
   message, whose descriptor is the argument, and writes the answer. */
int lm_child_run(lua_State *_Nonnull L);
/* Writes an error message as the answer; false if that fails or the parent has ended. */
bool lm_child_fail(int descriptor, const char *_Nonnull message);

#endif
