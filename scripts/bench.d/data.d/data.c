/* The workloads of scripts/bench.d/data as a C programmer would write them, on one thread.

     data WORKLOAD FILE [PASSES]

   maps FILE and prints the answer, then the seconds of every pass: the first pass fills the page table for the
   others. Compiled with -O3 -march=native -ffast-math. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <fcntl.h>
#include <math.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

static const uint8_t *bytes;
static size_t size;
static char answer[128];

static void sum(void) {
  uint64_t total = 0;
#ifdef __AVX2__
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i + 32 <= size; i += 32) {
    __m256i x = _mm256_loadu_si256((const __m256i *)(bytes + i));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(x, _mm256_setzero_si256()));
  }
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)lanes, sums);
  total = lanes[0] + lanes[1] + lanes[2] + lanes[3];
  for (size_t i = size & ~(size_t)31; i < size; i++) total += bytes[i];
#else
  for (size_t i = 0; i < size; i++) total += bytes[i];
#endif
  sprintf(answer, "%llu", (unsigned long long)total);
}

static void random_reads(void) {
  const uint32_t *numbers = (const uint32_t *)bytes;
  uint32_t x = 1, mask = (uint32_t)(size / 4 - 1);
  uint32_t all = 0;
  for (int i = 0; i < 5000000; i++) {
    x = (x * 1664525u + 1013904223u) & mask;
    all ^= numbers[x];
  }
  sprintf(answer, "%u", all);
}

static void newlines(void) {
  size_t total = 0, i = 0;
#ifdef __AVX2__
  const __m256i newline = _mm256_set1_epi8('\n'), zero = _mm256_setzero_si256();
  __m256i sums = zero;
  while (i + 128 * 63 <= size) {
    __m256i a = zero, b = zero;
    for (int round = 0; round < 126; round++, i += 64) {
      a = _mm256_sub_epi8(a, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + i)), newline));
      b = _mm256_sub_epi8(b, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + i + 32)), newline));
    }
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_add_epi8(a, b), zero));
  }
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)lanes, sums);
  total = lanes[0] + lanes[1] + lanes[2] + lanes[3];
#endif
  for (; i < size; i++) total += bytes[i] == '\n';
  sprintf(answer, "%zu", total);
}

static const char needle[] = "this is where it ends";

static void find_memmem(void) {
  const uint8_t *found = memmem(bytes, size, needle, sizeof needle - 1);
  sprintf(answer, "%td", found ? found - bytes : -1);
}

/* Compares the first and the last byte of the needle, 32 positions at a time. */
static void find(void) {
#ifdef __AVX2__
  size_t n = sizeof needle - 1, i = 0;
  const __m256i first = _mm256_set1_epi8(needle[0]), last = _mm256_set1_epi8(needle[n - 1]);
  for (; i + 32 + n <= size; i += 32) {
    __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + i)), first);
    __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + i + n - 1)), last);
    uint32_t mask = (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(a, b));
    for (; mask; mask &= mask - 1) {
      size_t place = i + (size_t)__builtin_ctz(mask);
      if (memcmp(bytes + place, needle, n) == 0) {
        sprintf(answer, "%zu", place);
        return;
      }
    }
  }
  const uint8_t *found = memmem(bytes + i, size - i, needle, n);
  sprintf(answer, "%td", found ? found - bytes : -1);
#else
  find_memmem();
#endif
}

static void stats(void) {
  const double *numbers = (const double *)bytes;
  double total = 0, low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < size / 8; i++) {
    total += numbers[i];
    low = numbers[i] < low ? numbers[i] : low;
    high = numbers[i] > high ? numbers[i] : high;
  }
  sprintf(answer, "%.0f %.6f %.6f", total, low, high);
}

static void regex(void) {
  int code;
  PCRE2_SIZE at;
  pcre2_code *re = pcre2_compile((PCRE2_SPTR) "[A-Z][a-z]+ [0-9]{4}", PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
  pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
  pcre2_match_data *match = pcre2_match_data_create_from_pattern(re, NULL);
  size_t total = 0, from = 0;
  while (pcre2_jit_match(re, bytes, size, from, 0, match, NULL) > 0) {
    total++;
    from = pcre2_get_ovector_pointer(match)[1];
  }
  pcre2_match_data_free(match);
  pcre2_code_free(re);
  sprintf(answer, "%zu", total);
}

static void lines(void) {
  size_t count = 0, length = 0, hits = 0;
  for (const uint8_t *p = bytes, *end = bytes + size; p < end;) {
    const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
    if (!newline) newline = end;
    count++;
    length += (size_t)(newline - p);
    hits += memmem(p, (size_t)(newline - p), "word", 4) != NULL;
    p = newline + 1;
  }
  sprintf(answer, "%zu %zu %zu", count, length, hits);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } workloads[] = {{"sum", sum},     {"random", random_reads}, {"newlines", newlines},
                   {"find", find},   {"memmem", find_memmem},  {"stats", stats},
                   {"regex", regex}, {"lines", lines}};
  if (argc != 3 && argc != 4) return 2;
  int file = open(argv[2], O_RDONLY);
  struct stat about;
  if (file < 0 || fstat(file, &about)) return perror(argv[2]), 1;
  size = (size_t)about.st_size;
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  if (map == MAP_FAILED) return perror("mmap"), 1;
  bytes = map;
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (strcmp(argv[1], workloads[i].name)) continue;
    double seconds[64];
    int passes = argc < 4 ? 1 : atoi(argv[3]) < 64 ? atoi(argv[3]) : 64;
    for (int pass = 0; pass < passes; pass++) {
      struct timespec before, after;
      clock_gettime(CLOCK_MONOTONIC, &before);
      workloads[i].run();
      clock_gettime(CLOCK_MONOTONIC, &after);
      seconds[pass] = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    }
    printf("%s\n", answer);
    for (int pass = 0; pass < passes; pass++) printf("%.6f\n", seconds[pass]);
    return 0;
  }
  return 2;
}
