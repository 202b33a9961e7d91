/* Tables that machine code makes: keys from 0 to MC_GREATEST_KEY, values that are numbers or booleans. They live until
 * the machine code is left, and become tables of Lua where they are still needed then. Machine code reads and writes the
 * values by itself, and calls functions of tables.c for all that takes memory.
 */
#ifndef MC_TABLES_H
#define MC_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

enum { MC_GREATEST_KEY = 1 << 24 };

/* Machine code knows the offsets of the first four. */
typedef struct mc_table {
  uint64_t capacity; /* the keys below it have a place */
  uint64_t *_Nullable values;
  uint8_t *_Nullable tags; /* of each value: MC_NIL, MC_FALSE, MC_TRUE, MC_INTEGER or MC_FLOAT */
  uint64_t border;         /* where the latest border was */
  struct mc_table *_Nullable next;
  bool is_needed;
  int32_t place; /* the program's: where the table of Lua is, which it makes at an exit; 0 for nowhere */
} mc_table;

/* What the program gives: tables count as memory of the process, and nothing escapes from a function that allocates. */
typedef struct mc_memory {
  bool (*take)(size_t bytes);
  void (*give)(size_t bytes);
  void (*hold)(void);
  void (*release)(void); /* may escape from the machine code */
} mc_memory;

/* All tables of a call. Begins as zeros with `memory`. */
typedef struct mc_tables {
  const mc_memory *memory;
  mc_table *_Nullable first;
  size_t bytes, limit; /* from the limit on, a new table is a reason to free those that are no longer needed */
} mc_tables;

#pragma clang assume_nonnull end
#endif
