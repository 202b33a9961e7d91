-- mmap.3lua: the manual as a page of mdoc(7).

-- Escapes a line of text: a dot or an apostrophe at its start would be a request.
local function escape(text)
    text = text:gsub("\\", "\\e"):gsub("→", "\\(->"):gsub("…", "..."):gsub("−", "\\-")
    return (text:gsub("^[.']", "\\&%0"))
end

-- A macro argument, in quotes if needed: its words could be macros themselves.
local function quoted(text)
    text = escape(text):gsub('"', "\\(dq")
    -- A single delimiter needs quotes.
    return (#text == 1 or text:find("[%]%)?!.,;:]$")) and '"' .. text .. '\\&"' or '"' .. text .. '"'
end

local function punctuation(text) return (text:gsub(".", " %0")) end

-- Lines of running text; `code` and manual(3) become macros.
local function running(text)
    local lines, line = {}, ""
    local function flush()
        if line ~= "" then lines[#lines + 1] = escape(line) end
        line = ""
    end
    local function word(text)
        if #line + #text >= 78 then flush() end
        line = line .. (line == "" and "" or " ") .. text
        if text:find("%.$") then flush() end -- in mdoc, a sentence ends its line
    end
    local function macro(name, opening, argument, closing)
        flush()
        lines[#lines + 1] = "." .. name .. opening:gsub(".", " %0") .. " " .. argument .. punctuation(closing)
    end
    local place = 1
    while place <= #text do
        local before, code, closing, next = text:match("^(.-)`([^`]*)`([%.,;:%)]*)()", place)
        local opening = before and before:match("%($") or ""
        for piece in (before and before:sub(1, #before - #opening) or text:sub(place)):gmatch("%S+") do
            local left, name, number, right = piece:match("^(%(?)([%w_]+)%((%d%a*)%)([%.,;:%)]*)$")
            if name then macro("Xr", left, name .. " " .. number, right) else word(piece) end
        end
        if not before then break end
        macro("Li", opening, quoted(code), closing)
        place = next
    end
    flush()
    return table.concat(lines, "\n")
end

return function(book)
    local lines = {}
    local function add(...) lines[#lines + 1] = select("#", ...) == 1 and ... or string.format(...) end
    local function items(list)
        for _, item in ipairs(list) do
            add(".It Va %s : Li %s", quoted(item.name), quoted(item.type) .. (item.optional and " , optional" or ""))
            if item.text ~= "" then add(running(item.text)) end
            local inner = item.options or item.fields
            if inner then
                add(".Bl -tag -width Ds -compact")
                for _, field in ipairs(inner) do
                    add(".It Va %s : Li %s", quoted(field.name), quoted(field.type) .. (field.optional and " , optional" or ""))
                    add(running(field.text))
                end
                add(".El")
            end
        end
    end
    local function block(text)
        add(".Bd -literal -offset indent")
        add((text:gsub("[^\n]+", escape):gsub("\n$", "")))
        add(".Ed")
    end

    add('.\\" Made by scripts/manual from the texts in manual/.')
    add(".Dd November 26, 2026")
    add('.Dt MMAP 3lua "Lua Library Functions Manual"')
    add(".Os mmaplua")
    add(".Sh NAME")
    add(".Nm mmap")
    add(".Nd memory-mapped files for Lua")
    add(".Sh SYNOPSIS")
    add(".Ic local mmap = require \\(dqmmap\\(dq")
    add(".Sh DESCRIPTION")
    for i, section in ipairs(book) do
        if i > 1 then add(".Sh %s", section.title:upper()) end
        for n, text in ipairs(section.text) do
            if n > 1 then add(".Pp") end
            add(running(text))
        end
        for _, entry in ipairs(section) do
            add(".Ss %s", quoted(#entry.names > 4 and entry.signatures[1]:match("^[^%(%[]+") .. " and its like"
                or table.concat(entry.names, ", ")))
            block(table.concat(entry.signatures, "\n") .. "\n")
            for n, text in ipairs(entry.text) do
                if n > 1 then add(".Pp") end
                add(running(text))
            end
            if #entry.params > 0 then
                add(".Bl -tag -width Ds")
                items(entry.params)
                add(".El")
            end
            if #entry.returns > 0 then
                add(".Pp\nResults:")
                add(".Bl -tag -width Ds")
                items(entry.returns)
                add(".El")
            end
            if #entry.errors > 0 then
                add(".Pp\nErrors:")
                add(".Bl -tag -width Ds")
                for _, err in ipairs(entry.errors) do
                    add(err.code and ".It Er " .. err.code or ".It")
                    add(running(err.text))
                end
                add(".El")
            end
            if entry.example then
                add(".Pp\nExample:")
                block(entry.example)
                if entry.prints then
                    add(".Pp\nprints")
                    block(entry.prints)
                end
            end
            local pages, names = {}, {}
            for _, name in ipairs(entry.see) do
                local page, number = name:match("^([%w_]+)%((%w+)%)$")
                if page then pages[#pages + 1] = { page, number } else names[#names + 1] = name end
            end
            for n, page in ipairs(pages) do
                if n == 1 then add(".Pp\nSee also") end
                add(".Xr %s %s%s", page[1], page[2], (n < #pages or #names > 0) and " ," or " .")
            end
            for n, name in ipairs(names) do
                if n == 1 and #pages == 0 then add(".Pp\nSee also") end
                add(".Li %s%s", quoted(name), n < #names and " ," or " .")
            end
        end
    end
    add(".Sh SEE ALSO")
    add(".Xr lua5.4 1 ,\n.Xr mmaplua 1 ,\n.Xr mmap 2")
    return table.concat(lines, "\n") .. "\n"
end
