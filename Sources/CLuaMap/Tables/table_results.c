/* Results of tables that become Lua values, and the class's metamethods. */
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"

const char lm_frame_kind;

void lm_open_hidden(lua_State *L, const char *kind, const luaL_Reg *metamethods) {
  lua_createtable(L, 0, 3);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, kind);
}

void lm_set_hidden(lua_State *L, const char *kind) {
  /* A script may have changed the registry (debug.getregistry). */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, kind) != LUA_TTABLE) luaL_error(L, "a metatable of tables is gone");
  lua_setmetatable(L, -2);
}

lm_frame *lm_new_frame(lua_State *L) {
  lm_frame *frame = lm_new_kind(L, sizeof *frame, 0, &lm_frame_kind);
  lm_set_hidden(L, &lm_frame_kind);
  return frame;
}

lm_frame *lm_check_frame(lua_State *L, int index) {
  lm_frame *frame = lm_frame_at(L, index);
  if (mm_unlikely(!frame)) luaL_error(L, "a finalizer modified the stack");
  return frame;
}

static int frame_close(lua_State *L) {
  lm_frame *frame = lm_frame_at(L, 1);
  if (!frame) return luaL_typeerror(L, 1, "mmap.frame");
  lm_frame_release(frame);
  return 0;
}

/* The stack of a result: the table, at most one argument, what the plan keeps, and the rows. */
enum { TABLE = 1, ARGUMENT, KEEP, FRAME, RESULT };

/* [-?, +0, e] */
static void prepare(lua_State *L) {
  lm_check_table(L, TABLE);
  lua_settop(L, ARGUMENT);
  lua_getiuservalue(L, TABLE, 1);
  lm_new_frame(L);
}

/* [-0, +1, e] Pushes the value of a column in a row of the frame; false for nil. */
static bool push_value(lua_State *L, int32_t column, size_t row) {
  const lm_frame *frame = lm_check_frame(L, FRAME);
  if (column < 0 || column >= frame->columns || row >= frame->count) luaL_error(L, "a finalizer modified the stack");
  lm_push_cell(L, &frame->vectors[column], row);
  return !lua_isnil(L, -1);
}

int lm_custom_table_totable(lua_State *L) {
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_collect(L, &outcome, KEEP, 0, lm_check_frame(L, FRAME)));
  if (code < 0) return lm_raise_table(L, &outcome, code, KEEP);
  size_t count = lm_check_frame(L, FRAME)->count;
  int32_t columns = lm_check_frame(L, FRAME)->columns;
  lm_push_table(L, count);
  /* The names once, since each row has them. */
  luaL_checkstack(L, columns + LUA_MINSTACK, "too many columns");
  for (int32_t i = 0; i < columns; i++) {
    lm_column column;
    if (!lm_frame_column_at(lm_check_frame(L, FRAME), i, &column)) break;
    lua_pushlstring(L, column.name, column.count);
  }
  int top = RESULT + columns;
  for (size_t row = 0; row < count; row++) {
    lm_pause_often(L);
    lua_settop(L, top);
    lua_createtable(L, 0, columns);
    for (int32_t i = 0; i < columns; i++) {
      lua_pushvalue(L, RESULT + 1 + i);
      if (push_value(L, i, row)) lm_rawset(L, top + 1);
      lua_settop(L, top + 1);
    }
    lm_rawseti(L, RESULT, (lua_Integer)row + 1);
  }
  lm_frame_release(lm_check_frame(L, FRAME));
  lua_settop(L, RESULT);
  return 1;
}

int lm_custom_table_list(lua_State *L) {
  lm_check_table(L, TABLE);
  if (lua_type(L, ARGUMENT) != LUA_TSTRING) return luaL_typeerror(L, ARGUMENT, "string");
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_collect(L, &outcome, KEEP, ARGUMENT, lm_check_frame(L, FRAME)));
  if (code < 0) return lm_raise_table(L, &outcome, code, KEEP);
  size_t count = lm_check_frame(L, FRAME)->count;
  int32_t column = lm_check_frame(L, FRAME)->columns - 1;
  lm_push_table(L, count);
  for (size_t row = 0; row < count; row++) {
    lm_pause_often(L);
    push_value(L, column, row);
    lm_rawseti(L, RESULT, (lua_Integer)row + 1);
  }
  lm_frame_release(lm_check_frame(L, FRAME));
  return 1;
}

int lm_custom_table_columns(lua_State *L) {
  lm_check_table(L, TABLE);
  lua_settop(L, TABLE);
  lua_newtable(L);
  lm_column column;
  for (int32_t i = 0;; i++) {
    if (!lm_table_column_at(lm_check_table(L, TABLE), i, &column)) break;
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, column.name, column.count);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, column.type);
    lua_setfield(L, -2, "type");
    lm_rawseti(L, 2, i + 1);
    lua_settop(L, 2);
  }
  return 1;
}

