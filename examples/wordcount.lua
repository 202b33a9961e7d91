-- wordcount.lua FILE... - lines, words and bytes, as wc(1) counts and prints them in the C locale.
--
-- test: "$EXAMPLES"/*.lua
-- test: "$mmaplua" "$TMP/empty" 3>"$TMP/empty"

local mmap = require "mmap"

-- The file may be larger than memory: pages of a mapping come and go as the kernel sees fit, and of
-- the Lua strings there is one block at a time.
local BLOCK <const> = 64 << 10

-- A newline is found fastest as plain text: that is memchr(3).
local function newlines(s)
  local n, at = 0, s:find("\n", 1, true)
  while at do
    n, at = n + 1, s:find("\n", at + 1, true)
  end
  return n
end

-- The words that begin in a block, and whether its last one may go on in the next. For wc a word
-- begins with a printable character (%g) and ends before white space; bytes that are neither, such
-- as the zeros of a binary file, begin none. (GNU wc 9.5 and later let them: that is "%S+()".)
local function words(s, inside)
  local n, from = 0, 1
  if inside then
    from = s:match "^%S*()"
    if from > #s then return 0, true end
  end
  local last
  for stop in s:gmatch("%g%S*()", from) do
    n, last = n + 1, stop
  end
  return n, last == #s + 1
end

local function count(path)
  local b <close> = mmap.open(path)
  b:advise "sequential" -- read ahead more, and drop sooner what is behind us
  local result, inside = { lines = 0, words = 0, bytes = #b, name = path }, false
  for o = 0, #b - 1, BLOCK do
    local s, n = b:string(o, math.min(BLOCK, #b - o)), nil
    n, inside = words(s, inside)
    result.words = result.words + n
    result.lines = result.lines + newlines(s)
  end
  return result
end

if #arg == 0 then
  io.stderr:write "usage: mmaplua wordcount.lua FILE...\n"
  os.exit(2)
end

local total = { lines = 0, words = 0, bytes = 0, name = "total" }
local results, failed = {}, false
for _, path in ipairs(arg) do
  local ok, result = pcall(count, path)
  if ok then
    results[#results + 1] = result
    for _, key in ipairs { "lines", "words", "bytes" } do total[key] = total[key] + result[key] end
  else
    -- One bad file does not keep the others from being counted.
    io.stderr:write(tostring(result), "\n")
    failed = true
  end
end
if #arg > 1 then results[#results + 1] = total end

-- Columns as wide as the largest number that can occur: the sum of the bytes.
local width = #tostring(total.bytes)
local row = ("%%%dd %%%dd %%%dd %%s"):format(width, width, width)
for _, r in ipairs(results) do print(row:format(r.lines, r.words, r.bytes, r.name)) end
os.exit(not failed, true)
