-- compiled.lua FILE - the one-billion-row challenge by examples/compile/challenge.lua. Prints its rows as ours.lua does, then
-- "#t SECONDS" by the clock inside.
local challenge <const> = assert(loadfile((arg[0]:gsub("scripts/bench%.d/tables%.d/[^/]*$", "examples/compile/challenge.lua"))))
local out
local write <const> = print
print = function(text) out = text end
local cost = mmap.faults(function() challenge() end)
for station, least, mean, most in out:gmatch "([^{=]+)=([%d.-]+)/([%d.-]+)/([%d.-]+)[,}] ?" do
    io.write(station, "\t", least, "\t", mean, "\t", most, "\n")
end
write(("#t %.9f"):format(cost.seconds))
