/* Debian keeps the headers in a folder of their own; including them by it needs no pkg-config, and so
   no -llua5.4 either, which the Lua module must not link. */
#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>
