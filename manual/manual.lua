-- Takes the texts of the manual apart; README.md beside this file says how they are written.

local manual = {}

local function expand(text, list)
    list = list or {}
    local before, choices, behind = text:match("^(.-){([^}]*)}(.*)$")
    if not before then
        list[#list + 1] = text
    else
        for choice in (choices .. ","):gmatch("(.-),") do expand(before .. choice .. behind, list) end
    end
    return list
end

-- The names of a heading: commas within braces do not part them.
local function names(heading)
    local list, depth, from = {}, 0, 1
    heading = heading .. ","
    for i = 1, #heading do
        local c = heading:sub(i, i)
        if c == "{" then depth = depth + 1 elseif c == "}" then depth = depth - 1 end
        if c == "," and depth == 0 then
            expand(heading:sub(from, i - 1):match("^%s*(.-)%s*$"), list)
            from = i + 1
        end
    end
    return list
end

-- Paragraphs: lines that belong together become one. A line that begins with four blanks stays as it is.
local function paragraphs(lines)
    local list, current = {}, nil
    for _, line in ipairs(lines) do
        if line == "" then
            current = nil
        elseif line:find("^    ") then
            list[#list + 1], current = line, nil
        elseif current then
            list[current] = list[current] .. " " .. line
        else
            current = #list + 1
            list[current] = line
        end
    end
    return list
end

local function trimmed(lines)
    while lines[#lines] == "" do lines[#lines] = nil end
    return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

local function typed(text, what)
    local name, optional, type, about = text:match("^([%w_.]+)(%??) (%S+)%s*(.*)$")
    if not name then error(what .. ": a name, a type and a text are wanted: " .. text, 0) end
    return { name = name, optional = optional == "?", type = type, text = about }
end

-- What a tag's text becomes in the entry.
local tags = {}
function tags.param(entry, text) entry.params[#entry.params + 1] = typed(text, "@param") end
function tags.option(entry, text)
    local param = entry.params[#entry.params] or error("@option without a @param", 0)
    param.options = param.options or {}
    param.options[#param.options + 1] = typed(text, "@option")
end
tags["return"] = function(entry, text)
    local type, name, about = text:match("^(%S+) ([%w_.?]+)%s*(.*)$")
    if not type then error("@return: a type, a name and a text are wanted: " .. text, 0) end
    entry.returns[#entry.returns + 1] = { name = name, type = type, text = about }
end
function tags.field(entry, text)
    local result = entry.returns[#entry.returns] or error("@field without a @return", 0)
    result.fields = result.fields or {}
    result.fields[#result.fields + 1] = typed(text, "@field")
end
function tags.overload(entry, text) entry.overloads[#entry.overloads + 1] = text end
function tags.error(entry, text)
    local code, about = text:match("^(%u[%u%d]+)%s+(.*)$")
    entry.errors[#entry.errors + 1] = { code = code, text = about or text }
end
function tags.names(entry, text)
    entry.constants = {}
    for name in text:gmatch("%S+") do entry.constants[#entry.constants + 1] = name end
end
function tags.see(entry, text)
    for name in (text .. ","):gmatch("%s*(.-)%s*,") do entry.see[#entry.see + 1] = name end
end

local function parse_entry(heading, lines)
    local entry = {
        names = names(heading), signatures = {}, params = {}, returns = {}, overloads = {}, errors = {}, see = {},
    }
    local i, text = 1, {}
    while lines[i] and lines[i] ~= "" do
        entry.signatures[i] = lines[i]
        i = i + 1
    end
    while lines[i] do
        local tag, rest = lines[i]:match("^@(%a+)%s*(.*)$")
        i = i + 1
        if tag == "example" or tag == "prints" then
            local block = {}
            while lines[i] and not lines[i]:find("^@%a+") do
                block[#block + 1] = lines[i]
                i = i + 1
            end
            entry[tag] = trimmed(block)
        elseif tag then
            while lines[i] and lines[i]:find("^  ") do
                rest = rest .. " " .. lines[i]:match("^%s*(.-)$")
                i = i + 1
            end
            if not tags[tag] then error("@" .. tag .. " is not known", 0) end
            tags[tag](entry, rest)
        else
            text[#text + 1] = lines[i - 1]
        end
    end
    entry.text = paragraphs(text)
    return entry
end

-- A section of the manual from the text of its file: { title =, text =, entry … }.
function manual.parse(text)
    local section, heading, lines = {}, nil, {}
    local function finish()
        if heading then
            local ok, entry = pcall(parse_entry, heading, lines)
            if not ok then error(heading .. ": " .. entry, 0) end
            section[#section + 1] = entry
        else
            section.title = lines[1] and lines[1]:match("^# (.+)$") or error("a section begins with its title", 0)
            section.text = paragraphs { table.unpack(lines, 2) }
        end
        lines = {}
    end
    for line in (text:gsub("\n*$", "\n")):gmatch("([^\n]*)\n") do
        local name = line:match("^## (.+)$")
        if name then
            finish()
            heading = name
        else
            lines[#lines + 1] = line
        end
    end
    finish()
    return section
end

-- The first sentence.
function manual.summary(entry)
    local text = entry.text[1] or ""
    return text:match("^(.-%.)%s+%u") or text
end

-- Types that stand for many words: their names and the words. `book` is a list of sections.
function manual.aliases(book)
    local advice, types = {}, {}
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.constants or {}) do
                local short = name:match("^MADV_(.+)$")
                if short then advice[#advice + 1] = short:lower() end
            end
        end
    end
    for name in ("u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64"):gmatch("%w+") do
        types[#types + 1] = name
        if name:find("%d%d") then
            types[#types + 1] = name .. "le"
            types[#types + 1] = name .. "be"
        end
    end
    return { advice = advice, elementtype = types }
end

return manual
