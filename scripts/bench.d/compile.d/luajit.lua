-- luajit.lua FOLDER PASSES - the loops of kernels.lua by LuaJIT's FFI, which checks nothing.
--
-- Prints a line for each: name, the median of the passes in seconds without the first, and an answer.
local ffi, bit = require "ffi", require "bit"
local here = arg[0]:gsub("[^/]*$", "")
local K, system = dofile(here .. "both.lua"), dofile(here .. "../ffi.lua")
local folder, passes = arg[1], tonumber(arg[2])
local function map(name, is_written, type)
    local address, size = system.map(folder .. "/compile-" .. name, is_written, system.MAP_POPULATE)
    return ffi.cast(type, address), size
end
local B, n = map("bytes", false, "const uint8_t *")
local W = map("written", true, "uint8_t *")
local T, length = map("text", false, "const uint8_t *")
local V = map("words", false, "const uint32_t *")
local S, size = map("doubles", false, "const double *")
local D = map("others", true, "double *")
local h, count = ffi.new "double[256]", size / 8
ffi.cdef "typedef struct { double a, x; uint64_t n; } record;"
local R = ffi.cast("const record *", S)

function K.a(b, n) local s = 0 for i = 0, n - 1 do s = s + b[i] end return s end
function K.b(b, n) for i = 0, n - 1 do b[i] = bit.band(i, 0xff) end end
function K.c(v, n)
    local x, s = 12345, 0
    for _ = 1, n do
        x = tonumber(ffi.cast("uint32_t", 1103515245LL * x + 12345))
        s = s + v[bit.rshift(bit.tobit(x), 6)]
    end
    return s
end
function K.d(b, length) local n = 0 for i = 0, length - 1 do if b[i] == 10 then n = n + 1 end end return n end
function K.e(b, n)
    local i, rows, sum, min, max, h = 0, 0, 0, math.huge, -math.huge, 0
    while i < n do
        local c = b[i]
        h = 0
        while c ~= 59 do h = bit.tobit(h * 31 + c) i = i + 1 c = b[i] end
        i = i + 1
        c = b[i]
        local is_negative = false
        if c == 45 then is_negative = true i = i + 1 c = b[i] end
        local x = 0
        while c ~= 10 do
            if c ~= 46 then x = x * 10 + c - 48 end
            i = i + 1
            c = b[i]
        end
        i = i + 1
        if is_negative then x = -x end
        rows = rows + 1
        sum = sum + x
        if x < min then min = x end
        if x > max then max = x end
    end
    return rows
end
function K.s(v, n) local s = 0 for i = 0, n - 1 do s = s + v[i] end return s end
function K.m(v, n) local m = v[0] for i = 1, n - 1 do local x = v[i] if x > m then m = x end end return m end
function K.dot(a, b, n) local s = 0.0 for i = 0, n - 1 do s = s + a[i] * b[i] end return s end
function K.axpy(a, b, k, n) for i = 0, n - 1 do b[i] = k * a[i] + b[i] end end
function K.hist(b, n, h) for i = 0, n - 1 do local c = b[i] h[c] = h[c] + 1 end end
function K.record(r, n) local s = 0 for i = 0, n - 1 do s = s + r[i].x end return s end

local function run(name, ...)
    local times, answer = {}, nil
    for pass = 0, passes do
        local start = system.now()
        answer = K[name](...)
        times[pass] = system.now() - start
    end
    table.sort(times)
    print(name .. "\t" .. ("%.9f"):format(times[math.floor((#times + 1) / 2)]) .. "\t" .. tostring(answer or ""))
end
run("a", B, n) run("b", W, n) run("c", V, 5000000) run("d", B, n) run("e", T, length) run("f", S, D, 2048, 2048) run("g", D, 512, 512, 200)
run("s", S, count) run("m", S, count) run("dot", S, D, count) run("axpy", S, D, 0.5, count) run("hist", B, n, h)
run("record", R, math.floor(size / 24))
