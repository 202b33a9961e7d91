-- collect.lua --seed N --calls N [--verbose]: a full collection at every allocation, and damage at one of them.
--
-- Calls every function with valid arguments while the collector runs a full cycle at each allocation. A finalizer that
-- resurrects itself in each cycle closes, resizes, protects, truncates, or remaps the buffers of the call: at the first
-- allocation of the call, then in another run at the second, up to the last. After that, an access to the mapping must
-- be an error. In place of closed memory there is another mapping with bytes of its own; none of those bytes may be
-- returned or overwritten. Runs in a folder of its own.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
local methods = dofile(arg[0]:gsub("soak/[^/]*$", "") .. "methods.lua")
math.randomseed(options.seed)
local random = math.random
local page <const> = mmap.PAGESIZE

-- ---- collections

local cycles, moment, harm = 0, 0, nil
local rearming = {}
function rearming.__gc()
  if not harm then return end
  setmetatable({}, rearming)
  cycles = cycles + 1
  if cycles == moment then harm() end
end
-- Calls f with a full cycle at each allocation, and `act` in the cycle `at`; returns the results of pcall.
local function greedily(act, at, f)
  cycles, moment, harm = 0, at, act
  collectgarbage("incremental", 0, 1000, 63) -- one step is a full cycle
  collectgarbage("setpause", 0) -- start the next cycle at once
  setmetatable({}, rearming)
  collectgarbage()
  cycles = 0
  local results = table.pack(pcall(f))
  harm = nil
  collectgarbage("incremental", 200, 100, 13)
  return results
end
greedily(print, 0, function() for _ = 1, 100 do local _ = {} end end)
assert(cycles >= 100, "the collector does not run at every allocation")

-- ---- the buffers of the calls

local MARK <const> = 0xee
local text = '1;a;"b""c"\n2;' .. ("long"):rep(30) .. ';x\n"' .. ("x"):rep(1500) .. '""";"' .. ('""'):rep(40) .. '";3\n' ..
  ("y"):rep(1100) .. ";4.5;" .. ("z"):rep(70) .. "\nname 12, other 34\n"
