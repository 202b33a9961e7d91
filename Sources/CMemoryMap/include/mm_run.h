/* Machine code that a signal can end. */
#ifndef MM_RUN_H
#define MM_RUN_H

#include <stdint.h>

enum {
  MM_RUN_LEFT = -1, /* mm_escape ended the code */
  MM_RUN_EARLY = -2 /* it was not started: mm_escape was called before. The caller checks whether it is still to end */
};

/* Runs machine code that allocates nothing and holds no lock, but between mm_run_hold and mm_run_release, with its data. Its own results are not negative. */
int64_t mm_run(int64_t (*_Nonnull code)(uint64_t *_Nonnull), uint64_t *_Nonnull slots);

/* For functions that the code calls: between the two, mm_escape waits. Release may not return. */
void mm_run_hold(void);
void mm_run_release(void);
#endif
