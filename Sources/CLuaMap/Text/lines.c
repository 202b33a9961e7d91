/* The trampolines of b:lines. Upvalue 2 of the iterator is the text to find in each line, or nil. */
#include <string.h>

#include "text.h"

static const char lines_kind;

static int lines_next(lua_State *L) {
  lm_lines *lines = lm_push_state(L, sizeof *lines, &lines_kind);
  for (;;) {
    lm_outcome outcome;
    mm_line line;
    int found = mm_unlikely(lines->reverse) ? lm_lines_find_last(L, &outcome, &lines->walk, &line)
                                            : lm_lines_find(L, &outcome, &lines->walk, &line);
    if (mm_unlikely(found < 0)) return lm_fail_step(L, &outcome, found);
    if (mm_unlikely(found == 0)) return lm_end_steps(L, &lines->walk.region, lines->walk.reach);
    if (lines->keep) line.length = line.next - line.start;
    size_t count;
    const char *text = lm_string_at(L, lua_upvalueindex(2), &count);
    int64_t place = LM_NOWHERE;
    if (text && mm_unlikely((place = lm_lines_place(L, &outcome, &lines->walk, &line, text, count)) < LM_NOWHERE))
      return lm_fail_step(L, &outcome, LM_FAILED);
    mm_region source = lines->walk.region;
    if (lines->ranges) {
      lua_pushinteger(L, (lua_Integer)line.start);
      lua_pushinteger(L, (lua_Integer)line.length);
    } else {
      if (mm_unlikely(!lm_push_bytes(L, &source, source.base + line.start, line.length))) {
        lua_settop(L, LM_STATE); /* the next search reports the error */
        continue;
      }
      lua_pushinteger(L, (lua_Integer)line.start);
    }
    if (lines->reverse) lines->walk.end = line.start;
    else lines->walk.position = line.next;
    if (!text) return 2;
    if (place == LM_NOWHERE) lua_pushnil(L);
    else lua_pushinteger(L, (lua_Integer)place);
    return 3;
  }
}

/* [-0, +1, e] Pushes the option `find` of the table at argument 2, or nil. */
static void push_sought(lua_State *L) {
  lua_pushnil(L);
  if (!lua_istable(L, 2)) return;
  lua_pushliteral(L, "find");
  lua_rawget(L, 2);
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    luaL_argerror(L, 2, lua_pushfstring(L, "option 'find': string expected, got %s", luaL_typename(L, -1)));
  lua_replace(L, -2);
}

int lm_custom_buffer_lines(lua_State *L) {
  static const lm_option options[] = {
      {"offset", LM_INTEGER, offsetof(lm_lines, offset), 0},
      {"length", LM_INTEGER, offsetof(lm_lines, length), offsetof(lm_lines, has_length)},
      {"keep", LM_BOOLEAN, offsetof(lm_lines, keep), 0},
      {"ranges", LM_BOOLEAN, offsetof(lm_lines, ranges), 0},
      {"reverse", LM_BOOLEAN, offsetof(lm_lines, reverse), 0},
      {"sep", LM_SEPARATOR, offsetof(lm_lines, walk.separator), 0},
      {"find", LM_CALLERS, 0, 0},
      {NULL, LM_INTEGER, 0, 0}};
  lm_check_buffer(L);
  lua_settop(L, 2);
  lm_lines *lines = lua_newuserdatauv(L, sizeof *lines, 1);
  memset(lines, 0, sizeof *lines);
  lines->kind = &lines_kind;
  lines->walk.separator = lm_newline;
  lm_read_options(L, 2, options, lines);
  luaL_argcheck(L, !lines->reverse || !lm_overlaps_itself(&lines->walk.separator), 2,
                "option 'reverse': the separator overlaps itself, so lines from the end would differ");
  lm_outcome outcome;
  int code = lm_lines_start(L, &outcome, lines);
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lines->self = lines;
  lm_keep_mapping(L, 1);
  push_sought(L);
  lua_pushcclosure(L, lines_next, 2);
  return 1;
}
