/* Processes that share memory with this one. */
#ifndef LM_CHILD_H
#define LM_CHILD_H

#include "lm_runtime.h"
#include "lm_shared.h"
#include "lm_view.h"

/* A mapping on its way to a child. */
typedef struct lm_mapping {
  int64_t offset; /* of the first byte in the file */
  int64_t length;
  int32_t descriptor, protection, kind;
  int32_t keeps; /* the descriptor, if not 0: no path leads to the file */
} lm_mapping;

int lm_share(lm_call *_Nonnull call, const mm_region *_Nonnull region, int *_Nonnull descriptor);
int lm_adopt(lm_call *_Nonnull call, lm_buffer *_Nonnull target, const lm_mapping *_Nonnull shared);
/* What is on a buffer that lm_adopt has filled in. All that the message says is checked: `place` is the number of the
   mapping, offset and length in bytes; `shape` the count, the stride in bytes and the type of a view's elements. */
int lm_share_slice(lm_call *_Nonnull call, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                   lm_buffer *_Nonnull target);
int lm_share_view(lm_call *_Nonnull call, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                  const int64_t *_Nonnull shape, lm_view *_Nonnull target);
int lm_share_atomic(lm_call *_Nonnull call, const lm_buffer *_Nonnull whole, const int64_t *_Nonnull place,
                    int64_t type, lm_atomic *_Nonnull target);
int lm_start(lm_call *_Nonnull call, const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
             const int *_Nonnull descriptors, size_t count, int *_Nonnull process, int *_Nonnull watch);
/* 1 with the status of waitpid(2), or -1 for one that somebody else has taken; 0 while the process runs. A deadline of
   0 only asks. */
int lm_await(int process, int watch, int64_t deadline, int *_Nonnull status);
/* Fills in that a system call made by C has failed, with the limit named as everywhere. The name is a literal. */
void lm_refused(lm_call *_Nonnull call, const char *_Nonnull name, int error);
/* 1, or 0 where there is no such process any more. */
int lm_signal(lm_call *_Nonnull call, int process, int watch, int signal);

/* The options with which a child of this program is started; ends with NULL. NULL for a plain Lua, where the module is
   loaded by name. To be set by the host. */
extern const char *_Nullable const *_Nullable lm_child_options;

/* For the host of a child, under a traceback: [-1, +0, e] with the descriptor of the message as its argument, does
   what the parent wants and answers. */
int lm_child_run(lua_State *_Nonnull L);
/* Answers that it has failed; false where the parent is not there to hear it. */
bool lm_child_fail(int descriptor, const char *_Nonnull message);

#endif
