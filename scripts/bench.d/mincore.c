/* mincore FILE - times a loop over mincore(2) on a mapping of the whole file.
 *
 * Asks for 64 MiB at a time and counts the pages that are in memory. Prints the nanoseconds and the count.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STEP = 64 << 20, PAGES = STEP >> 12 };
static unsigned char vector[PAGES];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  struct stat status;
  int file = argc == 2 ? open(argv[1], O_RDWR) : -1;
  if (file < 0 || fstat(file, &status) != 0) {
    perror(argc == 2 ? argv[1] : "usage: mincore FILE");
    return 1;
  }
  size_t size = (size_t)status.st_size, page = (size_t)sysconf(_SC_PAGESIZE);
  char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (map == MAP_FAILED || page < 4096) {
    perror("mmap");
    return 1;
  }
  size_t resident = 0;
  double start = now();
  for (size_t at = 0; at < size; at += STEP) {
    size_t length = size - at < STEP ? size - at : STEP, pages = (length + page - 1) / page;
    if (mincore(map + at, length, vector) != 0) {
      perror("mincore");
      return 1;
    }
    for (size_t i = 0; i < pages; i++) resident += vector[i] & 1;
  }
  printf("%.0f %zu\n", now() - start, resident);
  return 0;
}
