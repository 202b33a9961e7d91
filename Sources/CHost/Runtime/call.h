#ifndef CHOST_CALL_H
#define CHOST_CALL_H

#include "CHost.h"

/* The program's name in front of its messages; NULL in a session, where a person knows who speaks. */
extern const char *host_program;

/* What runs: the state, or under a limit of time the coroutine. Signal handlers read it. */
extern lua_State *volatile host_running;

/* The mode of every chunk that is loaded: NULL, or "t" where bytecode would be a way out. */
extern const char *host_chunk_mode;

void host_message(const char *text, const char *hint);

/* From now on a file that would grow over "ulimit -f", and a pipe without a reader, are errors of the call. */
void host_let_calls_fail(void);

/* From now on; exit() says how many page faults there were, whoever calls it. */
void host_count_faults(void);

int host_report(lua_State *L, int status);
int host_call(lua_State *L, int arguments, int results);

/* Raises "interrupted!". */
void host_raise_interrupt(lua_State *L);

/* Between these two, Ctrl-C is an error of the code that L runs. */
void host_interrupts_begin(lua_State *L);
void host_interrupts_end(lua_State *L);
/* In a session Ctrl-C between two statements must not end it. */
void host_ignore_interrupts_at_rest(bool ignore);

/* The session, until the end of its input. May raise: a prompt is made by the script's __tostring. */
void host_repl(lua_State *L, const host_plan *plan);

/* [-0, +0, m] debug.setlocal that leaves C functions alone. */
void host_open_locals(lua_State *L);

/* The global help, which only sessions have. */
void host_open_help(lua_State *L);
/* A function of Lua: what the manual says may stand in a call; see manual/help.lua. */
int host_manual_words(lua_State *L);

/* Whether a terminal shows more than ASCII, by the variables that pictures go by too. */
bool host_is_unicode(void);

/* Puts a picture of the value at the index on the stack, if it is one of the library's and standard output a terminal.
   Never raises. */
bool host_push_display(lua_State *L, int index);

/* Where host_complete finds its Lua source. */
void host_set_completion(const host_editor *editor);

/* A line as any terminal or file gives it, without editing. */
host_input host_read_plainly(const char *prompt, const char **line, size_t *length);

#endif
