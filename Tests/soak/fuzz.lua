-- fuzz.lua --seed N --calls N [--trace | --verbose]: hostile calls of everything that a script can reach.
--
-- Runs in a folder of its own, which it fills with files; scripts/soak makes the folder, sets the limits, and checks
-- the end of this process. Functions are found by enumeration, so that new ones are called too. Ends with status 0 if
-- only permitted errors were raised, the memory of a bystander is unchanged, and nothing is left mapped. --trace prints
-- each call before it is made.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
local methods = dofile(arg[0]:gsub("soak/[^/]*$", "methods.lua"))
math.randomseed(options.seed)
local random, unpack = math.random, table.unpack
local PAGE = mmap.PAGESIZE
local function chance(percent) return random(100) <= percent end
local function pick(list) return list[random(#list)] end

-- Called only with functions of `child_functions`: another argument could be a script that runs.
local never = { spawn = true }
-- Advice that takes memory from the machine for good, if root asks: HWPOISON and SOFT_OFFLINE.
local function is_harmful(x) return x == 100 or x == 101 end
local function harmless(x) if is_harmful(x) then return 99 end return x end

-- ---- the functions
local registry = debug.getregistry()
local classes, class_of = {}, {} -- { name, metatable, methods, metamethods, objects }

local function sorted_names(t, filter)
  local names = {}
  for name, value in next, t do
    if type(name) == "string" and type(value) == "function" and filter(name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function learn(metatable)
  local name = rawget(metatable, "__name") or "?"
  local class = { name = name, metatable = metatable, methods = {}, accessors = {}, metamethods = {}, objects = {} }
  local methods = rawget(metatable, "__methods") or {}
  for _, key in ipairs(sorted_names(methods, function(key) return not never[key] end)) do
    local kind = (key:find "^read%u" or key:find "^write%u") and class.accessors or class.methods
    kind[#kind + 1] = { key, methods[key] }
  end
  for _, key in ipairs(sorted_names(metatable, function(key) return key:find "^__" end)) do
    class.metamethods[#class.metamethods + 1] = { key, metatable[key] }
  end
  classes[#classes + 1] = class
  class_of[metatable] = class
  return class
end

do
  local names = {}
  for name, value in next, registry do
    if type(name) == "string" and name:find "^mmap%." and type(value) == "table" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do learn(registry[name]) end
end
local functions, constants = {}, {}
do
  local names = {}
  for name, value in pairs(mmap) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = mmap[name]
    if math.type(value) == "integer" and not is_harmful(value) then constants[#constants + 1] = value end
    if type(value) == "function" and not never[name] then functions[#functions + 1] = { name, value } end
  end
  local metatable = debug.getmetatable(mmap)
  for _, name in ipairs(sorted_names(metatable, function() return true end)) do
    functions[#functions + 1] = { name, metatable[name] }
  end
end

-- ---- the arguments
local files = { "f0", "f1", "f2", "f3" }
local function write_file(path, size)
  local f <close> = assert(io.open(path, "wb"))
  f:write((("some words, 12;-3.5e7\naaaa\0\xff"):rep(size // 20 + 1):sub(1, size)))
end
for i, path in ipairs(files) do write_file(path, (i - 1) * PAGE + i * 100) end

local foreign = { io.tmpfile(), assert(io.open("/dev/null", "w")), setmetatable({}, { __name = "mmap.buffer" }), coroutine.create(print) }
do
  local closed = io.tmpfile()
  closed:close()
  foreign[#foreign + 1] = closed
end
local lua_files = { io.open("f1", "r+b"), io.open("f2", "rb"), foreign[5] }
local extremes = {
  math.mininteger, math.mininteger + 1, math.maxinteger, math.maxinteger - 1, 0 / 0, 1 / 0, -1 / 0, 0.5, -0.0, -1, -2, 2^53,
  2^63, -2^63, 2^64, 1 << 31, 1 << 32, (1 << 31) - 1, (1 << 32) - 1, 1 << 40, 1 << 62, 1e308, 5e-324, 3.0, -1.5, 1 << 63, (1 << 63) - PAGE }
local huge = ("ab,\n"):rep(1 << 16)
local types = { "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "bf16", "f32", "f64", "u16be", "i32le", "f64be", "u64be", "f32le", "f16be" }
local words = {
  "", "a", "aaaa", "\n", "\0", "x\0y", "some", "words", ";", ",", "==", "~=", "<", "<=", ">", ">=", "wrap", "saturate", "normal",
  "random", "sequential", "willneed", "dontneed", "remove", "free", "populate_read", "cold", "pageout", "hugepage", "zzz", "id", "name",
  "pos", "r", "r+", "c", "w+", "i", "m", "s", "x", "u", "imsxu", "z s2 !4 i4", "<I3 >i16 =d f", "!8 Xi8 j n", "s8", "i17", "c100", "c2147483648",
  "close", "string", "__index", "__gc", "3", "number", "integer", "skip", huge }
local patterns = {
  "a", "a+", "(a)(b?)", "%a+", "%b()", "()%s*()", "[%w_]+", "%f[%a]%a+", "(", "[", "%", "%1", "(a)%1", "^some", "$", ".-,", "\0", "[^\n]*\n?",
  "(?<n>a)|b", "\\d+", "\\bwords\\b", "(?i)SOME", "(?R)", "(a(?1)?)", "(*MARK:x)a", "\\C", "\\K", "(?=a)", "a{1000}", "(a?){60}a", "\xff", "[[:alpha:]]" }
local paths = { "f0", "f1", "f2", "f3", "f1", "f2", "f3", "", "missing/x", ".", "/dev/zero", "/dev/null", "/proc/self/maps", "x\0y", ("x"):rep(5000) }

local calls, raised, depth, good, tries = 0, 0, 0, {}, {}
local value, mischief, one_call, prefix
local iterators, kept = {}, {}

local function object_of(class)
  local objects = class.objects
  return objects[random(math.max(#objects, 1))]
end
local function class_named(name)
  for _, class in ipairs(classes) do if class.name == name then return class end end
end
local buffers = class_named "mmap.buffer"

-- Keeps a result as an argument for later calls.
local function keep(object)
  local kind = type(object)
  if kind ~= "userdata" and kind ~= "table" then return end
  local metatable = debug.getmetatable(object)
  if not metatable then return end
  local class = class_of[metatable]
  if not class then
    if kind == "table" or not tostring(rawget(metatable, "__name")):find "^mmap%." then return end
    class = learn(metatable)
  end
  local at = #class.objects < 12 and #class.objects + 1 or random(12)
  class.objects[at] = object
end

-- They end at once, or soon.
local child_functions = {
  function() end, function(...) return ... end, function() error "no" end, function() os.exit(3) end,
  function(a, b) return tostring(a), b and #b, { a = 1, [2] = { true } } end,
  function() require "mmap".anonymous(64):atomic("u32", 0):wait(0, 0.02) end }

-- Ends of buffers: an incomplete character, number, quoted field, or line.
local tails = { "\xf0", "\xe2\x82", "\xf0\x9f\x98", "\xc3", "12", "-", "3e", "0x", "1.", '"', '"a""', "x\r", "", "ab,", "\xff\xff\xff" }
-- A random size, or a multiple of the page size: scripts/soak puts a hole after the last page.
local function some_size(most) return chance(50) and random(most // PAGE) * PAGE or random(most) end

local perform
local function refresh()
  if chance(3) then
    local list, count = { pick(child_functions) }, random(1, 4)
    for i = 2, count do list[i] = chance(60) and object_of(buffers) or value() end
    perform("spawn", mmap.spawn, list, count)
  end
  for _ = 1, 3 do
    local ok, b
    if chance(30) then ok, b = pcall(mmap.anonymous, some_size(3 * PAGE), chance(50) and { shared = true } or nil)
    else
      local path = pick(files)
      local f = io.open(path, "rb")
      local size = f and f:seek "end" or 0
      if f then f:close() end
      if size < 200 or size > 16 * PAGE then pcall(write_file, path, some_size(4 * PAGE)) end
      ok, b = pcall(mmap.open, path, pick { "r", "r+", "r+", "c" })
    end
    if ok then
      keep(b)
      local methods = buffers.metatable.__methods
      local tail = pick(tails)
      pcall(function() methods.copy(b, #b - #tail, tail) end)
      if chance(30) then pcall(function() keep(methods.slice(b, #b - random(0, math.min(#b, 100)))) end) end
      local ok, v = pcall(methods.view, b, pick(types))
      if ok then keep(v) end
      local ok, a = pcall(methods.atomic, b, pick(types), random(0, 20) * 4)
      if ok then
        keep(a)
        -- The last argument cannot be sent to a child, so no child starts.
        if chance(5) then pcall(mmap.spawn, function() end, a, b, v, { b, { a } }, print) end
      end
      local ok, lock = pcall(methods.lockrange, b, random(0, 100), random(0, 100), pick { "shared", "exclusive" }, 0)
      if ok then keep(lock) end
    end
  end
  if chance(40) then
    local ok, layout = pcall(mmap.struct, { { "id", pick(types) }, { "name", "char[7]" }, { "pos", "f64", 3 }, align = chance(50) })
    if ok then keep(layout) end
  end
  if chance(40) then
    local ok, regex = pcall(mmap.regex, pick { "a+", "(\\w+), (\\d+)", "\\n", "(?<n>s)(o)?", "\\b", "\\B", "\\X", "[^x]*$" }, pick { "", "", "u", "us", "i" })
    if ok then keep(regex) end
  end
  -- Garbage with a finalizer that does damage during a later call, and may resurrect itself.
  local held = object_of(pick(classes))
  setmetatable({ held }, { __gc = function(self)
    mischief()
    if chance(30) then keep(self[1]) kept[random(4)] = self end
  end })
end

local function number()
  local n = random(10)
  if n <= 5 then return harmless(random(-2, 90))
  elseif n == 6 then return random(0, 5) * PAGE + random(-1, 1)
  elseif n == 7 then return random(0, 4) * PAGE
  elseif n == 8 then return pick(constants)
  elseif n == 9 then return harmless(random(0, 40) + 0.0)
  else return pick(extremes) end
end

local function hostile_table()
  local n = random(5)
  if n == 1 then
    local list = {}
    for i = 1, random(0, 40) do list[i] = number() end
    return list
  elseif n == 2 then
    local t = {}
    for _ = 1, random(3) do
      t[pick { "offset", "length", "size", "grow", "advice", "populate", "lock", "shared", "align", "sep", "keep", "nonsense" }] =
        pick { number(), true, pick(words), false }
    end
    return t
  elseif n == 3 then
    local fields = {}
    for i = 1, random(4) do fields[i] = { pick(words), pick { pick(types), "char[3]", "char[0]", "bytes[9]", value() }, number() } end
    return fields
  else
    local function trap() mischief() return value() end
    return setmetatable({ n == 4 and 1 or nil, 2 }, {
      __index = trap, __newindex = trap, __len = trap, __call = trap, __tostring = trap, __eq = trap, __lt = trap, __le = trap,
      __concat = trap, __unm = trap, __close = trap, __pairs = trap, __name = pick(words) })
  end
end

function value()
  local n = random(20)
  if n <= 9 then return number()
  elseif n <= 11 then return pick(words)
  elseif n == 12 then return pick(types)
  elseif n == 13 then return pick(patterns)
  elseif n <= 16 then return object_of(pick(classes))
  elseif n == 17 then return hostile_table()
  elseif n == 18 then return pick { true, false, nil }
  elseif n == 19 then return function(...) mischief() return ... end
  else return pick(foreign) end
end

local makers = {
  n = number, t = function() return pick(types) end, w = function() return pick(words) end, p = function() return pick(patterns) end,
  f = function() return pick(paths) end, h = hostile_table, v = value, F = function() return pick(lua_files) end,
  b = function() return object_of(buffers) end, o = function() return pick { "==", "~=", "<", "<=", ">", ">=" } end,
  V = function() return object_of(class_named "mmap.view" or buffers) end, L = function() return object_of(class_named "mmap.struct" or buffers) end,
  s = function() return random(60) end, z = function() return random(0, 4) * PAGE end, m = function() return pick { "r", "r+", "c", "w+" } end,
  e = function() return random(0, 3) end, g = function() return pick { 1, 2, 34, 33, 3, 0x8001, 0x4022, 0x100022 } end,
  N = function() return pick { "id", "name", "pos" } end,
  A = function() return pick { "normal", "random", "sequential", "willneed", "dontneed", "cold", "remove", "free", "populate_read" } end,
  D = function()
    local fields, tail = {}, { id = "a", name = "b", pos = "c" }
    for name in pairs(chance(90) and tail or {}) do fields[#fields + 1] = name end
    table.sort(fields)
    for i, name in ipairs(fields) do fields[i] = { name, chance(90) and pick { pick(types), "char[3]" } or value(), chance(50) and random(4) or nil } end
    fields.align = chance(50)
    return fields
  end,
  O = function() if chance(60) then return nil end return { offset = chance(50) and random(99) or nil, length = chance(50) and number() or nil, grow = chance(30) } end,
  a = function() return random(0, 20) * 8 end, q = function() return random(6) end,
  T = function()
    return { id = random(0, 60), name = chance(50) and "a" or nil, pos = chance(10) and { 1, 2, 3 } or nil }
  end,
  P = function() return object_of(class_named "mmap.pages" or buffers) end,
  K = function()
    local list = {}
    for i = 1, random(0, 3) do list[i] = random(0, 60) end
    return chance(30) and object_of(class_named "mmap.view" or buffers) or list
  end,
  R = function() return pick { "<%0>", "%1%%", { a = "b" }, 7, string.upper, function(...) mischief() return ... end } end,
  J = function() return pick { nil, {}, { ranges = true } } end,
  H = function() return prefix .. "-" .. random(3) end,
  M = function() return pick { "shared", "exclusive" } end, W = function() return random() / 500 end,
  G = function() return pick { 0, 10, 18, "CONT", "USR1", "KILL", 15 } end,
  k = function() return function(...) mischief() return ... end end, S = function() return pick { "a", "words", "\n", ",", huge } end,
  I = function()
    return { find = chance(60) and pick { "", "a", "words", huge } or nil, ranges = chance(40), keep = chance(30), sep = chance(30) and pick { "a", "ab" } or nil,
      length = chance(20) and number() or nil }
  end }
-- Kinds of arguments that may be valid, by the name of the function; for all others the arguments are hostile.
local hints = {
  open = "fmh", map = "segFzn", anonymous = "sh", struct = "h", regex = "pw", string = "ss", copy = "sS", fill = "ss", slice = "ss",
  find = "Sss", rfind = "Sss", count = "Sss", compare = "b", equals = "b", mismatch = "b", hexdump = "ss", view = "tsss", records = "Lsss",
  get = "ts", set = "tss", unpack = "ws", pack = "wsss", match = "ps", gmatch = "ps", crc32 = "ss", xxh3 = "ss", sha256 = "ss", protect = "e",
  resize = "z", advise = "zzA", sync = "zz", incore = "zz", lock = "ss", unlock = "ss", column = "N", threads = "s", histogram = "snn",
  lowerbound = "s", upperbound = "s", dot = "V", add = "sV", sub = "sV", mul = "sV", div = "sV", each = "ss", totable = "ss", __index = "s",
  __newindex = "ss", offset = "w", lines = "I", fields = "Sh", split = "sS", faults = "kv",
  watch = "k", touch = "ss", pages = "ss", atomic = "ta", memfd = "ws",
  shared = "Hs", unlink = "H", lockrange = "ssMW", kill = "G" }
local of_class = {
  mmap = { sync = "bzz", advise = "bzzA", incore = "bzz", struct = "D", open = "fmO" },
  ["mmap.view"] = { div = "s", get = "ss", set = "sss", copy = "sK", count = "os", find = "oss", fill = "sss" },
  ["mmap.atomic"] = { wait = "sW", wake = "s", store = "s", exchange = "s", compareexchange = "ss", add = "s" },
  ["mmap.child"] = { wait = "W" }, ["mmap.pages"] = { offset = "e", count = "ee", diff = "P", __index = "e" },
  ["mmap.records"] = { __index = "e", __newindex = "eT", slice = "ee" },
  ["mmap.regex"] = { find = "bs", match = "bs", gmatch = "bs", gfind = "bs", count = "bs", gsub = "bRe", split = "bJ", names = "" },
  ["mmap.struct"] = { totable = "bs", offset = "N" }, ["mmap.record"] = { __index = "N", __newindex = "Ns" } }

-- Names of shared memory are outside of the folder. They have a prefix of their own, and are removed at the end, or by
-- scripts/soak.
prefix = os.getenv "MMAPLUA_SOAK" or "mmaplua-soak." .. io.open("/proc/self/stat"):read "n"
local timeouts = { ["mmap.child.wait"] = 2, ["mmap.atomic.wait"] = 3, ["mmap.buffer.lockrange"] = 5 }
local no_names = { "", "x\0y", ("x"):rep(5000), "missing/x", "/" }
-- Adapts the arguments of a call, so that a wait is short, no other process is stopped for good, and names are our own.
local function tame(name, list, count)
  local last = timeouts[name]
  if last then
    local seconds = tonumber(list[last])
    if list[last] == nil or seconds and not (seconds <= 0.002) then list[last] = random() / 500 end
    return math.max(count, last)
  elseif name == "shared" or name == "unlink" then
    if type(list[1]) == "string" or type(list[1]) == "number" then
      list[1] = chance(90) and prefix .. "-" .. random(3) or pick(no_names)
    end
  elseif name == "mmap.child.kill" then
    local signal = tonumber(list[2])
    if signal and signal >= 19 and signal <= 22 then list[2] = 18 end
  end
  return count
end

local twins = { dot = true, add = true, sub = true, mul = true, div = true, diff = true, equals = true }
local module = { name = "mmap" }
local function arguments(name, class)
  local list = {}
  local hint = class and (of_class[class.name] or {})[name] or hints[name]
  if not hint then hint = name:find "^readU?[Ii]nt[BL]E$" and "sq" or name:find "^writeU?[Ii]nt[BL]E$" and "ssq" end
  if not hint and (name:find "^read%u") then hint = "ss" elseif not hint and name:find "^write%u" then hint = "sss" end
  if hint and chance(65) then
    for i = 1, math.max(random(0, #hint), random(0, #hint)) do list[i] = makers[chance(92) and hint:sub(i, i) or "v"]() end
    return list, #list < #hint and chance(90) and #list or #hint
  end
  local count = pick { 0, 1, 1, 2, 2, 3, 3, 4, 5, 7 }
  for i = 1, count do list[i] = value() end
  return list, count
end

local close_buffer = buffers.metatable.__methods.close
local resize_buffer = buffers.metatable.__methods.resize

-- Number of unfinished calls under a wrong metatable. None may be left unfinished: the collector would finalize objects
-- under the wrong metatable, and they would stay mapped.
local masked = 0

-- Damage during a call.
local mischiefs = {
  function() pcall(close_buffer, object_of(buffers)) end,
  function() pcall(resize_buffer, object_of(buffers), pick { 0, 1, PAGE, 3 * PAGE, 9 * PAGE }) end,
  function() pcall(write_file, pick(files), pick { 0, 1, PAGE - 1, PAGE, 2 * PAGE }) end,
  function() if chance(20) then collectgarbage "step" end end,
  function() if chance(5) then collectgarbage() end end,
  function() error "mischief" end,
  function() error(object_of(pick(classes)) or "mischief", 0) end,
  function() if masked == 0 and coroutine.isyieldable() then coroutine.yield(value()) end end,
  function() one_call() end,
  function() one_call() end,
  function() local class = pick(classes) class.objects[random(12)] = nil end,
}
function mischief()
  if depth > 3 or chance(40) then return end
  depth = depth + 1
  local ok, e = pcall(pick(mischiefs))
  depth = depth - 1
  if not ok then error(e, 0) end
end

-- ---- a call, and its permitted errors
local function show(x)
  if type(x) == "string" then return ("%q"):format(#x > 60 and x:sub(1, 60) .. "…" or x):gsub("\n", "n") end
  if type(x) == "userdata" or type(x) == "table" then
    local metatable = debug.getmetatable(x)
    return metatable and type(x) == "userdata" and tostring(metatable.__name) .. ("@%p"):format(x) or type(x)
  end
  return tostring(x)
end
local function trace(name, list, count)
  local shown = {}
  for i = 1, count do shown[i] = show(list[i]) end
  io.stderr:write(("%d%s %s(%s)\n"):format(calls, (" "):rep(depth), name, table.concat(shown, ", ")))
end

-- Errors that only a bug of ours could raise. An error of this script, its operators, and its hostile functions starts
-- with its position; an error of the library's C code has no position, and one of its Lua code has the chunk's name.
local own, own_methods = debug.getinfo(1, "S").short_src .. ":", debug.getinfo(methods.fixture, "S").short_src .. ":"
local faults = {
  "attempt to index", "attempt to call", "attempt to perform", "attempt to concatenate", "attempt to compare",
  "attempt to get length", "number has no integer representation$", "^'for' ", "stack overflow", "internal" }
local function is_inside(e)
  if e:sub(1, #own) == own or e:sub(1, #own_methods) == own_methods then return false end
  if e:find "^mmap:%d+: " then return true end
  -- A function of Lua's library, called by our library: this script itself calls only `tostring` in that way.
  local library = e:match "^bad argument #%d+ to '(%l+)%."
  if library and library ~= "mmap" then return true end
  for _, fault in ipairs(faults) do
    if e:find(fault) then return true end
  end
end
local function examine(name, e)
  if type(e) ~= "string" then return keep(e) end
  if masked > 0 then return end -- with a wrong user value, Lua's own errors are permitted
  if is_inside(e) then
    io.stderr:write("an error from inside: ", name, ": ", e, "\n")
    if not options.verbose then os.exit(3) end
  end
end

local examine_string
local function made(name, ok, ...)
  tries[name] = (tries[name] or 0) + 1
  if not ok then
    raised = raised + 1
    return examine(name, (...))
  end
  good[name] = (good[name] or 0) + 1
  for i = 1, math.min(select("#", ...), 8) do
    local result = select(i, ...)
    if type(result) == "string" then examine_string(name, result) else keep(result) end
  end
  local first, state, control = ...
  if type(first) == "function" and first ~= state then iterators[random(6)] = { first, state, control } end
end

-- A string whose bytes changed while it was made has a wrong hash, and is not equal to itself.
function examine_string(name, s)
  if #s <= 200 and s ~= string.char(s:byte(1, -1)) then
    io.stderr:write("a string that is not equal to itself: ", name, "\n")
    os.exit(3)
  end
end

-- A full collection at every allocation, each with damage. In a finalizer there are no collections: a plain call.
local function greedily(f, list, count)
  local mode, rearming = collectgarbage "incremental", { is_armed = true }
  function rearming.__gc()
    if not rearming.is_armed then return end
    setmetatable({}, rearming)
    mischief()
  end
  collectgarbage("incremental", 0, 1000, 63) -- a step is a full cycle, and the next starts at once
  collectgarbage("setpause", 0)
  setmetatable({}, rearming)
  collectgarbage()
  local results = table.pack(pcall(f, unpack(list, 1, count)))
  rearming.is_armed = false
  collectgarbage("incremental", 200, 100, 13)
  if mode == "generational" then collectgarbage "generational" end
  return unpack(results, 1, results.n)
end

function perform(name, f, list, count)
  calls = calls + 1
  count = tame(name:match "^masked (.*)" or name:match "^uprooted (.*)" or name, list, count)
  if options.trace then trace(name, list, count) end
  if chance(3) then
    -- A finalizer runs anywhere; a hook runs at the calls and returns of functions.
    made(name, pcall(function()
      debug.sethook(function() debug.sethook() mischief() end, pick { "c", "r", "cr" })
      return f(unpack(list, 1, count))
    end))
    debug.sethook()
  elseif chance(1) then made(name, greedily(f, list, count))
  elseif chance(6) then
    local co = coroutine.create(f)
    for _ = 1, 3 do
      made(name, coroutine.resume(co, unpack(list, 1, count)))
      if coroutine.status(co) ~= "suspended" then break end
    end
    coroutine.close(co)
  else
    made(name, pcall(f, unpack(list, 1, count)))
  end
end

local operators = {
  function(a, b) return a[b] end, function(a, b, c) a[b] = c end, function(a) return #a end, tostring, function(a, b) return a == b end,
  function(a, b) return a .. b end, function(a, b) return a < b end, function(a) return -a end, function(a, b) return a(b) end,
  function(a) local x <close> = a mischief() return x end, function(a, b) for x in a, b do mischief() end end,
  function(a) for k, x in pairs(a) do mischief() end end, function(a, b) return a[b][b] end, function(a, b, c) a[b].id = c end,
  function(a, b, c) a[b].pos[b] = c end, function(a, b) return a[b].name end }

local function step_iterator()
  local it = iterators[random(6)]
  if not it then return end
  if chance(10) then
    -- A script with debug may replace any upvalue of the iterator.
    local i = random(6)
    local name, before = debug.getupvalue(it[1], i)
    if name then
      debug.setupvalue(it[1], i, value())
      masked = masked + 1
      perform("iterator", it[1], { it[2], it[3] }, 2)
      masked = masked - 1
      debug.setupvalue(it[1], i, before)
    end
  elseif chance(20) then perform("iterator", it[1], { value(), value() }, 2)
  elseif chance(50) then perform("iterator", function() for a in it[1], it[2], it[3] do mischief() if chance(10) then break end end end, {}, 0)
  else
    local co = coroutine.wrap(function() for a in it[1], it[2], it[3] do coroutine.yield(a) end end)
    perform("iterator", function() for _ = 1, random(9) do co() mischief() end end, {}, 0)
  end
end

-- Our metatables on foreign objects, one type's metatable on another, other user values.
local function masquerade()
  local class = pick(classes)
  local victim = chance(40) and foreign[pick { 1, 3, 5 }] or object_of(pick(classes))
  local kind = type(victim)
  if kind ~= "userdata" and kind ~= "table" then return end
  local before, method = debug.getmetatable(victim), pick(chance(50) and #class.methods > 0 and class.methods or class.metamethods)
  local list, count = arguments(method[1], class)
  table.insert(list, 1, victim)
  local user = kind == "userdata" and chance(30)
  local saved = user and debug.getuservalue(victim, 1)
  if user then debug.setuservalue(victim, value(), 1) end
  local name = "masked " .. class.name .. "." .. method[1]
  debug.setmetatable(victim, class.metatable)
  masked = masked + 1
  -- Protected, as memory may run out: a buffer with a wrong metatable would stay mapped.
  local ok, e = pcall(perform, name, method[2], list, count + 1)
  masked = masked - 1
  debug.setmetatable(victim, before)
  if user then debug.setuservalue(victim, saved, 1) end
  if not ok then error(e, 0) end
end

-- Replaces entries of the registry and of metatables while an object is made.
local function uproot()
  local class = pick(classes)
  if registry[class.name] ~= class.metatable then return end
  -- No table: under another metatable a buffer has no finalizer and stays mapped. No yield: see `masked`.
  registry[class.name] = pick { false, 1, "x", print } or nil
  masked = masked + 1
  local f = pick(functions)
  local ok, e = pcall(function()
    local list, count = arguments(f[1])
    perform("uprooted " .. f[1], f[2], list, count)
  end)
  masked = masked - 1
  registry[class.name] = class.metatable
  if not ok then error(e, 0) end
end

-- The valid calls of Tests/methods.lua, of which one argument may be another. Not under a wrong metatable: see `masked`.
local fixture, rows = methods.fixture(".", "fixture"), {}
methods.each(function(row)
  if #row.calls > 0 and not row.process and not never[row.method] then rows[#rows + 1] = row end
end)
local function valid_call()
  local row = pick(rows)
  local ok, f, list = pcall(function() return row.find(fixture), table.pack(pick(row.calls).arguments(fixture)) end)
  -- Where descriptors or memory have run out there is no object.
  if not ok or not f then return end
  if chance(40) then
    local i = random(list.n + 1)
    list[i], list.n = value(), math.max(i, list.n)
  end
  perform((row.class == "mmap" or row.class == "module") and row.method or "mmap." .. row.name, f, list, list.n)
end

function one_call()
  if masked == 0 and chance(6) then return valid_call() end
  local n = random(100)
  if n <= 14 then
    local f = pick(functions)
    perform(f[1], f[2], arguments(f[1], module))
  elseif n <= 70 then
    local class = n <= 40 and buffers or pick(classes)
    local set = n <= 6 and class.accessors or class.methods
    if chance(12) and #class.accessors > 0 then set = class.accessors end
    if chance(15) or #set == 0 then set = class.metamethods end
    local method = pick(set)
    if (method[1] == "close" or method[1] == "unmap" or method[1] == "__gc" or method[1] == "__close") and chance(80) then return end
    local list, count = arguments(method[1], class)
    local self
    if chance(94) then self = object_of(class) else self = value() end
    table.insert(list, 1, false)
    list[1] = self
    if twins[method[1]] and chance(30) then list[2] = self end -- of the same length
    if method[1] == "totable" and class.name == "mmap.struct" and chance(50) then
      local records = object_of(class_named "mmap.records" or class)
      pcall(function() list[1], list[2] = records:layout(), records[0] end)
    end
    perform(class.name .. "." .. method[1], method[2], list, count + 1)
  elseif n <= 85 then
    perform("operator", pick(operators), { object_of(pick(classes)), chance(60) and random(0, 40) or value(), value() }, 3)
  elseif n <= 92 then step_iterator()
  elseif n <= 96 then masquerade()
  elseif n <= 97 then uproot()
  elseif n <= 98 then
    local path = pick(files)
    if chance(50) then pcall(write_file, path, random(0, 3 * PAGE)) end
  else
    -- Finalized by hand, then by scope, then by the collector.
    local object = object_of(pick(classes))
    local metatable = object and debug.getmetatable(object)
    if metatable and metatable.__gc and chance(40) then
      for _ = 1, 2 do perform("__gc", metatable.__gc, { object }, 1) end
      if metatable.__close then perform("__close", metatable.__close, { object, value() }, 2) end
    end
  end
end

-- ---- the run
-- Counts open descriptors, and mappings of files, named memory, and shared memory: at the end, leaks of the library.
-- (The owner of private memory is unknown.)
local here = io.popen("pwd"):read "l" .. "/f"
local marks = { here, "/memfd:", "/dev/zero", "/dev/shm/", "/SYSV" }
local pid = io.open("/proc/self/stat"):read "n"
local function taken()
  -- Not io.popen: its pipe would be in the list.
  assert(os.execute("ls -l /proc/" .. pid .. "/fd >descriptors"))
  local file = io.open "descriptors"
  local descriptors, count = file:read "a", -1 -- the first line is a total
  file:close()
  for _ in descriptors:gmatch "\n" do count = count + 1 end
  local mappings = {}
  for line in io.lines "/proc/self/maps" do
    for _, mark in ipairs(marks) do
      if line:find(mark, 1, true) then mappings[#mappings + 1] = line break end
    end
  end
  return count, descriptors, table.concat(mappings, "\n")
end
collectgarbage()
local descriptors_before, _, mappings_before = taken()
assert(mappings_before == "", mappings_before)

local bystander = mmap.anonymous(PAGE)
local pattern = ("bystander"):rep(PAGE):sub(1, PAGE)
local equals = buffers.metatable.__methods.equals
bystander:copy(0, pattern)

if options.seed % 3 == 0 then collectgarbage("generational") else collectgarbage("incremental", pick { 110, 200, 200, 400 }, pick { 100, 400 }) end
local rounds = 0
while calls < options.calls do
  if rounds % 12 == 0 then refresh() end
  rounds = rounds + 1
  -- Not in a protected call: an error outside of it is a bug of this script.
  local ok, e = pcall(one_call)
  if not ok then examine("outside", e) end
  if rounds % 500 == 0 and not equals(bystander, pattern) then error "the bystander's memory was changed" end
end
if not equals(bystander, pattern) then error "the bystander's memory was changed" end

-- scripts/soak sums them over its runs: a function that never succeeds was not really tested.
do
  local names = { "spawn" }
  for _, f in ipairs(functions) do names[#names + 1] = f[1] end
  for _, class in ipairs(classes) do
    for _, list in ipairs { class.methods, class.accessors, class.metamethods } do
      for _, method in ipairs(list) do names[#names + 1] = class.name .. "." .. method[1] end
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do print(("good %8d of %8d  %s"):format(good[name] or 0, tries[name] or 0, name)) end
end
-- Drop all objects: from now on finalizers do no damage, and no mapping may be left.
depth = 99
for _, class in ipairs(classes) do class.objects = {} end
iterators, kept = {}, {}
for _ = 1, 4 do collectgarbage() end
local descriptors, list, mappings = taken()
if mappings ~= "" then error("left mapped: " .. mappings) end
if descriptors > descriptors_before then
  error(("%d descriptors open, %d at the beginning:\n%s"):format(descriptors, descriptors_before, list))
end

-- Every second run ends with all objects alive; lua_close must close them.
depth = 0
if options.seed % 2 == 1 then
  for _ = 1, 100 do
    refresh()
    for _ = 1, 3 do pcall(one_call) end
  end
end
for i = 1, 3 do pcall(mmap.unlink, prefix .. "-" .. i) end
print(("%d calls, %d raised"):format(calls, raised))
