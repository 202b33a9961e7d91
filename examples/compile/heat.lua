-- heat.lua FILE [SIDE [STEPS]]: heat spreads over a plate that is kept in a file, by a compiled function.
-- test: "$TMP/plate" 64 200
-- test: "$TMP/plate" 64 0
--
-- FILE gets SIDE x SIDE floats, twice: the plate, and the plate after the next step. Run it again and it goes on.
local path, side, steps = arg[1], tonumber(arg[2]) or 256, tonumber(arg[3]) or 1000
if not path then error("usage: heat.lua FILE [SIDE [STEPS]]", 0) end
local cells = side * side
assert(io.open(path, "ab")):close()
local b <close> = mmap.open(path, "r+", { length = cells * 16, grow = true })
local now, new = b:view("f64", 0, cells), b:view("f64", cells * 8, cells)

local step = mmap.compile(function(from, to, side)
  for y = 1, side - 2 do
    local row = y * side
    for x = row + 1, row + side - 2 do
      to[x] = 0.25 * (from[x - 1] + from[x + 1] + from[x - side] + from[x + side])
    end
  end
end)

-- The upper edge is hot.
for x = 0, side - 1 do now[x], new[x] = 100, 100 end
for _ = 1, steps // 2 do
  step(now, new, side)
  step(new, now, side)
end
b:sync()
print(("mean %.4f, below the middle of the edge %.4f"):format(now:sum() / cells, now[side + side // 2]))
