/* Numbers in memory that may fault: any type and byte order, at any address.
 *
 * A number is passed as 64 bits: an integer extended to int64_t, a float converted to a double. So only loads and
 * stores switch on the type.
 */
#ifndef MM_ELEMENTS_H
#define MM_ELEMENTS_H

#include <math.h>
#include <string.h>

#include "mm_guard.h"

/* Bits of a type: bit 0 means signed, bits 1 and 2 are the size of an integer as a power of two, MM_FLOAT means a
   float, MM_SWAPPED the opposite of the machine's byte order. */
enum {
  MM_U8,
  MM_I8,
  MM_U16,
  MM_I16,
  MM_U32,
  MM_I32,
  MM_U64,
  MM_I64,
  MM_F32,
  MM_F64,
  MM_F16,
  MM_BF16,
  MM_FLOAT = 8,
  MM_SWAPPED = 16
};

/* Numbers of one type in a mapping, `stride` bytes apart. The region extends from the first byte of the first number
   to the last byte of the last one. */
typedef struct mm_elements {
  mm_region region;
  size_t count;  /* elements */
  size_t stride; /* bytes, at least 1; elements overlap if less than their size */
  int32_t type;
} mm_elements;

/* The size of an element, in bytes. */
static inline size_t mm_element_size(int32_t type) {
  int32_t kind = type & 15;
  if (kind < MM_FLOAT) return (size_t)1 << (kind >> 1);
  return kind == MM_F64 ? 8 : kind == MM_F32 ? 4 : 2;
}

typedef volatile uint16_t __attribute__((aligned(1), may_alias)) mm_word16;
typedef volatile uint32_t __attribute__((aligned(1), may_alias)) mm_word32;
typedef volatile uint64_t __attribute__((aligned(1), may_alias)) mm_word64;

static inline uint16_t mm_load16(const void *_Nonnull p) { return *(const mm_word16 *)p; }
static inline uint32_t mm_load32(const void *_Nonnull p) { return *(const mm_word32 *)p; }
static inline uint64_t mm_load64(const void *_Nonnull p) { return *(const mm_word64 *)p; }

static inline uint64_t mm_bits_of_double(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double mm_double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t mm_widen_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return mm_bits_of_double(value);
}

static inline uint32_t mm_narrow_float(uint64_t bits) {
  float value = (float)mm_double_of_bits(bits);
  uint32_t result;
  memcpy(&result, &value, sizeof result);
  return result;
}

/* f16, binary16 of IEEE 754, as a double: exact. */
static inline uint64_t mm_widen_half(uint16_t half) {
  uint64_t sign = (uint64_t)(half & 0x8000) << 48, fraction = half & 0x3ff;
  uint64_t exponent = half >> 10 & 31;
  if (exponent == 31) return sign | (uint64_t)0x7ff << 52 | fraction << 42 | (uint64_t)(fraction != 0) << 51;
  if (exponent != 0) return sign | (exponent + 1023 - 15) << 52 | fraction << 42;
  return sign | mm_bits_of_double((double)fraction * 0x1p-24);
}

/* bf16, the upper half of a binary32. */
static inline uint64_t mm_widen_brain(uint16_t brain) { return mm_widen_float((uint32_t)brain << 16); }

/* The nearest float of 16 bits, of two the even one; `digits` of them are its fraction. In one rounding: by way of
   binary32 there would be two. */
static inline uint16_t mm_narrow16(uint64_t bits, int digits, int bias) {
  uint16_t sign = (uint16_t)(bits >> 48 & 0x8000), infinity = (uint16_t)(0x7fff >> digits << digits);
  uint64_t magnitude = bits & ~((uint64_t)1 << 63), fraction = bits & (((uint64_t)1 << 52) - 1);
  if (magnitude > (uint64_t)0x7ff << 52)
    return (uint16_t)(sign | infinity | 1 << (digits - 1) | (int)(fraction >> (52 - digits)));
  int exponent = (int)(magnitude >> 52) - 1023 + bias, shift = 52 - digits;
  if (exponent >= infinity >> digits) return sign | infinity;
  uint64_t value = (uint64_t)exponent << 52 | fraction;
  if (exponent <= 0) {
    shift += 1 - exponent;
    if (shift > 53) return sign;
    value = (uint64_t)1 << 52 | fraction;
  }
  /* The carry goes on into the exponent, up to infinity. */
  return (uint16_t)(sign | ((value + ((uint64_t)1 << (shift - 1)) - 1 + (value >> shift & 1)) >> shift));
}

static inline uint16_t mm_narrow_half(uint64_t bits) { return mm_narrow16(bits, 10, 15); }
static inline uint16_t mm_narrow_brain(uint64_t bits) { return mm_narrow16(bits, 7, 127); }

