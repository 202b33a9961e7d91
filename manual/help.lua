-- What `help` says at the prompt, and what Tab completes of it. The chunk is called with the parser, the texts,
-- the set of the library's types, a table of the names of its functions, and the library; its results are two functions.

local parser, texts, classes, functions, library = ...
local concat, format, pairs, ipairs, type, utf8 = table.concat, string.format, pairs, ipairs, type, utf8
local min, sort = math.min, table.sort

local book, entries = {}, {}
for text in texts:gmatch("[^\0]+") do
    local section = parser.parse(text)
    book[#book + 1] = section
    for _, entry in ipairs(section) do
        for _, name in ipairs(entry.names) do entries[name] = entry end
        -- b:advise stands for buffer:advise
        local letters = entry.signatures[1]:match("^(%l+)[:%[]")
        local class = entry.names[1]:match("^(%l+)[:%[]")
        if letters and class then entries[letters] = class end
    end
end

local columns = 80

local function width(text) return utf8.len(text) or #text end

-- Words in lines between a margin and the terminal's end; the first line begins after what stands there already.
local function wrap(text, margin, first)
    local lines, line = {}, first or (" "):rep(margin)
    local empty = true
    for word in text:gsub("`", ""):gmatch("%S+") do
        if not empty and width(line) + 1 + width(word) > columns then
            lines[#lines + 1] = line
            line, empty = (" "):rep(margin), true
        end
        line = line .. (empty and "" or " ") .. word
        empty = false
    end
    lines[#lines + 1] = line
    return concat(lines, "\n")
end

-- Names in a column, what is said of them beside it.
local function list(lines, items, margin)
    local widest = 0
    for _, item in ipairs(items) do widest = widest < width(item[1]) and width(item[1]) or widest end
    widest = min(widest, 28)
    for _, item in ipairs(items) do
        local name = (" "):rep(margin) .. item[1]
        local column = margin + widest + 2
        if width(name) + 2 > column and item[2] ~= "" then
            lines[#lines + 1] = name
            lines[#lines + 1] = wrap(item[2], column)
        else
            lines[#lines + 1] = wrap(item[2], column, name .. (" "):rep(column - width(name))):gsub(" +$", "")
        end
    end
end

local function block(lines, text)
    for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = "      " .. line end
end

local function described(list)
    local items = {}
    for _, item in ipairs(list) do
        items[#items + 1] = { item.name .. (item.optional and "?" or ""), item.type .. (item.text == "" and "" or ": " .. item.text) }
        for _, field in ipairs(item.options or item.fields or {}) do
            items[#items + 1] = { "  ." .. field.name .. (field.optional and "?" or ""), field.type .. ": " .. field.text }
        end
    end
    return items
end

local function describe(entry)
    local lines = {}
    for _, signature in ipairs(entry.signatures) do lines[#lines + 1] = signature end
    for _, text in ipairs(entry.text) do
        lines[#lines + 1] = ""
        lines[#lines + 1] = wrap(text, 2)
    end
    for _, part in ipairs { { "takes", entry.params }, { "gives", entry.returns } } do
        if #part[2] > 0 then
            lines[#lines + 1] = "\n  " .. part[1]
            list(lines, described(part[2]), 4)
        end
    end
    if #entry.errors > 0 then
        lines[#lines + 1] = "\n  raises"
        local items = {}
        for i, err in ipairs(entry.errors) do items[i] = { err.code or "", err.text } end
        list(lines, items, 4)
    end
    if entry.example then
        lines[#lines + 1] = "\n  for example"
        block(lines, entry.example)
        if entry.prints then
            lines[#lines + 1] = "  prints"
            block(lines, entry.prints)
        end
    end
    if #entry.see > 0 then
        lines[#lines + 1] = ""
        lines[#lines + 1] = wrap("see also " .. concat(entry.see, ", "), 2)
    end
    return concat(lines, "\n")
end

local function title(signature) return signature:match("^(.-) →") or signature end

-- The entries whose names have a beginning, a section after the other.
local function overview(lines, belongs)
    for _, section in ipairs(book) do
        local items = {}
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.names) do
                if belongs(name) then
                    for i, signature in ipairs(entry.signatures) do
                        items[#items + 1] = { title(signature), i == 1 and parser.summary(entry) or "" }
                    end
                    break
                end
            end
        end
        if #items > 0 then
            lines[#lines + 1] = "\n" .. section.title
            list(lines, items, 2)
        end
    end
end

local function of_class(class)
    local lines = { "mmap." .. class }
    local plain = class:gsub("%p", "%%%0")
    overview(lines, function(name)
        return name:find("^" .. plain .. "[:%.%[ ]") or name == "#" .. class or name:find("%(" .. plain .. "%)")
    end)
    return concat(lines, "\n")
end

local function of_module()
    local lines = { "mmap: the library" }
    overview(lines, function(name) return name:find("^mmap%.") end)
    return concat(lines, "\n")
end

local function of_everything()
    local lines = {
        wrap("help(b), help(b.view), help(mmap.open), help \"advise\": what an object, a function or a name is about. "
            .. "help(mmap): the functions of the library.", 0),
    }
    for _, section in ipairs(book) do
        local names, seen = {}, {}
        for _, entry in ipairs(section) do
            for _, signature in ipairs(entry.signatures) do
                local name = signature:match("^mmap%.[%w_]+") or signature:match("^%l+:%w+") or signature:match("^[^ ]+")
                if not seen[name] and name ~= "local" then names[#names + 1] = name end
                seen[name] = true
            end
        end
        lines[#lines + 1] = "\n" .. section.title
        lines[#lines + 1] = wrap(concat(names, ", "), 2)
    end
    return concat(lines, "\n")
end

-- How many letters have to be changed, put in or left out; the count of letters that it takes at most.
local function distance(a, b)
    local row = {}
    for j = 0, #b do row[j] = j end
    for i = 1, #a do
        local corner = row[0]
        row[0] = i
        for j = 1, #b do
            local above = row[j]
            row[j] = min(above + 1, row[j - 1] + 1, corner + (a:byte(i) == b:byte(j) and 0 or 1))
            corner = above
        end
    end
    return row[#b]
end

local function nearest(word)
    local found = {}
    local short = word:match("[%w_]+$") or word
    for name in pairs(entries) do
        local last = name:match("[%w_]+$")
        if last and type(entries[name]) == "table" then
            local d = distance(short:lower(), last:lower())
            if d <= 2 and d < #last or #short > 2 and last:lower():find(short:lower(), 1, true) then
                found[#found + 1] = { d, name }
            end
        end
    end
    sort(found, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
    local names = {}
    for i = 1, min(#found, 6) do names[i] = found[i][2] end
    return names
end

-- Entries by a name as a person writes it: all of it, or its last part; constants by their beginning.
local function lookup(word)
    local owner, rest = word:match("^(%l+)([:%.%[].*)$")
    if type(entries[owner]) == "string" then word = entries[owner] .. rest end
    local exact = entries[word] or entries[word:gsub("^(%l+)%.", "%1:")] or entries["mmap." .. word]
    local found, seen = {}, {}
    local function add(entry, name)
        if type(entry) == "table" and not seen[entry] then
            seen[entry] = true
            found[#found + 1] = { name, entry }
        end
    end
    if word:find("[:%.%[]") then add(exact, word) end
    if #found == 0 then
        local names = {}
        for name in pairs(entries) do names[#names + 1] = name end
        sort(names)
        for _, name in ipairs(names) do
            if name == word or name:match("[:%.]([%w_]+)$") == word then add(entries[name], name) end
            local constants = name:match("^mmap%.(.+)%*$")
            if constants and word:gsub("^mmap%.", ""):find("^" .. constants) then add(entries[name], name) end
        end
    end
    return found
end

-- Entries, and chapters, that speak of a word.
local function speaking(word)
    local pattern = "%f[%w]" .. word:lower():gsub("%p", "%%%0") .. "%f[%W]"
    local function speaks(value)
        if type(value) == "string" then return value:lower():find(pattern) ~= nil end
        if type(value) ~= "table" then return false end
        for key, part in pairs(value) do
            if key ~= "see" and key ~= "example" and key ~= "prints" and speaks(part) then return true end
        end
        return false
    end
    local items = {}
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            if speaks(entry) then items[#items + 1] = { title(entry.signatures[1]), parser.summary(entry) } end
        end
    end
    return items
end

local function of_word(word)
    if word == "" then return of_everything() end
    if word == "mmap" then return of_module() end
    local class = word:gsub("^mmap%.", "")
    if type(entries[class]) == "string" then class = entries[class] end
    if classes["mmap." .. class] and not entries[word] then return of_class(class) end
    local found = lookup(word)
    if #found == 1 then return describe(found[1][2]) end
    local lines = {}
    if #found > 1 then
        lines[1] = format("There are several; help \"%s\" tells more of one.", found[1][1])
        local items = {}
        for i, item in ipairs(found) do items[i] = { item[1], parser.summary(item[2]) } end
        list(lines, items, 2)
    elseif #word > 2 and #speaking(word) > 0 then
        lines[1] = format("These speak of \"%s\":", word)
        list(lines, speaking(word), 2)
    else
        local names = nearest(word)
        lines[1] = format("Nothing is known of \"%s\".", word)
        if #names > 0 then lines[2] = wrap("Near it: " .. concat(names, ", "), 0) end
        lines[#lines + 1] = "help() lists what there is."
    end
    return concat(lines, "\n")
end

-- The text for a value; `class` is the name of its type where it is one of the library's.
local function help(count, value, class, terminal_columns, has_unicode)
    columns = min(terminal_columns, 100)
    local text
    if count == 0 then
        text = of_everything()
    elseif value == library then
        text = of_module()
    elseif type(value) == "string" then
        text = of_word(value)
    elseif value ~= nil and entries[functions[value]] then
        text = describe(entries[functions[value]])
    elseif class and classes[class] then
        text = of_class(class:sub(6))
    elseif type(value) == "function" then
        text = "This function is none of the library's; Lua's own are in its manual, https://www.lua.org/manual/5.4/"
    else
        text = format("A value of the type %s; help() lists what there is.", type(value))
    end
    if not has_unicode then text = text:gsub("→", "->"):gsub("…", "...") end
    return text
end

-- What may stand in quotes as an argument of a function, or as its option: a list. Without `quoted`, the options.
local function words(callee, quoted, option)
    local found, seen, aliases = {}, {}, parser.aliases(book)
    local function add(word)
        if not seen[word] then found[#found + 1] = word end
        seen[word] = true
    end
    local function add_type(type)
        for word in type:gmatch('"([^"]+)"') do add(word) end
        for name in type:gmatch("%a+") do
            for _, word in ipairs(aliases[name] or {}) do add(word) end
        end
    end
    local last = callee:match("[%w_]+$")
    for name, entry in pairs(entries) do
        if last and name:match("[:%.]([%w_]+)$") == last and type(entry) == "table" then
            for _, param in ipairs(entry.params) do
                if quoted and not option then add_type(param.type) end
                for _, item in ipairs(param.options or {}) do
                    if not quoted then add(item.name) elseif item.name == option then add_type(item.type) end
                end
            end
        end
    end
    if last == "help" and quoted then
        for name, entry in pairs(entries) do
            if type(entry) == "table" then add(name:match("^[%w_]+:([%w_]+)$") or name) end
        end
    end
    return found
end

return help, words
