-- Completion for Tab in an interactive session. The chunk gets a function that lists the strings and options a call
-- accepts, according to the manual. It returns a function (line up to the cursor, columns) → text to insert, or nil
-- and a list of candidates to show.

local manual_words = ...
local debug, string, table = debug, string, table
local ipairs, math, next, pairs, pcall, rawget, type = ipairs, math, next, pairs, pcall, rawget, type

local MOST_VISITED <const> = 10000 -- entries visited: a huge table must not block the session
local MOST_LISTED <const> = 200
local DEEPEST <const> = 8 -- length of a chain of __index tables, which can be a cycle

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
    return then true until while]]):gmatch("%a+") do
    keywords[word] = true
end

local function index(object, key) return object[key] end

local function collector(prefix, methods)
    local names, seen, visited = {}, {}, 0

    local function add(name, value, known)
        if type(name) ~= "string" or seen[name] then return end
        if name:sub(1, #prefix) ~= prefix or not name:find("^[%a_][%w_]*$") then return end
        if not known and (keywords[name] or methods and type(value) ~= "function") then return end
        seen[name] = true
        names[#names + 1] = name
    end

    local function each(step, object, first, known)
        for key, value in step, object, first do
            visited = visited + 1
            if visited > MOST_VISITED then return end
            if known and type(value) == "string" then key = value end -- a list of names
            add(key, value, known)
        end
    end

    local function visit(object, depth)
        local meta = debug.getmetatable(object)
        if type(object) == "table" then
            each(next, object)
            -- A read-only proxy is an empty table; its __pairs iterates over the real one.
            if meta and rawget(meta, "__pairs") then
                pcall(function() each(pairs(object)) end)
            end
        end
        if not meta then return end
        local known, behind = rawget(meta, "__methods"), rawget(meta, "__index")
        if type(known) == "table" then each(next, known, nil, true) end
        if type(behind) == "table" and depth < DEEPEST then visit(behind, depth + 1) end
    end

    return names, visit, add
end

local function candidates(word)
    local path, separator, prefix = word:match("^(.*)([.:])([%w_]*)$")
    local names, visit, add = collector(prefix or word, separator == ":")
    if not path then
        if word:find("^%d") then return names, word end
        visit(_ENV, 1)
        for keyword in pairs(keywords) do add(keyword, nil, true) end
        return names, word
    end
    if not ("." .. path):find("^[.%w_]+$") or path:find("^[%d.]") then return names, prefix end
    local object = _ENV
    for name in path:gmatch("[^.]+") do
        local found
        found, object = pcall(index, object, name)
        if not found or object == nil then return names, prefix end
    end
    visit(object, 1)
    return names, prefix
end

local function common(names)
    local first, last = names[1], names[#names] -- sorted: what these two share, all share
    local length = 0
    while length < #first and first:byte(length + 1) == last:byte(length + 1) do length = length + 1 end
    return first:sub(1, length)
end

local function layout(names, columns)
    local shown = table.move(names, 1, math.min(#names, MOST_LISTED), 1, {})
    local width = 0
    for _, name in pairs(shown) do width = math.max(width, #name + 2) end
    local across = math.max(1, columns // width)
    local down = (#shown + across - 1) // across
    local lines = {}
    for row = 1, down do
        local line = {}
        for column = 0, across - 1 do
            local name = shown[column * down + row]
            if name then line[#line + 1] = name .. (" "):rep(width - #name) end
        end
        lines[row] = table.concat(line):gsub(" +$", "")
    end
    if #names > #shown then lines[#lines + 1] = string.format("and %d more", #names - #shown) end
    return table.concat(lines, "\n")
end

-- The call that the end of a line is in: the name of the function, whether the end is in a table constructor, and
-- where its string begins if it is in one.
local function context(line)
    local open, place = {}, 1
    while true do
        local at, mark = line:match("()([\"'(){}%[%]])", place)
        local before = line:sub(1, (at or 0) - 1)
        local callee = before:match("([%w_.:]+)%s*$")
        local around = open[#open] or {}
        if not at then return around.callee, around.mark == "{" end
        place = at + 1
        if mark == '"' or mark == "'" then
            local stop = line:match("^[^" .. mark .. "\\]*()" .. mark, place)
            if not stop then return callee or around.callee, around.mark == "{", place end
            place = stop + 1
        elseif mark:find("[%(%[{]") then
            open[#open + 1] = { mark = mark, callee = callee or around.callee }
        else
            open[#open] = nil
        end
    end
end

local function beginning(words, prefix)
    local names = {}
    for _, word in ipairs(words) do
        if word:sub(1, #prefix) == prefix then names[#names + 1] = word end
    end
    return names, prefix
end

local function everything(line)
    local callee, in_table, string_at = context(line)
    if callee and string_at then
        local option = in_table and line:sub(1, string_at - 2):match("([%w_]+)%s*=%s*$")
        return beginning(manual_words(callee, true, option or nil), line:sub(string_at))
    end
    local word = line:match("[%w_.:]*$")
    if callee and in_table and line:find("[{,]%s*[%w_]*$") then
        local names, prefix = beginning(manual_words(callee, false), word)
        if #names > 0 then return names, prefix end
    end
    if word == "" then return {}, "" end
    return candidates(word)
end

return function(line, columns)
    -- Tab at the beginning of a line is indentation, typed or pasted.
    if line:find("^%s*$") then return "\t" end
    local names, prefix = everything(line)
    if #names == 0 then return end
    table.sort(names)
    local insertion = common(names):sub(#prefix + 1)
    if insertion ~= "" then return insertion end
    if #names > 1 then return nil, layout(names, columns) end
end
