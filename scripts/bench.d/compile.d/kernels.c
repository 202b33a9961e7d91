/* kernels.c FOLDER PASSES - the loops of kernels.lua as a compiler of C makes them, on the same files.
 *
 * Prints a line for each: name, the median of the passes in seconds without the first, and an answer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* Not inlined: as a function that is called with any data. */
#define KERNEL __attribute__((noinline)) static

KERNEL int64_t a(const uint8_t *b, int64_t n) {
  int64_t s = 0;
  for (int64_t i = 0; i < n; i++) s += b[i];
  return s;
}
KERNEL void b(uint8_t *b, int64_t n) {
  for (int64_t i = 0; i < n; i++) b[i] = i & 0xff;
}
KERNEL int64_t c(const uint32_t *v, int64_t n) {
  int64_t x = 12345, s = 0;
  for (int64_t i = 1; i <= n; i++) {
    x = (x * 1103515245 + 12345) & 0xffffffff;
    s += v[x >> 6];
  }
  return s;
}
KERNEL int64_t d(const uint8_t *b, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++)
    if (b[i] == 10) count++;
  return count;
}
KERNEL int64_t e(const uint8_t *b, int64_t n, int64_t *out) {
  int64_t i = 0, rows = 0, sum = 0, least = INT64_MAX, most = INT64_MIN;
  uint64_t h = 0;
  while (i < n) {
    int64_t c = b[i];
    h = 0;
    while (c != 59) {
      h = h * 31 + (uint64_t)c;
      i++;
      c = b[i];
    }
    i++;
    c = b[i];
    int is_negative = 0;
    if (c == 45) {
      is_negative = 1;
      i++;
      c = b[i];
    }
    int64_t x = 0;
    while (c != 10) {
      if (c != 46) x = x * 10 + c - 48;
      i++;
      c = b[i];
    }
    i++;
    if (is_negative) x = -x;
    rows++;
    sum += x;
    if (x < least) least = x;
    if (x > most) most = x;
  }
  out[0] = sum;
  out[1] = least;
  out[2] = most;
  out[3] = (int64_t)h;
  return rows;
}
KERNEL void f(const double *source, double *target, int64_t w, int64_t h) {
  for (int64_t y = 1; y <= h - 2; y++) {
    int64_t o = y * w, up = o - w, down = o + w;
    for (int64_t x = 1; x <= w - 2; x++)
      target[o + x] =
          0.5 * source[o + x] + 0.125 * (source[o + x - 1] + source[o + x + 1] + source[up + x] + source[down + x]);
  }
}
KERNEL void g(double *target, int64_t w, int64_t h, int64_t most) {
  for (int64_t py = 0; py < h; py++) {
    double ci = (double)py * (2.0 / (double)h) - 1.0;
    for (int64_t px = 0; px < w; px++) {
      double cr = (double)px * (3.0 / (double)w) - 2.0, zr = 0, zi = 0;
      int64_t n = 0;
      while (n < most) {
        double r2 = zr * zr, i2 = zi * zi;
        if (r2 + i2 > 4.0) break;
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
        n++;
      }
      target[py * w + px] = (double)n;
    }
  }
}
KERNEL double s(const double *v, int64_t n) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += v[i];
  return s;
}
KERNEL double m(const double *v, int64_t n) {
  double m = v[0];
  for (int64_t i = 1; i < n; i++) {
    double x = v[i];
    if (x > m) m = x;
  }
  return m;
}
KERNEL double dot(const double *a, const double *b, int64_t n) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += a[i] * b[i];
  return s;
}
KERNEL void axpy(const double *a, double *b, double k, int64_t n) {
  for (int64_t i = 0; i < n; i++) b[i] = k * a[i] + b[i];
}
KERNEL void hist(const uint8_t *b, int64_t n, uint64_t *h) {
  for (int64_t i = 0; i < n; i++) h[b[i]]++;
}
typedef struct {
  double a, x;
  uint64_t n;
} record;
KERNEL double field(const record *r, int64_t n) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += r[i].x;
  return s;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static const char *folder;
static void *map(const char *name, int is_written, int64_t *length) {
  char path[4096];
  snprintf(path, sizeof path, "%s/compile-%s", folder, name);
  int file = open(path, is_written ? O_RDWR : O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) exit(1);
  *length = status.st_size;
  void *memory = mmap(NULL, (size_t)status.st_size, is_written ? PROT_READ | PROT_WRITE : PROT_READ,
                      MAP_SHARED | MAP_POPULATE, file, 0);
  if (memory == MAP_FAILED) exit(1);
  return memory;
}

#define RUN(name, expression, format, ...)                                                                             \
  do {                                                                                                                 \
    for (int pass = 0; pass <= passes; pass++) {                                                                       \
      double start = now();                                                                                            \
      expression;                                                                                                      \
      times[pass] = now() - start;                                                                                     \
    }                                                                                                                  \
    qsort(times + 1, (size_t)passes, sizeof *times, ascending);                                                        \
    printf("%s\t%.9f\t" format "\n", name, times[(passes + 2) / 2], __VA_ARGS__);                                      \
  } while (0)

int main(int count, char **arguments) {
  if (count != 3) return 2;
  folder = arguments[1];
  int passes = atoi(arguments[2]);
  if (passes < 1 || passes > 100) return 2;
  double times[101];
  int64_t bytes, write_bytes, words, text_bytes, double_bytes, other_bytes, out[4], whole;
  const uint8_t *B = map("bytes", 0, &bytes), *T = map("text", 0, &text_bytes);
  uint8_t *W = map("written", 1, &write_bytes);
  const uint32_t *V = map("words", 0, &words);
  const double *S = map("doubles", 0, &double_bytes);
  double *D = map("others", 1, &other_bytes), real;
  int64_t n = double_bytes / 8;
  uint64_t h[256];
  RUN("a", whole = a(B, bytes), "%ld", (long)whole);
  RUN("b", b(W, write_bytes), "%d", W[write_bytes - 1]);
  RUN("c", whole = c(V, 5000000), "%ld", (long)whole);
  RUN("d", whole = d(B, bytes), "%ld", (long)whole);
  RUN("e", whole = e(T, text_bytes, out), "%ld %ld %ld %ld %ld", (long)whole, (long)out[0], (long)out[1], (long)out[2],
      (long)out[3]);
  RUN("f", f(S, D, 2048, 2048), "%a", D[2048 * 1000 + 77]);
  RUN("g", g(D, 512, 512, 200), "%a %a", D[512 * 256 + 256], D[1000]);
  RUN("s", real = s(S, n), "%a", real);
  RUN("m", real = m(S, n), "%a", real);
  RUN("dot", real = dot(S, D, n), "%a", real);
  RUN("axpy", axpy(S, D, 0.5, n), "%a", D[n / 2]);
  RUN("hist", (memset(h, 0, sizeof h), hist(B, bytes, h)), "%ld %ld", (long)h[0], (long)h[255]);
  RUN("table", (memset(h, 0, sizeof h), hist(B, bytes, h)), "%ld %ld", (long)h[0], (long)h[255]);
  RUN("record", real = field((const record *)S, double_bytes / (int64_t)sizeof(record)), "%a", real);
  return 0;
}
