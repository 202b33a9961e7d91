#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "CEditLine.h"

static sigset_t session_signals(void) {
  sigset_t set;
  static const int numbers[] = {SIGINT, SIGTSTP, SIGCONT, SIGWINCH, SIGTERM, SIGHUP, SIGQUIT};
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(&set, numbers[i]);
  return set;
}

int terminal_signals_open(void) {
  sigset_t set = session_signals();
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void terminal_signals_block(bool block) {
  sigset_t set = session_signals();
  pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

int terminal_signals_next(int descriptor) {
  struct signalfd_siginfo info;
  return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

void terminal_signals_deliver(int number) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  raise(number);
  pthread_sigmask(SIG_UNBLOCK, &one, NULL);
  pthread_sigmask(SIG_BLOCK, &one, NULL);
}

int terminal_columns(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int terminal_rows(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static locale_t utf8(void) {
  locale_t theirs = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
  if (theirs != (locale_t)0 && strcmp(nl_langinfo_l(CODESET, theirs), "UTF-8") == 0) return theirs;
  locale_t neutral = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  return neutral != (locale_t)0 ? neutral : theirs;
}

void terminal_locale_enter(void) {
  static locale_t editing = (locale_t)0;
  if (editing == (locale_t)0) editing = utf8();
  if (editing != (locale_t)0) uselocale(editing);
}

void terminal_locale_leave(void) { uselocale(LC_GLOBAL_LOCALE); }

void terminal_write(const char *text) {
  fputs(text, stdout);
  fflush(stdout);
}

FILE *terminal_output(void) { return stdout; }

FILE *terminal_errors(void) { return stderr; }
