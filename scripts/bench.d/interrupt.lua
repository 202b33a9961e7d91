-- interrupt.lua MMAPLUA FILE ROUNDS: time from Ctrl-C to the end of long operations, on a file of 1 GiB. Run by
-- scripts/bench. With OPERATION and DELAY, runs one operation in a process of its own: a second signal would end the
-- process, as it ends lua(1).
--
-- A shell in the background sends the signal after a delay. The result is the time from the start of the operation to
-- its error, minus the delay; the start of the shell counts as ours. An operation that ends before its signal is
-- repeated with a shorter delay.

local program, path, rounds, chosen, delay = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local process = io.open "/proc/self/stat":read "n"

-- Operations marked `long` in Tests/methods.lua, by name.
local methods = dofile(arg[0]:match "^(.*)scripts/bench%.d/" .. "Tests/methods.lua")
local operations <const> = {}
for _, row in ipairs(methods.rows) do
    local calls = type(row.long) == "function" and { [""] = row.long } or row.long or {}
    local names = {}
    for name in pairs(calls) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        operations[#operations + 1] = { row.name .. (name ~= "" and ", " .. name or ""), calls[name] }
    end
end
local function second() return mmap.open(path) end

if chosen then
    local b <close> = mmap.open(path, "c")
    local call = table.pack(operations[chosen][2](b, second))
    local ok, message
    local cost = mmap.faults(function()
        os.execute(("{ sleep %.4f; kill -INT %d; } 2>/dev/null &"):format(delay, process))
        ok, message = pcall(table.unpack(call, 1, call.n))
    end)
    assert(ok or tostring(message):find "interrupted!", message)
    print(ok and "ended" or (cost.seconds - delay) * 1e3)
    os.exit(true) -- do not close the state: a signal may still arrive
end

local function quantile(list, q) return list[math.max(1, math.ceil(#list * q))] end

for number, operation in ipairs(operations) do
    local found, pause = {}, 0.16
    while #found < rounds and pause > 0.001 do
        local run <close> = assert(io.popen(("'%s' '%s' '%s' '%s' 1 %d %f"):format(program, arg[0], program, path, number, pause)))
        local milliseconds = run:read "n"
        if milliseconds then found[#found + 1] = milliseconds else pause = pause / 2 end
    end
    table.sort(found)
    if #found == rounds then
        print(("%s\t%.1f ms\t%.2f\t%.2f\t%.2f\t100 ms\t1.00"):format(operation[1], found[#found], quantile(found, 0.5) / 100,
            quantile(found, 0.25) / 100, quantile(found, 0.75) / 100))
    else
        print(operation[1] .. "\tended before a signal")
    end
end
