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

return function(input)
  local r = common.reader(input)
  local how = r:byte()
  local at_start, kind, frame = how & 1 == 1, how & 2 == 2 and "integer" or "number", how >> 2 & 7
  -- A carriage return before a newline belongs to the end of the row.
  local text = r:rest():gsub("[;\n]", ","):gsub("\r+$", "")
  -- An "integer" field accepts every number with an integral value.
  local wanted = tonumber(text)
  if wanted and kind == "integer" then wanted = math.tointeger(wanted) end
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
