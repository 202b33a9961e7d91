/* The protected main: opens the libraries, runs the steps and the script, then the prompt or standard input. The
   order is that of lua(1), because scripts can observe it. */
#include "CHost.h"

#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "CLuaMap.h"
#include "call.h"
#include "host_limits.h"
#include "lesson.h"
#include "sandbox.h"

static void show_version(void) {
  puts(LUA_COPYRIGHT);
  fflush(stdout);
}

/* [-0, +0, e] uses 3 slots. Sets the global table `arg`; arg[0] is the script. */
static void create_arg(lua_State *L, const host_plan *plan) {
  int base = plan->script < plan->argc ? plan->script : 0;
  lua_createtable(L, plan->argc - base - 1 > 0 ? plan->argc - base - 1 : 0, base + 1);
  for (int i = 0; i < plan->argc; i++) {
    lua_pushstring(L, plan->argv[i]);
    lua_rawseti(L, -2, i - base);
  }
  lua_setglobal(L, "arg");
}

/* [-1, +0, –] uses 1 slot; never raises. Calls the loaded chunk on top, or reports the error of loading it. */
static int run_chunk(lua_State *L, int status) {
  if (status == LUA_OK) status = host_call(L, 0, 0);
  return host_report(L, status);
}

/* [-0, +0, m] uses 2 slots. */
static int run_text(lua_State *L, const char *text, const char *name) {
  return run_chunk(L, luaL_loadbufferx(L, text, strlen(text), name, host_chunk_mode));
}

/* The value of LUA_INIT_5_4, else of LUA_INIT. */
static const char *find_init(const char **name) {
  *name = "=LUA_INIT" LUA_VERSUFFIX;
  const char *text = getenv(*name + 1);
  if (text != NULL) return text;
  *name = "=LUA_INIT";
  return getenv(*name + 1);
}

/* [-0, +0, e] uses 3 slots. */
static int run_environment(lua_State *L) {
  const char *name;
  const char *text = find_init(&name);
  if (text == NULL) return LUA_OK;
  if (text[0] == '@') return run_chunk(L, luaL_loadfilex(L, text + 1, host_chunk_mode));
  return run_text(L, text, name);
}

/* [-0, +0, e] uses 4 slots. `text` is "module" or "global=module". */
static int require_module(lua_State *L, const char *text) {
  const char *equals = strchr(text, '=');
  const char *module = equals != NULL ? equals + 1 : text;
  lua_pushlstring(L, text, equals != NULL ? (size_t)(equals - text) : strlen(text));
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = host_call(L, 1, 1);
  if (status == LUA_OK) {
    lua_setglobal(L, lua_tostring(L, -2));
    lua_pop(L, 1);
    return status;
  }
  host_report(L, status);
  lua_pop(L, 1);
  return status;
}

/* [-0, +0, e] uses 4 slots. */
static bool run_steps(lua_State *L, const host_plan *plan) {
  for (size_t i = 0; i < plan->step_count; i++) {
    const host_step *step = &plan->steps[i];
    int status = LUA_OK;
    switch (step->kind) {
      case HOST_RUN_TEXT: status = run_text(L, step->text, "=(command line)"); break;
      case HOST_REQUIRE: status = require_module(L, step->text); break;
      case HOST_WARNINGS_ON: lua_warning(L, "@on", 0); break;
    }
    if (status != LUA_OK) return false;
  }
  return true;
}

/* [-0, +n, v] uses n + 2 slots. Pushes the script's arguments from the table `arg`, which steps may have changed. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L);
  int count = (int)luaL_len(L, table);
  luaL_checkstack(L, count + 3, "too many arguments to script");
  for (int i = 1; i <= count; i++) lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return count;
}

/* NULL for standard input, named "-" except after "--". */
static const char *script_name(const host_plan *plan) {
  const char *name = plan->argv[plan->script];
  bool is_input = strcmp(name, "-") == 0 && strcmp(plan->argv[plan->script - 1], "--") != 0;
  return is_input ? NULL : name;
}

/* [-0, +0, e] uses 2 slots and one for each argument. */
static int run_script(lua_State *L, const host_plan *plan) {
  const char *name = script_name(plan);
  int status = luaL_loadfilex(L, name, host_chunk_mode);
  if (status == LUA_OK) {
    int arguments = push_arguments(L);
    status = host_call(L, arguments, LUA_MULTRET);
  }
  return host_report(L, status);
}

