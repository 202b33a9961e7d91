#ifndef CHOST_CALL_H
#define CHOST_CALL_H

#include "CHost.h"

/* The program name, the prefix of messages. NULL in an interactive session: no prefix, as in lua(1). */
extern const char *host_program;

/* The running Lua thread: the main thread or, under a time limit, the current coroutine. Signal handlers read it. */
extern lua_State *volatile host_running;

/* The mode for loading chunks: NULL, or "t" in a sandbox, because bytecode could escape from it. */
extern const char *host_chunk_mode;

/* A new state with an allocator for small blocks (blocks.c), or with malloc(3) alone if MMAPLUA_MALLOC is in the
   environment; NULL if out of memory. */
lua_State *host_new_state(void);

void host_message(const char *text, const char *hint);

/* From now on, a write past the limit of file size ("ulimit -f") or to a pipe without a reader fails with an error
   instead of a signal. */
void host_let_calls_fail(void);

/* Starts to count page faults. exit(3) reports their number, also when the script calls os.exit. */
void host_count_faults(void);

int host_report(lua_State *L, int status);
int host_call(lua_State *L, int arguments, int results);

/* Raises "interrupted!". */
void host_raise_interrupt(lua_State *L);

/* Between these two calls, Ctrl-C raises an error in the code that L runs. */
void host_interrupts_begin(lua_State *L);
void host_interrupts_end(lua_State *L);
/* With `ignore`, Ctrl-C between two statements does not end an interactive session. */
void host_ignore_interrupts_at_rest(bool ignore);

/* The interactive session, until the end of its input. May raise: the prompt may call a __tostring of the script. */
void host_repl(lua_State *L, const host_plan *plan);

/* [-0, +0, m] Replaces debug.setlocal with one that does not modify locals of C functions. */
void host_open_locals(lua_State *L);

/* Sets the global `help`, in interactive sessions only. */
void host_open_help(lua_State *L);
/* A lua_CFunction: the option names and string values that the manual allows in a call; see manual/help.lua. */
int host_manual_words(lua_State *L);

/* Whether the terminal shows UTF-8, according to LC_ALL, LC_CTYPE and LANG. */
bool host_is_unicode(void);

typedef enum { HOST_NOT_SHOWN, HOST_SHOWN, HOST_FAILED } host_display;
/* [-0, +(0|1), –] Pushes a picture of the value at the index, if it is an object of the library or a table without a
   metatable, and standard output is a terminal. HOST_FAILED: pushes the error where print would do the same work once
   more. */
host_display host_push_display(lua_State *L, int index);
/* Whether standard output is a terminal other than a dumb one. */
bool host_is_shown(void);
/* Writes a text to standard output, through $PAGER or less(1) if it is longer than the terminal. */
void host_page(const char *text);

/* [-0, +0, m] Replaces ipairs with one that names the right loop for a buffer and for an iterator of the library. */
void host_open_loops(lua_State *L);

/* Gives host_complete its Lua source. */
void host_set_completion(const host_editor *editor);

/* Reads a line without line editing, from a terminal, file or pipe. */
host_input host_read_plainly(const char *prompt, const char **line, size_t *length);

#endif
