-- traced.lua METHODS FOLDER NAME: for TracedTests. In a sandbox that allows FOLDER and shared memory, calls every
-- function that takes a path or a mapping, with valid arguments (METHODS is methods.lua), under conditions that make
-- calls fail. Prints the error messages.
--
-- FOLDER contains links that lead out, out-*, and other special files; in shared memory NAME.1, NAME.2 … are links too.

local methods_path, folder, name = ...
local methods = dofile(methods_path)
local page <const> = mmap.PAGESIZE
local links <const> = { "out-secret", "out-missing", "out-folder", "out-below", "out-loop", "pipe", "inside" }

-- [ damage ]

-- Replaces each file by a link or special file, with a rename, and moves that back afterward.
local function replaced(link)
    return function(_, paths)
        for _, path in ipairs(paths) do
            local file = io.open(path, "r+")
            if file then file:close() io.open(path, "w"):close() end
        end
        -- There are several of each: a call may remove one.
        local path, number = paths[#paths], 1
        os.remove(path)
        local function place() return ("%s/%s.%d"):format(folder, link, number) end
        while not os.rename(place(), path) do
            number = number + 1
            if number > 9 and link == "pipe" then return end -- Landlock does not let a script move a pipe
            if number > 9 then error("no more links " .. link) end
        end
        return function() os.rename(path, place()) end
    end
end

local damages = {
    { "nothing", function() end },
    { "cut", function(_, paths)
        for _, path in ipairs(paths) do io.open(path, "w"):close() end
    end },
    { "removed", function(_, paths)
        for _, path in ipairs(paths) do os.remove(path) end
    end },
    { "closed", function(fixture) pcall(fixture.opened.close, fixture.opened) end },
    { "descriptors", function(fixture)
        local held = {}
        repeat
            local file = io.open(fixture.path)
            held[#held + 1] = file
        until not file
        return function() for _, file in ipairs(held) do file:close() end end
    end },
    { "memory", function()
        -- The rest, less than 1 MiB, is for Lua.
        local held, size = {}, 64 << 20
        while size >= 1 << 20 do
            local ok, b = pcall(mmap.anonymous, size)
            if ok then held[#held + 1] = b else size = size // 2 end
        end
        return function() for _, b in ipairs(held) do b:close() end end
    end },
}
for _, link in ipairs(links) do damages[#damages + 1] = { link, replaced(link) } end

-- [ calls ]

-- As methods.fixture, but every buffer maps a file.
local used = 0
local function new_fixture()
    local paths = {}
    local fixture = methods.fixture(folder)
    local new_path = fixture.new_path
    function fixture.new_path()
        local path = new_path()
        paths[#paths + 1] = path
        return path
    end
    paths[1] = fixture.path
    function fixture.buffer() return mmap.open(fixture.new_file(("x\n"):rep(3 * page // 2)), "r+") end
    function fixture.shared_name()
        used = used + 1
        return ("%s.%d"):format(name, used % 3 + 1)
    end
    return fixture, paths
end

-- Functions on paths that are not the library's.
local others = {}
for _, mode in ipairs { "r", "w", "a", "r+", "w+", "a+" } do
    others[#others + 1] = { "io.open " .. mode, function(path) return io.open(path, mode) end }
end
for key, call in pairs {
    ["io.lines"] = io.lines, ["io.input"] = io.input, ["os.remove"] = os.remove, loadfile = loadfile, dofile = dofile,
    ["io.output"] = function(path)
        local ok, e = pcall(io.output, path)
        io.output():close()
        io.output(io.stdout)
        if not ok then error(e, 0) end
    end,
    ["os.rename"] = function(path)
        local ok, message = os.rename(path, path .. ".moved")
        os.rename(path .. ".moved", path)
        return ok, message
    end,
    ["require"] = function(path) package.path = path return require "x" end,
    ["package.searchpath"] = function(path) return package.searchpath("x", path) end,
    ["mmap.open below"] = function(path) return mmap.open(path .. "/name") end,
    ["mmap.open above"] = function(path) return mmap.open(path .. "/../file") end,
    ["mmap.sparse below"] = function(path) return mmap.sparse(path .. "/name", 1) end,
    ["io.tmpfile"] = io.tmpfile, ["os.tmpname"] = os.tmpname, ["os.date"] = function() return nil, os.date "%Y" and "" end,
} do others[#others + 1] = { key, call } end
table.sort(others, function(a, b) return a[1] < b[1] end)

local count = 0
local function try(title, fixture, paths, damage, call, ...)
    local undo = damage(fixture, paths)
    local list = table.pack(pcall(call, ...))
    if undo then undo() end
    count = count + 1
    if count % 16 == 0 then collectgarbage() end
    if list[1] and not (list[2] == nil and type(list[3]) == "string") then
        if io.type(list[2]) == "file" then pcall(list[2].close, list[2]) end
        return
    end
    local text = tostring(list[1] and list[3] or list[2]):gsub("0x%x+", "ADDRESS")
    if text:find "--memory" or text == "not enough memory" then text = "not enough memory" end
    io.write(title, ": ", text, "\n")
end

assert(io.open(folder .. "/begin")):close()
for _, each in ipairs(damages) do
    for _, row in ipairs(methods.rows) do
        -- These wait for the other end of a pipe.
        local waits = each[1] == "pipe" and (row.name == "mmap.read" or row.name == "mmap.decompress")
        local calls = row.sandbox == true and not row.process and not row.internal and not waits and #row.calls or 0
        for n = 1, calls do
            local fixture, paths = new_fixture()
            if row.name == "mmap.shared" then fixture.new_name = fixture.shared_name end
            local is_ready, call = pcall(row.prepare, fixture, n)
            if is_ready and row.find(fixture) then try(("%s %d, %s"):format(row.name, n, each[1]), fixture, paths, each[2], call) end
            pcall(fixture.close)
        end
    end
    -- io.open waits for the other end of a pipe, as in lua5.4.
    for _, other in ipairs(each[1] == "pipe" and {} or others) do
        local fixture, paths = new_fixture()
        try(("%s, %s"):format(other[1], each[1]), fixture, paths, each[2], other[2], fixture.path)
        pcall(fixture.close)
    end
end
io.stderr:write(count, "\n")
