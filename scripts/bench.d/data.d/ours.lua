-- ours.lua WORKLOAD FILE PASSES [THREADS] - the workloads of scripts/bench.d/data as an mmaplua script: prints the
-- answer, then the seconds of every pass.
local workload, file, passes, threads = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
if threads then mmap.threads(threads) end
local b = mmap.open(file)
local re = mmap.regex((workload == "interpreted" and "(*NO_JIT)" or "") .. "[A-Z][a-z]+ [0-9]{4}")

local run = {}
function run.sum() return b:view("u8"):sum() end
function run.newlines() return b:count "\n" end
function run.find() return b:find "this is where it ends" end
function run.regex() return re:count(b) end
run.interpreted = run.regex
function run.stats()
    local s = b:view("f64"):stats()
    return ("%.0f %.6f %.6f"):format(s.sum, s.min, s.max)
end
function run.random()
    local v, x, all = b:view "u32", 1, 0
    local mask = #v - 1
    for _ = 1, 5000000 do
        x = (x * 1664525 + 1013904223) & mask
        all = all ~ v[x]
    end
    return all
end

local seconds, answer = {}, nil
for pass = 1, passes do
    local faults
    faults, answer = mmap.faults(run[workload])
    seconds[pass] = ("%.6f"):format(faults.seconds)
end
print(answer)
print(table.concat(seconds, "\n"))
