/* heap.c - failing allocations, for Tests/soak/heap.lua. Preloaded, it replaces malloc(3) and its family, mmap(2),
   mremap(2) and pthread_create(3). It is also a Lua module with one function; see `walk`.

   With HEAP_START=WIDTH in the environment it walks the whole program, from before `main`: see `begin`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <lua5.4/lauxlib.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* A child's report to its parent, in shared memory. */
typedef struct report {
  atomic_long asked; /* number of allocations while armed */
  atomic_long failed;
  enum { ENDED, RETURNED, NO_MEMORY, OTHER_ERROR, NOT_AGAIN } outcome;
  char message[400];
} report;

static report *told;
static atomic_bool armed;
/* The allocations that fail, counted from 0: `width` of them from `first` on. */
static long first, width;

static bool fails(void) {
  if (!atomic_load_explicit(&armed, memory_order_relaxed)) return false;
  long number = atomic_fetch_add(&told->asked, 1);
  if (number < first || number - first >= width) return false;
  atomic_fetch_add(&told->failed, 1);
  errno = ENOMEM;
  return true;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) {
  bool grows = !block || size > malloc_usable_size(block);
  return grows && fails() ? NULL : __libc_realloc(block, size);
}
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **block, size_t alignment, size_t size) {
  void *made = memalign(alignment, size);
  if (!made) return ENOMEM;
  *block = made;
  return 0;
}
void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  /* A mapping over existing memory is the fault guard's, and needs no new memory. */
  if (!(flags & MAP_FIXED) && fails()) return MAP_FAILED;
  return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  return mmap(address, length, protection, flags, descriptor, offset);
}
void *mremap(void *old, size_t length, size_t wanted, int flags, ...) {
  va_list more;
  va_start(more, flags);
  void *address = flags & MREMAP_FIXED ? va_arg(more, void *) : NULL;
  va_end(more);
  if (wanted > length && fails()) return MAP_FAILED;
  return (void *)syscall(SYS_mremap, old, length, wanted, flags, address);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument) {
  static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (fails()) return EAGAIN;
  if (!create) *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  return create(thread, how, body, argument);
}

static void arm(long from, long count) {
  first = from;
  width = count;
  atomic_store(&armed, true);
}

