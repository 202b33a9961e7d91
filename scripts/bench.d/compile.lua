-- compile.lua PROGRAM FOLDER ROUNDS [C] [LUAJIT] - loops of compiled functions beside those of C and of LuaJIT.
--
-- Each side is a process that does all loops of compile.d and prints the median of fifteen passes by the clock inside. The
-- sides run in turn, ROUNDS times; the ratio is that of two sides in one round. C is the program made of
-- compile.d/kernels.c, LUAJIT a command. The files are kept in FOLDER. Lines are as in access.lua.
local program, folder, rounds, c, luajit = arg[1], arg[2], math.tointeger(arg[3]), arg[4], arg[5]
local here = arg[0]:gsub("[^/]*$", "") .. "compile.d/"
local passes <const> = 15

local names <const> = {
    { "a", "a: sum of 64 Mi bytes", "1.30" }, { "b", "b: 64 Mi bytes written", "2.00" }, { "c", "c: 5 M random u32", "1.20" },
    { "d", "d: newlines in 64 MiB", "1.30" }, { "e", "e: rows read byte by byte", "1.50" }, { "f", "f: stencil, 2048 x 2048", "1.40" },
    { "g", "g: Mandelbrot, 512 x 512", "1.20" }, { "s", "s: sum of 4 Mi f64", "1.20" }, { "m", "m: greatest of 4 Mi f64", "1.40" },
    { "dot", "dot: of 4 Mi f64", "1.40" }, { "axpy", "axpy: of 4 Mi f64", "1.40" }, { "hist", "hist: bytes, into a view", "1.40" },
    { "table", "table: bytes, into a table", "4.00" }, { "record", "record: r[i].x of 1.4 Mi", "1.50" },
}

local function make(name, write)
    local path = folder .. "/compile-" .. name
    local file = io.open(path)
    if file then return file:close() end
    file = assert(io.open(path .. ".new", "wb"))
    write(file)
    file:close()
    assert(os.rename(path .. ".new", path))
end
local function random_bytes(mebibytes)
    return function(file)
        local source <close> = assert(io.open("/dev/urandom", "rb"))
        for _ = 1, mebibytes do file:write(source:read(1 << 20)) end
    end
end
local function random_doubles(file)
    math.randomseed(1)
    for _ = 1, 1 << 22 do file:write(("d"):pack(math.random())) end
end
local function rows(file)
    math.randomseed(1)
    local cities = {}
    for i = 1, 413 do cities[i] = "city" .. math.random(0, 999999) end
    local size = 0
    while size < 64 << 20 do
        -- About normally distributed.
        local row = ("%s;%.1f\n"):format(cities[math.random(413)], 15 + 24 * (math.random() + math.random() + math.random() - 1.5))
        size = size + #row
        file:write(row)
    end
end
make("bytes", random_bytes(64)) make("written", random_bytes(64)) make("words", random_bytes(256))
make("doubles", random_doubles) make("others", random_doubles) make("text", rows)

local function quoted(word) return "'" .. word:gsub("'", [['\'']]) .. "'" end
local function quantile(list, part)
    local sorted = table.move(list, 1, #list, 1, {})
    table.sort(sorted)
    return sorted[1 + math.floor((#sorted - 1) * part + 0.5)]
end
local function row(what, value, ratios, against, bar)
    if not ratios then return print(what .. "\t" .. value) end
    print(("%s\t%s\t%.2f\t%.2f\t%.2f\t%s\t%s"):format(what, value, quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75), against, bar or ""))
end
local function milliseconds(times) return ("%.2f ms"):format(1000 * quantile(times, 0.5)) end

-- The lines of a command, cut at tabs.
local function lines(command)
    local pipe <close> = assert(io.popen(command))
    local all = {}
    for line in pipe:lines() do
        local words = {}
        for word in (line .. "\t"):gmatch "(.-)\t" do words[#words + 1] = word end
        all[#all + 1] = words
    end
    if #all == 0 then error(command .. " failed") end
    return all
end

local sides = { { "mmaplua", ("%s %skernels.lua %s %d"):format(quoted(program), here, quoted(folder), passes) } }
if c then sides[#sides + 1] = { "C", ("%s %s %d"):format(quoted(c), quoted(folder), passes) } end
if luajit then sides[#sides + 1] = { "LuaJIT", ("%s %sluajit.lua %s %d"):format(quoted(luajit), here, quoted(folder), passes) } end
local times, said = {}, {}
for _, side in ipairs(sides) do times[side[1]] = {} end
for round = 1, rounds do
    local answers = {}
    for _, side in ipairs(sides) do
        for _, words in ipairs(lines(side[2])) do
            local name, list = words[1], times[side[1]]
            list[name] = list[name] or {}
            list[name][round] = tonumber(words[2])
            -- What the sides write to, others have written before.
            local is_answer = name ~= "axpy" and name ~= "dot"
            if side[1] == "mmaplua" then answers[name], said[name] = words[3], words[4] end
            if side[1] == "C" and is_answer and answers[name] ~= words[3] then
                io.stderr:write("bench: C has another answer to ", name, ": ", words[3], ", not ", answers[name] or "none", "\n")
            end
        end
    end
end
for _, name in ipairs(names) do
    local key, what, bar = table.unpack(name)
    local ours = times.mmaplua[key]
    row(what, milliseconds(ours))
    if said[key] and said[key] ~= "" then io.stderr:write("bench: not compiled: ", key, ": ", said[key], "\n") end
    for _, side in ipairs { "C", "LuaJIT" } do
        local theirs, ratios = times[side] and times[side][key], {}
        if theirs then
            for round = 1, rounds do ratios[round] = ours[round] / theirs[round] end
            local is_free = side == "LuaJIT" and (key == "m" or key == "dot")
            row("  " .. side, milliseconds(theirs), ratios, "ours to this", is_free and "" or side == "LuaJIT" and "1.05" or bar)
        end
    end
end

-- What the compiler takes.
local first, start, calls = {}, {}, {}
for round = 1, 4 * rounds do
    local time = mmap.faults(function() os.execute "exec lua5.4 /dev/null" end).seconds
    start[round] = time
    for _, what in ipairs { "a", "f" } do
        local all = lines(("%s %skernels.lua start %s"):format(quoted(program), here, what))
        first[what] = first[what] or { {}, {} }
        first[what][1][round], first[what][2][round] = tonumber(all[1][1]), tonumber(all[1][2])
        calls[#calls + 1] = tonumber(all[2][1]) / tonumber(all[2][2])
    end
end
row("lua5.4, started and ended", milliseconds(start))
local function compiling(what, times, bar)
    local ratios = {}
    for i = 1, #times do ratios[i] = times[i] / start[i] end
    row(what, milliseconds(times), ratios, "starts of lua5.4", bar)
end
compiling("a compiled, with loading", first.a[1], "30") compiling("a compiled, next", first.f[2], "20")
compiling("f compiled, with loading", first.f[1], "70") compiling("f compiled, next", first.a[2], "60")
row("call of a compiled function", "", calls, "call of an empty one", "6")
local plugin = program:gsub("[^/]*$", "") .. "mmap-compile.so"
local file <close> = io.open(plugin)
if file then
    local size = file:seek "end" / 1e6
    print(("mmap-compile.so, on disk\t%.1f MB\t%.2f\t\t\t40 MB\t1.00"):format(size, size / 40))
end
local resident = tonumber(lines(("%s %skernels.lua memory"):format(quoted(program), here))[1][1]) / 1024
print(("a first compile, resident\t%.1f MiB\t%.2f\t\t\t45 MiB\t1.00"):format(resident, resident / 45))
