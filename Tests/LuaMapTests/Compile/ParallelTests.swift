import Testing

/// `mmap.parallel` against one call after the other.
@Suite struct ParallelTests {
    @Test func everyShortRangeIsCutIntoPartsInOrder() {
        check(
            """
            local g = mmap.compile(function(i, j) return i, j end, { strict = true })
            for _, first in ipairs { 0, 1, -7, 300, math.mininteger, math.maxinteger - 700 } do
              for count = 1, 700 do
                local last = first + (count - 1)
                local parts = mmap.parallel(g, first, last)
                eq(#parts, count == 1 and 1 or math.min(count, 256))
                local next = first
                for _, part in ipairs(parts) do
                  eq(part.n, 2); eq(part[1], next); assert(part[2] >= part[1])
                  next = part[2] + 1
                end
                eq(next, last + 1)
              end
              eq(#mmap.parallel(g, first + 1, first), 0)
            end
            eq(#mmap.parallel(g, math.maxinteger, math.mininteger), 0)
            local parts = mmap.parallel(g, math.mininteger, math.maxinteger)
            eq(#parts, 256); eq(parts[1][1], math.mininteger); eq(parts[256][2], math.maxinteger)
            for i = 2, 256 do eq(parts[i][1], parts[i - 1][2] + 1) end
            local parts = mmap.parallel(g, 2.0, 3.0)
            eq(math.type(parts[2][1]), "integer"); eq(parts[2][1], 3)
            """)
    }

    @Test func resultsAreThoseOfCallsOneAfterTheOther() async {
        await checkAlone(
            CompileTests.same + """
                local b = mmap.anonymous(5000)
                for i = 0, #b - 1 do b[i] = (i * 89 + 131) & 255 end
                local v = b:view("f32", 0, 1000)
                local w = mmap.anonymous(8000):view "f64"
                for i = 0, 999 do v[i] = i / 3 w[i] = i end
                local k = 3
                local functions = {
                  { 0, 4999, function(i, j, b) local s = 0 for x = i, j do s = s + b[x] end return s end, b },
                  { 0, 999, function(i, j, v, f) local s = 0 for x = i, j do s = s + v[x] * f end return s, s > 100, nil, j end, v, 1.5 },
                  { 0, 999, function(i, j, w, v) for x = i, j do w[x] = v[x] * k + x end end, w, v },
                  { -3, 900, function(i) if i % 7 == 0 then return end if i % 5 == 0 then return nil, nil end return i * 0.5 end },
                  { 1, 40, function() return true, "text", print end },
                  { 1, 40, function(i, j, f) if i > 20 then return f(i, j) end return i end, function(...) return ..., "f" end },
                  { 1, 40, function(i) return i % 2 == 0 and i or 0.5 end },
                  -- Not an error, though most that looks like this is one: the parts after it are called again.
                  { 1, 40, function(i, j) return math.floor(i * 1e18), i end },
                }
                for _, threads in ipairs { 1, 2, 5 } do
                  mmap.threads(threads)
                  for n, case in ipairs(functions) do
                    local first, last, f = table.unpack(case, 1, 3)
                    for _, count in ipairs { last, first + 1, first + 9 } do
                      -- What needs the interpreter three times is not compiled any more.
                      local g = mmap.compile(f)
                      w:fill(-1)
                      local parts = mmap.parallel(g, first, count, table.unpack(case, 4))
                      assert(#mmap.compiled(g) > 0, mmap.whynot(g))
                      local memory = w:totable()
                      w:fill(-1)
                      local values, number = count - first + 1, #parts
                      eq(number, math.min(values, 256))
                      for part = 1, number do
                        local from, to = first + values * (part - 1) // number, first + values * part // number - 1
                        local wanted = table.pack(f(from, to, table.unpack(case, 4)))
                        eq(parts[part].n, wanted.n, n)
                        for i = 1, wanted.n do
                          eq(math.type(parts[part][i]), math.type(wanted[i]), n)
                          eq(parts[part][i], wanted[i], n)
                        end
                      end
                      for i, x in ipairs(w:totable()) do eq(memory[i], x) end
                    end
                  end
                end
                """)
    }