/* The number at `p`. Call mm_was_intact after the access. */
static inline uint64_t mm_load_number(const uint8_t *_Nonnull p, int32_t type) {
  switch (type) {
    case MM_U8: return *(volatile const uint8_t *)p;
    case MM_I8: return (uint64_t)(int64_t)*(volatile const int8_t *)p;
    case MM_U16: return mm_load16(p);
    case MM_I16: return (uint64_t)(int64_t)(int16_t)mm_load16(p);
    case MM_U32: return mm_load32(p);
    case MM_I32: return (uint64_t)(int64_t)(int32_t)mm_load32(p);
    case MM_U64:
    case MM_I64:
    case MM_F64: return mm_load64(p);
    case MM_F32: return mm_widen_float(mm_load32(p));
    case MM_F16: return mm_widen_half(mm_load16(p));
    case MM_BF16: return mm_widen_brain(mm_load16(p));
    case MM_U16 | MM_SWAPPED: return __builtin_bswap16(mm_load16(p));
    case MM_I16 | MM_SWAPPED: return (uint64_t)(int64_t)(int16_t)__builtin_bswap16(mm_load16(p));
    case MM_U32 | MM_SWAPPED: return __builtin_bswap32(mm_load32(p));
    case MM_I32 | MM_SWAPPED: return (uint64_t)(int64_t)(int32_t)__builtin_bswap32(mm_load32(p));
    case MM_U64 | MM_SWAPPED:
    case MM_I64 | MM_SWAPPED:
    case MM_F64 | MM_SWAPPED: return __builtin_bswap64(mm_load64(p));
    case MM_F32 | MM_SWAPPED: return mm_widen_float(__builtin_bswap32(mm_load32(p)));
    case MM_F16 | MM_SWAPPED: return mm_widen_half(__builtin_bswap16(mm_load16(p)));
    case MM_BF16 | MM_SWAPPED: return mm_widen_brain(__builtin_bswap16(mm_load16(p)));
    default: return 0;
  }
}

/* Writes the number, truncated to the type: call mm_fits before. Call mm_was_intact after the access. */
static inline void mm_store_number(uint8_t *_Nonnull p, int32_t type, uint64_t bits) {
  switch (type) {
    case MM_U8:
    case MM_I8: *(volatile uint8_t *)p = (uint8_t)bits; break;
    case MM_U16:
    case MM_I16: *(mm_word16 *)p = (uint16_t)bits; break;
    case MM_U32:
    case MM_I32: *(mm_word32 *)p = (uint32_t)bits; break;
    case MM_U64:
    case MM_I64:
    case MM_F64: *(mm_word64 *)p = bits; break;
    case MM_F32: *(mm_word32 *)p = mm_narrow_float(bits); break;
    case MM_F16: *(mm_word16 *)p = mm_narrow_half(bits); break;
    case MM_BF16: *(mm_word16 *)p = mm_narrow_brain(bits); break;
    case MM_U16 | MM_SWAPPED:
    case MM_I16 | MM_SWAPPED: *(mm_word16 *)p = __builtin_bswap16((uint16_t)bits); break;
    case MM_U32 | MM_SWAPPED:
    case MM_I32 | MM_SWAPPED: *(mm_word32 *)p = __builtin_bswap32((uint32_t)bits); break;
    case MM_U64 | MM_SWAPPED:
    case MM_I64 | MM_SWAPPED:
    case MM_F64 | MM_SWAPPED: *(mm_word64 *)p = __builtin_bswap64(bits); break;
    case MM_F32 | MM_SWAPPED: *(mm_word32 *)p = __builtin_bswap32(mm_narrow_float(bits)); break;
    case MM_F16 | MM_SWAPPED: *(mm_word16 *)p = __builtin_bswap16(mm_narrow_half(bits)); break;
    case MM_BF16 | MM_SWAPPED: *(mm_word16 *)p = __builtin_bswap16(mm_narrow_brain(bits)); break;
    default: break;
  }
}

/* Whether a number (an int64_t, or the bits of a double for a float type) fits the type. Every int64_t fits u64: 2^64
   is added to a negative one, as in string.pack. A finite double that overflows to infinity as f32, f16, or
   bf16 does not fit. */
static inline bool mm_fits(int32_t type, uint64_t bits) {
  if (type & MM_FLOAT) {
    if (mm_likely((type & 15) == MM_F64)) return true;
    double value = mm_double_of_bits(bits);
    if ((type & 15) == MM_F32) return !isinf((float)value) || isinf(value);
    /* Half a unit above the greatest, which would be rounded to infinity. */
    return !(fabs(value) >= ((type & 15) == MM_F16 ? 0x1.ffep15 : 0x1.ffp127)) || isinf(value);
  }
  int unused = 64 - (8 << ((type & 6) >> 1));
  return type & 1 ? (uint64_t)((int64_t)(bits << unused) >> unused) == bits : (bits << unused) >> unused == bits;
}

/* The address of an element, or NULL: out of range, or the handle is not current. */
static inline uint8_t *_Nullable mm_place_of(const mm_elements *_Nonnull e, uint64_t i) {
  if (mm_unlikely(i >= e->count) || mm_unlikely(e->region.slot->stamp != e->region.stamp)) return NULL;
  return e->region.base + i * e->stride;
}

/* Whether elements share bytes with their neighbors. Overlapping elements are read-only. */
static inline bool mm_overlap(const mm_elements *_Nonnull e) { return e->stride < mm_element_size(e->type); }

/* Load and store `count` numbers, `stride` bytes apart. Call mm_was_intact after the access. */
void mm_load_numbers(const uint8_t *_Nonnull place, size_t stride, size_t count, int32_t type, uint64_t *_Nonnull bits);
void mm_store_numbers(uint8_t *_Nonnull place, size_t stride, size_t count, int32_t type,
                      const uint64_t *_Nonnull bits);

#endif
