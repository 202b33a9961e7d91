-- Command line options against those of lua(1); sizes and times against a parser with Lua patterns.
local common = require "common"

local WORDS <const> = {
  "-e", "-l", "-i", "-v", "-E", "-W", "-", "--", "-ex", "-lx", "x", "print(1)", "-iv", "-x", "", "--help", "--version", "--lessons",
  "--lesson", "--lesson=", "--lesson=x", "--check", "--faults", "--trace", "--child=", "--child=3", "--child=-1",
  "--child=99999999999", "--sandbox", "--allow-read=/", "--allow-read=", "--allow-write=/tmp", "--allow-read=/nowhere/x",
  "--allow-env", "--allow-run", "--memory=64M", "--memory=", "--memory=0", "--memory=1e9", "--time=5s", "--time=", "--time=-1",
  "--tim=5s", "--memory", "---", "-\0", "--allow-write=\xff/..", "-W-", "-E-",
}

local UNITS <const> = { [""] = 1, B = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }
local TIMES <const> = { [""] = 1e6, s = 1e6, ms = 1e3, m = 60e6, h = 3600e6 }

-- A number that starts with a digit and has at most one dot, and its unit.
local function split(text)
  local number, unit = text:match "^(%d[%d.]*)(.*)$"
  if not number or select(2, number:gsub("%.", "")) > 1 then return end
  return tonumber(number) + 0.0, unit
end

local function bytes_of(text)
  local number, unit = split(text)
  local factor = number and UNITS[unit:upper()]
  if not factor or number * factor >= 0x1p63 then return 0 end
  return math.tointeger(number * factor // 1)
end

local function microseconds_of(text)
  local number, unit = split(text)
  local factor = number and TIMES[unit]
  if not factor or number * factor > 366 * 86400e6 then return 0 end
  return math.tointeger(number * factor // 1)
end

local function check_amount(text)
  for name, reference in pairs { bytes = bytes_of, microseconds = microseconds_of } do
    local got, wanted = fuzz[name](text), reference(text)
    if got ~= wanted then error(("%s of %q: %d, not %d"):format(name, text, got, wanted)) end
  end
end

-- Parses as lua.c: the requested action, and the argument it is about; nil for options that only mmaplua has.
local function wanted_of(words)
  local i = 1
  while words[i] do
    local word = words[i]
    if word:sub(1, 1) ~= "-" or word == "-" then return "r", i end
    if word == "--" then return "r", i + 1 end
    if word:sub(1, 2) == "--" then return nil end
    local letter = word:sub(2, 2)
    if letter == "e" or letter == "l" then
      if #word == 2 then
        i = i + 1
        if not words[i] or words[i]:sub(1, 1) == "-" then return "m", i - 1 end
      end
    elseif #word ~= 2 or not letter:find "[ivEW]" then
      return "m", i
    end
    i = i + 1
  end
  return "r", i
end

return function(input)
  local r = common.reader(input)
  local how = r:byte()
  if how & 3 == 0 then return check_amount((r:rest():gsub("%z.*", ""))) end
  local words = {}
  for i = 1, how >> 2 & 15 do
    if r:is_at_end() then break end
    local kind = r:byte()
    local word = WORDS[(kind & 63) + 1] or r:short()
    if kind & 64 == 64 then word = word .. r:short() end
    words[i] = word:gsub("%z.*", "")
  end
  local got, place = fuzz.options(table.unpack(words))
  local wanted, at = wanted_of(words)
  local about = table.concat(words, " | ")
  if wanted then
    if got ~= wanted or place ~= at then error(("%s: %s %d, not %s %d"):format(about, got, place, wanted, at)) end
  elseif not got:find "[rhvlcnsmf]" or place < 0 or place > #words + 1 then
    error(("%s: %s %d"):format(about, got, place))
  end
end
