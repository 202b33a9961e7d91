/* Rows that go to the script one by one: t:rows(), and the arguments of its functions. */
#include "table.h"

const char lm_rows_kind;

static int rows_close(lua_State *L) {
  lm_rows *reader = lm_rows_at(L, 1);
  if (!reader) return luaL_typeerror(L, 1, "mmap.rows");
  lm_rows_release(reader);
  return 0;
}

/* The stack of a step: the reader, and what its plan keeps. */
enum { READER = 1, KEEP };

/* [-0, +0, e] Reads the next batch of the reader; false at the end. */
static bool read_batch(lua_State *L) {
  lm_rows *reader = lm_rows_at(L, READER);
  if (reader->is_reading) luaL_error(L, "a function of these rows asks for the next of them");
  if (!reader->object) return false;
  reader->is_reading = true;
  lm_outcome outcome;
  int code = LM_RUN(L, lm_rows_next(L, &outcome, KEEP, READER));
  /* A function of the script may have taken it from the stack. */
  lm_rows *again = lm_rows_at(L, READER);
  if (again == reader) reader->is_reading = false;
  if (code < 0) lm_raise_table(L, &outcome, code, KEEP);
  if (again != reader) luaL_error(L, "a function modified the stack");
  return code > 0;
}

/* One step. Upvalue 1 is the reader. */
static int rows_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lm_rows *reader = lm_rows_at(L, READER);
  if (!reader) return luaL_error(L, "this iterator's state is not its own");
  lua_getiuservalue(L, READER, 1);
  if (reader->place >= reader->count && !read_batch(L)) {
    lua_pushnil(L);
    return 1;
  }
  int32_t columns = reader->columns;
  luaL_checkstack(L, columns + LUA_MINSTACK, "too many columns");
  lua_pushinteger(L, reader->row);
  for (int32_t i = 0; i < columns; i++) {
    /* A finalizer may have closed them since the last value. */
    reader = lm_rows_at(L, READER);
    if (mm_unlikely(!reader || reader->place >= reader->count || i >= reader->columns))
      return luaL_error(L, "the rows were closed");
    lm_push_cell(L, &reader->vectors[i], reader->place);
  }
  reader = lm_rows_at(L, READER);
  if (mm_unlikely(!reader)) return luaL_error(L, "a finalizer modified the stack");
  reader->place++;
  reader->row++;
  return columns + 1;
}

/* for i, a, b in t:rows() do */
int lm_custom_table_rows(lua_State *L) {
  lm_check_table(L, 1);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lm_rows *reader = lm_new_kind(L, sizeof *reader, 1, &lm_rows_kind);
  lm_set_hidden(L, &lm_rows_kind);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_begin(L, &outcome, 2, reader));
  if (code < 0) return lm_raise_table(L, &outcome, code, 2);
  lua_pushvalue(L, 3);
  lua_pushcclosure(L, rows_next, 1);
  /* The fourth value: for closes the rows where it ends. */
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 3);
  return 4;
}

/* The call in progress. Not an argument: a script could keep that, and pass it again later. */
static _Thread_local lm_row_call *pending;

/* [-?, +0, e] Calls the function for each row. The arguments are the function and its row call's Lua table. */
static int walk(lua_State *L) {
  lm_row_call *call = pending;
  pending = NULL;
  if (!call || call->L != L) return luaL_error(L, "there are no rows");
  lua_settop(L, 1);
  luaL_checkstack(L, call->arguments + LUA_MINSTACK, "too many columns");
  for (size_t row = 0; row < call->count; row++) {
    lua_pushvalue(L, 1);
    for (int32_t i = 0; i < call->arguments; i++) lm_push_cell(L, &call->vectors[i], row);
    lua_call(L, call->arguments, 1);
    uint8_t kind = LM_CELL_OTHER;
    uint64_t word = 0;
    switch (lua_type(L, -1)) {
      case LUA_TNIL: kind = LM_CELL_NIL; break;
      case LUA_TBOOLEAN:
        kind = LM_CELL_BOOLEAN;
        word = lua_toboolean(L, -1) ? 1 : 0;
        break;
      case LUA_TNUMBER:
        if (lua_isinteger(L, -1)) {
          kind = LM_CELL_INTEGER;
          word = (uint64_t)lua_tointeger(L, -1);
        } else {
          kind = LM_CELL_FLOAT;
          word = mm_bits_of_double(lua_tonumber(L, -1));
        }
        break;
      case LUA_TSTRING: {
        size_t count;
        const char *bytes = lua_tolstring(L, -1, &count);
        kind = LM_CELL_STRING;
        if (!lm_call_string(call->owner, row, bytes, count)) return luaL_error(L, "not enough memory");
        break;
      }
      default: break;
    }
    call->kinds[row] = kind;
    call->words[row] = word;
    lua_settop(L, 1);
  }
  return 0;
}

bool lm_call_rows(lm_row_call *call) {
  lua_State *L = call->L;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lua_pushnil(L);
    return false;
  }
  lm_row_call *before = pending;
  lua_pushcfunction(L, walk);
  if (lua_type(L, call->keep) == LUA_TTABLE) lua_rawgeti(L, call->keep, call->function);
  else lua_pushnil(L);
  pending = call;
  int status = lua_pcall(L, 1, 0, 0);
  pending = before;
  return status == LUA_OK;
}

void lm_open_rows(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", rows_close}, {"__close", rows_close}, {NULL, NULL}};
  lm_open_hidden(L, &lm_rows_kind, metamethods);
}
