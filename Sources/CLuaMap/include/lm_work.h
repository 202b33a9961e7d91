/* What is set for all long work. */
#ifndef LM_WORK_H
#define LM_WORK_H

#include "lm_runtime.h"

/* [-0, +0, –] To be called before any other body. */
void lm_choose_kernels(void);

#endif
