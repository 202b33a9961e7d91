/* Completion of names. It runs as Lua code in the session's state, where the names are, protected and interruptible.
   */
#include <lua5.4/lauxlib.h>

#include "call.h"

#define COMPLETER "mmaplua.complete"
#define ANSWER "mmaplua.completion"

typedef struct {
  const char *text;
  size_t length;
  int columns;
  host_completion result;
} request;

static const host_editor *source = NULL;

void host_set_completion(const host_editor *editor) { source = editor; }

/* [-0, +1, v] uses 2 slots. Loads the Lua code at the first Tab; a session without completion need not. */
static void push_completer(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, COMPLETER) == LUA_TFUNCTION) return;
  lua_pop(L, 1);
  if (luaL_loadbuffer(L, source->completion, source->completion_length, "=completion") != LUA_OK) lua_error(L);
  lua_pushcfunction(L, host_manual_words);
  lua_call(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, COMPLETER);
}

/* [-0, +0, m] uses 2 slots. Keeps the string alive in the registry until the next completion. */
static const char *keep(lua_State *L, int index, const char *key) {
  lua_pushvalue(L, index);
  lua_setfield(L, LUA_REGISTRYINDEX, key);
  return lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
}

/* [-1, +0, v] uses 6 slots. */
static int run_completion(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  push_completer(L);
  lua_pushlstring(L, r->text, r->length);
  lua_pushinteger(L, r->columns);
  lua_call(L, 2, 2);
  r->result.insertion = keep(L, -2, ANSWER ".insertion");
  r->result.listing = keep(L, -1, ANSWER ".listing");
  return 0;
}

/* [-0, +0, –] uses 2 slots; never raises. After an error there is no completion. */
host_completion host_complete(lua_State *L, const char *text, size_t length, int columns) {
  request r = {.text = text, .length = length, .columns = columns};
  if (source == NULL || !lua_checkstack(L, LUA_MINSTACK)) return r.result;
  lua_pushcfunction(L, run_completion);
  lua_pushlightuserdata(L, &r);
  /* The editor blocks the signals, but Ctrl-C must be able to end an endless loop in a metamethod. */
  host_interrupts_begin(L);
  terminal_signals_block(false);
  int status = lua_pcall(L, 1, 0, 0);
  terminal_signals_block(true);
  host_interrupts_end(L);
  if (status != LUA_OK) {
    lua_pop(L, 1);
    return (host_completion){NULL, NULL};
  }
  return r.result;
}
