-- Whether the manual has an entry for everything that the library has, and for nothing else.

-- An object of each type.
local function objects()
    local buffer = mmap.anonymous(4096)
    local layout = mmap.struct { { "field", "u8" } }
    local records = buffer:records(layout)
    return {
        buffer = buffer, struct = layout, records = records, record = records[0], view = buffer:view "u8",
        regex = mmap.regex "a", pages = buffer:pages(), atomic = buffer:atomic("u32", 0),
        lock = mmap.memfd("m", 1):lockrange(), child = mmap.spawn(function() end),
    }
end

-- What an operator is called in a heading; the collector's part is nobody's to call.
local operators <const> = {
    __len = "#%s", __tostring = "tostring(%s)", __close = "%s <close>", __pairs = "pairs(%s)",
}

local function found()
    local names = {}
    for name in pairs(mmap) do names["mmap." .. name] = true end
    for type, object in pairs(objects()) do
        local meta = debug.getmetatable(object)
        for name in pairs(meta.__methods or {}) do
            if type ~= "record" or name ~= "field" then names[type .. ":" .. name] = true end
        end
        for event, name in pairs(operators) do
            if meta[event] then names[name:format(type)] = true end
        end
        local place = type == "record" and "record.name" or type .. "[i]"
        local _, element = pcall(function() return object[type == "record" and "field" or 0] end)
        if element ~= nil then names[place] = true end
        if meta.__newindex then names[place .. " = x"] = true end
    end
    return names
end

return function(book, problem)
    local names, entries, patterns, constants = found(), {}, {}, {}
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.names) do
                if entries[name] then problem("%s has two entries", name) end
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
                -- Not the reverse: what there is depends on the kernel and the processor.
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
    -- What an entry points to.
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
