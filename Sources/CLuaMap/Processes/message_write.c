/* Writes messages for another process. */
#include "message.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* [-0, +0, e] Raises if a finalizer removed the child from the stack: its descriptor may be closed then. */
static void check_writer(lm_writer *w) {
  if (w->child && lm_child_at(w->L, w->place) != w->child) luaL_error(w->L, "a finalizer modified the stack");
}

/* [-0, +0, e] */
static int fail(lua_State *L, const char *what, int error) {
  lm_outcome outcome = {.kind = LM_SYSTEM, .error = error, .call = what, .text = "the message to the other process"};
  return lm_push_or_raise(L, &outcome, LM_FAILED);
}

/* [-0, +0, e] */
static void require_size(lm_writer *w, uint64_t size) {
  if (mm_may_have_size(size)) return;
  lm_outcome outcome = {.kind = LM_SYSTEM,
                        .error = EFBIG,
                        .call = "write",
                        .text = "the message to the other process exceeds the limit of file size (\"ulimit -f\")"};
  lm_push_or_raise(w->L, &outcome, LM_FAILED);
}

/* [-0, +0, e] */
static void store(lm_writer *w, const char *bytes, size_t count) {
  check_writer(w);
  size_t most = mm_budget_limit();
  if (w->size > most || count > most - w->size) fail(w->L, "write", ENOMEM);
  w->size += count;
  require_size(w, LM_HEADER_SIZE + w->size);
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
  require_size(w, sizeof header);
  ssize_t done;
  do done = pwrite(w->file, header, sizeof header, 0);
  while (done < 0 && errno == EINTR);
  if (done != sizeof header) fail(w->L, "pwrite", done < 0 ? errno : EIO);
}

/* [-0, +0, e] Raises: the value cannot be sent. */
static void refuse(lm_writer *w, const char *what) {
  if (w->argument > 0) luaL_argerror(w->L, w->argument, what);
  luaL_error(w->L, "result #%d of the child: %s", w->number, what);
}

static void put_string(lm_writer *w, int index) {
  size_t length;
  const char *bytes = lua_tolstring(w->L, index, &length);
  put_tag(w, T_STRING);
  put_integer(w, (int64_t)length);
  /* Nothing since lua_tolstring allocates in Lua, so the string still exists. */
  lm_write_bytes(w, bytes, length);
}

/* [-0, +0, e] The number of an object's mapping in the message; writes the mapping if it is new. */
static int put_mapping(lm_writer *w, int index) {
  lua_State *L = w->L;
  const mm_region *region = lm_region_at(L, index);
  check_writer(w);
  lm_child *child = w->child;
  if (mm_is_closed(region)) refuse(w, "attempt to use a closed buffer");
  for (int i = 0; i < child->count; i++)
    if (child->slots[i] == region->slot) return i;
  if (child->count == LM_MOST_MAPPINGS) refuse(w, lua_pushfstring(L, "more than %d mappings", (int)LM_MOST_MAPPINGS));
  const mm_slot *slot = region->slot;
  lm_mapping shared = {.offset = slot->file_offset,
                       .length = (int64_t)slot->length,
                       .protection = slot->protection,
                       .kind = slot->kind,
                       .keeps = slot->keeper > 0};
  lm_outcome outcome;
  int code = LM_RUN(L, lm_share(&outcome, region, &shared.descriptor));
  if (code < 0) {
    if (outcome.kind == LM_SYSTEM || outcome.kind == LM_LOST) {
      if (lua_type(L, 1) == LUA_TSTRING || lua_isfunction(L, 1)) {
        lm_push_path(L, index);
        lua_replace(L, 1); /* the path for the error object */
      }
      lm_push_or_raise(L, &outcome, code);
    }
    refuse(w, lm_push_text(L, &outcome, NULL));
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

/* [-0, +0, e] Writes a buffer, slice, view, or atomic on shared memory. */
static void put_shared(lm_writer *w, int index) {
  lua_State *L = w->L;
  if (!w->child) refuse(w, "a buffer cannot be a result; give the child shared memory to write into");
  int number = put_mapping(w, index);
  const lm_buffer *buffer = lm_buffer_at(L, index);
  const lm_view *view = lm_view_at(L, index);
  const lm_atomic *atomic = lm_atomic_at(L, index);
  const mm_region *region = lm_region_at(L, index);
  if (!region || !(buffer || view || atomic)) luaL_error(L, "a finalizer modified the stack");
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

/* [-0, +0, e] Writes a table by value. A table that was written before is written as its number, so that the reader
   gets the same table again. */
static void put_table(lm_writer *w, int index) {
  lua_State *L = w->L;
  luaL_checkstack(L, 8, "tables are nested too deep");
  if (!lua_istable(L, w->seen)) luaL_error(L, "a finalizer modified the stack");
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
    /* Checked each time: a finalizer can replace a value on the stack. */
    if (!lua_istable(L, index)) luaL_error(L, "a finalizer modified the stack");
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
  lm_pause_often(L);
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
      if (lm_region_at(L, index))
        refuse(w, "records cannot be sent: send their buffer, and make the records in the child");
      break;
    default: break;
  }
  const char *name =
      luaL_getmetafield(L, index, "__name") == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
  refuse(w, lua_pushfstring(L,
                            "a %s cannot be sent to another process, only nil, booleans, numbers, strings, plain "
                            "tables, and buffers, views and atomics on shared memory",
                            name));
}

/* lua_Writer: writes a piece of a dumped function after its length. A length of 0 ends the function. */
static int put_piece(lua_State *L, const void *bytes, size_t count, void *writer) {
  (void)L;
  if (count == 0) return 0;
  put_integer(writer, (int64_t)count);
  lm_write_bytes(writer, bytes, count);
  return 0;
}

/* [-0, +1, e] If the value on top is a loaded module, pushes its name, by which a child can require it; else nil. */
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
                      : lua_pushfstring(L,
                                        "the function has the upvalue '%s', which a child cannot have; pass it as an "
                                        "argument",
                                        name));
      put_tag(w, T_MODULE);
      put_string(w, lua_gettop(L));
    }
    lua_settop(L, function);
  }
  put_tag(w, T_END);
  lua_settop(L, function - 1);
}
