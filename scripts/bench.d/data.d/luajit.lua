-- luajit.lua WORKLOAD FILE PASSES - mmap(2) by LuaJIT's FFI, and loops over the mapped memory.
local ffi = require "ffi"
local system = dofile(arg[0]:gsub("[^/]*$", "") .. "../ffi.lua")
ffi.cdef [[
void *memchr(const void *, int, size_t);
void *memmem(const void *, size_t, const void *, size_t);
]]
local C = ffi.C
local workload, path, passes = arg[1], arg[2], tonumber(arg[3])
local bytes, size = system.map(path)
bytes = ffi.cast("const uint8_t *", bytes)

local run = {}
function run.sum()
    local total = 0
    for i = 0, size - 1 do total = total + bytes[i] end
    return ("%d"):format(total)
end
function run.random()
    local v, x, all = ffi.cast("const uint32_t *", bytes), 1, 0
    local mask = size / 4 - 1
    for _ = 1, 5000000 do
        x = bit.band(x * 1664525 + 1013904223, mask)
        all = bit.bxor(all, v[x])
    end
    return ("%d"):format(all % 2 ^ 32)
end
function run.newlines()
    local count, p, last = 0, bytes, bytes + size
    while true do
        p = ffi.cast("const uint8_t *", C.memchr(p, 10, last - p))
        if p == nil then return count end
        count, p = count + 1, p + 1
    end
end
function run.find()
    local needle = "this is where it ends"
    return ("%d"):format(tonumber(ffi.cast("const uint8_t *", C.memmem(bytes, size, needle, #needle)) - bytes))
end
function run.stats()
    local v, sum, low, high = ffi.cast("const double *", bytes), 0, math.huge, -math.huge
    for i = 0, size / 8 - 1 do
        local x = v[i]
        sum, low, high = sum + x, math.min(low, x), math.max(high, x)
    end
    return ("%.0f %.6f %.6f"):format(sum, low, high)
end

local seconds, answer = {}, nil
for pass = 1, passes do
    local start = system.now()
    answer = run[workload]()
    seconds[pass] = ("%.6f"):format(system.now() - start)
end
print(answer)
print(table.concat(seconds, "\n"))
