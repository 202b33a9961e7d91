-- challenge.lua FILE - the one-billion-row challenge by a parser that reads byte by byte, as one would write it in C.
-- brc.lua does the same in a few lines, and makes such a file: a line "station;12.3" per measurement.
--
-- The loop below is ordinary Lua. mmap.compile makes machine code of it, and mmap.parallel runs it on all cores, for a
-- piece of the file each. Without the compiler the interpreter runs it, with the same answer. It trusts the lines to be
-- of that form, as programs for the challenge do; brc.lua checks them.
--
-- test: "$("$mmaplua" "$EXAMPLES/brc.lua" --generate 5000 "$TMP/measurements" && echo "$TMP/measurements")"

if #arg ~= 1 then
  io.stderr:write "usage: mmaplua challenge.lua FILE\n"
  os.exit(2)
end

-- A hash table of numbers for each piece: six for each place, and a station is at the first free place after its hash.
local PLACES <const>, FIELDS <const> = 1 << 15, 6
local COUNT <const>, SUM <const>, LEAST <const>, MOST <const>, NAME <const>, LENGTH <const> = 0, 1, 2, 3, 4, 5

-- Pieces first to last: piece i is from starts[i] to starts[i + 1], in bytes of b.
local function measure(first, last, b, starts, stations)
  for piece = first, last do
    local base = piece * PLACES * FIELDS
    local p, stop, count = starts[piece], starts[piece + 1], 0
    while p < stop do
      local name, hash, c = p, 0, b[p]
      while c ~= 59 do -- ";"
        hash = (hash ~ c) * 0x100000001b3
        p = p + 1
        c = b[p]
      end
      local length = p - name
      p = p + 1
      c = b[p]
      local is_negative = c == 45 -- "-"
      if is_negative then
        p = p + 1
        c = b[p]
      end
      local tenths = 0
      while c ~= 10 do
        if c ~= 46 then tenths = tenths * 10 + c - 48 end -- "."
        p = p + 1
        c = b[p]
      end
      p = p + 1
      if is_negative then tenths = -tenths end

      local place = (hash ~ hash >> 29) & PLACES - 1
      local s = base + place * FIELDS
      while stations[s + COUNT] > 0 do
        local other, k = stations[s + NAME], 0
        if stations[s + LENGTH] == length then
          while k < length and b[other + k] == b[name + k] do k = k + 1 end
          if k == length then break end
        end
        place = place + 1 & PLACES - 1
        s = base + place * FIELDS
      end
      if stations[s + COUNT] == 0 then
        count = count + 1
        if count == PLACES then error("there are more than " .. PLACES - 1 .. " stations") end
        stations[s + NAME], stations[s + LENGTH] = name, length
        stations[s + LEAST], stations[s + MOST] = tenths, tenths
      end
      stations[s + COUNT] = stations[s + COUNT] + 1
      stations[s + SUM] = stations[s + SUM] + tenths
      if tenths < stations[s + LEAST] then stations[s + LEAST] = tenths end
      if tenths > stations[s + MOST] then stations[s + MOST] = tenths end
    end
  end
end

local b <close> = mmap.open(arg[1])
-- A last line without a newline is not for the loop, which reads up to one.
local last = (b:rfind "\n" or -1) + 1
local slices = b:slice(0, last):split(4 * mmap.threads())
local starts = mmap.anonymous(8 * (#slices + 1)):view "i64"
for i, slice in ipairs(slices) do starts[i] = starts[i - 1] + #slice end
local stations = mmap.anonymous(8 * PLACES * FIELDS * #slices):view "i64"
mmap.parallel(mmap.compile(measure), 0, #slices - 1, b, starts, stations)

-- The pieces' tables together, by name.
local all = {}
local function add(name, count, sum, least, most)
  local station = all[name]
  if not station then
    all[name] = { count, sum, least, most }
  else
    station[1], station[2] = station[1] + count, station[2] + sum
    station[3], station[4] = math.min(station[3], least), math.max(station[4], most)
  end
end
for s = 0, #stations - 1, FIELDS do
  local count, sum, least, most, name, length = stations:get(s, FIELDS)
  if count > 0 then add(b:string(name, length), count, sum, least, most) end
end
if last < #b then
  local name, degrees = b:string(last):match "^(.-);(.*)$"
  local tenths = math.floor(degrees * 10 + 0.5)
  add(name, 1, tenths, tenths, tenths)
end
local names, out = {}, {}
for name in pairs(all) do names[#names + 1] = name end
table.sort(names)
for i, name in ipairs(names) do
  local s = all[name]
  -- A half is rounded up, as the challenge says.
  out[i] = ("%s=%.1f/%.1f/%.1f"):format(name, s[3] / 10, math.floor(s[2] / s[1] + 0.5) / 10, s[4] / 10)
end
print("{" .. table.concat(out, ", ") .. "}")
