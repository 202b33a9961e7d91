-- interrupt.lua MMAPLUA FILE ROUNDS: how long after Ctrl-C the long operations end, on a file of 1 GiB. Run by
-- scripts/bench. With OPERATION and DELAY behind it does one of them, in a process of its own: a second signal would
-- end it, as it ends lua(1).
--
-- A shell in the background sends the signal after a while; what is measured is the time from the start of the
-- operation to the error, less that while, so the start of the shell counts as ours. An operation that ends before its
-- signal is tried again with an earlier one.

local program, path, rounds, chosen, delay = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local process = io.open "/proc/self/stat":read "n"

local function view(name, type, ...)
    local more = table.pack(...)
    return function(b)
        local v = b:view(type)
        return v[name], v, table.unpack(more, 1, more.n)
    end
end
local function bytes(name, ...)
    local more = table.pack(...)
    return function(b) return b[name], b, table.unpack(more, 1, more.n) end
end
local function with(name, other) return function(b) return b[name], b, other() end end
local function second() return mmap.open(path) end

local operations <const> = {
    { "b:find", bytes("find", "\1\2\3") }, { "b:rfind", bytes("rfind", "\1\2\3") }, { "b:count", bytes("count", "ea") },
    { "b:compare", with("compare", second) }, { "b:mismatch", with("mismatch", second) },
    { "b:copy", function(b) return b.copy, b, 0, second() end }, { "b:fill", bytes("fill", "abc") },
    { "b:crc32", bytes "crc32" }, { "b:xxh3", bytes "xxh3" }, { "b:sha256", bytes "sha256" },
    { "b:string", bytes "string" }, { "b:hexdump, 128 MiB", bytes("hexdump", 0, 128 << 20) },
    { "b:match", bytes("match", "%d+\1") }, { "re:find", function(b) return mmap.regex "[a-z]+\\x01".find, mmap.regex "[a-z]+\\x01", b end },
    { "re:count", function(b) return mmap.regex "[a-z]+ [0-9]".count, mmap.regex "[a-z]+ [0-9]", b end },
    { "b:lines", function(b) return function() for _ in b:lines() do end end end },
    { "b:lines, one line", function(b) return b:lines { sep = "\1" } end },
    { "b:fields", function(b) return function() for _ in b:fields " " do end end end },
    { "b:touch", bytes "touch" }, { "b:populate", bytes "populate" },
    { "v:sum, u8", view("sum", "u8") }, { "v:sum, f32be", view("sum", "f32be") }, { "v:minmax", view("minmax", "i16") },
    { "v:stats", view("stats", "f64") }, { "v:variance", view("variance", "u32") }, { "v:argmax", view("argmax", "i64") },
    { "v:count", view("count", "u8", "<", 60) }, { "v:find", view("find", "u32", "==", 1) },
    { "v:histogram", view("histogram", "u16", 100) }, { "v:unique", view("unique", "u32") },
    { "v:sort, u8", view("sort", "u8") }, { "v:sort, u16", view("sort", "u16") }, { "v:sort, u32", view("sort", "u32") },
    { "v:sort, f64", view("sort", "f64") }, { "v:sorted", function() return mmap.anonymous(1 << 30):view "u32".sorted, mmap.anonymous(1 << 30):view "u32" end },
    { "v:dot", function(b) return b:view "u16".dot, b:view "u16", b:view "u16" end },
    { "v:add", view("add", "u8", 0) }, { "v:mul", view("mul", "f64", 2) }, { "v:fill", view("fill", "u32", 1) },
    { "v:copy, converting", function(b)
        return b:view("f32").copy, b:view "f32", 0, second():view "u32"
    end },
    { "v:totable, u64", view("totable", "u64") } }

if chosen then
    local b <close> = mmap.open(path, "c")
    local call = table.pack(operations[chosen][2](b))
    local ok, message
    local cost = mmap.faults(function()
        os.execute(("{ sleep %.4f; kill -INT %d; } 2>/dev/null &"):format(delay, process))
        ok, message = pcall(table.unpack(call, 1, call.n))
    end)
    assert(ok or tostring(message):find "interrupted!", message)
    print(ok and "ended" or (cost.seconds - delay) * 1e3)
    os.exit(true) -- without an end to the state: a signal may still come
end

local function quantile(list, q) return list[math.max(1, math.ceil(#list * q))] end

for number, operation in ipairs(operations) do
    local found, pause = {}, 0.16
    while #found < rounds and pause > 0.001 do
        local run <close> = assert(io.popen(("'%s' '%s' '%s' '%s' 1 %d %f"):format(program, arg[0], program, path, number, pause)))
        local milliseconds = run:read "n"
        if milliseconds then found[#found + 1] = milliseconds else pause = pause / 2 end
    end
    table.sort(found)
    if #found == rounds then
        print(("%s\t%.1f ms\t%.2f\t%.2f\t%.2f\t100 ms\t1.00"):format(operation[1], found[#found], quantile(found, 0.5) / 100,
            quantile(found, 0.25) / 100, quantile(found, 0.75) / 100))
    else
        print(operation[1] .. "\tended before a signal")
    end
end
