-- access.lua [MODULES [ROUNDS]] - cost of one byte, b[i] and b[i] = v, and of an atomic addition, side by side.
--
-- MODULES is the folder of handwritten.so, the same binding in C. With it, only the lines about that binding are
-- printed; without it, only the others: a program with it linked in is not quite the one people run. The variants run
-- in turn, in ROUNDS short rounds, so that other load on the machine affects all alike. The results per variant are the
-- shortest time, and the median and quartiles of its ratio to another variant *in the same round*. Time is processor
-- time, so that preemption does not count.
--
-- A line is: what, value, ratio, lower quartile, upper quartile, against, bar; separated by tabs.

local modules, rounds = arg[1] or "", tonumber(arg[2]) or 300
local size <const> = 32 * 1024 -- fits in the caches: measure the interpreter, not the memory

local path = os.tmpname()
do
    local bytes = {}
    for i = 1, size do bytes[i] = string.char((i * 167 + 13) & 255) end
    local file = assert(io.open(path, "wb"))
    file:write(table.concat(bytes))
    file:close()
end
local buffer = mmap.open(path, "r+")
local text = buffer:string()
local list = { text:byte(1, 8) }
for i = 0, size - 1 do list[i] = text:byte(i + 1) end
local handwritten
if modules ~= "" then
    package.cpath = modules .. "/?.so"
    handwritten = require("handwritten").open(path)
end
os.remove(path)

-- Each subject has its own functions: the speed of a shared one would depend on the subject that trained the
-- processor's branch predictors last.
local read <const> = [[
    local o, last = ...
    local s = 0
    for i = 0, last do s = s + o[i] end
    return s]]
local write <const> = [[
    local o, last = ...
    local v = 7
    for i = 0, last do o[i] = v end]]
local call <const> = [[
    local o, last = ...
    local byte = string.byte
    local s = 0
    for i = 1, last + 1 do s = s + byte(o, i) end
    return s]]
local nothing <const> = [[
    local o, last = ...
    local s = 0
    for i = 0, last do s = s + i end
    return s]]

local variants = {}
local function variant(name, source, object)
    if not object then return end
    local run = assert(load(source, "=" .. name))
    local v = { name = name, run = run, object = object, times = {} }
    variants[#variants + 1], variants[name] = v, v
end
variant("empty loop", nothing, text)
variant("mmaplua b[i]", read, buffer)
variant("string.byte(s, i)", call, text)
variant("table t[i]", read, list)
variant("C by hand b[i]", read, handwritten)
variant("mmaplua b[i] = v", write, buffer)
variant("table t[i] = v", write, list)
variant("C by hand b[i] = v", write, handwritten)

if modules == "" then
    local counter = mmap.anonymous(64)
    variant("mmaplua b:get(type, i)", [[
        local o, last = ...
        for i = 0, last do o:get("u32", 8) end]], counter)
    variant("mmaplua atomic:add(1)", [[
        local o, last = ...
        for i = 0, last do o:add(1) end]], counter:atomic("u32", 0))
end

do -- All variants must read the same bytes, or the comparison is void.
    local expected = variants["table t[i]"].run(list, size - 1)
    for _, v in ipairs(variants) do
        local sum = v.run(v.object, size - 1)
        if v.name ~= "empty loop" and sum then assert(sum == expected, v.name) end
    end
    for i = 0, size - 1 do
        assert(list[i] == 7 and buffer[i] == 7 and not (handwritten and handwritten[i] ~= 7))
    end
end

local clock = os.clock
collectgarbage()
collectgarbage("stop")
for round = 1, rounds do
    for k = 0, #variants - 1 do
        local v = variants[(k + round) % #variants + 1] -- rotate which variant runs first
        local run, object = v.run, v.object
        local start = clock()
        run(object, size - 1)
        v.times[round] = clock() - start
    end
end

local function line(name, against, bar)
    local v, base = variants[name], variants[against]
    if not v then return end
    local fields = { name, ("%.1f ns"):format(math.min(table.unpack(v.times)) / size * 1e9), "", "", "", "", "" }
    if base then
        local ratios = {}
        for round = 1, rounds do ratios[round] = v.times[round] / base.times[round] end
        table.sort(ratios)
        for k = 1, 3 do -- the quartiles, the median first
            fields[2 + k] = ("%.3f"):format(ratios[({ 2, 1, 3 })[k] * rounds // 4 + 1])
        end
        fields[6], fields[7] = against, bar or ""
    end
    print(table.concat(fields, "\t"))
end
if not handwritten then
    line("empty loop")
    line("string.byte(s, i)")
    line("table t[i]", "string.byte(s, i)")
    line("mmaplua b[i]", "string.byte(s, i)", "0.90")
    line("table t[i] = v", "table t[i]")
    line("mmaplua b[i] = v", "mmaplua b[i]", "1.15")
    line("mmaplua b:get(type, i)", "mmaplua b[i]")
    line("mmaplua atomic:add(1)", "mmaplua b[i]")
else
    line("C by hand b[i]", "string.byte(s, i)")
    line("mmaplua b[i]", "C by hand b[i]", "1.10")
    line("C by hand b[i] = v", "C by hand b[i]")
    line("mmaplua b[i] = v", "C by hand b[i] = v", "1.10")
end
