/* Records in memory that may fault: structures of fixed size, one after the other.
 *
 * One integer describes a field, so a layout is a table from names to integers. A wrong integer cannot cause an access
 * outside a record: every access compares the field with the record's length.
 */
#ifndef MM_FIELD_H
#define MM_FIELD_H

#include "mm_elements.h"

/* Bits 0 to 4: the type of a number. Bits 5 to 7: the kind. Bits 8 to 35: the offset in the record, in bytes. Bits 36
   to 63: the count, in bytes for strings and in elements for arrays. */
typedef uint64_t mm_field;

enum {
  MM_NUMBER,     /* one number */
  MM_CHARACTERS, /* a string without its trailing zero bytes */
  MM_BYTES,      /* a string of exactly `count` bytes */
  MM_NUMBERS,    /* an array of numbers */
  MM_RECORD,     /* a nested record */
  MM_RECORDS     /* an array of records */
};

/* Limit of bytes in a record and of elements in an array. */
enum { MM_LARGEST_RECORD = (1 << 28) - 1 };

static inline mm_field mm_make_field(int32_t kind, int32_t type, size_t offset, size_t count) {
  return (uint64_t)(type & 31) | (uint64_t)(kind & 7) << 5 | (uint64_t)(offset & MM_LARGEST_RECORD) << 8 |
         (uint64_t)count << 36;
}
static inline int32_t mm_field_type(mm_field f) { return (int32_t)(f & 31); }
static inline int32_t mm_field_kind(mm_field f) { return (int32_t)(f >> 5 & 7); }
static inline size_t mm_field_offset(mm_field f) { return f >> 8 & MM_LARGEST_RECORD; }
static inline size_t mm_field_count(mm_field f) { return f >> 36; }

/* The address of a number field in a record, or NULL: not a number, not inside the record, or the handle is not
   current. */
static inline uint8_t *_Nullable mm_place_of_field(const mm_region *_Nonnull record, mm_field f) {
  if (mm_unlikely(mm_field_kind(f) != MM_NUMBER) ||
      mm_unlikely(mm_field_offset(f) + mm_element_size(mm_field_type(f)) > record->length) ||
      mm_unlikely(record->slot->stamp != record->stamp))
    return NULL;
  return record->base + mm_field_offset(f);
}

/* State of the placement of fields in a record; see RecordLayout.swift. All values in bytes. */
typedef struct mm_ruler {
  size_t limit; /* maximum alignment of a field */
  size_t next;  /* end of the previous field */
  size_t end;   /* the greatest end of a field */
  size_t alignment;
} mm_ruler;

/* Records in a mapping, `stride` bytes apart. The region extends from the first byte of the first record to the last
   byte of the last one. */
typedef struct mm_records {
  mm_region region;
  size_t count;  /* records */
  size_t stride; /* bytes, at least `size` */
  size_t size;   /* bytes of a record, at least 1 */
} mm_records;

/* The record at index i; its base is NULL if i is out of range or the handle is not current. */
static inline mm_region mm_record_at(const mm_records *_Nonnull r, uint64_t i) {
  mm_region record = r->region;
  record.isWhole = false;
  if (mm_unlikely(i >= r->count) || mm_unlikely(record.slot->stamp != record.stamp)) {
    record.base = NULL;
    return record;
  }
  record.base += i * r->stride;
  record.offset += i * r->stride;
  record.length = r->size;
  return record;
}

#endif
