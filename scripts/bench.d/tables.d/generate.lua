-- generate.lua WHAT FILE - makes a file for a question of scripts/bench.d/tables, the same one each time.
--
--   sales   CSV with a header and quotes, 95 MB: 1.7 million rows
--   facts   CSV with a header: 5 million rows with a user each; users: the 50,000 of them that are known
--   events  JSON lines, 107 MB: 455,000 rows with nested objects
--   access  an access log in the combined format of Apache and nginx, 167 MB: 1.3 million lines, seven days
local what, path = arg[1], arg[2]
math.randomseed(20, 13)
local random <const>, format <const> = math.random, string.format

-- Calls row(i) for each row; all lines that it returns are the file.
local function lines(file, count, row)
    local block, size = {}, 0
    for i = 1, count do
        size = size + 1
        block[size] = row(i)
        if size == 8192 or i == count then
            assert(file:write(table.concat(block, "", 1, size)))
            size = 0
        end
    end
end

local make = {}

function make.sales(file)
    local regions, products, notes = {}, {}, {}
    for i, name in ipairs { "North", "South", "East, coast", "the \"West\"", "Center", "Islands", "Höhe", "Abroad" } do
        regions[i] = '"' .. name:gsub('"', '""') .. '"'
    end
    for i = 1, 200 do products[i] = format(i % 5 == 0 and '"part ""%d"""' or i % 3 == 0 and '"part, %d"' or "part-%d", i) end
    for i, note in ipairs { "", "", "ok", '"to be checked, again"', '"said ""later"""', "returned", '"two\nlines"', "gift" } do notes[i] = note end
    assert(file:write "order,day,region,product,quantity,amount,note\n")
    lines(file, 1700000, function(i)
        return format("%d,2026-%02d-%02d,%s,%s,%d,%d.%02d,%s\n", 1000000 + i, random(12), random(28), regions[random(8)], products[random(200)],
            random(20), random(0, 4999), random(0, 99), notes[random(8)])
    end)
end

function make.facts(file)
    assert(file:write "user,quantity,price\n")
    -- Every tenth row is of a user that is not known.
    lines(file, 5000000, function() return format("%d,%d,%d.%02d\n", random(55000), random(9), random(999), random(0, 99)) end)
end

function make.users(file)
    assert(file:write "user,name,country\n")
    lines(file, 50000, function(i) return format("%d,name %d,C%03d\n", i, i * 7919 % 50000, i * 31 % 193) end)
end

function make.events(file)
    local levels <const>, countries <const> = { "debug", "info", "info", "warning", "error" }, {}
    for i = 1, 60 do countries[i] = string.char(65 + i % 26, 65 + i * 7 % 26) end
    local statuses <const> = { 200, 200, 200, 200, 204, 301, 304, 404, 500, 503 }
    lines(file, 455000, function(i)
        return format(
            '{"id": %d, "level": "%s", "http": {"method": "GET", "status": %d, "path": "/items/%d", "query": {"page": %d, "tags": ["a", "b\\n"]}}, ' ..
            '"user": {"id": %d, "country": "%s", "name": "na\\u00efve %d"}, "ms": %d.%03d, "ok": %s}\n', i, levels[random(5)], statuses[random(10)],
            random(5000), random(40), random(90000), countries[random(60)], random(1000), random(0, 899), random(0, 999), random(2) == 1 and "true" or "false")
    end)
end

function make.access(file)
    local statuses <const> = { 200, 200, 200, 200, 200, 200, 200, 304, 404, 500 }
    lines(file, 1300000, function(i)
        local second = i * 7 * 86400 // 1300001
        local status = statuses[random(10)]
        return format('192.0.2.%d - - [%02d/Nov/2026:%02d:%02d:%02d +0000] "GET /page/%d HTTP/1.1" %d %s "https://example.org/" "Mozilla/5.0 (X11; Linux)"\n',
            random(0, 255), 20 + second // 86400, second // 3600 % 24, second // 60 % 60, second % 60, random(300), status,
            status == 304 and "-" or random(200, 90000))
    end)
end

local file <close> = assert(io.open(path, "wb"))
make[what](file)
