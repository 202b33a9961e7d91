-- heap.lua METHODS FOLDER [NAME]: memory runs out in the first call of a function, once for each of its allocations.
--
-- METHODS is Tests/methods.lua; FOLDER is empty. Without a NAME, prints the names, a line each. Tests/heap.sh starts a
-- process for each name, so that the function was never called before. heap.c makes allocations fail: one, two in a row
-- (Lua collects and tries again), and all that follow. At last no memory is left at all, by the limits of the process.
-- A call must return or raise an error about memory, and must work when memory is back.
local methods = dofile(arg[1])
local page <const> = mmap.PAGESIZE
local all <const> = math.maxinteger

-- Calls beside the method table: on all threads, and with arguments that need memory.
local mib <const> = 1 << 20
local function large(kind) return function() return mmap.anonymous(12 * mib):view(kind) end end
local u8, u16, u32, f64 = large "u8", large "u16", large "u32", large "f64"
-- Elements with a stride: gathering them needs temporary memory.
local function column(kind)
    return function()
        return mmap.anonymous(12 * mib):records(mmap.struct { { "a", "u8" }, { "x", kind }, { "b", "u16" } }):column "x"
    end
end
local spread, floats = column "u16be", column "f64"
local function buffer() return mmap.anonymous(12 * mib) end
local more <const> = {
    { "sort u8", function(v) v:sort() end, u8 }, { "sort u16", function(v) v:sort() end, u16 },
    { "sort u32", function(v) v[5] = 9 v:sort() end, u32 }, { "sort f64", function(v) v[7] = -1 v:sort() end, f64 },
    { "sort column", function(v) v:sort() end, spread }, { "unique u16", function(v) v:unique() end, u16 },
    { "unique f64", function(v) v:unique() end, f64 }, { "unique column", function(v) v:unique() end, floats },
    { "sum", function(v) v:sum() end, u32 }, { "sum column", function(v) v:sum() end, floats },
    { "variance", function(v) v:variance() end, spread }, { "stats", function(v) v:stats() end, f64 },
    { "minmax", function(v) v:minmax() end, spread }, { "argmax", function(v) v:argmax() end, f64 },
    { "histogram", function(v) v:histogram(1000) end, floats }, { "histogram u16", function(v) v:histogram(70000, 0, 9) end, u16 },
    { "dot", function(v) v:dot(v) end, floats }, { "dot integers", function(v) v:dot(v) end, spread },
    { "add", function(v) v:add(1) end, spread }, { "add column", function(v) v:add(v) end, floats },
    { "add into", function(v, w) v:add(v, w) end, floats, floats }, { "count", function(v) v:count(">", 1) end, spread },
    { "find", function(v) v:find("==", 5) end, floats }, { "fill", function(v) v:fill(1) end, spread },
    { "copy", function(v, w) v:copy(0, w) end, spread, floats }, { "copy itself", function(v) v:copy(0, v:slice(1)) end, spread },
    { "sorted", function(v) v:sorted() end, spread }, { "totable", function(v) v:slice(0, 70000):totable() end, spread },
    { "find bytes", function(b) b:find "abc" end, buffer }, { "count bytes", function(b) b:count "ab" end, buffer },
    { "rfind", function(b) b:rfind "abc" end, buffer }, { "equals", function(b, c) b:equals(c) end, buffer, buffer },
    { "fill bytes", function(b) b:fill "abc" end, buffer }, { "copy bytes", function(b, c) b:copy(0, c) end, buffer, buffer },
    { "crc32", function(b) b:crc32() end, buffer }, { "xxh3", function(b) b:xxh3() end, buffer },
    { "sha256", function(b) b:sha256() end, buffer }, { "split", function(b) b:split(100) end, buffer },
    { "regex count", function(b) mmap.regex("(a|b)*c"):count(b:slice(0, 3 * mib)) end, buffer },
    { "regex long", function() mmap.regex(("(a|b)?"):rep(2000)) end },
    { "regex interpreted", function() mmap.regex "(*NO_JIT)(a|b)*c":find(("ab"):rep(20000)) end },
    { "pattern long", function(b) b:slice(0, 9):match(("[a-z]"):rep(150)) end, buffer },
    { "needle long", function(b) b:find(("ab"):rep(50000)) end, buffer },
    { "struct large", function()
        local fields = {}
        for i = 1, 500 do fields[i] = { "field" .. i, "u32" } end
        mmap.struct(fields)
    end },
    { "show", function(b) b:show { width = 200 } end, buffer }, { "explain", function(b) b:explain() end, buffer },
    { "compile", function(b)
        local function add(x, y) return x + y end
        local f = mmap.compile(function(b, x)
            local s = 0
            for i = 0, #b - 1 do s = add(s, b[i]) end
            return s .. "!"
        end)
        assert(f(b, 1) == "0!")
    end, function() return mmap.anonymous(100) end },
    { "missing", function() pcall(mmap.open, ("x/"):rep(2000)) end },
}

