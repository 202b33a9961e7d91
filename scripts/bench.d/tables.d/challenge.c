/* challenge FILE THREADS - the one-billion-row challenge by hand, simple and mapped: rows "station;12.3" to sorted rows
 * of station, least, mean, and greatest, tabs between. One pass, a hash while the ';' is looked for, integer tenths.
 * It trusts its input. The last line is the time by its own clock.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

typedef struct {
  const char *name;
  uint32_t hash;
  int length;
  int32_t least, greatest;
  int64_t sum;
  uint32_t count;
} entry;
enum { SLOTS = 1 << 12, MOST = 64 };
typedef struct {
  const char *from, *to;
  entry *table;
  pthread_t thread;
} job;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static entry *find(entry *table, const char *name, int length, uint32_t hash) {
  for (uint32_t i = (hash ^ hash >> 15) & (SLOTS - 1);; i = (i + 1) & (SLOTS - 1)) {
    entry *e = table + i;
    if (!e->name) {
      *e = (entry){name, hash, length, INT32_MAX, INT32_MIN, 0, 0};
      return e;
    }
    if (e->hash == hash && e->length == length && !memcmp(e->name, name, (size_t)length)) return e;
  }
}

static void *work(void *argument) {
  job *j = argument;
  const char *p = j->from, *end = j->to;
  while (p < end) {
    const char *name = p;
    uint32_t hash = 2166136261u;
    char c;
    while ((c = *p) != ';') hash = (hash ^ (uint8_t)c) * 16777619u, p++;
    int length = (int)(p++ - name), is_negative = *p == '-';
    p += is_negative;
    int x = *p++ - '0';
    if (*p != '.') x = x * 10 + *p++ - '0';
    x = x * 10 + p[1] - '0';
    p += 3;
    if (is_negative) x = -x;
    entry *e = find(j->table, name, length, hash);
    if (x < e->least) e->least = x;
    if (x > e->greatest) e->greatest = x;
    e->sum += x;
    e->count++;
  }
  return NULL;
}

static int compare(const void *a, const void *b) {
  const entry *x = a, *y = b;
  int order = memcmp(x->name, y->name, (size_t)(x->length < y->length ? x->length : y->length));
  return order ? order : x->length - y->length;
}

int main(int argc, char **argv) {
  double start = now();
  int threads = argc == 3 ? atoi(argv[2]) : 0, count = 0;
  struct stat status;
  if (threads < 1 || threads > MOST) {
    fprintf(stderr, "usage: challenge FILE THREADS\n");
    return 2;
  }
  int file = open(argv[1], O_RDONLY);
  if (file < 0 || fstat(file, &status)) die(argv[1]);
  size_t size = (size_t)status.st_size;
  const char *p = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0), *from = p, *end = p + size;
  if (p == MAP_FAILED) die("mmap");
  job jobs[MOST];
  for (int i = 0; i < threads; i++) {
    const char *to = p + size * (size_t)(i + 1) / (size_t)threads;
    if (to < from) to = from;
    if (to < end) to = (const char *)memchr(to, '\n', (size_t)(end - to)) + 1;
    jobs[i] = (job){from, to, calloc(SLOTS, sizeof(entry)), 0};
    from = to;
    if (i && pthread_create(&jobs[i].thread, NULL, work, jobs + i)) die("pthread_create");
  }
  work(jobs);
  entry *all = jobs[0].table;
  for (int i = 1; i < threads; i++) {
    pthread_join(jobs[i].thread, NULL);
    for (entry *e = jobs[i].table; e < jobs[i].table + SLOTS; e++) {
      if (!e->name) continue;
      entry *into = find(all, e->name, e->length, e->hash);
      if (e->least < into->least) into->least = e->least;
      if (e->greatest > into->greatest) into->greatest = e->greatest;
      into->sum += e->sum;
      into->count += e->count;
    }
  }
  for (int i = 0; i < SLOTS; i++)
    if (all[i].name) all[count++] = all[i];
  qsort(all, (size_t)count, sizeof *all, compare);
  double seconds = now() - start;
  for (entry *e = all; e < all + count; e++)
    printf("%.*s\t%.17g\t%.17g\t%.17g\n", e->length, e->name, e->least / 10.0, (double)e->sum / e->count / 10.0,
           e->greatest / 10.0);
  printf("#t %.6f\n", seconds);
}
