/* State of a parser of format strings for packed data; see PackFormat.swift. */
#ifndef MM_FORMAT_H
#define MM_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mm_format {
  const char *_Nullable next; /* ends with a zero byte */
  int32_t alignment;          /* maximum alignment, in bytes */
  bool isLittle;
} mm_format;

#endif
