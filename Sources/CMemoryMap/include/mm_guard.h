/* Memory that may fault, read and written safely.
 *
 * A mapping can lose its pages while it is in use: its file is cut short, the disk is full, the
 * device fails. The kernel then sends SIGBUS (SIGSEGV where another part of the process changed the
 * protection). The guard's handler puts zeroed memory in place of the pages, marks the mapping as
 * lost and lets the access finish; the access path then finds the mark and reports an error.
 *
 * Every mapping has a slot in the guard's table. Slots are never freed, so a handle that outlived
 * its mapping can always be compared with its slot and found stale: no use after unmap is possible
 * through the functions below.
 */
#ifndef MM_GUARD_H
#define MM_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm_budget.h"

#define mm_likely(x) __builtin_expect(!!(x), 1)
#define mm_unlikely(x) __builtin_expect(!!(x), 0)

/* The compiler may move no load or store over it. The handler runs on the thread that faulted, so
   no processor fence is needed. */
#define mm_barrier() __asm__ volatile("" ::: "memory")

/* What a mapping is, and what became of it. `stamp` changes whenever a handle must look again: on
   loss (the lowest bit is set), when the memory goes (+2, at the end with a new generation first) and
   when there is other memory (+2). */
typedef struct mm_slot {
  volatile uint64_t stamp;
  volatile uint64_t generation;
  volatile uintptr_t start;         /* page-aligned; 0 while nothing is mapped */
  volatile size_t extent;           /* bytes from start, whole pages */
  volatile uintptr_t waiting_start; /* of a range that is still to be unmapped, see mm_slot_keep_range; else 0 */
  size_t page;                      /* bytes in a page of this mapping */
  int32_t protection;               /* PROT_* */
  int32_t flags;                    /* MAP_* */
  volatile int32_t users;           /* handlers that are at work in this slot */
  volatile int32_t neighbors;       /* those among them that have a fault in a region beside it */
  volatile uintptr_t place;         /* the last start, or waiting_start, that it had */
  int32_t fault_signal;             /* of the first fault; 0 while there was none */
  int32_t fault_code;               /* its si_code */
  volatile uint32_t losses; /* faults ever: the stamp tells a loss from a move no more once it is mapped again */
  int32_t kind;             /* MM_FILE … */
  volatile uintptr_t fault_address;
  uint8_t *_Nullable base;     /* the user's first byte */
  size_t length;               /* bytes the user sees, from base */
  size_t slack;                /* bytes between start and base: an offset need not be a page's */
  int64_t file_offset;         /* of the user's first byte */
  int64_t file_size;           /* when it was mapped, bytes */
  uint64_t device, inode;      /* which file it is */
  bool residency_hidden;       /* mincore(2) answers "all resident" to this caller */
  int32_t keeper;              /* a descriptor of the file plus 1, where no path leads to it; 0 for none */
  mm_memory *_Nullable memory; /* where its pages may outlive the mapping */
  bool may_be_locked;          /* pages of it, since it was mapped */
  size_t locked_from;          /* bytes from start: all after is locked; SIZE_MAX where the last page is not */
  struct mm_slot *_Nullable next_free;
} mm_slot;

enum { MM_ANONYMOUS = 0, MM_FILE = 1, MM_BLOCK_DEVICE = 2, MM_CHARACTER_DEVICE = 3 };

/* A range of a mapping's bytes: the mapping itself (offset 0, whole) or a slice of it. */
typedef struct mm_region {
  mm_slot *_Nonnull slot;
  uint64_t stamp;
  uint64_t generation;
  uint8_t *_Nullable base;
  size_t length;
  size_t offset; /* from the user's first byte of the mapping */
  bool isWhole;  /* follows the mapping's length when that changes; a slice does not */
} mm_region;

/* A slot that nothing ever occupies: the one a closed handle points to. */
mm_slot *_Nonnull mm_closed_slot(void);

/* A slot for a mapping to come; NULL with errno where memory for it ran out. The first call
   installs the signal handlers. */
mm_slot *_Nullable mm_slot_reserve(void);
/* From now on the handler answers for [start, start + extent). */
void mm_slot_publish(mm_slot *_Nonnull slot, void *_Nullable start, size_t extent);
/* The handler lets go of the memory; returns when none is at work in it any more. Handles become
   stale but can be refreshed. Publish again or retire next. */
