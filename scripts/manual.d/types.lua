-- Annotations (LuaCATS) that describe the library to lua-language-server.

-- The library's types by their short names, found in the names of methods.
local classes, is_class = {}, {}
local function find_classes(book)
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            local name = entry.names[1]:match("^(%l+):")
            if name and not is_class[name] then
                is_class[name] = true
                classes[#classes + 1] = name
            end
        end
    end
    table.sort(classes)
end

-- A type with the library's own names in full.
local function full(type)
    -- A table alone is Lua's.
    return (type:gsub("[%w_.\"=<>~+]+", function(word) return is_class[word] and word ~= "table" and "mmap." .. word or nil end))
end

-- Splits a method's name into class and method.
local function split(name) return name:match("^(%l+)[:.](.+)$") end

return function(book, parser)
    find_classes(book)
    local aliases = parser.aliases(book)
    local lines = {}
    local function add(...) lines[#lines + 1] = select("#", ...) == 1 and ... or string.format(...) end
    local function text(entry)
        for i, paragraph in ipairs(entry.text) do
            if i > 1 then add("---") end
            add("---" .. paragraph:gsub("^%s+", ""))
        end
    end

    add("---@meta mmap")
    add("-- Made by scripts/manual from the texts in manual/.")
    add("")
    for _, name in ipairs { "advice", "elementtype" } do
        is_class[name] = true
        add("---@alias mmap.%s", name)
        for _, word in ipairs(aliases[name]) do add("---| %q", word) end
        add("")
    end
    -- Classes and their operators first: a function may name any class.
    for _, class in ipairs(classes) do
        add("---@class mmap.%s", class)
        for _, section in ipairs(book) do
            for _, entry in ipairs(section) do
                for _, name in ipairs(entry.names) do
                    if name == class .. "[i]" then
                        add("---@field [integer] %s", full(entry.returns[1].type))
                    elseif name == "#" .. class then
                        add("---@operator len: integer")
                    elseif name == class .. ".name" then
                        add("---@field [string] any")
                    end
                end
            end
        end
        add("local %s = {}", class)
        add("")
    end
    add("---@class mmap")
    add("mmap = {}")

    local function signature(entry, has_self)
        local names = {}
        if has_self and not (entry.params[1] and entry.params[1].name == "b") then
            add("---@param b mmap.buffer")
            names[1] = "b"
        end
        for _, param in ipairs(entry.params) do
            -- The object is the first parameter of a function, but no parameter of a method.
            if has_self ~= false or param.name ~= "b" or entry.names[1]:find("^regex") then
                local type = full(param.type)
                if param.options then
                    local fields = {}
                    for _, option in ipairs(param.options) do
                        fields[#fields + 1] = option.name .. (option.optional and "?" or "") .. ": " .. full(option.type)
                    end
                    type = "{" .. table.concat(fields, ", ") .. "}"
                    if entry.names[1] == "mmap.struct" then type = "table" end
                end
                add("---@param %s%s %s %s", param.name, param.optional and "?" or "", type, param.text)
                names[#names + 1] = param.name
            end
        end
        for _, result in ipairs(entry.returns) do
            local type = full(result.type)
            if result.fields then
                local fields = {}
                for _, field in ipairs(result.fields) do
                    fields[#fields + 1] = field.name .. (field.optional and "?" or "") .. ": " .. full(field.type)
                end
                type = "{" .. table.concat(fields, ", ") .. "}"
            end
            add("---@return %s %s %s", type, result.name, result.text)
        end
        return table.concat(names, ", ")
    end

    local groups = {}
    for _, section in ipairs(book) do
        add("\n-- %s", section.title)
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.names) do
                local owner, member = split(name)
                local group = name:match("^(mmap%.%l+)%.")
                if group and not groups[group] then
                    groups[group] = true
                    add("\n%s = {}", group)
                end
                if name:find("^mmap%.%l") and entry.signatures[1]:find "%(" then
                    add("")
                    text(entry)
                    -- A function that is also a method takes the object first.
                    local list = signature(entry, entry.names[1]:find("^buffer:") ~= nil)
                    add("function %s(%s) end", name, list)
                elseif name:find("^mmap%.") then
                    for _, constant in ipairs(entry.constants or { name:sub(6) }) do
                        add("")
                        text(entry)
                        local types = { _VERSION = "string", ["json.null"] = "userdata", ["json.array"] = "table" }
                        add("---@type %s", types[constant] or "integer")
                        add("mmap.%s = nil", constant)
                    end
                elseif is_class[owner] and name:find(":", 1, true) then
                    add("")
                    text(entry)
                    for _, overload in ipairs(entry.overloads) do
                        local types = overload:gsub(":[^,%)]+", full)
                        add("---@overload fun(self: mmap.%s%s", owner, types:gsub("^fun%(%s*(%)?)", function(close)
                            return close == ")" and ")" or ", "
                        end))
                    end
                    add("function %s:%s(%s) end", owner, member, signature(entry, false))
                end
            end
        end
    end
    add("\nreturn mmap")
    return table.concat(lines, "\n") .. "\n"
end
