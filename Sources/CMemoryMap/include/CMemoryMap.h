/* C code for the library: the fault guard, and functions that Swift cannot call. */
#ifndef CMEMORYMAP_H
#define CMEMORYMAP_H

#include "mm_atomic.h"
#include "mm_budget.h"
#include "mm_elements.h"
#include "mm_field.h"
#include "mm_fork.h"
#include "mm_format.h"
#include "mm_guard.h"
#include "mm_instruments.h"
#include "mm_landlock.h"
#include "mm_pattern.h"
#include "mm_process.h"
#include "mm_replacement.h"
#include "mm_reserve.h"
#include "mm_run.h"
#include "mm_shown.h"
#include "mm_text.h"

#endif
