#ifndef CHOST_LIMITS_H
#define CHOST_LIMITS_H

#include <stdbool.h>

#include "CHost.h"

/* Whether there is stack enough; says so where not. */
bool limits_make_room(void);
/* The limits hold from here on. */
void limits_begin(lua_State *L, const host_bounds *bounds);
/* What has to be in a state before anything else is. May raise. */
void limits_open(lua_State *L);
/* coroutine.resume, wrap and close that say in host_running which coroutine runs; after the libraries. May raise. */
void limits_open_coroutines(lua_State *L);

/* Whether there is a limit of time. */
bool limits_have_time(void);
bool limits_time_is_up(void);
/* Has the code that L goes on with fail where time is up: a hook belongs to one coroutine. */
void limits_rearm(lua_State *L);

/* What the last error was about, for limits_exit_status. The first may raise. */
void limits_note_error(lua_State *L, int index);
void limits_note_lack_of_memory(void);
/* What to add to its message. */
const char *limits_hint(int status);
int limits_exit_status(int status);
/* Says that time was up, for a script that says nothing about it. */
void limits_say_goodbye(void);

#endif
