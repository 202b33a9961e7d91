/* Matches of regular expressions that a signal can end.
 *
 * PCRE2's JIT code checks no flag during a match, and backtracking may take longer than a lifetime. But it holds no
 * lock and does not allocate, so a signal handler can leave it with siglongjmp(3), which ends the match at once.
 */
#ifndef MM_PATTERN_H
#define MM_PATTERN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

/* A compiled pattern. All pointers are NULL after it is freed. */
typedef struct mm_pattern {
  struct pcre2_real_code_8 *_Nullable code;
  struct pcre2_real_match_data_8 *_Nullable data;
  struct pcre2_real_match_context_8 *_Nullable context;
  size_t *_Nullable offsets; /* in `data`: offsets of the last match and its groups */
  uint8_t *_Nullable window; /* memory for a short copy of a subject, if `is_copied` */
  size_t first_copy;         /* bytes of a subject to copy for the first attempt */
  size_t most_copy;          /* bytes to copy at most, unless a match needs more */
  size_t lookbehind;         /* bytes before the start that a search may read; SIZE_MAX for all */
  bool is_utf;               /* the subject is UTF-8 */
  bool is_copied;            /* the subject is matched in private copies of its parts */
  bool is_machine_code;      /* compiled by PCRE2's JIT; else interpreted */
  bool is_divisible;         /* a search may be split into searches that start at later offsets */
  bool is_anchored;          /* a match starts only at the start of the search */
  bool has_clusters;         /* contains \X, which reads all flag emoji before a character */
  bool is_within_line;       /* no match is empty or contains a newline */
  bool is_deep;              /* an earlier match needed a large stack */
} mm_pattern;

/* The result of mm_match if a signal ended it. PCRE2's own error codes are greater. */
enum { MM_MATCH_LEFT = -10000 };

/* pcre2_match(3) with this pattern; MM_MATCH_LEFT if mm_escape was called during the match or before it. The caller
   decides whether to match again. */
int mm_match(const mm_pattern *_Nonnull pattern, const uint8_t *_Nonnull subject, size_t length, size_t start,
             uint32_t options);

/* Ends the match of the calling thread. Call it last in the handler of `signal`, which it unblocks: it returns only
   if there is no match. The handler's sa_mask must be empty. */
void mm_escape(int signal);

/* Between these two calls, SIGINT ends this thread's matches after the installed handler has run, for handlers that
   do not call mm_escape. No change if SIGINT has the default action or is ignored. */
void mm_escape_begin(void);
void mm_escape_end(void);

#endif
