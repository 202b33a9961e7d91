-- topby.lua FILE KEY1 KEY2 VALUE [COUNT] - the COUNT (20) largest sums of a column of a CSV file with a header, by two others.
-- topby.lua --generate ROWS FILE - writes sales: region, product, day, amount.
--
-- test: --generate 5000 "$TMP/sales.csv"
-- test: "$TMP/sales.csv" region product amount
-- test: "$TMP/sales.csv" product day amount 3

local function fail(status, text)
  io.stderr:write("topby.lua: ", text, "\n")
  os.exit(status)
end

local function generate(rows, path)
  math.randomseed(rows)
  local regions <const> = { "North", "South", "East, coast", 'the "West"' }
  mmap.writefile(path, function(file)
    file:write "region,product,day,amount\n"
    for _ = 1, rows do
      local region = regions[math.random(#regions)]:gsub('"', '""')
      file:write(('"%s",p%02d,%d,%.2f\n'):format(region, math.random(40), math.random(31), math.random(100, 99999) / 100))
    end
  end)
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then return generate(math.tointeger(arg[2]), arg[3]) end
local count = arg[5] and math.tointeger(arg[5]) or 20
if #arg < 4 or #arg > 5 or count < 1 then fail(2, "usage: mmaplua topby.lua FILE KEY1 KEY2 VALUE [COUNT] | --generate ROWS FILE") end

-- The sums by both keys, joined by a byte that no text has. Columns that were not asked for are skipped.
local function sums(path, names)
  local b <close> = mmap.open(path)
  local header = {}
  for name in b:fields("\0", { "string" }, { csv = true, sep = ",", length = (b:find "\n" or #b) }) do header[#header + 1] = name end
  local types, places = {}, {}
  for i, name in ipairs(header) do
    types[i] = "skip"
    for k, wanted in ipairs(names) do
      if name == wanted then types[i], places[k] = k == 3 and "number" or "string", i end
    end
  end
  for k, wanted in ipairs(names) do
    if not places[k] then error(("no column '%s'; there are %s"):format(wanted, table.concat(header, ", ")), 0) end
  end
  while types[#types] == "skip" do types[#types] = nil end
  -- Results come in the order of the columns.
  local position = {}
  for k in ipairs(names) do
    position[k] = 1
    for j in ipairs(names) do if places[j] < places[k] then position[k] = position[k] + 1 end end
  end
  local result = {}
  for x, y, z in b:fields(",", types, { csv = true, header = true }) do
    local row = { x, y, z }
    local key = row[position[1]] .. "\0" .. row[position[2]]
    result[key] = (result[key] or 0) + row[position[3]]
  end
  return result
end

local ok, result = pcall(sums, arg[1], { arg[2], arg[3], arg[4] })
if not ok then fail(1, tostring(result)) end
local keys = {}
for key in pairs(result) do keys[#keys + 1] = key end
table.sort(keys, function(x, y)
  if result[x] ~= result[y] then return result[x] > result[y] end
  return x < y
end)
print(("%-20s %-20s %15s"):format(arg[2], arg[3], arg[4]))
for i = 1, math.min(count, #keys) do
  local first, second = keys[i]:match "^(.-)\0(.*)$"
  print(("%-20s %-20s %15.2f"):format(first, second, result[keys[i]]))
end
