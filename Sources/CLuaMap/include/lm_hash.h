/* Checksums and digests of a range. */
#ifndef LM_HASH_H
#define LM_HASH_H

#include "lm_runtime.h"

int lm_buffer_crc32(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
int lm_buffer_xxh3(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);

enum { LM_SHA256 = 32 /* bytes */ };
int lm_buffer_sha256(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, uint8_t *_Nonnull digest);

#endif