/* The frame has a cell for each field of each column: the name, and these. */
static const char *const described[] = {"type", "count", "nulls", "min", "max", "mean", "stddev", "median", "distinct"};
enum { DESCRIBED = sizeof described / sizeof *described };

int lm_custom_table_describe(lua_State *L) {
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_describe(L, &outcome, KEEP, lm_check_frame(L, FRAME)));
  if (code < 0) return lm_raise_table(L, &outcome, code, KEEP);
  lua_newtable(L);
  int32_t cells = lm_check_frame(L, FRAME)->columns;
  for (int32_t first = 0; first < cells; first += DESCRIBED + 1) {
    push_value(L, first, 0);
    lua_createtable(L, 0, DESCRIBED);
    for (int32_t i = 0; i < DESCRIBED; i++) {
      lua_pushstring(L, described[i]);
      if (push_value(L, first + 1 + i, 0)) lm_rawset(L, RESULT + 2);
      lua_settop(L, RESULT + 2);
    }
    lm_rawset(L, RESULT);
  }
  lua_settop(L, RESULT);
  return 1;
}

/* [-?, +1, e] Pushes the text that a body left in the frame. */
static int push_text(lua_State *L, const lm_outcome *outcome, int code) {
  if (code < 0) return lm_raise_table(L, outcome, code, KEEP);
  const char *text;
  size_t count;
  lm_frame *frame = lm_check_frame(L, FRAME);
  if (!lm_frame_text(frame, &text, &count)) text = "", count = 0;
  lua_pushlstring(L, text, count);
  lm_frame_release(lm_check_frame(L, FRAME));
  return 1;
}

int lm_custom_table_explain(lua_State *L) {
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_explanation(L, &outcome, lm_check_frame(L, FRAME)));
  return push_text(L, &outcome, code);
}

bool lm_is_unicode = true;

/* [-0, +0, –] The columns of the terminal that standard output is; 0 if it is none. */
static int terminal_width(void) {
  struct winsize size;
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int t_tostring(lua_State *L) {
  lm_table *table = lm_table_at(L, TABLE);
  if (!table) return luaL_typeerror(L, TABLE, LM_TABLE);
  if (!table->object) {
    lua_pushliteral(L, LM_TABLE " (closed)");
    return 1;
  }
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_text(L, &outcome, KEEP, terminal_width(), lm_is_unicode, lm_check_frame(L, FRAME)));
  return push_text(L, &outcome, code);
}

int lm_custom_table_count(lua_State *L) {
  prepare(L);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_count_rows(L, &outcome, KEEP));
  return code < 0 ? lm_raise_table(L, &outcome, code, KEEP) : code;
}

int lm_custom_table_skipped(lua_State *L) {
  prepare(L);
  lm_outcome outcome;
  int code = lm_table_skipped_rows(L, &outcome);
  return code < 0 ? lm_raise_table(L, &outcome, code, KEEP) : code;
}

int lm_custom_table_column(lua_State *L) {
  lm_check_table(L, TABLE);
  if (lua_type(L, ARGUMENT) != LUA_TSTRING) return luaL_typeerror(L, ARGUMENT, "string");
  prepare(L);
  lm_buffer *buffer;
  lm_view *view = lm_new_owner(L, &buffer);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_make_column(L, &outcome, KEEP, buffer, view));
  if (code < 0) return lm_raise_table(L, &outcome, code, KEEP);
  lm_count_memory(L, buffer);
  return 1;
}

int lm_custom_table_write(lua_State *L) {
  lm_check_table(L, TABLE);
  const char *path = lm_check_c_string(L, 2, "path", "string");
  lua_settop(L, 3);
  int format = lua_isnil(L, 3) ? LM_NO_FORMAT : lm_check_word(L, 3, "format %s is not one of", "csv tsv jsonl");
  lua_getiuservalue(L, TABLE, 1);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_table_save(L, &outcome, 4, path, format));
  return code < 0 ? lm_raise_table(L, &outcome, code, 4) : code;
}

static int t_close(lua_State *L) { return lm_custom_table_close(L); }

void lm_open_tables(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", t_tostring}, {"__gc", t_close}, {"__close", t_close}, {NULL, NULL}};
  static const luaL_Reg of_frames[] = {{"__gc", frame_close}, {NULL, NULL}};
  lm_open_methods(L, LM_TABLE, LM_CLASS_table, metamethods);
  lm_open_hidden(L, &lm_frame_kind, of_frames);
  lm_open_rows(L);
}
