/* The fault guard: the table of mappings and the signal handler for faults in them. */
#include "CMemoryMap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The table grows by chunks of 64, 64, 128, 256 … slots. A chunk never moves and is never freed, so the handler reads
   the table without a lock. 40 chunks have more slots than an address space has pages. */
enum { FIRST_CHUNK = 64, CHUNKS = 40 };
static mm_slot *chunks[CHUNKS];
static size_t slots_made; /* slots ever used, in all chunks */
static size_t slots_used;
static mm_slot *free_slots;
static mm_slot *waiting_slots, **waiting_end = &waiting_slots; /* see mm_slot_keep_range */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
MM_FREE_AFTER_FORK(table_lock)

mm_slot *mm_closed_slot(void) {
  static mm_slot closed = {.stamp = 2, .generation = 1};
  return &closed;
}

static struct sigaction previous_bus, previous_segv;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static size_t chunk_size(int chunk) { return chunk == 0 ? FIRST_CHUNK : (size_t)FIRST_CHUNK << (chunk - 1); }

/* Replaces a range of a mapping by zeroed memory. At the limit of mappings (vm.max_map_count), it unmaps the range
   first. If another thread maps memory into the hole, that stays and the function fails. */
static bool replace_range(uintptr_t start, size_t extent, bool may_unmap) {
  const int protection = PROT_READ | PROT_WRITE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (mmap((void *)start, extent, protection, flags | MAP_FIXED, -1, 0) != MAP_FAILED) return true;
  return may_unmap && munmap((void *)start, extent) == 0 &&
         mmap((void *)start, extent, protection, flags | MAP_FIXED_NOREPLACE, -1, 0) == (void *)start;
}

/* The start of the slot's range, mapped or waiting to be unmapped; 0 for none. */
static uintptr_t range_start(const mm_slot *slot) {
  uintptr_t start = __atomic_load_n(&slot->start, __ATOMIC_SEQ_CST);
  return start ? start : __atomic_load_n(&slot->waiting_start, __ATOMIC_SEQ_CST);
}

/* Records the fault, then sets the lost bit: readers of the bit read the record. Of several threads, one writes the
   record and the others wait for the bit, but not forever: in a child of fork(2) the writing thread may not exist. */
