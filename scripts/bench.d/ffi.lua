-- ffi.lua - mmap(2) and a clock by LuaJIT's FFI, for data.d/luajit.lua and compile.d/luajit.lua.
local ffi = require "ffi"
ffi.cdef [[
typedef struct { long sec, nsec; } time_spec;
int clock_gettime(int, time_spec *);
int open(const char *, int, ...);
long lseek(int, long, int);
void *mmap(void *, size_t, int, int, int, long);
]]
local C, time = ffi.C, ffi.new "time_spec"
local M = { MAP_POPULATE = 0x8000 }

-- Seconds, CLOCK_MONOTONIC.
function M.now()
    C.clock_gettime(1, time)
    return tonumber(time.sec) + tonumber(time.nsec) * 1e-9
end

-- A file, mapped shared: the address, and the bytes.
function M.map(path, is_written, flags)
    local file = C.open(path, is_written and 2 or 0)
    local size = tonumber(C.lseek(file, 0, 2))
    return C.mmap(nil, size, is_written and 3 or 1, 1 + (flags or 0), file, 0), size
end
return M
