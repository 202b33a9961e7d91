-- docs/api.md: the manual for a browser.

local function anchor(title) return (title:lower():gsub("[^%w_%- ]", ""):gsub(" ", "-")) end

-- Table cells: escape the bar, which would end a cell.
local function cell(text) return (text:gsub("|", "\\|")) end

return function(book)
    local lines = {}
    local function add(...) lines[#lines + 1] = string.format(...) end
    local function rows(title, list)
        for _, item in ipairs(list) do
            local name = item.name == "..." and "…" or item.name
            add("| %s | `%s` | `%s` | %s |", title, name .. (item.optional and "?" or ""), cell(item.type), cell(item.text))
            title = ""
            for _, field in ipairs(item.options or item.fields or {}) do
                add("| | `.%s` | `%s` | %s |", field.name .. (field.optional and "?" or ""), cell(field.type), cell(field.text))
            end
        end
    end

    -- The anchor of each entry, for references.
    local places = {}
    for _, section in ipairs(book) do
        for _, entry in ipairs(section) do
            entry.title = #entry.names > 4 and entry.signatures[1]:match("^[^%(%[]+") .. " and its like"
                or table.concat(entry.names, ", ")
            for _, name in ipairs(entry.names) do places[name] = anchor(entry.title) end
        end
    end

    add("# The library")
    add("")
    add("Made by `scripts/manual` from the texts in [manual/](../manual/README.md); `help(mmap.open)` at the prompt and `man 3lua mmap` say the same.")
    add("")
    for _, section in ipairs(book) do
        local names = {}
        for i, entry in ipairs(section) do names[i] = ("[`%s`](#%s)"):format(entry.title, anchor(entry.title)) end
        add("- [%s](#%s): %s", section.title, anchor(section.title), table.concat(names, " · "))
    end
    for _, section in ipairs(book) do
        add("\n## %s", section.title)
        for _, text in ipairs(section.text) do add("\n%s", text) end
        for _, entry in ipairs(section) do
            add("\n### `%s`", entry.title)
            add("\n```text\n%s\n```", table.concat(entry.signatures, "\n"))
            for _, text in ipairs(entry.text) do add("\n%s", text) end
            if #entry.params + #entry.returns + #entry.errors > 0 then
                add("\n| | | | |\n| --- | --- | --- | --- |")
                rows("takes", entry.params)
                rows("gives", entry.returns)
                for i, err in ipairs(entry.errors) do
                    add("| %s | %s | | %s |", i == 1 and "raises" or "", err.code and "`" .. err.code .. "`" or "", cell(err.text))
                end
            end
            if entry.example then
                add("\n```lua\n%s```", entry.example)
                if entry.prints then add("\n```text\n%s```", entry.prints) end
            end
            if #entry.see > 0 then
                local see = {}
                for i, name in ipairs(entry.see) do see[i] = places[name] and ("[`%s`](#%s)"):format(name, places[name]) or name end
                add("\nSee also %s.", table.concat(see, ", "))
            end
        end
    end
    return table.concat(lines, "\n") .. "\n"
end
