/* launch ROUNDS COMMAND [ARGUMENT ...] [-- COMMAND [ARGUMENT ...]] ... - measures the start of programs.
 *
 * Runs the commands in turn, ROUNDS times, one at a time and with their output discarded. Prints a line for each: the
 * median and the shortest wall time in milliseconds, the median and the quartiles of the ratio to the first command of
 * the same round, and the peak memory in KiB. Not a shell script, as a shell's own fork takes as long as the programs
 * measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST = 8 };
extern char **environ;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Wall time in milliseconds; raises *peak to the process's peak memory. */
static double run(char **command, const posix_spawn_file_actions_t *silence, long *peak) {
  pid_t child;
  int status;
  struct rusage usage;
  double start = now();
  int error = posix_spawnp(&child, command[0], silence, NULL, command, environ);
  if (error) {
    fprintf(stderr, "launch: %s: %s\n", command[0], strerror(error));
    exit(1);
  }
  while (wait4(child, &status, 0, &usage) < 0)
    if (errno != EINTR) exit(1);
  double time = now() - start;
  if (status) {
    fprintf(stderr, "launch: %s failed (status %d)\n", command[0], status);
    exit(1);
  }
  if (usage.ru_maxrss > *peak) *peak = usage.ru_maxrss;
  return time;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int rounds = argc > 2 ? atoi(argv[1]) : 0, count = 0;
  char **commands[MOST];
  if (rounds < 1) {
    fprintf(stderr, "usage: launch ROUNDS COMMAND [ARGUMENT ...] [-- COMMAND ...]\n");
    return 2;
  }
  commands[count++] = argv + 2;
  for (int i = 3; i < argc; i++)
    if (strcmp(argv[i], "--") == 0 && count < MOST && i + 1 < argc) {
      argv[i] = NULL;
      commands[count++] = argv + i + 1;
    }

  posix_spawn_file_actions_t silence;
  posix_spawn_file_actions_init(&silence);
  posix_spawn_file_actions_addopen(&silence, 1, "/dev/null", O_WRONLY, 0);

  double *times[MOST], *ratios[MOST];
  long peaks[MOST] = {0};
  for (int c = 0; c < count; c++) {
    times[c] = calloc((size_t)rounds, sizeof(double));
    ratios[c] = calloc((size_t)rounds, sizeof(double));
    if (!times[c] || !ratios[c]) return 1;
    run(commands[c], &silence, &peaks[c]); /* warm up the page cache */
  }
  for (int r = 0; r < rounds; r++) {
    /* Rotate which command runs first, so that the caches that one leaves affect all others. */
    for (int k = 0; k < count; k++) {
      int c = (k + r) % count;
      times[c][r] = run(commands[c], &silence, &peaks[c]);
    }
    for (int c = 0; c < count; c++) ratios[c][r] = times[c][r] / times[0][r];
  }
  for (int c = 0; c < count; c++) {
    qsort(times[c], (size_t)rounds, sizeof(double), compare);
    qsort(ratios[c], (size_t)rounds, sizeof(double), compare);
    printf("%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%ld\n", times[c][rounds / 2], times[c][0], ratios[c][rounds / 2],
           ratios[c][rounds / 4], ratios[c][rounds * 3 / 4], peaks[c]);
  }
  return 0;
}
