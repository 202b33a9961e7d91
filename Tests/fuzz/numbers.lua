-- Numbers in fields against tonumber and math.tointeger.
local common = require "common"

local function check(frame, types, options, index, wanted, about, at_start)
  local b = common.place(frame, at_start)
  local got = table.pack(pcall(b:fields(";", types, options)))
  if wanted == nil then
    if got[1] then error(about .. ": no error, but " .. tostring(got[index + 1])) end
  elseif not (got[1] and common.is_same(got[index + 1], wanted) and 1 / got[index + 1] == 1 / wanted) then
    error(("%s: %s, not %s"):format(about, got[index + 1] or got[2], wanted))
  end
end

-- The integer that a numeral is exactly, or nil. A float would be rounded on the way.
local function whole(text)
  local number = tonumber(text)
  if not number or math.type(number) == "integer" then return number end
  local sign, body = text:match "^%s*([-+]?)(.-)%s*$"
  if not body:find "^0[xX]" then
    local head, tail, exponent = body:match "^(%d*)%.?(%d*)[eE]?([-+]?%d*)$"
    if not head then return nil end
    local digits = (head .. tail):gsub("^0+", "")
    local kept = digits:gsub("0+$", "")
    local more = (tonumber(exponent) or 0) - #tail + #digits - #kept
    if kept == "" then return 0 elseif more < 0 or more > 20 then return nil end
    number = tonumber(sign .. kept .. ("0"):rep(more // 1 | 0))
    return math.type(number) == "integer" and number or nil
  end
  local head, tail, exponent = body:match "^0[xX](%x*)%.?(%x*)[pP]?([-+]?%d*)$"
  if not head then return nil end
  local bits = (head .. tail):gsub("%x", function(digit)
    local value, all = tonumber(digit, 16), ""
    for i = 3, 0, -1 do all = all .. (value >> i & 1) end
    return all
  end):gsub("^0+", "")
  local kept = bits:gsub("0+$", "")
  local more = (tonumber(exponent) or 0) - 4 * #tail + #bits - #kept
  if kept == "" then return 0 elseif more < 0 or #kept + more > 64 then return nil end
  local value = 0
  for bit in kept:gmatch "." do value = value << 1 | (bit == "1" and 1 or 0) end
  value = value << (more // 1 | 0)
  if sign == "-" then return (value > 0 or value == math.mininteger) and -value or nil end
  return value > 0 and value or nil
end

return function(input)
  local r = common.reader(input)
  local how = r:byte()
  local at_start, kind, frame = how & 1 == 1, how & 2 == 2 and "integer" or "number", how >> 2 & 7
  -- A carriage return before a newline belongs to the end of the row.
  local text = r:rest():gsub("[;\n]", ","):gsub("\r+$", "")
  -- An "integer" field accepts every number with an integral value.
  local wanted = tonumber(text)
  if kind == "integer" then wanted = whole(text) end
  local about = ("%s of %q in frame %d"):format(kind, text, frame)
  if frame == 0 then
    if text ~= "" then check(text, { kind }, nil, 1, wanted, about, at_start) end
  elseif frame == 1 then
    check(text .. ";x\n", { kind }, nil, 1, wanted, about, at_start)
  elseif frame == 2 then
    check("y;" .. text, { "skip", kind }, nil, 1, wanted, about, at_start)
  elseif frame == 3 then
    check("y;" .. text .. "\r\n1", { "string", kind }, nil, 2, wanted, about, at_start)
  elseif frame == 4 then
    check(text .. ";123456", { kind, "integer" }, nil, 1, wanted, about, at_start)
  elseif not text:find '"' then
    check('"' .. text .. '"', { kind }, { csv = true }, 1, wanted, about, at_start)
  end
end
