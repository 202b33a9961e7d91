/* Memory that may fault, read and written safely.
 *
 * A mapping can lose its pages while it is in use: its file is truncated, the disk is full, the device fails. The
 * kernel then sends SIGBUS (or SIGSEGV, if other code in the process changed the protection). The guard's handler
 * replaces the pages by zeroed memory, marks the mapping as lost and lets the access finish. The code of the access
 * then finds the mark and reports an error.
 *
 * Every mapping has a slot in the guard's table. Slots are never freed, so a handle that outlived its mapping can
 * always be compared with its slot and found stale: no use after unmap is possible through the functions below.
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

/* The compiler must not move loads and stores across it. The handler runs on the thread that faulted, so no processor
   fence is needed. */
#define mm_barrier() __asm__ volatile("" ::: "memory")

/* A mapping and its state. `stamp` changes whenever a handle must be refreshed: at a loss (sets the lowest bit), when
   the memory is unmapped (+2, and if for good, after a new generation), and when other memory is mapped (+2). */
typedef struct mm_slot {
  volatile uint64_t stamp;
  volatile uint64_t generation;
  volatile uintptr_t start;         /* page-aligned; 0 while nothing is mapped */
  volatile size_t extent;           /* bytes from start, whole pages */
  volatile uintptr_t waiting_start; /* start of a range still to be unmapped, see mm_slot_keep_range; else 0 */
  size_t page;                      /* bytes in a page of this mapping */
  int32_t protection;               /* PROT_* */
  int32_t flags;                    /* MAP_* */
  volatile int32_t users;           /* signal handlers at work in this slot */
  volatile int32_t neighbors;       /* those of them that handle a fault in an adjacent region */
  volatile uintptr_t place;         /* the last value of start or waiting_start other than 0 */
  int32_t fault_signal;             /* signal of the first fault; 0 without a fault */
  int32_t fault_code;               /* si_code of the first fault */
  volatile uint32_t losses; /* count of faults; after a remap, the stamp no longer tells whether there was one */
  int32_t kind;             /* MM_FILE … */
  volatile uintptr_t fault_address;
  uint8_t *_Nullable base;     /* the user's first byte */
  size_t length;               /* bytes of the user's range, from base */
  size_t pagePadding;          /* bytes from start to base; not 0 if the offset is not a multiple of the page size */
  int64_t file_offset;         /* offset of base in the file */
  int64_t file_size;           /* bytes, at the time of the mapping */
  uint64_t device, inode;      /* identity of the file */
  bool is_own;                 /* counted as memory of the process, see mm_budget.h */
  bool residency_hidden;       /* mincore(2) reports all pages as resident to this caller */
  int32_t keeper;              /* descriptor + 1 of a file without a path; else 0 */
  mm_memory *_Nullable memory; /* accounting of a file whose pages may outlive the mapping; else NULL */
  bool may_be_locked;          /* pages may have been locked since the mapping was made */
  size_t locked_from;          /* bytes from start after which all pages are locked; SIZE_MAX if the last is not */
  struct mm_slot *_Nullable next_free;
} mm_slot;

enum { MM_ANONYMOUS = 0, MM_FILE = 1, MM_BLOCK_DEVICE = 2, MM_CHARACTER_DEVICE = 3 };

/* A range of bytes of a mapping: the whole mapping (offset 0, isWhole) or a slice. */
typedef struct mm_region {
  mm_slot *_Nonnull slot;
  uint64_t stamp;
  uint64_t generation;
  uint8_t *_Nullable base;
  size_t length;
  size_t offset; /* bytes from the slot's base */
  bool isWhole;  /* the length follows that of the mapping; that of a slice is fixed */
} mm_region;

/* A slot without a mapping, for closed handles. */
mm_slot *_Nonnull mm_closed_slot(void);

/* A slot for a new mapping; NULL with errno if out of memory. The first call installs the signal handlers. */
mm_slot *_Nullable mm_slot_reserve(void);
/* From now on, the handler handles faults in [start, start + extent). */
void mm_slot_publish(mm_slot *_Nonnull slot, void *_Nullable start, size_t extent);
/* The opposite of publish. Waits until no signal handler is at work in the slot. Handles become stale but can be
   refreshed. Publish or retire the slot next. */
