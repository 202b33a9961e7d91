/* Output of texts that are longer than the screen. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "lm_sandbox.h"

/* The exit status of a shell that found no such program. */
enum { NOT_FOUND = 127 };

static int count_lines(const char *text) {
  int lines = 0;
  for (; (text = strchr(text, '\n')) != NULL; text++) lines++;
  return lines;
}

/* False if there is no pager. Its own exit status does not matter: the user may leave it early. */
static bool run_pager(const char *text) {
  static const char setting[] = "LESS=${LESS-FRX}; export LESS; ";
  const char *pager = getenv("PAGER");
  char command[4096];
  if (pager == NULL) pager = "less";
  if (*pager == '\0' || (size_t)snprintf(command, sizeof command, "%s%s", setting, pager) >= sizeof command)
    return false;
  FILE *pipe = popen(command, "we");
  if (pipe == NULL) return false;
  /* Ctrl-C belongs to the pager, and a user who leaves it early closes the pipe. */
  struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, broken;
  sigaction(SIGINT, &ignore, &interrupt);
  sigaction(SIGPIPE, &ignore, &broken);
  host_write_shown(pipe, text);
  int status = pclose(pipe);
  sigaction(SIGPIPE, &broken, NULL);
  sigaction(SIGINT, &interrupt, NULL);
  return status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != NOT_FOUND;
}

void host_page(const char *text) {
  bool is_long = host_is_shown() && isatty(STDIN_FILENO) && count_lines(text) >= terminal_rows();
  fflush(stdout);
  /* In a sandbox no program is run. */
  if (is_long && !lm_is_sandboxed() && run_pager(text)) return;
  host_write(stdout, text);
  fflush(stdout);
}
