-- tour.lua FILE - a first look at a file, through memory instead of read(2): its size, its first
-- bytes, which byte values occur, its entropy, and how much of it sits in the page cache.
--
-- test: "$EXAMPLES/tour.lua"
-- test: "$mmaplua"
-- test: "$TMP/empty" 3>"$TMP/empty"

local mmap = require "mmap"

local PARTS <const> = 64 -- a part is one character of the strips
local SAMPLE <const> = 8 << 20 -- a Lua loop visits some 20 million bytes a second, so this is short

-- Block characters only where the terminal is said to understand them; the first variable that is
-- not empty decides, as in setlocale(3).
local function locale()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name) or ""
    if value ~= "" then return value:lower() end
  end
  return "c"
end
local unicode = locale():find "utf%-?8"
local LEVELS = unicode and { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
  or { ".", ":", "-", "=", "+", "*", "%", "#" }
local EIGHTHS = unicode and { "▏", "▎", "▍", "▌", "▋", "▊", "▉" } or {}
local FULL, NONE = unicode and "█" or "#", unicode and "·" or "_"

-- One character for a share from 0 to 1; only an exact 0 is "none".
local function level(share) return share == 0 and NONE or LEVELS[math.max(1, math.ceil(share * 8))] end

local function bar(share, width)
  local eighths = math.ceil(share * width * 8)
  return FULL:rep(eighths // 8) .. (EIGHTHS[eighths % 8] or eighths % 8 > 3 and FULL or "")
end

local function grouped(n) -- 1234567 -> 1,234,567
  return (tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function plural(n, noun) return grouped(n) .. " " .. noun .. (n == 1 and "" or "s") end

local function printf(format, ...) print((format:format(...):gsub("%s+$", ""))) end

-- Bits per byte that an ideal code for these frequencies would need.
local function entropy(counts, total)
  local bits = 0.0
  for _, n in pairs(counts) do bits = bits + n / total * math.log(total / n, 2) end
  return bits
end

-- How many pages are in memory, and the same as a strip; or nil where the kernel does not tell.
local function residency(b, part)
  local ok, absent, present = pcall(b.incore, b)
  if not ok then
    -- Files that the caller may not write are hidden: what is cached tells what others read.
    if absent.code == "EPERM" then return nil end
    error(absent, 0)
  end
  local strip = {}
  for o = 0, #b - 1, part do
    local out, resident = b:incore(o, math.min(part, #b - o))
    strip[#strip + 1] = level(resident / (out + resident))
  end
  return present, absent + present, table.concat(strip)
end

local function show_residency(when, present, pages, strip)
  if not present then
    printf("  %-7s the kernel tells only those who own the file or may write it (EPERM)", when)
  else
    local percent = 100 * present // pages -- rounded down: 100 % is all of them
    printf("  %-7s %s of %s in memory (%d %%)", when, grouped(present), plural(pages, "page"), percent)
    printf("          %s", strip)
  end
end

local function histogram(counts, total)
  local rows, largest = {}, 0
  for row = 0, 15 do
    local sum = 0
    for v = row * 16, row * 16 + 15 do sum = sum + (counts[v] or 0) end
    rows[row], largest = sum, math.max(largest, sum)
  end
  for row = 0, 15 do
    local characters = {}
    for v = row * 16, row * 16 + 15 do
      characters[#characters + 1] = v > 31 and v < 127 and string.char(v) or "."
    end
    local percent, length = 100 * rows[row] / total, bar(rows[row] / largest, 46)
    printf("  %x0  %s %5.1f %%  %s", row, table.concat(characters), percent, length)
  end

  local values = {}
  for v in pairs(counts) do values[#values + 1] = v end
  table.sort(values, function(x, y) return counts[x] > counts[y] or counts[x] == counts[y] and x < y end)
  local common = {}
  for i = 1, math.min(4, #values) do
    local v = values[i]
    local name = v > 31 and v < 127 and ("'%c'"):format(v) or ("0x%02x"):format(v)
    common[i] = ("%s %.1f %%"):format(name, 100 * counts[v] / total)
  end
  printf("  %s of 256; most often %s", plural(#values, "value"), table.concat(common, ", "))
end

local function tour(path)
  local start = os.clock()
  local b <close> = mmap.open(path)
  local opened = os.clock()
  local pages = -(-#b // mmap.PAGESIZE) -- rounded up
  printf("%s: %s, %s", path:gsub("%c", "?"), plural(#b, "byte"), plural(pages, "page"))
  if #b == 0 then return print "  nothing to see in an empty file" end

  -- Mapping reads nothing: residency before the first access is what others have left in the cache.
  local part = -(-#b // PARTS)
  local before = table.pack(residency(b, part))

  print "\nFirst bytes"
  printf("%s", b:hexdump(0, math.min(64, #b)):gsub("\n%x+\n$", ""):gsub("%f[^\0\n]", "  "))

  -- Each access below is one byte of the file; a page that is not in memory yet is read by the
  -- kernel at that moment, in the middle of `b[i]`.
  local each = part
  if #b > SAMPLE then
    -- Only the sample of a large file: asked for here, each piece is read at once and as it is. When a
    -- byte is missed the kernel would read ahead, by megabytes on some machines.
    each = SAMPLE // PARTS
    for o = 0, #b - 1, part do b:advise(o, math.min(each, #b - o), "willneed") end
  end
  local counts, total, along = {}, 0, {}
  for o = 0, #b - 1, part do
    local here, stop = {}, math.min(o + each, #b)
    for i = o, stop - 1 do
      local v = b[i]
      here[v] = (here[v] or 0) + 1
    end
    for v, n in pairs(here) do counts[v] = (counts[v] or 0) + n end
    total = total + stop - o
    along[#along + 1] = level(entropy(here, stop - o) / 8)
  end
  local seconds = os.clock() - opened

  print "\nBytes by value"
  if total < #b then
    printf("  of a sample: the first %d KiB of each of %d parts of the file", each >> 10, PARTS)
  end
  histogram(counts, total)
  printf("\nEntropy along the file: %.2f of 8 bits per byte", entropy(counts, total))
  printf("          %s", table.concat(along))
  print "\nResidency"
  show_residency("before", table.unpack(before))
  show_residency("after", residency(b, part))
  -- os.clock is the time of the processor; waiting for a disk is not in it.
  printf("\nMapped in %.2f ms; looked at %s in %.2f s of processor time",
    1000 * (opened - start), plural(total, "byte"), seconds)
end

if #arg ~= 1 then
  io.stderr:write "usage: mmaplua tour.lua FILE\n"
  os.exit(2)
end
local ok, e = pcall(tour, arg[1])
if not ok then
  io.stderr:write(tostring(e), "\n")
  os.exit(1)
end
