-- b:match and b:gmatch with Lua's patterns against string.match and string.gmatch, messages included.
local common = require "common"

-- string.match's time grows with the length of the subject, to the power of the number of repeats.
local LENGTHS <const> = { [0] = 4096, 1024, 256, 64, 24, 12, 8, 6 }

local function show(shift, ok, ...)
  if not ok then return "error: " .. (tostring((...)):gsub("^%S+:%d+: ", "")) end
  local shown = table.pack(...)
  for i = 1, shown.n do
    local v = shown[i]
    shown[i] = math.type(v) == "integer" and tostring(v - shift) or v == nil and "nil" or ("%q"):format(v)
  end
  return table.concat(shown, " ")
end

local function all(shift, gmatch, ...)
  local shown = {}
  local ok, e = pcall(function(...)
    for a, b, c, d in gmatch(...) do
      shown[#shown + 1] = show(shift, true, a, b, c, d)
      if #shown > 60 then break end
    end
  end, ...)
  if not ok then shown[#shown + 1] = show(0, false, e) end
  return table.concat(shown, ";")
end

local function same(got, wanted, about)
  -- Limits differ: Lua allows 200 nested calls, PCRE2 a number of steps.
  if got == wanted or wanted:find "too complex" or got:find "too complex" then return end
  error(("%s: %s, not %s"):format(about, got, wanted), 2)
end

return function(input)
  local r = common.reader(input)
  local how, from, pattern = r:byte(), r:byte(), r:text(r:byte() & 63)
  local _, repeats = pattern:gsub("[*+%-?]", "")
  local text = r:text(LENGTHS[repeats] or 4)
  local b = common.place(text, how & 1 == 1)
  from = math.min(from, #text)
  local about = ("%q on %q from %d"):format(pattern, text, from)
  same(show(0, pcall(b.match, b, pattern, from)), show(1, pcall(string.match, text, pattern, from + 1)), about)
  if how & 2 == 2 then
    same(all(0, b.gmatch, b, pattern, from), all(1, string.gmatch, text, pattern, from + 1), "all of " .. about)
  end
end
