-- both.lua - loops that are the same text for mmaplua and for LuaJIT.
local K = {}
function K.f(source, target, w, h)
    for y = 1, h - 2 do
        local o = y * w
        local up, down = o - w, o + w
        for x = 1, w - 2 do
            target[o + x] = 0.5 * source[o + x]
                + 0.125 * (source[o + x - 1] + source[o + x + 1] + source[up + x] + source[down + x])
        end
    end
end
function K.g(target, w, h, most)
    for py = 0, h - 1 do
        local ci = py * (2.0 / h) - 1.0
        for px = 0, w - 1 do
            local cr = px * (3.0 / w) - 2.0
            local zr, zi, n = 0.0, 0.0, 0
            while n < most do
                local r2, i2 = zr * zr, zi * zi
                if r2 + i2 > 4.0 then break end
                zi = 2.0 * zr * zi + ci
                zr = r2 - i2 + cr
                n = n + 1
            end
            target[py * w + px] = n
        end
    end
end
return K
