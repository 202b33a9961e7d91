#ifndef CHOST_LIMITS_H
#define CHOST_LIMITS_H

#include <stdbool.h>

#include "CHost.h"

/* Makes sure that the limit of the stack ("ulimit -s") is large enough. False, with a message, when it cannot be
   raised. */
bool limits_make_room(void);
/* Starts to enforce the limits. */
void limits_begin(lua_State *L, const host_bounds *bounds);
/* Prepares a state for the limits. Call it before the libraries are opened. May raise. */
void limits_open(lua_State *L);
/* Replaces coroutine.resume, wrap and close with functions that keep host_running up to date. Call it after the
   libraries are opened. May raise. */
void limits_open_coroutines(lua_State *L);

/* Whether there is a time limit. */
bool limits_have_time(void);
bool limits_time_is_up(void);
/* After the time is up, makes the code of L fail: a hook belongs to one coroutine, so each that runs needs it. */
void limits_rearm(lua_State *L);

/* Record whether the last error was a lack of memory, for limits_exit_status. The first may raise. */
void limits_note_error(lua_State *L, int index);
void limits_note_lack_of_memory(void);
/* A note on the memory limit to append to an error message, or "". */
const char *limits_hint(int status);
int limits_exit_status(int status);
/* Writes that the time limit was reached, for a script that caught the error. */
void limits_say_goodbye(void);

#endif
