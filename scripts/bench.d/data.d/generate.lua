-- generate.lua WORKLOAD FILE - makes the file for a workload of scripts/bench.d/data: a block of 16 MiB of random
-- numbers, or of lines of words and numbers, repeated.
local workload, path = arg[1], arg[2]
local BLOCK <const> = 16 << 20
local blocks <const> = { sum = 4, random = 16, newlines = 64, find = 64, stats = 64, regex = 16 }
math.randomseed(1)

local function numbers()
    local b = mmap.anonymous(BLOCK)
    local v = b:view(workload == "stats" and "f64" or "u64")
    for i = 0, #v - 1 do v[i] = workload == "stats" and math.random() * 2000 - 1000 or math.random(0) end
    return b:string()
end

local function text()
    local words = {}
    for w in ([[the of and to in error warning info request user session time word value offset cache page
        memory buffer kernel file open close read write map]]):gmatch "%a+" do words[#words + 1] = w end
    local lines, size = {}, 0
    while size < BLOCK do
        local line = {}
        for i = 1, math.random(4, 30) do
            line[i] = math.random() < 0.7 and words[math.random(#words)] or tostring(math.random(0, 1000000))
            if math.random() < 0.1 then line[i] = line[i]:gsub("^%l", string.upper) end
        end
        lines[#lines + 1] = table.concat(line, " ")
        size = size + #lines[#lines] + 1
    end
    return table.concat(lines, "\n") .. "\n"
end

local isText = workload == "newlines" or workload == "find" or workload == "regex"
local block = isText and text() or numbers()
local file <close> = assert(io.open(path, "wb"))
for _ = 1, blocks[workload] do assert(file:write(block)) end
if isText then assert(file:write "this is where it ends\n") end