static void mark_lost(mm_slot *slot, uintptr_t address, int signal, int code) {
  __atomic_add_fetch(&slot->losses, 1, __ATOMIC_SEQ_CST);
  int32_t none = 0;
  if (__atomic_compare_exchange_n(&slot->fault_signal, &none, signal, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    slot->fault_address = address;
    slot->fault_code = code;
  } else {
    for (int i = 0; i < 1000 && !(__atomic_load_n(&slot->stamp, __ATOMIC_SEQ_CST) & 1); i++) sched_yield();
  }
  __atomic_fetch_or(&slot->stamp, 1, __ATOMIC_SEQ_CST);
}

/* The kernel merges adjacent mappings, and at its limit (vm.max_map_count) refuses to split them again. Then this
   replaces all mappings that may be merged with the region, and marks all of them as lost. */
static bool replace_neighbors(const mm_slot *slot, uintptr_t start, size_t extent, int signal, int code) {
  uintptr_t from = start, to = start + extent;
  mm_slot *other;
  const size_t made = __atomic_load_n(&slots_made, __ATOMIC_ACQUIRE);
  /* Search the table upward and downward in turn: one pass finds all mappings that were made in the order of their
     addresses, whether ascending or descending. */
  for (bool grows = true, goes_up = true; grows; goes_up = !goes_up) {
    grows = false;
    for (size_t i = 0; i < made; i++) {
      other = mm_slot_at(goes_up ? i : made - 1 - i);
      uintptr_t first = range_start(other), end = first + other->extent;
      if (first == 0 || (end != from && first != to)) continue;
      __atomic_add_fetch(&other->users, 1, __ATOMIC_SEQ_CST);
      if (range_start(other) != first || first + other->extent != end) {
        __atomic_sub_fetch(&other->users, 1, __ATOMIC_SEQ_CST);
        continue;
      }
      __atomic_add_fetch(&other->neighbors, 1, __ATOMIC_SEQ_CST);
      if (end == from) from = first;
      else to = end;
      grows = true;
    }
  }
  bool replaced = replace_range(from, to - from, true);
  for (size_t i = 0; (other = mm_slot_at(i)); i++) {
    /* Compare `place`, because `start` may be 0 by now. No other slot can have a place in a range with users. */
    if (other == slot || other->place < from || other->place >= to ||
        __atomic_load_n(&other->neighbors, __ATOMIC_SEQ_CST) == 0)
      continue;
    if (replaced) mark_lost(other, other->place, signal, code);
    __atomic_sub_fetch(&other->neighbors, 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&other->users, 1, __ATOMIC_SEQ_CST);
  }
  return replaced;
}

/* Handles a fault at an address in the slot's region. Reads `start` again after the increment of `users`: either this
   sees that the region is gone, or mm_slot_withdraw sees the user and waits. */
static bool answer(mm_slot *slot, uintptr_t address, int signal, int code) {
  uintptr_t start = __atomic_load_n(&slot->start, __ATOMIC_ACQUIRE);
  if (start == 0 || address < start || address - start >= slot->extent) return false;
  __atomic_add_fetch(&slot->users, 1, __ATOMIC_SEQ_CST);
  size_t extent = slot->extent;
  uintptr_t page = address & ~(uintptr_t)(slot->page - 1);
  /* Replacing the whole region needs no split of a mapping, unless the kernel merged it with another. */
  bool mine = __atomic_load_n(&slot->start, __ATOMIC_SEQ_CST) == start && address - start < extent &&
              (replace_range(page, start + extent - page, false) || replace_range(start, extent, false) ||
               replace_neighbors(slot, start, extent, signal, code));
  if (mine) mark_lost(slot, address, signal, code);
  __atomic_sub_fetch(&slot->users, 1, __ATOMIC_SEQ_CST);
  return mine;
}

static bool answer_any(uintptr_t address, int signal, int code) {
  size_t made = __atomic_load_n(&slots_made, __ATOMIC_ACQUIRE);
  for (int chunk = 0; chunk < CHUNKS && made > 0; chunk++) {
    mm_slot *slots = __atomic_load_n(&chunks[chunk], __ATOMIC_ACQUIRE);
    size_t count = chunk_size(chunk) < made ? chunk_size(chunk) : made;
    for (size_t i = 0; i < count; i++)
      if (answer(&slots[i], address, signal, code)) return true;
    made -= count;
  }
  return false;
}

/* Passes a fault outside our mappings to the previous handler or default action. */
static void pass_on(int signal, siginfo_t *info, void *context) {
  const struct sigaction *previous = signal == SIGBUS ? &previous_bus : &previous_segv;
  if (previous->sa_flags & SA_SIGINFO) {
    previous->sa_sigaction(signal, info, context);
  } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
    /* Sent by a process; ignored as before. */
  } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(signal, &fallback, NULL);
    /* After the return, the access repeats a real fault. A signal sent by a process must be raised again. */
    if (info->si_code <= 0) raise(signal);
  } else {
    previous->sa_handler(signal);
  }
}

static void handle(int signal, siginfo_t *info, void *context) {
  int saved = errno;
  /* A positive si_code means that the kernel sent the signal; otherwise si_addr is not valid. */
  if (info->si_code <= 0 || info->si_code == SI_KERNEL || !answer_any((uintptr_t)info->si_addr, signal, info->si_code))
    pass_on(signal, info, context);
  errno = saved;
}

static void install(void) {
  static const int faults[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  /* Block other signals in the handler: the jump of mm_escape would leave the slot's count of users too high forever.
     */
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&action.sa_mask, faults[i]);
  sigaction(SIGBUS, &action, &previous_bus);
  sigaction(SIGSEGV, &action, &previous_segv);
}

