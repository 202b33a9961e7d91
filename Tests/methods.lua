-- methods.lua: a row for each function of the library, for whoever has to call all of them.
--
--     local methods = dofile "Tests/methods.lua"
--     local fixture <close> = methods.fixture(folder)   -- `folder`: an empty one, for the files of the rows
--     for _, row in ipairs(methods.rows) do row.call(fixture) end
--
-- row.name        "buffer.find", "mmap.open", "view.__index": row.class and row.method, joined
-- row.calls       a list of valid calls. Each has `arguments`, a function that makes fresh arguments, the object first,
--                 of a fixture; most have `types`, the words that may stand at each place, by place:
--                 types[2].string is true where a string may be the second argument
-- row.call(fixture [, n])     makes the n-th call (the first), and steps through an iterator that it returns
-- row.prepare(fixture [, n])  the same in two parts: a function without arguments that makes the call
-- row.find(fixture)           the function itself, nil where there is no way to it (a finalizer without debug)
-- row.fails       what a valid call raises, where it must: a pattern
-- row.process     true: makes a process, which the program of a test cannot
-- row.opens       true: opens, makes or removes a file or a name
-- row.sandbox     true, or the option that gives the function to a sandbox
-- row.iterates    true: what it returns is an iterator
-- row.internal    true: an object that only the debug library leads to
--
-- Words of types are those of the manual: integer number string boolean table file function any, the names of the
-- classes, and nil where the argument may be left out, written `integer?`.

local mmap = mmap or require "mmap"
local methods = { rows = {} }
local by_name = {}
local page <const> = mmap.PAGESIZE

-- ---- the fixture