void mm_slot_withdraw(mm_slot *_Nonnull slot);
/* As withdraw, and with a new generation: no handle of the old one will ever be valid again. */
void mm_slot_close(mm_slot *_Nonnull slot);
/* As close, and makes the slot available to other mappings. */
void mm_slot_retire(mm_slot *_Nonnull slot);
/* Stores in a closed slot a range that munmap(2) refused to unmap, for a later attempt. */
void mm_slot_keep_range(mm_slot *_Nonnull slot, void *_Nonnull start, size_t extent);
/* Removes the oldest slot with such a range and returns it, and the range's start; NULL for none. */
mm_slot *_Nullable mm_slot_take_waiting(void *_Nullable *_Nonnull start);
/* The slot at index i of the table, in use or not; NULL after the last. */
mm_slot *_Nullable mm_slot_at(size_t i);
/* The number of slots in use, for tests. */
size_t mm_slots_in_use(void);
/* Simulates a fault of the page at `address`, for tests of device errors. */
bool mm_inject_fault(const void *_Nonnull address);
/* memmem(3) and memrchr(3): GNU extensions, missing in Swift's Glibc. */
const void *_Nullable mm_find(const void *_Nonnull memory, size_t count, const void *_Nonnull needle, size_t length);
const void *_Nullable mm_find_last(const void *_Nonnull memory, int byte, size_t count);
/* The number of processors that this process may use, by sched_getaffinity(2), also a GNU extension. */
int mm_processor_count(void);
/* Whether a file is in proc(5) or sysfs(5). Swift's Glibc has no fstatfs(2). */
bool mm_is_virtual(int descriptor);
/* The page size of a file in hugetlbfs, in bytes; 0 for other files. */
long mm_huge_page_size(int descriptor);
/* False if the file system cannot have space for `count` bytes of a file. True does not mean that it has. */
bool mm_may_have_space(int descriptor, uint64_t count);
/* Whether code compiled for AVX2, BMI, BMI2, F16C, LZCNT and POPCNT runs here. */
bool mm_has_avx2(void);
/* mlock2(2) with MLOCK_ONFAULT, a GNU extension: locks pages when they are first touched. 0, or -1 with errno. */
int mm_lock_on_fault(const void *_Nonnull address, size_t extent);
/* mremap(2) with MREMAP_MAYMOVE; Swift cannot call it because it is variadic. MAP_FAILED with errno on failure. */
void *_Nonnull mm_mremap(void *_Nonnull address, size_t old_extent, size_t new_extent);

static inline bool mm_is_closed(const mm_region *_Nonnull r) { return r->slot->generation != r->generation; }

static inline bool mm_is_lost(const mm_region *_Nonnull r) { return (r->slot->stamp & 1) != 0; }

/* Whether the handle may be used: not closed, not lost, not moved. */
static inline bool mm_is_current(const mm_region *_Nonnull r) { return mm_likely(r->slot->stamp == r->stamp); }

/* Whether all accesses up to this point were to pages that existed. The barrier keeps the compiler from moving the
   test before the accesses; without it, a trial read zeros from a truncated file. MM_WITHOUT_TEST is for
   `scripts/bench guard`, which measures the cost of this test. */
static inline bool mm_was_intact(const mm_region *_Nonnull r) {
#ifdef MM_WITHOUT_TEST
  (void)r;
  return true;
#else
  mm_barrier();
  return mm_likely(r->slot->stamp == r->stamp);
#endif
}

/* The byte at index i, or -1: out of range, or the handle is not current. */
static inline int mm_load_byte(const mm_region *_Nonnull r, uint64_t i) {
  if (mm_unlikely(i >= r->length) || mm_unlikely(r->slot->stamp != r->stamp)) return -1;
  int value = *(volatile const uint8_t *)(r->base + i);
  return mm_was_intact(r) ? value : -1;
}

/* Whether the protection allows the access. PROT_WRITE implies PROT_READ on x86-64 and on arm64, which have no pages that
   may be written only (mprotect(2), NOTES). */
static inline bool mm_is_readable(const mm_region *_Nonnull r) { return (r->slot->protection & 3) != 0; }
static inline bool mm_is_writable(const mm_region *_Nonnull r) { return (r->slot->protection & 2) != 0; }

/* Writes the byte at index i. False if out of range, not writable, or the handle is not current before and after. */
static inline bool mm_store_byte(const mm_region *_Nonnull r, uint64_t i, uint8_t value) {
  if (mm_unlikely(i >= r->length) || mm_unlikely(r->slot->stamp != r->stamp) || mm_unlikely(!(r->slot->protection & 2)))
    return false;
  *(volatile uint8_t *)(r->base + i) = value;
  return mm_was_intact(r);
}

#endif
