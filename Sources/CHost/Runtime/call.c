/* Calls of Lua code on behalf of the user: every error has a traceback, and Ctrl-C raises an error in the running
   code. */
#include "call.h"

#include "CLuaMap.h"

#include <lua5.4/lauxlib.h>
#include <signal.h>
#include <stdio.h>

#include "host_limits.h"

const char *host_program = NULL;
const char *host_chunk_mode = NULL;
lua_State *volatile host_running = NULL;

static void handle_interrupt(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  /* No SA_RESTART: a blocked read must return, or the error would have to wait for its input. */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
}

/* [-0, +0, v] uses 2 slots. */
void host_raise_interrupt(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  lm_interrupt = limits_time_is_up();
  limits_rearm(L);
  luaL_error(L, "interrupted!");
}

/* [-0, +0, v] uses 2 slots; the hook that turns a Ctrl-C into an error. */
static void raise_interrupt(lua_State *L, lua_Debug *where) {
  (void)where;
  host_raise_interrupt(L);
}

/* Lua allows a signal handler to set a hook and nothing else. A hook does not run inside a C function. So long
   operations of the library poll lm_interrupt, mm_escape ends a match of a regular expression, and in any other C
   function a second Ctrl-C has the default action and ends the program. */
static void interrupt(int signal_number) {
  handle_interrupt(SIG_DFL);
  lm_interrupt = 1;
  if (host_running != NULL)
    lua_sethook(host_running, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  mm_escape(signal_number); /* last: it may not return */
}

/* [-0, +1, m] uses 4 slots. The message handler: converts an error object to a string and adds a traceback. */
static int describe_error(lua_State *L) {
  limits_note_error(L, 1);
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  const char *advice = lm_push_advice(L, message);
  if (advice != NULL) message = lua_pushfstring(L, "%s\n%s", message, advice);
  luaL_traceback(L, L, message, 1);
  return 1;
}

void host_message(const char *text, const char *hint) {
  if (host_program != NULL) {
    host_write(stderr, host_program);
    fputs(": ", stderr);
  }
  host_write(stderr, text);
  fprintf(stderr, "%s\n", hint);
  fflush(stderr);
}

/* [-(status ? 1 : 0), +0, –] uses no slots; never raises: lua_tostring allocates for numbers only, and the value here
   is a string. */
int host_report(lua_State *L, int status) {
  if (status == LUA_OK) return status;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  if (status == LUA_ERRMEM) limits_note_lack_of_memory();
  host_message(text != NULL ? text : "(error message not a string)", limits_hint(status));
  lua_pop(L, 1);
  return status;
}

/* The action of SIGINT while no Lua code runs. */
static void (*at_rest)(int) = SIG_DFL;

void host_ignore_interrupts_at_rest(bool ignore) {
  at_rest = ignore ? SIG_IGN : SIG_DFL;
  handle_interrupt(at_rest);
}

/* [-0, +0, –] uses no slots; never raises. */
void host_interrupts_begin(lua_State *L) {
  host_running = L;
  limits_rearm(L);
  handle_interrupt(interrupt);
}

/* [-0, +0, –] uses no slots; never raises. Discards an interrupt that came after the code had ended: it must not
   raise in the next call. */
void host_interrupts_end(lua_State *L) {
  handle_interrupt(at_rest);
  lm_interrupt = limits_time_is_up();
  if (lua_gethook(L) == raise_interrupt) lua_sethook(L, NULL, 0, 0);
}

/* [-(arguments + 1), +(results | 1), –] uses 1 slot, which the caller must ensure; never raises. */
int host_call(lua_State *L, int arguments, int results) {
  int handler = lua_gettop(L) - arguments;
  lua_pushcfunction(L, describe_error);
  lua_insert(L, handler);
  host_interrupts_begin(L);
  int status = lua_pcall(L, arguments, results, handler);
  host_interrupts_end(L);
  lua_remove(L, handler);
  return status;
}
