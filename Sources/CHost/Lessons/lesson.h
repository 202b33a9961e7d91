#ifndef CHOST_LESSON_H
#define CHOST_LESSON_H

#include "CHost.h"

/* [-0, +0, m] Adds mmap.lesson to package.preload. Not for a sandbox: the module runs programs and changes the
   current folder. */
void lesson_open(lua_State *L, const host_plan *plan);

#endif