text = text .. ("\0"):rep(3 * page - #text) -- few words, as each one takes a cycle

local fixture <close> = methods.fixture "."
local made = {} -- the buffers of the current call
local function keep(b)
  made[#made + 1] = b
  return b
end
for _, name in ipairs { "in_file", "mapped" } do
  local make = fixture[name]
  fixture[name] = function() return keep(make()) end
end
local function new_file(bytes)
  local path = "text." .. #made
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
  return path
end
local kinds = {
  function() local b = mmap.anonymous(#text) b:copy(0, text) return b end,
  function() return mmap.open(new_file(text), "r+") end,
  function() return keep(mmap.open(new_file(text), "r+")):slice(0) end,
  function() local b = mmap.memfd("text", #text) b:copy(0, text) return b end }
local kind
function fixture.buffer() return keep(kinds[kind]()) end
fixture.text = fixture.buffer

-- Calls beside the rows, with large or many results. A result must be the same as without damage, or an error.
local large = mmap.struct { { "text", "char[1200]" }, { "n", "u16", 40 } }
local function all(step, state, control)
  local list = {}
  for a, b, c in step, state, control do list[#list + 1] = ("%s %s %s"):format(a, b, c) end
  return table.concat(list, "\n")
end
local extra = {
  function(b) return all(b:fields(";", nil, { csv = true })) end,
  function(b) return all(b:fields ";") end,
  function(b) return all(b:fields(";", { "u64?", "string", "number?" }, { csv = true, lazyquotes = true, position = true, decimal = ",",
    null = { "x", "long" }, bad = "nil" })) end,
  function(b) return all(b:lines { reverse = true }) end,
  function(b) return all(b:fields(";", { "string", "string?", "number?" }, { bad = "nil" })) end,
  function(b) return all(b:lines()) end,
  function(b) return all(b:lines { sep = '""', keep = true, find = "x" }) end,
  function(b) return b:string() .. b:string(5, 30) .. b:string(0, 41) end,
  function(b) return table.concat({ b:unpack("z c1000 s1 c5 c40 c41 z", 0) }, "|") end,
  function(b) return table.concat({ mmap.regex "(x+)(\"*)(y?)":match(b) }, "|") end,
  function(b) return all(mmap.regex "(\\w+) (\\d+)":gmatch(b)) end,
  function(b) return table.concat({ b:match "(x+)(.)()(.*)" }, "|") end,
  function(b) return all(b:gmatch "(%a)(%d+)") end,
  function(b) local r = b:records(large) return r[0].text .. r[1]:totable().text .. r[2].n[3] end,
  function(b) local t = {} for _, x in b:records(large):each() do t[#t + 1] = x.text end return table.concat(t) end,
  function(b) local v = b:view "u16" return table.concat(v:totable(), " ") .. table.concat((v:histogram(3000))) end,
  function(b) return b:hexdump() end,
  function(b) local t = {} for i, part in ipairs(b:split(50)) do t[i] = part:string() end return table.concat(t, "|") end,
  function(b) local r = b:records(large) r[0] = { text = "abc", n = r[1].n } r[0] = r[1] r[2].n = r[0].n end,
  function(b) b:copy(0, "abc") b:fill("xyz", 5) b:pack("z s2 c1000", 100, "a", "b", "c") end }

-- ---- damage

local stand_ins = {}
local function stand_in()
  for _, b in ipairs(made) do
    local size = #b
    b:close()
    local other = mmap.anonymous(size)
    other:fill(MARK)
    stand_ins[#stand_ins + 1] = other
  end
end
local function each(f)
  return function() for _, b in ipairs(made) do pcall(f, b) end end
end
local function cut(size)
  return each(function(b)
    if not b:info().path:find "^text" then return end
    local f <close> = io.open(b:info().path, "wb") -- truncates the same file
    f:write(("c"):rep(size))
  end)
end
local again
-- `changes`: the results may differ from those without damage.
local harms = {
  { "close", each(function(b) b:close() end) },
  { "stand-in", stand_in },
  { "shrink", each(function(b) b:resize(10) end), changes = true },
  { "grow", each(function(b) b:resize(99 * page) end), changes = true },
  { "empty", each(function(b) b:resize(0) end), changes = true },
  { "protect", each(function(b) b:protect(mmap.PROT_NONE) end) },
  { "read-only", each(function(b) b:protect(mmap.PROT_READ) end) },
  { "cut", cut(0) },
  { "cut and remap", function() cut(page + 7)() each(function(b) b:remap() end)() end, changes = true },
  { "remap", each(function(b) b:remap() end) },
  { "again", function() again() end } }

-- ---- the walk

local calls, raised, most = 0, 0, 24
local function examine(what, results)
  for i = 2, results.n do
    local s = results[i]
    if results[1] and type(s) == "string" and s:find(string.char(MARK), 1, true) then
      error(what .. ": bytes of another mapping came out")
    end
  end
  for _, b in ipairs(stand_ins) do
    if b:count(string.char(MARK)) ~= #b then error(what .. ": another mapping was written to") end
    b:close()
  end
  stand_ins = {}
end
-- `prepare` makes fresh arguments, and returns a function that makes the call.
local function walk(name, prepare, limit, is_read)
  local right
  local function attempt(harm_name, act, at, changes)
    made = {}
    local ok, call = pcall(prepare)
    if not ok then return 0 end
    again = call
    if options.verbose then io.stderr:write(("%d %s, %s at %d\n"):format(calls, name, harm_name, at)) end
    local results = greedily(act, at, call)
    calls = calls + 1
    if not results[1] then raised = raised + 1 end
    local what = ("%s, %s at collection %d"):format(name, harm_name, at)
    examine(what, results)
    if is_read and at == 0 then right = results[2] end
    if is_read and results[1] and not changes and results[2] ~= right then
      error(("%s: %q, not %q"):format(what, tostring(results[2]):sub(1, 200), tostring(right):sub(1, 200)))
    end
    local count = cycles
    for _, b in ipairs(made) do pcall(b.close, b) end
    return count
  end
  local count = attempt("none", function() end, 0)
  for _, each in ipairs(harms) do
    local step = math.max(1, count // limit)
    for at = random(step), count, step do
      if calls >= options.calls then return end
      attempt(each[1], each[2], at, each.changes)
    end
  end
end

while calls < options.calls do
  kind = (options.seed + calls) % #kinds + 1
  local order = {}
  for i, f in ipairs(extra) do
    order[#order + 1] = { "extra " .. i, function() local b = fixture.buffer() return function() return f(b) end end, most, true }
  end
  for _, row in ipairs(methods.rows) do
    -- Node's accessors are similar: mostly skip them.
    for n in ipairs(row.accessor and random(8) > 1 and {} or row.calls) do
      order[#order + 1] = { row.name .. " " .. n, function() return row.prepare(fixture, n) end, row.process and 1 or most }
    end
  end
  -- Start at a random call, so that short runs differ.
  local first = random(#order)
  for i = 0, #order - 1 do walk(table.unpack(order[(first + i - 1) % #order + 1])) end
end
made, again = {}, nil
print(("%d calls, %d raised"):format(calls, raised))
