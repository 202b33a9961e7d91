/* What the compiler needs of C. */
#ifndef MC_HELPERS_H
#define MC_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The address of a function that machine code may call; NULL for any other name. */
const void *_Nullable mc_helper(const char *_Nonnull name);

/* Memory with this machine code, which is never writable and executable at once. NULL with errno. */
void *_Nullable mc_code_map(const uint8_t *_Nonnull bytes, size_t count, size_t extent);
void mc_code_unmap(void *_Nonnull code, size_t extent);

/* Calls a function, and returns false where LLVM or the C++ library ended it for lack of memory: they would end the
   process. What the function had allocated is lost then. */
bool mc_attempt(void (*_Nonnull body)(void *_Nullable), void *_Nullable context);

#endif
