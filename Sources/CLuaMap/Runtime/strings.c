/* Large strings and tables, with Ctrl-C. The kernel takes long to provide the pages of a large block, and Lua fills a
   block without a break. So the allocator in this file populates the pages first, and checks for an interrupt after
   each step.

   The allocation runs in a protected call, so that a refusal returns here. In that call no code of the script may run
   before the copy, because the source has been checked already: there are no hooks, and the stack does not grow. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trampoline.h"

enum { STEP = 4 << 20 };

/* A request for a string or a table, and the allocator of the Lua state. */
typedef struct large {
  lua_State *L;
  lua_CFunction fill;
  bool is_filled;
  lua_Alloc allocate;
  void *state;
  const char *bytes;
  size_t count;
} large;

/* [-0, +0, –] False after an interrupt. A hook is an interrupt too: the script's hooks are off, and the SIGINT handler
   of a stock interpreter sets one. */
static bool goes_on(const large *l) { return !lm_is_stopped(l->L); }

/* [-0, +0, –] lua_Alloc: populates the whole pages of a new large block; NULL after an interrupt. A kernel before
   Linux 5.14 does not know the advice and provides the pages when they are written to. */
static void *allocate(void *ud, void *block, size_t old, size_t size) {
  const large *l = ud;
  if (block || size < LM_LARGE) return l->allocate(l->state, block, old, size);
  void *new = goes_on(l) ? l->allocate(l->state, NULL, old, size) : NULL;
  if (!new) return NULL;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t place = ((uintptr_t)new + page - 1) & ~(page - 1), end = ((uintptr_t)new + size) & ~(page - 1);
  while (place < end) {
    size_t step = end - place < STEP ? end - place : STEP;
    if (madvise((void *)place, step, MADV_POPULATE_WRITE) != 0) break;
    place += step;
    if (goes_on(l)) continue;
    l->allocate(l->state, new, size, 0);
    return NULL;
  }
  return new;
}

/* [-0, +0, v] The request of the running function; raises if there is none. A finalizer that runs in the function can
   get it with debug.getinfo and call it again at any time. */
static const large *take(lua_State *L, lua_CFunction fill) {
  void *state;
  bool is_ours = lua_getallocf(L, &state) == allocate;
  large *l = state;
  if (!is_ours || l->L != L || l->fill != fill || l->is_filled) luaL_error(L, "there is nothing to make");
  l->is_filled = true;
  return l;
}

/* [-0, +1, e] Makes the string or table, or raises the interrupt; false if there is not enough memory. */
static bool make(large *l) {
  lua_State *L = l->L;
  luaL_checkstack(L, LUA_MINSTACK + 1, NULL);
  lua_Hook hook = lua_gethook(L);
  int mask = lua_gethookmask(L), count = lua_gethookcount(L);
  l->allocate = lua_getallocf(L, &l->state);
  lua_pushcfunction(L, l->fill);
  lua_sethook(L, NULL, 0, 0);
  lua_setallocf(L, allocate, l);
  int status = lua_pcall(L, 0, 1, 0);
  lua_setallocf(L, l->allocate, l->state);
  bool is_stopped = !goes_on(l);
  if (lua_gethookmask(L) == 0) lua_sethook(L, hook, mask, count);
  if (status == LUA_OK) return true;
  if (status != LUA_ERRMEM) lua_error(L); /* the error of a hook that a signal handler set */
  lua_pop(L, 1);
  if (is_stopped) lm_push_or_raise(L, &(lm_outcome){.kind = LM_INTERRUPTED}, LM_FAILED);
  return false;
}

static int fill_string(lua_State *L) {
  const large *l = take(L, fill_string);
  lua_pushlstring(L, l->bytes, l->count);
  return 1;
}

bool lm_push_long(lua_State *L, const mm_region *source, const uint8_t *bytes, size_t count) {
  const mm_slot *slot = source->slot;
  uint32_t losses = slot->losses;
  large l = {.L = L, .fill = fill_string, .bytes = (const char *)bytes, .count = count};
  if (count < LM_LARGE || !make(&l)) lua_pushlstring(L, (const char *)bytes, count);
  mm_barrier();
  return slot->losses == losses;
}

static int fill_table(lua_State *L) {
  lua_createtable(L, (int)take(L, fill_table)->count, 0);
  return 1;
}

void lm_push_table(lua_State *L, size_t count) {
  large l = {.L = L, .fill = fill_table, .count = count};
  if (count < LM_LARGE / 16 || !make(&l)) lua_createtable(L, (int)count, 0);
}
