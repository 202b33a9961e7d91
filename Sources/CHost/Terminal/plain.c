/* Lines without an editor: from a file or a pipe, or from a terminal that cannot edit. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "call.h"

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static void show(const char *prompt) {
  fputs(prompt, stdout);
  fflush(stdout);
}

/* Whether a script has left the rest of a line, as io.read(1) does. stdio has no function that says so. */
static bool holds_input(const FILE *stream) { return stream->_IO_read_ptr < stream->_IO_read_end; }

/* Until a line or Ctrl-C comes. That is let through nowhere but here: between the prompt and a read(2) it would
   only set the flag, and the read would wait for the next line. */
static void wait_for_line(const sigset_t *open) {
  struct pollfd terminal = {.fd = STDIN_FILENO, .events = POLLIN};
  while (!interrupted && !holds_input(stdin) && ppoll(&terminal, 1, NULL, open) < 0 && errno == EINTR) {}
}

static ssize_t read_interruptibly(const char *prompt, char **buffer, size_t *capacity) {
  struct sigaction note = {.sa_handler = note_interrupt}, previous;
  sigset_t closed, open;
  sigemptyset(&note.sa_mask);
  sigemptyset(&closed);
  sigaddset(&closed, SIGINT);
  interrupted = 0;
  pthread_sigmask(SIG_BLOCK, &closed, &open);
  sigaction(SIGINT, &note, &previous); /* before the prompt: who sees it may press Ctrl-C at once */
  show(prompt);
  wait_for_line(&open);
  pthread_sigmask(SIG_SETMASK, &open, NULL);
  ssize_t count = interrupted ? -1 : getline(buffer, capacity, stdin);
  sigaction(SIGINT, &previous, NULL);
  if (count < 0) clearerr(stdin); /* after an interrupt or a Ctrl-D the terminal is still there */
  return count;
}

static ssize_t read_from_file(const char *prompt, char **buffer, size_t *capacity) {
  show(prompt);
  return getline(buffer, capacity, stdin);
}

host_input host_read_plainly(const char *prompt, const char **line, size_t *length) {
  static char *buffer = NULL;
  static size_t capacity = 0;
  bool terminal = isatty(STDIN_FILENO);
  ssize_t count = (terminal ? read_interruptibly : read_from_file)(prompt, &buffer, &capacity);
  if (count < 0) {
    if (!terminal || !interrupted) return HOST_END;
    fputc('\n', stdout);
    return HOST_INTERRUPTED;
  }
  if (count > 0 && buffer[count - 1] == '\n') buffer[--count] = '\0';
  if (!terminal) { /* the transcript reads as if typed: lua5.4 with readline echoes too */
    host_write(stdout, buffer);
    fputc('\n', stdout);
    fflush(stdout);
  }
  *line = buffer;
  *length = (size_t)count;
  return HOST_LINE;
}
