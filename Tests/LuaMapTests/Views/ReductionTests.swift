import Testing

/// Reductions, scans, order, and arithmetic of views, against plain Lua.
@Suite struct ReductionTests {
    /// Random views of every type, byte order, stride, and alignment, and tables with the same numbers.
    private let model = """
        local formats = { u8 = "B", i8 = "b", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "I8", i64 = "i8",
          f32 = "f", f64 = "d" }
        local widths = { u8 = 8, i8 = 8, u16 = 16, i16 = 16, u32 = 32, i32 = 32, u64 = 64, i64 = 64 }
        local types = {}
        for name in pairs(formats) do types[#types + 1] = name end
        table.sort(types)
        local nan = 0 / 0
        local b = mmap.anonymous(120000)
        local function same(x, y) return x == y or (x ~= x and y ~= y) end
        -- What a type makes of a number.
        local function cut(t, x)
          local bits = widths[t]
          if not bits then return (string.unpack(formats[t], string.pack(formats[t], x))) end
          if bits == 64 then return x end
          x = x & (1 << bits) - 1
          return t:sub(1, 1) == "i" and x >> bits - 1 == 1 and x - (1 << bits) or x
        end
        local function any(t, isSmall)
          if not widths[t] then
            if isSmall then return math.random(-3, 3) / 2 end
            if math.random(100) == 1 then return ({ 1 / 0, -1 / 0, 0.0, -0.0 })[math.random(4)] end
            return cut(t, (math.random() - 0.5) * 1000)
          end
          return cut(t, isSmall and (t:sub(1, 1) == "u" and math.random(0, 5) or math.random(-5, 5)) or math.random(0))
        end
        function random(withNaN)
          local t = types[math.random(#types)]
          local size = string.packsize(formats[t])
          local n = math.random(6) == 1 and math.random(0, 5000) or math.random(0, 100)
          local stride = math.random(3) == 1 and size + math.random(0, 9) or size
          local v = b:view(t .. (math.random(2) == 1 and "be" or "le"), math.random(0, 20), n, stride)
          local m = {}
          local isSmall = math.random(2) == 1
          for i = 0, n - 1 do
            m[i] = any(t, isSmall)
            if withNaN and not widths[t] and math.random(20) == 1 then m[i] = nan end
            v[i] = m[i]
          end
          mmap.threads(math.random(2))
          return v, m, n, t
        end
        -- The order of the manual: u64 from 0 to 2^64 - 1, NaN last.
        local function less(t, x, y)
          if t == "u64" then return math.ult(x, y) end
          return x == x and (y ~= y or x < y)
        end
        local function value(t, x) return t == "u64" and math.type(x) == "integer" and x < 0 and (x >> 1 | x & 1) * 2.0 or x end
        """

