/* Raises the error that a body reported: a message with a position, or an error object. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trampoline.h"

#define LM_ERROR "mmap.error"

volatile sig_atomic_t lm_interrupt;

/* [-0, +0, v] Removes the hook that the host's SIGINT handler set to interrupt Lua code: one error is enough. */
static void raise_interrupt(lua_State *L) {
  lm_interrupt = 0;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

void (*lm_raise_interrupt)(lua_State *L) = raise_interrupt;

const char *lm_push_text(lua_State *L, const lm_outcome *outcome, const char *path) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  if (outcome->element) {
    char digits[32];
    luaL_addstring(&b, "element ");
    luaL_addlstring(&b, digits, (size_t)lua_integer2str(digits, sizeof digits, (long long)outcome->values[1]));
    luaL_addstring(&b, ": ");
  }
  for (const char *p = outcome->text ? outcome->text : ""; *p; p++) {
    if (*p == '%' && p[1] >= '1' && p[1] <= '3') {
      char digits[32];
      luaL_addlstring(&b, digits,
                      (size_t)lua_integer2str(digits, sizeof digits, (long long)outcome->values[p[1] - '1']));
      p++;
    } else if (*p == '%' && p[1] == 'c') {
      /* As in Lua's own messages, a character that cannot be printed appears as its code. */
      char digits[8];
      int code = (int)outcome->values[0] & 0xff;
      if (isprint(code)) luaL_addchar(&b, (char)code);
      else luaL_addlstring(&b, digits, (size_t)snprintf(digits, sizeof digits, "<\\%d>", code));
      p++;
    } else if (*p == '%' && p[1] == 'f') {
      char digits[40];
      double value = mm_double_of_bits((uint64_t)outcome->values[0]);
      luaL_addlstring(&b, digits, (size_t)lua_number2str(digits, sizeof digits, value));
      p++;
    } else if (*p == '%' && p[1] == '0') {
      luaL_addstring(&b, path ? path : "PATH");
      p++;
    } else if (*p == '%' && p[1] == '%') {
      luaL_addchar(&b, '%');
      p++;
    } else {
      luaL_addchar(&b, *p);
    }
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* The text of a thread. Only the pointers are thread-local: a module that is loaded late, as by a stock lua5.4, gets
   less than 2 KiB of such memory. */
static lm_error_text *text_of(lm_error_text **own, lm_error_text *shared) {
  if (!*own) *own = malloc(sizeof **own);
  return *own ? *own : shared;
}

lm_error_text *lm_error_message(void) {
  static _Thread_local lm_error_text *own;
  static lm_error_text shared;
  return text_of(&own, &shared);
}

lm_error_text *lm_error_path(void) {
  static _Thread_local lm_error_text *own;
  static lm_error_text shared;
  return text_of(&own, &shared);
}

/* [-0, +1, e] */
static int raise_message(lua_State *L) {
  const lm_error_text *text = lm_error_message();
  luaL_checkstack(L, 8, NULL);
  lua_pushlstring(L, text->bytes, text->count);
  return luaL_error(L, "%s", lm_show(L, -1));
}

static const char *code_name(int error) {
  const char *name = strerrorname_np(error);
  return name ? name : "EUNKNOWN";
}

/* [-0, +0, –] The number of the argument whose mapping is lost: it can be the source of a copy, not only the target. */
static int lost_argument(lua_State *L) {
  int top = lua_gettop(L);
  for (int i = 1; i <= top; i++) {
    const mm_region *region = lm_region_at(L, i);
    if (region && !mm_is_closed(region) && mm_is_lost(region)) return i;
  }
  return 1;
}

/* [-0, +(0 | 1), m] The hint, with the size of the file when it was mapped and now. The size of a device means
   nothing. */
static const char *push_loss(lua_State *L, const lm_outcome *outcome, const mm_region *region, int path,
                             const char *hint) {
  if (!region || region->slot->kind != MM_FILE) return hint;
  int64_t size = lm_file_size(region, lua_tostring(L, path), true);
  if (size < 0)
    return lua_pushfstring(L, "%s: it had %I bytes when it was mapped and is not at its path now", hint,
                           (LUAI_UACINT)outcome->values[1]);
  return lua_pushfstring(L, "%s: it had %I bytes when it was mapped and has %I now", hint,
                         (LUAI_UACINT)outcome->values[1], (LUAI_UACINT)size);
}

/* [-?, +0, e] Raises an error object: fields call, code, errno, message, hint, path, offset. */
static int raise_object(lua_State *L, const lm_outcome *outcome) {
  bool lost = outcome->kind == LM_LOST;
  luaL_checkstack(L, 10, NULL);
  int path = lua_gettop(L) + 1;
  int argument = lost ? lost_argument(L) : 1;
  if (outcome->has_path) lua_pushlstring(L, lm_error_path()->bytes, lm_error_path()->count);
  else lm_push_path(L, argument);
  if (!lost && !outcome->has_path && lua_type(L, 1) == LUA_TSTRING) lua_copy(L, 1, path);
  lua_pushvalue(L, path);
  const char *file = lua_isstring(L, path) ? lm_show(L, -1) : NULL;
  const char *code = lost ? (outcome->error == SIGBUS ? "SIGBUS" : "SIGSEGV") : code_name(outcome->error);
  const char *reason = lost ? strsignal(outcome->error) : strerror(outcome->error);
  const char *hint = lm_push_text(L, outcome, file);
  if (lost && outcome->error == SIGBUS && file) hint = push_loss(L, outcome, lm_region_at(L, argument), path, hint);
  int advice = lua_gettop(L);
  /* The hint comes before the path, so that the message reads the same for a file and for memory. */
  if (file && !*hint) hint = file;
  else if (file && !strstr(hint, file)) hint = lua_pushfstring(L, "%s (%s)", hint, file);
  const char *message =
      *hint ? lua_pushfstring(L, "%s (%s): %s", reason, code, hint) : lua_pushfstring(L, "%s (%s)", reason, code);
  const char *what = outcome->call ? outcome->call : "access";
  lua_createtable(L, 0, 9);
  int object = lua_gettop(L);
  lua_pushstring(L, what);
  lua_setfield(L, object, "call");
  lua_pushstring(L, code);
  lua_setfield(L, object, "code");
  lua_pushinteger(L, lost ? EFAULT : outcome->error);
  lua_setfield(L, object, "errno");
  lua_pushstring(L, message);
  lua_setfield(L, object, "message");
  if (lua_rawlen(L, advice) > 0) {
    lua_pushvalue(L, advice);
    lua_setfield(L, object, "hint");
  }
  if (lua_isstring(L, path)) {
    lua_pushvalue(L, path);
    lua_setfield(L, object, "path");
  }
  if (lost || (outcome->error == EBADMSG && strcmp(what, "decompress") == 0)) {
    lua_pushinteger(L, (lua_Integer)outcome->values[0]);
    lua_setfield(L, object, "offset");
  }
  luaL_where(L, 1);
  lua_setfield(L, object, "where");
  lm_set_metatable(L, LM_ERROR);
  return lua_error(L);
}

/* [-?, +0, v] Raises the error about a closed buffer, with the path if it has one: a script may have many buffers. */
static int raise_closed(lua_State *L) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  for (int i = 1; i <= top; i++) {
    const mm_region *region = lm_region_at(L, i);
    if (!region || !mm_is_closed(region)) continue;
    lm_push_path(L, i);
    if (lua_type(L, -1) == LUA_TSTRING) return luaL_error(L, "attempt to use a closed buffer (%s)", lm_show(L, -1));
    break;
  }
  return luaL_error(L, "attempt to use a closed buffer");
}

/* [-0, +0, –] Whether the step function of ipairs reads an element. ipairs itself has no metamethod, so the error can
   only be raised here. */
static bool is_for_ipairs(lua_State *L) {
  lua_Debug caller;
  return lua_isinteger(L, 2) && lm_loop_advice(L, 1) && lua_getstack(L, 1, &caller) && lua_getinfo(L, "nS", &caller) &&
         *caller.what == 'C' && strcmp(caller.namewhat, "for iterator") == 0;
}

int lm_push_or_raise(lua_State *L, const lm_outcome *outcome, int code) {
  if (code == LM_BYTES) {
    if (mm_likely(lm_push_bytes(L, &outcome->source, outcome->bytes, outcome->count))) return 1;
    lm_outcome lost = {.kind = LM_LOST};
    lm_buffer copy = {.region = outcome->source};
    lm_lost(&copy, &lost);
    return lm_push_or_raise(L, &lost, LM_FAILED);
  }
  if (mm_unlikely(outcome->kind <= LM_MISUSE && is_for_ipairs(L))) return lm_raise_loop(L, 2);
  switch (outcome->kind) {
    case LM_WORD:
      return luaL_argerror(L, outcome->argument, lm_push_unknown(L, outcome->argument, outcome->text, outcome->call));
    case LM_TYPE: return luaL_typeerror(L, outcome->argument, outcome->text);
    case LM_ARGUMENT: return luaL_argerror(L, outcome->argument, lm_push_text(L, outcome, NULL));
    case LM_INTERRUPTED: lm_raise_interrupt(L); return luaL_error(L, "interrupted!");
    case LM_CLOSED: return raise_closed(L);
    case LM_MESSAGE: return raise_message(L);
    case LM_RAISED: return lua_error(L);
    case LM_SYSTEM:
    case LM_LOST: return raise_object(L, outcome);
    default: return luaL_error(L, "%s", lm_push_text(L, outcome, NULL));
  }
}

int lm_error_number(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return 0;
  luaL_getmetatable(L, LM_ERROR);
  bool is_ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (!is_ours) return 0;
  lua_pushliteral(L, "errno");
  lua_rawget(L, index);
  int number = (int)lua_tointegerx(L, -1, NULL);
  lua_pop(L, 1);
  return number;
}

bool lm_worth_collecting(const lm_outcome *outcome, int code) {
  return code == LM_FAILED && outcome->kind == LM_SYSTEM &&
         (outcome->error == ENOMEM || outcome->error == EMFILE || outcome->error == ENFILE);
}

/* tostring(e): "script.lua:3: mmap: Invalid argument (EINVAL): …" */
static int error_tostring(lua_State *L) {
  static const char *const parts[] = {"where", "call", "message"};
  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 0; i < 3; i++) {
    lua_pushstring(L, parts[i]);
    lua_rawget(L, 1);
    if (!lua_isstring(L, -1)) {
      lua_pop(L, 1);
      lua_pushliteral(L, "?");
    }
  }
  lua_pushfstring(L, "%s%s: %s", lua_tostring(L, -3), lua_tostring(L, -2), lua_tostring(L, -1));
  return 1;
}

/* "could not map: " .. e */
static int error_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

void lm_open_errors(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
  luaL_newmetatable(L, LM_ERROR);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
