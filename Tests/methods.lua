-- methods.lua, the method table: a row for each function of the library, for tests that call all functions.
--
--     local methods = dofile "Tests/methods.lua"
--     local fixture <close> = methods.fixture(folder)   -- makes files in the folder, removes them when closed
--     for _, row in ipairs(methods.rows) do row.call(fixture) end
--
-- row.name        "buffer.find", "mmap.open", "view.__index": row.class and row.method, joined
-- row.calls       a list of valid calls. Each has `arguments`, a function from a fixture to fresh arguments, the object
--                 first; most have `types`, the accepted types of each argument: types[2].string is true if the second
--                 argument may be a string
-- row.call(fixture [, n])     makes the n-th call (default 1), and steps through an iterator that it returns
-- row.prepare(fixture [, n])  prepares the call: returns a function without arguments that makes it
-- row.find(fixture)           the function itself; nil for a finalizer without the debug library
-- row.fails       pattern of the error that a valid call must raise, if any
-- row.iterates    true: returns an iterator
-- row.closed      true: accepts a closed object; any other method raises
-- row.process     true: starts this program as a process, which a test's own executable cannot do
-- row.internal    true: the object can be reached only with the debug library
-- row.accessor    true: one of Node's accessors
-- row.opens       true: opens, makes, or removes a file or a name
-- row.allocates   true: allocates all the memory of its size argument at once
-- row.sandbox     true, or the option that allows the function in a sandbox
-- row.long        calls that take seconds on a large buffer: by name, functions of the buffer and of a function that
--                 makes a second one. They return a function and its arguments
-- row.touches, row.writes, row.quiet, row.begun   behavior when a page is gone: see methods.cases
-- row.lost        false: the function has nothing to do with a mapping of a file
--
-- The names of types are those of the manual: integer number string boolean table file function any, the classes (a
-- table of rows is mmap.table), and nil for an optional argument, written `integer?`. `bytes` is a string with any
-- content, zero bytes included; `string` is a word, a name, or a path.

local mmap = mmap or require "mmap"
local methods = { rows = {} }
local by_name = {}
local page <const> = mmap.PAGESIZE

-- ---- the fixture

