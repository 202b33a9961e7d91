/* Typed views: arrays of numbers in a mapping, as userdata. */
#ifndef LM_VIEW_H
#define LM_VIEW_H

#include "lm_runtime.h"

typedef struct lm_view {
  const void *_Nullable self;
  mm_elements elements;
} lm_view;

/* [-0, +0, –] The view at an index, or NULL. */
static inline lm_view *_Nullable lm_view_at(lua_State *_Nonnull L, int index) {
  return (lm_view *)lm_self_at(L, index, sizeof(lm_view));
}

/* Bodies that fill in a new, closed view. */
int lm_buffer_view(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_view *_Nonnull target);
int lm_view_slice(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_view *_Nonnull target);

LM_BODY(lm_view_index);
LM_BODY(lm_view_newindex);
LM_BODY(lm_view_len);
LM_BODY(lm_view_copy);
LM_BODY(lm_view_next);

/* A transfer between a view's elements and a table, some rows at a time. */
typedef struct lm_view_rows {
  size_t index, count; /* of the view's elements */
  int32_t type;
  bool saturates;
  bool writes; /* false: only check the values */
} lm_view_rows;

/* A value of a table. */
typedef struct lm_table_value {
  uint64_t bits;
  int32_t kind; /* LM_VALUE_INTEGER … */
} lm_table_value;
enum { LM_VALUE_INTEGER, LM_VALUE_FLOAT, LM_VALUE_OTHER };

int lm_view_range(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_view_rows *_Nonnull rows);
int lm_view_load(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, size_t index, uint64_t *_Nonnull bits,
                 size_t count);
int lm_view_room(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_view_rows *_Nonnull rows);
int lm_view_put(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_view_rows *_Nonnull rows,
                const lm_table_value *_Nonnull values, size_t k, size_t count);

/* The description of a view. */
typedef struct lm_view_description {
  lm_description bytes;
  const char *_Nonnull type;
  size_t count, stride, size;
} lm_view_description;
void lm_describe_view(const lm_view *_Nonnull view, lm_view_description *_Nonnull description);

/* The results of stats(). The values are integers or, if `is_float`, the bits of doubles. */
typedef struct lm_stats {
  int64_t count;
  bool is_float;
  bool is_float_sum, is_exact;
  bool is_nothing;               /* all elements, one or more, were skipped */
  uint64_t sum, least, greatest; /* the last two are valid only if count is not 0 */
  double mean;
} lm_stats;

/* A histogram in progress. Its edges are doubles or, if `is_exact`, integers (see ExactEdges). */
typedef struct lm_histogram {
  int64_t bins;
  bool is_exact, is_signed;
  double low, high;
  uint64_t first, width;
} lm_histogram;

int lm_view_stats(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_stats *_Nonnull stats);
/* Replaces each part, 0 to 1, by its quantile: 1, or 0 if there are no elements. */
int lm_view_quantile(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, double *_Nonnull parts, size_t count);

/* Bodies that fill in a new, closed buffer, and a new, closed view of it. */
typedef int lm_view_maker(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int operation,
                          lm_buffer *_Nonnull buffer, lm_view *_Nonnull target);
int lm_view_argsort(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int operation, lm_buffer *_Nonnull buffer,
                    lm_view *_Nonnull target);

/* cumsum, diff, and rolling. lm_view_run_into writes into a view argument and pushes it; lm_view_run fills in a new,
   closed buffer and a new, closed view of it. */
enum { LM_CUMSUM, LM_DIFF, LM_ROLLING };
int lm_view_run_into(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int operation);
int lm_view_run(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int operation, lm_buffer *_Nonnull buffer,
                lm_view *_Nonnull target);

/* The three steps of a histogram: read the arguments, count into `bins` counters, push the edges 0 ... bins. */
int lm_histogram_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_histogram *_Nonnull histogram);
int lm_histogram_count(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_histogram *_Nonnull histogram,
                       int64_t *_Nonnull counters);
/* [-0, +1, –] */
void lm_histogram_edge(lua_State *_Nonnull L, const lm_histogram *_Nonnull histogram, int64_t edge);

#endif
