-- threads.lua --seed N --calls N: long work on all cores, on a file that another process cuts short and lets grow
-- all the time. Each result is the right one of some moment, or an error with code "SIGBUS"; never a third thing.
local options = { seed = os.time(), calls = 20000 }
for i = 1, #arg, 2 do
  local name = arg[i]:match "^%-%-(%a+)$" or error("what is " .. arg[i])
  options[name] = math.tointeger(tonumber(arg[i + 1])) or error("--" .. name .. " takes an integer")
end
math.randomseed(options.seed)
local SIZE = 24 << 20 -- enough for every operation to be shared
local path = "threads"

-- The file is ones, and zeros where it was cut and has grown: that is what the operations may find.
local function fill()
  local f <close> = assert(io.open(path, "wb"))
  f:write(("\1"):rep(SIZE))
end
fill()
local calm = mmap.anonymous(SIZE)
calm:fill(1)
mmap.threads(4)

local operations = {
  count = function(b) return b:count "\1" <= SIZE end,
  find = function(b) return b:find "\2" == nil end,
  rfind = function(b) return b:rfind "\2\2" == nil end,
  sum = function(b) return b:view("u8"):sum() <= SIZE end,
  max = function(b) return b:view("u32"):max() <= 0x01010101 end,
  minmax = function(b) local low, high = b:view("i16"):minmax() return low >= 0 and high <= 257 end,
  histogram = function(b)
    local bins = b:view("u8"):histogram(3, 0, 3)
    return bins[1] + bins[2] == SIZE and bins[3] == 0
  end,
  ["count <"] = function(b) return b:view("u8"):count(">", 1) == 0 end,
  dot = function(b) local v = b:view "u8" return v:dot(v) <= SIZE end,
  crc32 = function(b) return math.type(b:crc32()) == "integer" end,
  regex = function(b) return mmap.regex("\2"):count(b) == 0 end,
  mismatch = function(b) local at = b:mismatch(calm) return at == nil or at < SIZE end,
  fill = function(b) b:fill(1) return true end,
  add = function(b) b:view("u8"):mul(1) return true end,
  copy = function(b) return b:copy(0, calm) == SIZE end,
}
local names = {}
for name in pairs(operations) do names[#names + 1] = name end
table.sort(names)

-- Without a neighbour every result is known exactly.
assert(calm:count "\1" == SIZE and calm:view("u8"):sum() == SIZE)
local crc = calm:crc32()
for n = 1, 8 do
  mmap.threads(n)
  assert(calm:crc32() == crc and calm:view("f32"):sum() == calm:slice(0):view("f32"):sum())
end

local f <close> = assert(io.open("cutter.lua", "w"))
f:write([[
  local path, size = arg[1], tonumber(arg[2])
  while true do
    local ok, b = pcall(mmap.open, path, "r+")
    if not ok then break end -- it was removed
    pcall(b.resize, b, math.random(0, size))
    pcall(b.resize, b, size)
    b:close()
    for i = 1, math.random(0, 3000000) do end
  end]])
f:close()
local cutter <close> = assert(io.popen(("'%s' cutter.lua %s %d"):format(arg[-1], path, SIZE)))
local right, lost, calls = 0, 0, 0
local until_time = os.time() + 40
while calls < options.calls and os.time() < until_time do
  -- All of it, whatever size the file has at this moment.
  local file <close> = assert(io.open(path, "r+b"))
  local b <close> = mmap.map(SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file)
  for _ = 1, math.random(4) do
    local name = names[math.random(#names)]
    mmap.threads(math.random(6))
    local ok, e = pcall(operations[name], b)
    calls = calls + 1
    if ok then
      assert(e, name .. " found what never was in the file")
      right = right + 1
    else
      assert(type(e) == "table" and e.code == "SIGBUS" and e.offset < SIZE, tostring(e))
      lost = lost + 1
      break
    end
  end
end
os.remove(path)
assert(calm:crc32() == crc)
print(("%d calls, right %d, lost %d"):format(calls, right, lost))