/* [-0, +0, e] uses 2 slots. */
static void open_libraries(lua_State *L, bool ignore_environment) {
  if (ignore_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  host_open_locals(L);
  host_open_loops(L);
  luaL_requiref(L, "mmap", lm_open_module, 1);
  lua_pop(L, 1);
}

/* Confines the process with Landlock. The host may still read the files named by the user. */
static void confine(const host_plan *plan) {
  const char *files[2];
  size_t count = 0;
  const char *unused;
  const char *init = plan->ignore_environment ? NULL : find_init(&unused);
  if (init != NULL && init[0] == '@') files[count++] = init + 1;
  if (plan->script < plan->argc && script_name(plan) != NULL) files[count++] = script_name(plan);
  tzset(); /* now: os.date could not read the time zone file later */
  lm_sandbox_confine(files, count);
}

/* [-0, +0, e] uses 2 slots. */
static void run_ending(lua_State *L, const host_plan *plan) {
  if (plan->ending == HOST_THEN_LEAVE) return;
  if (plan->ending == HOST_THEN_STDIN_OR_PROMPT) {
    if (!isatty(STDIN_FILENO)) {
      run_chunk(L, luaL_loadfilex(L, NULL, host_chunk_mode));
      return;
    }
    show_version();
  }
  host_repl(L, plan);
}

/* Stores the options that children of this process inherit. */
static void inherit_options(const host_plan *plan) {
  static const char *const prefixes[] = {"--memory=", "--mapped=",    "--time=", "--sandbox", "--allow-",
                                         "--trace",   "--no-compile", "-E",      NULL};
  enum { MOST = 250 };
  static const char *options[MOST + 1];
  size_t count = 0;
  for (int i = 1; i < plan->script && count < MOST; i++)
    for (const char *const *prefix = prefixes; *prefix != NULL; prefix++)
      if (strncmp(plan->argv[i], *prefix, strlen(*prefix)) == 0) options[count++] = plan->argv[i];
  lm_child_options = options;
}

/* [-0, +0, e] uses 4 slots. Sends an error to the parent; reports it here if the parent is gone. */
static bool run_child(lua_State *L, int descriptor) {
  lua_pushcfunction(L, lm_child_run);
  lua_pushinteger(L, descriptor);
  int status = host_call(L, 1, 0);
  if (status == LUA_OK) return true;
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error message not a string)";
  if (!lm_child_fail(descriptor, message)) {
    host_report(L, status);
  } else {
    if (status == LUA_ERRMEM) limits_note_lack_of_memory();
    lua_pop(L, 1);
  }
  return false;
}

/* [-1, +1, e] uses LUA_MINSTACK slots. Returns true to Lua on success; otherwise the error is already reported. */
static int run_plan(lua_State *L) {
  const host_plan *plan = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (plan->show_version) show_version();
  limits_open(L);
  open_libraries(L, plan->ignore_environment);
  if (limits_have_time()) limits_open_coroutines(L);
  if (plan->bounds.is_sandbox) sandbox_open(L, &plan->bounds);
  else lesson_open(L, plan);
  create_arg(L, plan);
  lua_gc(L, LUA_GCGEN, 0, 0); /* as lua(1) */
  if (!plan->ignore_environment && run_environment(L) != LUA_OK) return 0;
  if (plan->child >= 0) {
    lua_pushboolean(L, run_child(L, plan->child));
    return 1;
  }
  if (!run_steps(L, plan)) return 0;
  if (plan->script < plan->argc && run_script(L, plan) != LUA_OK) return 0;
  run_ending(L, plan);
  lua_pushboolean(L, 1);
  return 1;
}

/* Only the Lua built by scripts/lua-object, which fixes a fault of Debian's, defines this symbol. Linking another one
   fails. */
extern const char build_mmaplua_with_scripts_build;

int host_main(const host_plan *plan) {
  __asm__ volatile("" : : "r"(&build_mmaplua_with_scripts_build));
  host_program = plan->name;
  host_let_calls_fail();
  if (!limits_make_room()) return EXIT_FAILURE;
  if (plan->traces) lm_trace();
  if (plan->counts_faults) host_count_faults();
  lm_compile_is_off = !plan->compiles;
  if (plan->reports_compiler) lm_report_compiler();
  inherit_options(plan);
  lua_State *L = host_new_state();
  if (L == NULL) {
    host_message("cannot create state: not enough memory", "");
    return EXIT_FAILURE;
  }
  if (plan->bounds.is_sandbox) {
    host_chunk_mode = "t";
    if (plan->bounds.allows_compiler) lm_load_compiler();
    /* Not with --allow-run: the programs would inherit Landlock's rules and could not work. */
    if (!plan->bounds.allows_programs) confine(plan);
  }
  limits_begin(L, &plan->bounds);
  lua_pushcfunction(L, run_plan);
  lua_pushlightuserdata(L, (void *)plan);
  int status = lua_pcall(L, 1, 1, 0);
  bool succeeded = status == LUA_OK && lua_toboolean(L, -1);
  host_report(L, status);
  lua_close(L);
  return limits_exit_status(succeeded ? EXIT_SUCCESS : EXIT_FAILURE);
}
