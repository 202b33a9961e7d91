/* The trampolines of what is set for all long work. */
#include "trampoline.h"
