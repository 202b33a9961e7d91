/* Reading lines without line editing: from a file, a pipe, or a terminal without libedit. */
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

/* Whether stdio's buffer holds input, for example the rest of a line after io.read(1). The C library has no function
   for this. */
static bool holds_input(const FILE *stream) { return stream->_IO_read_ptr < stream->_IO_read_end; }

/* Waits for a line or Ctrl-C. SIGINT is unblocked only during ppoll(2). A SIGINT between the prompt and read(2) would
   only set the flag, and read(2) would still wait for a line. */
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
  sigaction(SIGINT, &note, &previous); /* before the prompt: the user may press Ctrl-C as soon as it appears */
  show(prompt);
  wait_for_line(&open);
  pthread_sigmask(SIG_SETMASK, &open, NULL);
  ssize_t count = interrupted ? -1 : getline(buffer, capacity, stdin);
  sigaction(SIGINT, &previous, NULL);
  if (count < 0) clearerr(stdin); /* a terminal can be read again after Ctrl-D */
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
  if (!terminal) { /* echo the line, as lua5.4 with readline does */
    host_write(stdout, buffer);
    fputc('\n', stdout);
    fflush(stdout);
  }
  *line = buffer;
  *length = (size_t)count;
  return HOST_LINE;
}
