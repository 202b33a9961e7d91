/* Layouts, arrays of records and single records, as userdata. */
#ifndef LM_RECORD_H
#define LM_RECORD_H

#include "lm_runtime.h"
#include "lm_view.h"

/* Marks of these types: they tell these userdata from others of the same size. */
extern const char lm_layout_kind, lm_records_kind, lm_record_kind;

/* Its user values are LM_NAMES …, below. */
typedef struct lm_layout {
  const void *_Nullable self, *_Nullable kind;
  uint64_t id; /* unique in the process */
  size_t size, alignment;
  int32_t depth; /* levels of nested layouts, this one included */
} lm_layout;

/* The user values of a layout. Their contents are checked at each use: the debug library can change them. */
enum {
  LM_NAMES = 1,    /* maps a field's name to its mm_field as an integer, and a method's name to its function */
  LM_RECORD_CLASS, /* the metatable of records */
  LM_FIELDS,       /* the fields' names, in order */
  LM_INNER         /* maps a field's name to its layout */
};

/* Its user values: the buffer that owns the mapping, the metatable of its records, its layout. */
typedef struct lm_records {
  const void *_Nullable self, *_Nullable kind;
  uint64_t layout; /* its id */
  mm_records records;
} lm_records;

/* It has no finalizer, because it owns nothing and a script may make millions. */
typedef struct lm_record {
  const void *_Nullable self, *_Nullable kind;
  uint64_t layout; /* its id */
  mm_region region;
} lm_record;

/* [-0, +0, –] The userdata at an index, or NULL. */
static inline lm_layout *_Nullable lm_layout_at(lua_State *_Nonnull L, int index) {
  return (lm_layout *)lm_kind_at(L, index, sizeof(lm_layout), &lm_layout_kind);
}
static inline lm_records *_Nullable lm_records_at(lua_State *_Nonnull L, int index) {
  return (lm_records *)lm_kind_at(L, index, sizeof(lm_records), &lm_records_kind);
}
static inline lm_record *_Nullable lm_record_at(lua_State *_Nonnull L, int index) {
  return (lm_record *)lm_kind_at(L, index, sizeof(lm_record), &lm_record_kind);
}

/* Further negative codes of bodies, beside LM_FAILED and LM_BYTES. */
enum {
  LM_PART = -16,    /* the field is an array or a record; values[0]: its mm_field */
  LM_NO_FIELD = -17 /* no field has that name */
};

/* Adds a field to a layout. `inner` is the field's layout, or NULL if the field has the type named `type`. A count of 0
   means no count, and a negative offset no offset. */
int lm_layout_place(lm_outcome *_Nonnull outcome, mm_ruler *_Nonnull ruler, const char *_Nullable type, size_t length,
                    const lm_layout *_Nullable inner, int64_t count, int64_t offset, mm_field *_Nonnull field);
int lm_layout_finish(lm_outcome *_Nonnull outcome, const mm_ruler *_Nonnull ruler, int64_t size,
                     lm_layout *_Nonnull layout);
const char *_Nonnull lm_type_name(int32_t type);

/* Bodies that fill in a new, closed userdata. */
int lm_buffer_records(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, size_t size, lm_records *_Nonnull target);
int lm_records_slice(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_records *_Nonnull target);
/* The record whose index is argument 2. */
int lm_records_get(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, lm_record *_Nonnull target);
/* A view of one field of all records. */
int lm_records_column(lm_outcome *_Nonnull outcome, const mm_records *_Nonnull records, mm_field field,
                      lm_view *_Nonnull target);
int lm_records_inner(lm_outcome *_Nonnull outcome, const mm_records *_Nonnull records, size_t offset, size_t size,
                     lm_records *_Nonnull target);
/* The parts of one record. */
int lm_record_view(lm_outcome *_Nonnull outcome, const mm_region *_Nonnull record, mm_field field,
                   lm_view *_Nonnull target);
int lm_record_inner(lm_outcome *_Nonnull outcome, const mm_region *_Nonnull record, mm_field field, size_t size,
                    lm_record *_Nonnull target);
int lm_record_records(lm_outcome *_Nonnull outcome, const mm_region *_Nonnull record, mm_field field, size_t size,
                      lm_records *_Nonnull target);

int lm_records_len(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
int lm_record_index(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);
int lm_record_newindex(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);

/* Loads or stores a field that is a number or a string; `offset` is added to the field's offset. */
int lm_field_load(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const mm_region *_Nonnull record, size_t offset,
                  mm_field field);
int lm_field_store(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const mm_region *_Nonnull record, size_t offset,
                   mm_field field, int value);

/* A sort key: a field that is a number or characters. */
typedef struct lm_sort_field {
  mm_field field;
  bool is_descending;
} lm_sort_field;
int lm_records_sort(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome, const lm_sort_field *_Nonnull fields,
                    size_t count);
int lm_records_gather(lua_State *_Nonnull L, lm_outcome *_Nonnull outcome);

void lm_describe_records(const mm_region *_Nonnull region, lm_description *_Nonnull description);

#endif
