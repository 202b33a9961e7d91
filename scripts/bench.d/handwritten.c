/* The binding of bytes written by hand in plain C: the reference for mmaplua's speed.
 *
 * It makes the same promises for `b[i]` and `b[i] = v` as mmaplua, so that a difference is the price of the Swift body
 * and its trampoline and not of a missing check:
 *   - a userdata is identified by its size and its own address, whatever metatable it has;
 *   - the handle is compared with the state of its mapping before and after each access (a page may
 *     be lost, another handle may unmap it), with the compiler kept from moving the second test;
 *   - protection, bounds, and the range of a byte are checked; a string is always the name of a
 *     method, which the same `__index` finds in an upvalue; a float with an integer's value is
 *     an integer.
 * It has no code that an access does not run: no signal handler, no slices, and only three methods.
 *
 * Lua's public functions offer no cheaper way: five calls for a load.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>

#define NAME "handwritten.buffer"
#define likely(x) __builtin_expect(!!(x), 1)
#define barrier() __asm__ volatile("" ::: "memory")

/* The state of a mapping; a signal handler would change the stamp. */
typedef struct mapping {
  volatile uint64_t stamp;
  int protection;
} mapping;

typedef struct buffer {
  const void *self;
  mapping *mapping;
  uint64_t stamp;
  uint8_t *base;
  size_t length;
  mapping own;
} buffer;

static inline buffer *buffer_at(lua_State *L, int index) {
  buffer *b = lua_touserdata(L, index);
  return likely(b && lua_rawlen(L, index) == sizeof *b && b->self == b) ? b : NULL;
}

static buffer *check_buffer(lua_State *L) {
  buffer *b = buffer_at(L, 1);
  if (!b) luaL_typeerror(L, 1, NAME);
  return b;
}

static inline int is_current(const buffer *b) { return likely(b->mapping->stamp == b->stamp); }

/* [-0, +0, e] Handles every index but an integer in range of a current buffer. */
__attribute__((noinline, cold)) static size_t slow_index(lua_State *L, const buffer *b, int protection) {
  int is_integer = 0;
  if (!is_current(b)) return (size_t)luaL_error(L, "the buffer is closed or its pages are lost");
  if (!(b->mapping->protection & protection)) return (size_t)luaL_error(L, "the buffer is protected");
  lua_Integer i = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &is_integer) : 0;
  if (!is_integer) return (size_t)luaL_error(L, "a buffer's index is an integer or the name of a method");
  if ((lua_Unsigned)i >= b->length) return (size_t)luaL_error(L, "index %I is out of range", (LUAI_UACINT)i);
  return (size_t)i;
}

static int b_index(lua_State *L) {
  buffer *b = buffer_at(L, 1);
  if (!b) return luaL_typeerror(L, 1, NAME);
  size_t i;
  if (likely(lua_isinteger(L, 2))) {
    i = (size_t)lua_tointegerx(L, 2, NULL);
    if (!likely(i < b->length && is_current(b) && (b->mapping->protection & (PROT_READ | PROT_WRITE))))
      i = slow_index(L, b, PROT_READ | PROT_WRITE);
  } else if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
  } else {
    i = slow_index(L, b, PROT_READ | PROT_WRITE);
  }
  uint8_t value = *(volatile uint8_t *)(b->base + i);
  barrier();
  if (!is_current(b)) return luaL_error(L, "the pages are lost");
  lua_pushinteger(L, value);
  return 1;
}

static int b_newindex(lua_State *L) {
  buffer *b = buffer_at(L, 1);
  if (!b) return luaL_typeerror(L, 1, NAME);
  size_t i;
  if (likely(lua_isinteger(L, 2))) {
    i = (size_t)lua_tointegerx(L, 2, NULL);
    if (!likely(i < b->length && is_current(b) && (b->mapping->protection & PROT_WRITE)))
      i = slow_index(L, b, PROT_WRITE);
  } else {
    i = slow_index(L, b, PROT_WRITE);
  }
  lua_Integer value = likely(lua_isinteger(L, 3))     ? lua_tointegerx(L, 3, NULL)
                      : lua_type(L, 3) == LUA_TNUMBER ? luaL_checkinteger(L, 3)
                                                      : luaL_typeerror(L, 3, "integer");
  if (value & ~(lua_Integer)255) return luaL_error(L, "%I is not a byte", (LUAI_UACINT)value);
  *(volatile uint8_t *)(b->base + i) = (uint8_t)value;
  barrier();
  if (!is_current(b)) return luaL_error(L, "the pages are lost");
  return 0;
}

static int b_len(lua_State *L) {
  buffer *b = check_buffer(L);
  if (!is_current(b)) return luaL_error(L, "the buffer is closed");
  lua_pushinteger(L, (lua_Integer)b->length);
  return 1;
}

static int b_close(lua_State *L) {
  buffer *b = check_buffer(L);
  if (b->base) munmap(b->base, b->length);
  b->base = NULL;
  b->own.stamp += 2;
  return 0;
}

static int b_string(lua_State *L) {
  buffer *b = check_buffer(L);
  if (!is_current(b)) return luaL_error(L, "the buffer is closed");
  lua_pushlstring(L, (const char *)b->base, b->length);
  return 1;
}

/* handwritten.open(path): maps the whole file, shared, for reading and writing. */
static int f_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  b->self = b;
  b->mapping = &b->own;
  luaL_setmetatable(L, NAME);
  struct stat status;
  int descriptor = open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return luaL_error(L, "%s: %s", path, strerror(errno));
  void *base = fstat(descriptor, &status)
                   ? MAP_FAILED
                   : mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  int error = errno;
  close(descriptor);
  if (base == MAP_FAILED) return luaL_error(L, "%s: %s", path, strerror(error));
  b->base = base;
  b->length = (size_t)status.st_size;
  b->own.protection = PROT_READ | PROT_WRITE;
  return 1;
}

__attribute__((visibility("default"))) int luaopen_handwritten(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__newindex", b_newindex}, {"__len", b_len}, {"__gc", b_close}, {"__close", b_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"string", b_string}, {"len", b_len}, {"close", b_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", f_open}, {NULL, NULL}};
  luaL_newmetatable(L, NAME);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushcclosure(L, b_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
