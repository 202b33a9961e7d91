/* Pages, pictures, page faults, and the trace: what shows the kernel at work. */
#ifndef LM_INSTRUMENTS_H
#define LM_INSTRUMENTS_H

#include "lm_runtime.h"

/* A set of pages as userdata, with one bit for each page. Its size varies, so it can equal that of another type.
   Therefore it begins with its own address plus 1, which no other type does. */
typedef struct lm_pages {
  const void *_Nullable mark;
  int64_t count;  /* pages */
  int64_t offset; /* of the first page in the buffer, bytes; negative where a page begins before it */
  uint64_t words[];
} lm_pages;

static inline size_t lm_pages_size(int64_t count) {
  return sizeof(lm_pages) + ((size_t)count + 63) / 64 * sizeof(uint64_t);
}

/* [-0, +0, –] The set of pages at an index, or NULL. */
static inline lm_pages *_Nullable lm_pages_at(lua_State *_Nonnull L, int index) {
  lm_pages *p = (lm_pages *)lua_touserdata(L, index);
  size_t size = lua_rawlen(L, index);
  return p && size >= sizeof(lm_pages) && p->mark == (char *)p + 1 && size == lm_pages_size(p->count) ? p : NULL;
}

LM_BODY(lm_pages_index);
LM_BODY(lm_pages_len);
LM_BODY(lm_pages_next);
LM_BODY(lm_buffer_storage);

/* The page count and the offset of the range `(b [, offset [, length]])`, for the allocation of the set. */
int lm_pages_span(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t *_Nonnull count,
                  int64_t *_Nonnull offset);
/* Sets the bits of the resident pages in a new set. */
int lm_pages_fill(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_pages *_Nonnull pages);
/* The first run of pages in the set at or after page `from`; false if there is none. */
bool lm_pages_run(const lm_pages *_Nonnull pages, int64_t from, int64_t *_Nonnull first, int64_t *_Nonnull count);
int64_t lm_pages_total(const lm_pages *_Nonnull pages);
/* The pages of one set that are not in another of the same size. */
void lm_pages_subtract(const lm_pages *_Nonnull from, const lm_pages *_Nonnull what, lm_pages *_Nonnull result);

/* The columns of /proc/self/pagemap, in the order of lm_table_names. */
enum { LM_PRESENT, LM_SWAPPED, LM_FILE, LM_EXCLUSIVE, LM_DIVERGED, LM_SOFT_DIRTY, LM_TABLE_SETS };
int lm_page_table(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_pages *_Nonnull const *_Nonnull sets);
bool lm_keeps_soft_dirty(void);

/* The counts of cachestat(2), in pages. */
typedef struct lm_cache_state {
  int64_t cached, dirty, writeback, evicted, recently_evicted;
} lm_cache_state;
int lm_buffer_cachestat(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_cache_state *_Nonnull state);

int lm_buffer_populate(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, bool writing);
int lm_evict_path(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const char *_Nonnull path);
int lm_sparse(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_buffer *_Nonnull target,
              const char *_Nonnull path);

/* Parts of a file, in bytes of the buffer. */
typedef struct lm_extent {
  int64_t offset, length;
  bool is_data;
} lm_extent;
enum { LM_EXTENTS = 256 };
/* Stores the first LM_EXTENTS extents of a range at most: their number, or LM_FAILED. */
int lm_extents(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t offset, int64_t length,
               lm_extent *_Nonnull extents);
/* The range `(b [, offset [, length]])`, checked. */
int lm_range(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, int64_t *_Nonnull offset, int64_t *_Nonnull length);

/* Stores the text of the buffer's entries in /proc/self/maps or, if `detailed`, in smaps, as far as it fits; `needed`
   is its whole length in bytes. */
int lm_process_entries(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, bool detailed, char *_Nonnull target,
                       size_t capacity, size_t *_Nonnull needed);

/* Tries the i-th advice on the k-th kind of mapping (private anonymous, shared anonymous, private file, shared file).
   `error` is an errno, or -1 if the advice was not tried. */
int lm_advice_trial(lm_outcome *_Nonnull outcome, int i, int kind, int32_t *_Nonnull error, bool *_Nonnull destroys);

/* The parameters of a picture. `memory` has the `size` that lm_picture_plan computes. All pointers must stay valid. */
typedef struct lm_picture {
  int64_t columns, rows; /* as asked for; 0 for none */
  bool ascii, color, has_ascii, has_color;
  const lm_pages *_Nullable since;
  const char *_Nonnull title;
  int64_t pages;
  size_t size; /* of the memory */
  uint8_t *_Nonnull memory;
} lm_picture;
int lm_picture_plan(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_picture *_Nonnull picture);
/* Draws the picture and sets `text` to its text in the memory: its length, or LM_FAILED. */
int lm_picture_draw(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_picture *_Nonnull picture,
                    const uint8_t *_Nullable *_Nonnull text);
/* Starts a thread that redraws the picture on the terminal until lm_watch_stop, which takes the picture's memory. */
int lm_watch_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_picture *_Nonnull picture);
void lm_watch_stop(uint8_t *_Nonnull memory);
/* Whether standard error is a terminal that can show the picture. */
bool lm_watch_is_seen(void);

/* The cost of a function call: faults, pages that became resident, bytes read, and time. */
typedef struct lm_cost {
  int64_t minor, major, pages, resident, read;
  double seconds;
} lm_cost;
size_t lm_cost_size(void);
/* `memory` has lm_cost_size() bytes and must stay valid until lm_cost_end. */
int lm_cost_start(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_cost *_Nonnull cost, void *_Nonnull memory,
                  size_t size);
int lm_cost_end(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_cost *_Nonnull cost, void *_Nonnull memory);

/* [-0, +1, –] Loads explain.lua, which turns the kernel's text into tables and sentences: the status of lua_load. */
int lm_load_explain(lua_State *_Nonnull L);

/* Starts the trace: each system call of the library is reported on standard error, with the line of the script. */
void lm_trace(void);

#endif
