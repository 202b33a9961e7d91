-- long.lua LIST|N FOLDER: calls that may take long, on an empty terabyte. LIST prints their number; N prints the name
-- of the N-th call and makes it, in a folder of its own.

local what, folder = ...
local terabyte <const> = 1 << 40
local flags <const> = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE
local jobs = {}

local function anonymous(more) return mmap.map(terabyte, 3, flags | (more or 0), -1) end
local path <const> = (folder or "") .. "/sparse"
local function sparse()
    local b <close> = mmap.sparse(path, terabyte)
    return mmap.open(path, "r+")
end
local function memory() return mmap.memfd("long", terabyte) end
local makers <const> = { anonymous = anonymous, sparse = sparse, memory = memory }

local function job(name, fn) jobs[#jobs + 1] = { name = name, fn = fn } end
local function on(kinds, name, fn)
    for kind in kinds:gmatch "%a+" do
        job(name .. " " .. kind, function()
            local b = makers[kind]()
            fn(b)
        end)
    end
end

-- Each function of the library, with its buffers, views, and records on a terabyte: of memory and of a file in turn.
local methods = dofile((arg[0]:gsub("[^/]*$", "")) .. "methods.lua")
for _, row in ipairs(methods.rows) do
    if not row.internal then
        for i in ipairs(row.calls) do
            local kind <const> = #jobs % 2 == 0 and "anonymous" or "sparse"
            job(("%s %d %s"):format(row.name, i, kind), function()
                local fixture <close> = methods.fixture(folder)
                local b = makers[kind]()
                for _, name in ipairs { "buffer", "in_file", "mapped", "text" } do
                    fixture[name] = function() return b end
                end
                row.call(fixture, i)
            end)
        end
    end
end

-- Calls beside the rows: every advice, option, flag, and mode.
for _, advice in ipairs(mmap.advices()) do
    if advice.name ~= "hwpoison" and advice.name ~= "soft_offline" then
        on("anonymous sparse memory", "advise " .. advice.name, function(b) b:advise(advice.name) end)
        on("anonymous", "advise in part " .. advice.name, function(b) b:advise(4096, terabyte - 8192, advice.name) end)
    end
end
on("anonymous sparse memory", "lock", function(b) b:lock() end)
on("anonymous", "lock in part", function(b) b:lock(4096, terabyte - 8192) end)
on("sparse memory", "populate write", function(b) b:populate "write" end)
on("anonymous", "populate write", function(b) b:populate "write" end)
on("sparse", "sync", function(b) b:populate(0, 1 << 28, "write") b:sync(true) end)
on("anonymous sparse memory", "close after much", function(b) b:populate(0, 1 << 32) b:close() end)
on("anonymous sparse memory", "protect after much", function(b) b:populate(0, 1 << 32) b:protect(mmap.PROT_READ) b:protect(3) end)
on("anonymous sparse memory", "unlock after much", function(b) b:lock(0, 1 << 28) b:unlock() end)
on("anonymous sparse memory", "resize after much", function(b) b:populate(0, 1 << 32) b:resize(terabyte + 4096) b:resize(4096) end)
on("sparse memory", "remap after much", function(b) b:populate(0, 1 << 32) b:remap() end)
job("grow a locked mapping", function()
    local b = mmap.map(4096, 3, flags, -1)
    b:lock()
    b:resize(terabyte)
end)
job("protect what is locked in parts", function()
    local b = mmap.map(terabyte, mmap.PROT_READ, flags, -1)
    for i = 0, 1023 do b:lock(i << 30, 1 << 29) b:lock((i << 30) + (1 << 29), 1 << 29) end
    b:protect(3)
end)
for name, more in pairs { MAP_POPULATE = mmap.MAP_POPULATE, MAP_LOCKED = mmap.MAP_LOCKED } do
    job(name .. " private", function() anonymous(more) end)
    job(name .. " shared", function()
        mmap.map(terabyte, 3, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE | more, -1)
    end)
    job(name .. " sparse", function()
        sparse()
        mmap.map(terabyte, 3, mmap.MAP_SHARED | more, io.open(path, "r+"))
    end)
    job(name .. " remap", function()
        mmap.sparse(path, 4096):close()
        local b = mmap.map(4096, 3, mmap.MAP_SHARED | more, io.open(path, "r+"))
        local other = mmap.open(path, "r+")
        io.open(path, "r+"):seek("set", 0)
        os.execute("truncate -s 1T '" .. path .. "'")
        b:remap()
    end)
end
for _, mode in ipairs { "r", "r+", "c" } do
    for _, option in ipairs { "populate", "lock" } do
        job(("open %s %s"):format(mode, option), function()
            sparse()
            mmap.open(path, mode, { [option] = true })
        end)
    end
end
for _, advice in ipairs { "willneed", "populate_read", "collapse" } do
    job("open with advice " .. advice, function()
        sparse()
        mmap.open(path, "r", { advice = advice })
    end)
end
for _, option in ipairs { "populate", "lock" } do
    job("anonymous shared " .. option, function() mmap.anonymous(terabyte, { shared = true, [option] = true }) end)
end
job("open w+", function() mmap.open(path, "w+", { size = terabyte }) end)
job("open grow", function() mmap.sparse(path, 1):close() mmap.open(path, "r+", { grow = true, length = terabyte }) end)
job("resize grow", function() mmap.sparse(path, 1):resize(terabyte) end)
job("shared", function()
    local name <const> = "mmaplua-long-" .. folder:gsub("%W", ".")
    local unlink <close> = setmetatable({}, { __close = function() pcall(mmap.unlink, name) end })
    mmap.shared(name, terabyte)
end)
job("evict path", function() sparse() mmap.evict(path) end)
job("evict private", function()
    sparse()
    local b = mmap.open(path, "c")
    b[0] = 1
    mmap.evict(path)
end)
job("faults with 64 TiB", function()
    local kept = {}
    for i = 1, 64 do kept[i] = anonymous() end
    for _ = 1, 100 do mmap.faults(function() end) end
end)
job("show 4 TiB", function() mmap.map(4 * terabyte, 3, flags, -1):show() end)
job("pagemap 4 TiB", function() mmap.map(4 * terabyte, 3, flags, -1):pagemap() end)
job("smaps with 10000 mappings", function()
    local kept = {}
    for i = 1, 10000 do kept[i] = mmap.map(4096, i % 2 == 0 and 1 or 3, flags, -1) end
    for i = 1, 100 do for k = 1, 10000 do kept[k]:smaps() end end
end)
job("holes of a file in many parts", function()
    local b = memory()
    for i = 0, (1 << 16) - 1 do b[i << 13] = 1 end
    for _ = 1, 1000 do b:holes() end
end)
job("parallel", function() mmap.parallel(mmap.compile(function(i, j) while true do i = i + j end end), 1, 100) end)
job("parallel, all but the last part on other threads", function()
    mmap.parallel(mmap.compile(function(i, j) while i < 2 do j = j + 1 end return j end), 1, 100)
end)
job("table where compiled", function()
    local t = mmap.table { n = mmap.anonymous(1 << 20):view "i64" }
    t:where(mmap.compile(function(n) while n < 1 do n = n - 1 end return true end), "n"):count()
end)

if what == "LIST" then
    print(#jobs)
    os.exit()
end
local chosen = jobs[tonumber(what)]
io.stdout:write(chosen.name, "\n"):flush()
local ok, e = pcall(chosen.fn)
if not ok then error(e, 0) end
