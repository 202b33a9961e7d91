-- neighbour.lua: another process that cuts the files of this folder short and lets them grow, until there
-- is a file `stop` or two minutes are over.
local mmap = require "mmap"
local ends = os.time() + 120
local pause = mmap.anonymous(1 << 16)
math.randomseed(1)
while os.time() < ends do
  local stop = io.open "stop"
  if stop then break end
  for i = 0, 3 do
    local ok, b = pcall(mmap.open, "f" .. i, "r+")
    if ok then
      pcall(b.resize, b, math.random(0, 3 * mmap.PAGESIZE))
      b:close()
    end
    for _ = 1, math.random(20) do pause:fill(i) end
  end
end
