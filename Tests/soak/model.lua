-- model.lua --seed N --calls N [--trace] [--verbose]: random operations on buffers, slices and views, each compared
-- with the same on a table of bytes. Ends with 0 if there was no difference. --verbose says how often each
-- operation was done and refused.
local options = { seed = os.time(), calls = 20000 }
do
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-%-(%a+)$" or error("what is " .. arg[i])
    if name == "trace" or name == "verbose" then options[name] = true else
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

-- { b = buffer, memory = { bytes, size, writable, kind, path, before }, offset, length, whole }. The kind is the
-- mode of a file, "private" or "shared"; before is what a private copy's file had, and must still have.
local handles = {}
-- How often an operation was done, and refused: one that is always refused compares nothing.
local seen, refused = {}, {}

-- Bytes of a memory as a string; in pieces, as a call takes so many arguments only.
local function text_at(memory, from, length)
  local t = {}
  for at = from, from + length - 1, 4096 do
    t[#t + 1] = string.char(table.unpack(memory.bytes, at, math.min(at + 4096, from + length) - 1))
  end
  return table.concat(t)
end
local function text_of(h, offset, length) return text_at(h.memory, h.offset + offset, length) end
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
  local content, kind, path = ("\0"):rep(size), pick { "private", "shared", "r", "r+", "r+", "c" }, nil
  if kind == "private" or kind == "shared" then
    b = mmap.anonymous(size, { shared = kind == "shared" })
  else
    files = files + 1
    path = "m" .. files
    content = ("some text, 12\n\0\xff"):rep(size // 10 + 1):sub(1, size)
    local f <close> = assert(io.open(path, "wb"))
    f:write(content)
    f:close()
    b = mmap.open(path, kind)
  end
  for i = 1, size do bytes[i - 1] = content:byte(i) end
  local memory = {
    bytes = bytes, size = size, writable = kind ~= "r", kind = kind, path = path, before = kind == "c" and content or nil }
  handles[#handles + 1] = { b = b, memory = memory, offset = 0, length = size, whole = true }
end

-- Takes a handle out, and the file with the last one on it: the folder does not fill, and no name is used twice.
local function forget(i)
  local memory = table.remove(handles, i).memory
  for _, other in ipairs(handles) do
    if other.memory == memory then return end
  end
  if memory.path then assert(os.remove(memory.path)) end
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
  return "refused"
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
  if needle == "" then return "skipped" end
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
  for i = 1, s == t and 0 or math.max(#s, #t) do
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
  local model, sum, text = {}, 0, text_of(h, offset, count * size)
  for i = 0, count - 1 do model[i] = string.unpack(format, text, i * size + 1) end
  fails("v[n]", function() return v[count] end)
  if count == 0 then return "skipped" end
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
  -- Where no comma is, each byte is begun at in vain: the square of the length.
  local pattern = pick { "%a+", "(%a)(%d*)", "[^\n]+", "%s", "b*", #s < 600 and ".-," or "^.-,", "%z" }
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
-- What may be resized is told by the contract alone: all else must be refused, and this must not.
local function may_resize(h, size)
  local memory = h.memory
  if not h.whole or size < 0 then return false end
  if memory.kind == "private" then return size > 0 end
  if memory.kind == "shared" then return size > 0 and size <= memory.size end
  return memory.kind == "r+"
end
function operations.resize(h)
  local memory = h.memory
  local size = pick { 0, -1, 1, PAGE, random(1, 2 * PAGE), length_of(h) }
  -- Shared anonymous memory grows within its last page, and finds there what was cut off: not looked at.
  if memory.kind == "shared" and size > memory.size then size = 3 * PAGE end
  if not may_resize(h, size) then
    fails("resize", h.b.resize, h.b, size)
    same("#b after a resize refused", #h.b, length_of(h))
    return "refused"
  end
  h.b:resize(size)
  for i = memory.size, size - 1 do memory.bytes[i] = 0 end
  for i = size, memory.size - 1 do memory.bytes[i] = nil end
  memory.size = size
  same("#b after a resize", #h.b, size)
  -- Slices of what was cut away raise, and are checked no more.
  for i = #handles, 1, -1 do
    local other = handles[i]
    if other.memory == memory and not other.whole and other.offset + other.length > size then
      fails("a slice behind the end", other.b.string, other.b)
      forget(i)
    end
  end
end
function operations.close(h)
  if not h.whole or random(4) > 1 then return "skipped" end
  h.b:close()
  for i = #handles, 1, -1 do
    local other = handles[i]
    if other.memory == h.memory then
      fails("use after close", function() return other.b[0] end)
      fails("use after close", other.b.string, other.b)
      fails("use after close", function() return #other.b end)
      forget(i)
    end
  end
end
-- What a shared mapping wrote its file has, at once; what a private copy is written to its file has never.
function operations.file(h)
  local memory = h.memory
  if not memory.path then return "skipped" end
  if random(8) == 1 then h.b:sync(random(8) == 1) end
  local f <close> = assert(io.open(memory.path, "rb"))
  same("the file of mode " .. memory.kind, f:read "a", memory.before or text_at(memory, 0, memory.size))
end

local names = {}
for name in pairs(operations) do names[#names + 1] = name end
table.sort(names)

-- Slices of slices become short: half of the operations are on whole mappings, of which some always are there.
local function list_of(whole)
  local list = {}
  for i, h in ipairs(handles) do
    if h.whole == whole then list[#list + 1] = i end
  end
  return list
end

local calls = 0
while calls < options.calls do
  local mappings, slices = list_of(true), list_of(nil)
  if #mappings < 4 or #mappings < 8 and random(20) == 1 then
    new_handle()
    mappings[#mappings + 1] = #handles
  end
  local h, name = handles[random(2) == 1 and pick(mappings) or random(#handles)], pick(names)
  calls = calls + 1
  if options.trace then
    local place = h.memory.path or h.memory.kind
    io.stderr:write(("%d %s of %s+%d, %d bytes\n"):format(calls, name, place, h.offset, length_of(h)))
  end
  local ok, e = pcall(operations[name], h, pick(handles))
  if not ok then error(("seed %d, call %d, %s: %s"):format(options.seed, calls, name, tostring(e)), 0) end
  if e == nil then seen[name] = (seen[name] or 0) + 1
  elseif e == "refused" then refused[name] = (refused[name] or 0) + 1 end
  if #slices >= 8 then
    slices = list_of(nil)
    if #slices > 8 then forget(pick(slices)) end
  end
end
for _, name in ipairs(names) do
  if options.verbose then print(("%6d done, %6d refused  %s"):format(seen[name] or 0, refused[name] or 0, name)) end
  -- A short run may miss one by chance.
  assert(seen[name] or calls < 20000, name .. " was never done")
end
assert(refused.resize or calls < 20000, "no resize was refused")
print(("%d calls"):format(calls))
