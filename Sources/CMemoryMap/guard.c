/* The fault guard: the table of mappings and the signal handler that answers for them. */
#include "CMemoryMap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The table grows by chunks that double: 64, 64, 128, 256 … slots. A chunk never moves and is never
   freed, so the handler reads the table without a lock. 40 chunks hold more slots than an address
   space holds pages. */
enum { FIRST_CHUNK = 64, CHUNKS = 40 };
static mm_slot *chunks[CHUNKS];
static size_t slots_made; /* high-water mark, over all chunks */
static size_t slots_used;
static mm_slot *free_slots;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

mm_slot *mm_closed_slot(void) {
  static mm_slot closed = {.stamp = 2, .generation = 1};
  return &closed;
}

static struct sigaction previous_bus, previous_segv;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static size_t chunk_size(int chunk) { return chunk == 0 ? FIRST_CHUNK : (size_t)FIRST_CHUNK << (chunk - 1); }

/* Zeroed memory over the region from the fault's page to its end. Where the process has no mapping
   left to spare for the split (vm.max_map_count), over the whole region, which needs none; where it has
   one too many already, the region goes first. Should another thread map memory into the hole, its
   memory is left alone and the fault is not answered. */
static bool replace_pages(mm_slot *slot, uintptr_t start, size_t extent, uintptr_t address) {
  uintptr_t page = address & ~(uintptr_t)(slot->page - 1);
  const int protection = PROT_READ | PROT_WRITE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap((void *)page, start + extent - page, protection, flags, -1, 0) != MAP_FAILED) return true;
  if (mmap((void *)start, extent, protection, flags, -1, 0) != MAP_FAILED) return true;
  return munmap((void *)start, extent) == 0 &&
         mmap((void *)start, extent, protection, (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE, -1, 0) == (void *)start;
}

/* Answers for the slot when the address is its own. The start is read again after `users` was
   raised: either this sees that the region is gone, or mm_slot_withdraw sees the user and waits. */
static bool answer(mm_slot *slot, uintptr_t address, int signal, int code) {
  uintptr_t start = __atomic_load_n(&slot->start, __ATOMIC_ACQUIRE);
  if (start == 0 || address < start || address - start >= slot->extent) return false;
  __atomic_add_fetch(&slot->users, 1, __ATOMIC_SEQ_CST);
  bool mine = __atomic_load_n(&slot->start, __ATOMIC_SEQ_CST) == start && address - start < slot->extent &&
              replace_pages(slot, start, slot->extent, address);
  if (mine) {
    __atomic_add_fetch(&slot->losses, 1, __ATOMIC_SEQ_CST);
    /* What happened first, the mark after it: who sees the mark asks what happened. Of two threads one says it and the
       other waits for that; not for ever, as a fork may have left the one behind. */
    int32_t none = 0;
    if (__atomic_compare_exchange_n(&slot->fault_signal, &none, signal, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      slot->fault_address = address;
      slot->fault_code = code;
    } else {
      for (int i = 0; i < 1000 && !(__atomic_load_n(&slot->stamp, __ATOMIC_SEQ_CST) & 1); i++) sched_yield();
    }
    __atomic_fetch_or(&slot->stamp, 1, __ATOMIC_SEQ_CST);
  }
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

/* A fault that is not ours goes where it would have gone without us. */
static void pass_on(int signal, siginfo_t *info, void *context) {
  const struct sigaction *previous = signal == SIGBUS ? &previous_bus : &previous_segv;
  if (previous->sa_flags & SA_SIGINFO) {
    previous->sa_sigaction(signal, info, context);
  } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
    /* Sent by a process and ignored on purpose. */
  } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(signal, &fallback, NULL);
    /* A real fault happens again on return; one that was sent does not. */
    if (info->si_code <= 0) raise(signal);
  } else {
    previous->sa_handler(signal);
  }
}

static void handle(int signal, siginfo_t *info, void *context) {
  int saved = errno;
  /* si_code above 0 comes from the kernel; only then does si_addr mean anything. */
  if (info->si_code <= 0 || info->si_code == SI_KERNEL ||
      !answer_any((uintptr_t)info->si_addr, signal, info->si_code))
    pass_on(signal, info, context);
  errno = saved;
}

static void install(void) {
  static const int faults[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  /* No other handler in the middle of this one: mm_escape would leave the slot in use for ever. */
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
  /* Also for a handle that was refreshed since the slot was withdrawn, and for one of an empty region,
     which need not be withdrawn: both know an old address. */
  __atomic_store_n(&slot->stamp, slot->stamp + 2, __ATOMIC_SEQ_CST);
  __atomic_store_n(&slot->start, (uintptr_t)start, __ATOMIC_SEQ_CST);
}

void mm_slot_withdraw(mm_slot *slot) {
  __atomic_store_n(&slot->start, 0, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&slot->users, __ATOMIC_SEQ_CST) != 0) sched_yield();
  __atomic_store_n(&slot->stamp, (slot->stamp & ~(uint64_t)1) + 2, __ATOMIC_SEQ_CST);
}

void mm_slot_retire(mm_slot *slot) {
  /* The generation first: a handle that is refreshed in between must find itself closed, and not take
     the new stamp for an address that is about to go. */
  __atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_SEQ_CST);
  mm_slot_withdraw(slot);
  pthread_mutex_lock(&table_lock);
  slot->next_free = free_slots;
  free_slots = slot;
  slots_used--;
  pthread_mutex_unlock(&table_lock);
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
