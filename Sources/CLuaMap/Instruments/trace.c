/* The origin of a system call: the line of the script. */
#include <stdio.h>

#include "trampoline.h"

_Thread_local lua_State *lm_running;

/* [-0, +0, –] Stores "script.lua:3" in the buffer. The options S and l of lua_getinfo push and allocate nothing. */
static size_t origin(char *buffer, size_t size) {
  lua_Debug where;
  for (int level = 0; lm_running && lua_getstack(lm_running, level, &where); level++) {
    if (!lua_getinfo(lm_running, "Sl", &where) || where.currentline <= 0) continue;
    int length = snprintf(buffer, size, "%s:%d", where.short_src, where.currentline);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
  }
  return 0;
}

void lm_trace(void) { mm_trace(origin); }
