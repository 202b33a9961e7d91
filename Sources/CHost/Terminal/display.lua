-- Pictures of the library's objects for an interactive session. The chunk returns a function (value, name of its
-- type, columns of the terminal, whether it shows UTF-8) → text, or nil for no picture.

local shown <const>, size <const> = ...
local concat, sort, pcall, tostring, utf8 = table.concat, table.sort, pcall, tostring, utf8
local next, rawget, ipairs, getmetatable, type = next, rawget, ipairs, getmetatable, type
local integer, min, max = math.type, math.min, math.max

local LARGEST <const> = 64 << 30 -- bytes: a larger buffer takes long to draw
local LINES <const> = 5
local ROWS <const> = 20 -- of a table
local DEEPEST <const> = 3 -- tables in tables
local LOOKED_AT <const> = 1024 -- bytes

local dots = "…"

-- Cuts a line to fit in the columns.
local function fitting(line, columns)
    line = shown((line:gsub("\t", "  ")))
    if utf8.len(line) <= columns then return line end
    return line:sub(1, utf8.offset(line, columns - utf8.len(dots) + 1) - 1) .. dots
end

local function is_text(bytes)
    if bytes == "" or bytes:find("[%z\1-\8\14-\31\127]") then return false end
    -- The last character may be incomplete.
    local length, place = utf8.len(bytes)
    return length ~= nil or place > #bytes - 3
end