static void *share(void) {
  void *memory =
      (void *)syscall(SYS_mmap, NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return memory;
}

/* Uses up all memory that malloc(3) has without asking the kernel, except `spare` bytes in small blocks. */
static void exhaust(long spare) {
  struct rlimit none = {0, RLIM_INFINITY};
  enum { SMALL = 1024, MOST = 1 << 10 };
  static void *kept[MOST];
  long count = spare / SMALL < MOST ? spare / SMALL : MOST;
  for (long i = 0; i < count; i++) kept[i] = __libc_malloc(SMALL);
  setrlimit(RLIMIT_AS, &none);
  setrlimit(RLIMIT_DATA, &none);
  for (size_t size = 1 << 24; size >= 8; size /= 2)
    while (__libc_malloc(size)) continue;
  for (long i = 0; i < count; i++) free(kept[i]);
}

/* [-1, +0, –] Stores the outcome of a call. */
static void judge(lua_State *L, int status) {
  if (status == LUA_OK) {
    told->outcome = RETURNED;
    return;
  }
  const char *text = luaL_tolstring(L, -1, NULL);
  snprintf(told->message, sizeof told->message, "%s", text);
  told->outcome = strstr(text, "memory") || strstr(text, "ENOMEM") ? NO_MEMORY : OTHER_ERROR;
}

/* walk(prepare, again, width, step): forks a child for each number n from 0, until no allocation fails. In it, n
   allocations of the function that prepare() returns succeed and the next `width` fail; from n = 32 on, n grows by
   `step`. When memory is back, again() must return. With width 0 there is one child, with `step` KiB of memory left,
   and no call of again().
   Returns the number of children, of calls that returned, and of calls that raised an error about memory; and for the
   first other outcome its n and a description. */
static int walk(lua_State *L) {
  long count = luaL_checkinteger(L, 3), step = luaL_checkinteger(L, 4), number = 0;
  lua_Integer points = 0, returned = 0, raised = 0;
  const char *how[] = {"ended", "", "", "error", "error when memory was back"};
  char problem[500] = "";
  lua_settop(L, 4);
  told = share();
  fflush(NULL);
  for (; !*problem; number += number < 32 ? 1 : step) {
    memset(told, 0, sizeof *told);
    pid_t child = fork();
    if (child < 0) return luaL_error(L, "fork failed");
    if (child == 0) {
      alarm(60);
      /* A separate child: the objects of prepare() may belong to their process. */
      lua_pushvalue(L, 1);
      lua_call(L, 0, 1);
      if (count) arm(number, count);
      else exhaust(step << 10);
      int status = lua_pcall(L, 0, 0, 0);
      if (!count) _exit(0);
      atomic_store(&armed, false);
      judge(L, status);
      lua_settop(L, 2);
      if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        judge(L, LUA_ERRRUN);
        told->outcome = NOT_AGAIN;
      }
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (count && status == 0 && !told->failed) {
      /* A call that fails with all its memory cannot test a lack of memory. */
      if (told->outcome == OTHER_ERROR) snprintf(problem, sizeof problem, "without a failure: %s", told->message);
      break;
    }
    points++;
    if (WIFSIGNALED(status)) snprintf(problem, sizeof problem, "signal %d", WTERMSIG(status));
    else if (status) snprintf(problem, sizeof problem, "status %d", WEXITSTATUS(status));
    else if (!count || told->outcome == RETURNED) returned++;
    else if (told->outcome == NO_MEMORY) raised++;
    else snprintf(problem, sizeof problem, "%s: %s", how[told->outcome], told->message);
    if (!count || *problem) break;
  }
  munmap(told, sizeof *told);
  lua_pushinteger(L, points);
  lua_pushinteger(L, returned);
  lua_pushinteger(L, raised);
  if (!*problem) return 3;
  lua_pushinteger(L, count ? number : step);
  lua_pushstring(L, problem);
  return 5;
}

int luaopen_heap(lua_State *L) {
  lua_pushcfunction(L, walk);
  return 1;
}

/* HEAP_START=WIDTH: this process only forks children. In each the program runs, with other allocations failing, until
   no allocation fails. Prints to standard output the number of children and each wrong end: anything but status 0, or
   status 1 (or 123, that of --memory) with a message about memory. With HEAP_AT=NUMBER there are no children, for a
   debugger. */
__attribute__((constructor)) static void begin(void) {
  const char *asked = getenv("HEAP_START");
  if (!asked) return;
  long count = atol(asked), ended[2] = {0};
  char line[600];
  unsetenv("HEAP_START");
  unsetenv("LD_PRELOAD");
  told = share();
  if (getenv("HEAP_AT")) {
    arm(atol(getenv("HEAP_AT")), count);
    return;
  }
  FILE *output = tmpfile();
  int wrong = 0;
  long number = 0;
  for (; wrong < 10; number++) {
    memset(told, 0, sizeof *told);
    if (ftruncate(fileno(output), 0) < 0) _exit(2);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      lseek(fileno(output), 0, SEEK_SET);
      dup2(fileno(output), 1);
      dup2(fileno(output), 2);
      lseek(0, 0, SEEK_SET);
      arm(number, count);
      return;
    }
    int status;
    waitpid(child, &status, 0);
    ssize_t length = pread(fileno(output), line, sizeof line - 1, 0);
    line[length < 0 ? 0 : length] = 0;
    if (WIFEXITED(status) && !told->failed) {
      if (status) printf("without a failure: status %d: %s\n", WEXITSTATUS(status), line);
      break;
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) < 2 || WEXITSTATUS(status) == 123) &&
        (status == 0 || strstr(line, "memory"))) {
      ended[status != 0]++;
      continue;
    }
    wrong++;
    printf("allocation %ld: %s %d: %s\n", number, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), line);
  }
  printf("%ld allocations failed: %ld went on, %ld ended\n", number, ended[0], ended[1]);
  fflush(stdout);
  _exit(wrong != 0);
}
