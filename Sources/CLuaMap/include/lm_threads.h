/* Settings of long work. */
#ifndef LM_THREADS_H
#define LM_THREADS_H

#include "lm_runtime.h"

/* [-0, +0, –] Selects the vector code for this processor. Call it before any other body. */
void lm_choose_vectors(void);

#endif
