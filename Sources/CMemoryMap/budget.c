/* Process-wide memory accounting. */
#include "mm_budget.h"

#include <stdint.h>
#include <stdlib.h>

static size_t limit = SIZE_MAX;
static size_t used;

void mm_budget_set_limit(size_t bytes) { __atomic_store_n(&limit, bytes, __ATOMIC_RELAXED); }
size_t mm_budget_limit(void) { return __atomic_load_n(&limit, __ATOMIC_RELAXED); }
size_t mm_budget_used(void) { return __atomic_load_n(&used, __ATOMIC_RELAXED); }

bool mm_budget_take(size_t bytes) {
  size_t before = __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED);
  size_t most = mm_budget_limit();
  if (before <= most && bytes <= most - before) return true;
  mm_budget_give(bytes);
  return false;
}

void mm_budget_add(size_t bytes) { __atomic_fetch_add(&used, bytes, __ATOMIC_RELAXED); }
void mm_budget_give(size_t bytes) { __atomic_fetch_sub(&used, bytes, __ATOMIC_RELAXED); }

static size_t mapped_limit = SIZE_MAX;
static size_t mapped;

void mm_mapped_set_limit(size_t bytes) { __atomic_store_n(&mapped_limit, bytes, __ATOMIC_RELAXED); }
size_t mm_mapped_limit(void) { return __atomic_load_n(&mapped_limit, __ATOMIC_RELAXED); }
size_t mm_mapped_used(void) { return __atomic_load_n(&mapped, __ATOMIC_RELAXED); }

bool mm_mapped_take(size_t bytes) {
  size_t before = __atomic_fetch_add(&mapped, bytes, __ATOMIC_RELAXED);
  size_t most = mm_mapped_limit();
  if (before <= most && bytes <= most - before) return true;
  mm_mapped_give(bytes);
  return false;
}

void mm_mapped_give(size_t bytes) { __atomic_fetch_sub(&mapped, bytes, __ATOMIC_RELAXED); }

bool mm_has_heap(size_t bytes) {
  void *memory = malloc(bytes);
  /* Otherwise the compiler would remove malloc and free of unused memory. */
  __asm__ volatile("" : : "r"(memory) : "memory");
  free(memory);
  return memory != NULL;
}

struct mm_memory {
  size_t holders;
  size_t left; /* bytes counted in the budget that are no longer mapped */
};

mm_memory *mm_memory_make(void) {
  mm_memory *memory = calloc(1, sizeof *memory);
  if (memory) memory->holders = 1;
  return memory;
}

void mm_memory_hold(mm_memory *memory) { __atomic_fetch_add(&memory->holders, 1, __ATOMIC_RELAXED); }

void mm_memory_leave(mm_memory *memory, size_t bytes) {
  mm_budget_add(bytes);
  __atomic_fetch_add(&memory->left, bytes, __ATOMIC_RELAXED);
}

void mm_memory_release(mm_memory *memory) {
  if (__atomic_fetch_sub(&memory->holders, 1, __ATOMIC_ACQ_REL) > 1) return;
  mm_budget_give(memory->left);
  free(memory);
}
