-- sortcolumn.lua [FILE LAYOUT FIELD [OUT]] - sort one column of a file of records, and say how it is
-- distributed. LAYOUT is the fields of a record in order, "id:u32le,name:char[16],price:f64le". The file
-- stays as it is; the sorted column goes to the file OUT, where one is given, as an array of numbers.
-- Without arguments it makes a million records and sorts their prices.
--
-- test:
-- test: "$EXAMPLES"/tour.lua byte:u8 byte "$TMP/sorted"

local mmap = require "mmap"

local RECORDS <const> = 1000000
local EXAMPLE <const> = "id:u32le,name:char[16],price:f64le"

-- A mistake of the arguments, not of this script: no position in front.
local function fail(format, ...) error(format:format(...), 0) end

local function parse(text)
  local fields = {}
  for field in text:gmatch "[^,]+" do
    local name, type = field:match "^([^:]+):(.+)$"
    if not name then fail("'%s' is not a field, as in %s", field, EXAMPLE) end
    fields[#fields + 1] = { name, type }
  end
  return mmap.struct(fields)
end

local function generate(layout)
  local b = mmap.anonymous(RECORDS * #layout)
  local records = b:records(layout)
  local ids, prices = records:column "id", records:column "price"
  math.randomseed(2026)
  for i = 0, RECORDS - 1 do
    ids[i] = i
    prices[i] = math.random(100, 99999) / 100
  end
  return b
end

local function run(path, description, name, out)
  local layout = parse(description)
  local b <close> = path and mmap.open(path) or generate(layout)
  local records = b:records(layout)
  local column = records:column(name)
  print(("%d records of %d bytes; %s"):format(#records, #layout, tostring(layout)))
  if #column == 0 then return end

  -- A column is every so many bytes; side by side the numbers are sorted faster, and the file stays whole.
  local info = column:info()
  local size = info.count * info.size
  local target <close> = out and mmap.open(out, "w+", { size = size }) or mmap.anonymous(size)
  local sorted = target:view(info.type)
  sorted:copy(0, column)
  local started = os.clock()
  sorted:sort()
  print(("%s sorted in %.3f s: %d different values"):format(name, os.clock() - started, sorted:unique()))
  for _, percent in ipairs { 0, 25, 50, 75, 90, 99, 100 } do
    local value = sorted[(#sorted - 1) * percent // 100]
    print(("%6d %%  %s"):format(percent, value))
  end
  local mean = sorted:mean()
  print(("    mean  %s: %d values are below it"):format(mean, sorted:lowerbound(mean)))
  if out then target:sync() end
end

if #arg ~= 0 and #arg ~= 3 and #arg ~= 4 then
  io.stderr:write "usage: mmaplua sortcolumn.lua [FILE LAYOUT FIELD [OUT]]\n"
  os.exit(2)
end
local ok, problem = pcall(run, arg[1], arg[2] or EXAMPLE, arg[3] or "price", arg[4])
if not ok then
  io.stderr:write("sortcolumn.lua: ", tostring(problem), "\n")
  os.exit(1)
end
