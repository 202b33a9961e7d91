/* The report of page faults at the end of a run, also when the script calls os.exit. */
#include <stdio.h>
#include <stdlib.h>

#include "CMemoryMap.h"
#include "call.h"

static mm_usage before;

static const char *plural(long long count) { return count == 1 ? "" : "s"; }

static void say_faults(void) {
  mm_usage now;
  mm_read_usage(&now);
  long long minor = now.minor_faults - before.minor_faults, major = now.major_faults - before.major_faults;
  char text[256];
  snprintf(text, sizeof text,
           "%.3f s, %lld minor fault%s, %lld major fault%s, %.1f MiB read, %.1f MiB resident at most",
           now.seconds - before.seconds, minor, plural(minor), major, plural(major),
           (double)(now.blocks_read - before.blocks_read) / 2048, (double)now.peak / (1 << 20));
  fflush(stdout);
  host_message(text, "");
}

void host_count_faults(void) {
  mm_read_usage(&before);
  atexit(say_faults);
}