-- Makes objects of each class, files, and names; removes files and names when closed. The files are FOLDER/PREFIX.N;
-- without a prefix, the folder must belong to one fixture.
function methods.fixture(folder, prefix)
    prefix = prefix or "methods"
    local fixture = { folder = folder, page = page }
    local count, files, names = 0, {}, {}
    -- The path of a file that does not exist.
    function fixture.new_path()
        count = count + 1
        local path = ("%s/%s.%d"):format(folder, prefix, count)
        files[#files + 1] = path
        return path
    end
    function fixture.new_file(bytes)
        local path = fixture.new_path()
        local file <close> = assert(io.open(path, "wb"))
        file:write(bytes)
        return path
    end
    -- A name of shared memory that does not exist.
    function fixture.new_name()
        count = count + 1
        local name = ("mmaplua-%s-%s-%d"):format(folder:gsub("%W", "."), prefix, count)
        names[#names + 1] = name
        return name
    end
    fixture.path = fixture.new_file(("x"):rep(2 * page))
    -- An open Lua file, the same each time.
    fixture.opened = assert(io.open(fixture.path, "r+b"))
    function fixture.file() return fixture.opened end
    function fixture.buffer() return mmap.anonymous(3 * page) end
    -- A buffer on a file in memory, and one on a file.
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
    -- Two groups, a column of floats with NaN, and one of strings.
    function fixture.table()
        local b = mmap.anonymous(page)
        local r = b:records(mmap.struct { { "k", "u8" }, { "x", "f64" }, { "s", "char[4]" } }, 0, 5)
        for i = 0, 4 do r[i] = { k = i % 2, x = i == 3 and 0/0 or i / 2, s = ("abc"):sub(i) } end
        return mmap.table(r)
    end
    function fixture.error() return select(2, pcall(mmap.open, fixture.folder .. "/missing")) end
    function fixture.module() return mmap end
    -- The object that `b:watch` keeps on its stack; only the debug library can reach it, and it has no methods.
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
    -- The tables of a compiled function, while the interpreter continues. Without the compiler there are none.
    function fixture.made()
        local function find()
            for level = 2, 6 do
                for i = 1, debug.getinfo(level, "f") and 20 or 0 do
                    local _, value = debug.getlocal(level, i)
                    local meta = type(value) == "userdata" and debug.getmetatable(value)
                    if meta and meta.__name == "mmap.made" then return value end
                end
            end
        end
        local g = mmap.compile(function() local t = { 1 } local made = find() return made, t end)
        return g() or fixture.compiled()
    end
    -- The same for `mmap.writefile`.
    function fixture.compiled()
        local _, closure = debug.getupvalue(mmap.compile(function(x) return x end), 2)
        return (select(2, debug.getupvalue(closure, 1)))
    end
    function fixture.replacement()
        local found
        mmap.writefile(fixture.new_path(), function()
            for level = 2, 3 do
                for i = 1, 20 do
                    local _, value = debug.getlocal(level, i)
                    local meta = type(value) == "userdata" and debug.getmetatable(value)
                    if meta and meta.__name == "mmap.replacement" then found = value end
                end
            end
        end)
        return found or error "mmap.writefile keeps nothing on its stack"
    end
    function fixture.close()
        if io.type(fixture.opened) == "file" then fixture.opened:close() end
        for _, path in ipairs(files) do os.remove(path) end
        for _, name in ipairs(names) do pcall(mmap.unlink, name) end
        files, names = {}, {}
    end
    return setmetatable(fixture, { __close = fixture.close })
end

-- ---- rows

-- Replacements for metamethods without the debug library.
local operators <const> = {
    __index = function(object, key) return object[key] end,
    __newindex = function(object, key, value) object[key] = value end,
    __len = function(object) return #object end,
    __tostring = tostring,
    __concat = function(a, b) return a .. b end,
    __pairs = function(object) return pairs(object) end,
    __close = function(object) local _ <close> = object end,
}

-- Parses types of arguments: "integer, string|buffer?" is { { integer = true }, { string = true, buffer = true, ["nil"]
-- = true } }.
local function places(text)
    local list = {}
    for words in text:gmatch "[^%s,]+" do
        local place = {}
        for word in words:gsub("%?$", "|nil"):gmatch "[^|]+" do place[word] = true end
        place.string = place.string or place.bytes
        list[#list + 1] = place
    end
    return list
end

local function drain(step, state, control)
    for _ in step, state, control do end
end

-- A valid call: the types of its arguments, without the object, and a function that makes the arguments. Without types
-- it is one more call with the types of an earlier one.
local function call(types, arguments)
    if not arguments then return { arguments = types } end
    return { text = types, arguments = arguments }
end

-- row "class.method" { calls …, other entries of the row }
local function row(name)
    local class, method = name:match "^(%l+)%.(.+)$"
    return function(given)
        local entry = { name = name, class = class, method = method, calls = {}, sandbox = true }
        for key, value in pairs(given) do
            if math.type(key) then entry.calls[key] = value else entry[key] = value end
        end
        for _, each in ipairs(entry.calls) do
            -- A table alone is Lua's.
            local object = class == "table" and "mmap.table" or class
            if each.text then each.types = places(class == "mmap" and each.text or object .. ", " .. each.text) end
        end
        function entry.find(fixture)
            if class == "mmap" then
                local value = mmap
                for key in method:gmatch "[^.]+" do value = value[key] end
                return value
            end
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

-- ---- the interface, found by enumeration

-- Adds the functions of a class to `found`: for "class.name" a list of pairs, a table and the function's key in it.
function methods.add_class(found, class, meta)
    for _, functions in ipairs { meta, rawget(meta, "__methods") } do
        for name, f in pairs(functions) do
            if type(f) == "function" then
                local key = class .. "." .. name
                found[key] = found[key] or {}
                table.insert(found[key], { functions, name })
            end
        end
    end
    return found
end

-- Finds all functions of the library. Takes the classes from the registry, to detect new ones. The metatable of a
-- record belongs to its layout: records are arguments.
function methods.interface(...)
    local module, found = debug.getmetatable(mmap), {}
    methods.add_class(found, "module", module)
    methods.add_class(found, "mmap", module.__index)
    methods.add_class(found, "mmap.json", debug.getmetatable(mmap.json).__index)
    -- The metatable of mmap.watch is made at the first use.
    mmap.anonymous(1):watch(function() end)
    for key, meta in pairs(debug.getregistry()) do
        local class = type(key) == "string" and key:match "^mmap%.(%a+)$"
        if class and type(meta) == "table" and rawget(meta, "__name") then methods.add_class(found, class, meta) end
    end
    for _, record in ipairs { ... } do methods.add_class(found, "record", debug.getmetatable(record)) end
    -- A check that the search in the registry works.
    for class in ("buffer view records struct regex pages atomic lock child table error"):gmatch "%a+" do
        assert(found[class .. ".__tostring"], class .. " is no class any more")
    end
    return found
end

-- Replaces each function by one that counts its calls; returns the table of counts.
function methods.traced(found, calls)
    calls = calls or {}
    for key, list in pairs(found) do
        calls[key] = calls[key] or 0
        for _, place in ipairs(list) do
            local f = rawget(place[1], place[2])
            rawset(place[1], place[2], function(...) calls[key] = calls[key] + 1; return f(...) end)
        end
    end
    return calls
end

-- ---- behavior when a page is gone

-- The length of the file before it is truncated; a test must make the file of this size.
methods.size = 3 * page
local size <const> = methods.size

-- Behavior of an object with a lost page: as before, or an error that matches a pattern.
local works <const>, gone <const> = "", "%(SIGBUS%)"
methods.gone = gone

-- Or a function of the file's current size, the object ("slice", for one that starts at 5), and the mode.
local function past_the_end(left) return ("%%(EFAULT%%).-%d.-has %d now.-remap%%(%%)"):format(size, left) end
-- A check of the object's first page: needs all of the page in the file; or needs a part of every page.
local function first_bytes(left, kind) return left >= page + (kind == "slice" and 5 or 0) and works or past_the_end(left) end
local function first_pages(left, kind) return left > (kind == "slice" and page or 0) and works or past_the_end(left) end
local function only_whole(text) return function(_, kind) return kind == "slice" and text or works end end
local function resized(_, kind, mode)
    if kind == "slice" then return "a slice cannot be resized" end
    return mode == "r" and "is read%-only" or mode == "c" and "private mapping of a file cannot be resized" or works
end

-- The error must contain the element's offset: `below` bytes before the end of a buffer, or the last element of a view.
local function exact(below, run) return { run, exact = below } end

-- Objects made from a buffer before its file is truncated.
local one_byte <const> = mmap.struct { { "id", "u8" } }
local function itself(b) return b end
local function path_of(b) return b:info().path end
local function an_atomic(b) return b:atomic("u32", (#b - 8) // 8 * 8) end
local function pages_of(b) return b:pages() end
local function locked(b) return b:lockrange(0, page, "shared") end
local function a_regex() return mmap.regex "[0-9]" end
local function a_struct() return one_byte end
local function stepped(make) return { make, function(step) return step() end, gone, gone } end
local function last(r) return r[#r - 1] end
-- The last atomic integer with an aligned address.
local function last_atomic(b)
    for below = 4, 7 do
        local ok, a = pcall(b.atomic, b, "u32", #b - below)
        if ok then return a elseif type(a) == "table" then error(a, 0) end
    end
end

-- "hello", packed by gzip.
methods.packed = "\x1f\x8b\8\0\0\0\0\0\2\3\xcbH\xcd\xc9\xc9\xe7\2\0 0:6\6\0\0\0"
-- Calls a function with the path of a file that is taken away afterwards.
local function in_temporary(run)
    local path <const> = os.tmpname()
    local ok, e = pcall(run, path)
    os.remove(path)
    if not ok then error(e, 0) end
end

local objects <const> = { view = "view", records = "records", record = "records", struct = "records" }

-- The cases of an object, "buffer", "view", or "records", each a table with the row, a name for messages, and `run`:
--
-- touches  reads the last page, or all of the object: run(object, context). If a page is gone it must raise. `context`
--          has `rows`, the bytes of the file now; `full`, those before; `other`, a buffer or view of the same size;
--          `greatest`, a number of the view's type; `floats`, whether the view's type is a float
-- writes   the same for functions that write
-- quiet    touches no memory: run(object). `before` and `after` give its behavior before and after a lost page was
--          found; `from` makes the row's object from the given one; `absent`: not in every kernel
-- begun    (of buffers) run(from(buffer), buffer), where `from` was called before the truncation; `writes` as above
function methods.cases(object, kind)
    local list = {}
    local function add(entry, name, case)
        if type(case) == "function" then case = { case } end
        local from, run, before, after = case.from, table.unpack(case)
        if kind == "begun" then from, run, before, after = table.unpack(case) end
        list[#list + 1] = { row = entry, name = entry.name .. (name and " " .. name or ""), run = run, exact = case.exact,
            before = before, after = after, from = from, absent = case.absent, writes = case.writes }
    end
    for _, entry in ipairs(methods.rows) do
        local own = (kind ~= "begun" and objects[entry.class] or "buffer") == object and entry[kind]
        local cases = own or (entry["of_" .. object] or {})[kind]
        if own and (entry["of_" .. object] or {})[kind] then error(entry.name .. " has cases in two places") end
        -- Either one case, or a table of cases by name.
        if type(cases) == "function" or cases and cases[1] then add(entry, nil, cases)
        else
            for name, case in pairs(cases or {}) do add(entry, name, case) end
        end
    end
    return list
end

-- ---- mmap

row "mmap.map" { opens = true,
    call("integer, integer, integer, file|integer, integer?, integer|string?",
        function(f) return page, 3, mmap.MAP_SHARED, f.file(), 0, 0 end),
    call("integer, integer, integer, file|integer|nil", function() return page, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, nil end),
    call(function(f) return page, 1, mmap.MAP_SHARED, f.file(), page, "normal" end),
    begun = { path_of, function(path)
        local file <close> = io.open(path)
        local b <close> = mmap.map(size, mmap.PROT_READ, mmap.MAP_SHARED, file)
        assert(#b == size)
        local ok, e = pcall(function() return b[size - 1] end)
        assert(not ok and e.code == "SIGBUS" and e.offset == size - 1, tostring(e))
    end, works, works },
}
row "mmap.open" { opens = true,
    call("string, string?, table?", function(f) return f.path, "r+", {} end),
    call(function(f) return f.path end), call(function(f) return f.path, "c" end),
    call(function(f) return f.path, "r+", { offset = 1, length = 5, advice = "random", populate = true } end),
    call(function(f) return f.new_path(), "w+", { size = page } end),
    begun = { path_of, function(path) local b <close> = mmap.open(path); b:string() end, works, works },
}
row "mmap.read" { opens = true,
    call("file|string|nil, table?", function(f) return f.path, {} end), call(function(f) return f.path, { max = 3 * page } end),
    call(function(f) local file = f.file(); file:seek "set"; return file end),
    begun = { path_of, function(path) local b <close> = mmap.read(path); assert(#b < size) end, works, works },
}
row "mmap.decompress" { opens = true, lost = false,
    call("string|buffer, string?", function(f) return f.new_file(methods.packed), "gzip" end),
    call(function(f) local b = f.buffer(); b:copy(0, methods.packed); return b end),
    -- After the data, zeros are passed over.
    long = function(b) b:copy(0, methods.packed); return mmap.decompress, b end,
}
row "mmap.writefile" { opens = true,
    call("string, bytes|buffer|function", function(f) return f.new_path(), "text" end),
    call(function(f) return f.new_path(), f.buffer() end),
    call(function(f) return f.new_path(), function(file) file:write "text" end end),
    touches = function(b) return in_temporary(function(path) mmap.writefile(path, b) end) end,
    long = function(b) return in_temporary, function(path) mmap.writefile(path, b) end end,
}
row "mmap.anonymous" { lost = false,
    call("integer, table?", function() return page, {} end), call(function() return page end),
    call(function() return page, { shared = true, populate = true, advice = 0 } end),
}
row "mmap.advise" {
    call("buffer, integer|string", function(f) return f.buffer(), 0 end),
    call("buffer, integer?, integer?, integer|string", function(f) return f.buffer(), 0, page, 0 end),
    call(function(f) return f.buffer(), "random" end), call(function(f) return f.buffer(), page, page, "dontneed" end),
    quiet = { function(b) return mmap.advise(b, "random") end, works, gone },
}
row "mmap.sync" {
    call("buffer, integer|boolean?, integer?, boolean?, boolean?", function(f) return f.buffer(), 0, page, true, false end),
    call("buffer, integer|boolean?, boolean?", function(f) return f.buffer(), true, false end),
    call(function(f) return f.buffer() end),
    quiet = { function(b) return mmap.sync(b, true) end, past_the_end, gone },
}
row "mmap.incore" {
    call("buffer, integer?, integer?", function(f) return f.buffer(), 0, page end),
    quiet = { function(b) return mmap.incore(b) end, works, gone },
}
row "mmap.threads" { lost = false, call("integer?", function() return 1 end), call(function() end) }
row "mmap.compile" { lost = false,
    call("function, table?", function() return function(x) return x end, {} end), call(function() return print end),
}
row "mmap.whynot" { lost = false, call("function", function() return mmap.compile(function(x) return x end) end) }
row "mmap.compiled" { lost = false, call("function", function() return mmap.compile(function(x) return x end) end) }
row "mmap.disassemble" { lost = false, call("function", function() return mmap.compile(function(x) return x end) end) }
row "mmap.parallel" { lost = false,
    call("function, integer, integer, any", function() return mmap.compile(function(i, j) return j - i end), 0, 1000, 1 end),
    call(function() return function() end, 5, 4 end),
}
row "mmap.progress" { lost = false, call("boolean?", function() return false end), call(function() end) }
row "mmap.memfd" { opens = true, lost = false,
    call("string, integer, table?", function() return "name", page, {} end),
    call(function() return "name", page, { seal = true } end),
}
row "mmap.regex" { lost = false,
    call("bytes, string?", function() return "a", "i" end), call(function() return "(?<n>\\w+);(l(o)?)", "imsxu" end),
    call("bytes, string?, table?", function() return "a", "i", { steps = 1000 } end),
}
row "mmap.json.decode" {
    call("bytes|buffer, integer?, integer?", function() return ' {"a":[1,2.5,"\\u00e9",null,true,{}]} ', 0, 37 end),
    call(function(f)
        local b = mmap.anonymous(page)
        b:fill " "
        b:copy(9, '[{"key":"value"},[],-12,1e3] 5')
        return b, 4
    end),
    touches = function(b) return mmap.json.decode(b, #b - 8) end,
}
row "mmap.json.encode" { lost = false,
    call("any", function() return { a = { 1, 2.5, "é\n", mmap.json.null, true }, b = {} } end), call(function() return 1 end),
}
row "mmap.struct" { lost = false,
    call("table", function() return { { "a", "u8" } } end),
    call(function(f) return { { "a", "u32be" }, { "b", "char[12]" }, { "c", "f64", 2 }, { "d", f.struct(), 3 }, align = true } end),
}
row "mmap.evict" { opens = true,
    call("string|buffer", function(f) return f.path end), call(function(f) return f.in_file() end),
    begun = { path_of, function(path) return mmap.evict(path) end, works, works },
}
row "mmap.unlink" { opens = true, lost = false, fails = "ENOENT", call("string", function(f) return f.new_name() end) }
row "mmap.shared" { opens = true, lost = false, allocates = true,
    call("string, integer?, table?", function(f) return f.new_name(), page, {} end),
    call(function(f) return f.new_name(), page end),
}
row "mmap.sparse" { opens = true, lost = false, call("string, integer", function(f) return f.new_path(), 1 << 20 end) }
row "mmap.advices" { lost = false, call("", function() end) }
row "mmap.faults" {
    call("function, any", function() return function(...) return ... end, 1 end),
    touches = function(b) return mmap.faults(function() return b[#b - 1] end) end,
    begun = { itself, function(b) return mmap.faults(function() return b[#b - 1] end) end, gone, gone },
}
row "mmap.spawn" { process = true, opens = true, lost = false, sandbox = "--allow-run",
    call("string|function, any", function() return function(...) return ... end, 1 end),
    call(function(f) return function(b, t) return #b, t[1] end, f.in_file(), { "x", { 1.5, true } } end),
}

-- ---- module: the table `mmap` itself

row "module.__pairs" { iterates = true, lost = false, call(function() return mmap end) }
row "module.__newindex" { lost = false, fails = "attempt to change the module", call(function() return mmap, "PAGESIZE", 1 end) }

-- ---- buffer

local range <const> = "integer?, integer?"
local function first_byte(f) return f.buffer(), 0, 1 end

row "buffer.__index" {
    call(function(f) return f.buffer(), 0 end), call(function(f) return f.buffer(), "find" end),
    touches = { last = exact(1, function(b) return b[#b - 1] end), float = exact(1, function(b) return b[#b - 1.0] end) },
}
row "buffer.__newindex" {
    call(function(f) return f.buffer(), 0, 1 end),
    writes = exact(1, function(b) b[#b - 1] = 1 end),
}
row "buffer.__len" { call(function(f) return f.buffer() end), quiet = { function(b) return #b end, works, gone } }
row "buffer.__tostring" { closed = true,
    call(function(f) return f.buffer() end), call(function(f) return f.mapped():slice(5) end),
    quiet = { tostring, works, works },
}
local function pairs_of(object) return pairs(object) end
row "buffer.__pairs" { fails = "for i = 0, #b %- 1 do",
    call(function(f) return f.buffer() end),
    quiet = { pairs_of, "for i = 0", "for i = 0" },
}
row "buffer.__gc" { closed = true,
    call(function(f) return f.buffer() end),
    quiet = { function(b) debug.getmetatable(b).__gc(b) end, works, works },
}
row "buffer.__close" { closed = true,
    call(function(f) return f.buffer() end),
    quiet = { function(b) local _ <close> = b end, works, works },
}
row "buffer.close" { closed = true,
    call("", function(f) return f.buffer() end),
    quiet = { function(b) b:close() end, works, works },
}
row "buffer.unmap" { closed = true,
    call("", function(f) return f.buffer() end),
    quiet = { function(b) b:unmap() end, works, works },
}
row "buffer.info" { closed = true,
    call("", function(f) return f.buffer() end), call(function(f) return f.mapped() end),
    quiet = { function(b) return b:info() end, works, works },
}
row "buffer.string" {
    call(range, first_byte), call(function(f) return f.buffer() end),
    touches = { all = function(b) return b:string() end, part = function(b) return b:string(#b - 5, 2) end },
    long = function(b) return b.string, b end,
}
row "buffer.copy" {
    call("integer, bytes|buffer, integer?, integer?", function(f) return f.buffer(), 0, "abc", 0, 1 end),
    call(function(f) return f.buffer(), 5, f.buffer(), 1, page end),
    touches = {
        from = function(b, c) return c.other:copy(0, b) end,
        ["from the end"] = function(b, c) return c.other:copy(0, b, #b - 3, 2) end,
    },
    writes = {
        string = function(b) return b:copy(#b - 3, "abc") end,
        all = function(b, c) return b:copy(0, c.full:sub(1, #b)) end,
        inside = function(b) return b:copy(#b - 10, b, #b - 15, 10) end,
        buffer = function(b, c) return b:copy(0, c.other, 0, #b) end,
    },
    long = function(b, second) return b.copy, b, 0, second() end,
}
row "buffer.fill" {
    call("integer|bytes, integer?, integer?", function(f) return f.buffer(), 0, 0, 1 end),
    call(function(f) return f.buffer(), "xyz", 1 end),
    writes = {
        byte = function(b) return b:fill(7) end, pattern = function(b) return b:fill("abc") end,
        ["end"] = exact(1, function(b) return b:fill(7, #b - 1) end),
    },
    long = function(b) return b.fill, b, "abc" end,
}
row "buffer.slice" {
    call("integer, integer?", first_byte),
    quiet = { function(b) return b:slice(page) end, works, gone },
}
local needle <const> = "bytes|buffer, integer?, integer?"
local needles <const> = {
    call(needle, function(f) return f.buffer(), "a", 0, 1 end), call(function(f) return f.text(), "long" end),
    call(function(f) return f.text(), f.text():slice(1, 5) end),
}
row "buffer.find" { needles[1], needles[2], needles[3],
    touches = {
        string = function(b) return b:find "zzz" end, byte = function(b) return b:find "z" end,
        buffer = function(b, c) return c.other:find(b) end,
    },
    long = function(b) return b.find, b, "\1\2\3" end,
}
row "buffer.rfind" { needles[1], needles[2], needles[3],
    touches = { string = function(b) return b:rfind "zzz" end, byte = function(b) return b:rfind "z" end },
    long = function(b) return b.rfind, b, "\1\2\3" end,
}
row "buffer.count" { needles[1], needles[2], needles[3],
    touches = { string = function(b) return b:count "two" end, byte = function(b) return b:count "\n" end },
    long = function(b) return b.count, b, "ea" end,
}
local others <const> = {
    call("bytes|buffer", function(f) return f.buffer(), "a" end), call(function(f) return f.buffer(), f.buffer() end),
}
row "buffer.compare" { others[1], others[2],
    touches = {
        string = function(b, c) return b:compare(c.rows:sub(-#b)) end,
        buffer = function(b, c) local o = mmap.anonymous(#b); o:copy(0, c.rows:sub(-#b)); return o:compare(b) end,
    },
    long = function(b, second) return b.compare, b, second() end,
}
row "buffer.equals" { others[1], others[2],
    touches = {
        string = function(b, c) return b:equals(c.rows:sub(-#b)) end, itself = function(b) return b:equals(b:slice(0)) end,
    },
    long = function(b, second) return b.equals, b, second() end,
}
row "buffer.mismatch" { others[1], others[2],
    touches = function(b, c) return b:mismatch(c.rows:sub(-#b)) end,
    long = function(b, second) return b.mismatch, b, second() end,
}
row "buffer.hexdump" {
    call(range, first_byte), call(function(f) return f.text() end),
    touches = function(b) return b:hexdump() end,
    long = { ["128 MiB"] = function(b) return b.hexdump, b, 0, 128 << 20 end },
}
row "buffer.protect" {
    call("integer", function(f) return f.buffer(), 3 end),
    quiet = { function(b) return b:protect(mmap.PROT_READ) end, only_whole "not to a slice", gone },
}
row "buffer.lock" {
    call(range, first_byte),
    quiet = {
        all = { function(b) return b:lock() end, "remap%(%)", gone },
        ["what is there"] = { function(b) b:lock(0, page); b:unlock() end, first_pages, gone },
    },
}
row "buffer.unlock" { call(range, first_byte), quiet = { function(b) return b:unlock() end, works, gone } }
row "buffer.resize" {
    call("integer, table?", function(f) return f.buffer(), 1, {} end),
    call(function(f) return mmap.open(f.new_file "abc", "r+"), 2 * page end),
    call(function(f) return mmap.open(f.new_file "abc", "r+"), 2 * page, { sparse = true } end),
    quiet = { function(b) return b:resize(size) end, resized, gone },
}
row "buffer.remap" { opens = true,
    call("", function(f) return f.mapped() end),
    quiet = { function(b) b:remap(); return #b end, only_whole "a slice cannot be mapped again", only_whole "a slice cannot" },
}
row "buffer.advise" {
    call("integer|string", function(f) return f.buffer(), 0 end),
    call("integer?, integer?, integer|string", function(f) return f.buffer(), 0, page, "random" end),
    quiet = {
        random = { function(b) return b:advise "random" end, works, gone },
        populate_read = { function(b) return b:advise "populate_read" end, "%(EFAULT%).-past the end", gone, absent = true },
    },
}
row "buffer.sync" {
    call("integer|boolean?, integer?", function(f) return f.buffer(), 0, page end),
    call("integer|boolean?, integer?, boolean?, boolean?", function(f) return f.mapped(), 0, page, true, false end),
    call("boolean|integer?, boolean?", function(f) return f.mapped(), true, false end),
    quiet = {
        all = { function(b) return b:sync(true) end, past_the_end, gone },
        async = { function(b) return b:sync(false) end, past_the_end, gone },
        ["what is there"] = { function(b) return b:sync(0, page, true) end, first_bytes, gone },
    },
}
row "buffer.incore" {
    call(range, function(f) return f.buffer(), 0, page end),
    quiet = { function(b) return b:incore() end, works, gone },
}
row "buffer.get" {
    call("string, integer", function(f) return f.buffer(), "u8", 0 end), call(function(f) return f.buffer(), "f64be", 3 end),
    touches = {
        u8 = exact(1, function(b) return b:get("u8", #b - 1) end), u64be = exact(8, function(b) return b:get("u64be", #b - 8) end),
        f32 = exact(4, function(b) return b:get("f32", #b - 4) end),
    },
}
row "buffer.set" {
    call("string, integer, integer", function(f) return f.buffer(), "u8", 0, 1 end),
    call("string, integer, number", function(f) return f.buffer(), "f32", 0, 1.5 end),
    writes = {
        u16be = exact(2, function(b) return b:set("u16be", #b - 2, 7) end),
        f64le = exact(8, function(b) return b:set("f64le", #b - 8, 7) end),
    },
}
-- A format ends at a zero byte, as in string.pack.
row "buffer.unpack" {
    call("bytes, integer?", function(f) return f.buffer(), "<I4", 0 end),
    call(function(f) return f.buffer(), "z s2 !4 i4 c3 f" end),
    touches = {
        integer = function(b) return b:unpack("<I4", #b - 4) end, string = function(b) return b:unpack("c9", #b - 9) end,
        zero = function(b) return b:unpack("z", #b - 4) end,
    },
}
row "buffer.pack" {
    call("bytes, integer, integer|bytes", function(f) return f.buffer(), "<I4", 0, 1 end),
    call(function(f) return f.buffer(), "z s2 !4 i4 c3 f", 0, "zero", ("x"):rep(300), 7, "abc", 1.5 end),
    writes = {
        integer = function(b) return b:pack("<I4", #b - 4, 7) end, string = function(b) return b:pack("z", #b - 4, "abc") end,
    },
}
for _, name in ipairs { "crc32", "xxh3", "sha256" } do
    row("buffer." .. name) {
        call(range, first_byte), call(function(f) return f.buffer() end),
        touches = function(b) return b[name](b) end,
        long = function(b) return b[name], b end,
    }
end
row "buffer.view" {
    call("string, integer?, integer?, integer?", function(f) return f.buffer(), "u8", 0, 1, 1 end),
    call(function(f) return f.buffer(), "f64be" end),
    quiet = { function(b) return b:view "u8" end, works, gone },
}
row "buffer.atomic" {
    call("string, integer", function(f) return f.buffer(), "u32", 0 end),
    touches = {
        load = function(b) return last_atomic(b):load() end, wait = function(b) return last_atomic(b):wait(0, 0.01) end,
    },
    writes = {
        store = function(b) last_atomic(b):store(1) end, add = function(b) return last_atomic(b):add(1) end,
        exchange = function(b) return last_atomic(b):exchange(1) end,
        compareexchange = function(b) return last_atomic(b):compareexchange(0, 1) end,
    },
}
row "buffer.cachestat" {
    call(range, function(f) return f.in_file(), 0, 1 end),
    quiet = { function(b) return b:cachestat() end, works, gone, absent = true },
}
row "buffer.holes" {
    call(range, function(f) return f.in_file(), 0, 1 end),
    quiet = { function(b) return b:holes() end, works, gone },
}
row "buffer.pagemap" {
    call(range, first_byte),
    quiet = { function(b) return b:pagemap() end, works, gone, absent = true },
}
row "buffer.pages" {
    call(range, first_byte), call(function(f) return f.buffer() end),
    quiet = { function(b) return b:pages() end, works, gone },
}
row "buffer.touch" {
    call("integer?, integer?, integer?", function(f) return f.buffer(), 0, 1, 1 end),
    touches = function(b) return b:touch() end,
    long = function(b) return b.touch, b end,
}
row "buffer.populate" {
    call("integer|string?, integer?, string?", function(f) return f.buffer(), 0, 1, "read" end),
    call("string|integer?", function(f) return f.buffer(), "write" end),
    quiet = { function(b) return b:populate() end, "%(EFAULT%).-past the end", gone, absent = true },
    long = function(b) return b.populate, b end,
}
row "buffer.smaps" {
    call("", function(f) return f.buffer() end),
    quiet = { function(b) return b:smaps() end, works, gone, absent = true },
}
row "buffer.explain" { closed = true,
    call("", function(f) return f.buffer() end), call(function(f) return f.mapped() end),
    quiet = { function(b) return b:explain() end, works, works },
}
row "buffer.evict" {
    call("", function(f) return f.in_file() end),
    quiet = { function(b) return b:evict() end, works, gone, absent = true },
}
row "buffer.show" {
    call("table?", function(f) return f.buffer(), {} end),
    call(function(f) local b = f.buffer(); return b, { since = b:pages(), width = 40 } end),
    quiet = { function(b) return b:show() end, works, gone },
}
row "buffer.write" {
    call("file, integer?, integer?", function(f) return f.buffer(), f.file(), 0, 1 end),
    touches = function(b) local file <close> = io.tmpfile(); return b:write(file) end,
    long = function(b) return function() local file <close> = io.tmpfile(); b:write(file) end end,
}
row "buffer.split" {
    call("integer, bytes|table?", function(f) return f.buffer(), 1, "a" end), call(function(f) return f.text(), 3 end),
    call(function(f) return f.text(), 3, { csv = true, sep = "\n", escape = "\\" } end),
    touches = { lines = function(b) return b:split(3) end, rows = function(b) return b:split(3, { csv = true }) end },
}
row "buffer.match" {
    call("bytes, integer?", function(f) return f.buffer(), "a", 0 end), call(function(f) return f.text(), "(l)o()" end),
    touches = {
        search = function(b) return b:match("zzz") end, anchored = function(b) return b:match("^..", #b - 3) end,
    },
    long = function(b) return b.match, b, "%d+\1" end,
}
row "buffer.gmatch" { iterates = true,
    call("bytes, integer?", function(f) return f.buffer(), "a", 0 end), call(function(f) return f.text(), "(%a)(%d*)()" end),
    touches = function(b) drain(b:gmatch "%d") end,
    begun = stepped(function(b) return b:gmatch("%d", 2 * page) end),
}
row "buffer.lines" { iterates = true,
    call("table?", function(f) return f.buffer(), {} end),
    call(function(f) return f.text(), { keep = true, length = 100, offset = 1 } end),
    call(function(f) return f.text(), { ranges = true, sep = "n2", find = "1" } end),
    touches = {
        all = function(b) drain(b:lines()) end,
        ranges = function(b) drain(b:lines { ranges = true, sep = ";" }) end,
        searched = function(b) drain(b:lines { ranges = true, find = "x" }) end,
        ["of the end"] = function(b) drain(b:lines { offset = #b - 9 }) end,
        backward = function(b) drain(b:lines { reverse = true }) end,
    },
    begun = stepped(function(b) return b:lines { offset = 2 * page } end),
    long = {
        all = function(b) return function() for _ in b:lines() do end end end,
        ["one line"] = function(b) return b:lines { sep = "\1" } end,
        ["one line backward"] = function(b) return b:lines { sep = "\1", reverse = true } end,
    },
}
row "buffer.fields" { iterates = true,
    call("bytes, table?, table?", function(f) return f.buffer(), ";", { "string" }, {} end),
    call(function(f) return f.text(), ";", { "integer", "string", "string?" }, { csv = true, length = 20 } end),
    call(function(f) return f.text(), ";", nil, { offset = 11, length = 40 } end),
    touches = {
        strings = function(b) drain(b:fields(";")) end,
        numbers = function(b) drain(b:fields(";", { "string", "string?", "number?" }, { offset = #b - 9, bad = "nil" })) end,
        csv = function(b) drain(b:fields(";", nil, { csv = true })) end,
        options = function(b) drain(b:fields(" ", nil, { merge = true, comment = "#", position = true, decimal = "," })) end,
    },
    begun = stepped(function(b) return b:fields(";", nil, { offset = 2 * page }) end),
    long = function(b) return function() for _ in b:fields " " do end end end,
}
row "buffer.records" {
    call("struct, integer?, integer?, integer?", function(f) return f.buffer(), f.struct(), 0, 1, #f.struct() end),
    call(function(f) return f.buffer(), f.struct() end),
    quiet = { function(b) return b:records(one_byte) end, works, gone },
}
row "buffer.lockrange" {
    call("integer?, integer?, string?, number?", function(f) return f.in_file(), 0, 1, "shared", 0 end),
    quiet = { function(b) b:lockrange(0, page, "shared"):unlock() end, works, gone },
}
row "buffer.watch" {
    call("function, any", function(f) local b = f.buffer(); return b, function(...) b[0] = 1 return ... end, 1 end),
    touches = function(b) return b:watch(function() return b[#b - 1] end) end,
}

-- Node's accessors.
for _, noun in ipairs { "Int8", "UInt8", "Uint8", "Int16", "UInt16", "Uint16", "Int32", "UInt32", "Uint32",
    "BigInt64", "BigUInt64", "BigUint64", "Float", "Double", "Int", "UInt", "Uint" } do
    local has_length = noun:find "[Ii]nt$"
    local value = (noun == "Float" or noun == "Double") and "number" or "integer"
    for _, order in ipairs(noun:find "8$" and { "" } or { "LE", "BE" }) do
        local read, write = "read" .. noun .. order, "write" .. noun .. order
        row("buffer." .. read) { accessor = true,
            has_length and call("integer, integer", function(f) return f.buffer(), 0, 1 end)
                or call("integer?", function(f) return f.buffer(), 0 end),
            touches = exact(8, has_length and function(b) return b[read](b, #b - 8, 1) end or function(b) return b[read](b, #b - 8) end),
        }
        row("buffer." .. write) { accessor = true,
            has_length and call("integer, integer, integer", function(f) return f.buffer(), 1, 0, 1 end)
                or call(value .. ", integer?", function(f) return f.buffer(), 1, 0 end),
            writes = exact(8, has_length and function(b) return b[write](b, 1, #b - 8, 1) end or function(b) return b[write](b, 1, #b - 8) end),
        }
    end
end

-- ---- view

-- A method without arguments that reads all elements; `types` are those of the long calls.
-- `more.words` are those of the arguments.
local function reduction(name, types, more)
    local words = more and more.words or ""
    local given = {
        call(words, function(f) return f.view() end), call(function(f) return f.floats() end),
        touches = function(v) return v[name](v) end, long = {},
    }
    for key, value in pairs(more or {}) do if key ~= "words" then given[key] = value end end
    for type in types:gmatch "%S+" do
        given.long[type] = function(b) local v = b:view(type) return v[name], v end
    end
    row("view." .. name)(given)
end

row "view.__index" {
    call(function(f) return f.view(), 0 end), call(function(f) return f.view(), "sum" end),
    touches = exact(1, function(v) return v[#v - 1] end),
    of_records = {
        touches = { array = function(r) return r[#r - 1].pos[1] end },
        quiet = { array = { function(array) return array[0] end, gone, gone, from = function(r) return last(r).pos end } },
    },
}
row "view.__newindex" {
    call(function(f) return f.view(), 0, 1 end),
    writes = exact(1, function(v) v[#v - 1] = 1 end),
    of_records = { writes = { array = function(r) r[#r - 1].pos[1] = 2 end } },
}
row "view.__len" {
    call(function(f) return f.view() end),
    quiet = { function(v) return #v end, works, gone },
    of_records = { quiet = { array = { function(array) return #array end, works, gone, from = function(r) return last(r).pos end } } },
}
row "view.__tostring" { call(function(f) return f.view() end), quiet = { tostring, works, works } }
row "view.__pairs" { fails = "v:each%(%)",
    call(function(f) return f.view() end), quiet = { pairs_of, "v:each", "v:each" },
}
row "view.__close" { call(function(f) return f.view() end), quiet = { function(v) local _ <close> = v end, works, works } }
row "view.close" { call("", function(f) return f.view() end), quiet = { function(v) v:close() end, works, works } }
row "view.info" { call("", function(f) return f.view() end), quiet = { function(v) return v:info() end, works, works } }
row "view.each" { iterates = true,
    call("", function(f) return f.view() end), touches = function(v) drain(v:each()) end,
}
row "view.get" {
    call("integer, integer?", function(f) return f.view(), 0, 1 end), call(function(f) return f.floats(), 0, 40 end),
    touches = {
        one = exact(1, function(v) return v:get(#v - 1) end), many = function(v) return v:get(#v - 60, 60) end,
    },
}
row "view.set" {
    call("integer, integer", function(f) return f.view(), 0, 1 end), call(function(f) return f.floats(), 0, 1, 2.5 end),
    writes = function(v) return v:set(#v - 2, 1, 2) end,
}
row "view.totable" {
    call(range, function(f) return f.view(), 0, 1 end), call(function(f) return f.floats() end),
    touches = { all = function(v) return v:totable() end, ["end"] = function(v) return v:totable(#v - 2, 2) end },
    long = { u64 = function(b) local v = b:view "u64" return v.totable, v end },
}
row "view.slice" {
    call(range, function(f) return f.view(), 0, 1 end), quiet = { function(v) return v:slice(1) end, works, gone },
}
row "view.fill" {
    call("integer, integer?, integer?", function(f) return f.view(), 1, 0, 1 end),
    call("number, integer?, integer?", function(f) return f.floats(), 1.5, 0, 1 end),
    writes = { all = function(v) return v:fill(1) end, ["end"] = function(v) return v:fill(1, #v - 1) end },
    long = { u32 = function(b) local v = b:view "u32" return v.fill, v, 1 end },
}
row "view.copy" {
    call("integer, view|buffer|table, string?", function(f) return f.view(), 0, f.view(), "saturate" end),
    call(function(f) return f.view(), 0, f.buffer() end), call(function(f) return f.floats(), 0, { 1, 2.5 } end),
    touches = { from = function(v, c) return c.other:copy(0, v) end },
    writes = {
        view = function(v, c) return v:copy(0, c.other) end, table = function(v) return v:copy(#v - 2, { 1, 2 }) end,
    },
    long = { converting = function(b, second) local v = b:view "f32" return v.copy, v, 0, second():view "u32" end },
}
reduction("min", "f32", { words = "string?" })
reduction("max", "u16be", { words = "string?" })
reduction("minmax", "i16", { words = "string?" })
reduction("argmin", "u8", { words = "string?" })
reduction("argmax", "i64", { words = "string?" })
reduction("mean", "f64be", { words = "string?" })
reduction("median", "f64 u32be f16", { words = "string?" })
reduction("stats", "f64", { words = "string?, string?" })
reduction("unique", "u32")
reduction("sort", "u8 u16 u32 f64", { words = "string?", touches = false, writes = function(v) return v:sort() end })
reduction("dedup", "u32", { touches = false, writes = function(v) return v:dedup() end })
reduction("sorted", "", { long = { ["of zeros"] = function() local v = mmap.anonymous(1 << 30):view "u32" return v.sorted, v end } })
row "view.quantile" {
    call("number|table, string?", function(f) return f.view(), 0.5, "skipnan" end),
    call(function(f) return f.floats(), { 0, 0.25, 1 } end),
    touches = { one = function(v) return v:quantile(0.3) end, many = function(v) return v:quantile { 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1 } end },
    long = {
        f64 = function(b) local v = b:view "f64" return v.quantile, v, { 0.1, 0.9 } end,
        many = function(b) local v = b:view "i64" return v.quantile, v, { 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1 } end,
    },
}
row "view.argsort" {
    call("string?", function(f) return f.view(), "desc" end), call(function(f) return f.floats() end),
    touches = { up = function(v) return v:argsort() end, down = function(v) return v:argsort "desc" end },
    long = {
        u32 = function(b) local v = b:view("u32", 0, 1 << 26) return v.argsort, v end,
        f64 = function(b) local v = b:view("f64", 0, 1 << 25) return v.argsort, v end,
    },
}
-- An order that leads to the last element alone.
local function to_last(v) local order = mmap.anonymous(8 * #v):view("u64", 0, #v) order:fill(#v - 1) return order end
row "view.gather" {
    call("view, view", function(f) return f.view(), f.view(), f.view() end),
    touches = {
        source = function(v, c) return c.other:gather(to_last(v), v) end,
        order = function(v, c) return c.other:gather(c.floats and to_last(v) or v, c.floats and v or mmap.anonymous(8):view "u8") end,
    },
    writes = function(v, c) return v:gather(mmap.anonymous(8 * #v):view("u64", 0, #v), c.other) end,
    long = { u32 = function(b, second)
        local order = second():view("u64", 0, 1 << 26)
        return b:view("u32", 0, 1 << 26).gather, b:view("u32", 0, 1 << 26), order:fill(7) or order, b:view("u32", 1 << 29, 100)
    end },
}
for _, name in ipairs { "cumsum", "diff" } do
    local function into(v) return mmap.anonymous(8 * #v):view(v:info().type:find "f" and "f64" or "i64", 0, name == "diff" and #v - 1 or #v) end
    row("view." .. name) {
        call("view?", function(f) local v = f.view() return v, into(v) end), call(function(f) return f.floats() end),
        touches = { new = function(v) return v[name](v) end, into = function(v) return v[name](v, into(v)) end },
        writes = function(v, c) return c.other[name](c.other, name == "diff" and v:slice(1) or v) end,
        long = { u16 = function(b) local v = b:view("u16", 0, 1 << 27) return v[name], v end },
    }
end
row "view.rolling" {
    call("string, integer, view?", function(f) return f.floats(), "mean", 3 end),
    call(function(f) local v = f.view() return v, "sum", 2, mmap.anonymous(8 * #v):view("i64", 0, #v - 1) end), call(function(f) return f.view(), "min", 1 end),
    touches = {
        sum = function(v) return v:rolling("sum", 3) end, max = function(v) return v:rolling("max", #v) end,
        into = function(v) return v:rolling("min", 2, mmap.anonymous(8 * #v):view(v:info().type:find "f" and "f64" or "i64", 0, #v - 1)) end,
    },
    writes = function(v, c) return c.other:rolling("min", 2, v:slice(1)) end,
    long = { f32 = function(b) local v = b:view("f32", 0, 1 << 26) return v.rolling, v, "sum", 100 end },
}
row "view.sum" {
    call("string?, string?", function(f) return f.view(), "wrap", "skipnan" end), call(function(f) return f.floats() end),
    touches = { all = function(v) return v:sum() end, numbers = function(v) return v:sum "skipnan" end },
    long = {
        u8 = function(b) local v = b:view "u8" return v.sum, v end, f32be = function(b) local v = b:view "f32be" return v.sum, v end,
    },
}
row "view.variance" {
    call("integer|string?, string?", function(f) return f.view(), 1, "skipnan" end), call(function(f) return f.floats() end),
    touches = { all = function(v) return v:variance() end, numbers = function(v) return v:variance(1, "skipnan") end },
    long = { u32 = function(b) local v = b:view "u32" return v.variance, v end },
}
row "view.count" {
    call("string, number", function(f) return f.view(), "==", 1 end),
    touches = { ["=="] = function(v) return v:count("==", 3) end, ["<"] = function(v) return v:count("<", 3) end },
    long = { u8 = function(b) local v = b:view "u8" return v.count, v, "<", 60 end },
}
row "view.find" {
    call("string, number, integer?", function(f) return f.view(), "==", 1, 0 end),
    touches = function(v) return v:find(">", 5) end,
    long = { u32 = function(b) local v = b:view "u32" return v.find, v, "==", 1 end },
}
row "view.histogram" {
    call("integer", function(f) return f.floats(), 4 end), call("integer, number, number", function(f) return f.view(), 4, 0, 8 end),
    touches = { bounds = function(v) return v:histogram(4, 0, 8) end, ["of all"] = function(v) return v:histogram(4) end },
    long = { u16 = function(b) local v = b:view "u16" return v.histogram, v, 100 end },
}
for _, name in ipairs { "lowerbound", "upperbound" } do
    row("view." .. name) {
        call("number", function(f) return f.view(), 1 end),
        touches = function(v, c) return v[name](v, c.greatest) end,
    }
end
row "view.dot" {
    call("view, string?", function(f) return f.view(), f.view(), "wrap" end),
    touches = function(v) return v:dot(v) end,
    long = { u16 = function(b) return b:view "u16".dot, b:view "u16", b:view "u16" end },
}
row "view.add" {
    call("number|view, view|string?, string?", function(f) return f.floats(), 1, f.floats() end),
    call("number|view", function(f) return f.floats(), 1 end),
    call(function(f) return f.view(), 1, "wrap" end), call(function(f) return f.floats(), f.floats() end),
    touches = { into = function(v, c) return v:add(0, c.other) end, of = function(v, c) return c.other:add(v) end },
    writes = function(v) return v:add(0) end,
    long = { u8 = function(b) local v = b:view "u8" return v.add, v, 0 end },
}
row "view.sub" {
    call("number|view, view|string?, string?", function(f) return f.floats(), 1, f.floats() end),
    call("number|view", function(f) return f.floats(), 1 end), call(function(f) return f.floats(), f.floats() end),
    writes = { number = function(v) return v:sub(0) end, of = function(v, c) return v:sub(c.other) end },
    long = { i32be = function(b) local v = b:view "i32be" return v.sub, v, 0 end },
}
row "view.mul" {
    call("number|view, view|string?, string?", function(f) return f.floats(), 1, f.floats() end),
    call("number|view", function(f) return f.floats(), 1 end), call(function(f) return f.floats(), f.floats() end),
    writes = function(v) return v:mul(1) end,
    long = { f64 = function(b) local v = b:view "f64" return v.mul, v, 2 end },
}
row "view.div" {
    call("number|view, view|string?, string?", function(f) return f.floats(), 1, f.floats() end),
    call("number|view", function(f) return f.floats(), 1 end), call(function(f) return f.floats(), f.floats() end),
    -- For float views only.
    writes = function(v, c) return c.floats and v:div(1) or not c.floats and v:sub(1) end,
    long = { f32 = function(b) local v = b:view "f32" return v.div, v, 2 end },
}

-- ---- records, record, struct

row "records.__index" {
    call(function(f) return f.records(), 0 end), call(function(f) return f.records(), "column" end),
    touches = function(r) return r[#r - 1].id end,
}
row "records.__newindex" {
    call(function(f) return f.records(), 0, { id = 7, pair = { 1, 2 }, ["in"] = { x = 1 }, more = { { x = 1 }, { y = 2 } } } end),
    call(function(f) return f.records(), 0, f.record() end),
    writes = function(r) r[#r - 1] = { id = 7, name = "x", pos = { 1, 2 } } end,
}
row "records.__len" { call(function(f) return f.records() end), quiet = { function(r) return #r end, works, gone } }
row "records.__tostring" { call(function(f) return f.records() end), quiet = { tostring, works, works } }
row "records.__pairs" { fails = "r:each%(%)",
    call(function(f) return f.records() end), quiet = { pairs_of, "r:each", "r:each" },
}
row "records.column" {
    call("string, integer?", function(f) return f.records(), "pair", 1 end), call(function(f) return f.records(), "in" end),
    touches = {
        field = function(r) return r:column("id"):sum() end, array = function(r) return r:column("pos", 1):max() end,
        inner = function(r) return r:column("in"):column("x"):sum() end,
        sliced = function(r) return r:slice(1):column("id"):slice(1):sum() end,
    },
    writes = function(r) r:column("id"):fill(7) end,
    quiet = { function(r) return r:column "id" end, works, gone },
}
-- Records in memory, as many and of the same layout.
local function like(r) return mmap.anonymous(#r * #r:layout()):records(r:layout()) end
row "records.sort" {
    call("string|table, string?", function(f) return f.records(), "id", "desc" end),
    call(function(f) return f.records(), { "-name", "id" } end),
    writes = { number = function(r) return r:sort "id" end, list = function(r) return r:sort { "-id" } end },
    long = { u32 = function(b)
        local r = b:records(mmap.struct { { "id", "u32" }, { "n", "u32" }, { "x", "f64" } })
        return r.sort, r, "id"
    end },
}
row "records.gather" {
    call("view, records", function(f) local r = f.records() return r, to_last(r), like(r) end),
    touches = function(r) return like(r):gather(to_last(r), r) end,
    writes = function(r) return r:gather(to_last(r), like(r)) end,
}
row "records.slice" {
    call(range, function(f) return f.records(), 0, 1 end),
    touches = function(r) return r:slice(#r - 2)[0].id end,
    quiet = { function(r) return r:slice(1) end, works, gone },
}
row "records.each" { iterates = true,
    call("", function(f) return f.records() end),
    touches = function(r) for _, record in r:each() do local _ = record.id end end,
}
row "records.info" { call("", function(f) return f.records() end), quiet = { function(r) return r:info() end, works, works } }
row "records.layout" { call("", function(f) return f.records() end), quiet = { function(r) return r:layout() end, works, works } }
row "record.__index" {
    call(function(f) return f.record(), "id" end), call(function(f) return f.record(), "name" end),
    call(function(f) return f.record(), "raw" end), call(function(f) return f.record(), "pair" end),
    call(function(f) return f.record(), "in" end), call(function(f) return f.record(), "more" end),
    call(function(f) return f.record(), "totable" end),
    touches = {
        char = function(r) return r[#r - 1].name end, bytes = function(r) return r[#r - 1].raw end,
        inner = function(r) return r[#r - 1]["in"].x end,
    },
    quiet = { function(record) return record.id end, gone, gone, from = last },
}
row "record.__newindex" {
    call(function(f) return f.record(), "id", 7 end), call(function(f) return f.record(), "name", "abc" end),
    call(function(f) return f.record(), "pair", { 1, 2 } end), call(function(f) return f.record(), "in", { x = 1, y = 2.5 } end),
    writes = {
        integer = function(r) r[#r - 1].id = 7 end, char = function(r) r[#r - 1].name = "abc" end,
        inner = function(r) r[#r - 1]["in"].x = 2 end,
    },
}
row "record.__pairs" { iterates = true,
    call(function(f) return f.record() end),
    touches = function(r) for _ in pairs(r[#r - 1]) do end end,
}
row "record.__tostring" { call(function(f) return f.record() end), quiet = { tostring, works, works, from = last } }
row "record.totable" {
    call("", function(f) return f.record() end),
    touches = function(r) return r[#r - 1]:totable() end,
}
row "struct.__index" {
    call(function(f) return f.struct(), "fields" end), begun = { a_struct, function(s) return s.fields end, works, works },
}
row "struct.__len" { call(function(f) return f.struct() end), begun = { a_struct, function(s) return #s end, works, works } }
row "struct.__tostring" { call(function(f) return f.struct() end), begun = { a_struct, tostring, works, works } }
row "struct.fields" {
    call("", function(f) return f.struct() end), begun = { a_struct, function(s) return s:fields() end, works, works },
}
row "struct.offset" {
    call("string", function(f) return f.struct(), "id" end), begun = { a_struct, function(s) return s:offset "id" end, works, works },
}
row "struct.totable" {
    call("record", function(f) return f.struct(), f.record() end),
    touches = function(r) return r:layout():totable(r[#r - 1]) end,
    begun = { function(b) return b:records(one_byte)[#b - 1] end, function(r) return one_byte:totable(r) end, gone, gone },
}

-- ---- regex

row "regex.__close" {
    call(function(f) return f.regex() end), begun = { a_regex, function(re) local _ <close> = re end, works, works },
}
row "regex.__gc" {
    call(function(f) return f.regex() end), begun = { a_regex, function(re) debug.getmetatable(re).__gc(re) end, works, works },
}
row "regex.__tostring" { call(function(f) return f.regex() end), begun = { a_regex, tostring, works, works } }
row "regex.close" { call("", function(f) return f.regex() end), begun = { a_regex, function(re) re:close() end, works, works } }
local subjects <const> = {
    call("buffer|bytes, integer?, string?", function(f) return f.regex(), f.buffer(), 0, "strings" end),
    call(function(f) return mmap.regex "(\\w+);(l(o)?)", f.text(), 0, "offsets" end), call(function() return mmap.regex("A", "iu"), "banana" end),
}
row "regex.find" { subjects[1], subjects[2], subjects[3],
    touches = function(b) return mmap.regex("zzz"):find(b) end,
    begun = { a_regex, function(re, b) return re:find(b, 2 * page) end, gone, gone },
    long = function(b) return mmap.regex "[a-z]+\\x01".find, mmap.regex "[a-z]+\\x01", b end,
}
row "regex.match" { subjects[1], subjects[2], subjects[3],
    touches = function(b) return mmap.regex("(z)z"):match(b) end,
    begun = { a_regex, function(re, b) return re:match(b, 2 * page) end, gone, gone },
    long = function(b) return mmap.regex "[a-z]+\\x01".match, mmap.regex "([a-z]+)\\x01", b end,
}
row "regex.gmatch" { subjects[1], subjects[2], subjects[3], iterates = true,
    touches = function(b) drain(mmap.regex("[0-9]"):gmatch(b)) end,
    begun = {
        all = { a_regex, function(re, b) drain(re:gmatch(b, 2 * page)) end, gone, gone },
        step = stepped(function(b) return mmap.regex("[0-9]"):gmatch(b, 2 * page) end),
    },
    long = function(b) return function() drain(mmap.regex("[a-z]+"):gmatch(b)) end end,
}
row "regex.gfind" { subjects[1], subjects[2], subjects[3], iterates = true,
    touches = function(b) drain(mmap.regex("[0-9]"):gfind(b)) end,
    begun = {
        all = { a_regex, function(re, b) drain(re:gfind(b, 2 * page)) end, gone, gone },
        step = stepped(function(b) return mmap.regex("[0-9]"):gfind(b, 2 * page) end),
    },
    long = function(b) return function() drain(mmap.regex("[a-z]+"):gfind(b)) end end,
}
row "regex.split" {
    call("buffer|string", function(f) return f.regex(), f.buffer() end),
    call("buffer|string, table?", function(f) return mmap.regex "[,;\n]+", f.text(), { ranges = true } end),
    call(function() return mmap.regex("n*", "u"), "banana", {} end), iterates = true,
    touches = function(b) drain(mmap.regex("[0-9]"):split(b)) end,
    begun = {
        all = { a_regex, function(re, b) drain(re:split(b)) end, gone, gone },
        step = stepped(function(b) return mmap.regex("zz\\x01zz"):split(b) end),
    },
    long = function(b) return function() drain(mmap.regex("[a-z]+"):split(b)) end end,
}
row "regex.gsub" {
    call("buffer|string, bytes|number|table|function, integer?", function(f) return f.regex(), f.buffer(), "<%0>", 3 end),
    call(function(f) return mmap.regex "(\\w+);(l(o)?)", f.text(), function(a, b) return b .. a end end),
    call(function() return mmap.regex("A", "iu"), "banana", { a = "o" } end),
    call(function(f) return mmap.regex "a?", f.text(), string.upper, 5 end),
    touches = function(b) return mmap.regex("[0-9]"):gsub(b, "x") end,
    begun = {
        a_regex, function(re, b) return re:gsub(b, "x") end, gone, gone,
    },
    long = function(b) return mmap.regex "[a-z]+".gsub, mmap.regex "[a-z]+\\x01", b, "x" end,
}
row "regex.names" { call("", function(f) return f.regex() end), call(function() return mmap.regex "(?<a>x)(?<b>y)" end),
    begun = { a_regex, function(re) return re:names() end, works, works },
}
row "regex.count" { call("buffer|bytes, integer?", function(f) return f.regex(), f.buffer(), 0 end),
    call(function(f) return mmap.regex "(\\w+);(l(o)?)", f.text() end), subjects[3],
    touches = function(b) return mmap.regex("[0-9]"):count(b) end,
    begun = { a_regex, function(re, b) return re:count(b, 2 * page) end, gone, gone },
    long = function(b) return mmap.regex "[a-z]+ [0-9]".count, mmap.regex "[a-z]+ [0-9]", b end,
}

-- ---- pages: a recorded state, unaffected by later changes

row "pages.__index" {
    call(function(f) return f.pages(), 0 end), call(function(f) return f.pages(), "count" end),
    begun = { pages_of, function(p) return p[0] end, works, works },
}
row "pages.__len" {
    call(function(f) return f.pages() end), begun = { pages_of, function(p) assert(#p == size // page) end, works, works },
}
row "pages.__tostring" { call(function(f) return f.pages() end), begun = { pages_of, tostring, works, works } }
row "pages.__pairs" { fails = "p:ranges%(%)",
    call(function(f) return f.pages() end), begun = { pages_of, pairs_of, "p:ranges", "p:ranges" },
}
row "pages.count" {
    call(range, function(f) return f.pages(), 0, 1 end), begun = { pages_of, function(p) return p:count() end, works, works },
}
row "pages.diff" {
    call("pages", function(f) return f.pages(), f.pages() end), begun = { pages_of, function(p) return p:diff(p) end, works, works },
}
row "pages.offset" {
    call("integer", function(f) return f.pages(), 0 end), begun = { pages_of, function(p) return p:offset(1) end, works, works },
}
row "pages.ranges" { iterates = true,
    call("", function(f) local b = f.buffer(); b:touch(); return b:pages() end),
    begun = { pages_of, function(p) drain(p:ranges()) end, works, works },
}

-- ---- atomic, lock, child

row "atomic.__tostring" { call(function(f) return f.atomic() end), begun = { an_atomic, tostring, works, works } }
row "atomic.load" {
    call("", function(f) return f.atomic() end), begun = { an_atomic, function(a) return a:load() end, gone, gone },
}
row "atomic.store" {
    call("integer", function(f) return f.atomic(), 1 end),
    begun = { an_atomic, function(a) return a:store(1) end, gone, gone, writes = true },
}
row "atomic.add" {
    call("integer?", function(f) return f.atomic(), 1 end),
    begun = { an_atomic, function(a) return a:add(1) end, gone, gone, writes = true },
}
row "atomic.exchange" {
    call("integer", function(f) return f.atomic(), 1 end),
    begun = { an_atomic, function(a) return a:exchange(1) end, gone, gone, writes = true },
}
row "atomic.compareexchange" {
    call("integer, integer", function(f) return f.atomic(), 0, 1 end),
    begun = { an_atomic, function(a) return a:compareexchange(0, 1) end, gone, gone, writes = true },
}
row "atomic.wait" {
    call("integer, number?", function(f) return f.atomic(), 1, 0 end),
    begun = { an_atomic, function(a) return a:wait(0, 0.01) end, gone, gone },
}
row "atomic.wake" {
    call("integer?", function(f) return f.atomic(), 1 end), begun = { an_atomic, function(a) return a:wake() end, gone, gone },
}
row "lock.__close" {
    call(function(f) return f.lock() end), begun = { locked, function(l) local _ <close> = l end, works, works },
}
row "lock.__gc" {
    call(function(f) return f.lock() end), begun = { locked, function(l) debug.getmetatable(l).__gc(l) end, works, works },
}
row "lock.__tostring" { call(function(f) return f.lock() end), begun = { locked, tostring, works, works } }
row "lock.unlock" { call("", function(f) return f.lock() end), begun = { locked, function(l) l:unlock() end, works, works } }
row "child.__close" { process = true, lost = false, call(function(f) return f.child() end) }
row "child.__gc" { process = true, lost = false, call(function(f) return f.child() end) }
row "child.__tostring" { process = true, lost = false, call(function(f) return f.child() end) }
row "child.kill" { process = true, lost = false, call("integer|string?", function(f) return f.child(), "TERM" end) }
row "child.pid" { process = true, lost = false, call("", function(f) return f.child() end) }
row "child.running" { process = true, lost = false, call("", function(f) return f.child() end) }
row "child.wait" { process = true, lost = false, call("number?", function(f) return f.child(), 60 end) }

-- ---- table

-- A table on the last bytes of a buffer.
local function a_table(b) return mmap.table { n = b:view("u8", #b - 100) } end
local function plan(run) return { a_table, run, works, works } end
local function read(run) return { a_table, run, gone, gone } end
-- A question that takes long on a large buffer.
local function slow(b) return mmap.table({ n = b:view "u8" }):with("m", function(n) return n % 3 end, "n") end

row "mmap.table" { opens = true,
    call("string|table|buffer|records, table?", function(f) return f.records(), { columns = { "id", "name" } } end),
    call(function(f) return { f.new_file "a,b\n1,2\n", f.new_file "a,b\n3,4\n" }, { format = "csv" } end),
    call(function(f) return f.text(), { sep = ";", columns = { "id integer", "text" }, bad = "skip", null = { "x" } } end),
    call(function(f) return { a = f.view():slice(0, 3), b = f.floats():slice(0, 3) }, { columns = { "a number" } } end),
    touches = function(b) return mmap.table(b, { format = "lines" }):count() end,
    begun = { path_of, function(path)
        local t <close> = mmap.table(path, { format = "csv", header = false })
        t:count()
    end, works, works },
}
row "table.__close" { closed = true,
    call(function(f) return f.table() end), begun = plan(function(t) local _ <close> = t end),
}
row "table.__gc" { closed = true,
    call(function(f) return f.table() end), begun = plan(function(t) debug.getmetatable(t).__gc(t) end),
}
row "table.__tostring" { closed = true, call(function(f) return f.table() end), begun = read(tostring) }
row "table.close" { closed = true, call("", function(f) return f.table() end), begun = plan(function(t) t:close() end) }
row "table.where" {
    call("bytes|function, string, number?", function(f) return f.table(), "k", "==", 1 end),
    call(function(f) return f.table(), function(k, x) return k == 1 or x ~= x end, "k", "x" end),
    call(function(f) return f.table(), "s", "in", { "abc", "c" } end), call(function(f) return f.table(), "s", "matches", f.regex() end),
    call(function(f) return f.table(), "x", "notnull" end),
    begun = plan(function(t) return t:where("n", ">", 1) end),
    long = function(b) local t = slow(b):where("m", "==", 1) return t.count, t end,
}
row "table.with" {
    call("bytes, function, bytes?", function(f) return f.table(), "y", function(x) return x * 2 end, "x" end),
    call(function(f) return f.table(), "s", function(s) return s .. "!" end, "s" end),
    begun = read(function(t) return t:with("m", function(n) return n end, "n") end),
}
row "table.select" {
    call("bytes|table", function(f) return f.table(), { "k", "s" } end), call(function(f) return f.table(), "k", "s" end),
    begun = plan(function(t) return t:select "n" end),
}
row "table.rename" {
    call("bytes, bytes", function(f) return f.table(), "k", "key" end), begun = plan(function(t) return t:rename("n", "m") end),
}
row "table.fill" {
    call("bytes, number", function(f) return f.table(), "x", 1 end), call("bytes, bytes", function(f) return f.table(), "s", "?" end),
    call("bytes, boolean", function(f) return f.table():with("x", function(k) return k == 1 end, "k"), "x", true end),
    begun = plan(function(t) return t:fill("n", 0) end),
}
row "table.group" {
    call("bytes|table, bytes|table", function(f) return f.table(), { "k", "s" }, { "count", "quantile x 0.5 as q", { "max", "s", as = "m" } } end),
    call(function(f) return f.table(), {}, "sum k" end),
    begun = plan(function(t) return t:group({}, "count") end),
    long = function(b) local t = slow(b):group("m", "sum n") return t.totable, t end,
}
row "table.sort" {
    call("bytes|table, string?", function(f) return f.table(), "x", "desc" end), call(function(f) return f.table(), { "-s", "k" } end),
    begun = plan(function(t) return t:sort "n" end),
    long = function(b) local t = mmap.table({ n = b:view "u64" }):sort "n" return t.count, t end,
}
row "table.top" {
    call("integer, bytes", function(f) return f.table(), 2, "x" end), begun = plan(function(t) return t:top(1, "n") end),
}
row "table.bottom" {
    call("integer, bytes", function(f) return f.table(), 2, "s" end), begun = plan(function(t) return t:bottom(1, "n") end),
}
row "table.head" { call("integer", function(f) return f.table(), 2 end), begun = plan(function(t) return t:head(1) end) }
row "table.distinct" {
    call("bytes|table?", function(f) return f.table(), "k" end), call(function(f) return f.table(), { "s", "k" } end),
    begun = plan(function(t) return t:distinct "n" end),
}
row "table.join" {
    call("mmap.table, bytes|table, string?", function(f) return f.table(), f.table(), "k", "left" end),
    call(function(f) return f.table(), f.table(), { "k", s = "s" } end),
    begun = plan(function(t) return t:join(t, "n") end),
}
row "table.append" {
    call("mmap.table", function(f) return f.table(), f.table() end), begun = plan(function(t) return t:append(t) end),
}
row "table.piece" {
    call("integer, integer", function(f) return f.table(), 1, 2 end), begun = plan(function(t) return t:piece(1, 2) end),
}
row "table.rows" { iterates = true,
    call("", function(f) return f.table() end), call(function(f) return f.table():sort "x" end),
    call(function(f) return f.table():where(function(s) return #s > 1 end, "s") end),
    begun = { all = read(function(t) drain(t:rows()) end), step = stepped(function(b) return (a_table(b):rows()) end) },
    long = function(b) return function() drain(slow(b):rows()) end end,
}
row "table.count" {
    call("", function(f) return f.table() end), call(function(f) return f.table():group("s", "sum x") end),
    begun = read(function(t) return t:where("n", "<", 300):count() end),
}
row "table.totable" { call("", function(f) return f.table() end), begun = read(function(t) return t:totable() end) }
row "table.list" { call("bytes", function(f) return f.table(), "s" end), begun = read(function(t) return t:list "n" end) }
row "table.column" { call("bytes", function(f) return f.table(), "x" end), begun = read(function(t) return t:column "n" end) }
row "table.columns" { call("", function(f) return f.table() end), begun = plan(function(t) return t:columns() end) }
row "table.explain" { call("", function(f) return f.table():sort "k" end), begun = plan(function(t) return t:explain() end) }
row "table.describe" { call("", function(f) return f.table() end), begun = read(function(t) return t:describe() end) }
row "table.write" { opens = true,
    call("string, string?", function(f) return f.table(), f.new_path(), "csv" end),
    call(function(f) return f.table(), f.new_path(), "jsonl" end),
    begun = read(function(t) return in_temporary(function(path) t:write(path, "tsv") end) end),
}
row "table.skipped" { call("", function(f) return f.table() end), begun = plan(function(t) return t:skipped() end) }

-- ---- internal objects

row "replacement.__close" { internal = true, lost = false, call(function(f) return f.replacement() end) }
row "compiled.__gc" { internal = true, lost = false, call(function(f) return f.compiled() end) }
row "made.__close" { internal = true, lost = false, call(function(f) return f.made() end) }
row "made.__gc" { internal = true, lost = false, call(function(f) return f.made() end) }
row "replacement.__gc" { internal = true, lost = false, call(function(f) return f.replacement() end) }
row "watch.__close" { internal = true, lost = false, call(function(f) return f.watch() end) }
row "watch.__gc" { internal = true, lost = false, call(function(f) return f.watch() end) }

-- ---- error

local function lost_byte(b)
    local _, e = pcall(function() return b[#b - 1] end)
    return e
end
row "error.__tostring" {
    call(function(f) return f.error() end),
    begun = { itself, function(b) assert(tostring(lost_byte(b)):find(gone)) end, works, works },
}
row "error.__concat" {
    call(function(f) return f.error(), "!" end), call(function(f) return "!", f.error() end),
    begun = { itself, function(b)
        local e = lost_byte(b)
        assert((e .. "!"):find "!$" and ("!" .. e):find "^!")
    end, works, works },
}

return methods