-- The first bytes, as lines of text or as a hex dump. Not read when they are not in memory: the picture shows which
-- pages are, and reading would change that.
local function first_lines(b, columns)
    local length = min(#b, LOOKED_AT)
    local known, pages = pcall(b.pages, b, 0, length)
    if known and pages:count() < #pages then return "the first page is not in memory; use b:hexdump(0, 64) to read it" end
    local bytes = b:string(0, length)
    if not is_text(bytes) then return (b:hexdump(0, min(#b, 16 * (LINES - 1))):gsub("\n%x+\n$", "")) end
    local lines = {}
    for line in bytes:gmatch("([^\n]*)\n?") do
        lines[#lines + 1] = fitting(line, columns)
        if #lines == LINES then break end
    end
    if lines[#lines] == "" then lines[#lines] = nil end
    return concat(lines, "\n")
end

local displays = {}

displays["mmap.buffer"] = function(b, columns)
    local info = b:info()
    if info.closed or info.lost or info.length == 0 then return nil end
    local parts = {}
    if info.length <= LARGEST then
        local drawn, picture = pcall(b.show, b, { rows = 4 })
        if drawn then parts[1] = picture end
    end
    parts[1] = parts[1] or tostring(b)
    local read, text = pcall(first_lines, b, columns)
    if read then parts[2] = text end
    return concat(parts, "\n")
end

displays["mmap.view"] = function(v, columns)
    local parts, column = {}, 0
    for i = 0, min(#v, 256) - 1 do
        local x = tostring(v[i])
        if column + #x + 3 > columns then
            parts[#parts + 1] = dots
            break
        end
        parts[#parts + 1] = x
        column = column + #x + 1
    end
    return tostring(v) .. (#parts > 0 and "\n" .. concat(parts, " ") or "")
end

local function field(value)
    if type(value) == "string" then return '"' .. value:gsub('["\\]', "\\%0") .. '"' end
    if type(value) ~= "userdata" then return tostring(value) end
    local parts = {}
    local done, count = pcall(function() return #value end)
    if not done then return "{" .. dots .. "}" end
    for i = 0, min(count, 4) - 1 do parts[#parts + 1] = field(value[i]) end
    return "{" .. concat(parts, " ") .. (count > 4 and " " .. dots or "") .. "}"
end

local function row(layout, record)
    local parts = {}
    for _, f in ipairs(layout:fields()) do parts[#parts + 1] = f.name .. " = " .. field(record[f.name]) end
    return concat(parts, "  ")
end

displays["mmap.records"] = function(r, columns)
    local lines, layout = { tostring(r) }, r:layout()
    for i = 0, min(#r, LINES) - 1 do lines[#lines + 1] = fitting(("[%d] %s"):format(i, row(layout, r[i])), columns) end
    if #r > LINES then lines[#lines + 1] = ("%s and %d more"):format(dots, #r - LINES) end
    return concat(lines, "\n")
end

displays["mmap.table"] = function(t) return tostring(t) end

-- What is counted in bytes in the tables of the library; all of what b:smaps() gives is.
local bytes <const> = {
  length = true, size = true, filesize = true, pagesize = true, stride = true, rss = true, read = true, data = true, hole = true,
}

-- A number with what a person makes of it.
local function number(x, key, is_smaps)
  local text = tostring(x)
  if key == "address" and integer(x) then return ("0x%x"):format(x) end
  if key == "seconds" and x == x and x > 0 and x < 1 then
    local unit, factor = "ms", 1e3
    if x < 1e-3 then unit, factor = "µs", 1e6 end
    return ("%s (%.3g %s)"):format(text, x * factor, dots == "…" and unit or unit == "ms" and unit or "us")
  end
  local is_size = integer(x) == "integer" and (x >= 1024 or x <= -1024) and (bytes[key] or is_smaps)
  if not is_size then return text end
  return ("%s (%s%s)"):format(text, x < 0 and "-" or "", size(x < 0 and -x or x))
end

local inline

-- What has a metatable shows itself.
local function is_plain(t) return getmetatable(t) == nil end

-- A value in one line.
local function plain(value, key, columns, depth, is_smaps)
  local kind = type(value)
  if kind == "number" then return number(value, key, is_smaps) end
  if kind == "string" then return fitting('"' .. value:gsub('["\\\n\r]', { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }) .. '"', columns) end
  if kind == "table" and is_plain(value) then return inline(value, columns, depth) end
  local known, text = pcall(tostring, value)
  return fitting((known and text or kind):match "^[^\n]*", columns)
end

-- The keys of a table: those of a list, other numbers, names, and the rest; and how many are those of a list.
local function keys_of(t)
  local keys, list = {}, 0
  while rawget(t, list + 1) ~= nil do list = list + 1 end
  local rank <const> = { number = 1, string = 2 }
  for key in next, t do
    if not (integer(key) == "integer" and key >= 1 and key <= list) then keys[#keys + 1] = key end
  end
  sort(keys, function(a, b)
    local m, n = rank[type(a)] or 3, rank[type(b)] or 3
    if m ~= n then return m < n end
    if m == 3 then return tostring(a) < tostring(b) end
    return a < b
  end)
  return keys, list
end

local function is_name(key) return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil end
local function key_text(key)
  if is_name(key) then return key end
  return "[" .. plain(key, nil, 40, DEEPEST) .. "]"
end

-- A table in one line: as much as fits, and how many more there are.
function inline(t, columns, depth)
  local keys, list = keys_of(t)
  local count = list + #keys
  if count == 0 then return "{}" end
  if depth >= DEEPEST or columns < 16 then return ("{%s %d}"):format(dots, count) end
  local parts, used = {}, 4
  for i = 1, count do
    local key = i > list and keys[i - list] or i
    local text = plain(rawget(t, key), key, columns - used, depth + 1)
    if i > list then text = key_text(key) .. " = " .. text end
    local width = utf8.len(text) or #text
    local room = columns - used - (i < count and #(" and  more") + #tostring(count - i) + 2 or 0)
    if width > room then
      if i == 1 then return ("{%s %d}"):format(dots, count) end
      return ("{ %s, %s and %d more }"):format(concat(parts, ", "), dots, count - i + 1)
    end
    parts[#parts + 1] = text
    used = used + width + 2
  end
  return "{ " .. concat(parts, ", ") .. " }"
end

-- A list of numbers and the like, in lines.
local function list_lines(t, list, columns)
  local lines, line, used = {}, {}, 0
  for i = 1, list do
    local text = plain(rawget(t, i), nil, columns - 2, DEEPEST)
    local width = (utf8.len(text) or #text) + 2
    if used + width > columns then
      lines[#lines + 1] = concat(line, ", ") .. ","
      line, used = {}, 0
      if #lines == LINES then
        lines[#lines + 1] = ("%s and %d more"):format(dots, list - i + 1)
        return concat(lines, "\n")
      end
    end
    line[#line + 1] = text
    used = used + width
  end
  lines[#lines + 1] = concat(line, ", ")
  return concat(lines, "\n")
end

-- A row for each key, values beneath each other.
local function table_of(t, columns)
  local keys, list = keys_of(t)
  if list + #keys == 0 then return "{}" end
  local is_flat = #keys == 0
  for i = 1, min(list, 1000) do is_flat = is_flat and type(rawget(t, i)) ~= "table" and type(rawget(t, i)) ~= "userdata" end
  if is_flat then return list_lines(t, list, columns) end
  local names, width = {}, 0
  local count, is_smaps = list + #keys, rawget(t, "kernelpagesize") ~= nil
  for i = 1, min(count, ROWS) do
    names[i] = key_text(i > list and keys[i - list] or i)
    width = max(width, utf8.len(names[i]) or #names[i])
  end
  width = min(width, columns // 2)
  local lines = {}
  for i, name in ipairs(names) do
    local key = i > list and keys[i - list] or i
    local text = plain(rawget(t, key), key, columns - width - 2, 1, is_smaps)
    lines[i] = fitting(name, width) .. (" "):rep(width - (utf8.len(name) or #name)) .. "  " .. text
  end
  if count > ROWS then lines[#lines + 1] = ("%s and %d more"):format(dots, count - ROWS) end
  return concat(lines, "\n")
end

return function(value, class, columns, has_unicode)
  dots = has_unicode and "…" or "..."
  if type(value) == "table" then return table_of(value, columns) end
  local display = displays[class]
  return display and display(value, columns)
end
