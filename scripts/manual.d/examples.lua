-- Runs every example of the manual, each in a folder of its own.

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Whether the output matches the text; in the text, … stands for any characters, and a line of … for any lines.
local function matches(text, said)
    local pattern = said:gsub("[%^$()%%.%[%]*+%-?]", "%%%0")
    return text:find("^" .. pattern:gsub("…", ".-") .. "$") ~= nil
end

local program = assert(arg[-1])
if not program:find("^/") then
    local here <close> = assert(io.popen "pwd")
    program = here:read "l" .. "/" .. program
end

return function(book, problem, folder)
    local number = 0
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            if entry.example then
                number = number + 1
                local place = folder .. "/" .. number
                assert(os.execute("mkdir " .. quoted(place)))
                local file <close> = assert(io.open(place .. "/example.lua", "wb"))
                assert(file:write(entry.example))
                file:close()
                local run <close> = assert(io.popen(("cd %s && %s example.lua 2>&1"):format(quoted(place), quoted(program))))
                local text = run:read "a"
                local ended = run:close()
                local said = entry.prints or ""
                if not ended or not matches(text, said) then
                    problem("%s: the example of %s prints\n%sand not\n%s", section.path, entry.names[1], text, said)
                end
            end
        end
    end
end
