-- b:fields, with quotes and without, b:lines, and b:split against a model that reads a string byte by byte.
local common = require "common"
local sub = string.sub

local function at(s, p, what) return sub(s, p, p + #what - 1) == what end

-- Rows as lists of strings, and the error message for a malformed row.
local function rows_of(s, sep, quoted, line)
  local rows, p = {}, at(s, 1, "\xEF\xBB\xBF") and 4 or 1
  local first = p
  local function border()
    if p > #s then return "end" end
    if at(s, p, sep) then p = p + #sep return "field" end
    if line then
      if at(s, p, line) then p = p + #line return "row" end
    elseif at(s, p, "\n") then p = p + 1 return "row"
    elseif at(s, p, "\r\n") then p = p + 2 return "row" end
  end
  while p <= #s do
    local row, from = {}, p
    local function problem(text)
      local _, lines = sub(s, first, from - 1):gsub((line or "\n"):gsub("%p", "%%%0"), "")
      return ("row %d, line %d, offset %d, field %d: %s"):format(#rows, lines + 1, from - 1, #row + 1, text)
    end
    repeat
      local text, what = {}, nil
      if quoted and at(s, p, '"') then
        p = p + 1
        while true do
          if p > #s then return rows, problem "the quote is not closed" end
          if at(s, p, '""') then text[#text + 1] = '"' p = p + 2
          elseif at(s, p, '"') then p = p + 1 break
          else text[#text + 1] = sub(s, p, p) p = p + 1 end
        end
        what = border()
        if not what then return rows, problem "the closing quote is not" end
      else
        what = border()
        while not what do
          if quoted and at(s, p, '"') then return rows, problem "a quote inside a field" end
          text[#text + 1] = sub(s, p, p)
          p = p + 1
          what = border()
        end
      end
      row[#row + 1] = table.concat(text)
    until what ~= "field"
    rows[#rows + 1] = row
  end
  return rows
end

local function rows_by(b, sep, options)
  local rows = {}
  local ok, message = pcall(function()
    local step = b:fields(sep, nil, options)
    while true do
      local row = table.pack(step())
      if row[1] == nil then return end
      rows[#rows + 1] = row
    end
  end)
  return rows, not ok and message or nil
end

local function check_fields(b, s, sep, quoted, line)
  local about = ("%q by %q and %q"):format(s, sep, line or "")
  local wanted, problem = rows_of(s, sep, quoted, line)
  local rows, message = rows_by(b, sep, { csv = quoted, sep = line })
  if problem and not (message and message:find(problem, 1, true)) then
    error(("%s: %s, not %s"):format(about, message, problem))
  elseif message and not problem then
    error(about .. ": " .. message)
  end
  if #rows ~= #wanted then error(("%s: %d rows, not %d"):format(about, #rows, #wanted)) end
  for i, row in ipairs(wanted) do
    row.n = #row
    common.same(rows[i], row, about .. ", row " .. i)
  end
end

-- Lines as "offset:text|", concatenated.
local function lines_of(s, sep)
  local out, from, p = {}, 1, 1
  while p <= #s do
    if at(s, p, sep) then
      out[#out + 1] = (from - 1) .. ":" .. sub(s, from, p - 1) .. "|"
      p = p + #sep
      from = p
    else
      p = p + 1
    end
  end
  if from <= #s then out[#out + 1] = (from - 1) .. ":" .. sub(s, from) .. "|" end
  return table.concat(out)
end

local function check_lines(b, s, sep, needle)
  local out = {}
  for line, offset, place in b:lines { sep = sep, find = needle } do
    out[#out + 1] = offset .. ":" .. line .. "|"
    local found = line:find(needle, 1, true)
    if place ~= (found and offset + found - 1) then error(("%q in %q: %s"):format(needle, line, place)) end
  end
  local got, wanted = table.concat(out), lines_of(s, sep)
  if got ~= wanted then error(("lines of %q by %q: %q, not %q"):format(s, sep, got, wanted)) end
end

local function check_split(b, s, sep, pieces)
  local parts, place = b:split(pieces, sep), 0
  if #parts ~= pieces then error(#parts .. " pieces, not " .. pieces) end
  for i, part in ipairs(parts) do
    local bytes = part:string()
    place = place + #bytes
    if bytes ~= sub(s, place - #bytes + 1, place) then error("a piece is not what stands there") end
    if #bytes > 0 and place < #s and sub(bytes, -#sep) ~= sep then error(("piece %d of %q ends at no separator"):format(i, s)) end
  end
  if place ~= #s then error("the pieces are not the whole") end
end

local SEPARATORS <const> = { ";", ",", "\t", "::", "ab", "a", "aa", " " }
local LINES <const> = { "\n", "\r\n", "\0", "||", "aab", "x" }

return function(input)
  local r = common.reader(input)
  local how, kind = r:byte(), r:byte()
  local sep, line = SEPARATORS[(kind & 7) + 1], LINES[kind >> 3 & 7]
  local needle = kind & 64 == 64 and r:text(how >> 4)
  local s = r:rest()
  local b = common.place(s, how & 1 == 1)
  if needle then
    check_lines(b, s, line or sep, needle)
    check_split(b, s, line or sep, 1 + (how >> 1 & 7))
  elseif not (line and line:sub(1, #sep) == sep) then
    check_fields(b, s, sep, how & 2 == 2, line)
  end
end
