-- Checks that the manual has an entry for everything in the library, and no other entries.

-- Makes an object of each type.
local function objects()
    local buffer = mmap.anonymous(4096)
    local layout = mmap.struct { { "field", "u8" } }
    local records = buffer:records(layout)
    return {
        buffer = buffer, struct = layout, records = records, record = records[0], view = buffer:view "u8",
        regex = mmap.regex "a", pages = buffer:pages(), atomic = buffer:atomic("u32", 0),
        lock = mmap.memfd("m", 1):lockrange(), child = mmap.spawn(function() end),
        table = mmap.table(records),
    }
end

-- Metamethods as headings write them; the manual has no entry for those that only the collector calls.
local operators <const> = {
    __len = "#%s", __tostring = "tostring(%s)", __close = "%s <close>", __pairs = "pairs(%s)",
}

local function found()
    local names = {}
    for name, value in pairs(mmap) do
        if type(value) == "table" then
            for inner in pairs(debug.getmetatable(value).__index) do names["mmap." .. name .. "." .. inner] = true end
        else
            names["mmap." .. name] = true
        end
    end
    for type, object in pairs(objects()) do
        local meta = debug.getmetatable(object)
        for name in pairs(meta.__methods or {}) do
            if type ~= "record" or name ~= "field" then names[type .. ":" .. name] = true end
        end
        for event, name in pairs(operators) do
            -- Except for records, __pairs only raises an error with advice.
            if meta[event] and (event ~= "__pairs" or type == "record") then names[name:format(type)] = true end
        end
        local place = type == "record" and "record.name" or type .. "[i]"
        local _, element = pcall(function() return object[type == "record" and "field" or 0] end)
        if element ~= nil then names[place] = true end
        if meta.__newindex then names[place .. " = x"] = true end
    end
    return names
end

-- Adds a parameter's types to `place`, in the words of Tests/methods.lua.
local function add_words(place, text)
    for word in text:gmatch "[^|]+" do
        word = word:gsub("^file%*$", "file"):gsub("^fun%(%)$", "function"):gsub("^.*%[%]$", "table")
        if word == "advice" or word == "elementtype" or word:find '^"' then word = "string" end
        place[word] = true
    end
end

local function shown(place)
    local words = {}
    for word in pairs(place or {}) do words[#words + 1] = word end
    table.sort(words)
    return table.concat(words, "|")
end

-- The types that each argument may have, over all ways to call the function: a list of sets. An argument that some ways
-- do not have is optional.
local function union(ways)
    local result = {}
    for _, way in ipairs(ways) do
        for i, place in ipairs(way) do
            result[i] = result[i] or {}
            for word in pairs(place) do result[i][word] = true end
        end
    end
    for _, way in ipairs(ways) do
        for i = #way + 1, #result do result[i]["nil"] = true end
    end
    return result
end

-- The ways to call an entry's function, without the object, and the first place from which any argument is accepted.
local function ways_of(entry, name)
    local ways, rest = { {} }, math.huge
    for i, param in ipairs(entry.params) do
        if param.name == "..." then
            rest = i
            break
        end
        ways[1][i] = {}
        add_words(ways[1][i], param.type)
        if param.optional then ways[1][i]["nil"] = true end
    end
    for _, overload in ipairs(entry.overloads) do
        local way = {}
        for optional, words in overload:match "^fun%((.-)%):":gmatch "%w+(%??): ([^,]+)" do
            local place = {}
            add_words(place, words)
            if optional == "?" then place["nil"] = true end
            way[#way + 1] = place
        end
        ways[#ways + 1] = way
    end
    -- In an entry for a method and a function, `b` is named only where the function has it, or not at all.
    local has_method, has_function = false, name:find "^mmap%." ~= nil
    for _, other in ipairs(entry.names) do has_method = has_method or other:find "^%l+:" ~= nil end
    local says_object = entry.params[1] and entry.params[1].name == "b" and has_method and #entry.names > 1
    if says_object and has_function then ways = { ways[1] }
    elseif says_object then table.remove(ways, 1)
    elseif has_method and has_function then
        for _, way in ipairs(ways) do table.insert(way, 1, { buffer = true }) end
        rest = rest + 1
    end
    return ways, rest
end

-- Compares the manual's parameters with those of Tests/methods.lua.
local function compare(entry, name, methods, problem)
    local row = methods.row((name:gsub(":", ".")))
    if not row then return problem("%s has no row in Tests/methods.lua", name) end
    local has_object, rows = not name:find "^mmap%.", {}
    for _, call in ipairs(row.calls) do
        if call.types then rows[#rows + 1] = table.move(call.types, has_object and 2 or 1, #call.types, 1, {}) end
    end
    local ways, rest = ways_of(entry, name)
    local said, tested = union(ways), union(rows)
    for i = 1, math.min(math.max(#said, #tested), rest - 1) do
        -- The tests may require an integer where the manual says number.
        local place = tested[i] or {}
        place.bytes = nil -- strings of any content
        if said[i] and said[i].number and place.integer then place.number, place.integer = true, said[i].integer end
        if shown(said[i]) ~= shown(place) then
            problem("%s, parameter %d: the manual says '%s', Tests/methods.lua '%s'", name, i, shown(said[i]), shown(place))
        end
    end
end

return function(book, problem)
    local methods = dofile "Tests/methods.lua"
    local names, entries, patterns, constants = found(), {}, {}, {}
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.names) do
                if entries[name] then problem("%s has two entries", name) end
                if name:find "^mmap%.%l" and entry.signatures[1]:find "%(" or name:find "^%l+:" then compare(entry, name, methods, problem) end
                entries[name] = true
                if name:find("%*$") then
                    patterns[#patterns + 1] = name
                    if not entry.constants then problem("%s: @names is missing", name) end
                end
                for _, constant in ipairs(entry.constants or {}) do constants["mmap." .. constant] = true end
            end
            if #entry.signatures == 0 then problem("%s: it does not say how it is called", entry.names[1]) end
            if #entry.text == 0 then problem("%s: there is no text", entry.names[1]) end
            if not entry.example then problem("%s: there is no example", entry.names[1]) end
        end
    end
    for _, pattern in ipairs(patterns) do
        local prefix, matches = pattern:sub(1, -2), false
        for name in pairs(names) do
            if name:sub(1, #prefix) == prefix then
                entries[name], matches = true, true
                -- Not the reverse: constants depend on the kernel and the processor.
                if not constants[name] then problem("%s is not among the @names of %s", name, pattern) end
            end
        end
        if not matches then problem("%s has an entry, but the library has nothing of the kind", pattern) end
        entries[pattern] = nil
    end
    for name in pairs(names) do
        if not entries[name] then problem("%s has no entry", name) end
    end
    for name in pairs(entries) do
        if not names[name] then problem("%s has an entry, but the library has it not", name) end
    end
    -- The references of an entry.
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.see) do
                if not entries[name] and not name:find("^[%w_]+%(%w+%)$") then
                    problem("%s: @see %s: there is no such entry", entry.names[1], name)
                end
            end
        end
    end
end