-- Makes objects of each class, files and names; takes them away when it is closed.
function methods.fixture(folder)
    local fixture = { folder = folder, page = page }
    local count, files, names = 0, {}, {}
    -- The path of a file that is not there.
    function fixture.new_path()
        count = count + 1
        local path = ("%s/methods.%d"):format(folder, count)
        files[#files + 1] = path
        return path
    end
    function fixture.new_file(bytes)
        local path = fixture.new_path()
        local file <close> = assert(io.open(path, "wb"))
        file:write(bytes)
        return path
    end
    -- A name of shared memory that is not there.
    function fixture.new_name()
        count = count + 1
        local name = ("mmaplua-methods-%s-%d"):format(folder:gsub("%W", "."), count)
        names[#names + 1] = name
        return name
    end
    fixture.path = fixture.new_file(("x"):rep(2 * page))
    -- An open file of Lua's, the same each time.
    fixture.opened = assert(io.open(fixture.path, "r+b"))
    function fixture.file() return fixture.opened end
    function fixture.buffer() return mmap.anonymous(3 * page) end
    -- A buffer of a file in memory, and one of a file.
    function fixture.in_file() return mmap.memfd("m", page) end
    function fixture.mapped() return mmap.open(fixture.path, "r+") end
    function fixture.text()
        local b = mmap.anonymous(page)
        b:copy(0, '1;a;"b""c"\n2;' .. ("long"):rep(30) .. ";x\n")
        return b
    end
    local inner = mmap.struct { { "x", "i16" }, { "y", "f32be" } }
    local layout = mmap.struct { { "id", "u8" }, { "pair", "u16", 2 }, { "name", "char[8]" }, { "raw", "bytes[3]" },
        { "in", inner }, { "more", inner, 2 } }
    function fixture.struct() return layout end
    function fixture.view() return fixture.buffer():view "u8" end
    function fixture.floats() return fixture.buffer():view "f64" end
    function fixture.records() return fixture.buffer():records(layout) end
    function fixture.record() return fixture.records()[0] end
    function fixture.regex() return mmap.regex "a" end
    function fixture.pages() return fixture.buffer():pages() end
    function fixture.atomic() return fixture.buffer():atomic("u32", 0) end
    function fixture.lock() return fixture.in_file():lockrange() end
    function fixture.child() return mmap.spawn(function() end) end
    function fixture.error() return select(2, pcall(mmap.open, fixture.folder .. "/missing")) end
    function fixture.module() return mmap end
    -- What `b:watch` keeps on its stack; only the debug library leads to it, and it has no methods.
    function fixture.watch()
        return fixture.buffer():watch(function()
            for i = 1, 20 do
                local _, value = debug.getlocal(2, i)
                local meta = type(value) == "userdata" and debug.getmetatable(value)
                if meta and meta.__name == "mmap.watch" then return value end
            end
            error "b:watch keeps nothing on its stack"
        end)
    end
    function fixture.close()
        fixture.opened:close()
        for _, path in ipairs(files) do os.remove(path) end
        for _, name in ipairs(names) do pcall(mmap.unlink, name) end
        files, names = {}, {}
    end
    return setmetatable(fixture, { __close = fixture.close })
end

-- ---- rows

-- What stands for a metamethod where there is no debug library.
local operators <const> = {
    __index = function(object, key) return object[key] end,
    __newindex = function(object, key, value) object[key] = value end,
    __len = function(object) return #object end,
    __tostring = tostring,
    __concat = function(a, b) return a .. b end,
    __pairs = function(object) return pairs(object) end,
    __close = function(object) local _ <close> = object end,
}

-- The words of each place: "integer, string|buffer?" as { { integer = true }, { string = true, buffer = true, ["nil"] = true } }.
local function places(text)
    local list = {}
    for words in text:gmatch "[^%s,]+" do
        local place = {}
        for word in words:gsub("%?$", "|nil"):gmatch "[^|]+" do place[word] = true end
        list[#list + 1] = place
    end
    return list
end

local function drain(step, state, control)
    if type(step) ~= "function" then return step, state, control end
    for _ in step, state, control do end
end

-- A valid call: the words of its places, without the object in front, and its arguments. Without words one more way
-- to call it.
local function call(types, arguments)
    if not arguments then return { arguments = types } end
    return { text = types, arguments = arguments }
end

-- row "class.method" { calls … , more }
local function row(name)
    local class, method = name:match "^(%l+)%.(.+)$"
    return function(given)
        local entry = { name = name, class = class, method = method, calls = {}, sandbox = true }
        for key, value in pairs(given) do
            if math.type(key) then entry.calls[key] = value else entry[key] = value end
        end
        for _, each in ipairs(entry.calls) do
            if each.text then each.types = places(class == "mmap" and each.text or class .. ", " .. each.text) end
        end
        function entry.find(fixture)
            if class == "mmap" then return mmap[method] end
            local is_meta = method:sub(1, 2) == "__"
            if not debug or not debug.getmetatable then
                if is_meta then return operators[method] end
                return fixture[class]()[method]
            end
            local meta = debug.getmetatable(fixture[class]())
            if is_meta then return meta[method] end
            return meta.__methods[method]
        end
        function entry.prepare(fixture, n)
            local f, list = entry.find(fixture), table.pack(entry.calls[n or 1].arguments(fixture))
            local unpack, iterates, drain = table.unpack, entry.iterates, drain
            return function()
                if iterates then return drain(f(unpack(list, 1, list.n))) end
                return f(unpack(list, 1, list.n))
            end
        end
        function entry.call(fixture, n) return entry.prepare(fixture, n)() end
        if by_name[name] then error(name .. " has two rows", 2) end
        by_name[name] = entry
        methods.rows[#methods.rows + 1] = entry
    end
end

function methods.row(name) return by_name[name] end
function methods.each(f) for _, entry in ipairs(methods.rows) do f(entry) end end

-- ---- mmap

row "mmap.map" { opens = true,
    call("integer, integer, integer, file|integer, integer?, integer|string?",
        function(f) return page, 3, mmap.MAP_SHARED, f.file(), 0, 0 end),
    call(function() return page, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, nil end),
    call(function(f) return page, 1, mmap.MAP_SHARED, f.file(), page, "normal" end),
}
row "mmap.open" { opens = true,
    call("string, string?, table?", function(f) return f.path, "r+", {} end),
    call(function(f) return f.path end), call(function(f) return f.path, "c" end),
    call(function(f) return f.path, "r+", { offset = 1, length = 5, advice = "random", populate = true } end),
    call(function(f) return f.new_path(), "w+", { size = page } end),
}
row "mmap.anonymous" {
    call("integer, table?", function() return page, {} end), call(function() return page end),
    call(function() return page, { shared = true, populate = true, advice = 0 } end),
}
row "mmap.advise" {
    call("buffer, integer|string", function(f) return f.buffer(), 0 end),
    call("buffer, integer?, integer?, integer|string", function(f) return f.buffer(), 0, page, 0 end),
    call(function(f) return f.buffer(), "random" end), call(function(f) return f.buffer(), page, page, "dontneed" end),
}
row "mmap.sync" {
    call("buffer, integer|boolean?, integer?, boolean?, boolean?", function(f) return f.buffer(), 0, page, true, false end),
    call("buffer, integer|boolean?, boolean?", function(f) return f.buffer(), true, false end),
    call(function(f) return f.buffer() end),
}
row "mmap.incore" { call("buffer, integer?, integer?", function(f) return f.buffer(), 0, page end) }
row "mmap.threads" { call("integer?", function() return 1 end), call(function() end) }
row "mmap.progress" { call("boolean?", function() return false end), call(function() end) }
row "mmap.memfd" { opens = true,
    call("string, integer, table?", function() return "name", page, {} end),
    call(function() return "name", page, { seal = true } end),
}
row "mmap.regex" {
    call("string, string?", function() return "a", "i" end), call(function() return "(?<n>\\w+);(l(o)?)", "imsxu" end),
}
row "mmap.struct" {
    call("table", function() return { { "a", "u8" } } end),
    call(function(f) return { { "a", "u32be" }, { "b", "char[12]" }, { "c", "f64", 2 }, { "d", f.struct(), 3 }, align = true } end),
}
row "mmap.evict" { opens = true,
    call("string|buffer", function(f) return f.path end), call(function(f) return f.in_file() end),
}
row "mmap.unlink" { opens = true, fails = "ENOENT", call("string", function(f) return f.new_name() end) }
row "mmap.shared" { opens = true,
    call("string, integer?, table?", function(f) return f.new_name(), page, {} end),
    call(function(f) return f.new_name(), page end),
}
row "mmap.sparse" { opens = true, call("string, integer", function(f) return f.new_path(), 1 << 20 end) }
row "mmap.advices" { call("", function() end) }
row "mmap.faults" { call("function, any", function() return function(...) return ... end, 1 end) }
row "mmap.spawn" { process = true, opens = true, sandbox = "--allow-run",
    call("string|function, any", function(f) return function(...) return ... end, 1 end),
    call(function(f) return function(b, t) return #b, t[1] end, f.in_file(), { "x", { 1.5, true } } end),
}

-- ---- module: the table `mmap` itself

row "module.__pairs" { iterates = true, call(function() return mmap end) }
row "module.__newindex" { fails = "attempt to change the module", call(function() return mmap, "PAGESIZE", 1 end) }

-- ---- buffer

local range <const> = "integer?, integer?"
local function whole_range(f) return f.buffer(), 0, 1 end
row "buffer.__index" { call(function(f) return f.buffer(), 0 end), call(function(f) return f.buffer(), "find" end) }
row "buffer.__newindex" { call(function(f) return f.buffer(), 0, 1 end) }
row "buffer.__len" { call(function(f) return f.buffer() end) }
row "buffer.__tostring" { call(function(f) return f.buffer() end), call(function(f) return f.mapped():slice(5) end) }
row "buffer.__gc" { call(function(f) return f.buffer() end) }
row "buffer.__close" { call(function(f) return f.buffer() end) }
row "buffer.close" { call("", function(f) return f.buffer() end) }
row "buffer.unmap" { call("", function(f) return f.buffer() end) }
row "buffer.info" { call("", function(f) return f.buffer() end), call(function(f) return f.mapped() end) }
row "buffer.string" { call(range, whole_range), call(function(f) return f.buffer() end) }
row "buffer.copy" {
    call("integer, string|buffer, integer?, integer?", function(f) return f.buffer(), 0, "abc", 0, 1 end),
    call(function(f) return f.buffer(), 5, f.buffer(), 1, page end),
}
row "buffer.fill" {
    call("integer|string, integer?, integer?", function(f) return f.buffer(), 0, 0, 1 end),
    call(function(f) return f.buffer(), "xyz", 1 end),
}
row "buffer.slice" { call("integer, integer?", function(f) return f.buffer(), 0, 1 end) }
for _, name in ipairs { "find", "rfind", "count" } do
    row("buffer." .. name) {
        call("string|buffer, integer?, integer?", function(f) return f.buffer(), "a", 0, 1 end),
        call(function(f) return f.text(), "long" end), call(function(f) return f.text(), f.text():slice(1, 5) end),
    }
end
for _, name in ipairs { "compare", "equals", "mismatch" } do
    row("buffer." .. name) {
        call("string|buffer", function(f) return f.buffer(), "a" end), call(function(f) return f.buffer(), f.buffer() end),
    }
end
row "buffer.hexdump" { call(range, whole_range), call(function(f) return f.text() end) }
row "buffer.protect" { call("integer", function(f) return f.buffer(), 3 end) }
row "buffer.lock" { call(range, whole_range) }
row "buffer.unlock" { call(range, whole_range) }
row "buffer.resize" {
    call("integer", function(f) return f.buffer(), 1 end),
    call(function(f) return mmap.open(f.new_file "abc", "r+"), 2 * page end),
}
row "buffer.remap" { opens = true,
    call("", function(f) return f.mapped() end),
}
row "buffer.advise" {
    call("integer|string", function(f) return f.buffer(), 0 end),
    call("integer?, integer?, integer|string", function(f) return f.buffer(), 0, page, "random" end),
}
row "buffer.sync" {
    call("integer|boolean?, integer?", function(f) return f.buffer(), 0, page end),
    call("integer|boolean?, integer?, boolean?, boolean?", function(f) return f.mapped(), 0, page, true, false end),
    call("boolean|integer?, boolean?", function(f) return f.mapped(), true, false end),
}
row "buffer.incore" { call(range, function(f) return f.buffer(), 0, page end) }
row "buffer.get" {
    call("string, integer", function(f) return f.buffer(), "u8", 0 end), call(function(f) return f.buffer(), "f64be", 3 end),
}
row "buffer.set" {
    call("string, integer, number", function(f) return f.buffer(), "f32", 0, 1.5 end),
    call("string, integer, integer", function(f) return f.buffer(), "u8", 0, 1 end),
}
row "buffer.unpack" {
    call("string, integer?", function(f) return f.buffer(), "<I4", 0 end),
    call(function(f) return f.buffer(), "z s2 !4 i4 c3 f" end),
}
row "buffer.pack" {
    call("string, integer, integer|string", function(f) return f.buffer(), "<I4", 0, 1 end),
    call(function(f) return f.buffer(), "z s2 !4 i4 c3 f", 0, "zero", ("x"):rep(300), 7, "abc", 1.5 end),
}
for _, name in ipairs { "crc32", "xxh3", "sha256" } do
    row("buffer." .. name) { call(range, whole_range), call(function(f) return f.buffer() end) }
end
row "buffer.view" {
    call("string, integer?, integer?, integer?", function(f) return f.buffer(), "u8", 0, 1, 1 end),
    call(function(f) return f.buffer(), "f64be" end),
}
row "buffer.atomic" { call("string, integer", function(f) return f.buffer(), "u32", 0 end) }
row "buffer.cachestat" { call(range, function(f) return f.in_file(), 0, 1 end) }
row "buffer.holes" { call(range, function(f) return f.in_file(), 0, 1 end) }
row "buffer.pagemap" { call(range, whole_range) }
row "buffer.pages" { call(range, whole_range), call(function(f) return f.buffer() end) }
row "buffer.touch" { call("integer?, integer?, integer?", function(f) return f.buffer(), 0, 1, 1 end) }
row "buffer.populate" {
    call("integer|string?, integer?, string?", function(f) return f.buffer(), 0, 1, "read" end),
    call("string|integer?", function(f) return f.buffer(), "write" end),
}
row "buffer.smaps" { call("", function(f) return f.buffer() end) }
row "buffer.explain" { call("", function(f) return f.buffer() end), call(function(f) return f.mapped() end) }
row "buffer.evict" { call("", function(f) return f.in_file() end) }
row "buffer.show" {
    call("table?", function(f) return f.buffer(), {} end),
    call(function(f) local b = f.buffer(); return b, { since = b:pages(), width = 40 } end),
}
row "buffer.split" { call("integer, any", function(f) return f.buffer(), 1, "a" end) }
row "buffer.match" {
    call("string, integer?", function(f) return f.buffer(), "a", 0 end), call(function(f) return f.text(), "(l)o()" end),
}
row "buffer.gmatch" { iterates = true,
    call("string, integer?", function(f) return f.buffer(), "a", 0 end), call(function(f) return f.text(), "(%a)(%d*)()" end),
}
row "buffer.lines" { iterates = true,
    call("table?", function(f) return f.buffer(), {} end),
    call(function(f) return f.text(), { keep = true, length = 100, offset = 1 } end),
    call(function(f) return f.text(), { ranges = true, sep = "n2", find = "1" } end),
}
row "buffer.fields" { iterates = true,
    call("any, table?, table?", function(f) return f.buffer(), ";", { "string" }, {} end),
    call(function(f) return f.text(), ";", { "integer", "string", "string?" }, { csv = true, length = 20 } end),
    call(function(f) return f.text(), ";", nil, { offset = 11, length = 40 } end),
}
row "buffer.records" {
    call("struct, integer?, integer?, integer?", function(f) return f.buffer(), f.struct(), 0, 1, #f.struct() end),
    call(function(f) return f.buffer(), f.struct() end),
}
row "buffer.lockrange" {
    call("integer?, integer?, string?, number?", function(f) return f.in_file(), 0, 1, "shared", 0 end),
}
row "buffer.watch" {
    call("function, any", function(f) local b = f.buffer(); return b, function(...) b[0] = 1 return ... end, 1 end),
}

-- Node's accessors.
for _, noun in ipairs { "Int8", "UInt8", "Uint8", "Int16", "UInt16", "Uint16", "Int32", "UInt32", "Uint32",
    "BigInt64", "BigUInt64", "BigUint64", "Float", "Double", "Int", "UInt", "Uint" } do
    local has_length = noun:find "[Ii]nt$"
    local value = (noun == "Float" or noun == "Double") and "number" or "integer"
    for _, order in ipairs(noun:find "8$" and { "" } or { "LE", "BE" }) do
        row("buffer.read" .. noun .. order) {
            has_length and call("integer, integer", function(f) return f.buffer(), 0, 1 end)
                or call("integer?", function(f) return f.buffer(), 0 end),
        }
        row("buffer.write" .. noun .. order) {
            has_length and call("integer, integer, integer", function(f) return f.buffer(), 1, 0, 1 end)
                or call(value .. ", integer?", function(f) return f.buffer(), 1, 0 end),
        }
    end
end

-- ---- view

row "view.__index" { call(function(f) return f.view(), 0 end), call(function(f) return f.view(), "sum" end) }
row "view.__newindex" { call(function(f) return f.view(), 0, 1 end) }
row "view.__len" { call(function(f) return f.view() end) }
row "view.__tostring" { call(function(f) return f.view() end) }
row "view.__close" { call(function(f) return f.view() end) }
row "view.close" { call("", function(f) return f.view() end) }
row "view.info" { call("", function(f) return f.view() end) }
row "view.each" { iterates = true, call("", function(f) return f.view() end) }
row "view.get" { call("integer, integer?", function(f) return f.view(), 0, 1 end), call(function(f) return f.floats(), 0, 40 end) }
row "view.set" { call("integer, integer", function(f) return f.view(), 0, 1 end), call(function(f) return f.floats(), 0, 1, 2.5 end) }
row "view.totable" { call(range, function(f) return f.view(), 0, 1 end), call(function(f) return f.floats() end) }
row "view.slice" { call(range, function(f) return f.view(), 0, 1 end) }
row "view.fill" {
    call("integer, integer?, integer?", function(f) return f.view(), 1, 0, 1 end),
    call("number, integer?, integer?", function(f) return f.floats(), 1.5, 0, 1 end),
}
row "view.copy" {
    call("integer, view|buffer|table, string?", function(f) return f.view(), 0, f.view(), "saturate" end),
    call(function(f) return f.view(), 0, f.buffer() end), call(function(f) return f.floats(), 0, { 1, 2.5 } end),
}
for _, name in ipairs { "min", "max", "minmax", "argmin", "argmax", "mean", "stats", "unique", "sort", "sorted" } do
    row("view." .. name) { call("", function(f) return f.view() end), call(function(f) return f.floats() end) }
end
row "view.sum" { call("string?", function(f) return f.view(), "wrap" end), call(function(f) return f.floats() end) }
row "view.variance" { call("integer?", function(f) return f.view(), 1 end), call(function(f) return f.floats() end) }
row "view.count" { call("string, number", function(f) return f.view(), "==", 1 end) }
row "view.find" { call("string, number, integer?", function(f) return f.view(), "==", 1, 0 end) }
row "view.histogram" {
    call("integer, number?, number?", function(f) return f.view(), 4, 0, 8 end), call(function(f) return f.floats(), 4 end),
}
row "view.lowerbound" { call("number", function(f) return f.view(), 1 end) }
row "view.upperbound" { call("number", function(f) return f.view(), 1 end) }
row "view.dot" { call("view, string?", function(f) return f.view(), f.view(), "wrap" end) }
for _, name in ipairs { "add", "sub", "mul" } do
    row("view." .. name) {
        call("number|view, view|string?, string?", function(f) return f.floats(), 1, f.floats() end),
        call(function(f) return f.view(), 1, "wrap" end), call(function(f) return f.floats(), f.floats() end),
    }
end
row "view.div" {
    call("number|view, view?", function(f) return f.floats(), 1, f.floats() end),
    call(function(f) return f.floats(), f.floats() end),
}

-- ---- records, record, struct

row "records.__index" { call(function(f) return f.records(), 0 end), call(function(f) return f.records(), "column" end) }
row "records.__newindex" {
    call(function(f) return f.records(), 0, { id = 7, pair = { 1, 2 }, ["in"] = { x = 1 }, more = { { x = 1 }, { y = 2 } } } end),
    call(function(f) return f.records(), 0, f.record() end),
}
row "records.__len" { call(function(f) return f.records() end) }
row "records.__tostring" { call(function(f) return f.records() end) }
row "records.column" {
    call("string, integer?", function(f) return f.records(), "pair", 1 end), call(function(f) return f.records(), "in" end),
}
row "records.slice" { call(range, function(f) return f.records(), 0, 1 end) }
row "records.each" { iterates = true, call("", function(f) return f.records() end) }
row "records.info" { call("", function(f) return f.records() end) }
row "records.layout" { call("", function(f) return f.records() end) }
row "record.__index" {
    call(function(f) return f.record(), "id" end), call(function(f) return f.record(), "name" end),
    call(function(f) return f.record(), "raw" end), call(function(f) return f.record(), "pair" end),
    call(function(f) return f.record(), "in" end), call(function(f) return f.record(), "more" end),
    call(function(f) return f.record(), "totable" end),
}
row "record.__newindex" {
    call(function(f) return f.record(), "id", 7 end), call(function(f) return f.record(), "name", "abc" end),
    call(function(f) return f.record(), "pair", { 1, 2 } end), call(function(f) return f.record(), "in", { x = 1, y = 2.5 } end),
}
row "record.__pairs" { iterates = true, call(function(f) return f.record() end) }
row "record.__tostring" { call(function(f) return f.record() end) }
row "record.totable" { call("", function(f) return f.record() end) }
row "struct.__index" { call(function(f) return f.struct(), "fields" end) }
row "struct.__len" { call(function(f) return f.struct() end) }
row "struct.__tostring" { call(function(f) return f.struct() end) }
row "struct.fields" { call("", function(f) return f.struct() end) }
row "struct.offset" { call("string", function(f) return f.struct(), "id" end) }
row "struct.totable" { call("record", function(f) return f.struct(), f.record() end) }

-- ---- regex

row "regex.__close" { call(function(f) return f.regex() end) }
row "regex.__gc" { call(function(f) return f.regex() end) }
row "regex.__tostring" { call(function(f) return f.regex() end) }
row "regex.close" { call("", function(f) return f.regex() end) }
for _, name in ipairs { "find", "match", "gmatch", "count" } do
    row("regex." .. name) { iterates = name == "gmatch",
        call("buffer|string, integer?", function(f) return f.regex(), f.buffer(), 0 end),
        call(function(f) return mmap.regex "(\\w+);(l(o)?)", f.text() end), call(function() return mmap.regex("A", "iu"), "banana" end),
    }
end

-- ---- pages

row "pages.__index" { call(function(f) return f.pages(), 0 end), call(function(f) return f.pages(), "count" end) }
row "pages.__len" { call(function(f) return f.pages() end) }
row "pages.__tostring" { call(function(f) return f.pages() end) }
row "pages.count" { call(range, function(f) return f.pages(), 0, 1 end) }
row "pages.diff" { call("pages", function(f) return f.pages(), f.pages() end) }
row "pages.offset" { call("integer", function(f) return f.pages(), 0 end) }
row "pages.ranges" { iterates = true, call("", function(f) local b = f.buffer(); b:touch(); return b:pages() end) }

-- ---- atomic, lock, child

row "atomic.__tostring" { call(function(f) return f.atomic() end) }
row "atomic.load" { call("", function(f) return f.atomic() end) }
row "atomic.store" { call("integer", function(f) return f.atomic(), 1 end) }
row "atomic.add" { call("integer?", function(f) return f.atomic(), 1 end) }
row "atomic.exchange" { call("integer", function(f) return f.atomic(), 1 end) }
row "atomic.compareexchange" { call("integer, integer", function(f) return f.atomic(), 0, 1 end) }
row "atomic.wait" { call("integer, number?", function(f) return f.atomic(), 1, 0 end) }
row "atomic.wake" { call("integer?", function(f) return f.atomic(), 1 end) }
row "lock.__close" { call(function(f) return f.lock() end) }
row "lock.__gc" { call(function(f) return f.lock() end) }
row "lock.__tostring" { call(function(f) return f.lock() end) }
row "lock.unlock" { call("", function(f) return f.lock() end) }
row "child.__close" { process = true, call(function(f) return f.child() end) }
row "child.__gc" { process = true, call(function(f) return f.child() end) }
row "child.__tostring" { process = true, call(function(f) return f.child() end) }
row "child.kill" { process = true, call("integer|string?", function(f) return f.child(), "TERM" end) }
row "child.pid" { process = true, call("", function(f) return f.child() end) }
row "child.running" { process = true, call("", function(f) return f.child() end) }
row "child.wait" { process = true, call("number?", function(f) return f.child(), 60 end) }

-- ---- what is not the script's to have

row "watch.__close" { internal = true, call(function(f) return f.watch() end) }
row "watch.__gc" { internal = true, call(function(f) return f.watch() end) }

-- ---- error

row "error.__tostring" { call(function(f) return f.error() end) }
row "error.__concat" { call(function(f) return f.error(), "!" end), call(function(f) return "!", f.error() end) }

return methods