static mm_slot *make_slot(void) {
  size_t before = 0;
  for (int chunk = 0; chunk < CHUNKS; before += chunk_size(chunk), chunk++) {
    size_t size = chunk_size(chunk);
    if (slots_made >= before + size) continue;
    if (!chunks[chunk]) {
      void *memory = mmap(NULL, size * sizeof(mm_slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return NULL;
      __atomic_store_n(&chunks[chunk], (mm_slot *)memory, __ATOMIC_RELEASE);
    }
    mm_slot *slot = &chunks[chunk][slots_made - before];
    slot->generation = 1;
    __atomic_store_n(&slots_made, slots_made + 1, __ATOMIC_RELEASE);
    return slot;
  }
  errno = ENOMEM;
  return NULL;
}

mm_slot *mm_slot_reserve(void) {
  pthread_once(&installed, install);
  pthread_mutex_lock(&table_lock);
  mm_slot *slot = free_slots;
  if (slot) free_slots = slot->next_free;
  else slot = make_slot();
  if (slot) slots_used++;
  pthread_mutex_unlock(&table_lock);
  return slot;
}

void mm_slot_publish(mm_slot *slot, void *start, size_t extent) {
  slot->fault_signal = 0;
  slot->extent = extent;
  slot->place = (uintptr_t)start;
  /* A new stamp, because some handles have an old address with the current stamp: those refreshed after the slot was
     withdrawn, and those of an empty region, which need not be withdrawn. */
  __atomic_store_n(&slot->stamp, slot->stamp + 2, __ATOMIC_SEQ_CST);
  __atomic_store_n(&slot->start, (uintptr_t)start, __ATOMIC_SEQ_CST);
}

void mm_slot_withdraw(mm_slot *slot) {
  __atomic_store_n(&slot->start, 0, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&slot->users, __ATOMIC_SEQ_CST) != 0) sched_yield();
  __atomic_store_n(&slot->stamp, (slot->stamp & ~(uint64_t)1) + 2, __ATOMIC_SEQ_CST);
}

void mm_slot_close(mm_slot *slot) {
  /* The generation before the stamp: a handle refreshed in between must find itself closed, and not combine the new
     stamp with an address that is about to be unmapped. */
  __atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_SEQ_CST);
  mm_slot_withdraw(slot);
}

void mm_slot_retire(mm_slot *slot) {
  mm_slot_close(slot);
  pthread_mutex_lock(&table_lock);
  slot->next_free = free_slots;
  free_slots = slot;
  slots_used--;
  pthread_mutex_unlock(&table_lock);
}

void mm_slot_keep_range(mm_slot *slot, void *start, size_t extent) {
  slot->extent = extent;
  slot->place = (uintptr_t)start;
  slot->next_free = NULL;
  __atomic_store_n(&slot->waiting_start, (uintptr_t)start, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&table_lock);
  *waiting_end = slot;
  waiting_end = &slot->next_free;
  pthread_mutex_unlock(&table_lock);
}

mm_slot *mm_slot_take_waiting(void **start) {
  if (mm_likely(!__atomic_load_n(&waiting_slots, __ATOMIC_RELAXED))) return NULL;
  pthread_mutex_lock(&table_lock);
  mm_slot *slot = waiting_slots;
  if (slot && !(waiting_slots = slot->next_free)) waiting_end = &waiting_slots;
  pthread_mutex_unlock(&table_lock);
  if (!slot) return NULL;
  *start = (void *)slot->waiting_start;
  __atomic_store_n(&slot->waiting_start, 0, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&slot->users, __ATOMIC_SEQ_CST) != 0) sched_yield();
  return slot;
}

mm_slot *mm_slot_at(size_t i) {
  if (i >= __atomic_load_n(&slots_made, __ATOMIC_ACQUIRE)) return NULL;
  int chunk = 0;
  for (; i >= chunk_size(chunk); chunk++) i -= chunk_size(chunk);
  return &__atomic_load_n(&chunks[chunk], __ATOMIC_ACQUIRE)[i];
}

size_t mm_slots_in_use(void) {
  pthread_mutex_lock(&table_lock);
  size_t used = slots_used;
  pthread_mutex_unlock(&table_lock);
  return used;
}

bool mm_inject_fault(const void *address) { return answer_any((uintptr_t)address, SIGBUS, BUS_OBJERR); }
