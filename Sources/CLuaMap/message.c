/* Values on their way from process to process. */
#include "message.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a value begins with. */
enum {
  T_NIL = 'z', T_FALSE = 'f', T_TRUE = 't', T_INTEGER = 'i', T_NUMBER = 'd', T_STRING = 's', T_TABLE = '{', T_END = '}',
  T_AGAIN = 'r', T_MAPPING = 'm', T_BUFFER = 'b', T_SLICE = 'l', T_VIEW = 'v', T_ATOMIC = 'a',
  T_GLOBALS = 'e', T_MODULE = 'q'
};

/* ---- writing */

/* [-0, +0, e] A finalizer may have taken the child from the stack, and its descriptor is closed then. */
static void check_writer(lm_writer *w) {
  if (w->child && lm_child_at(w->L, w->place) != w->child) luaL_error(w->L, "a finalizer was at the stack");
}

/* [-0, +0, e] */
static int fail(lua_State *L, const char *what, int error) {
  lm_call call = {.kind = LM_SYSTEM, .error = error, .call = what, .text = "the message to the other process"};
  return lm_finish(L, &call, LM_FAILED);
}

/* [-0, +0, e] */
static void store(lm_writer *w, const char *bytes, size_t count) {
  check_writer(w);
  size_t most = mm_budget_limit();
  if (w->size > most || count > most - w->size) fail(w->L, "write", ENOMEM);
  w->size += count;
  while (count > 0) {
    ssize_t done = write(w->file, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(w->L, "write", errno);
    bytes += done;
    count -= (size_t)done;
  }
}

static void flush(lm_writer *w) {
  size_t used = w->used;
  w->used = 0;
  if (used > 0) store(w, w->bytes, used);
}

void lm_write_bytes(lm_writer *w, const void *bytes, size_t count) {
  if (count > sizeof w->bytes - w->used) flush(w);
  if (count > sizeof w->bytes) {
    store(w, bytes, count);
    return;
  }
  memcpy(w->bytes + w->used, bytes, count);
  w->used += count;
}

static void put_tag(lm_writer *w, char tag) { lm_write_bytes(w, &tag, 1); }
static void put_integer(lm_writer *w, int64_t value) { lm_write_bytes(w, &value, sizeof value); }

void lm_write_begin(lm_writer *w) {
  w->size = w->used = 0;
  w->tables = w->depth = 0;
  if (ftruncate(w->file, 0) != 0 || lseek(w->file, LM_HEADER_SIZE, SEEK_SET) < 0) fail(w->L, "ftruncate", errno);
  lua_createtable(w->L, 0, 0);
  w->seen = lua_gettop(w->L);
}

void lm_write_end(lm_writer *w, uint64_t magic) {
  flush(w);
  check_writer(w);
  uint64_t header[2] = {magic, w->size};
  ssize_t done;
  do done = pwrite(w->file, header, sizeof header, 0);
  while (done < 0 && errno == EINTR);
  if (done != sizeof header) fail(w->L, "pwrite", done < 0 ? errno : EIO);
}

/* [-0, +0, e] Why a value cannot be sent. */
static void refuse(lm_writer *w, const char *what) {
  if (w->argument > 0) luaL_argerror(w->L, w->argument, what);
  luaL_error(w->L, "result #%d of the child: %s", w->number, what);
}

static void put_string(lm_writer *w, int index) {
  size_t length;
  const char *bytes = lua_tolstring(w->L, index, &length);
  put_tag(w, T_STRING);
  put_integer(w, (int64_t)length);
  /* Nothing between allocates in Lua: the string is still there. */
  lm_write_bytes(w, bytes, length);
}

/* [-0, +0, e] The number of a mapping among those of the message, which sends it if it is new. */
static int put_mapping(lm_writer *w, int index) {
  lua_State *L = w->L;
  const mm_region *region = lm_region_at(L, index);
  check_writer(w);
  lm_child *child = w->child;
  if (mm_is_closed(region)) refuse(w, "attempt to use a closed buffer");
  for (int i = 0; i < child->count; i++)
    if (child->slots[i] == region->slot) return i;
  if (child->count == LM_MOST_MAPPINGS)
    refuse(w, lua_pushfstring(L, "more than %d mappings", (int)LM_MOST_MAPPINGS));
  const mm_slot *slot = region->slot;
  lm_mapping shared = {.offset = slot->file_offset,
                       .length = (int64_t)slot->length,
                       .protection = slot->protection,
                       .kind = slot->kind,
                       .keeps = slot->keeper > 0};
  lm_call call;
  int code = LM_RUN(L, lm_share(&call, region, &shared.descriptor));
  if (code < 0) {
    if (call.kind == LM_SYSTEM || call.kind == LM_LOST) {
      if (lua_type(L, 1) == LUA_TSTRING || lua_isfunction(L, 1)) {
        lm_push_path(L, index);
        lua_replace(L, 1); /* the path for the error object */
      }
      lm_finish(L, &call, code);
    }
    refuse(w, lm_push_text(L, &call, NULL));
  }
  child->descriptors[child->count] = shared.descriptor;
  child->slots[child->count] = slot;
  int number = child->count++;
  put_tag(w, T_MAPPING);
  lm_write_bytes(w, &shared, sizeof shared);
  lm_push_path(L, index);
  lm_write_value(w, lua_gettop(L));
  lua_pop(L, 1);
  return number;
}

/* [-0, +0, e] What is on shared memory. */
static void put_shared(lm_writer *w, int index) {
  lua_State *L = w->L;
  if (!w->child) refuse(w, "a buffer cannot be a result; give the child shared memory to write into");
  int number = put_mapping(w, index);
  const lm_buffer *buffer = lm_buffer_at(L, index);
  const lm_view *view = lm_view_at(L, index);
  const lm_atomic *atomic = lm_atomic_at(L, index);
  const mm_region *region = lm_region_at(L, index);
  if (!region || !(buffer || view || atomic)) luaL_error(L, "a finalizer was at the stack");
  int64_t place[3] = {number, (int64_t)region->offset, (int64_t)region->length};
  put_tag(w, buffer ? (region->isWhole ? T_BUFFER : T_SLICE) : view ? T_VIEW : T_ATOMIC);
  if (view) {
    mm_elements e = view->elements;
    lm_write_bytes(w, place, sizeof place);
    int64_t shape[3] = {(int64_t)e.count, (int64_t)e.stride, e.type};
    lm_write_bytes(w, shape, sizeof shape);
  } else {
    int64_t type = atomic ? atomic->type : 0;
    lm_write_bytes(w, place, sizeof place);
    if (atomic) put_integer(w, type);
  }
}

/* [-0, +0, e] A table by value. One that comes again is the same one there. */
static void put_table(lm_writer *w, int index) {
  lua_State *L = w->L;
  luaL_checkstack(L, 8, "tables are nested too deep");
  if (!lua_istable(L, w->seen)) luaL_error(L, "a finalizer was at the stack");
  lua_pushvalue(L, index);
  if (lua_rawget(L, w->seen) == LUA_TNUMBER) {
    put_tag(w, T_AGAIN);
    put_integer(w, lua_tointeger(L, -1));
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  if (lua_getmetatable(L, index)) refuse(w, "a table with a metatable cannot be sent to another process");
  if (w->depth == LM_DEEPEST_TABLE)
    refuse(w, lua_pushfstring(L, "tables are nested more than %d deep", (int)LM_DEEPEST_TABLE));
  lua_pushvalue(L, index);
  lua_pushinteger(L, ++w->tables);
  lua_rawset(L, w->seen);
  w->depth++;
  put_tag(w, T_TABLE);
  lua_pushnil(L);
  for (;;) {
    /* Again each time: a finalizer may put anything into a stack. */
    if (!lua_istable(L, index)) luaL_error(L, "a finalizer was at the stack");
    if (!lua_next(L, index)) break;
    int key = lua_gettop(L) - 1;
    lm_write_value(w, key);
    lm_write_value(w, key + 1);
    lua_settop(L, key);
  }
  put_tag(w, T_END);
  w->depth--;
}

void lm_write_value(lm_writer *w, int index) {
  lua_State *L = w->L;
  if ((++w->values & 1023) == 0) lm_pause(L);
  switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL: put_tag(w, T_NIL); return;
    case LUA_TBOOLEAN: put_tag(w, lua_toboolean(L, index) ? T_TRUE : T_FALSE); return;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        int64_t value = lua_tointegerx(L, index, NULL);
        put_tag(w, T_INTEGER);
        put_integer(w, value);
      } else {
        double value = lua_tonumberx(L, index, NULL);
        put_tag(w, T_NUMBER);
        lm_write_bytes(w, &value, sizeof value);
      }
      return;
    case LUA_TSTRING: put_string(w, index); return;
    case LUA_TTABLE: {
      lua_pushvalue(L, index);
      int copy = lua_gettop(L);
      put_table(w, copy);
      lua_settop(L, copy - 1);
      return;
    }
    case LUA_TUSERDATA:
      if (lm_buffer_at(L, index) || lm_view_at(L, index) || lm_atomic_at(L, index)) {
        put_shared(w, index);
        return;
      }
      if (lm_region_at(L, index)) refuse(w, "records cannot be sent; send their buffer, and the child makes them");
      break;
    default: break;
  }
  const char *name = luaL_getmetafield(L, index, "__name") == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
  refuse(w, lua_pushfstring(L, "a %s cannot be sent to another process, only nil, booleans, numbers, strings, plain "
                               "tables, and buffers, views and atomics on shared memory", name));
}

