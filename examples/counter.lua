-- counter.lua [PROCESSES [TIMES]] - a race, and its cure. Several processes count in the same memory: once they read the
-- number and write it back one larger, and once they add to it atomically. What the first way loses is different each
-- time; the second loses nothing.
--
-- test:
-- test: 3 20000

local mmap = require "mmap"

local processes <const> = math.tointeger(tonumber(arg[1] or 2)) or error "PROCESSES is an integer"
local times <const> = math.tointeger(tonumber(arg[2] or 200000)) or error "TIMES is an integer"

-- A child has no upvalues: all it needs are arguments.
local function count(b, times)
  local ready, go, careful = b:atomic("u32", 0), b:atomic("u32", 4), b:atomic("u64", 16)
  ready:add(1)
  ready:wake()
  go:wait(0)
  for _ = 1, times do
    b:set("u64", 8, b:get("u64", 8) + 1) -- another process may write between the two
    careful:add(1)
  end
end

local b <close> = mmap.anonymous(mmap.PAGESIZE, { shared = true })
local children = {}
for i = 1, processes do children[i] = mmap.spawn(count, b, times) end

-- They start together, or the first would have finished before the last is there.
local ready, go = b:atomic("u32", 0), b:atomic("u32", 4)
repeat
  local here = ready:load()
  for _, child in ipairs(children) do
    if not child:running() then error((select(2, child:wait()))) end
  end
until here == processes or ready:wait(here, 1) and ready:load() == processes
go:store(1)
go:wake()

for _, child in ipairs(children) do
  local ok, message = child:wait()
  if not ok then error(message) end
end

local wanted, plain, atomic = processes * times, b:get("u64", 8), b:get("u64", 16)
print(("%d processes, %d times each: %d"):format(processes, times, wanted))
print(("b:set(…, b:get(…) + 1)  %d, %.1f %% lost"):format(plain, (wanted - plain) * 100 / math.max(wanted, 1)))
print(("atomic:add(1)           %d"):format(atomic))
assert(atomic == wanted and plain <= wanted)
