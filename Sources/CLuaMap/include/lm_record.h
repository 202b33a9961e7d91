/* Layouts, arrays of records and single records, as userdata. */
#ifndef LM_RECORD_H
#define LM_RECORD_H

#include "lm_runtime.h"
#include "lm_view.h"

/* What tells these userdata from others of the same size. */
extern const char lm_layout_kind, lm_records_kind, lm_record_kind;

/* Its user values are what LM_NAMES … say. */
typedef struct lm_layout {
  const void *_Nullable self, *_Nullable kind;
  uint64_t id; /* no two layouts of the process have the same */
  size_t size, alignment;
  int32_t depth; /* layouts inside layouts, this one included */
} lm_layout;

/* The user values of a layout. Nothing that they hold is trusted: the debug library can change it. */
enum {
  LM_NAMES = 1,    /* from a field's name to its mm_field as an integer, from a method's to a function */
  LM_RECORD_CLASS, /* the metatable of records */
  LM_FIELDS,       /* the fields' names, in order */
  LM_INNER         /* from a field's name to its layout */
};

/* Its user values: what keeps the mapping alive, the metatable of its records, its layout. */
typedef struct lm_records {
  const void *_Nullable self, *_Nullable kind;
  uint64_t layout; /* its id */
  mm_records records;
} lm_records;

/* No finalizer: it owns nothing, and a script may make millions. */
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

/* What a body may say beside LM_FAILED and LM_BYTES. */
enum {
  LM_PART = -16,    /* values[0]: the mm_field, which is an array or a record */
  LM_NO_FIELD = -17 /* no field has that name */
};

/* Layouts. `inner` is the field's layout, or NULL where it has a type of that name; a count of 0 means that
   there is none, an offset below 0 the same. */
int lm_layout_place(lm_call *_Nonnull call, mm_ruler *_Nonnull ruler, const char *_Nullable type, size_t length,
                    const lm_layout *_Nullable inner, int64_t count, int64_t offset, mm_field *_Nonnull field);
int lm_layout_finish(lm_call *_Nonnull call, const mm_ruler *_Nonnull ruler, int64_t size, lm_layout *_Nonnull layout);
const char *_Nonnull lm_type_name(int32_t type);

/* Bodies that fill in a new, closed userdata. */
int lm_buffer_records(lua_State *_Nonnull L, lm_call *_Nonnull call, size_t size, lm_records *_Nonnull target);
int lm_records_slice(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_records *_Nonnull target);
/* The record whose index is argument 2. */
int lm_records_get(lua_State *_Nonnull L, lm_call *_Nonnull call, lm_record *_Nonnull target);
/* The field of every record. */
int lm_records_column(lm_call *_Nonnull call, const mm_records *_Nonnull records, mm_field field,
                      lm_view *_Nonnull target);
int lm_records_inner(lm_call *_Nonnull call, const mm_records *_Nonnull records, size_t offset, size_t size,
                     lm_records *_Nonnull target);
/* The parts of one record. */
int lm_record_view(lm_call *_Nonnull call, const mm_region *_Nonnull record, mm_field field, lm_view *_Nonnull target);
int lm_record_inner(lm_call *_Nonnull call, const mm_region *_Nonnull record, mm_field field, size_t size,
                    lm_record *_Nonnull target);
int lm_record_records(lm_call *_Nonnull call, const mm_region *_Nonnull record, mm_field field, size_t size,
                      lm_records *_Nonnull target);

int lm_records_len(lua_State *_Nonnull L, lm_call *_Nonnull call);
int lm_record_index(lua_State *_Nonnull L, lm_call *_Nonnull call);
int lm_record_newindex(lua_State *_Nonnull L, lm_call *_Nonnull call);

/* A number or a string of a record; `offset` is added to the field's. */
int lm_field_load(lua_State *_Nonnull L, lm_call *_Nonnull call, const mm_region *_Nonnull record, size_t offset,
                  mm_field field);
int lm_field_store(lua_State *_Nonnull L, lm_call *_Nonnull call, const mm_region *_Nonnull record, size_t offset,
                   mm_field field, int value);

void lm_describe_records(const mm_region *_Nonnull region, lm_description *_Nonnull description);

#endif
