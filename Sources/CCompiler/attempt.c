/* Lack of memory in LLVM and in Swift's runtime, which end the process then: they leave the compiler by a jump instead.
   So does an interrupt. scripts/compiler links the plug-in with --wrap, so that all of it allocates with the functions
   below. */
#include <malloc.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mc_compile.h"
#include "mc_helpers.h"

/* initial-exec: the thread-local data of all of the plug-in is there when it is loaded. Else the C library would allocate
   it at its first use, and end the process where it cannot. */
static _Thread_local __attribute__((tls_model("initial-exec"))) jmp_buf *way_out;

enum { OUT_OF_MEMORY = 1, STOPPED };

static void leave_with(int why) {
  jmp_buf *target = way_out;
  if (!target) return;
  way_out = NULL;
  longjmp(*target, why);
}

static void leave(void) { leave_with(OUT_OF_MEMORY); }

/* After a jump nothing is compiled any more. So most functions, which take some milliseconds, are finished first. */
enum { PATIENCE = 50 }; /* ms */

bool (*mc_is_stopped)(void);
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
  unsigned allocations;
  int64_t stopped; /* ms; when it was first seen, or 0 */
} watch;

static int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nothing is locked before the C library allocates. */
static void poll(void) {
  if (++watch.allocations % 64 || !way_out || !mc_is_stopped || !mc_is_stopped()) return;
  int64_t now = milliseconds();
  if (!watch.stopped) watch.stopped = now;
  else if (now - watch.stopped > PATIENCE) leave_with(STOPPED);
}

static void leave_after_fatal(const char *reason) {
  (void)reason;
  leave();
}

void LLVMInstallFatalErrorHandler(void (*handler)(const char *)); /* llvm-c/ErrorHandling.h */

const char *mc_attempt(void (*body)(void *), void *context) {
  static bool is_installed;
  if (!is_installed) {
    is_installed = true;
    LLVMInstallFatalErrorHandler(leave_after_fatal);
  }
  jmp_buf here;
  int why = setjmp(here);
  if (why) return why == STOPPED ? MC_STOPPED : MC_NO_MEMORY;
  watch.stopped = 0;
  way_out = &here;
  body(context);
  way_out = NULL;
  return NULL;
}

/* The constructors of LLVM's global variables run while the plug-in is loaded, which no jump may leave. If malloc(3)
   has nothing then, they get pieces of a reserve, which are not used again. */
enum { RESERVE = 4 << 20, ALIGNMENT = 64 };
static _Alignas(ALIGNMENT) unsigned char reserve[RESERVE];
static size_t taken;

static bool is_reserve(const void *block) { return (uintptr_t)block - (uintptr_t)reserve < RESERVE; }

/* The size of a piece is in the word before it. */
static void *take(size_t size) {
  leave();
  size_t count = (size + ALIGNMENT + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (size > RESERVE || count > RESERVE - taken) return NULL;
  unsigned char *block = reserve + taken + ALIGNMENT;
  taken += count;
  memcpy(block - sizeof size, &size, sizeof size);
  return block;
}

#define REAL(name) __real_##name
/* Weak: the tests are one program, whose other parts wrap one of them too. */
#define WRAP(name) __attribute__((visibility("hidden"), weak)) __wrap_##name
void *REAL(malloc)(size_t size) __attribute__((weak));
void *REAL(calloc)(size_t count, size_t size) __attribute__((weak));
void *REAL(realloc)(void *block, size_t size) __attribute__((weak));
int REAL(posix_memalign)(void **block, size_t alignment, size_t size) __attribute__((weak));
void *REAL(aligned_alloc)(size_t alignment, size_t size) __attribute__((weak));
void REAL(free)(void *block) __attribute__((weak));
size_t REAL(malloc_usable_size)(void *block) __attribute__((weak));

void *WRAP(malloc)(size_t size);
void *WRAP(calloc)(size_t count, size_t size);
void *WRAP(realloc)(void *block, size_t size);
int WRAP(posix_memalign)(void **block, size_t alignment, size_t size);
void *WRAP(aligned_alloc)(size_t alignment, size_t size);
void WRAP(free)(void *block);
size_t WRAP(malloc_usable_size)(void *block);

void *__wrap_malloc(size_t size) {
  poll();
  void *block = REAL(malloc)(size);
  return block ? block : take(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  void *block = REAL(calloc)(count, size);
  size_t all;
  if (block || __builtin_mul_overflow(count, size, &all)) return block;
  return take(all);
}

size_t __wrap_malloc_usable_size(void *block) {
  if (!is_reserve(block)) return REAL(malloc_usable_size)(block);
  size_t size;
  memcpy(&size, (unsigned char *)block - sizeof size, sizeof size);
  return size;
}

void *__wrap_realloc(void *block, size_t size) {
  void *moved = is_reserve(block) ? NULL : REAL(realloc)(block, size > 0 ? size : 1);
  if (moved) return moved;
  moved = __wrap_malloc(size);
  if (!moved || !block) return moved;
  size_t had = __wrap_malloc_usable_size(block);
  memcpy(moved, block, had < size ? had : size);
  if (!is_reserve(block)) REAL(free)(block);
  return moved;
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
  int error = REAL(posix_memalign)(block, alignment, size);
  if (error == 0) return 0;
  if (alignment > ALIGNMENT) leave();
  else *block = take(size);
  return alignment <= ALIGNMENT && *block ? 0 : error;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  void *block = REAL(aligned_alloc)(alignment, size);
  if (!block && alignment > ALIGNMENT) leave();
  return block || alignment > ALIGNMENT ? block : take(size);
}

void __wrap_free(void *block) {
  if (!is_reserve(block)) REAL(free)(block);
}
