/* The trampolines of what is set for all long work. */
#include "trampoline.h"

static LM_TRAMPOLINE(f_threads, lm_threads)
static LM_TRAMPOLINE(f_progress, lm_progress)

const luaL_Reg lm_work_functions[] = {{"threads", f_threads}, {"progress", f_progress}, {NULL, NULL}};
