-- model.lua --seed N --calls N [--trace] [--verbose]: random operations on buffers, slices, and views, each compared
-- with the same operation on a table of bytes. Ends with status 0 without a difference. --verbose prints how often each
-- operation was done and refused.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
math.randomseed(options.seed)
local random = math.random
local PAGE = mmap.PAGESIZE
local function pick(list) return list[random(#list)] end

-- ---- the model: bytes are a table from index 0, one per shared memory; a handle is a range
local types = {
  u8 = "B", i8 = "b", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "I8", i64 = "i8", f32 = "f", f64 = "d" }
local type_names = {}
for name, format in pairs { u16 = 1, i16 = 1, u32 = 1, i32 = 1, u64 = 1, i64 = 1, f32 = 1, f64 = 1 } do
  type_names[#type_names + 1] = name .. "le"
  type_names[#type_names + 1] = name .. "be"
end
type_names[#type_names + 1] = "u8"
type_names[#type_names + 1] = "i8"
table.sort(type_names)
local function format_of(name) return (name:find "be$" and ">" or "<") .. types[name:match "^%a%d+"] end
local function is_float(name) return name:sub(1, 1) == "f" end
-- A u64 of 2^63 or more is a negative integer, as in Lua's own unpack.
local function less(name, x, y)
  if name:find "^u64" then return math.ult(x, y) end
  return x < y
end
-- An integer reduced to the bits of the type, and whether it fits.
local function wrapped(name, x)
  local bits = tonumber(name:match "%d+")
  if bits == 64 then return x end
  x = x & (1 << bits) - 1
  return name:sub(1, 1) == "i" and x >= 1 << bits - 1 and x - (1 << bits) or x
end
local function fits_type(name, x) return wrapped(name, x) == x end

-- { b = buffer, memory = { bytes, size, writable, kind, path, before }, offset, length, whole }. The kind is the mode
-- of a file, "private" or "shared"; `before` is the content of a private copy's file, which must not change.
local handles = {}
-- How often an operation was done, and refused: an operation that is always refused compares nothing.
local seen, refused = {}, {}

-- Bytes of a memory as a string; in pieces, as the number of arguments of a call is limited.
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
-- After a resize, a slice or view past the end raises, until its mapping is long enough again.
local function fits(h) return h.offset + length_of(h) <= h.memory.size end

local function random_text(most)
  local t, kind = {}, random(3)
  for i = 1, random(0, most) do
    t[i] = string.char(kind == 1 and random(97, 99) or kind == 2 and 97 or random(0, 255))
  end
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
    bytes = bytes, size = size, writable = kind ~= "r", kind = kind, path = path,
    before = kind == "c" and content or nil }
  handles[#handles + 1] = { b = b, memory = memory, offset = 0, length = size, whole = true }
end

-- Removes a handle, and with the last handle on a file the file: the folder does not fill, and no name is used twice.
local function forget(i)
  local memory = table.remove(handles, i).memory
  for _, other in ipairs(handles) do
    if other.memory == memory then return end
  end
  if memory.path then assert(os.remove(memory.path)) end
end

-- A range as scripts give it, often at the edge and sometimes wrong: offset, length, and the resulting range.
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
-- Plain search, the model of find, rfind, and count.
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
  -- For u64, a negative number stands for the value with the same bits.
  if name:find "^u64" then ok, packed = true, string.pack(format:gsub("I", "i"), v) end
  if not h.memory.writable or not ok then return fails("set", h.b.set, h.b, name, offset, v) end
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
    if less(name, x, least) then least = x end
    if less(name, most, x) then most = x end
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
    if less(name, model[k], x) then below = below + 1 end
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
    table.sort(list, function(x, y) return less(name, x, y) end)
    if is_float(name) then
      -- < cannot order 0.0 and -0.0: accept the bytes as sorted.
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
  -- Without a comma in the text, each byte starts a match that fails only at the end: quadratic time.
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
-- Whether the documentation allows a resize: every other one must be refused, and this one must not.
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
  -- Shared anonymous memory that grows within its last page has its old bytes there: avoid that.
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
end
-- Another mapping resizes the file. This one keeps its length; if it loses a page, all of it is lost until it is mapped
-- again. Then it has the file's content, and a private copy's own changes are gone.
function operations.remap(h)
  local memory = h.memory
  if not h.whole or not memory.path then return fails("remap", h.b.remap, h.b) end
  local size = pick { 0, 1, PAGE, random(1, 3 * PAGE), random(1, memory.size + 1), memory.size }
  do
    local b <close> = mmap.open(memory.path, "r+")
    b:resize(size)
  end
  same("#b after another's resize", #h.b, memory.size)
  if memory.size > 0 and (size + PAGE - 1) // PAGE * PAGE < memory.size then
    for _, i in ipairs { memory.size - 1, 0 } do
      local ok, e = pcall(function() return h.b[i] end)
      same("a lost page", not ok and e.code, "SIGBUS")
    end
  end
  h.b:remap()
  for i = memory.size, size - 1 do memory.bytes[i] = 0 end
  for i = size, memory.size - 1 do memory.bytes[i] = nil end
  memory.size = size
  if memory.before then
    memory.before = memory.before:sub(1, size) .. ("\0"):rep(size - #memory.before)
    put({ memory = memory, offset = 0 }, 0, memory.before)
  end
  same("#b after remap", #h.b, size)
end
function operations.close(h)
  if not h.whole or random(4) > 1 then return "skipped" end
  h.b:close()
  h.memory.closed = true
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
-- A shared mapping's writes are in the file at once; a private copy's writes never are.
function operations.file(h)
  local memory = h.memory
  if not memory.path then return "skipped" end
  if random(8) == 1 then h.b:sync(random(8) == 1) end
  local f <close> = assert(io.open(memory.path, "rb"))
  same("the file of mode " .. memory.kind, f:read "a", memory.before or text_at(memory, 0, memory.size))
end

-- ---- views that live longer than one operation: { v = view, name, memory, offset, count, stride, size, length }
-- Only of integers; operations.view tests floats.
local views, view_operations = {}, {}
local function is_alive(x)
  x.length = x.count == 0 and 0 or (x.count - 1) * x.stride + x.size
  return not x.memory.closed and fits(x)
end
local function new_view(h)
  local name = pick(type_names)
  if is_float(name) then return "skipped" end
  local size = string.packsize(format_of(name))
  local offset, stride = random(0, length_of(h)), random(2) == 1 and size or size + random(0, 9)
  local most = length_of(h) - offset >= size and (length_of(h) - offset - size) // stride + 1 or 0
  local count = random(3) == 1 and math.min(most, 500) or random(0, math.min(most, 40))
  fails("view", h.b.view, h.b, name, offset, most + 1, stride)
  local v = h.b:view(name, offset, count, stride)
  if random(9) == 1 then same("#v", #h.b:view(name, offset, nil, stride), most) end
  local view = { v = v, name = name, memory = h.memory, offset = h.offset + offset }
  view.count, view.stride, view.size = count, stride, size
  views[#views < 12 and #views + 1 or random(12)] = view
end
local function elements(x)
  local format, list = format_of(x.name), {}
  local text = x.count == 0 and "" or text_at(x.memory, x.offset, (x.count - 1) * x.stride + x.size)
  for i = 0, x.count - 1 do list[i] = string.unpack(format, text, i * x.stride + 1) end
  return list
end
local function put_element(x, i, value)
  put({ memory = x.memory, offset = x.offset }, i * x.stride, string.pack(format_of(x.name):gsub("I8", "i8"), value))
end
-- An index and a count of elements, and whether they are in range.
local function part_of(x)
  local i = random(0, x.count)
  local n = random(6) == 1 and x.count - i + random(9) or random(0, math.min(20, x.count - i))
  return i, n, i + n <= x.count
end
local function some_value(x)
  local first = x.count > 0 and elements(x)[0] or 0
  return pick { random(0, 100), random(-100, 100), random(0, 1 << 16), -1, 1 << 31, first }
end
function view_operations.get(x, list)
  same("#v", #x.v, x.count)
  local i, n, right = part_of(x)
  if not right then return fails("v:get", x.v.get, x.v, i, n) end
  local got, t = table.pack(x.v:get(i, n)), x.v:totable(i, n)
  same("v:get", got.n, n)
  same("v:totable", #t, n)
  for k = 1, n do same("v:get", got[k], list[i + k - 1]) same("v:totable", t[k], list[i + k - 1]) end
  if i < x.count then same("v[i]", x.v[i], list[i]) else fails("v[n]", function() return x.v[i] end) end
end
function view_operations.set(x)
  local i, n, right = part_of(x)
  n = math.min(n, 5)
  right = i + n <= x.count and x.memory.writable
  local values = {}
  for k = 1, n do
    values[k] = some_value(x)
    right = right and fits_type(x.name, values[k])
  end
  -- Either all values are written or none; later operations detect a partial write.
  if not right then
    if n == 0 then return "skipped" end
    return fails("v:set", x.v.set, x.v, i, table.unpack(values))
  end
  x.v:set(i, table.unpack(values))
  for k = 1, n do put_element(x, i + k - 1, values[k]) end
end
function view_operations.assign(x)
  local i, value = random(0, x.count), some_value(x)
  if i == x.count or not x.memory.writable or not fits_type(x.name, value) then
    return fails("v[i] = x", function() x.v[i] = value end)
  end
  x.v[i] = value
  put_element(x, i, value)
end
function view_operations.fill(x)
  local i, n, right = part_of(x)
  local value = some_value(x)
  if not right or not x.memory.writable or not fits_type(x.name, value) then
    return fails("v:fill", x.v.fill, x.v, value, i, n)
  end
  x.v:fill(value, i, n)
  for k = i, i + n - 1 do put_element(x, k, value) end
end
function view_operations.slice(x)
  local i, n, right = part_of(x)
  if not right then return fails("v:slice", x.v.slice, x.v, i, n) end
  -- The offset of an empty slice at the end of a view with gaps is not specified.
  if n == 0 then return same("#v:slice", #x.v:slice(i, n), 0) end
  local part = { v = x.v:slice(i, n), name = x.name, memory = x.memory, offset = x.offset + i * x.stride }
  part.count, part.stride, part.size = n, x.stride, x.size
  views[#views < 12 and #views + 1 or random(12)] = part
end
function view_operations.copy(x, _, other)
  -- Views on the same memory may overlap: use another memory.
  local list, source = {}, nil
  if other and other.memory ~= x.memory and is_alive(other) and random(2) == 1 then
    source = other.v
    for k, value in pairs(elements(other)) do list[k + 1] = value end
  else
    for k = 1, random(0, 9) do list[k] = some_value(x) end
    other = nil
  end
  local i, saturate, right = random(0, x.count), random(2) == 1 and "saturate" or nil, x.memory.writable
  -- In a list for u64, a negative number is the value with the same bits, or 0 when saturating.
  if not other and saturate and x.name:find "^u64" then
    for k, value in ipairs(list) do list[k] = math.max(value, 0) end
  end
  source = source or table.move(list, 1, #list, 1, {})
  -- In another view, a negative number is less than 0, except in a u64 view.
  local unsigned = other and other.name:find "^u64"
  local low, high = math.mininteger, math.maxinteger
  local bits = tonumber(x.name:match "%d+")
  if x.name:sub(1, 1) == "u" then low, high = 0, bits == 64 and math.maxinteger or (1 << bits) - 1
  elseif bits < 64 then low, high = -(1 << bits - 1), (1 << bits - 1) - 1 end
  for k, value in ipairs(list) do
    local is_below, is_above = value < low and not unsigned, value > high or value < 0 and unsigned
    if x.name:find "^u64" and (unsigned or not other) then is_below, is_above = false, false end
    if is_below or is_above then
      if saturate then list[k] = is_below and low or high else right = false end
    end
  end
  right = right and i + #list <= x.count
  if not right then
    -- The elements written before the value that does not fit are not specified.
    if i + #list > x.count or not x.memory.writable then return fails("v:copy", x.v.copy, x.v, i, source, saturate) end
    return "skipped"
  end
  same("v:copy", x.v:copy(i, source, saturate), #list)
  for k, value in ipairs(list) do put_element(x, i + k - 1, value) end
end
function view_operations.figures(x, list)
  local low, high, sum, small, sorted = 0, 0, 0, true, true
  for k = 0, x.count - 1 do
    local value = list[k]
    if less(x.name, value, list[low]) then low = k end
    if less(x.name, list[high], value) then high = k end
    small = small and value > -(1 << 40) and value < 1 << 40 and not (x.name:find "^u64" and value < 0)
    sum = sum + value
    sorted = sorted and (k == 0 or not less(x.name, value, list[k - 1]))
  end
  if x.count == 0 then low, high = nil, nil end
  same("argmin", x.v:argmin(), low)
  same("argmax", x.v:argmax(), high)
  local least, most = x.v:minmax()
  same("minmax", least, low and list[low])
  same("minmax", most, high and list[high])
  same("sorted", x.v:sorted(), sorted)
  same("sum, wrap", x.v:sum "wrap", sum)
  if small then
    local stats = x.v:stats()
    same("sum", x.v:sum(), sum)
    same("stats.count", stats.count, x.count)
    same("stats.sum", stats.sum, sum)
    same("stats.min", stats.min, low and list[low])
    same("stats.max", stats.max, high and list[high])
    same("stats.mean", stats.mean, low and sum / x.count)
    same("mean", x.v:mean(), low and sum / x.count)
  end
  local value, count, first, set, unique = some_value(x), 0, nil, {}, 0
  if x.name:find "^u64" then value = math.abs(value) end
  local op = pick { "==", "~=", "<", "<=", ">", ">=" }
  local function holds(y)
    local below, equal = less(x.name, y, value), y == value
    return op == "==" and equal or op == "~=" and not equal or op == "<" and below or op == "<=" and (below or equal)
      or op == ">" and not below and not equal or op == ">=" and not below
  end
  for k = 0, x.count - 1 do
    if holds(list[k]) then
      count = count + 1
      first = first or k
    end
    if not set[list[k]] then set[list[k]], unique = true, unique + 1 end
  end
  same("count " .. op, x.v:count(op, value), count)
  same("find " .. op, x.v:find(op, value), first)
  same("unique", x.v:unique(), unique)
  local at = 0
  for k, y in x.v:each() do
    same("each", k, at)
    same("each", y, list[k])
    at = at + 1
  end
  same("each", at, x.count)
end
function view_operations.sort(x, list)
  if not x.memory.writable then return fails("v:sort", x.v.sort, x.v) end
  x.v:sort()
  local t = {}
  for k = 0, x.count - 1 do t[k + 1] = list[k] end
  table.sort(t, function(y, z) return less(x.name, y, z) end)
  for k, value in ipairs(t) do put_element(x, k - 1, value) end
  same("sorted after sort", x.v:sorted(), true)
  local value, lower, upper = some_value(x), 0, 0
  if x.name:find "^u64" then value = math.abs(value) end
  for _, y in ipairs(t) do
    if less(x.name, y, value) then lower = lower + 1 end
    if not less(x.name, value, y) then upper = upper + 1 end
  end
  same("lowerbound", x.v:lowerbound(value), lower)
  same("upperbound", x.v:upperbound(value), upper)
end
function view_operations.arithmetic(x, list)
  local name = pick { "add", "sub", "mul" }
  local value = random(0, 3)
  if not x.memory.writable then return fails("v:" .. name, x.v[name], x.v, value, "wrap") end
  x.v[name](x.v, value, "wrap")
  for k = 0, x.count - 1 do
    local result = name == "add" and list[k] + value or name == "sub" and list[k] - value or list[k] * value
    put_element(x, k, wrapped(x.name, result))
  end
end
-- A closed view raises; its mapping and objects made from it stay open.
function view_operations.close(x)
  if random(4) > 1 then return "skipped" end
  x.v:close()
  fails("a closed view", x.v.sum, x.v)
  for i, other in ipairs(views) do
    if other == x then table.remove(views, i) break end
  end
end
local view_names = {}
for name in pairs(view_operations) do view_names[#view_names + 1] = name end
table.sort(view_names)
operations["a view that stays"] = new_view
local last_view_operation
operations["view, later"] = function()
  if #views == 0 then return "skipped" end
  local x = pick(views)
  local name = pick(view_names)
  last_view_operation = "v:" .. name .. " of " .. x.name
  if not is_alive(x) then
    fails("a view past the end", function() return #x.v end)
    fails("a view past the end", x.v.sum, x.v)
    fails("a view past the end", x.v.fill, x.v, 0)
    -- Views of a closed buffer stay closed.
    for i = #views, 1, -1 do if views[i].memory.closed then table.remove(views, i) end end
    return "refused"
  end
  local result = view_operations[name](x, elements(x), pick(views))
  if result == nil then seen["v:" .. name] = (seen["v:" .. name] or 0) + 1 end
  return result
end
-- ---- the run
local names = {}
for name in pairs(operations) do names[#names + 1] = name end
table.sort(names)
local often = { "view, later", "view, later", "view, later", "a view that stays", table.unpack(names) }

-- Slices of slices become short: half of the operations use whole mappings, of which there are always some.
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
  local h, name = handles[random(2) == 1 and pick(mappings) or random(#handles)], pick(often)
  calls = calls + 1
  if options.trace then
    local place = h.memory.path or h.memory.kind
    io.stderr:write(("%d %s of %s+%d, %d bytes\n"):format(calls, name, place, h.offset, length_of(h)))
  end
  local other = pick(handles)
  local ok, e
  if not fits(h) then
    ok, e = pcall(fails, "a slice past the end", pick { h.b.string, h.b.crc32, h.b.slice }, h.b, 0)
    name = "slice"
  elseif not fits(other) then ok, e = pcall(fails, "a slice past the end", h.b.compare, h.b, other.b)
  else ok, e = pcall(operations[name], h, other) end
  if not ok then
    if name == "view, later" then name = name .. ", " .. tostring(last_view_operation) end
    error(("seed %d, call %d, %s: %s"):format(options.seed, calls, name, tostring(e)), 0)
  end
  if e == nil then seen[name] = (seen[name] or 0) + 1
  elseif e == "refused" then refused[name] = (refused[name] or 0) + 1 end
  if #slices >= 8 then
    slices = list_of(nil)
    if #slices > 8 then forget(pick(slices)) end
  end
end
for _, name in ipairs(view_names) do names[#names + 1] = "v:" .. name end
for _, name in ipairs(names) do
  if options.verbose then print(("%6d done, %6d refused  %s"):format(seen[name] or 0, refused[name] or 0, name)) end
  -- A short run may miss one by chance.
  assert(seen[name] or calls < 20000, name .. " was never done")
end
assert(refused.resize or calls < 20000, "no resize was refused")
print(("%d calls"):format(calls))
