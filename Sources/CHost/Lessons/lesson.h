#ifndef CHOST_LESSON_H
#define CHOST_LESSON_H

#include "CHost.h"

/* [-0, +0, m] Lets require find mmap.lesson. Not for a sandbox: it runs programs and changes the folder. */
void lesson_open(lua_State *L, const host_plan *plan);

#endif
