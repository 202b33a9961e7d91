-- csvstat.lua FILE [SEPARATOR] - what is in each column of a CSV file with a header: type, empty
-- fields, lowest, highest and mean of numbers, shortest and longest of texts.
-- csvstat.lua --generate ROWS FILE - writes a CSV file with quotes, newlines in them and gaps.
--
-- The separator is a comma if not said; "tab" for a tab.
--
-- test: --generate 1000 "$TMP/things.csv"
-- test: "$TMP/things.csv"

local function usage()
  io.stderr:write "usage: mmaplua csvstat.lua FILE [SEPARATOR] | --generate ROWS FILE\n"
  os.exit(2)
end

local function generate(rows, path)
  math.randomseed(rows)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write 'id,name,"price, net",note\r\n')
  for i = 1, rows do
    local price = math.random(10) > 1 and ("%.2f"):format(math.random() * 100) or ""
    local note = ({ "", "plain", '"said ""so"""', '"two\r\nlines"', '"a, b"' })[math.random(5)]
    assert(file:write(("%d,thing %d,%s,%s\r\n"):format(i, math.random(50), price, note)))
  end
end

-- Takes the fields of a row into the columns, one after the other: a row needs no table.
local function take(columns, i, text, ...)
  if text == nil then return end
  local c = columns[i]
  if not c then
    c = { name = "(" .. i .. ")", fields = 0, empty = 0, numbers = 0, floats = 0, sum = 0.0, short = math.huge, long = 0 }
    columns[i] = c
  end
  c.fields = c.fields + 1
  if text == "" then
    c.empty = c.empty + 1
  else
    local x = tonumber(text)
    if x then
      c.numbers, c.sum = c.numbers + 1, c.sum + x
      if math.type(x) == "float" then c.floats = c.floats + 1 end
      if not c.low or x < c.low then c.low = x end
      if not c.high or x > c.high then c.high = x end
    end
    if #text < c.short then c.short = #text end
    if #text > c.long then c.long = #text end
  end
  return take(columns, i + 1, ...)
end

local function examine(path, separator)
  local b <close> = mmap.open(path)
  b:advise "sequential"
  local step = b:fields(separator, nil, { csv = true, skipblank = true })
  local names, columns, rows = table.pack(step()), {}, 0
  local function row(first, ...)
    if first == nil then return false end
    rows = rows + 1
    take(columns, 1, first, ...)
    return true
  end
  while row(step()) do end
  for i, c in ipairs(columns) do c.name = names[i] or c.name end
  return columns, rows
end

local function describe(c)
  local filled = c.fields - c.empty
  if filled == 0 then return "empty", "", "", "" end
  if c.numbers == filled then
    return c.floats > 0 and "number" or "integer", tostring(c.low), tostring(c.high), ("%.6g"):format(c.sum / c.numbers)
  end
  return "text", c.short .. " bytes", c.long .. " bytes", ""
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then
  generate(math.tointeger(arg[2]), arg[3])
  return
elseif #arg < 1 or #arg > 2 or arg[1]:sub(1, 2) == "--" then
  usage()
end
local ok, columns, rows = pcall(examine, arg[1], arg[2] == "tab" and "\t" or arg[2] or ",")
if not ok then
  io.stderr:write("csvstat.lua: ", tostring(columns), "\n")
  os.exit(1)
end
local layout = "%-20s %-8s %8s %14s %14s %12s"
print(layout:format("column", "type", "empty", "lowest", "highest", "mean"))
for _, c in ipairs(columns) do
  local kind, low, high, mean = describe(c)
  print((layout:format(c.name, kind, c.empty, low, high, mean):gsub("%s+$", "")))
end
print(("%d rows"):format(rows))
