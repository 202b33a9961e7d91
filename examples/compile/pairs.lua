-- pairs.lua FILE [N]: the N most frequent pairs of neighboring bytes of a file (10), counted by a compiled function.
-- test: <(seq 3000) 4
-- test: /dev/null
local path, most = arg[1], tonumber(arg[2]) or 10
if not path then error("usage: pairs.lua FILE [N]", 0) end
local b <close> = mmap.read(path)

-- A table of counters, as in any script; in a compiled function it is machine code. The first N of the pairs stand in a
-- list, the most frequent in front.
local count = mmap.compile(function(b, most)
  local times, best = {}, {}
  local last
  for i = 0, #b - 1 do
    local byte = b[i]
    if last then
      local pair = last << 8 | byte
      times[pair] = (times[pair] or 0) + 1
    end
    last = byte
  end
  for pair = 0, 65535 do
    local n = times[pair]
    if n then
      local place = #best + 1
      while place > 1 and times[best[place - 1]] < n do
        if place <= most then best[place] = best[place - 1] end
        place = place - 1
      end
      if place <= most then best[place] = pair end
    end
  end
  return best, times
end)

local function shown(byte) return byte > 32 and byte < 127 and string.char(byte) or ("\\x%02x"):format(byte) end
local best, times = count(b, most)
for _, pair in ipairs(best) do print(times[pair], shown(pair >> 8) .. " " .. shown(pair & 255)) end
