/* The memory of the Lua state. malloc(3) takes a third of the time of scripts that make many small objects. Lua tells
   the size of a block that it frees, so small blocks can do without malloc's headers and searches: they are cells of
   slabs, each of which has cells of one size. The memory of empty slabs goes back to the system. Larger blocks come
   from malloc.

   One thread at a time uses the state, and a process has one state. */
#include <lua5.4/lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CMemoryMap.h"
#include "call.h"

/* In bytes. The size of a cell is a multiple of GRAIN. */
enum { GRAIN = 16, LARGEST = 256, SLAB = 1 << 16, REGION = 16 * SLAB, LINE = 64 };
enum { KINDS = LARGEST / GRAIN };

typedef struct cell {
  struct cell *next;
} cell;

/* At the start of a slab. Each kind has a place of its own there, in different lines of the cache. */
typedef struct slab {
  cell *free;
  uint32_t used; /* number of cells */
  uint32_t end;  /* offset of the cells that were never used */
  struct slab *previous, *next;
} slab;
_Static_assert(sizeof(slab) <= LINE && GRAIN >= sizeof(cell) && KINDS * LINE + LARGEST <= SLAB, "sizes of slabs");

/* `current` is the slab of which cells are taken. `others` are those that have a free cell too. */
static slab none = {.end = SLAB};
static struct kind {
  slab *current, *others;
} kinds[KINDS];
/* Empty slabs: those that keep their memory, at most LEAST_KEPT and a quarter of those in use, and those that have only
   their first page. */
enum { LEAST_KEPT = 16 };
static slab *kept, *dropped;
static size_t kept_count, used_count;
/* The part of the last region that was never used. */
static char *region, *region_end;

static inline size_t kind_of(size_t size) { return (size - 1) / GRAIN; }
static inline size_t cell_size(size_t kind) { return (kind + 1) * GRAIN; }

static inline slab *slab_of(void *block, size_t kind) {
  return (slab *)(((uintptr_t)block & ~(uintptr_t)(SLAB - 1)) + kind * LINE);
}

static void link_slab(slab **list, slab *s) {
  s->previous = NULL;
  s->next = *list;
  if (s->next) s->next->previous = s;
  *list = s;
}

static void unlink_slab(slab **list, slab *s) {
  if (s->previous) s->previous->next = s->next;
  else *list = s->next;
  if (s->next) s->next->previous = s->previous;
}

/* Memory for a slab; NULL if there is none. */
static void *find_memory(void) {
  void *memory = kept ? kept : dropped;
  if (kept) {
    unlink_slab(&kept, kept);
    kept_count--;
  } else if (dropped) {
    unlink_slab(&dropped, dropped);
  } else {
    if (region == region_end) {
      char *start = mmap(NULL, REGION + SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (start == MAP_FAILED) return NULL;
      region = (char *)slab_of(start + SLAB - 1, 0);
      region_end = region + REGION;
    }
    memory = region;
    region += SLAB;
  }
  return memory;
}

/* A slab for cells of a kind; NULL if there is no memory. */
static slab *make_slab(size_t kind) {
  void *memory = find_memory();
  if (!memory) return NULL;
  used_count++;
  slab *s = slab_of(memory, kind);
  *s = (slab){.end = (uint32_t)(kind + 1) * LINE};
  return s;
}

/* Keeps the memory of an empty slab, or gives that of another back. */
static void keep_memory(slab *s) {
  link_slab(&kept, s);
  kept_count++;
  used_count--;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  while (kept_count > LEAST_KEPT + used_count / 4) {
    slab *other = kept;
    unlink_slab(&kept, other);
    kept_count--;
    if (page < SLAB) madvise((char *)other + page, SLAB - page, MADV_DONTNEED);
    link_slab(&dropped, other);
  }
}

/* The next cell of a kind whose current slab has no cell that was freed. */
__attribute__((noinline)) static void *take_slowly(size_t kind) {
  struct kind *k = &kinds[kind];
  /* The slab `none` has no room. */
  if (!k->current->free && k->current->end + cell_size(kind) > SLAB) {
    slab *s = k->others;
    if (s) unlink_slab(&k->others, s);
    else if (!(s = make_slab(kind))) return NULL;
    k->current = s;
  }
  slab *s = k->current;
  s->used++;
  cell *c = s->free;
  if (c) {
    s->free = c->next;
    return c;
  }
  void *block = (char *)slab_of((void *)s, 0) + s->end;
  s->end += (uint32_t)cell_size(kind);
  return block;
}

static inline void *take(size_t kind) {
  slab *s = kinds[kind].current;
  cell *c = s->free;
  if (mm_unlikely(!c)) return take_slowly(kind);
  s->free = c->next;
  s->used++;
  return c;
}

/* After a cell became free in a slab that is not the current one. */
__attribute__((noinline)) static void settle(slab *s, size_t kind, bool was_full) {
  if (was_full) link_slab(&kinds[kind].others, s);
  if (s->used > 0) return;
  unlink_slab(&kinds[kind].others, s);
  keep_memory(slab_of((void *)s, 0));
}

static inline void give(void *block, size_t kind) {
  slab *s = slab_of(block, kind);
  cell *c = block;
  bool was_full = !s->free;
  c->next = s->free;
  s->free = c;
  s->used--;
  if (mm_unlikely(was_full || s->used == 0) && s != kinds[kind].current) settle(s, kind, was_full);
}

/* lua_Alloc. May return NULL for a smaller size too, if there is no memory. */
static void *allocate(void *unused, void *block, size_t old, size_t size) {
  if (!block) {
    if (size == 0) return NULL;
    return mm_likely(size <= LARGEST) ? take(kind_of(size)) : malloc(size);
  }
  if (size == 0) {
    if (mm_likely(old <= LARGEST)) give(block, kind_of(old));
    else free(block);
    return NULL;
  }
  if (old > LARGEST && size > LARGEST) return realloc(block, size);
  if (old <= LARGEST && size <= LARGEST && kind_of(old) == kind_of(size)) return block;
  void *moved = allocate(unused, NULL, 0, size);
  if (!moved) return NULL;
  memcpy(moved, block, old < size ? old : size);
  allocate(unused, block, old, 0);
  return moved;
}

/* lua_WarnFunction: as that of luaL_newstate, which keeps it to itself. */
static void warn(void *unused, const char *message, int is_continued) {
  static enum { OFF, ON, CONTINUED } state;
  (void)unused;
  if (state != CONTINUED && !is_continued && *message == '@') {
    if (strcmp(message, "@on") == 0) state = ON;
    else if (strcmp(message, "@off") == 0) state = OFF;
  } else if (state != OFF) {
    fprintf(stderr, "%s%s%s", state == ON ? "Lua warning: " : "", message, is_continued ? "" : "\n");
    fflush(stderr);
    state = is_continued ? CONTINUED : ON;
  }
}

lua_State *host_new_state(void) {
  /* AddressSanitizer finds faults only in blocks of malloc. */
#if __has_feature(address_sanitizer)
  bool is_plain = true;
#else
  bool is_plain = getenv("MMAPLUA_MALLOC") != NULL;
#endif
  if (is_plain) return luaL_newstate();
  for (size_t i = 0; i < KINDS; i++) kinds[i].current = &none;
  lua_State *L = lua_newstate(allocate, NULL);
  if (L) lua_setwarnf(L, warn, NULL);
  return L;
}
