-- Pictures of the library's objects for an interactive session. The chunk returns a function (value, name of its
-- type, columns of the terminal, whether it shows UTF-8) → text, or nil for no picture.

local shown <const> = ...
local concat, pcall, tostring, utf8, min, type = table.concat, pcall, tostring, utf8, math.min, type

local LARGEST <const> = 64 << 30 -- bytes: a larger buffer takes long to draw
local LINES <const> = 5
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
    if known and pages:count() < #pages then return "the first page is not in memory; b:hexdump(0, 64) would read it" end
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

return function(value, class, columns, has_unicode)
    local display = displays[class]
    dots = has_unicode and "…" or "..."
    return display and display(value, columns)
end
