-- order.lua PROGRAM FOLDER ROUNDS [PYTHON] - medians and sorting, side by side with NumPy and with sorting in place.
--
-- order.lua run WHAT FILE PASSES THREADS is one side: it prints an answer, and then the seconds of each pass. So does
-- data.d/order.py. The sides run in turn, each in a process of its own, on the same files, which are kept in FOLDER.
-- A time is the median of the passes but the first by the clock inside; the ratio is that of two sides in one round.
-- PYTHON is one that has numpy. Lines are as in access.lua.

local ten <const>, sixteen <const> = 10000000, 1 << 24
local bytes <const> = { median = 8 * ten, argsort = 4 * ten, records = 16 * ten, sort = 4 * sixteen }

-- Random numbers by xorshift, into the file that a workload is done on.
local function generate(what, path)
    local x = 88172645463325252
    local function random()
        x = x ~ x << 13
        x = x ~ x >> 7
        x = x ~ x << 17
        return x
    end
    do
        local b <close> = mmap.open(path .. ".new", "w+", { size = bytes[what] })
        if what == "median" then
            -- Of a normal distribution.
            local v = b:view "f64"
            for i = 0, #v - 1 do
                local radius = math.sqrt(-2 * math.log(((random() >> 11) + 1) * 2.0 ^ -53))
                v[i] = radius * math.cos(2 * math.pi * (random() >> 11) * 2.0 ^ -53)
            end
        else
            local v = b:view "u32"
            for i = 0, #v - 1 do v[i] = random() & 0xffffffff end
        end
    end
    assert(os.rename(path .. ".new", path))
end

-- An anonymous buffer with the bytes of a file: little of that is mapped at a time, so that --memory may be low.
local function load(path, size)
    local b, step = mmap.anonymous(size), 8 << 20
    for offset = 0, size - 1, step do
        local part <close> = mmap.open(path, "r", { offset = offset, length = math.min(step, size - offset) })
        b:copy(offset, part)
    end
    return b
end

local layout <const> = mmap.struct { { "key", "u32" }, { "a", "u32" }, { "b", "u64" } }
local workloads <const> = {
    median = function(b)
        local v = b:view "f64"
        return function() return ("%.17g"):format(v:median()) end
    end,
    argsort = function(b)
        local v = b:view "u32"
        return function()
            local order = v:argsort()
            return ("%d %d %d"):format(order[0], order[#order // 2], order[#order - 1])
        end
    end,
    records = function(b)
        local r = b:records(layout)
        return function()
            r:sort "key"
            return ("%d %d %d"):format(r[0].a, r[#r // 2].a, r[#r - 1].a)
        end
    end,
    sort = function(b)
        local v = b:view "u32"
        return function()
            v:sort()
            return ("%d %d %d"):format(v[0], v[#v // 2], v[#v - 1])
        end
    end,
}

if arg[1] == "run" then
    local what, path, passes, threads = arg[2], arg[3], math.tointeger(arg[4]), math.tointeger(arg[5])
    if threads then mmap.threads(threads) end
    local b = load(path, bytes[what])
    local run, times, answer = workloads[what](b), {}, nil
    for pass = 1, passes do
        -- Sorted input is not work.
        if pass > 1 and (what == "records" or what == "sort") then
            b:close()
            collectgarbage()
            b = load(path, bytes[what])
            run = workloads[what](b)
        end
        times[pass] = mmap.faults(function() answer = run() end).seconds
        collectgarbage()
    end
    print(answer)
    for _, seconds in ipairs(times) do print(seconds) end
    return
end

local program, folder, rounds, python = arg[1], arg[2], math.tointeger(arg[3]), arg[4]
local passes <const> = 4
local script <const> = arg[0]

local function median(list)
    local sorted = table.move(list, 1, #list, 1, {})
    table.sort(sorted)
    return sorted[(#sorted + 1) // 2]
end
local function quartile(list, part)
    table.sort(list)
    return list[1 + math.floor((#list - 1) * part + 0.5)]
end

-- Seconds, and the answer.
local function time(command)
    local pipe <close> = assert(io.popen(command))
    local answer, times = pipe:read "l", {}
    for line in pipe:lines() do times[#times + 1] = tonumber(line) end
    if #times ~= passes then error(command .. " failed") end
    return median(table.move(times, 2, #times, 1, {})), answer
end

local function compare(what, title, ours, theirs, against, bar)
    local times, ratios, others = {}, {}, {}
    for round = 1, rounds do
        local our_answer, their_answer
        times[round], our_answer = time(ours)
        others[round], their_answer = time(theirs)
        ratios[round] = times[round] / others[round]
        if our_answer ~= their_answer then io.stderr:write("bench: ", against, " has another answer to ", what, "\n") end
    end
    print(("%s\t%.1f ms"):format(title, 1000 * median(times)))
    print(("%s\t%.1f ms\t%.2f\t%.2f\t%.2f\t%s\t%s"):format("  " .. against, 1000 * median(others), median(ratios),
        quartile(ratios, 0.25), quartile(ratios, 0.75), "ours to this", bar))
end

local function quoted(word) return "'" .. word:gsub("'", [['\'']]) .. "'" end
for _, what in ipairs { "median", "argsort", "records", "sort" } do
    local path = ("%s/order-%s.bin"):format(folder, what)
    if not io.open(path) then generate(what, path) end
    local function ours(options, threads)
        return ("%s %s %s run %s %s %d %s"):format(quoted(program), options, quoted(script), what, quoted(path), passes, threads)
    end
    if what == "sort" then
        compare(what, "sort of 16 Mi u32, one thread", ours("", 1), ours("--memory=84M", 1), "in place", "0.65")
    elseif python then
        local theirs = ("%s %s %s %s %d"):format(quoted(python), quoted((script:gsub("order%.lua$", "data.d/order.py"))), what,
            quoted(path), passes)
        local titles = { median = "median of 10 M f64", argsort = "argsort of 10 M u32", records = "10 M records by a u32" }
        local names = { median = "NumPy, median", argsort = "NumPy, stable argsort", records = "NumPy, argsort and take" }
        compare(what, titles[what], ours("", ""), theirs, names[what], "1.00")
        compare(what, titles[what] .. ", 1 thread", ours("", 1), theirs, names[what], "")
    end
end
