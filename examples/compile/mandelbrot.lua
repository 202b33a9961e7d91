-- mandelbrot.lua [WIDTH [HEIGHT [ITERATIONS]]]: draws the Mandelbrot set, by a compiled function.
-- test: 40 12 100
-- test: 8 4 50
--
-- The loop below is ordinary Lua. mmap.compile makes machine code of it; without the compiler it runs as it is.
local width, height, most = tonumber(arg[1]) or 78, tonumber(arg[2]) or 30, tonumber(arg[3]) or 2000

local count = mmap.compile(function(counts, w, h, most)
  for y = 0, h - 1 do
    local ci = y * (2.4 / h) - 1.2
    for x = 0, w - 1 do
      local cr = x * (3.2 / w) - 2.2
      local zr, zi, n = 0.0, 0.0, 0
      while n < most do
        local r2, i2 = zr * zr, zi * zi
        if r2 + i2 > 4.0 then break end
        zi = 2.0 * zr * zi + ci
        zr = r2 - i2 + cr
        n = n + 1
      end
      counts[y * w + x] = n
    end
  end
end)

local counts = mmap.anonymous(math.max(width * height * 4, 4)):view "u32"
count(counts, width, height, most)
local shades = { " ", ".", ":", "-", "=", "+", "*", "%", "@" }
for y = 0, height - 1 do
  local line = {}
  for x = 0, width - 1 do
    local n = counts[y * width + x]
    line[#line + 1] = n >= most and "#" or shades[math.min(n // 2 + 1, #shades)]
  end
  print((table.concat(line):gsub(" +$", "")))
end
