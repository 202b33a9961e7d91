-- threads.lua --seed N --calls N [--verbose]: parallel operations, and all others that read or write, on files that
-- another process keeps truncating and growing. A result must be right for the file at some moment, or be an error with
-- code "SIGBUS".
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
math.randomseed(options.seed)
local random = math.random
local function pick(list) return list[random(#list)] end
local ROW = "123,abc\n"

-- A file is a repeated unit, with zeros where it was truncated and grew again. Only the other process changes `ones`
-- and `text`: each is n bytes of units, then zeros, and n never grows until the file is made anew. So if the same n is
-- counted before and after an operation, the operation's result is known.
local ones = { path = "ones", unit = "\1", size = 24 << 20 } -- large enough for work on several threads
local text = { path = "text", unit = ROW, size = 1 << 18 }
local written = { path = "written", unit = "\1", size = 24 << 20 }
local files = { ones, text, written }
local function make(file)
  local f <close> = assert(io.open(file.path, "r+b") or io.open(file.path, "wb"))
  assert(f:write(file.unit:rep(file.size // #file.unit)))
end
for _, file in ipairs(files) do
  make(file)
  -- The same bytes in memory that nobody truncates.
  file.calm = mmap.anonymous(file.size)
  file.calm:fill(file.unit)
end
local function map(file)
  local f <close> = assert(io.open(file.path, "r+b"))
  return mmap.map(file.size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, f)
end
-- The result of f for a file with n bytes left.
local function of_rest(file, n, f)
  file.calm:fill(0, n)
  local result = f(file.calm)
  file.calm:fill(file.unit)
  return result
end

local function never(what) error("found what never was in the file: " .. tostring(what), 0) end
-- Checks bytes from an offset: each must be as it was made, or zero.
local function check_bytes(s, offset)
  for i = 1, #s do
    local byte, at = s:byte(i), (offset + i - 1) % #ROW + 1
    if byte ~= 0 and byte ~= ROW:byte(at) then never(("%q"):format(s)) end
  end
end
-- Checks a part of a row: `wanted`, or a prefix of it with zeros after.
local function check_text(s, wanted)
  local rest = s:gsub("\0+$", "")
  if rest ~= wanted:sub(1, #rest) then never(("%q"):format(s)) end
end
local function check_ones(v) if v & ~0x01010101 ~= 0 then never(v) end end

-- Operations on `ones`. `number`: the result is the number of bytes left; `digest`: it depends on all bytes.
local function number(f) return { run = f, least = true, wanted = function(n) return n end } end
local function digest(f) return { run = f, wanted = function(n, file) return of_rest(file, n, f) end } end
local function none(f, result) return { run = f, wanted = function() return result end, always = true } end
ones.operations = {
  count = number(function(b) return b:count "\1" end),
  sum = number(function(b) return b:view("u8"):sum() end),
  dot = number(function(b) local v = b:view "u8" return v:dot(v) end),
  ["view count"] = number(function(b) return b:view("u8"):count("==", 1) end),
  histogram = number(function(b)
    local bins = b:view("u8"):histogram(3, 0, 3)
    if bins[1] + bins[2] ~= ones.size or bins[3] ~= 0 then never "a two" end
    return bins[2]
  end),
  stats = number(function(b) return b:view("u8"):stats().sum end),
  mean = number(function(b) return math.tointeger(b:view("u8"):mean() * ones.size) end),
  ["find zero"] = number(function(b) return b:find "\0" or ones.size end),
  ["view find"] = number(function(b) return b:view("u8"):find("~=", 1) or ones.size end),
  mismatch = number(function(b) return b:mismatch(ones.calm) or ones.size end),
  equals = { run = function(b) return b:equals(ones.calm) end, wanted = function(n) return n == ones.size end },
  compare = {
    run = function(b) return b:compare(ones.calm) end, wanted = function(n) return n == ones.size and 0 or -1 end },
  ["max of u32"] = digest(function(b) return b:view("u32"):max() end),
  ["minmax of i16"] = digest(function(b) return table.concat({ b:view("i16"):minmax() }, " ") end),
  unique = digest(function(b) return b:view("u16"):unique() end),
  ["unique of u32"] = digest(function(b) return b:slice(1 << 20, 1 << 20):view("u32"):unique() end),
  sorted = digest(function(b) return b:view("u8"):sorted() end),
  crc32 = digest(function(b) return b:crc32() end),
  xxh3 = digest(function(b) return b:xxh3() end),
  ["sha256 of a slice"] = digest(function(b) return b:slice(5 << 20, 1 << 20):sha256() end),
  ["strided view of a slice"] = digest(function(b) return b:slice(3):view("u8", 1, nil, 4099):sum() end),
  find = none(function(b) return b:find "\2" end, nil),
  rfind = none(function(b) return b:rfind "\2\2" end, nil),
  ["count <"] = none(function(b) return b:view("u8"):count(">", 1) end, 0),
  regex = none(function(b) return mmap.regex("\2"):count(b) end, 0),
}

-- Rows are counted by their newlines; zeros after the last newline are one more row.
local function rows(n) return n // #ROW + (n < text.size and 1 or 0) end
local function begun(n) return (n + #ROW - 1) // #ROW end
local layout = mmap.struct { { "number", "char[3]" }, { "comma", "u8" }, { "word", "bytes[3]" }, { "rest", "u8", 1 } }
local function somewhere(length) return random(0, text.size - length) end
local function times(f) return { run = function(b) for _ = 1, 500 do f(b) end end } end
text.operations = {
  lines = { wanted = rows, run = function(b)
    local n = 0
    for line in b:lines() do check_text(line, ROW) n = n + 1 end
    return n
  end },
  ["lines, ranges"] = { wanted = rows, run = function(b)
    local n = 0
    for offset, length, at in b:lines { ranges = true, find = "abc" } do
      if offset ~= n * #ROW or at and (at ~= offset + 4 or length < #ROW - 1) then never(offset) end
      n = n + 1
    end
    return n
  end },
  fields = { wanted = rows, run = function(b)
    local n = 0
    for first, second in b:fields "," do
      check_text(first, "123")
      check_text(second or "", "abc")
      n = n + 1
    end
    return n
  end },
  csv = { wanted = rows, run = function(b)
    -- A field that is no longer a number raises an error that names the row; it must be the last row.
    local n, step = 0, b:fields(",", { "integer", "string" }, { csv = true, skipblank = true })
    while true do
      local ok, first, second = pcall(step)
      if ok and not first then return n end
      if not ok and type(first) == "table" then error(first, 0) end
      if not ok and not first:find(("row %d,"):format(n), 1, true) then never(first) end
      if ok and first ~= 123 and first ~= 12 and first ~= 1 then never(first) end
      if ok then check_text(second, "abc") end
      n = n + 1
    end
  end },
  gmatch = { wanted = begun, run = function(b)
    local n = 0
    for digits in b:gmatch "%d+" do check_text(digits, "123") n = n + 1 end
    return n
  end },
  regex = { wanted = begun, run = function(b)
    local n = 0
    for digits in mmap.regex("\\d+"):gmatch(b) do check_text(digits, "123") n = n + 1 end
    return n
  end },
  count = { wanted = function(n) return n // #ROW end, run = function(b) return b:count(ROW) end },
  match = { run = function(b)
    local at = somewhere(100)
    local offset, digits = b:match("()(%d+)", at)
    if digits and digits ~= ("123"):sub(offset % #ROW + 1, offset % #ROW + #digits) then never(digits) end
  end },
  crc32 = digest(function(b) return b:crc32(5) end),
  xxh3 = digest(function(b) return b:xxh3() end),
  sha256 = digest(function(b) return b:sha256() end),
  hexdump = digest(function(b) return b:hexdump(1, 4000) end),
  string = digest(function(b)
    local s = b:string()
    if #s ~= text.size then never(#s) end
    return s
  end),
  totable = digest(function(b) return string.char(table.unpack(b:view("u8", 800):totable(200, 4000))) end),
  each = digest(function(b)
    local sum = 0
    for i, x in b:view("u8", 0, nil, 16):each() do
      if x ~= 0x31 and x ~= 0 then never(x) end
      sum = sum + x * i
    end
    return sum
  end),
  split = { run = function(b)
    local total = 0
    for _, part in ipairs(b:split(7)) do
      check_bytes(part:string(0, math.min(#part, 20)), total)
      total = total + #part
    end
    if total ~= text.size then never(total) end
  end },
  ["some string"] = times(function(b) local at = somewhere(40) check_bytes(b:string(at, 40), at) end),
  ["b[i]"] = times(function(b) local at = somewhere(1) check_bytes(string.char(b[at]), at) end),
  unpack = times(function(b) local at = somewhere(8) check_bytes(b:unpack("c8", at), at) end),
  ["get"] = times(function(b) local at = somewhere(4) check_bytes(string.pack("<I4", b:get("u32le", at)), at) end),
  ["v[i]"] = { run = function(b)
    local v = b:slice(2):slice(1):view("u16be", 2, nil, 3)
    for _ = 1, 200 do
      local i = random(0, #v - 1)
      check_bytes(string.pack(">I2", v[i]), 5 + 3 * i)
    end
  end },
  records = { run = function(b)
    local r = b:slice(#ROW):records(layout)
    for _ = 1, 100 do
      local record = r[random(0, #r - 1)]
      check_text(record.number, "123")
      check_bytes(record:totable().word, 4)
      check_bytes(string.char(record.comma), 3)
      if record.rest[0] ~= 10 and record.rest[0] ~= 0 then never(record.rest[0]) end
    end
    if r:column("comma"):max() > 44 then never "a comma" end
  end },
}

-- Operations that write: the result after a truncation is unknown, but all bytes are zeros and ones.
local function part(b) return b:slice(4 * random(0, 4 << 20), 4 << 20) end
written.operations = {
  fill = { run = function(b) b:fill(1) end },
  mul = { run = function(b) b:view("u8"):mul(1) end },
  ["add into"] = { run = function(b) written.calm:view("u8"):mul(1, b:view "u8") end },
  copy = { run = function(b) if b:copy(0, written.calm) ~= written.size then never "copy" end end },
  ["view copy"] = { run = function(b) b:view("u8"):copy(0, written.calm:view "u8") end },
  ["copy within"] = { run = function(b) b:copy(4096, b, 0, 8 << 20) end },
  sort = { run = function(b) part(b):view("u32"):sort() end },
  ["sort of u8"] = { run = function(b) b:view("u8"):sort() end },
  ["view fill"] = { run = function(b) part(b):view("u16", 1):fill(257) end },
  ["b[i] = v"] = times(function(b) b[random(0, written.size - 1)] = 1 end),
  ["v[i] = x"] = times(function(b) part(b):view("u32be")[random(0, 99)] = 0x01010101 end),
  ["pack and set"] = times(function(b) b:pack("c3", random(0, 99), "\1\0\1") b:set("u16", random(1 << 20), 257) end),
  atomic = times(function(b)
    local a = b:atomic("u32", 4 * random(0, (written.size >> 2) - 1))
    check_ones(a:load())
    check_ones(a:exchange(0x01010101))
    check_ones(select(2, a:compareexchange(0, 0x01010101)))
    check_ones(a:add(0))
    a:store(0x01010101)
  end),
  records = times(function(b)
    local r = b:records(mmap.struct { { "a", "u16" }, { "b", "bytes[2]" } })
    r[random(0, #r - 1)] = { a = 257, b = "\0\1" }
    r[random(0, #r - 1)].b = "\1\1"
  end),
  ["only zeros and ones"] = none(function(b) return b:view("u8"):count(">", 1) end, 0),
}

local names = {}
for _, file in ipairs(files) do
  file.names = {}
  for name in pairs(file.operations) do file.names[#file.names + 1] = name end
  table.sort(file.names)
  for _, name in ipairs(file.names) do
    names[#names + 1] = { file = file, name = name, right = 0, exact = 0, lost = 0 }
  end
end

-- First without the other process, so that every result is known exactly.
for i, one in ipairs(names) do
  local file, operation = one.file, one.file.operations[one.name]
  local n = pick { 0, file.size, random(0, file.size) }
  local b <close> = mmap.anonymous(file.size)
  b:copy(0, file.calm, 0, n)
  mmap.threads(1)
  local wanted = operation.wanted and operation.wanted(n, file)
  mmap.threads(i % 8 + 1)
  local got = operation.run(b)
  if operation.wanted and got ~= wanted then
    error(("%s, %d bytes left: %s, not %s"):format(one.name, n, tostring(got), tostring(wanted)), 0)
  end
end

-- The other process. While `pause` is 1 it waits, and sets `paused`.
local control = mmap.anonymous(64, { shared = true })
local pause, paused = control:atomic("u32", 0), control:atomic("u32", 4)
local function cut(files, pause, paused, seed)
  local mmap = require "mmap"
  math.randomseed(seed)
  local cuts = 0
  while true do
    local file = files[math.random(#files)]
    local ok, b = pcall(mmap.open, file.path, "r+")
    if not ok then return cuts end -- the file was removed
    if pcall(b.resize, b, math.random(0, file.size)) then cuts = cuts + 1 end
    -- Truncate a small file more often, and for longer: operations on it are short.
    for _ = 1, math.random(0, file.size < 1 << 20 and 500000 or 20000) do end
    pcall(b.resize, b, file.size)
    b:close()
    for _ = 1, math.random(0, file.size // 24) do end
    while pause:load() == 1 do
      paused:store(1)
      paused:wake()
      pause:wait(1, 0.5)
      local f = io.open(file.path)
      if not f then return cuts end
      f:close()
    end
  end
end
local plain = {}
for i, file in ipairs { ones, written, text, text, text, text } do plain[i] = { path = file.path, size = file.size } end
local cutter = mmap.spawn(cut, plain, pause, paused, options.seed)
local function hold()
  paused:store(0)
  pause:store(1)
  local until_time = os.time() + 60
  while paused:load() == 0 do
    paused:wait(0, 0.5)
    assert(cutter:running() and os.time() < until_time, "the process that cuts does not")
  end
end
local function go_on()
  pause:store(0)
  pause:wake()
end

local function left(b) return b:view("u8"):count("~=", 0) end
local right, exact, lost, calls, rounds = 0, 0, 0, 0, 0
local function step(one, b)
  local operation = one.file.operations[one.name]
  mmap.threads(random(6))
  local before = operation.wanted and not operation.always and left(b)
  local result = operation.run(b)
  one.right, right = one.right + 1, right + 1
  if not operation.wanted then return end
  local after = before and left(b)
  if before ~= after then
    if operation.least and (result < after or result > before) then never(result) end
    return
  end
  local wanted = operation.wanted(after, one.file)
  if result ~= wanted then never(tostring(result):sub(1, 80) .. ", not " .. tostring(wanted):sub(1, 80)) end
  one.exact, exact = one.exact + 1, exact + 1
end

local until_time = os.time() + 40
while (calls < options.calls or right == 0 or exact == 0 or lost == 0) and os.time() < until_time do
  if rounds % 25 == 0 then
    hold()
    for _, file in ipairs(files) do make(file) end
    go_on()
  end
  rounds = rounds + 1
  -- Map the full size, whatever size the file has now.
  local file = pick(files)
  local b <close> = map(file)
  for _ = 1, random(4) do
    local one
    repeat one = pick(names) until one.file == file
    local ok, e = pcall(step, one, b)
    calls = calls + 1
    if not ok and one.name:find "^sort" and tostring(e):find("the elements were changed while they were being sorted", 1, true) then
      -- Truncated and grown again while sorting: elements became zeros, and no access was past the end.
      break
    elseif not ok then
      local text = ("seed %d, %s of %s: %s"):format(options.seed, one.name, file.path, tostring(e))
      assert(type(e) == "table" and e.code == "SIGBUS" and e.offset >= 0 and e.offset < file.size, text)
      -- From now on every access raises, until the file is mapped again; but if only the end of `lines` or `fields` found
      -- that the file is shorter, no page was lost.
      local is_end = one.file.unit == ROW and tostring(e):find("and zeros follow", 1, true)
      assert(is_end or not pcall(b.string, b, 0, 1), text)
      one.lost, lost = one.lost + 1, lost + 1
      break
    end
  end
end
for _, file in ipairs(files) do os.remove(file.path) end
local ok, cuts = cutter:wait(60)
assert(ok and cuts > 0, "the process that cuts: " .. tostring(cuts))
for _, file in ipairs(files) do assert(file.calm:count(file.unit) == file.size // #file.unit) end
for _, one in ipairs(names) do
  if options.verbose then
    local text = "%6d right, of them %6d known, %6d lost  %s of %s"
    print(text:format(one.right, one.exact, one.lost, one.name, one.file.path))
  end
  assert(one.right > 0 or calls < 100 * #names, one.name .. " never came to its end")
end
assert(right > 0 and exact > 0 and lost > 0, ("right %d, of them known %d, lost %d"):format(right, exact, lost))
print(("%d calls, right %d, of them known %d, lost %d, %d cuts"):format(calls, right, exact, lost, cuts))
