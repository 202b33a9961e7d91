-- model.lua --seed N --calls N [--trace]: random operations on buffers, slices and views, each compared
-- with the same on a table of bytes. Ends with 0 if there was no difference.
local options = { seed = os.time(), calls = 20000 }
do
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-%-(%a+)$" or error("what is " .. arg[i])
    if name == "trace" then options.trace = true else
      i = i + 1
      options[name] = math.tointeger(tonumber(arg[i])) or error("--" .. name .. " takes an integer")
    end
    i = i + 1
  end
end
local mmap = require "mmap"
math.randomseed(options.seed)
local random = math.random
local PAGE = mmap.PAGESIZE
local function pick(list) return list[random(#list)] end

-- ---- the model: bytes are a table from 0 on, shared by all that shares memory; a handle is a range
local types = {
  u8 = "B", i8 = "b", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", i64 = "i8", f32 = "f", f64 = "d" }
local type_names = {}
for name, format in pairs { u16 = 1, i16 = 1, u32 = 1, i32 = 1, i64 = 1, f32 = 1, f64 = 1 } do
  type_names[#type_names + 1] = name .. "le"
  type_names[#type_names + 1] = name .. "be"
end
type_names[#type_names + 1] = "u8"
type_names[#type_names + 1] = "i8"
table.sort(type_names)
local function format_of(name) return (name:find "be$" and ">" or "<") .. types[name:match "^%a%d+"] end
local function is_float(name) return name:sub(1, 1) == "f" end

local handles = {} -- { b = buffer, memory = { bytes, size, closed, writable }, offset, length, whole }
local seen = {} -- per operation

local function text_of(h, offset, length)
  local t, from = {}, h.offset + offset
  for i = 1, length do t[i] = string.char(h.memory.bytes[from + i - 1]) end
  return table.concat(t)
end
local function put(h, offset, s)
  for i = 1, #s do h.memory.bytes[h.offset + offset + i - 1] = s:byte(i) end
end
local function length_of(h) return h.whole and h.memory.size or h.length end

local function random_text(most)
  local t, kind = {}, random(3)
  for i = 1, random(0, most) do t[i] = string.char(kind == 1 and random(97, 99) or kind == 2 and 97 or random(0, 255)) end
  return table.concat(t)
end

local files = 0
local function new_handle()
  local size, b, bytes = random(3) == 1 and random(PAGE - 5, 2 * PAGE + 5) or random(1, 300), nil, {}
  local content = random_text(0)
  local writable, path = true, nil
  if random(3) == 1 then
    b = mmap.anonymous(size)
    content = ("\0"):rep(size)
  else
    files = files + 1
    path = "m" .. files % 16
    os.remove(path)
    content = ("some text, 12\n\0\xff"):rep(size // 10 + 1):sub(1, size)
    local f <close> = assert(io.open(path, "wb"))
    f:write(content)
    f:close()
    local mode = pick { "r", "r+", "r+", "c" }
    writable = mode ~= "r"
    b = mmap.open(path, mode)
  end
  for i = 1, size do bytes[i - 1] = content:byte(i) end
  handles[#handles + 1] = { b = b, memory = { bytes = bytes, size = size, writable = writable, path = path }, offset = 0, length = size, whole = true }
end

-- A range as scripts give it, often at the edge and sometimes wrong: offset, length, and what they mean.
local function range(h)
  local size = length_of(h)
  local n = random(12)
  if n == 1 then return nil, nil, 0, size end
  local offset = pick { 0, size, random(0, size), random(0, size) }
  if n == 2 then return offset, nil, offset, size - offset end
  if n == 3 then
    local bad = pick { -1, size + 1, math.mininteger, math.maxinteger, size + random(100) }
    return bad, 0, nil
  elseif n == 4 then return offset, pick { size - offset + 1, -1, math.maxinteger, math.mininteger }, nil end
  local length = pick { 0, size - offset, random(0, size - offset), random(0, math.min(30, size - offset)) }
  return offset, length, offset, length
end

local function same(what, got, wanted)
  if got ~= wanted and not (got ~= got and wanted ~= wanted) or math.type(got) ~= math.type(wanted) then
    local function short(x) return type(x) == "string" and ("%d bytes %q"):format(#x, x:sub(1, 40)) or tostring(x) end
    error(("%s: got %s, the model says %s"):format(what, short(got), short(wanted)), 0)
  end
end
local function fails(what, ...)
  if pcall(...) then error(what .. ": must fail and did not", 0) end
end
-- Plain search, as find, rfind and count define it.
local function matches(s, needle)
  local first, last, count, at = nil, nil, 0, 1
  first = s:find(needle, 1, true)
  local from = 1
  while true do
    local i = s:find(needle, from, true)
    if not i then break end
    last, from = i, i + 1
  end
  while at <= #s do
    local i = s:find(needle, at, true)
    if not i then break end
    count, at = count + 1, i + #needle
  end
  return first, last, count
end

local operations = {}
function operations.byte(h)
  local i = pick { 0, length_of(h) - 1, random(0, math.max(0, length_of(h) - 1)), length_of(h), -1 }
  if i < 0 or i >= length_of(h) then return fails("byte", function() return h.b[i] end) end
  same("b[i]", h.b[i], h.memory.bytes[h.offset + i])
end
function operations.store(h)
  local i, v = random(-1, length_of(h)), random(-1, 256)
  if i < 0 or i >= length_of(h) or v < 0 or v > 255 or not h.memory.writable then
    return fails("store", function() h.b[i] = v end)
  end
  h.b[i] = v
  h.memory.bytes[h.offset + i] = v
end
function operations.length(h) same("#b", #h.b, length_of(h)) end
function operations.string(h)
  local a, b, offset, length = range(h)
  if not offset then return fails("string", h.b.string, h.b, a, b) end
  same("string", h.b:string(a, b), text_of(h, offset, length))
end
function operations.fill(h)
  local a, b, offset, length = range(h)
  local v = random(2) == 1 and random(0, 255) or random_text(9)
  if not offset or not h.memory.writable or v == "" then return fails("fill", h.b.fill, h.b, v, a, b) end
  h.b:fill(v, a, b)
  local s = type(v) == "number" and string.char(v) or v
  put(h, offset, s:rep(length // #s + 1):sub(1, length))
end
function operations.copy(h, other)
  local offset = random(-1, length_of(h) + 1)
  local source, text = other.b, nil
  if random(2) == 1 then
    text = random_text(40)
    source = text
  else text = text_of(other, 0, length_of(other)) end
  local from = random(0, #text)
  local length = random(0, #text - from)
  if offset < 0 or offset + length > length_of(h) or not h.memory.writable then
    return fails("copy", h.b.copy, h.b, offset, source, from, length)
  end
  same("copy", h.b:copy(offset, source, from, length), length)
  put(h, offset, text:sub(from + 1, from + length))
end
function operations.search(h)
  local a, b, offset, length = range(h)
  if not offset then return fails("find", h.b.find, h.b, "a", a, b) end
  local s = text_of(h, offset, length)
  local needle = random(3) == 1 and random_text(4) or s:sub(random(math.max(1, #s)), -1):sub(1, random(9))
  if needle == "" then return end
  local first, last, count = matches(s, needle)
  same("find", h.b:find(needle, a, b), first and offset + first - 1)
  same("rfind", h.b:rfind(needle, a, b), last and offset + last - 1)
  same("count", h.b:count(needle, a, b), count)
end
function operations.compare(h, other)
  local s, t = text_of(h, 0, length_of(h)), text_of(other, 0, length_of(other))
  local with = random(2) == 1 and other.b or t
  same("equals", h.b:equals(with), s == t)
  local at
  for i = 1, math.max(#s, #t) do
    if s:byte(i) ~= t:byte(i) then at = i break end
  end
  same("mismatch", h.b:mismatch(with), at and at - 1)
  local order = 0
  if at then order = (s:byte(at) or -1) < (t:byte(at) or -1) and -1 or 1 end
  same("compare", h.b:compare(with), order)
end
function operations.slice(h)
  local a, b, offset, length = range(h)
  if not offset or not a then return fails("slice", h.b.slice, h.b, a, b) end
  handles[#handles + 1] = { b = h.b:slice(a, b), memory = h.memory, offset = h.offset + offset, length = length }
end
function operations.number(h)
  local name, offset = pick(type_names), random(-1, length_of(h))
  local format = format_of(name)
  local size = string.packsize(format)
  if offset < 0 or offset + size > length_of(h) then return fails("get", h.b.get, h.b, name, offset) end
  same("get " .. name, h.b:get(name, offset), (string.unpack(format, text_of(h, offset, size))))
  same("unpack", (h.b:unpack(format, offset)), (string.unpack(format, text_of(h, offset, size))))
  local v = is_float(name) and random(1000) / 8 or random(-300, 300)
  local ok, packed = pcall(string.pack, format, v)
  if not h.memory.writable or not ok or name == "u8" and v < 0 then return fails("set", h.b.set, h.b, name, offset, v) end
  if name:find "^u" and v < 0 then return fails("set", h.b.set, h.b, name, offset, v) end
  h.b:set(name, offset, v)
  put(h, offset, packed)
end
function operations.pack(h)
  local offset, s, n = random(0, length_of(h)), random_text(12), random(-100, 100)
  local packed = string.pack("<s2 i3", s, n)
  if offset + #packed > length_of(h) or not h.memory.writable then
    return fails("pack", h.b.pack, h.b, "<s2 i3", offset, s, n)
  end
  same("pack", h.b:pack("<s2 i3", offset, s, n), offset + #packed)
  put(h, offset, packed)
  local t, m, after = h.b:unpack("<s2 i3", offset)
  same("unpack s", t, s)
  same("unpack i", m, n)
  same("unpack offset", after, offset + #packed)
end
function operations.view(h)
  local name, offset = pick(type_names), random(0, length_of(h))
  local format = format_of(name)
  local size = string.packsize(format)
  local count = (length_of(h) - offset) // size
  local v = h.b:view(name, offset, count)
  same("#v", #v, count)
  local model, sum = {}, 0
  for i = 0, count - 1 do model[i] = string.unpack(format, text_of(h, offset + i * size, size)) end
  fails("v[n]", function() return v[count] end)
  if count == 0 then return end
  local i = random(0, count - 1)
  same("v[i]", v[i], model[i])
  local n = random(0, count - i)
  local t = v:totable(i, n)
  same("#totable", #t, n)
  for k = 1, n do same("totable", t[k], model[i + k - 1]) end
  local has_nan, least, most = false, model[0], model[0]
  for k = 0, count - 1 do
    local x = model[k]
    has_nan = has_nan or x ~= x
    if x < least then least = x end
    if x > most then most = x end
  end
  if not has_nan then
    same("min", v:min(), least)
    same("max", v:max(), most)
    same("argmin", model[v:argmin()], least)
  end
  if not is_float(name) and name:sub(2, 3) ~= "64" then
    for k = 0, count - 1 do sum = sum + model[k] end
    same("sum", v:sum(), sum)
  end
  local x, equal, below = model[i], 0, 0
  for k = 0, count - 1 do
    if model[k] == x then equal = equal + 1 end
    if model[k] < x then below = below + 1 end
  end
  same("count ==", v:count("==", x), equal)
  same("count <", v:count("<", x), below)
  local at
  for k = 0, count - 1 do if model[k] == x then at = k break end end
  same("find ==", v:find("==", x), at)
  if h.memory.writable and not has_nan and random(3) == 1 then
    v:sort()
    local list = {}
    for k = 0, count - 1 do list[k + 1] = model[k] end
    table.sort(list)
    if is_float(name) then
      -- The order of 0.0 and -0.0 is not told by <: the bytes are taken as they came out.
      for k = 1, count do same("sort", v[k - 1] == list[k], true) end
      put(h, offset, h.b:string(offset, count * size))
    else
      for k = 1, count do put(h, offset + (k - 1) * size, string.pack(format, list[k])) end
    end
  elseif h.memory.writable and random(2) == 1 then
    local value = random(0, 100)
    v:fill(value, i, n)
    put(h, offset + i * size, string.pack(format, value):rep(n))
  elseif not h.memory.writable then fails("v[i] = x", function() v[i] = 1 end) end
end
function operations.match(h)
  local s = text_of(h, 0, length_of(h))
  local pattern = pick { "%a+", "(%a)(%d*)", "[^\n]+", "%s", "b*", ".-,", "%z" }
  local from = random(0, #s)
  local wanted = table.pack(s:match(pattern, from + 1))
  local got = table.pack(h.b:match(pattern, from))
  same("match " .. pattern, got.n, wanted.n)
  for i = 1, got.n do same("match " .. pattern, got[i], wanted[i]) end
  local n, m = 0, 0
  for _ in h.b:gmatch "%a+" do n = n + 1 end
  for _ in s:gmatch "%a+" do m = m + 1 end
  same("gmatch", n, m)
end
function operations.resize(h)
  if not h.whole or not h.memory.path and random(2) == 1 then return end
  local size = pick { 1, PAGE, random(1, 2 * PAGE), length_of(h) }
  local ok = pcall(h.b.resize, h.b, size)
  if not ok then return same("#b after a resize refused", #h.b, length_of(h)) end
  for i = h.memory.size, size - 1 do h.memory.bytes[i] = 0 end
  for i = size, h.memory.size - 1 do h.memory.bytes[i] = nil end
  h.memory.size = size
  -- Slices of what was cut away, and those that a resize has left behind, are checked no more.
  for i = #handles, 1, -1 do
    local other = handles[i]
    if other.memory == h.memory and not other.whole and other.offset + other.length > size then table.remove(handles, i) end
  end
end
function operations.close(h)
  if not h.whole or random(4) > 1 then return end
  h.b:close()
  for i = #handles, 1, -1 do
    local other = handles[i]
    if other.memory == h.memory then
      fails("use after close", function() return #other.b == 0 and other.b[0] or other.b[0] end)
      fails("use after close", other.b.string, other.b)
      table.remove(handles, i)
    end
  end
end
function operations.file(h)
  -- What a shared mapping wrote, the file has.
  if not (h.whole and h.memory.path) or not h.memory.writable then return end
  if h.b:info().flags & mmap.MAP_SHARED == 0 then return end
  local f = io.open(h.memory.path, "rb")
  if not f then return end
  f:close()
  h.b:sync(random(8) == 1)
end

local names = {}
for name in pairs(operations) do names[#names + 1] = name end
table.sort(names)

local calls = 0
while calls < options.calls do
  if #handles < 4 or #handles < 12 and random(20) == 1 then new_handle() end
  local h, name = pick(handles), pick(names)
  calls = calls + 1
  if options.trace then io.stderr:write(("%d %s of %s+%d, %d bytes\n"):format(calls, name, h.memory.path or "memory", h.offset, length_of(h))) end
  local ok, e = pcall(operations[name], h, pick(handles))
  if not ok then error(("seed %d, call %d, %s: %s"):format(options.seed, calls, name, tostring(e)), 0) end
  if #handles > 16 then table.remove(handles, random(#handles)) end
end
print(("%d calls"):format(calls))
