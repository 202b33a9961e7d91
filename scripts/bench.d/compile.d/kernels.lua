-- kernels.lua FOLDER PASSES - loops over mapped files, compiled: as one writes them, nothing is tuned.
--
-- Prints a line for each: name, the median of the passes in seconds without the first, and an answer; and whynot, if it
-- was not compiled.
-- kernels.lua start - what the compiler takes, in seconds: the first function, the next, and the other way round; a call.
-- kernels.lua memory - how much the resident memory of the process grows by a compiler, in KiB.
local K, order = dofile((arg[0]:gsub("[^/]*$", "both.lua"))), { "a", "b", "c", "d", "e", "f", "g", "s", "m", "dot", "axpy", "hist", "table", "record" }
function K.a(b) local s = 0 for i = 0, #b - 1 do s = s + b[i] end return s end
function K.b(b, n) for i = 0, n - 1 do b[i] = i & 0xff end end
function K.c(v, n)
    local x, s = 12345, 0
    for _ = 1, n do
        x = (x * 1103515245 + 12345) & 0xffffffff
        s = s + v[x >> 6]
    end
    return s
end
function K.d(b) local n = 0 for i = 0, #b - 1 do if b[i] == 10 then n = n + 1 end end return n end
function K.e(b, n)
    local i, rows, sum, min, max, h = 0, 0, 0, math.maxinteger, math.mininteger, 0
    while i < n do
        local c = b[i]
        h = 0
        while c ~= 59 do h = h * 31 + c i = i + 1 c = b[i] end
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
    return rows, sum, min, max, h
end
function K.s(v) local s = 0 for i = 0, #v - 1 do s = s + v[i] end return s end
function K.m(v) local m = v[0] for i = 1, #v - 1 do local x = v[i] if x > m then m = x end end return m end
function K.dot(a, b) local s = 0.0 for i = 0, #a - 1 do s = s + a[i] * b[i] end return s end
function K.axpy(a, b, k) for i = 0, #a - 1 do b[i] = k * a[i] + b[i] end end
function K.hist(b, h) for i = 0, #b - 1 do local c = b[i] h[c] = h[c] + 1 end end
function K.table(b) local t = {} for i = 0, #b - 1 do local c = b[i] t[c] = (t[c] or 0) + 1 end return t end
function K.record(r) local s = 0 for i = 0, #r - 1 do s = s + r[i].x end return s end

local function seconds(f, ...)
    local all
    local arguments = table.pack(...)
    local time = mmap.faults(function() all = table.pack(f(table.unpack(arguments, 1, arguments.n))) end).seconds
    return time, table.unpack(all, 1, all.n)
end

if arg[1] == "start" then
    local buffer, view = mmap.anonymous(16), mmap.anonymous(800):view "f64"
    local other = mmap.anonymous(800):view "f64"
    local one, two = mmap.compile(K.a, { strict = true }), mmap.compile(K.f, { strict = true })
    if arg[2] == "a" then
        print(seconds(one, buffer), seconds(two, view, other, 10, 10))
    else
        print(seconds(two, view, other, 10, 10), seconds(one, buffer))
    end
    local empty, compiled = function() end, mmap.compile(function(x) return x end, { strict = true })
    compiled(1)
    local function time(f)
        local best = math.huge
        for _ = 1, 20 do best = math.min(best, (seconds(function() for i = 1, 100000 do f(i) end end))) end
        return best / 100000
    end
    print(time(compiled), time(empty))
    return
elseif arg[1] == "memory" then
    local function resident()
        local file <close> = io.open "/proc/self/status"
        return tonumber(file:read("a"):match "VmRSS:%s*(%d+)")
    end
    local before = resident()
    mmap.compile(K.a, { strict = true })(mmap.anonymous(16))
    print(resident() - before)
    return
end

local folder, passes = arg[1], math.tointeger(arg[2])
local function map(name, mode) return mmap.open(folder .. "/compile-" .. name, mode, { populate = true }) end
local B, W, V, T = map "bytes", map("written", "r+"), map("words"):view "u32", map "text"
local S, D = map("doubles"):view "f64", map("others", "r+"):view "f64"
local h = mmap.anonymous(2048):view "u64"
local records = map("doubles")
records = records:records(mmap.struct { { "a", "f64" }, { "x", "f64" }, { "n", "u64" } }, 0, #records // 24)
local calls = {
    a = { B }, b = { W, #W }, c = { V, 5000000 }, d = { B }, e = { T, #T }, f = { S, D, 2048, 2048 }, g = { D, 512, 512, 200 }, s = { S }, m = { S },
    dot = { S, D }, axpy = { S, D, 0.5 }, hist = { B, h }, table = { B }, record = { records },
}
local answers = {
    b = function() return W[#W - 1] end, f = function() return D[2048 * 1000 + 77] end,
    g = function() return D[512 * 256 + 256], D[1000] end, axpy = function() return D[#D // 2] end,
    hist = function() return h[0], h[255] end, table = function(t) return t[0], t[255] end,
}
for _, name in ipairs(order) do
    local kernel, times, result = mmap.compile(K[name]), {}, nil
    for pass = 0, passes do
        h:fill(0)
        result = table.pack(seconds(kernel, table.unpack(calls[name])))
        times[pass] = result[1]
        -- The interpreter's time is no better the next time.
        if mmap.whynot(kernel) then
            times[1] = times[pass]
            break
        end
    end
    table.sort(times)
    local answer = answers[name] and table.pack(answers[name](result[2])) or table.pack(table.unpack(result, 2, result.n))
    for i = 1, answer.n do answer[i] = (math.type(answer[i]) == "integer" and "%d" or "%a"):format(answer[i]) end
    print(name, ("%.9f"):format(times[(#times + 1) // 2]), table.concat(answer, " "), mmap.whynot(kernel) or "")
end
