/* Settings of long work; their trampolines come from methods.def. */
#include "trampoline.h"