void mm_slot_withdraw(mm_slot *_Nonnull slot);
/* As withdraw, for good: no handle of this generation will ever be valid again. */
void mm_slot_close(mm_slot *_Nonnull slot);
/* The same, and the slot is free for another mapping. */
void mm_slot_retire(mm_slot *_Nonnull slot);
/* Keeps a range that munmap(2) refused in a closed slot. */
void mm_slot_keep_range(mm_slot *_Nonnull slot, void *_Nonnull start, size_t extent);
/* Takes out the slot that has kept its range the longest, and says where that is; NULL for none. */
mm_slot *_Nullable mm_slot_take_waiting(void *_Nullable *_Nonnull start);
/* The i-th slot of the table, in use or not, in an order of its own; NULL after the last. */
mm_slot *_Nullable mm_slot_at(size_t i);
/* How many slots are in use: for tests. */
size_t mm_slots_in_use(void);
/* Acts as if the page at `address` had faulted: for tests of device errors. */
bool mm_inject_fault(const void *_Nonnull address);
/* memmem(3) and memrchr(3), which are GNU's and so not in Swift's Glibc. */
const void *_Nullable mm_find(const void *_Nonnull memory, size_t count, const void *_Nonnull needle, size_t length);
const void *_Nullable mm_find_last(const void *_Nonnull memory, int byte, size_t count);
/* How many processors this process may use; sched_getaffinity(2) is GNU's too. */
int mm_processor_count(void);
/* Whether a file is one of proc(5) or sysfs(5); Swift's Glibc has no fstatfs(2). */
bool mm_is_virtual(int descriptor);
/* The page size of a file of hugetlbfs, 0 for all others. */
long mm_huge_page_size(int descriptor);
/* False where the file system surely has no room for so many bytes of a file. */
bool mm_may_have_space(int descriptor, uint64_t count);
/* Whether code compiled for AVX2, BMI, BMI2, LZCNT and POPCNT runs here. */
bool mm_has_avx2(void);
/* mlock2(2) with MLOCK_ONFAULT, which is GNU's: pages are locked when they come in. 0, or -1 with errno. */
int mm_lock_on_fault(const void *_Nonnull address, size_t extent);
/* mremap(2) with MREMAP_MAYMOVE; variadic in C, so Swift cannot call it. MAP_FAILED with errno. */
void *_Nonnull mm_mremap(void *_Nonnull address, size_t old_extent, size_t new_extent);

static inline bool mm_is_closed(const mm_region *_Nonnull r) { return r->slot->generation != r->generation; }

static inline bool mm_is_lost(const mm_region *_Nonnull r) { return (r->slot->stamp & 1) != 0; }

/* Whether the handle may be used: not closed, not lost, not moved. */
static inline bool mm_is_current(const mm_region *_Nonnull r) { return mm_likely(r->slot->stamp == r->stamp); }

/* Whether everything read or written up to here was really there. The barrier keeps the compiler
   from asking before the accesses are done: in a trial it did, and a cut page read as 0.
   MM_WITHOUT_TEST is for `scripts/bench guard`, which shows what this test costs. */
static inline bool mm_was_intact(const mm_region *_Nonnull r) {
#ifdef MM_WITHOUT_TEST
  (void)r;
  return true;
#else
  mm_barrier();
  return mm_likely(r->slot->stamp == r->stamp);
#endif
}

/* One byte, or -1: out of range or the handle is not current. */
static inline int mm_load_byte(const mm_region *_Nonnull r, uint64_t i) {
  if (mm_unlikely(i >= r->length) || mm_unlikely(r->slot->stamp != r->stamp)) return -1;
  int value = *(volatile const uint8_t *)(r->base + i);
  return mm_was_intact(r) ? value : -1;
}

/* Whether the mapping's memory takes the access. PROT_WRITE implies reading on every processor that
   Linux runs on (mprotect(2), NOTES). */
static inline bool mm_is_readable(const mm_region *_Nonnull r) { return (r->slot->protection & 3) != 0; }
static inline bool mm_is_writable(const mm_region *_Nonnull r) { return (r->slot->protection & 2) != 0; }

/* True when the byte was written: in range, writable, the handle current before and after. */
static inline bool mm_store_byte(const mm_region *_Nonnull r, uint64_t i, uint8_t value) {
  if (mm_unlikely(i >= r->length) || mm_unlikely(r->slot->stamp != r->stamp) || mm_unlikely(!(r->slot->protection & 2)))
    return false;
  *(volatile uint8_t *)(r->base + i) = value;
  return mm_was_intact(r);
}

#endif