/* Pieces of a function: their lengths in front, 0 at the end. */
static int put_piece(lua_State *L, const void *bytes, size_t count, void *writer) {
  (void)L;
  if (count == 0) return 0;
  put_integer(writer, (int64_t)count);
  lm_write_bytes(writer, bytes, count);
  return 0;
}

/* [-0, +1, e] Pushes the name of the loaded module on top, or nil: a child can require it. */
static void push_module_name(lua_State *L) {
  int value = lua_gettop(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE && !lua_isnil(L, value)) {
    for (lua_pushnil(L); lua_next(L, value + 1); lua_pop(L, 1)) {
      if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, value)) continue;
      lua_pop(L, 1);
      lua_replace(L, value + 1);
      lua_settop(L, value + 1);
      return;
    }
  }
  lua_settop(L, value);
  lua_pushnil(L);
}

void lm_write_function(lm_writer *w, int index) {
  lua_State *L = w->L;
  luaL_checkstack(L, 10, NULL);
  if (lua_iscfunction(L, index)) refuse(w, "a C function cannot be sent to another process, only one written in Lua");
  lua_pushvalue(L, index);
  int function = lua_gettop(L);
  if (lua_dump(L, put_piece, w, 0) != 0) luaL_error(L, "unable to dump the function");
  put_integer(w, 0);
  const char *name;
  for (int i = 1; lua_isfunction(L, function) && (name = lua_getupvalue(L, function, i)) != NULL; i++) {
    lua_pushglobaltable(L);
    bool is_globals = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (is_globals) {
      put_tag(w, T_GLOBALS);
    } else {
      push_module_name(L);
      if (lua_type(L, -1) != LUA_TSTRING)
        refuse(w, strcmp(name, "_ENV") == 0
                      ? "its _ENV is not the table of globals"
                      : lua_pushfstring(L, "the function has the upvalue '%s', which a child cannot have; pass it as an "
                                           "argument", name));
      put_tag(w, T_MODULE);
      put_string(w, lua_gettop(L));
    }
    lua_settop(L, function);
  }
  put_tag(w, T_END);
  lua_settop(L, function - 1);
}

