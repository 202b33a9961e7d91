/* Compiled functions, for the host. */
#ifndef LM_COMPILE_H
#define LM_COMPILE_H

#include <stdbool.h>

/* Nothing is compiled: --no-compile. */
extern bool lm_compile_is_off;

/* At exit, lists on standard error what was compiled, for which types and in what time, and what was not and why. */
void lm_report_compiler(void);

/* Loads the compiler now, before a sandbox closes, and allows it there; false if there is none. */
bool lm_load_compiler(void);

#endif
