#ifndef CHOST_SANDBOX_H
#define CHOST_SANDBOX_H

#include "CHost.h"

/* Removes from the open libraries every way out of the sandbox. May raise. */
void sandbox_open(lua_State *L, const host_bounds *bounds);

/* Restrict io and os, and replace their functions that open files. May raise. */
void sandbox_open_io(lua_State *L, const host_bounds *bounds);
void sandbox_open_os(lua_State *L, const host_bounds *bounds);
/* Restricts package, and replaces loadfile, dofile and the searchers of require. May raise. */
void sandbox_open_package(lua_State *L);

/* [-0, +0, –] The C function in a field of the table on top, or NULL. */
lua_CFunction sandbox_original(lua_State *L, const char *name);

/* [-0, +0, m] uses 4 slots. Removes all fields but those named from the table on top; NULL ends the names. */
void sandbox_keep_only(lua_State *L, const char *const *names);

/* [-0, +0, v] Raises an error that names the option to allow the access. `refused` is the result of lm_sandbox_open,
   lm_sandbox_remove or lm_sandbox_rename. */
int sandbox_refuse_file(lua_State *L, const char *function, int refused, const char *path);

/* [-0, +0, v] The argument as a path. Raises an error if it contains a zero byte. */
const char *sandbox_check_path(lua_State *L, int argument);

/* [-0, +1, v] Pushes a Lua file for a path. False with errno when it cannot be opened. Raises an error in the name of
   `function` when the policy does not allow it. */
bool sandbox_push_file(lua_State *L, const char *function, const char *path, const char *mode);

/* Creates a file with a unique name in /tmp and opens it; results as of lm_sandbox_open. `path` receives the name and
   has SANDBOX_TEMPORARY_LENGTH bytes. */
enum { SANDBOX_TEMPORARY_LENGTH = 32 };
int sandbox_make_temporary(char *path, int way);

#endif
