#ifndef CHOST_SANDBOX_H
#define CHOST_SANDBOX_H

#include "CHost.h"

/* Takes from the open libraries what leads out of the sandbox. May raise. */
void sandbox_open(lua_State *L, const host_bounds *bounds);

/* The functions of io and os that open files, in place of the library's; they may raise. */
void sandbox_open_io(lua_State *L, const host_bounds *bounds);
void sandbox_open_os(lua_State *L, const host_bounds *bounds);
/* require, package, loadfile and dofile. May raise. */
void sandbox_open_package(lua_State *L);

/* [-0, +0, –] The C function in a field of the table on top. */
lua_CFunction sandbox_original(lua_State *L, const char *name);

/* [-0, +0, m] uses 4 slots. Takes all fields but those named from the table on top; NULL ends the names. */
void sandbox_keep_only(lua_State *L, const char *const *names);

/* [-0, +0, v] Raises that something is not allowed, and which option allows it. `refused` is what lm_sandbox_open
   and the like returned. */
int sandbox_refuse_file(lua_State *L, const char *function, int refused, const char *path);

/* [-0, +0, v] A path without zero bytes. */
const char *sandbox_check_path(lua_State *L, int argument);

/* [-0, +1, v] Pushes a Lua file for a path; false where it could not be opened: errno says why. Raises what is not
   allowed, in the name of `function`. */
bool sandbox_push_file(lua_State *L, const char *function, const char *path, const char *mode);

/* Makes a file of a new name in /tmp and opens it; as lm_sandbox_open. `path` has room for its name. */
enum { SANDBOX_TEMPORARY_LENGTH = 32 };
int sandbox_make_temporary(char *path, int way);

#endif
