/* Matching that a signal can end.
 *
 * PCRE2's machine code polls nothing while it backtracks, and that can take longer than anyone waits. It holds no lock
 * and allocates nothing, though: a signal handler may leave it with siglongjmp(3), which ends the match at once.
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
  struct pcre2_real_code_8 *_Nullable whole; /* for subjects that are not UTF-8, where `code` is not enough */
  struct pcre2_real_match_data_8 *_Nullable data;
  struct pcre2_real_match_context_8 *_Nullable context;
  size_t *_Nullable offsets; /* in `data`: of the last match and its groups */
  uint8_t *_Nullable window; /* memory for a short copy of a subject, where `is_copied` */
  size_t first_copy;         /* bytes of a subject that are copied at first, */
  size_t most_copy;          /* and at most, where no match needs more */
  size_t lookbehind;         /* bytes before its start that a search may read; SIZE_MAX for all */
  uint32_t match_options;    /* PCRE2's, which the pattern sets itself: (*NOTEMPTY) */
  uint32_t steps;            /* the most that a match from one offset may take */
  bool has_steps;            /* the limit was given */
  bool is_utf;               /* the subject is UTF-8 */
  bool is_copied;            /* the subject is matched in private copies of its parts */
  bool is_machine_code;      /* else it is interpreted */
  bool is_divisible;         /* a search may be cut into searches that start at later offsets */
  bool is_anchored;          /* a match starts only where the search does */
  bool begins_lines;         /* a match starts where the search does, or after a newline */
  bool has_clusters;         /* \X, which reads all flags (pairs of letters) before one */
  bool is_within_line;       /* no match is empty or has a newline in it */
  bool is_deep;              /* it has needed a large stack before */
} mm_pattern;

/* Text that grows: memory of its own, counted in the budget. All zero if empty. */
typedef struct mm_text {
  uint8_t *_Nullable bytes;
  size_t count, capacity;
  size_t since_poll; /* bytes and calls since the last poll */
} mm_text;

/* The result of mm_match if a signal ended it. PCRE2's own codes are far above. */
enum { MM_MATCH_LEFT = -10000 };

/* pcre2_match(3) on this pattern; MM_MATCH_LEFT after a call of mm_escape, which may also have been
   just before: the caller checks whether the match is still to end. If `is_utf`, the subject must be valid UTF-8. */
int mm_match(const mm_pattern *_Nonnull pattern, const uint8_t *_Nonnull subject, size_t length, size_t start,
             uint32_t options);

/* Ends a match that runs on the calling thread. To be called last in the handler of `signal`, which it
   unblocks: it returns only if there is no match. The handler's own mask must be empty. */
void mm_escape(int signal);

/* From now on SIGINT also ends this thread's matches, after its present handler, which need not know of mm_escape. If
   SIGINT ends the process or is ignored, that stays so. */
void mm_escape_begin(void);
void mm_escape_end(void);

#endif
