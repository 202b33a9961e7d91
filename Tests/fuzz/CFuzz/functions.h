#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "trampoline.h"

/* [-0, +0, e] Makes the global table `fuzz` of the targets. */
void fuzz_open_functions(lua_State *L);

#endif
