-- residency.lua FILE MINCORE ROUNDS: resident pages of a sparse mapping of 8 GiB, as a set and as a count, against a
-- loop over mincore(2) in C (the program MINCORE) on the same file. Run by scripts/bench.

local path, program, rounds = arg[1], arg[2], tonumber(arg[3])
os.remove(path)
local b = mmap.sparse(path, 8 << 30)
b:advise "random"

local function quantile(list, q) return list[math.max(1, math.ceil(#list * q))] end

local function in_c()
    local run <close> = assert(io.popen(("%s '%s'"):format(program, path)))
    local nanoseconds, count = run:read("n", "n")
    return nanoseconds / 1e9, count
end

local function time(fn, ...)
    local cost, result, second = mmap.faults(fn, ...)
    return cost.seconds, result, second
end

local function row(what, best, ratios, against, bar)
    if ratios then table.sort(ratios) end
    print(("%s\t%.2f ms\t%s\t%s\t%s\t%s\t%s"):format(what, best * 1e3,
        ratios and ("%.3f"):format(quantile(ratios, 0.5)) or "", ratios and ("%.3f"):format(quantile(ratios, 0.25)) or "",
        ratios and ("%.3f"):format(quantile(ratios, 0.75)) or "", against or "", bar or ""))
end

local function measure(title)
    local best = { c = math.huge, pages = math.huge, incore = math.huge, show = math.huge }
    local ratios = { pages = {}, incore = {}, more = {} }
    for _ = 1, rounds do
        local c, expected = in_c()
        local pages, set = time(b.pages, b)
        local incore, _, count = time(b.incore, b)
        local show = time(b.show, b)
        assert(set:count() == expected and count == expected, "the counts differ")
        ratios.pages[#ratios.pages + 1] = pages / c
        ratios.incore[#ratios.incore + 1] = incore / c
        ratios.more[#ratios.more + 1] = (show - pages) / 0.05
        best.c, best.pages = math.min(best.c, c), math.min(best.pages, pages)
        best.incore, best.show = math.min(best.incore, incore), math.min(best.show, show)
    end
    row(title .. ": mincore", best.c)
    row("b:pages()", best.pages, ratios.pages, "the loop in C", "1.20")
    row("b:incore()", best.incore, ratios.incore, "the loop in C")
    row("b:show(), beyond b:pages()", best.show - best.pages, ratios.more, "50 ms", "1.00")
end

measure "nothing in memory"
b:touch(0, nil, 1 << 24)
measure "a page in 16 MiB"
os.remove(path)
