/* What the compiler needs of C. */
#ifndef MC_HELPERS_H
#define MC_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mc_tables.h"

/* The address of a function that machine code may call; NULL for any other name. */
const void *_Nullable mc_helper(const char *_Nonnull name);

/* Memory with this machine code, which is never writable and executable at once. NULL with errno. */
void *_Nullable mc_code_map(const uint8_t *_Nonnull bytes, size_t count, size_t extent);
void mc_code_unmap(void *_Nonnull code, size_t extent);

/* Tables of machine code, for the machine code. A new table with room for the keys 1 to `size`; NULL if there is no memory.
   May free the tables that are not among the roots. */
mc_table *_Nullable mc_table_new(mc_tables *_Nonnull all, const uint64_t *_Nonnull roots, uint64_t count,
                                 uint64_t size);
/* Makes room for a key; false if there is no memory, or the key is too great. */
bool mc_table_grow(mc_tables *_Nonnull all, mc_table *_Nonnull table, uint64_t key);
/* As the operator #. */
uint64_t mc_table_length(mc_table *_Nonnull table);
void mc_tables_free(mc_tables *_Nonnull all);

/* Calls a function, and returns a reason where LLVM or the C++ library ended it for lack of memory: they would end the
   process; or where mc_is_stopped said so. What the function had allocated is lost then. */
const char *_Nullable mc_attempt(void (*_Nonnull body)(void *_Nullable), void *_Nullable context);

/* Asked at allocations. NULL: the compiler is never stopped. */
extern bool (*_Nullable mc_is_stopped)(void);

#endif