    @Test func theErrorIsThatOfTheFirstPart() {
        check(
            """
            local b = mmap.anonymous(100)
            local f = load("return function(i, j, b, bad)\\nlocal s = 0\\nfor x = i, j do\\ns = s + b[x + bad]\\nend return s end", "=f")()
            local g = mmap.compile(f)
            local function down(n, f) if n == 0 then return f(n) end return 1 + down(n - 1, f) end
            local g2 = mmap.compile(function(i, j, f) return down(i, f) end)
            -- Frames of calls go from the thread that they ran on to this one.
            local parts = mmap.parallel(g2, 1, 40, function(x) if x == 0 then return #tostring(x) + 100 end return x end)
            for i = 1, 40 do eq(parts[i][1], 101 + i) end
            local g2 = mmap.compile(function(i, j, f) return down(i, f) end)
            fails("^no$", mmap.parallel, g2, 1, 40, function() error("no", 0) end)
            local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
            local g2 = mmap.compile(function(i) return deep(i * 40) end)
            for i, part in ipairs(mmap.parallel(g2, 1, 100)) do eq(part[1], i * 40) end
            for bad = 1, 3 do
              fails("^f:4: offset 100 is out of range %(0 to 99%)$", mmap.parallel, g, 0, 99, b, bad)
            end
            fails("^f:4: offset %-5 is out of range", mmap.parallel, g, 0, 99, b, -5)
            eq(mmap.whynot(g), nil)
            local e = {}
            for bad = 1, 40 do
              local g = mmap.compile(function(i) if i >= bad then error(e) end return i end)
              local ok, found = pcall(mmap.parallel, g, 1, 40)
              eq(ok, false); eq(found, e)
              local g = mmap.compile(load("local bad = ... return function(i, j)\\nif i >= bad then\\nerror('bad ' .. i) end return i end", "=f")(bad))
              fails("^f:3: bad " .. bad .. "$", mmap.parallel, g, 1, 40)
            end
            -- What is not compiled comes in the order of the parts, on this thread.
            local calls = {}
            local h = function(i) calls[#calls + 1] = i if i > 30 then error("stop", 0) end return -i end
            local g = mmap.compile(function(i, j, f) if i % 3 == 0 then return f(i) end return i end)
            fails("^stop$", mmap.parallel, g, 1, 40, h)
            eq(table.concat(calls, " "), "3 6 9 12 15 18 21 24 27 30 33")
            local g = mmap.compile(function(i, j, f) if i % 3 == 0 then return f(i) end return i end, { strict = true })
            fails("not compiled: line %d+: ", mmap.parallel, g, 1, 40, h)
            """)
    }

    @Test func whatIsNotCompiledIsOnePart() {
        check(
            """
            local function all(f, ...) return mmap.parallel(f, ...) end
            local n = 0
            local total = mmap.compile(function(i, j) for x = i, j do n = n + x end return n end)
            local parts = all(total, 1, 1000)
            -- It sets an upvalue, which all its parts would share.
            eq(#parts, 1); eq(parts[1][1], 500500); eq(n, 500500); eq(mmap.whynot(total), nil)
            for _, f in ipairs { function(...) return ... end, mmap.compile(function(i, j, ...) return i, j, ... end),
              mmap.compile(function(i, j, x, y) local function f() end return i, j, x, y end) } do
              local parts = all(f, 5, 500, nil, "x")
              eq(#parts, 1); eq(parts[1].n, 4); eq(parts[1][1], 5); eq(parts[1][2], 500); eq(parts[1][3], nil); eq(parts[1][4], "x")
            end
            local parts = all(math.max, 5, 500)
            eq(#parts, 1); eq(parts[1][1], 500)
            fails("bad", all, function() error "bad" end, 1, 2)
            fails("not compiled: line", all, mmap.compile(function() return function() end end, { strict = true }), 1, 2)
            local g = mmap.compile(function(i) return i end)
            debug.sethook(function() end, "l")
            local parts = all(g, 1, 10)
            debug.sethook()
            eq(#parts, 1); eq(mmap.whynot(g), "a debug hook is set")
            eq(#all(g, 1, 10), 10)
            fails("#1.*function expected", mmap.parallel, 5, 1, 2)
            fails("#2.*integer expected", mmap.parallel, g, nil, 2)
            fails("#3.*integer", mmap.parallel, g, 1, 2.5)
            fails("#3.*integer", mmap.parallel, g, 1, "2")
            """)
    }

