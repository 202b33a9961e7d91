/* Standard output. exit(3) writes the rest of its buffer and ignores errors such as a full disk, so it is flushed and
   checked here first. */
#include "CHost.h"

#include <errno.h>
#include <lua5.4/lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CMemoryMap.h"
#include "host_limits.h"

static void check_output(int status, void *name) {
  int failed = ferror(stdout);
  errno = 0;
  if (fflush(stdout) != 0) failed = 1;
  if (limits_time_is_up() && status != HOST_TIME_IS_UP) { /* overrides the status given to os.exit */
    limits_say_goodbye();
    fflush(NULL);
    _exit(HOST_TIME_IS_UP);
  }
  if (!failed) return;
  int reason = errno;
  fprintf(stderr, "%s: cannot write standard output%s%s\n", (const char *)name, reason ? ": " : "",
          reason ? strerror(reason) : "");
  if (status != EXIT_SUCCESS) return; /* the script's own error status is more useful */
  fflush(NULL);                       /* _exit does not write the buffers of other files */
  _exit(EXIT_FAILURE);
}

void host_write(FILE *file, const char *text) {
  if (isatty(fileno(file))) host_write_shown(file, text);
  else fputs(text, file);
}

void host_write_shown(FILE *file, const char *text) {
  for (size_t left = strlen(text), count; left > 0; text += count, left -= count) {
    count = text[0] == '\n' || text[0] == '\t' ? 1 : mm_shown(text, left);
    if (count > 0) {
      fwrite(text, 1, count, file);
    } else {
      fprintf(file, "\\x%02x", (unsigned char)text[0]);
      count = 1;
    }
  }
}

void host_watch_output(const char *name) { on_exit(check_output, (void *)name); }

bool host_has_terminal(void) { return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO); }

const char *host_lua_release(void) { return LUA_RELEASE; }