-- The calls of a name, as functions that prepare a call and return it; the error that a call must raise, if any; the
-- fixture.
local function find(name)
    if name:sub(1, 1) == "+" then
        for _, each in ipairs(more) do
            if each[1] == name:sub(2) then
                return { function()
                    local objects = {}
                    for i = 3, #each do objects[i - 2] = each[i]() end
                    return function() each[2](table.unpack(objects)) end
                end }
            end
        end
    end
    local row, ways = assert(methods.row(name), name), {}
    local fixture = methods.fixture(arg[2])
    for n = 1, #row.calls do ways[n] = function() return row.prepare(fixture, n) end end
    return ways, row.fails, fixture
end

local name = arg[3]
if not name then
    for _, row in ipairs(methods.rows) do print(row.name) end
    for _, each in ipairs(more) do print("+" .. each[1]) end
    return
end
local walk = require "heap"
mmap.threads(3)
-- mmap.advices tries all advice values of the kernel, and LLVM allocates very often: skip more allocations.
local full = os.getenv "HEAP_FULL" == "1"
local step = (({ ["mmap.advices"] = 97, ["+compile"] = 7 })[name] or 1) * (full and 1 or 12)
local widths, rests = full and { 1, 2, all } or { 1, all }, full and { 0, 1, 4, 16, 64, 256, 1024 } or { 0, 64 }
local ways, fails, fixture = find(name)
-- Paths and names that a call creates. Each child creates the same ones and removes them.
local paths, names = {}, {}
if fixture then
    local new_path, new_name = fixture.new_path, fixture.new_name
    function fixture.new_path() paths[#paths + 1] = new_path() return paths[#paths] end
    function fixture.new_name() names[#names + 1] = new_name() return names[#names] end
end
local function forget()
    for i = #paths, 1, -1 do os.remove(paths[i]) end
    for i = #names, 1, -1 do pcall(mmap.unlink, names[i]) end
end
local total, bad = { 0, 0, 0 }, 0
for n, prepare in ipairs(ways) do
    local function again()
        forget()
        local ok, problem = pcall(prepare())
        forget()
        if not ok and not (fails and tostring(problem):find(fails)) then error(problem, 0) end
        collectgarbage()
    end
    local function try(width, step)
        collectgarbage()
        local points, returned, raised, number, problem = walk(prepare, again, width, step)
        total[1], total[2], total[3] = total[1] + points, total[2] + returned, total[3] + raised
        if problem and not (fails and problem:find("^%l[%l ]*: .*" .. fails)) then
            bad = bad + 1
            print(("FAILED  %s, call %d, %s: %s"):format(name, n, width == 0 and number .. " KiB left" or
                ("allocation %d and %s"):format(number, width == all and "all after it" or width - 1 .. " after it"), problem))
        end
    end
    for _, width in ipairs(widths) do try(width, step) end
    for _, left in ipairs(rests) do try(0, left) end
end
print(("%d points, %d returned, %d raised: %s"):format(total[1], total[2], total[3], name))
os.exit(bad == 0)
