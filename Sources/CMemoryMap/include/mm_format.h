/* Where a reader of a format string for packed data is; see PackFormat.swift. */
#ifndef MM_FORMAT_H
#define MM_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mm_format {
  const char *_Nullable next; /* ends with a zero byte */
  int32_t alignment;          /* the most that is asked for, bytes */
  bool isLittle;
} mm_format;

#endif
