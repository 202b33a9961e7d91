-- brc.lua FILE - the one-billion-row challenge: lowest, mean and highest value of each station.
-- brc.lua --generate ROWS FILE - writes such a file: a line "station;12.3" per measurement.
--
-- The answer is printed as the challenge wants it: {Abha=-23.0/18.0/59.2, Abidjan=…}, sorted.
-- See https://github.com/gunnarmorling/1brc.
--
-- test: --generate 5000 "$TMP/measurements"
-- test: "$TMP/measurements"

local function usage()
  io.stderr:write "usage: mmaplua brc.lua FILE | --generate ROWS FILE\n"
  os.exit(2)
end

local function generate(rows, path)
  math.randomseed(rows)
  local stations = {}
  for i = 1, 413 do
    local name = {}
    for j = 1, math.random(2, 8) do name[j] = ({ "ka", "lo", "mé", "ri", "San ", "tu", "shö", "n" })[math.random(8)] end
    stations[i] = { name = table.concat(name) .. i, mean = math.random(-100, 300) / 10 }
  end
  local file <close> = assert(io.open(path, "wb"))
  local block = {}
  for i = 1, rows do
    local station = stations[math.random(#stations)]
    -- The sum of three is about normally distributed.
    local deviation = 12 * (math.random() + math.random() + math.random() - 1.5)
    local tenths = math.floor((station.mean + deviation) * 10)
    block[#block + 1] = ("%s;%.1f\n"):format(station.name, tenths / 10)
    if #block == 10000 or i == rows then
      assert(file:write(table.concat(block)))
      block = {}
    end
  end
end

local function measure(path)
  local b <close> = mmap.open(path)
  b:advise "sequential"
  local stations = {}
  for name, value in b:fields(";", { "string", "number" }) do
    local s = stations[name]
    if not s then
      stations[name] = { value, value, value, 1 } -- lowest, highest, sum, count
    else
      if value < s[1] then s[1] = value elseif value > s[2] then s[2] = value end
      s[3], s[4] = s[3] + value, s[4] + 1
    end
  end
  return stations
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then
  generate(math.tointeger(arg[2]), arg[3])
  return
elseif #arg ~= 1 or arg[1]:sub(1, 2) == "--" then
  usage()
end

local ok, stations = pcall(measure, arg[1])
if not ok then
  io.stderr:write("brc.lua: ", tostring(stations), "\n")
  os.exit(1)
end
local names, out = {}, {}
for name in pairs(stations) do names[#names + 1] = name end
table.sort(names)
for i, name in ipairs(names) do
  local s = stations[name]
  -- Values have one decimal, so their sum is a number of tenths: what the additions rounded goes here.
  local tenths = math.floor(s[3] * 10 + 0.5)
  -- A half is rounded up, as the challenge says.
  local mean = math.floor(tenths / s[4] + 0.5) / 10
  out[i] = ("%s=%.1f/%.1f/%.1f"):format(name, s[1], mean, s[2])
end
print("{" .. table.concat(out, ", ") .. "}")
