/* Reductions, scans, order and arithmetic of views. */
#ifndef LM_REDUCE_H
#define LM_REDUCE_H

#include "lm_view.h"

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

/* Fills in a new, closed buffer, and a new, closed view of it. */
int lm_view_argsort(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull buffer,
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
