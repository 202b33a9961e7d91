-- mappings.lua [COUNT] - opens COUNT mappings of one file without closing a single one.
--
-- Runs twice: first each mapping is dropped at once, so that the collector has to unmap it; then all are kept to the
-- end, so that all exist together. scripts/bench allows far fewer descriptors than mappings.
--
-- A line is: what, value, an empty ratio and quartiles, and "works".

local count = tonumber(arg[1]) or 20000
local path = os.tmpname()
local file = assert(io.open(path, "wb"))
file:write(("x"):rep(4096))
file:close()

local failed = false
local function measure(what, body)
    local start = os.clock()
    local ok, message = pcall(body)
    local each = (os.clock() - start) / count * 1e6
    print(table.concat({ what, ("%.2f us"):format(each), "", "", "", ok and "" or tostring(message), ok and "works" or "fails" }, "\t"))
    failed = failed or not ok
end
measure(count .. " mappings, dropped", function()
    for _ = 1, count do assert(mmap.open(path)[0] == 120) end
end)
collectgarbage()
measure(count .. " mappings, all alive", function()
    local all = {}
    for i = 1, count do
        all[i] = mmap.open(path)
        assert(all[i][4095] == 120)
    end
end)
os.remove(path)
os.exit(not failed)
