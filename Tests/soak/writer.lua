-- writer.lua --seed N --calls N [--verbose]: all functions that read, while another process writes the same memory.
--
-- Each offset has two bytes of its own, and the other process writes one or the other. So a result's bytes can be
-- checked against both. Every string must equal itself, every position and count must be in range, and a sort must end,
-- write only to its own elements, and make up no value. Runs in a folder of its own.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
local methods = dofile(arg[0]:gsub("soak/[^/]*$", "") .. "methods.lua")
math.randomseed(options.seed)
local random = math.random
local page <const> = mmap.PAGESIZE
local size <const> = 3 * page

-- ---- the bytes

-- Two images of the memory, with rows that differ in their bytes, separators, quotes, and row ends. The last bytes are
-- an incomplete character, number, and quoted field.
local rows = { '12,3.5,"ab""cd",some words here;7e2,-4,x=9,"q"\n', '\xc3\xa4-,70\n6e1\\AB;CDEF,HOLD_UPPER\tTEXT "8 .\'!)2\r' .. "\0Z-" }
local images = {}
for i, row in ipairs(rows) do images[i] = row:sub(1, 47):rep(size // 47 + 1):sub(1, size - 8) .. ({ '\xf0\x9f\x98",12e', "\r\n\"\"-\xc3\xf0\xe2" })[i] end
assert(#images[1] == size and #images[2] == size)
local values <const>, step <const> = 1000, 7 -- the values to sort: 3, 10, 17 …
local margin <const>, elements <const> = 64, 5000

local text, scratch = mmap.memfd("text", size), mmap.memfd("scratch", size)
local first, second = mmap.memfd("first", size), mmap.memfd("second", size)
text:copy(0, images[1]) first:copy(0, images[1]) second:copy(0, images[2])
local numbers = mmap.anonymous(2 * margin + 8 * elements, { shared = true })
local sorted = { u8 = 1, u16 = 2, u32 = 4, u64 = 8, i32 = 4, f64 = 8 }
local control = mmap.anonymous(page, { shared = true })
local stop, sort_size, busy = control:atomic("u32", 0), control:atomic("u32", 4), control:atomic("u32", 8)

-- Writes until told to stop, or until the parent is gone.
local function write(text, scratch, first, second, numbers, stop, sort_size, busy, margin, elements, values, step, parent, seed)
  math.randomseed(seed)
  local random = math.random
  local words, images, bytes = text:view "u64", { first:view "u64", second:view "u64" }, { first, second }
  local types = { [1] = numbers:view("u8", margin, elements), [2] = numbers:view("u16", margin, elements),
    [4] = numbers:view("u32", margin, elements), [8] = numbers:view("u64", margin, elements) }
  while stop:load() == 0 do
    local f = io.open("/proc/" .. parent .. "/stat")
    if not f then return end
    f:close()
    for _ = 1, 50 do
      for i = 0, 15 do words[i] = images[1][i] words[i] = images[2][i] end -- the bytes that most calls read
      for i = 0, 99 do scratch[i] = bytes[random(2)][i] scratch[#scratch - 1 - i] = random(0, 255) end
      for _ = 1, 200 do local i = random(0, #words - 1) words[i] = images[random(2)][i] end
      for _ = 1, 200 do local i = random(0, #text - 1) text[i] = bytes[random(2)][i] end
      for _ = 1, 8 do local i = #text - random(8) text[i] = bytes[random(2)][i] end
      busy:store(1)
      local size = sort_size:load()
      local v = types[size]
      for _ = 1, v and 300 or 0 do v[random(0, elements - 1)] = random(0, size == 1 and 35 or values) * step + 3 end
      busy:store(0)
    end
  end
end
local parent = io.open("/proc/self/stat"):read "n"
local child <close> = mmap.spawn(write, text, scratch, first, second, numbers, stop, sort_size, busy, margin, elements, values, step, parent, options.seed)

-- ---- checks of results

local calls, raised = 0, 0
local function wrong(what, ...) error("wrong: " .. what:format(...), 0) end
local function is_there(offset, byte) return byte == images[1]:byte(offset + 1) or byte == images[2]:byte(offset + 1) end
local function same(s, what)
  if #s <= 200 and s ~= string.char(s:byte(1, -1)) then wrong("a string that is not equal to itself: %s", what) end
  return s
end
-- Checks a string read at an offset.
local function bytes_at(s, offset, what)
  same(s, what)
  for i = 1, #s do
    if not is_there(offset + i - 1, s:byte(i)) then wrong("%s: byte %d of %q was never at %d", what, i, s:sub(1, 60), offset + i - 1) end
  end
end
local function in_range(x, low, high, what)
  if math.type(x) ~= "integer" or x < low or x > high then wrong("%s: %s is not in %d to %d", what, x, low, high) end
end

local patterns = { "(%w+)", "(\"[^\"]*\")", "([^,;\n]+)", "(%d+%.?%d*)", "(.-)\n", "(%f[%a]%a+)", "(%b\"\")", "(...)" }
local regexes = {}
for i, p in ipairs { "(\\w+)", "(\"[^\"]*\")", "([^,;\\n]+)", "(\\d+\\.?\\d*)", "(.*)\\n", "(\\b.+\\b)", "(a|b|c)+?" } do regexes[i] = { p, mmap.regex(p) } end
local utf = {}
for i, p in ipairs { "(\\w+)", "(\\X)", "(.)", "([^x]*)$", "\\b", "\\B" } do utf[i] = mmap.regex(p, "u") end

-- Checks by name, called with an offset and a length.
local checks = {
  string = function(at, n) bytes_at(text:string(at, n), at, "string") end,
  unpack = function(at, n) local a, b = text:unpack("c" .. n .. "c8", math.max(0, at - 8)) bytes_at(a .. b, math.max(0, at - 8), "unpack") end,
  zero = function(at) local ok, s = pcall(text.unpack, text, "z", at) if ok then bytes_at(s, at, "unpack z") end end,
  counted = function(at) local ok, s = pcall(text.unpack, text, "s1", at) if ok then bytes_at(s, at + 1, "unpack s1") end end,
  get = function(at)
    for type, format in pairs { u8 = "<I1", i16le = "<i2", u32le = "<I4", u32be = ">I4", i64be = ">i8", f64le = "<d" } do
      local s = string.pack(format, text:get(type, at))
      if type ~= "f64le" then bytes_at(s, at, type) end -- a NaN may change its bits
    end
  end,
  records = function(at, n)
    local r = text:records(mmap.struct { { "a", "char[8]" }, { "b", "bytes[" .. n .. "]" }, { "c", "u8", 4 } }, at, 1)
    bytes_at(r[0].a, at, "char") bytes_at(r[0].b, at + 8, "bytes")
    local t = r[0]:totable()
    bytes_at(t.a, at, "totable") bytes_at(string.char(table.unpack(t.c)), at + 8 + n, "array")
  end,
  lines = function(at, n)
    for line, offset in text:lines { offset = at, length = n } do bytes_at(line, offset, "line") end
    for line, offset in text:lines { offset = at, length = n, sep = '""', keep = true } do bytes_at(line, offset, "line") end
    for offset, length, place in text:lines { offset = at, length = n, ranges = true, find = "some" } do
      in_range(offset, at, at + n, "lines") in_range(length, 0, at + n - offset, "lines")
      if place then in_range(place, offset, offset + length, "lines") end
    end
  end,
  fields = function(at, n)
    for _, list in ipairs { { nil, { csv = true } }, { nil, {} }, { { "number?", "string", "integer?" }, { csv = true } }, { { "string", "number?" }, {} } } do
      local o = { offset = at, length = n, csv = list[2].csv, bad = n % 2 == 0 and "nil" or nil }
      local types = list[1]
      if types then types = { "string", "number?", "integer?", "string?" } end
      pcall(function()
        for a, b, c, d in text:fields(",", types, o) do
          same(a, "field")
          for _, x in ipairs { b or "", c or "", d or "" } do if type(x) == "string" then same(x, "field") end end
        end
      end)
    end
  end,
  match = function(at)
    for _, p in ipairs(patterns) do
      local place, s, after = text:match("()" .. p .. "()", at)
      if place then
        in_range(place, at, size, p) in_range(after, place, size, p)
        if #s <= 200 then bytes_at(s, place, p) end
      end
    end
  end,
  gmatch = function()
    local n = 0
    for place, s in text:gmatch "()(%a+)" do bytes_at(s, place, "gmatch") n = n + 1 if n > 20 then break end end
  end,
  regex = function(at)
    for _, re in ipairs(regexes) do
      local place, length, s = re[2]:find(text, at)
      if place then in_range(place, at, size, re[1]) in_range(length, 0, size - place, re[1]) if s then same(s, re[1]) end end
      in_range(re[2]:count(text, size - 2000), 0, 2001, re[1])
      for s in re[2]:gmatch(text, size - 100) do same(s, re[1]) end
    end
  end,
  -- Bytes that are not valid UTF-8 at that moment raise an error.
  utf = function(at)
    for _, re in ipairs(utf) do
      local ok, place, length = pcall(re.find, re, text, random(2) == 1 and at or size - random(0, 9))
      if ok and place then in_range(place, 0, size, "utf") in_range(length, 0, size - place, "utf") end
    end
  end,
  find = function(at, n)
    for _, needle in ipairs { "some", ",", '""', images[1]:sub(100, 190), text:slice(at, math.min(n, 90)) } do
      for _, f in ipairs { "find", "rfind" } do
        local place = text[f](text, needle, at, n)
        if place then in_range(place, at, at + n - #needle, f) end
      end
      in_range(text:count(needle, at, n), 0, n, "count")
    end
  end,
  -- Never equal: the memory never contains this byte.
  compare = function()
    local other = ("\x7f"):rep(size)
    in_range(text:compare(other), -1, 1, "compare")
    if text:equals(other) or text:compare(images[1]:sub(1, size - 20) .. ("\x7f"):rep(20)) == 0 then wrong "equal to what never was" end
    in_range(text:mismatch(other), 0, size - 1, "mismatch")
    local place = text:mismatch(images[2])
    if place then in_range(place, 0, size - 1, "mismatch") end
  end,
  copy = function(at, n)
    local b <close> = mmap.anonymous(size)
    b:copy(at, text, at, n)
    bytes_at(b:string(at, n), at, "copy")
    b:view "u16":copy(0, text:view "u16")
    bytes_at(b:string(at, n), at, "copy")
    b:view("u8", 0, n):copy(0, text:view("u8", at, n), "saturate")
    bytes_at(b:string(0, n), at, "copy")
    local t = text:view("u8", at, n):totable()
    for i = 1, n do if not is_there(at + i - 1, t[i]) then wrong "totable" end end
    for i, x in text:view("u8", at, n):each() do if not is_there(at + i, x) then wrong "each" end end
  end,
  arithmetic = function(at, n)
    local v = text:view("u8", at, n)
    local b <close> = mmap.anonymous(8 * n)
    local to = b:view("f64", 0, n)
    v:add(1, to)
    for i = 0, n - 1 do if not is_there(at + i, math.tointeger(to[i]) - 1) then wrong "add" end end
    pcall(v.mul, v, v, to) pcall(v.sub, v, v, to) pcall(v.div, v, 3, to)
    local low, high = v:minmax()
    in_range(low, 0, 255, "min") in_range(high, low, 255, "max")
    in_range(v:sum(), 0, 255 * n, "sum") in_range(v:dot(v), 0, 255 * 255 * n, "dot")
    in_range(v:unique(), 1, n, "unique") in_range(v:count("<", 65), 0, n, "count")
    for _, f in ipairs { "argmin", "argmax" } do
      local ok, place = pcall(v[f], v)
      if ok then in_range(place, 0, n - 1, f) end
    end
    local place = v:find(">", 64)
    if place then in_range(place, 0, n - 1, "find") end
    in_range(v:lowerbound(65), 0, n, "lowerbound") in_range(v:upperbound(65), 0, n, "upperbound")
    local total = 0
    for _, count in ipairs((v:histogram(7, 0, 255))) do total = total + count end
    if total ~= n then wrong("histogram: %d of %d", total, n) end
    in_range(math.floor(v:median()), 0, 255, "median") in_range(math.floor(v:quantile { 0.1, 0.9 }[2]), 0, 255, "quantile")
    local ok, order = pcall(v.argsort, v)
    if not ok then
      if not tostring(order):find "were changed" then error(order, 0) end
      order = mmap.anonymous(8 * n):view "u64"
      for i = 0, n - 1 do order[i] = i end
    end
    if order:sum() ~= n * (n - 1) // 2 or order:max() ~= n - 1 then wrong("argsort: no permutation of %d", n) end
    local gathered = mmap.anonymous(n):view "u8"
    gathered:gather(order, v)
    in_range(v:cumsum()[n - 1], 0, 255 * n, "cumsum") in_range(v:rolling("sum", 1):max(), 0, 255, "rolling")
    in_range(n > 1 and v:diff():max() or 0, -255, 255, "diff")
    for _, type in ipairs { "f16", "f32", "f64", "i16", "u64" } do
      local v = text:view(type, at)
      local ok, order = pcall(v.argsort, v)
      if ok and #v > 0 then in_range(order:max(), #v - 1, #v - 1, "argsort") end
      pcall(v.quantile, v, { 0.2, 0.5 }) pcall(v.cumsum, v) pcall(v.rolling, v, "mean", 3)
      pcall(v.histogram, v, 9) pcall(v.stats, v, "wrap") pcall(v.variance, v)
      in_range(v:unique(), 1, #v, "unique") pcall(v.argmax, v)
    end
  end,
  hexdump = function(at, n)
    for line in text:hexdump(at, n):gmatch "[^\n]+" do
      local offset, bytes = line:match "^(%x+)  ([%x ]+)|"
      if bytes then
        local i = tonumber(offset, 16)
        for byte in bytes:gmatch "%x%x" do
          if not is_there(i, tonumber(byte, 16)) then wrong("hexdump: %s", line) end
          i = i + 1
        end
      end
    end
  end,
  sort = function()
    for type, width in pairs(sorted) do
      local v = numbers:view(type, margin, elements)
      local is_float = type == "f64"
      local last = width == 1 and 35 or values
      numbers:fill(0xee)
      for i = 0, elements - 1 do v[i] = random(0, last) * step + 3 end
      sort_size:store(is_float and 0 or width)
      local ok, e = pcall(v.sort, v)
      if not ok and not tostring(e):find "were changed while" then wrong("sort: %s", e) end
      sort_size:store(0)
      while busy:load() ~= 0 do end
      for i = 0, elements - 1 do
        local x = v[i]
        if (x - 3) % step ~= 0 or x > last * step + 3 then wrong("sort of %s made up %s", type, x) end
      end
      local outside = ("\xee"):rep(margin)
      if numbers:string(0, margin) ~= outside or numbers:string(margin + width * elements, margin) ~= outside then wrong "sort left its range" end
    end
  end }
local names = {}
for name in pairs(checks) do names[#names + 1] = name end
table.sort(names)

-- All other functions: any result is accepted.
local fixture <close> = methods.fixture "."
function fixture.buffer() return scratch:slice(0) end
fixture.text = fixture.buffer
local skipped = { close = true, unmap = true, __gc = true, __close = true }
local function walk()
  for _, row in ipairs(methods.rows) do
    local is_reader = not skipped[row.method] and not row.process and row.class ~= "mmap"
    for n in ipairs(is_reader and row.calls or {}) do
      local results = table.pack(pcall(row.call, fixture, n))
      calls = calls + 1
      if not results[1] then raised = raised + 1 end
      for i = 2, results.n do
        if type(results[i]) == "string" then same(results[i], row.name) end
        if type(results[i]) == "table" then for _, s in pairs(results[i]) do if type(s) == "string" then same(s, row.name) end end end
      end
    end
  end
end

while calls < options.calls do
  for _ = 1, 200 do
    local name = names[random(#names)]
    if name ~= "sort" or random(10) == 1 then
      local at = random(4) == 1 and random(0, size - 400) or random(0, 100)
      if random(20) == 1 then at = size - 400 end
      checks[name](at, random(10) == 1 and 300 or random(1, 60))
      calls = calls + 1
    end
  end
  walk()
end
stop:store(1)
assert(child:wait())
print(("%d calls, %d raised"):format(calls, raised))
