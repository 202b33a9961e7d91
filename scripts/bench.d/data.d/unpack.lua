-- unpack.lua ROUNDS - b:unpack(format, offset) against string.unpack on a string in memory, both held in locals, at
-- random offsets; prints the lines of scripts/bench.
local rounds <const>, COUNT <const> = tonumber(arg[1]), 100000
local b = mmap.anonymous(1 << 16)
for i = 0, #b - 1 do b[i] = i * 7 & 255 end
local s = b:string()

local loops = { function(place)
    local unpack, all = b.unpack, 0
    for _ = 1, COUNT do
        place = (place * 1664525 + 1013904223) & 0x3fff
        all = all ~ unpack(b, "<I4", place)
    end
    return all
end, function(place)
    local unpack, all = string.unpack, 0
    for _ = 1, COUNT do
        place = (place * 1664525 + 1013904223) & 0x3fff
        all = all ~ unpack("<I4", s, place + 1)
    end
    return all
end }

local times, ratios = { {}, {} }, {}
for round = 1, rounds do
    local answers = {}
    for i, loop in ipairs(loops) do
        local start = os.clock()
        answers[i] = loop(1)
        times[i][round] = (os.clock() - start) / COUNT * 1e9
    end
    assert(answers[1] == answers[2])
    ratios[round] = times[1][round] / times[2][round]
end
local function quantile(list, q)
    table.sort(list)
    return list[1 + math.floor((#list - 1) * q + 0.5)]
end
print(("string.unpack\t%.1f ns"):format(quantile(times[2], 0)))
print(("b:unpack\t%.1f ns\t%.2f\t%.2f\t%.2f\tstring.unpack\t1.10"):format(quantile(times[1], 0), quantile(ratios, 0.5),
    quantile(ratios, 0.25), quantile(ratios, 0.75)))
