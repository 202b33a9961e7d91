-- guard.lua PROGRAM OTHER ROUNDS - cost of the test after each access: b[i] and b[i] = v in PROGRAM against OTHER,
-- the same program without the test. Without arguments, prints the two costs in this process.
--
-- The processes run in turn, and each ratio is of two consecutive ones. Processes of the same program differ a little,
-- depending on the addresses of their code and data; so there are many processes, and the median counts. The output
-- lines are as in access.lua.

local size <const> = 32 * 1024

local function measure(object, source)
    local run = assert(load(source))
    local times = {}
    for round = 1, 60 do
        local start = os.clock()
        run(object, size - 1)
        times[round] = os.clock() - start
    end
    table.sort(times)
    return times[#times // 2] / size * 1e9 -- the median of short runs; the minimum would be luck
end

if not arg[1] then
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(("x"):rep(size))
    file:close()
    local buffer = mmap.open(path, "r+")
    os.remove(path)
    collectgarbage()
    collectgarbage("stop")
    print(measure(buffer, "local o, last = ... local s = 0 for i = 0, last do s = s + o[i] end return s"))
    print(measure(buffer, "local o, last = ... local v = 7 for i = 0, last do o[i] = v end"))
    return
end

local programs, rounds = { arg[1], arg[2] }, tonumber(arg[3])
local names <const> = { "mmaplua b[i]", "mmaplua b[i] = v" }
local best, ratios = { math.huge, math.huge }, { {}, {} }
for round = 1, rounds do
    local times = {}
    for k = 1, 2 do
        local which = (k + round) % 2 + 1 -- alternate which program runs first
        local process = assert(io.popen(("'%s' '%s'"):format(programs[which], arg[0])))
        times[which] = { process:read("n", "n") }
        assert(process:close(), programs[which])
    end
    for what = 1, 2 do
        best[what] = math.min(best[what], times[1][what])
        ratios[what][round] = times[1][what] / times[2][what]
    end
end
for what, name in ipairs(names) do
    local list = ratios[what]
    table.sort(list)
    local quartile = function(k) return ("%.3f"):format(list[k * rounds // 4 + 1]) end
    print(table.concat({ name, ("%.1f ns"):format(best[what]), quartile(2), quartile(1), quartile(3), "without the test", "1.03" }, "\t"))
end