    @Test func itCallsItselfAndIsCalledInCoroutines() {
        check(
            """
            local inner = mmap.compile(function(i, j) local s = 0 for x = i, j do s = s + x end return s end)
            local function sum(n) local s = 0 for _, part in ipairs(mmap.parallel(inner, 1, n)) do s = s + part[1] end return s end
            local g = mmap.compile(function(i, j, f) if i % 2 == 0 then return f(i) end return i * (i + 1) // 2 end)
            for i, part in ipairs(mmap.parallel(g, 1, 200, sum)) do eq(part[1], i * (i + 1) // 2) end
            local g = mmap.compile(function(i, j, f) if i % 2 == 0 then return f(i) end return i * (i + 1) // 2 end)
            local co = coroutine.wrap(function() return mmap.parallel(g, 1, 10, sum) end)
            local parts = co()
            eq(#parts, 10); eq(parts[10][1], 55)
            -- It cannot be left and continued, as table.sort cannot.
            local g = mmap.compile(function(i, j, f) if i == 3 then return f(i) end return i end)
            local co = coroutine.create(function() return mmap.parallel(g, 1, 10, coroutine.yield) end)
            local ok, e = coroutine.resume(co)
            eq(ok, false); assert(e:find "attempt to yield across a C%-call boundary")
            -- As deep as C may be called: the call fails, and the next one is an ordinary one.
            local g = mmap.compile(function(i, j) return i end)
            local failed
            local function deep() local ok = pcall(table.sort, { 2, 1 }, deep) if not ok and not failed then failed = true pcall(mmap.parallel, g, 1, 10) end return false end
            deep()
            eq(failed, true); eq(g(1, 2), 1)
            """)
    }

    @Test func finalizersThatDoHarm() {
        check(
            """
            -- A finalizer closes what the function uses, or ends the function, at each allocation of the call.
            local function hostile(act)
              local meta = {}
              meta.__gc = function() act() setmetatable({}, meta) end
              setmetatable({}, meta)
            end
            for round = 1, 30 do
              local b = mmap.anonymous(1 << 16)
              local g = mmap.compile(function(i, j, b, f) local s = 0 for x = i, j do s = s + b[x] end if f then return f(s) end return s end)
              g(0, 1, b)
              local countdown = round
              local state = select(2, debug.getupvalue(select(2, debug.getupvalue(g, 2)), 1))
              hostile(function()
                countdown = countdown - 1
                if countdown ~= 0 then return end
                if round % 2 == 0 then b:close() else debug.getmetatable(state).__gc(state) end
              end)
              collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000) collectgarbage("step")
              pcall(mmap.parallel, g, 0, (1 << 16) - 1, b, round % 3 == 0 and tostring or nil)
              countdown = -1
              collectgarbage("setpause", 200) collectgarbage("setstepmul", 100)
            end
            -- A function of the script in the middle.
            local b = mmap.anonymous(1 << 16)
            local g = mmap.compile(function(i, j, b, f) local s = 0 for x = i, j do s = s + b[x] end if i > 1000 then return f() end return s end)
            local parts = mmap.parallel(g, 0, 65535, b, function() b:close() return 1 end)
            eq(#parts, 256); eq(parts[1][1], 0); eq(parts[256][1], 1)
            local g = mmap.compile(function(i, j, b, f) local s = 0 for x = i, j do s = s + b[x] end if i > 1000 then return f() end return s end)
            local state = select(2, debug.getupvalue(select(2, debug.getupvalue(g, 2)), 1))
            local b = mmap.anonymous(1 << 16)
            fails("a finalizer ended the function", mmap.parallel, g, 0, 65535, b, function() debug.getmetatable(state).__gc(state) return 1 end)
            local g = mmap.compile(function(i, j, b, f) local s = 0 for x = i, j do s = s + b[x] end if i > 1000 then return f() end return s end)
            local function wreck()
              for level = 2, 5 do
                for slot = 1, 40 do pcall(debug.setlocal, level, slot, nil) end
              end
            end
            pcall(mmap.parallel, g, 0, 65535, b, wreck)
            """)
    }
}
