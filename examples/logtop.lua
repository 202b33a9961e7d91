-- logtop.lua [FIELD [COUNT]] FILE - the most frequent values of a field of an access log.
-- logtop.lua --generate LINES FILE - writes a log in the combined format of Apache and nginx.
--
-- Fields are parted by single spaces and counted from 1, as `cut -d ' '` counts them. In that format
-- the client is 1, the path 7 (the default), the status 9. COUNT values are shown, 10 if not said.
--
-- test: --generate 2000 "$TMP/access.log"
-- test: "$TMP/access.log"
-- test: 9 3 "$TMP/access.log"

local function usage()
  io.stderr:write "usage: mmaplua logtop.lua [FIELD [COUNT]] FILE | --generate LINES FILE\n"
  os.exit(2)
end

local function generate(lines, path)
  math.randomseed(lines)
  local file <close> = assert(io.open(path, "wb"))
  local function skewed(n) return math.floor(n ^ math.random()) end -- small numbers are frequent
  for i = 1, lines do
    local status = math.random(20) == 1 and 404 or math.random(50) == 1 and 500 or 200
    assert(file:write(
      ("192.0.2.%d - - [23/Nov/2026:%02d:%02d:%02d +0000] "):format(skewed(250), i // 3600 % 24, i // 60 % 60, i % 60),
      ('"GET /page/%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux)"\n'):format(skewed(5000), status, math.random(200, 90000))))
  end
end

local function frequencies(path, field)
  -- Of each line the first field, which is always there, and the one that is sought: nil where a line
  -- is too short, and only there. What is skipped never becomes a string.
  local types = { "string" }
  for i = 2, field - 1 do types[i] = "skip" end
  if field > 1 then types[field] = "string?" end
  local counts, lines, short = {}, 0, 0
  local b <close> = mmap.open(path)
  b:advise "sequential"
  for first, value in b:fields(" ", types, { null = {} }) do
    lines = lines + 1
    if field == 1 then value = first end
    if value then counts[value] = (counts[value] or 0) + 1 else short = short + 1 end
  end
  return counts, lines, short
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then
  generate(math.tointeger(arg[2]), arg[3])
  return
end
local path, field, count = arg[#arg], 7, 10
if #arg > 1 then field = math.tointeger(arg[1]) end
if #arg > 2 then count = math.tointeger(arg[2]) end
if #arg < 1 or #arg > 3 or path:sub(1, 2) == "--" then usage() end
if not field or not count or field < 1 or field > 4096 then usage() end

local ok, counts, lines, short = pcall(frequencies, path, field)
if not ok then
  io.stderr:write("logtop.lua: ", tostring(counts), "\n")
  os.exit(1)
end
local values = {}
for value in pairs(counts) do values[#values + 1] = value end
table.sort(values, function(x, y)
  if counts[x] ~= counts[y] then return counts[x] > counts[y] end
  return x < y
end)
local width = #tostring(counts[values[1]] or 0)
for i = 1, math.min(count, #values) do
  local n = counts[values[i]]
  print(("%" .. width .. "d %5.1f%%  %s"):format(n, 100 * n / lines, values[i]))
end
print(("%d lines, %d values of field %d%s"):format(lines, #values, field,
  short > 0 and (", which %d lines do not have"):format(short) or ""))
