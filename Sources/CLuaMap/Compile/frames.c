/* Memory for the frames of machine code whose functions call each other: one piece for each thread. A frame is
   written only when its function leaves for the interpreter. */
#include <pthread.h>
#include <sys/mman.h>

#include "compile.h"

enum {
  FRAMES = 1 << 20,    /* bytes. Deeper calls continue in the interpreter, which makes machine code run again */
  SLACK = 4096,        /* for results, which may be more than the registers of a frame */
  KEPT_STACK = 1 << 17 /* for functions that machine code calls, and for signals */
};

static _Thread_local lm_frames own;
static pthread_key_t at_exit;

static void release(void *start) {
  munmap(start, FRAMES);
  mm_budget_give(FRAMES);
}
static void make_key(void) { pthread_key_create(&at_exit, release); }

static void find_stack(lm_frames *frames) {
  char here;
  uintptr_t place = (uintptr_t)&here;
  frames->stack_end = place > KEPT_STACK * 3 ? place - KEPT_STACK * 2 : UINTPTR_MAX;
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void *low = NULL;
  size_t size = 0;
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  uintptr_t end = (uintptr_t)low;
  /* A host may run on a stack of its own. */
  if (place < end || place - end > size) frames->stack_end = UINTPTR_MAX;
  else frames->stack_end = end + KEPT_STACK;
}

uintptr_t lm_stack_end(void) {
  if (mm_unlikely(own.stack_end == 0)) find_stack(&own);
  return own.stack_end;
}

lm_frames *lm_own_frames(void) {
  lm_frames *frames = &own;
  if (mm_likely(frames->is_mapped)) return frames;
  lm_stack_end();
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  if (!mm_budget_take(FRAMES)) return frames;
  void *start = mmap(NULL, FRAMES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    mm_budget_give(FRAMES);
    return frames;
  }
  pthread_setspecific(at_exit, start);
  frames->is_mapped = true;
  frames->next = start;
  frames->end = frames->next + (FRAMES - SLACK) / sizeof *frames->next;
  return frames;
}

void lm_lend_frames(const mc_code *code, uint64_t *slots, uint64_t spare[LM_SPARE]) {
  lm_frames *frames = lm_own_frames();
  if (!frames->is_mapped) frames->next = frames->end = spare;
  lm_set_frames(code, slots, frames->next, frames->end);
}
