/* Loads and stores of many numbers: one loop per type, without a switch inside the loop. */
#include "CMemoryMap.h"

/* clang-format off */
#define EACH_TYPE(DO) \
  DO(MM_U8) DO(MM_I8) DO(MM_U16) DO(MM_I16) DO(MM_U32) DO(MM_I32) DO(MM_U64) DO(MM_I64) DO(MM_F32) DO(MM_F64) \
  DO(MM_F16) DO(MM_BF16) DO(MM_F16 | MM_SWAPPED) DO(MM_BF16 | MM_SWAPPED) \
  DO(MM_U16 | MM_SWAPPED) DO(MM_I16 | MM_SWAPPED) DO(MM_U32 | MM_SWAPPED) DO(MM_I32 | MM_SWAPPED) \
  DO(MM_U64 | MM_SWAPPED) DO(MM_I64 | MM_SWAPPED) DO(MM_F32 | MM_SWAPPED) DO(MM_F64 | MM_SWAPPED)
/* clang-format on */

void mm_load_numbers(const uint8_t *place, size_t stride, size_t count, int32_t type, uint64_t *bits) {
  switch (type) {
#define LOAD(T)                                                                                                        \
  case T:                                                                                                              \
    for (size_t i = 0; i < count; i++) bits[i] = mm_load_number(place + i * stride, T);                                \
    break;
    EACH_TYPE(LOAD)
    default: break;
  }
}

void mm_store_numbers(uint8_t *place, size_t stride, size_t count, int32_t type, const uint64_t *bits) {
  switch (type) {
#define STORE(T)                                                                                                       \
  case T:                                                                                                              \
    for (size_t i = 0; i < count; i++) mm_store_number(place + i * stride, T, bits[i]);                                \
    break;
    EACH_TYPE(STORE)
    default: break;
  }
}
