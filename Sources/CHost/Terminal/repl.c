/* The interactive session: reads a statement, runs it, prints its results. Its output is that of lua(1). */
#include <lua5.4/lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "CLuaMap.h"
#include "call.h"

typedef struct {
  const host_editor *editor;
  bool editing;
} session;

/* [-0, +1, e] uses 3 slots. Leaves the prompt on the stack, which protects it from collection. */
static const char *push_prompt(lua_State *L, bool first) {
  if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") == LUA_TNIL) return first ? "> " : ">> ";
  const char *prompt = luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
  return prompt;
}

/* [-0, +(line ? 1 : 0), e] uses 4 slots. */
static host_input push_line(lua_State *L, const session *s, bool first) {
  const char *prompt = push_prompt(L, first);
  const char *line = NULL;
  size_t length = 0;
  host_input input = s->editing ? s->editor->read(prompt, &line, &length) : host_read_plainly(prompt, &line, &length);
  lua_pop(L, 1);
  if (input != HOST_LINE) return input;
  if (first && length > 0 && line[0] == '=') /* the way of Lua 5.2 to print a value */
    lua_pushfstring(L, "return %s", line + 1);
  else lua_pushlstring(L, line, length);
  return HOST_LINE;
}

static void remember(const session *s, const char *entry) {
  if (s->editing && entry[0] != '\0') s->editor->remember(entry);
}

/* [-0, +(loads ? 1 : 0), m] uses 3 slots. Loads the line at index 1 as an expression. */
static bool load_expression(lua_State *L) {
  const char *chunk = lua_pushfstring(L, "return %s;", lua_tostring(L, 1));
  int status = luaL_loadbufferx(L, chunk, strlen(chunk), "=stdin", host_chunk_mode);
  if (status == LUA_OK) {
    lua_remove(L, -2);
    return true;
  }
  lua_pop(L, 2);
  return false;
}

/* [-0, +0, –] uses no slots; never raises. A syntax error message that ends with "<eof>" means that the text is
   incomplete. */
static bool is_incomplete(lua_State *L, int status) {
  static const char mark[] = "<eof>";
  size_t length;
  if (status != LUA_ERRSYNTAX || lua_type(L, -1) != LUA_TSTRING) return false;
  const char *message = lua_tolstring(L, -1, &length);
  return length >= sizeof mark - 1 && strcmp(message + length - (sizeof mark - 1), mark) == 0;
}

/* [-0, +1, e] uses 5 slots. Loads the text at index 1 as a statement; reads more lines while it is incomplete.
   `input` is not HOST_LINE if a further line could not be read. */
static int load_statement(lua_State *L, const session *s, host_input *input) {
  for (;;) {
    size_t length;
    const char *text = lua_tolstring(L, 1, &length);
    int status = luaL_loadbufferx(L, text, length, "=stdin", host_chunk_mode);
    if (!is_incomplete(L, status) || (*input = push_line(L, s, false)) != HOST_LINE) {
      if (*input != HOST_INTERRUPTED) remember(s, text);
      return status;
    }
    lua_remove(L, 2);
    lua_pushliteral(L, "\n");
    lua_insert(L, 2);
    lua_concat(L, 3);
  }
}

/* [-all, +1, e] uses 5 slots. Leaves a function or an error message; `status` is the result of loading. */
static host_input read_chunk(lua_State *L, const session *s, int *status) {
  lua_settop(L, 0);
  host_input input = push_line(L, s, true);
  if (input != HOST_LINE) return input;
  if (load_expression(L)) {
    *status = LUA_OK;
    remember(s, lua_tostring(L, 1));
  } else {
    *status = load_statement(L, s, &input);
    if (input == HOST_INTERRUPTED) return input;
  }
  lua_remove(L, 1);
  return HOST_LINE;
}

/* [-all, +1, e] uses LUA_MINSTACK slots. Calls the global print, which a script may replace. */
static void print_results(lua_State *L) {
  int count = lua_gettop(L);
  if (count == 0) return;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    host_message("too many results to print", "");
    return;
  }
  lua_getglobal(L, "print");
  lua_insert(L, 1);
  host_interrupts_begin(L);
  /* A print of the script gets the values themselves, not pictures. Of several results only tables have a picture. */
  bool is_table = false;
  for (int i = 2; i <= count + 1 && lua_iscfunction(L, 1); i++) {
    if (count > 1 && lua_type(L, i) != LUA_TTABLE) continue;
    host_display display = host_push_display(L, i);
    if (display == HOST_FAILED) {
      host_interrupts_end(L);
      host_message(luaL_tolstring(L, -1, NULL), "");
      return;
    }
    if (display == HOST_NOT_SHOWN) continue;
    lua_replace(L, i);
    is_table = count > 1;
  }
  int status = LUA_OK;
  if (is_table) {
    /* A picture has several lines: one call of print per result. */
    for (int i = 2; i <= count + 1 && status == LUA_OK; i++) {
      lua_pushvalue(L, 1);
      lua_pushvalue(L, i);
      status = lua_pcall(L, 1, 0, 0);
    }
  } else {
    status = lua_pcall(L, count, 0, 0);
  }
  host_interrupts_end(L);
  if (status != LUA_OK) host_message(lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1)), "");
}

/* [-all, +0, e] uses LUA_MINSTACK slots. */
void host_repl(lua_State *L, const host_plan *plan) {
  session s = {.editor = &plan->editor, .editing = false};
  const char *program = host_program;
  int status = LUA_OK;
  host_program = NULL;
  host_set_completion(&plan->editor);
  host_open_help(L);
  /* No line editing in a sandbox: it opens libedit and the history file. */
  s.editing = host_has_terminal() && !plan->bounds.is_sandbox && plan->editor.open(L);
  if (s.editing) {
    puts("mmaplua " LM_VERSION ": help() describes the mmap library, Tab completes, Ctrl-D exits");
    fflush(stdout);
  }
  host_ignore_interrupts_at_rest(s.editing);
  for (;;) {
    host_input input = read_chunk(L, &s, &status);
    if (input == HOST_END) break;
    if (input == HOST_INTERRUPTED) continue;
    if (status == LUA_OK) status = host_call(L, 0, LUA_MULTRET);
    if (status == LUA_OK) print_results(L);
    else host_report(L, status);
  }
  host_ignore_interrupts_at_rest(false);
  lua_settop(L, 0);
  fputc('\n', stdout);
  fflush(stdout);
  host_program = program;
}
