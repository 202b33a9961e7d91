-- edges.lua --seed N --calls N [--verbose]: all functions that read, at the edges of a mapping.
--
-- A call must return the same for the same bytes at the end of a mapping, at its start, and in the middle of other
-- bytes. The bytes end in the middle of a character, a number, a quoted field, or a record. scripts/soak puts an
-- unreadable page at both ends of every mapping (holes.c), so that a read past an end kills the process.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
local methods = dofile(arg[0]:gsub("soak/[^/]*$", "") .. "methods.lua")
math.randomseed(options.seed)
local random = math.random
local page <const> = mmap.PAGESIZE
local function pick(list) return list[random(#list)] end

local words = {
  "some", "words", " ", ",", ";", "\n", "\r\n", '"', '""', '"a,b"', "12", "-3.5e7", "0x1f", "1e400", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
  "\0", "aaaa", "(", ")", "abab", "\xff", "ab\nab", "name=", "\u{301}", "99999999999999999999", ("x"):rep(50) }
-- Incomplete endings, which the bytes after them could complete.
local tails = {
  "\xf0", "\xf0\x9f", "\xf0\x9f\x98", "\xe2", "\xe2\x82", "\xc3", "\x80", "1", "-", "1.", "1e", "1e-", "0x", '"', '"a', '"a"', '"a""', "\r", "a\r", ",",
  ";", "ab", "aba", "\0", "", "\n", "som", "\xff", "e\u{301}", "nan", "inf" }
local behind = { "\x90\x80\x80", "\x9f\x98\x80", "\x80\x80\x80", "aaaa", "\0\0\0\0", "5678", '"",\n', "\n\n", "\r\n", "e5,", "\xff\xff\xff", "baba", "\u{301}\u{301}" }

local function text()
  local list = {}
  for i = 1, random(0, 40) do list[i] = pick(words) end
  return table.concat(list) .. pick(tails)
end

-- ---- calls; each returns its results

local types = { "u8", "i8", "u16", "i16be", "u32", "i32", "u64", "i64be", "f16", "bf16be", "f32", "f64", "f64be" }
local structs = {}
for i, fields in ipairs { { { "a", "char[3]" }, { "b", "u16" } }, { { "a", "bytes[5]" }, { "b", "f64" }, { "c", "u8", 3 } }, { { "a", "char[1]" } } } do
  structs[i] = mmap.struct(fields)
end
local regexes = {}
for _, p in ipairs {
  "\\b", "\\B", "\\w+", "(\\d+)(\\.\\d+)?", ".$", "\\X", "[^a]+", "(?<=a).", "(?=.)", "\\s*$", "a*?b", "(.)\\1", "\\z", "^", "\\R", "[\\x80-\\xff]", "(?i)S",
  "some|words|\\n", "(a(?1)?b)" } do
  for _, flags in ipairs { "", "u", "us", "m", "ui" } do
    local ok, re = pcall(mmap.regex, p, flags)
    if ok then regexes[#regexes + 1] = { re, p .. " " .. flags } end
  end
end
local lua_patterns = { "%w+", "()%s*$", "(%d+)%.?()", "%b\"\"", "%f[%w]%w+", "[^,]*$", "(.)%1", "^.-\n", "%f[%z]", ".-$", "[\x80-\xff]+", "a?b?$", "(a*(.)%w(%s*))" }
local formats = { "z", "s1", "s2", "<I3", ">i5", "d", "c3", "!4 b i4", "f f", "j", "I16", "b z", "s8" }

local function collect(...)
  local results = {}
  for i = 1, 100 do
    local list = table.pack(...)
    local f, s, c = list[1], list[2], list[3]
    if type(f) ~= "function" then return list end
    local count = 0
    for a, b, d in f, s, c do
      results[#results + 1], results[#results + 2], results[#results + 3] = tostring(a), tostring(b), tostring(d)
      count = count + 1
      if count > 500 then break end
    end
    return results
  end
end

local reads = {
  string = function(b, n) return b:string(random(0, n)) end,
  unpack = function(b, n) return b:unpack(pick(formats), math.max(0, n - random(0, 9))) end,
  get = function(b, n) return b:get(pick(types), math.max(0, n - random(0, 9))) end,
  byte = function(b, n) return b[n - 1], b[n] end,
  node = function(b, n) return b:readUIntLE(math.max(0, n - 6), random(6)) end,
  find = function(b, n) return b:find(pick(words), random(0, n)) end,
  ["find tail"] = function(b, n) return b:find(pick(tails), random(0, n)) end,
  rfind = function(b, n) return b:rfind(pick(tails), random(0, n)) end,
  count = function(b, n) local w = pick(words) return b:count(w, random(0, n)) end,
  compare = function(b, n) return b:compare(b:string() .. pick(behind)) end,
  mismatch = function(b, n) return b:mismatch(b:string() .. pick(behind)) end,
  itself = function(b, n) local k = random(0, n // 2) return b:slice(0, n // 2):compare(b:slice(k)), b:find(b:slice(k)), b:rfind(b:slice(n - k)) end,
  crc32 = function(b, n) return b:crc32(random(0, n)) end,
  xxh3 = function(b, n) return b:xxh3(random(0, n)) end,
  sha256 = function(b, n) return b:sha256(random(0, n)) end,
  hexdump = function(b) return b:hexdump() end,
  split = function(b)
    local ends = {}
    for i, part in ipairs(b:split(random(5), pick { "\n", ",", '""', "abab" })) do ends[i] = #part end
    return table.concat(ends, " ")
  end,
  lines = function(b, n) return b:lines { offset = random(0, n), sep = pick { "\n", "\r\n", ",", '""', "abab" }, keep = random(2) == 1 } end,
  found = function(b, n) return b:lines { ranges = true, find = pick(tails) } end,
  fields = function(b, n) return b:fields(pick { ",", ";", "ab", " " }, nil, { csv = random(2) == 1, offset = random(0, n) }) end,
  numbers = function(b, n) return b:fields(pick { ",", ";" }, { "string", "number?", pick { "integer?", "u64?", "skip" } },
    { csv = random(2) == 1, offset = random(0, n), bad = pick { "nil", nil }, decimal = pick { ".", "x" }, null = pick { { "ab" }, nil } }) end,
  options = function(b, n)
    return b:fields(pick { ";", "ab", " " }, nil, { merge = true, comment = pick { "#", "a" }, position = true, offset = random(0, n) })
  end,
  quotes = function(b, n)
    return b:fields(pick { ";", " " }, nil, { quote = pick { '"', "a" }, escape = pick { "b", "\\" }, lazyquotes = random(2) == 1, position = true,
      offset = random(0, n) })
  end,
  ["from the end"] = function(b, n) return b:lines { reverse = true, length = random(0, n), sep = pick { "\n", "\r\n", ",", "ab" } } end,
  ["quoted pieces"] = function(b)
    local ends = {}
    for i, part in ipairs(b:split(random(5), { csv = true, sep = pick { "\n", ",", "ab" }, escape = pick { "\\", nil } })) do ends[i] = #part end
    return table.concat(ends, " ")
  end,
  ["last number"] = function(b, n) return b:fields(",", { pick { "number", "integer" } }, { offset = math.max(0, n - random(0, 9)) }) end,
  match = function(b, n) return b:match(pick(lua_patterns), random(0, n)) end,
  gmatch = function(b, n) return b:gmatch(pick(lua_patterns)) end,
  regex = function(b, n) return pick(regexes)[1]:find(b, random(4) == 1 and random(0, n) or math.max(0, n - random(0, 4))) end,
  ["regex match"] = function(b, n) return pick(regexes)[1]:match(b, random(0, n)) end,
  ["regex gmatch"] = function(b) return pick(regexes)[1]:gmatch(b) end,
  ["regex count"] = function(b) return pick(regexes)[1]:count(b) end,
  records = function(b, n)
    local s = pick(structs)
    local r = b:records(s, n % #s)
    local t = r[#r - 1]:totable()
    return #r, t.a, t.b, t.c and t.c[3]
  end,
  column = function(b, n) local r = b:records(structs[1], n % 5) return r:column "b":sum() end,
  view = function(b, n)
    local type = pick(types)
    local width = tonumber(type:match "%d+") // 8
    local v = b:view(type, n % width)
    local what = pick { "sum", "min", "max", "mean", "argmin", "argmax", "unique", "sorted", "minmax", "stats", "variance", "totable", "histogram", "find", "count", "dot",
      "lowerbound", "each", "median", "quantile", "argsort", "cumsum", "diff", "rolling" }
    if what == "histogram" then return table.concat((v:histogram(5)), " ")
    elseif what == "stats" then local t = v:stats "wrap" return t.sum, t.min, t.max, t.mean
    elseif what == "totable" then return table.concat(v:totable(), " ")
    elseif what == "find" or what == "count" then return v[what](v, pick { "==", "<", ">" }, pick { 0, 97, 1e9 })
    elseif what == "dot" then return v:dot(v, "wrap")
    elseif what == "quantile" then return table.concat(v:quantile { 0, 0.3, 1 }, " ")
    elseif what == "rolling" then return table.concat(v:rolling("max", math.min(3, #v)):totable(), " ")
    elseif what == "argsort" then return table.concat(v:argsort():totable(), " ")
    elseif what == "cumsum" or what == "diff" then
      local ok, result = pcall(v[what], v)
      return ok and table.concat(result:totable(), " ")
    elseif what == "lowerbound" then return v:lowerbound(97), v:upperbound(97)
    elseif what == "sum" and not type:find "f" then return v:sum "wrap" end
    return v[what](v)
  end,
  copies = function(b, n)
    local type = pick(types)
    local v = b:view(type, n % (tonumber(type:match "%d+") // 8))
    local to = mmap.anonymous(8 * math.max(1, #v))
    local target = to:view(pick(types), 0, #v)
    target:copy(0, v, "saturate")
    local s = to:string()
    to:close()
    return s
  end,
  columns = function(b, n) local v = b:view(pick(types), 0, nil, random(3, 20)) return v:sum(), v:max() end }
local names = {}
for name in pairs(reads) do names[#names + 1] = name end
table.sort(names)

-- ---- the run

local calls, raised = 0, 0
local function answer(name, seed, b, n)
  math.randomseed(seed)
  calls = calls + 1
  local results = table.pack(pcall(function() return collect(reads[name](b, n)) end))
  if not results[1] then
    raised = raised + 1
    return "error: " .. tostring(results[2])
  end
  local list = {}
  for i, x in ipairs(results[2]) do list[i] = tostring(x) end
  return table.concat(list, "|")
end

local pages <const> = 3
local function round(seed)
  math.randomseed(seed)
  local s = text()
  local n = #s
  if n == 0 then return end
  local name, kind = pick(names), random(3)
  local last, first, middle = mmap.anonymous(pages * page), nil, mmap.anonymous(pages * page)
  if kind == 1 then first = mmap.anonymous(page) else
    first = mmap.memfd("first", page)
  end
  last:copy(pages * page - n, s)
  first:copy(0, s)
  local at = page - random(0, 20)
  local places = { last:slice(pages * page - n), first:slice(0, n) }
  if n < page then first:copy(n, pick(behind):rep(3):sub(1, math.min(9, page - n))) end
  local given = answer(name, seed, places[1], n)
  local function compare(b, what)
    local other = answer(name, seed, b, n)
    if other ~= given then
      error(("%s of %q, seed %d: %q, and %s %q"):format(name, s, seed, given:sub(1, 200), what, other:sub(1, 200)), 0)
    end
  end
  compare(places[2], "at the start")
  for i = 1, 3 do
    middle:fill(pick(behind))
    middle:copy(at, s)
    if random(2) == 1 then middle:copy(at + n, behind[(seed + i) % #behind + 1]) end
    compare(middle:slice(at, n), "with others around")
  end
  last:close() first:close() middle:close()
end

-- The cases of all methods, on buffers, views, and records that end at the end of the mapping.
local row = mmap.struct { { "id", "u32" }, { "name", "char[8]" }, { "pos", "f64", 3 }, align = false }
local makers = {
  buffer = function(b) return b end, view = function(b, type, width) return b:view(type, #b % width) end,
  records = function(b) return b:records(row, #b % #row) end }
local function cases()
  for object, make in pairs(makers) do
    for _, kind in ipairs { "touches", "writes" } do
      for _, case in ipairs(methods.cases(object, kind)) do
        local b = mmap.anonymous(pages * page)
        b:fill "some;words\n12,"
        local tail = pick(tails)
        b:copy(#b - #tail, tail)
        local type, start = pick(types), random(0, page)
        local width = tonumber(type:match "%d+") // 8
        local o, other = make(b:slice(start), type, width), mmap.anonymous(pages * page)
        local context = { rows = b:string(), full = b:string(), greatest = 100, floats = type:find "f" and true,
          other = object ~= "records" and make(other:slice(start), type, width) or nil }
        if not pcall(case.run, o, context) then raised = raised + 1 end
        calls = calls + 1
        b:close() other:close()
      end
    end
  end
end

local seed = options.seed * 1000003
while calls < options.calls do
  for _ = 1, 2000 do
    round(seed)
    seed = seed + 1
  end
  math.randomseed(seed)
  if methods.cases then cases() end
end
print(("%d calls, %d raised"):format(calls, raised))
