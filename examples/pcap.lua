-- pcap.lua FILE - packets per source address and per second of a capture in the format of pcap(3), drawn as bars.
-- pcap.lua --generate PACKETS FILE - writes a capture of UDP packets over IPv4.
--
-- test: --generate 3000 "$TMP/c.pcap"
-- test: "$TMP/c.pcap"

local function fail(status, text)
  io.stderr:write("pcap.lua: ", text, "\n")
  os.exit(status)
end

local function generate(packets, path)
  math.randomseed(packets)
  mmap.writefile(path, function(file)
    file:write(string.pack("<I4 I2 I2 i4 I4 I4 I4", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    local time = 1700000000.0
    for _ = 1, packets do
      time = time + math.random() / 100
      local source = math.floor(8 ^ math.random()) -- small numbers are frequent
      local data = ("x"):rep(math.random(10, 100))
      local packet = string.pack(">c6 c6 I2 B B I2 I2 I2 B B I2 BBBB BBBB I2 I2 I2 I2", "\2\0\0\0\0\1", "\2\0\0\0\0\2", 0x0800, 0x45, 0,
        28 + #data, 0, 0, 64, 17, 0, 10, 0, 0, source, 10, 0, 0, 200, 4000, 53, 8 + #data, 0) .. data
      file:write(string.pack("<I4 I4 I4 I4", time // 1, math.floor(time % 1 * 1e6), #packet, #packet), packet)
    end
  end)
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then return generate(math.tointeger(arg[2]), arg[3]) end
if #arg ~= 1 then fail(2, "usage: mmaplua pcap.lua FILE | --generate PACKETS FILE") end

-- Calls each(seconds, offset, length) for each packet.
local function packets(b, each)
  local magic = #b >= 24 and b:get("u32le", 0) or 0
  local order = (magic == 0xa1b2c3d4 or magic == 0xa1b23c4d) and "le" or "be"
  magic = #b >= 24 and b:get("u32" .. order, 0) or 0
  if magic ~= 0xa1b2c3d4 and magic ~= 0xa1b23c4d then error("no capture in the format of pcap(3)", 0) end
  local u32 = "u32" .. order
  local link, at = b:get(u32, 20), 24
  if link ~= 1 then error(("link type %d; only Ethernet (1) is known"):format(link), 0) end
  while at + 16 <= #b do
    local length = b:get(u32, at + 8)
    if length > #b - at - 16 then break end
    each(b:get(u32, at), at + 16, length)
    at = at + 16 + length
  end
  return #b - at
end

local function show(title, counts, names)
  table.sort(names, function(x, y)
    if title == "second" then return x < y end
    if counts[x] ~= counts[y] then return counts[x] > counts[y] end
    return x < y
  end)
  local most = 1
  for _, name in ipairs(names) do most = math.max(most, counts[name]) end
  print(("%-16s %8s"):format(title, "packets"))
  for i = 1, math.min(20, #names) do
    print(("%-16s %8d  %s"):format(names[i], counts[names[i]], ("#"):rep(math.ceil(40 * counts[names[i]] / most))))
  end
  if #names > 20 then print(("... and %d more"):format(#names - 20)) end
end

local sources, seconds, source_names, second_names, other = {}, {}, {}, {}, 0
local function count(counts, names, name)
  if not counts[name] then counts[name], names[#names + 1] = 0, name end
  counts[name] = counts[name] + 1
end

local ok, rest = pcall(function()
  local b <close> = mmap.open(arg[1])
  local start
  return packets(b, function(second, offset, length)
    start = start or second
    count(seconds, second_names, second - start)
    if length >= 34 and b:get("u16be", offset + 12) == 0x0800 then
      count(sources, source_names, ("%d.%d.%d.%d"):format(b:get("u8", offset + 26), b:get("u8", offset + 27),
        b:get("u8", offset + 28), b:get("u8", offset + 29)))
    else
      other = other + 1
    end
  end)
end)
if not ok then fail(1, tostring(rest)) end
show("source", sources, source_names)
show("second", seconds, second_names)
if other > 0 then print(("%d packets are not IPv4"):format(other)) end
if rest > 0 then print(("the last packet is incomplete: %d bytes"):format(rest)) end
