-- manual.lua FOLDER [--check]: makes the documents from the manual, and checks them. scripts/manual runs it in the root
-- of the repository. FOLDER is empty and temporary.

local folder, check = arg[1], arg[2] == "--check"
local parser = dofile "manual/manual.lua"

local function contents(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local text = file:read "a"
    file:close()
    return text
end

local book = {}
local listing <close> = assert(io.popen "LC_ALL=C ls -v manual/*.txt")
for path in listing:lines() do
    local ok, section = pcall(parser.parse, contents(path))
    if not ok then error(path .. ": " .. section, 0) end
    section.path = path
    book[#book + 1] = section
end

local problems = 0
local function problem(...)
    problems = problems + 1
    io.stderr:write("manual: ", string.format(...), "\n")
end

-- The man page and the types are not in the repository; scripts/manual makes their folder.
local page <const>, types_file <const> = ".build/manual/mmap.3lua", ".build/manual/mmap.lua"
local results = {
    { "docs/api.md", dofile "scripts/manual.d/markdown.lua", kept = true },
    { page, dofile "scripts/manual.d/mandoc.lua" },
    { types_file, dofile "scripts/manual.d/types.lua" },
}
for _, result in ipairs(results) do
    local path, make = result[1], result[2]
    local text = make(book, parser)
    if contents(path) ~= text then
        if check and result.kept then
            problem("%s is not up to date; run scripts/manual", path)
        else
            local file = assert(io.open(path, "wb"))
            assert(file:write(text))
            assert(file:close())
        end
    end
end
if check then
    -- mandoc checks the page, if installed. It does not know section 3lua, which Debian has.
    local lint <close> = assert(io.popen("if command -v mandoc >/dev/null; then mandoc -Tlint -Wwarning " .. page .. "; fi"))
    for line in lint:lines() do
        if not line:find "unknown manual section: Dt ... 3lua$" then problem("%s", line) end
    end
    -- The types must be valid Lua, and contain every function.
    local types, message = contents(types_file) or "", select(2, loadfile(types_file))
    if message then problem("%s", message) end
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            for _, name in ipairs(entry.names) do
                if name:find("^mmap%.%l") and entry.signatures[1]:find "%(" or name:find("^%l+:") then
                    if not types:find("\nfunction " .. name .. "(", 1, true) then problem("%s: %s is missing", types_file, name) end
                end
            end
        end
    end
    dofile "scripts/manual.d/complete.lua" (book, problem)
    dofile "scripts/manual.d/examples.lua" (book, problem, folder)
end
os.exit(problems == 0)
