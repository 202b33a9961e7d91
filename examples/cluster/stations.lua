-- stations.lua - least, mean, and greatest temperature of each station, in parts that several machines compute.
--
--   stations.lua part FILE K N [OUT]   part K of N of a CSV file: a row of JSON for each station, to OUT or printed
--   stations.lua merge PART ...        the answer, of the files of all parts
--   stations.lua whole FILE            the answer, without parts
--   stations.lua generate ROWS FILE    makes a file: station, day, temperature; some temperatures are missing
--
-- docs/cluster.md runs it under GNU parallel, over ssh, and as an array of jobs of Slurm.

local function usage()
  io.stderr:write "usage: mmaplua stations.lua part FILE K N [OUT] | merge PART ... | whole FILE | generate ROWS FILE\n"
  os.exit(2)
end

-- What merges exactly, or up to the rounding of the sum: a mean does not, so it is made in the end, of sum and count.
local function partial(t)
  return t:where("temperature", "notnull"):group("station", {
    "count as days", "sum temperature as sum", "min temperature as least", "max temperature as greatest" })
end

local function merge(parts)
  -- The types are given: the sums of a part may happen to look like integers.
  local t = mmap.table(parts, {
    format = "jsonl", columns = { "station string", "days integer", "sum number", "least number", "greatest number" } })
  return t:group("station", { "sum days as days", "sum sum as sum", "min least as least", "max greatest as greatest" })
end

local function show(t)
  print(("%-12s %8s %7s %7s %7s"):format("station", "days", "least", "mean", "greatest"))
  for _, station, days, sum, least, greatest in t:sort("station"):rows() do
    print(("%-12s %8d %7.1f %7.3f %7.1f"):format(station, days, least, sum / days, greatest))
  end
end

local function measurements(path)
  return mmap.table(path, { format = "csv", header = true, columns = { "station string", "temperature number" } })
end

local function generate(rows, path)
  math.randomseed(rows)
  local names <const> = { "Aachen", "Bergen", "Cork", "Delft", "Essen", "Faro", "Gent", "Horn, Cape", "Imst", "Jena" }
  mmap.writefile(path, function(file)
    file:write "station,day,temperature\n"
    for i = 1, rows do
      local k = math.random(#names)
      local degrees = math.random(10) == 1 and "" or ("%.1f"):format(2 * k + 12 * (math.random() + math.random() - 1))
      file:write(('"%s",%d,%s\n'):format(names[k], i % 365 + 1, degrees))
    end
  end)
end

local verbs = {}
function verbs.part(path, k, n, out)
  k, n = math.tointeger(tonumber(k)), math.tointeger(tonumber(n))
  if not k or not n then usage() end
  local name = out or os.tmpname()
  partial(measurements(path):piece(k, n)):write(name, "jsonl")
  if out then return end
  local b <close> = mmap.open(name)
  os.remove(name)
  b:write(io.stdout)
end
function verbs.merge(...) show(merge { ... }) end
function verbs.whole(path) show(partial(measurements(path))) end
function verbs.generate(rows, path) generate(math.tointeger(tonumber(rows)) or usage(), path) end

local least <const>, most <const> = { part = 4, merge = 2, whole = 2, generate = 3 }, { part = 5, whole = 2, generate = 3 }
local verb = arg[1]
if not verbs[verb] or #arg < least[verb] or #arg > (most[verb] or math.huge) then usage() end
local ok, message = pcall(verbs[verb], table.unpack(arg, 2))
if not ok then
  io.stderr:write("stations.lua: ", tostring(message), "\n")
  os.exit(1)
end
