/* The memory of tables that machine code makes. */
#include <stdlib.h>
#include <string.h>

#include "mc_compile.h"
#include "mc_helpers.h"

/* Of each place. */
enum { PLACE = sizeof(uint64_t) + 1, LEAST_CAPACITY = 8, LEAST_LIMIT = 1 << 20 };
_Static_assert(offsetof(mc_table, capacity) == 0 && offsetof(mc_table, values) == 8 && offsetof(mc_table, tags) == 16 &&
                   offsetof(mc_table, border) == 24,
               "machine code knows these");

static bool take(mc_tables *all, size_t bytes) {
  if (!all->memory->take(bytes)) return false;
  all->bytes += bytes;
  return true;
}

static void give(mc_tables *all, size_t bytes) {
  all->memory->give(bytes);
  all->bytes -= bytes;
}

static void free_table(mc_tables *all, mc_table *table) {
  give(all, sizeof *table + table->capacity * PLACE);
  free(table->values);
  free(table->tags);
  free(table);
}

/* Frees the tables that are not among the roots. Tables hold no tables. */
static void collect(mc_tables *all, const uint64_t *roots, uint64_t count) {
  for (mc_table *table = all->first; table; table = table->next) table->is_needed = false;
  for (uint64_t i = 0; i < count; i++) ((mc_table *)(uintptr_t)roots[i])->is_needed = true;
  mc_table **link = &all->first;
  while (*link) {
    mc_table *table = *link;
    if (table->is_needed) {
      link = &table->next;
    } else {
      *link = table->next;
      free_table(all, table);
    }
  }
  all->limit = all->bytes * 2 > LEAST_LIMIT ? all->bytes * 2 : LEAST_LIMIT;
}

static bool resize(mc_tables *all, mc_table *table, uint64_t capacity) {
  size_t more = (capacity - table->capacity) * PLACE;
  if (!take(all, more)) return false;
  /* Values first: if there is no room for the tags, there is only more room than is used. */
  uint64_t *values = realloc(table->values, capacity * sizeof *values);
  if (values) table->values = values;
  uint8_t *tags = values ? realloc(table->tags, capacity) : NULL;
  if (!tags) {
    give(all, more);
    return false;
  }
  memset(tags + table->capacity, MC_NIL, capacity - table->capacity);
  table->tags = tags;
  table->capacity = capacity;
  return true;
}

static bool grow_to(mc_tables *all, mc_table *table, uint64_t key, uint64_t capacity) {
  if (capacity <= key) capacity = key + 1;
  if (capacity > MC_GREATEST_KEY + 1) capacity = MC_GREATEST_KEY + 1;
  return resize(all, table, capacity);
}

/* To the double, or at least by an eighth: by less, a list would be copied too often. */
static bool grow(mc_tables *all, mc_table *table, uint64_t key) {
  if (key > MC_GREATEST_KEY) return false;
  uint64_t now = table->capacity;
  return grow_to(all, table, key, now * 2 > LEAST_CAPACITY ? now * 2 : LEAST_CAPACITY) ||
         grow_to(all, table, key, now + now / 8 + 1);
}

mc_table *mc_table_new(mc_tables *all, const uint64_t *roots, uint64_t count, uint64_t size) {
  all->memory->hold();
  if (all->bytes >= all->limit) collect(all, roots, count);
  mc_table *table = NULL;
  if (take(all, sizeof *table)) {
    table = calloc(1, sizeof *table);
    if (!table) give(all, sizeof *table);
  }
  if (table) {
    table->next = all->first;
    all->first = table;
    /* As many as the constructor has. Without memory for them, the first of them finds out. */
    if (size > 0 && size <= MC_GREATEST_KEY) resize(all, table, size + 1);
  }
  all->memory->release();
  return table;
}

bool mc_table_grow(mc_tables *all, mc_table *table, uint64_t key) {
  all->memory->hold();
  bool is_done = key < table->capacity || grow(all, table, key);
  all->memory->release();
  return is_done;
}

static bool has(const mc_table *table, uint64_t key) { return key < table->capacity && table->tags[key] != MC_NIL; }

/* A border: the value there is not nil, or it is 0, and the next one is nil. Each step is one over a value that was
   set, or set to nil, since the latest call. */
uint64_t mc_table_length(mc_table *table) {
  uint64_t border = table->border;
  if (has(table, border + 1)) {
    while (has(table, border + 1)) border++;
  } else {
    while (border > 0 && !has(table, border)) border--;
  }
  table->border = border;
  return border;
}

void mc_tables_free(mc_tables *all) {
  while (all->first) {
    mc_table *table = all->first;
    all->first = table->next;
    free_table(all, table);
  }
}
