/* The interpreter around a script. Code that may raise or allocate in Lua is C and runs under one lua_pcall. The user
   interface (options, texts, line editing) is Swift and reaches C through the plain structs below. */
#ifndef CHOST_H
#define CHOST_H

#include <lua5.4/lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CEditLine.h"

#pragma clang assume_nonnull begin

/* An option that takes effect before the script. Steps keep the order of the command line. */
typedef enum { HOST_RUN_TEXT, HOST_REQUIRE, HOST_WARNINGS_ON } host_step_kind;

typedef struct {
  host_step_kind kind;
  const char *_Nullable text;
} host_step;

/* The action after the steps and the script. */
typedef enum { HOST_THEN_LEAVE, HOST_THEN_PROMPT, HOST_THEN_STDIN_OR_PROMPT } host_ending;

typedef enum { HOST_LINE, HOST_END, HOST_INTERRUPTED } host_input;

/* Line editing for the prompt. `open` returns false when it is not available (no terminal, no library): the session
   then reads plain input. The editor owns `line`, which is valid until the next call. */
typedef struct {
  bool (*open)(lua_State *L);
  host_input (*read)(const char *prompt, const char *_Nullable *_Nonnull line, size_t *length);
  void (*remember)(const char *entry);
  const char *completion; /* Lua source, see host_complete */
  size_t completion_length;
} host_editor;

/* Limits of a script, and access to files (lm_sandbox.h), environment variables and programs. */
typedef struct {
  size_t memory;           /* bytes, 0 for no limit */
  size_t mapped;           /* the same of mapped files */
  uint64_t time;           /* microseconds, 0 for no limit */
  const char *memory_text; /* both limits as typed on the command line */
  const char *time_text;
  bool is_sandbox;
  bool allows_environment;
  bool allows_programs;
  bool allows_compiler;
} host_bounds;

/* Exit statuses other than EXIT_SUCCESS and EXIT_FAILURE. */
enum { HOST_MEMORY_IS_FULL = 123, HOST_TIME_IS_UP = 124 };

typedef struct {
  int argc;
  char *_Nullable *_Nonnull argv;
  int script; /* index in argv; argc without a script */
  int child;  /* in a child of mmap.spawn, the descriptor to read its task from; else -1 */
  const host_step *_Nullable steps;
  size_t step_count;
  host_ending ending;
  bool show_version;
  bool ignore_environment;
  bool counts_faults;    /* reports the number of page faults at exit */
  bool traces;           /* reports the library's system calls */
  bool compiles;         /* mmap.compile makes machine code */
  bool reports_compiler; /* says at exit what was compiled */
  const char *name;      /* program name, the prefix of messages */
  host_editor editor;
  const char *lesson; /* Lua source of the module mmap.lesson */
  size_t lesson_length;
  host_bounds bounds;
} host_plan;

/* Runs the plan in a new Lua state and returns the exit status. Reports errors on standard error. */
int host_main(const host_plan *plan);

/* Writes a text of any number of lines. For a terminal, unsafe bytes are escaped (mm_shown.h). */
void host_write(FILE *file, const char *text);
/* The same if the file is not a terminal itself but leads to one. */
void host_write_shown(FILE *file, const char *text);

/* From now on, exit(3) reports a failure to write standard output, also when the script calls os.exit. */
void host_watch_output(const char *name);

/* Whether a session should have line editing: standard input and standard output are terminals. */
bool host_has_terminal(void);

/* For example "Lua 5.4.4". Swift does not import macros that concatenate strings. */
const char *host_lua_release(void);

/* The completion of a line: text to insert at the cursor, or a list of candidates to show. Both are valid until the
   next completion. */
typedef struct {
  const char *_Nullable insertion;
  const char *_Nullable listing;
} host_completion;

/* Completes `text`, the line up to the cursor. */
host_completion host_complete(lua_State *L, const char *text, size_t length, int columns);

#pragma clang assume_nonnull end
#endif
