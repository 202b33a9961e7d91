/* The trampolines of pictures: b:show, b:watch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trampoline.h"

#define LM_WATCH "mmap.watch"

/* [-0, +1, e] The title of the picture of the buffer at argument 1; it stays on the stack. */
static void read_title(lua_State *L, lm_picture *picture) {
  lm_buffer *buffer = lm_check_buffer(L);
  lm_push_path(L, 1);
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushstring(L, buffer->region.slot->kind == MM_ANONYMOUS ? "anonymous" : "?");
  }
  picture->title = lm_show(L, -1);
}

/* [-0, +1, e] The options at argument 2. The set of pages of `since`, or nil, stays on the stack. */
static void read_options(lua_State *L, lm_picture *picture) {
  static const lm_option options[] = {
      {"width", LM_INTEGER, offsetof(lm_picture, columns), 0},
      {"rows", LM_INTEGER, offsetof(lm_picture, rows), 0},
      {"ascii", LM_BOOLEAN, offsetof(lm_picture, ascii), offsetof(lm_picture, has_ascii)},
      {"color", LM_BOOLEAN, offsetof(lm_picture, color), offsetof(lm_picture, has_color)},
      {"since", LM_CALLERS, 0, 0},
      {NULL, LM_INTEGER, 0, 0}};
  lm_read_options(L, 2, options, picture);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "since");
    lua_rawget(L, 2);
    picture->since = lm_pages_at(L, -1);
    if (!picture->since && !lua_isnil(L, -1))
      luaL_argerror(L, 2, lua_pushfstring(L, "option 'since': " LM_PAGES " expected, got %s", luaL_typename(L, -1)));
  } else {
    lua_pushnil(L);
  }
}

int lm_custom_buffer_show(lua_State *L) {
  lm_settop(L, 2, 1, LM_BUFFER);
  lm_picture picture = {0};
  read_title(L, &picture);
  read_options(L, &picture);
  lm_outcome outcome;
  int code = LM_RUN(L, lm_picture_plan(L, &outcome, &picture));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  picture.memory = lua_newuserdatauv(L, picture.size, 0);
  const uint8_t *text;
  int length = LM_RUN(L, lm_picture_draw(L, &outcome, &picture, &text));
  if (length < 0) return lm_push_or_raise(L, &outcome, length);
  lua_pushlstring(L, (const char *)text, (size_t)length);
  return 1;
}

/* The drawing thread's memory, as a to-be-closed value: it ends the thread when the watched function returns or raises.
   A script can get it with the debug library, so it has a mark that no other type has. */
typedef struct watch {
  const void *mark;
  void *memory; /* NULL while nothing is drawn */
} watch;

static int end_watch(lua_State *L) {
  watch *w = lua_touserdata(L, 1);
  if (!w || lua_rawlen(L, 1) != sizeof *w || w->mark != (char *)w + 2 || !w->memory) return 0;
  lm_watch_stop(w->memory);
  free(w->memory);
  w->memory = NULL;
  return 0;
}

static watch *new_watch(lua_State *L) {
  watch *w = lua_newuserdatauv(L, sizeof *w, 0);
  *w = (watch){.mark = (char *)w + 2};
  if (luaL_newmetatable(L, LM_WATCH)) {
    lua_pushcfunction(L, end_watch);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, end_watch);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
  lm_set_metatable(L, LM_WATCH);
  return w;
}

/* [-0, +0, –] Starts the drawing if there is a terminal. The memory comes from malloc(3) and not from Lua, because the
   drawing thread uses it. */
static int start_watch(lua_State *L, lm_outcome *outcome, lm_picture *picture, watch *w) {
  int code = lm_picture_plan(L, outcome, picture);
  if (code < 0 || !lm_watch_is_seen()) return code;
  size_t title = strlen(picture->title) + 1;
  picture->memory = calloc(1, picture->size + title);
  if (!picture->memory) {
    *outcome = (lm_outcome){.kind = LM_SYSTEM, .error = ENOMEM, .call = "malloc"};
    return LM_FAILED;
  }
  picture->title = memcpy(picture->memory + picture->size, picture->title, title);
  code = lm_watch_start(L, outcome, picture);
  if (code < 0) free(picture->memory);
  else w->memory = picture->memory;
  return code;
}

/* b:watch(fn, …) */
int lm_custom_buffer_watch(lua_State *L) {
  lm_check_buffer(L);
  lm_check_function(L, 2);
  luaL_checkstack(L, 8, NULL);
  lm_picture picture = {0};
  read_title(L, &picture);
  lua_insert(L, 2);
  watch *w = new_watch(L);
  lua_insert(L, 3);
  lua_toclose(L, 3);
  lm_outcome outcome;
  int code = LM_RUN(L, start_watch(L, &outcome, &picture, w));
  if (code < 0) return lm_push_or_raise(L, &outcome, code);
  lua_call(L, lua_gettop(L) - 4, LUA_MULTRET);
  return lua_gettop(L) - 3;
}
