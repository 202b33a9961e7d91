-- neighbor.lua: writes to the files of fuzz.lua in the current folder, mostly near their start, for ten minutes or
-- until it is killed.
local mmap = require "mmap"
local random = math.random
local bytes = { 0, 10, 34, 44, 45, 48, 57, 59, 97, 98, 128, 195, 226, 240, 255 }
local last = os.time() + 600
while os.time() < last do
  for i = 0, 3 do
    -- The file may be missing, or truncated.
    pcall(function()
      local b <close> = mmap.open("f" .. i, "r+")
      for _ = 1, 5000 do
        b[random(0, math.min(#b, 200) - 1)] = bytes[random(#bytes)]
        b[#b - random(math.min(#b, 20))] = bytes[random(#bytes)]
      end
      b[random(0, #b - 1)] = random(0, 255)
    end)
  end
end
