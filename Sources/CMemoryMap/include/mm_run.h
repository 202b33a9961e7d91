/* Machine code that a signal can end. */
#ifndef MM_RUN_H
#define MM_RUN_H

#include <stdint.h>

enum {
  MM_RUN_LEFT = -1, /* mm_escape ended the code */
  MM_RUN_EARLY = -2 /* it was not started: mm_escape was called before. The caller checks whether it is still to end */
};

/* Runs machine code with its data. It allocates nothing and holds no lock, but between mm_run_hold and mm_run_release.
   Its own results are not negative. */
int64_t mm_run(int64_t (*_Nonnull code)(uint64_t *_Nonnull), uint64_t *_Nonnull slots);

/* The same on one of the threads that work together. `work` is the address of what they work on. */
int64_t mm_run_for(const void *_Nonnull work, int64_t (*_Nonnull code)(uint64_t *_Nonnull), uint64_t *_Nonnull slots);

/* Ends the machine code of the other threads that work on this. What they start next is not ended: tell them before
   that there is nothing more to do, and call this until they are done. */
void mm_end_runs(const void *_Nonnull work);

/* For functions that the code calls: between the two, mm_escape waits. Release may not return. */
void mm_run_hold(void);
void mm_run_release(void);

#endif
