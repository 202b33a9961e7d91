/* Reads messages of another process, and checks all lengths and numbers in them. */
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* [-0, +0, e] */
static bool refill(lm_reader *r) {
  if (r->child && lm_child_at(r->L, r->place) != r->child) luaL_error(r->L, "a finalizer modified the stack");
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
  if (r->child && lm_child_at(r->L, r->place) != r->child) luaL_error(r->L, "a finalizer modified the stack");
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

/* [-0, +1, e] Pushes the value with this number from the array `table`. */
static bool push_numbered(lm_reader *r, int table, int64_t number, int count) {
  if (number < 0 || number >= count || !lua_istable(r->L, table)) return false;
  lua_rawgeti(r->L, table, number + 1);
  return true;
}

/* [-1, +1, e] Appends the value on top to the array `table`. */
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
  /* Accept only an inherited descriptor, because it is closed later: this process's own descriptors have FD_CLOEXEC. */
  int flags = shared.descriptor < 3 ? -1 : fcntl(shared.descriptor, F_GETFD);
  if (flags < 0 || flags & FD_CLOEXEC || shared.offset < 0 || shared.length <= 0) return false;
  lm_buffer *buffer = lm_new_buffer(L);
  int place = lua_gettop(L);
  if (!lm_read_value(r)) return false;
  if (lm_buffer_at(L, place) != buffer || !lua_istable(L, r->mappings)) return false;
  lua_setiuservalue(L, place, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_adopt(&outcome, buffer, &shared));
  if (code < 0) lm_push_or_raise(L, &outcome, code);
  bool done = keep_numbered(r, r->mappings, &r->mappings_count);
  lua_pop(L, 1);
  return done;
}

/* [-0, +1, e] Pushes a buffer, slice, view, or atomic on a mapping that was read before. */
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
  const lm_buffer *buffer = lm_buffer_at(L, whole);
  if (!buffer) return false;
  lm_outcome outcome;
  int code = slice  ? lm_share_slice(&outcome, buffer, place, slice)
             : view ? lm_share_view(&outcome, buffer, place, shape, view)
                    : lm_share_atomic(&outcome, buffer, place, shape[2], atomic);
  if (code < 0) lm_push_or_raise(L, &outcome, code);
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
  int64_t rest; /* unread bytes of the piece */
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
  /* The loader reads exactly what it needs: the last piece must be used up, and the end must follow. */
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
