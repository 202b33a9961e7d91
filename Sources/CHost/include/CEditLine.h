/* libedit, loaded with dlopen(3): only an interactive session needs it, and it may be missing. Swift cannot call
   variadic functions, so C does. The numbers are those of histedit.h, part of libedit's binary interface. */
#ifndef CEDITLINE_H
#define CEDITLINE_H

#include <stdint.h>
#include <stdio.h>

#pragma clang assume_nonnull begin

typedef struct editline editline;
typedef struct history edit_history;

typedef struct {
  const char *buffer;
  const char *cursor;
  const char *end;
} editline_text;

typedef struct {
  int number;
  const char *_Nullable text;
} edit_event;

typedef enum {
  EDITLINE_EDITOR = 2,
  EDITLINE_SIGNALS = 3,
  EDITLINE_BIND = 4,
  EDITLINE_ADD_FUNCTION = 9,
  EDITLINE_HISTORY = 10,
  EDITLINE_READER = 13,
  EDITLINE_TERMINAL_MODE = 16,
  EDITLINE_REFRESH = 20,
  EDITLINE_ESCAPED_PROMPT = 21,
} editline_operation;

/* Return values of a function bound to a key. */
enum { EDITLINE_NOTHING = 0, EDITLINE_REFRESH_LINE = 4, EDITLINE_FAILED = 6, EDITLINE_REDISPLAY = 8 };

enum { EDIT_HISTORY_SIZE = 1, EDIT_HISTORY_ENTER = 10, EDIT_HISTORY_UNIQUE = 20 };

typedef char *_Nullable (*editline_prompt)(editline *);
typedef unsigned char (*editline_command)(editline *, int);
typedef int (*editline_reader)(editline *, int32_t *);

/* Addresses from dlsym(3). */
typedef struct {
  editline *_Nullable (*_Nonnull initialize)(const char *, FILE *, FILE *, FILE *);
  const char *_Nullable (*_Nonnull get)(editline *, int *);
  const editline_text *_Nonnull (*_Nonnull text)(editline *);
  int (*_Nonnull insert)(editline *, const char *);
  void (*_Nonnull resize)(editline *);
  int (*_Nonnull source)(editline *, const char *_Nullable);
  edit_history *_Nullable (*_Nonnull initialize_history)(void);
  int (*_Nonnull set)(editline *, int, ...);
  int (*_Nonnull history)(edit_history *, edit_event *, int, ...);
} editline_library;

/* The functions of a library opened with dlopen(3); NULL when one is missing. */
const editline_library *_Nullable editline_find(void *handle);

editline *_Nullable editline_start(const editline_library *library, const char *program);
void editline_set_number(const editline_library *library, editline *e, editline_operation operation, int value);
void editline_set_text(const editline_library *library, editline *e, editline_operation operation, const char *value);
void editline_set_prompt(const editline_library *library, editline *e, editline_prompt prompt, char invisible);
void editline_set_reader(const editline_library *library, editline *e, editline_reader reader);
void editline_set_history(const editline_library *library, editline *e, edit_history *history);
void editline_refresh(const editline_library *library, editline *e);
void editline_add(const editline_library *library, editline *e, const char *name, const char *help,
                  editline_command command);
void editline_bind(const editline_library *library, editline *e, const char *key, const char *command);
void edit_history_set(const editline_library *library, edit_history *history, int operation, int value);
void edit_history_enter(const editline_library *library, edit_history *history, const char *entry);

/* A signalfd(2) for the signals of a terminal session, or -1. The signals are blocked during line editing, so no
   handler interrupts the editor. */
int terminal_signals_open(void);
void terminal_signals_block(_Bool block);
/* The number of the next pending signal, or 0. */
int terminal_signals_next(int descriptor);
/* Delivers the signal to this process. It is unblocked for the duration of the call. */
void terminal_signals_deliver(int number);
int terminal_columns(void);
int terminal_rows(void);

/* UTF-8 characters for line editing, in this thread only: scripts run in the C locale, as in lua(1). */
void terminal_locale_enter(void);
void terminal_locale_leave(void);

/* Standard output and standard error: Swift rejects C's stdout and stderr as shared mutable variables. */
FILE *terminal_output(void);
FILE *terminal_errors(void);

/* Writes a text to standard output and flushes it. */
void terminal_write(const char *text);

#pragma clang assume_nonnull end
#endif