/* ---- reading */

/* [-0, +0, e] */
static bool refill(lm_reader *r) {
  if (r->child && lm_child_at(r->L, r->place) != r->child) luaL_error(r->L, "a finalizer was at the stack");
  uint64_t rest = r->size - r->position;
  size_t wanted = rest < sizeof r->bytes ? (size_t)rest : sizeof r->bytes;
  r->used = r->filled = 0;
  if (wanted == 0) return false;
  ssize_t done;
  do done = pread(r->file, r->bytes, wanted, (off_t)(LM_HEADER_SIZE + r->position));
  while (done < 0 && errno == EINTR);
  if (done <= 0) return false;
  r->filled = (size_t)done;
  r->position += (size_t)done;
  return true;
}

bool lm_read_bytes(lm_reader *r, void *bytes, size_t count) {
  char *target = bytes;
  while (count > 0) {
    if (r->used == r->filled && !refill(r)) return false;
    size_t part = r->filled - r->used < count ? r->filled - r->used : count;
    memcpy(target, r->bytes + r->used, part);
    r->used += part;
    target += part;
    count -= part;
  }
  return true;
}

static bool get_integer(lm_reader *r, int64_t *value) { return lm_read_bytes(r, value, sizeof *value); }

bool lm_read_begin(lm_reader *r, uint64_t magic, bool with_mappings) {
  uint64_t header[2] = {0, 0};
  struct stat status;
  r->position = r->size = 0;
  r->used = r->filled = 0;
  r->depth = r->tables_count = r->mappings_count = 0;
  lua_createtable(r->L, 0, 0);
  r->tables = lua_gettop(r->L);
  lua_createtable(r->L, 0, 0);
  r->mappings = with_mappings ? lua_gettop(r->L) : 0;
  if (r->child && lm_child_at(r->L, r->place) != r->child) luaL_error(r->L, "a finalizer was at the stack");
  if (fstat(r->file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < LM_HEADER_SIZE ||
      pread(r->file, header, sizeof header, 0) != sizeof header || header[0] != magic ||
      header[1] != (uint64_t)status.st_size - LM_HEADER_SIZE)
    return false;
  r->size = header[1];
  return true;
}

static bool get_string(lm_reader *r) {
  int64_t length;
  if (!get_integer(r, &length)) return false;
  uint64_t rest = r->size - r->position + (r->filled - r->used);
  if (length < 0 || (uint64_t)length > rest) return false;
  luaL_Buffer text;
  char *bytes = luaL_buffinitsize(r->L, &text, (size_t)length);
  if (!lm_read_bytes(r, bytes, (size_t)length)) {
    luaL_pushresultsize(&text, 0);
    lua_pop(r->L, 1);
    return false;
  }
  luaL_pushresultsize(&text, (size_t)length);
  return true;
}

/* [-0, +1, e] The value of a table by its number. */
static bool push_numbered(lm_reader *r, int table, int64_t number, int count) {
  if (number < 0 || number >= count || !lua_istable(r->L, table)) return false;
  lua_rawgeti(r->L, table, number + 1);
  return true;
}

/* [-1, +1, e] Gives the value on top a number. */
static bool keep_numbered(lm_reader *r, int table, int *count) {
  if (!lua_istable(r->L, table)) return false;
  lua_pushvalue(r->L, -1);
  lua_rawseti(r->L, table, ++*count);
  return true;
}

static bool get_table(lm_reader *r) {
  lua_State *L = r->L;
  if (r->depth == LM_DEEPEST_TABLE) return false;
  luaL_checkstack(L, 8, NULL);
  lua_createtable(L, 0, 0);
  int table = lua_gettop(L);
  if (!keep_numbered(r, r->tables, &r->tables_count)) return false;
  r->depth++;
  for (;;) {
    char tag;
    if (!lm_read_bytes(r, &tag, 1)) return false;
    if (tag == T_END) break;
    r->used--;
    if (!lm_read_value(r) || !lm_read_value(r)) return false;
    bool is_key = !lua_isnil(L, -2) && !(lua_type(L, -2) == LUA_TNUMBER && isnan(lua_tonumberx(L, -2, NULL)));
    if (!is_key || lua_gettop(L) != table + 2 || !lua_istable(L, table)) return false;
    lua_rawset(L, table);
  }
  r->depth--;
  return true;
}

/* [-0, +0, e] */
static bool get_mapping(lm_reader *r) {
  lua_State *L = r->L;
  lm_mapping shared;
  if (!lm_read_bytes(r, &shared, sizeof shared)) return false;
  lm_buffer *buffer = lm_new_buffer(L);
  int place = lua_gettop(L);
  if (!lm_read_value(r)) return false;
  if (lm_buffer_at(L, place) != buffer || !lua_istable(L, r->mappings)) return false;
  lua_setiuservalue(L, place, 1);
  lm_call call;
  int code = LM_RUN(L, lm_adopt(&call, buffer, &shared));
  if (code < 0) lm_finish(L, &call, code);
  bool done = keep_numbered(r, r->mappings, &r->mappings_count);
  lua_pop(L, 1);
  return done;
}

/* [-0, +1, e] What is on a mapping that has come before. */
static bool get_shared(lm_reader *r, char tag) {
  lua_State *L = r->L;
  int64_t place[3], shape[3] = {0, 0, 0};
  if (!lm_read_bytes(r, place, sizeof place)) return false;
  if (tag == T_VIEW && !lm_read_bytes(r, shape, sizeof shape)) return false;
  if (tag == T_ATOMIC && !get_integer(r, &shape[2])) return false;
  if (!push_numbered(r, r->mappings, place[0], r->mappings_count)) return false;
  if (tag == T_BUFFER) return true;
  int whole = lua_gettop(L);
  lm_buffer *slice = NULL;
  lm_view *view = NULL;
  lm_atomic *atomic = NULL;
  if (tag == T_SLICE) slice = lm_new_buffer(L);
  else if (tag == T_VIEW) view = lm_new_view(L);
  else atomic = lm_new_atomic(L);
  lm_keep_mapping(L, whole);
  lm_buffer *buffer = lm_buffer_at(L, whole);
  if (!buffer) return false;
  lm_call call;
  mm_region part;
  int code = lm_part(&call, buffer, place[1], place[2], &part);
  if (code < 0) lm_finish(L, &call, code);
  if (slice) slice->region = part;
  if (view) view->elements = (mm_elements){.region = part, .count = (size_t)shape[0], .stride = (size_t)shape[1], .type = (int32_t)shape[2]};
  if (atomic) {
    atomic->region = part;
    atomic->type = (int32_t)shape[2];
  }
  lua_remove(L, whole);
  return true;
}

bool lm_read_value(lm_reader *r) {
  lua_State *L = r->L;
  char tag;
  int64_t integer;
  double number;
  luaL_checkstack(L, 6, NULL);
  while (lm_read_bytes(r, &tag, 1)) {
    switch (tag) {
      case T_NIL: lua_pushnil(L); return true;
      case T_FALSE: lua_pushboolean(L, 0); return true;
      case T_TRUE: lua_pushboolean(L, 1); return true;
      case T_INTEGER:
        if (!get_integer(r, &integer)) return false;
        lua_pushinteger(L, integer);
        return true;
      case T_NUMBER:
        if (!lm_read_bytes(r, &number, sizeof number)) return false;
        lua_pushnumber(L, number);
        return true;
      case T_STRING: return get_string(r);
      case T_TABLE: return get_table(r);
      case T_AGAIN: return get_integer(r, &integer) && push_numbered(r, r->tables, integer - 1, r->tables_count);
      case T_MAPPING:
        if (!r->mappings || !get_mapping(r)) return false;
        continue;
      case T_BUFFER:
      case T_SLICE:
      case T_VIEW:
      case T_ATOMIC: return r->mappings && get_shared(r, tag);
      default: return false;
    }
  }
  return false;
}

typedef struct {
  lm_reader *reader;
  int64_t rest; /* of the piece */
  char bytes[1024];
} pieces;

static const char *next_piece(lua_State *L, void *data, size_t *count) {
  (void)L;
  pieces *p = data;
  *count = 0;
  if (p->rest == 0 && (!get_integer(p->reader, &p->rest) || p->rest <= 0)) return NULL;
  *count = p->rest < (int64_t)sizeof p->bytes ? (size_t)p->rest : sizeof p->bytes;
  if (!lm_read_bytes(p->reader, p->bytes, *count)) return NULL;
  p->rest -= (int64_t)*count;
  return p->bytes;
}

bool lm_read_function(lm_reader *r) {
  lua_State *L = r->L;
  pieces p = {.reader = r};
  if (lua_load(L, next_piece, &p, "=spawn", "b") != LUA_OK) lua_error(L);
  int function = lua_gettop(L);
  int64_t end;
  /* The loader takes exactly what it needs, and what it needs is all there is. */
  if (p.rest != 0 || !get_integer(r, &end) || end != 0) return false;
  for (int i = 1;; i++) {
    char tag;
    if (!lm_read_bytes(r, &tag, 1)) return false;
    if (tag == T_END) return true;
    if (tag == T_GLOBALS) {
      lua_pushglobaltable(L);
    } else {
      lua_getglobal(L, "require");
      if (tag != T_MODULE || !lm_read_value(r)) return false;
      lua_call(L, 1, 1);
    }
    if (!lua_setupvalue(L, function, i)) return false;
  }
}
