/* Signals that the kernel sends in addition to the error of a system call. A handler that returns leaves only the
   error, which the script sees. Not SIG_IGN: programs started by the script would inherit it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "call.h"

/* SIGXFSZ: the call fails with EFBIG. */
static void let_fail(int signal_number) { (void)signal_number; }

/* SIGPIPE: the call fails with EPIPE. But if standard output or standard error has no reader, the signal ends the
   process, as it does for other filters. */
static void end_or_let_fail(int signal_number) {
  int saved = errno;
  struct pollfd outputs[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
  if (poll(outputs, 2, 0) > 0 && (outputs[0].revents | outputs[1].revents) & (POLLERR | POLLHUP)) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  }
  errno = saved;
}

/* A signal that was ignored at the start stays ignored, also in programs that the script starts. */
static void handle(int signal_number, void (*handler)(int)) {
  struct sigaction former, action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  if (sigaction(signal_number, NULL, &former) == 0 && former.sa_handler == SIG_DFL)
    sigaction(signal_number, &action, NULL);
}

void host_let_calls_fail(void) {
  handle(SIGXFSZ, let_fail);
  handle(SIGPIPE, end_or_let_fail);
}
