/* Matching that a signal can end.
 *
 * PCRE2's machine code looks at nothing while it tries the ways a pattern may match, and there may be
 * more of them than a lifetime has seconds. It holds no lock and allocates nothing, though: so a
 * signal's handler may leave it with siglongjmp(3), and the match is over at once.
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

/* A compiled pattern. All pointers are NULL once it was freed. */
typedef struct mm_pattern {
  struct pcre2_real_code_8 *_Nullable code;
  struct pcre2_real_match_data_8 *_Nullable data;
  struct pcre2_real_match_context_8 *_Nullable context;
  size_t *_Nullable offsets; /* in `data`: of the last match and its groups */
  uint8_t *_Nullable window; /* memory for a short copy of a subject, where `is_copied` */
  size_t first_copy;         /* bytes of a subject that are copied at first, */
  size_t most_copy;          /* and at most, where no match needs more */
  size_t lookbehind;         /* bytes in front of its start that a search may look at; SIZE_MAX for all */
  bool is_utf;               /* the subject is UTF-8 */
  bool is_copied;            /* the subject is matched in private copies of its parts */
  bool is_machine_code;      /* else it is interpreted */
  bool is_divisible;         /* a search may be cut into searches that start at later offsets */
  bool is_anchored;          /* a match starts only where the search does */
  bool has_clusters;         /* \X, which looks at all the flags in front of one */
  bool is_within_line;       /* no match is empty or has a newline in it */
  bool is_deep;              /* it has needed a large stack before */
} mm_pattern;

/* What mm_match returns where a signal ended it. PCRE2's own codes are far above. */
enum { MM_MATCH_LEFT = -10000 };

/* pcre2_match(3) on this pattern; MM_MATCH_LEFT where mm_escape was called, which may also have been
   just before: whoever wanted the match to end knows whether he still does. */
int mm_match(const mm_pattern *_Nonnull pattern, const uint8_t *_Nonnull subject, size_t length, size_t start,
             uint32_t options);

/* Ends a match that runs on the calling thread. To be called last in the handler of `signal`, which it
   unblocks: it returns only where there is no match. The handler's own mask must be empty. */
void mm_escape(int signal);

/* From now on SIGINT ends this thread's matches after whatever handler it has has run, which may know
   nothing of mm_escape. Where SIGINT ends the process or is ignored, that stays so. */
void mm_escape_begin(void);
void mm_escape_end(void);

#endif
