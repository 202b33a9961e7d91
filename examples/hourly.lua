-- hourly.lua FILE - requests and bytes per hour of an access log, as bars; FILE may be compressed (.gz, .zst).
-- hourly.lua --generate LINES FILE - writes a log in the combined format of Apache and nginx.
--
-- test: --generate 20000 "$TMP/access.log"
-- test: "$TMP/access.log"
-- test: "$(zstd -q "$TMP/access.log" && echo "$TMP/access.log.zst")"
-- test: "$(gzip -k "$TMP/access.log" && echo "$TMP/access.log.gz")"

local function fail(status, text)
  io.stderr:write("hourly.lua: ", text, "\n")
  os.exit(status)
end

local function generate(lines, path)
  math.randomseed(lines)
  mmap.writefile(path, function(file)
    for i = 1, lines do
      local second = i * 86400 // (lines + 1)
      -- The afternoon is busy: larger answers.
      local size = math.random(200, 2000) * (1 + math.abs(second // 3600 - 3) // 4)
      file:write(("192.0.2.%d - - [23/Nov/2026:%02d:%02d:%02d +0000] "):format(i % 200, second // 3600, second // 60 % 60, second % 60),
        ('"GET /page/%d HTTP/1.1" 200 %d "-" "Mozilla/5.0 (X11; Linux)"\n'):format(i % 500, size))
    end
  end)
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then return generate(math.tointeger(arg[2]), arg[3]) end
if #arg ~= 1 then fail(2, "usage: mmaplua hourly.lua FILE | --generate LINES FILE") end

local path = arg[1]
local is_compressed = path:find "%.gz$" or path:find "%.zst$"
local ok, b = pcall(is_compressed and mmap.decompress or mmap.open, path)
if not ok then fail(1, tostring(b)) end

-- The hour stands after the date in brackets; the size is the second number after the request.
local requests, bytes, order, other = {}, {}, {}, 0
local entry <const> = mmap.regex [==[\[(\d\d/\w{3}/\d{4}:\d\d)[^]]*\] "[^"\n]*" \d{3} (\d+|-)]==]
for offset, length in b:lines { ranges = true } do
  local hour, size = entry:match(b:slice(offset, length))
  if not hour then
    other = other + 1
  else
    if not requests[hour] then requests[hour], bytes[hour], order[#order + 1] = 0, 0, hour end
    requests[hour], bytes[hour] = requests[hour] + 1, bytes[hour] + (math.tointeger(size) or 0)
  end
end

local most = 1
for _, hour in ipairs(order) do most = math.max(most, bytes[hour]) end
print(("%-14s %9s %12s"):format("hour", "requests", "bytes"))
for _, hour in ipairs(order) do
  print(("%-14s %9d %12d  %s"):format(hour, requests[hour], bytes[hour], ("#"):rep(math.ceil(30 * bytes[hour] / most))))
end
if other > 0 then print(("%d lines are not entries of a log"):format(other)) end
b:close()