    private func check(_ source: String, rounds: Int = 150, sourceLocation: SourceLocation = #_sourceLocation)
    {
        LuaMapTests.check(
            model + """

                for round = 1, \(rounds) do
                \(source)
                end
                """, sourceLocation: sourceLocation)
    }

    @Test func sumsAndExtremes() {
        check(
            """
            local v, m, n, t = random(round % 3 == 0)
            local sum, size = widths[t] and 0 or 0.0, 0.0
            local least, greatest, first, last, firstNaN
            for i = 0, n - 1 do
              local x = m[i]
              sum = sum + x
              size = size + math.abs(x)
              if x ~= x then firstNaN = firstNaN or i
              else
                if not least or less(t, x, least) then least, first = x, i end
                if not greatest or less(t, greatest, x) then greatest, last = x, i end
              end
            end
            if widths[t] then
              eq(v:sum("wrap"), sum, t)
              if widths[t] < 64 then eq(v:sum(), sum, t); if n > 0 then eq(v:mean(), sum / n) end end
            else
              local got = v:sum()
              assert(same(got, sum) or math.abs(got - sum) <= 1e-12 * size, t)
              local c = mmap.anonymous(8 * n + 8):view(t, 0, n)
              c:copy(0, v)
              assert(same(c:sum(), got) and same(c:variance(), v:variance()), "the stride matters")
            end
            if firstNaN then least, greatest, first, last = nan, nan, firstNaN, firstNaN end
            local low, high = v:minmax()
            assert(same(low, least) and same(high, greatest) and same(v:min(), least) and same(v:max(), greatest), t)
            eq(math.type(low), math.type(least))
            eq(v:argmin(), first, t); eq(v:argmax(), last, t)
            local stats = v:stats("wrap")
            eq(stats.count, n); assert(same(stats.sum, v:sum("wrap")) and same(stats.min, least) and same(stats.max, greatest))
            assert(same(stats.mean, v:mean()))
            if n > 1 and not firstNaN and t ~= "u64" and math.abs(sum) < 1e300 then
              local mean, squares = 0.0, 0.0
              for i = 0, n - 1 do mean = mean + m[i] / n end
              for i = 0, n - 1 do squares = squares + (m[i] - mean) ^ 2 end
              assert(math.abs(v:variance() - squares / n) <= 1e-9 * squares / n, t)
              assert(math.abs(v:variance(1) - squares / (n - 1)) <= 1e-9 * squares / n, t)
            end
            """)
    }

    @Test func countAndFind() {
        check(
            """
            local v, m, n, t = random(round % 3 == 0)
            local operators = { ["=="] = function(x, y) return x == y end, ["~="] = function(x, y) return x ~= y end,
              ["<"] = function(x, y) return x < y end, ["<="] = function(x, y) return x <= y end,
              [">"] = function(x, y) return x > y end, [">="] = function(x, y) return x >= y end }
            local xs = { n > 0 and m[math.random(0, n - 1)] or 1, math.random(-3, 3), math.random(-3, 3) + 0.5, 1e30, -1e30,
              1 / 0, -1 / 0, nan, 255, 256, -129, 2 ^ 53 + 1, (1 << 53) + 1, 16777217, math.maxinteger, math.mininteger }
            for op, holds in pairs(operators) do
              for _, x in ipairs(xs) do
                local y = value(t, x)
                -- 2^63 and more are compared with doubles: plain Lua can do no better.
                if t ~= "u64" or math.type(x) == "float" or x >= 0 then
                  local count, from, first, next = 0, math.random(0, n)
                  for i = 0, n - 1 do
                    if holds(value(t, m[i]), y) then
                      count = count + 1
                      first = first or i
                      if i >= from then next = next or i end
                    end
                  end
                  eq(v:count(op, x), count, t .. op .. x)
                  eq(v:find(op, x), first, t .. op .. x)
                  eq(v:find(op, x, from), next, t .. op .. x)
                end
              end
            end
            """, rounds: 60)
        LuaMapTests.check(
            """
            local v = mmap.anonymous(80):view("u64")
            v[3] = -1
            eq(v:count("==", -1), 1); eq(v:count(">=", math.mininteger), 1); eq(v:count("<", -1), 9); eq(v:count(">", 2^63), 1)
            fails("not one of == ~= < <= > >=", v.count, v, "=", 1)
            fails("index 11 is out of range %(0 to 10%)", v.find, v, "==", 1, 11)
            eq(v:find("==", 1, 10), nil)
            """)
    }

    @Test func orderAndHistogram() {
        check(
            """
            local v, m, n, t = random(round % 3 == 0)
            local sorted = true
            local seen, unique, hasNaN = {}, 0, 0
            local list = {}
            for i = 0, n - 1 do
              if i > 0 and less(t, m[i], m[i - 1]) then sorted = false end
              if m[i] ~= m[i] then hasNaN = 1 elseif not seen[m[i]] then seen[m[i]] = true; unique = unique + 1 end
              list[i + 1] = m[i]
            end
            eq(v:sorted(), sorted, t)
            eq(v:unique(), unique + hasNaN, t)
            if t ~= "u64" then
              local bins, low, high = math.random(40), math.random(-20, 0), math.random(30) + 0.25
              local counts, edges = v:histogram(bins, low, high)
              eq(#counts, bins); eq(#edges, bins + 1); eq(edges[1], low); eq(edges[bins + 1], high)
              for k = 1, bins do
                local count = 0
                for i = 0, n - 1 do
                  if m[i] >= edges[k] and (m[i] < edges[k + 1] or k == bins and m[i] == high) then count = count + 1 end
                end
                eq(counts[k], count, t)
              end
            end
            table.sort(list, function(x, y) return less(t, x, y) end)
            eq(v:sort(), v)
            for i = 0, n - 1 do assert(same(v[i], list[i + 1]), t) end
            eq(v:sorted(), true)
            for i = 1, 5 do
              local x = n > 0 and math.random(2) == 1 and list[math.random(n)] or any(t, true)
              if x == x then
                local lower, upper = n, n
                for i = n, 1, -1 do
                  if not less(t, list[i], x) then lower = i - 1 end
                  if less(t, x, list[i]) then upper = i - 1 end
                end
                eq(v:lowerbound(x), lower, t); eq(v:upperbound(x), upper, t)
              end
            end
            """)
    }

    /// Enough for several threads, with keys whose upper bits are equal, or nearly all bits.
    @Test func manyAreSorted() async {
        await checkAlone(
            """
            local n = 270000
            local b = mmap.anonymous(9 * n + 9)
            local names = { u32 = 4, f32be = 4, i64 = 8, f64 = 8, i16 = 2 }
            for name, size in pairs(names) do
              for _, kind in ipairs { "any", size == 8 and "few" or "near" } do
                local stride = kind == "near" and size == 4 and 9 or size
                local v = b:view(name, 1, n, stride)
                local isFloat = name:sub(1, 1) == "f"
                local sum, random = 0, math.random
                for i = 0, n - 1 do
                  local x = kind == "any" and random(0, 127) or kind == "few" and random(3) or i % 100
                  if kind == "any" and size > 2 then x = isFloat and (random() - 0.5) * 1e9 or random(0, 0x7fffffff) end
                  v[i] = x
                end
                local before, unique, one = v:sum(), mmap.threads(1) and v:unique(), b:string()
                v:sort()
                local hash = b:xxh3()
                eq(v:sorted(), true, name .. kind); eq(v:unique(), unique)
                assert(math.abs(v:sum() - before) <= (isFloat and 1 or 0), name .. kind)
                mmap.threads(3)
                b:copy(0, one)
                v:sort()
                eq(b:xxh3(), hash, name .. kind); eq(v:unique(), unique)
              end
            end
            """)
    }

    /// Integers that are equal as doubles: each must be in the bin that the exact edges give.
    @Test func histogramOfLargeIntegersIsExact() {
        LuaMapTests.check(
            """
            for round = 1, 300 do
              local t = ({ "u64", "i64be" })[math.random(2)]
              local n, bins = math.random(200), math.random(40)
              local v = mmap.anonymous(n * 8):view(t)
              local base, width = math.random(0), 1 << math.random(0, 62)
              for i = 0, n - 1 do v[i] = base + math.random(0, width) end
              local less = t == "u64" and math.ult or function(x, y) return x < y end
              local low, high = v:minmax()
              -- Doubles are exact below 2^53, and may have too few numbers for the bins.
              local function fits(x) return x <= 1 << 53 and x >= (t == "u64" and 0 or -1 << 53) end
              local isExact = not (fits(low) and fits(high))
              local ok, counts, edges = pcall(v.histogram, v, bins)
              assert(ok or not isExact and tostring(counts):find "too many bins", counts)
              if ok then eq(#edges, bins + 1); eq(math.type(edges[1]), isExact and "integer" or "float") end
              if isExact and low ~= high then
                eq(edges[1], low); eq(edges[bins + 1], high)
                local again = v:histogram(bins, low, high)
                local expected = {}
                for k = 1, bins do expected[k] = 0 end
                for i = 0, n - 1 do
                  local k = 1
                  while k < bins and not less(v[i], edges[k + 1]) do k = k + 1 end
                  expected[k] = expected[k] + 1
                end
                for k = 1, bins do eq(counts[k], expected[k]); eq(again[k], expected[k]) end
              end
            end
            local v = mmap.anonymous(80):view("u64")
            for i = 0, 9 do v[i] = 1700000000000000000 + i end
            local counts, edges = v:histogram(5)
            eq(table.concat(counts, " "), "2 2 2 2 2"); eq(edges[2], 1700000000000000002)
            counts = v:histogram(2, 1.7e18, 1700000000000000004)
            eq(table.concat(counts, " "), "2 3")
            v:fill(-1); eq(table.concat((v:histogram(3)), " "), "0 0 10")
            v:fill(math.mininteger); eq(v:histogram(1)[1], 10)
            v:fill(7); eq(select(2, v:histogram(1))[1], 6.5)
            """)
    }

    @Test func arithmetic() {
        check(
            """
            local v, m, n, t = random(round % 3 == 0)
            local w = mmap.anonymous(8 * n + 8):view(t .. (math.random(2) == 1 and "be" or "le"), 0, n)
            local into = mmap.anonymous(8 * n + 8):view(t, 0, n)
            local y = {}
            for i = 0, n - 1 do y[i] = any(t, true); w[i] = y[i] end
            local functions = { add = function(x, y) return x + y end, sub = function(x, y) return x - y end,
              mul = function(x, y) return x * y end }
            for name, f in pairs(functions) do
              local number = widths[t] and math.random(-4, 4) or 1.5
              local fits, numberFits = true, true
              eq(v[name](v, w, into, "wrap"), into)
              for i = 0, n - 1 do
                assert(same(into[i], cut(t, f(m[i], y[i]))), t .. name)
                fits = fits and cut(t, f(m[i], y[i])) == f(m[i], y[i])
                numberFits = numberFits and cut(t, f(m[i], number)) == f(m[i], number)
              end
              v[name](v, number, into, "wrap")
              for i = 0, n - 1 do assert(same(into[i], cut(t, f(m[i], number))), t .. name) end
              if widths[t] and widths[t] < 64 then
                into:fill(1)
                local before = into:sum()
                local ok, problem = pcall(v[name], v, w, into)
                eq(ok, fits, problem)
                if not ok then assert(problem:find("is out of range for " .. t), problem); eq(into:sum(), before) end
                eq(pcall(v[name], v, number, into), numberFits, t .. name)
              end
            end
            if not widths[t] then
              v:div(w, into)
              for i = 0, n - 1 do assert(same(into[i], cut(t, m[i] / y[i])), t) end
            else
              fails("only floats can be divided", v.div, v, 2)
            end
            local dot, size = widths[t] and 0 or 0.0, 0.0
            for i = 0, n - 1 do dot = dot + m[i] * y[i]; size = size + math.abs(m[i] * y[i]) end
            local got = v:dot(w, "wrap")
            assert(widths[t] and got == dot or same(got, dot) or math.abs(got - dot) <= 1e-9 * size, t)
            -- In place.
            local sum = v:add(w, "wrap")
            eq(sum, v)
            for i = 0, n - 1 do assert(same(v[i], cut(t, m[i] + y[i])), t) end
            """, rounds: 80)
    }

    @Test func edges() {
        LuaMapTests.check(
            """
            local empty = mmap.anonymous(8):view("i32", 0, 0)
            eq(empty:sum(), 0); eq(empty:min(), nil); eq(empty:max(), nil); eq(empty:mean(), nil); eq(empty:variance(), nil)
            eq(empty:argmin(), nil); eq(empty:stats().count, 0); eq(empty:stats().mean, nil); eq(empty:sorted(), true)
            eq(empty:unique(), 0); eq(empty:lowerbound(1), 0); eq(empty:sort(), empty); eq(empty:find("==", 0), nil)
            eq(empty:histogram(3)[3], 0); eq(empty:dot(empty), 0); eq(empty:add(1), empty)
            eq(math.type(mmap.anonymous(8):view("f32", 0, 0):sum()), "float")

            -- NaN stays NaN.
            for _, type in ipairs { "f32", "f64be" } do
              for _, x in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
                local f = mmap.anonymous(64000):view(type, 8, 3000)
                f:fill(1); f[2999] = x
                for _, missing in ipairs { 0, 1 } do local s = f:variance(missing) assert(s ~= s, type) end
                assert(f:mean() ~= f:mean() or f:mean() == x)
              end
            end
            local huge = mmap.anonymous(24):view "f64"
            huge:set(0, 1e308, 1e308, -1e308)
            assert(huge:variance() ~= 0)

            -- A float with an integer value is that integer in every method.
            local w = mmap.anonymous(32):view "u64"
            w:fill(-1.0)
            for _, x in ipairs { -1, -1.0 } do
              eq(w:count("==", x), 4); eq(w:find("~=", x), nil); eq(w:count("<", x), 0); eq(w:lowerbound(x), 0); eq(w:upperbound(x), 4)
            end
            eq(w:count(">", -0.5), 4)

            -- Of numbers without a sign the product of 2^63 fits, as it does in a sum.
            local b = mmap.anonymous(24)
            local u, p, o = b:view("u64", 0, 1), b:view("u64", 8, 1), b:view("u8", 16, 1)
            u[0], p[0], o[0] = math.mininteger, 1, 1
            eq(p:dot(u), math.mininteger); eq(o:dot(u), math.mininteger); eq(u:dot(o), math.mininteger)
            fails("a signed 64%-bit integer", b:view("i8", 16, 1).dot, b:view("i8", 16, 1), u)
            fails("does not wrap", huge.div, huge, 2, "wrap"); fails("does not wrap", huge.div, huge, 2, huge, "wrap")

            local v = mmap.anonymous(64):view("i64")
            v:fill(math.maxinteger)
            fails("does not fit into a signed 64%-bit integer", v.sum, v)
            do local s = v:stats() eq(s.sum, 2.0 ^ 66); eq(s.exact, false); eq(s.max, math.maxinteger); eq(s.count, 8) end
            do local s = v:stats "wrap" eq(s.sum, -8); eq(s.exact, false) end
            do local s = v:slice(0, 1):stats() eq(s.sum, math.maxinteger); eq(s.exact, true) end
            fails("more than 128 bits", v.dot, v, v); eq(v:dot(v, "wrap"), 8)
            v:fill(1 << 40); fails("does not fit into a signed 64%-bit integer", v.dot, v, v); v:fill(math.maxinteger)
            eq(v:sum("wrap"), -8); eq(v:mean(), 2.0 ^ 63)
            fails('the options are "wrap" and "skipnan"', v.sum, v, "up"); fails('the only option is "skipnan"', v.min, v, "wrap")
            fails("once", v.sum, v, "wrap", "wrap")
            fails("bad argument #1 to 'sum' %(string expected, got number%)", function() return v:sum(1) end)
            local u = mmap.anonymous(16):view("u64")
            u[0] = math.maxinteger; u[1] = math.maxinteger
            eq(u:sum(), -2); eq(u:max(), math.maxinteger)
            u[1] = -1
            fails("does not fit", u.sum, u); eq(u:max(), -1)
            fails("value 1.5 has no integer", v.add, v, 1.5)
            fails("have 8 and 2 elements", v.add, v, u)
            fails("must have the same type", v.add, v, mmap.anonymous(64):view("u64"))
            fails("number or mmap.view expected", v.add, v, "1")
            fails("NaN cannot be ordered", v.lowerbound, v, 0 / 0)
            fails("bins 0 is out of range %(1 to 16777216%)", v.histogram, v, 0)
            fails("must be finite and not empty", v.histogram, v, 3, 1, 1)
            fails("must be finite and not empty", v.histogram, v, 3, 0, 0 / 0)
            fails("number expected", v.histogram, v, 3, 1)

            local b = mmap.anonymous(64)
            fails("shares bytes", b.view(b, "u16", 0, 3).add, b:view("u16", 0, 3), 1, b:view("u16", 1, 3))
            fails("the elements overlap", b.view(b, "u16", 0, 3, 1).sort, b:view("u16", 0, 3, 1))
            -- Columns of the same records go together.
            local x, y = b:view("u16", 0, 8, 8), b:view("u32", 4, 8, 8)
            x:fill(3); eq(x:add(x):sum(), 48)
            local z = b:view("u16", 2, 8, 8)
            eq(z:add(x, z), z); fails("mmap.view expected", z.add, z, 1, 5); eq(x:mul(2, z):sum(), 96); eq(y:sum(), 0)
            local f = mmap.anonymous(64):view("f64", 0, 8)
            eq(x:div(4, f)[7], 1.5); eq(x:dot(f), 72.0)

            mmap.anonymous(8, { shared = true }):protect(mmap.PROT_NONE)
            local r = mmap.open(scratch(("\\1"):rep(64)))
            local w = r:view("u8")
            fails("read%-only", w.sort, w); fails("read%-only", w.add, w, 1); eq(w:sum(), 64)
            r:close()
            fails("closed", w.sum, w); fails("closed", w.sort, w); fails("closed", w.find, w, "==", 1)
            """)
    }

    @Test func truncatedFileIsAnError() {
        LuaMapTests.check(
            """
            local calls = { "sum", "min", "stats", "variance", "argmax", "unique", "sorted", "sort" }
            for _, name in ipairs(calls) do
              local path = scratch(("a"):rep(8 * mmap.PAGESIZE))
              local v = mmap.open(path, "r+"):view("f64")
              io.open(path, "wb"):close()
              local ok, problem = pcall(v[name], v)
              eq(ok, false, name)
              eq(problem.code, "SIGBUS", name)
            end
            """)
    }

    /// A range so small that its inverse is not a finite number.
    @Test func histogramOfTinyRangeIsRight() {
        LuaMapTests.check(
            """
            local v = mmap.anonymous(80):view("f64")
            for _, unit in ipairs { 1e-311, 5e-324, 3e-308 } do
              for i = 0, 9 do v[i] = i * unit end
              eq(table.concat(v:histogram(10, 0, 10 * unit), " "), "1 1 1 1 1 1 1 1 1 1", unit)
              eq(table.concat(v:histogram(3), " "), "3 3 4", unit)
              eq(table.concat(v:histogram(2, unit, 5 * unit), " "), "2 3", unit)
            end
            """)
    }
}
