/* The interpreter around a script: what may raise or allocate in Lua is C and runs under one lua_pcall;
   what the person at the terminal or the shell sees (options, texts, line editing) is Swift and comes in
   through the plain structs below. */
#ifndef CHOST_H
#define CHOST_H

#include <lua5.4/lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CEditLine.h"

#pragma clang assume_nonnull begin

/* What the options ask for before the script, kept in the order of the command line. */
typedef enum { HOST_RUN_TEXT, HOST_REQUIRE, HOST_WARNINGS_ON } host_step_kind;

typedef struct {
  host_step_kind kind;
  const char *_Nullable text;
} host_step;

/* What happens after the steps and the script. */
typedef enum { HOST_THEN_LEAVE, HOST_THEN_PROMPT, HOST_THEN_STDIN_OR_PROMPT } host_ending;

typedef enum { HOST_LINE, HOST_END, HOST_INTERRUPTED } host_input;

/* How the prompt reads lines when a person is there. `open` answers false where it cannot edit (no
   terminal, no library): then plain input is used. The line belongs to the editor until the next call. */
typedef struct {
  bool (*open)(lua_State *L);
  host_input (*read)(const char *prompt, const char *_Nullable *_Nonnull line, size_t *length);
  void (*remember)(const char *entry);
  const char *completion; /* Lua source, see host_complete */
  size_t completion_length;
} host_editor;

/* What a script may have at most, and whether it may reach files (lm_sandbox.h says which), variables of the
   environment and programs. */
typedef struct {
  size_t memory;           /* bytes, 0 for no limit */
  uint64_t time;           /* microseconds, 0 for no limit */
  const char *memory_text; /* as the person wrote them */
  const char *time_text;
  bool is_sandbox;
  bool allows_environment;
  bool allows_programs;
} host_bounds;

/* Exit statuses beside EXIT_SUCCESS and EXIT_FAILURE. */
enum { HOST_MEMORY_IS_FULL = 123, HOST_TIME_IS_UP = 124 };

typedef struct {
  int argc;
  char *_Nullable *_Nonnull argv;
  int script; /* index in argv; argc where there is none */
  int child;  /* of mmap.spawn: the descriptor that says what to run; -1 where this is none */
  const host_step *_Nullable steps;
  size_t step_count;
  host_ending ending;
  bool show_version;
  bool ignore_environment;
  bool counts_faults; /* and says at the end how many there were */
  bool traces;        /* reports the library's system calls */
  const char *name;   /* of the program, in front of its messages */
  host_editor editor;
  const char *lesson; /* Lua source of the module mmap.lesson */
  size_t lesson_length;
  host_bounds bounds;
} host_plan;

/* Runs the plan in a state of its own and returns the exit status. Reports what goes wrong itself. */
int host_main(const host_plan *plan);

/* Writes a text, lines of it too. A terminal is shown what is safe of it, see mm_shown.h. */
void host_write(FILE *file, const char *text);

/* From now on exit() notices that standard output could not be written, whoever calls it. */
void host_watch_output(const char *name);

/* Whether a session on this terminal should have line editing: both ends are the terminal. */
bool host_has_terminal(void);

/* "Lua 5.4.4": a string glued together by macros, which Swift does not import. */
const char *host_lua_release(void);

/* What completing `text` (a line up to the cursor) says: what to insert there, and a listing to show. Both
   stay valid until the next completion. */
typedef struct {
  const char *_Nullable insertion;
  const char *_Nullable listing;
} host_completion;

host_completion host_complete(lua_State *L, const char *text, size_t length, int columns);

#pragma clang assume_nonnull end
#endif
