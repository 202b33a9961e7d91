import Testing

/// Compiled functions that call each other and themselves, against the interpreter.
@Suite struct CompileCallTests {
    @Test func recursion() {
        check(
            CompileTests.same + """
                local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
                local g = compiled(fib)
                for _, n in ipairs { 0, 1, 2, 15, 15.5, -3 } do same(fib, g, n) end
                -- By the name of the compiled function.
                local h
                h = compiled(function(n) if n < 2 then return n end return h(n - 1) + h(n - 2) end)
                eq(h(20), 6765); eq(mmap.whynot(h), nil)
                -- By a global variable, and by a field of a table in a variable.
                function ackermann(m, n)
                  if m == 0 then return n + 1 end
                  if n == 0 then return ackermann(m - 1, 1) end
                  return ackermann(m - 1, ackermann(m, n - 1))
                end
                same(ackermann, compiled(ackermann), 2, 9)
                local M = {}
                function M.power(x, n) if n == 0 then return 1 end local y = M.power(x, n // 2) if n % 2 == 0 then return y * y end return y * y * x end
                local g = compiled(M.power)
                same(M.power, g, 3, 13); same(M.power, g, 1.5, 9); same(M.power, g, 7, 0)
                -- Each other, at the end.
                local even, odd
                function even(n) if n == 0 then return true end return odd(n - 1) end
                function odd(n) if n == 0 then return false end return even(n - 1) end
                local g = compiled(even)
                eq(g(100000), true); eq(g(100001), false); eq(g(-0.0), true); eq(mmap.whynot(g), nil)
                -- Results of several types.
                local function first(n) if n == 0 then return 1 elseif n == 1 then return 2.5 elseif n == 2 then return n > 1 end
                  local x = first(n % 3) return x end
                local g = compiled(first)
                for n = 0, 9 do same(first, g, n) end
                """)
    }

    @Test func deepRecursion() {
        check(
            CompileTests.same + """
                local function sum(n) if n == 0 then return 0 end return n + sum(n - 1) end
                local g = compiled(sum)
                for _, n in ipairs { 1, 1000, 20000, 100000 } do eq(g(n), n * (n + 1) // 2) end
                -- It goes on in the interpreter, and the error is the interpreter's.
                fails("stack overflow", sum, -1)
                for _ = 1, 3 do fails("^[^:]+:%d+: stack overflow", g, -1) end
                eq(g(10), 55)
                local h
                h = mmap.compile(function(n) if n == 0 then return 0 end return n + h(n - 1) end)
                for _, n in ipairs { 1, 1000, 50000 } do eq(h(n), n * (n + 1) // 2) end
                for _ = 1, 3 do fails("^[^:]+:%d+: stack overflow", h, -1) end
                eq(h(10), 55)
                """)
    }

    @Test func resultsAndArguments() {
        check(
            CompileTests.same + """
                local function divmod(a, b) return a // b, a % b end
                local function nothing() end
                local function many(a, b, c, d) return a, b, c, d, nil, true, 2.5 end
                for _, text in ipairs { "local q, r = divmod(a, b) return r, q", "return divmod(a, b)", "return 1, divmod(a, b)", "return (divmod(a, b))",
                  "return math.max(divmod(a, b))", "return divmod(divmod(a, b))", "local x = nothing(a) return x, nothing()", "return nothing()",
                  "nothing(a, b) return a", "return many(a)", "return many(a, b, a, b, a, b)", "local x, y, z, u, v, w, t, s = many(a, b) return s, t, w, v, u, z, y, x",
                  "return many(divmod(a, b))", "local x = nothing() or a return x", "local x = many(a) if x then return many(x > 1, b) end",
                  "local s = 0 for i = 1, 5 do s = s + divmod(i * a, b) end return s", "return many(nothing(), divmod(a, b))", "local t <const> = 5 return many(t, many)" } do
                  local f = load("local divmod, nothing, many = ... return function(a, b) " .. text .. " end", "=f")(divmod, nothing, many)
                  local g = compiled(f)
                  for _, a in ipairs { 7, -7, 7.5, 0 } do for _, b in ipairs { 2, -2, 0.5, 0 } do same(f, g, a, b) end end
                end
                """)
    }

    @Test func errorsInCalledFunctions() {
        check(
            CompileTests.same + """
                local b = mmap.anonymous(16)
                b:fill(1)
                local reads = 0
                local read = load("local b, count = ... return function(i, depth)\\nlocal x = count()\\nif depth > 0 then\\nreturn b[i] + x\\nend\\nreturn b[i]\\nend", "=read")
                local count = function() reads = reads + 1 return 0 end
                read = read(b, count)
                local f = load("local read = ...\\nreturn function(n, d)\\nlocal s = 0\\nfor i = 0, n do\\ns = s + read(i, d)\\nend\\nreturn s\\nend", "=f")(read)
                local g = compiled(f)
                for _, d in ipairs { 0, 1 } do
                  reads = 0 eq(g(15, d), 16) eq(reads, 16) eq(mmap.whynot(g), nil)
                  -- The interpreter goes on in the function that was called, and does nothing twice.
                  reads = 0 local ok, e = pcall(f, 20, d) local wanted = reads
                  reads = 0 local ok2, e2 = pcall(g, 20, d)
                  eq(e2, e); eq(reads, wanted); assert(e:find "^read:%d: offset 16 is out of range")
                end
                -- The traceback has both lines.
                local trace = select(2, xpcall(g, debug.traceback, 20, 1))
                assert(trace:find "read:4: in" and trace:find "f:5: in", trace)
                -- Deep inside.
                local n = 0
                local function walk(i) n = n + 1 if i == 16 then return b[i] end local x = walk(i + 1) n = n + 100 return x + b[i] end
                local g = compiled(walk)
                fails("offset 16 is out of range", g, 0)
                eq(n, 17)
                local g = mmap.compile(function(x) local y = walk(x) return y end)
                fails("offset 16 is out of range", g, 10); eq(n, 24)
                -- What does not compile: the frames above go on where they were.
                local function name(i) if i == 0 then return "x" .. n end n = n + 1 local s = name(i - 1) n = n + 1 return s .. i end
                local g = mmap.compile(name)
                n = 0 eq(g(3), "x3123") eq(n, 6)
                assert(mmap.whynot(g):find "strings are joined")
                local list = {}
                local function yields(i) if i == 0 then return coroutine.yield(i) end local x = yields(i - 1) list[#list + 1] = x return x + 1 end
                local co = coroutine.wrap(mmap.compile(yields))
                eq(co(5), 0); eq(co(10), 15); eq(table.concat(list, " "), "10 11 12 13 14")
                -- With open arguments and results.
                local function pair(i) if i == 2 then local s = "a" .. i return i, s end return i, i + 1 end
                local f = function(i) local n = select("#", pair(i)) return n, math.max(1, (pair(i))), pair(i) end
                local g = mmap.compile(f)
                same(f, g, 1); same(f, g, 2)
                local f = function(i) return 5, pair(i) end
                local g = mmap.compile(f)
                same(f, g, 1); same(f, g, 2); same(f, g, 3)
                -- error with a level.
                local function check(x) if x > 2 then error("bad", 2) end return x end
                local f = load("local check = ...\\nreturn function(x)\\nlocal y = check(x)\\nreturn y\\nend", "=f")(check)
                same(f, compiled(f), 1); same(f, compiled(f), 3)
                """)
    }

    @Test func variablesOfSeveralFunctions() {
        check(
            CompileTests.same + """
                -- Two functions write one variable, one of them a float.
                local n, k = 0, 0
                local function add(x) n = n + x return n end
                local function twice(x) n = n + 1 k = k + 1 local a = add(x) local b = add(x) n = n * 2 return a, b, n end
                local g = compiled(twice)
                local a, b, c = g(5)
                eq(a, 6); eq(b, 11); eq(c, 22); eq(n, 22); eq(k, 1)
                n = 1.5 a, b, c = g(5) eq(c, 25.0); eq(n, 25.0); eq(k, 2)
                -- The variable changes its type: the interpreter goes on.
                n = 1
                local h = mmap.compile(twice)
                a, b, c = h(0.5)
                eq(a, 2.5); eq(c, 6.0); eq(n, 6.0); eq(k, 3)
                -- Closures of one function with variables of their own.
                local function counter(m) return function(x) m = m + x return m end end
                local one, two = counter(1), counter(100)
                local f = function(x) local a = one(x) local b = two(x) return a, b, one(0) end
                local g = compiled(f)
                eq(select("#", g(1)), 3)
                eq(one(0), 2); eq(two(0), 101)
                -- A variable gets another function later.
                local helper = function(x) return x + 1 end
                local g = mmap.compile(function(x) local y = helper(x) return y end)
                eq(g(1), 2); eq(mmap.whynot(g), nil)
                helper = function(x) return x + 10 end
                eq(g(1), 11); assert(mmap.whynot(g), "called another function")
                helper = nil
                fails("attempt to call a nil value %(upvalue 'helper'%)", g, 1)
                -- Buffers as arguments of the functions.
                local b, v = mmap.anonymous(64), mmap.anonymous(64):view "f64"
                local function put(m, i, x) m[i] = x return m[i] end
                local f = function(b, v) local s = 0 for i = 0, 7 do s = s + put(b, i, i) + put(v, i, i / 2) end return s, #v end
                same(f, compiled(f), b, v); same(f, compiled(f), v, b); same(f, mmap.compile(f), b)
                same(f, mmap.compile(f), b, b)
                -- More functions than are compiled together.
                local list = { "local t = ... local f0 = function(x) return x end" }
                for i = 1, 40 do list[#list + 1] = ("local f%d = function(x) local y = f%d(x + 1) return y end"):format(i, i - 1) end
                local f = load(table.concat(list, " ") .. " return f40", "=f")()
                eq(mmap.compile(f)(1), 41)
                """)
    }
}

/// Fields of records in compiled functions.
@Suite struct CompileRecordTests {
    @Test func everyTypeOfField() {
        check(
            CompileTests.same + """
                local m = mmap.anonymous(4096)
                for i = 0, 4095 do m[i] = (i * 89 + 131) & 255 end
                for _, kind in ipairs { "u8", "i8", "u16", "i16be", "u32", "i32be", "u64", "i64be", "f16", "bf16", "f32", "f32be", "f64", "f64be" } do
                  local r = m:records(mmap.struct { { "pad", "u8" }, { "x", kind }, { "y", "u16" }, { "name", "char[3]" } }, 3, 9)
                  local get = function(r, i) return r[i].x, r[i].y, #r end
                  local set = function(r, i, x) r[i].x = x local p = r[i] return p.x, p.y end
                  local sum = function(r, a, b) local s = 0 for i = a, b do s = s + r[i].x end return s end
                  local g, s, t = compiled(get), compiled(set), compiled(sum)
                  for _, i in ipairs { 0, 1, 8, 9, -1, math.maxinteger, math.mininteger } do same(get, g, r, i) end
                  same(get, mmap.compile(get), r, 3.0); same(get, mmap.compile(get), r, "x")
                  for a = -1, 9 do for b = -1, 9 do same(sum, t, r, a, b) end end
                  local before = m:string()
                  for _, i in ipairs { 0, 8, 9 } do
                    for _, x in ipairs(edges) do
                      m:copy(0, before) local ok, wanted, y = pcall(set, r, i, x) local bytes = m:string()
                      m:copy(0, before) local ok2, got, y2 = pcall(s, r, i, x)
                      assert(ok == ok2 and (wanted == got or wanted ~= wanted) and y == y2, kind .. " " .. tostring(wanted) .. " " .. tostring(got))
                      assert(bytes == m:string() or wanted ~= wanted, kind)
                    end
                  end
                  m:copy(0, before)
                end
                """)
    }

    @Test func recordsInVariables() {
        check(
            CompileTests.same + """
                local m = mmap.anonymous(800)
                local layout = mmap.struct { { "a", "i32" }, { "b", "f64" }, { "name", "char[4]" }, { "list", "u8", 4 }, { "inner", mmap.struct { { "x", "u8" } } } }
                local r = m:records(layout)
                for i = 0, #r - 1 do r[i].a, r[i].b = i * 3 % 7, i / 2 end
                -- A record in a variable over branches and loops.
                local f = function(r) local best = r[0] for i = 1, #r - 1 do local p = r[i] if p.a > best.a then best = p end end best.b = -1.0 return best.a, best.b end
                same(f, compiled(f), r); same(f, compiled(f), r:slice(3, 5))
                -- The interpreter continues with it.
                local f = function(r, i) local p = r[i] local x = p.a local s = p.name .. x return s, p.b end
                r[4].name = "four"
                local g = mmap.compile(f)
                eq(g(r, 4), "four" .. r[4].a)
                assert(mmap.whynot(g):find "a field of a record that is no number", mmap.whynot(g))
                for _, text in ipairs { "return r[i].list[2]", "return r[i].inner.x", "return r[i].missing", "r[i].name = 'ab' return r[i].name", "r[i].a = 'x'",
                  "return r[i] == r[i]", "return tostring(r[i].a)", "local p = r[i] return p and p.a", "r[i] = { a = 5 } return r[i].a", "return r[i].a + r[i].b",
                  "local p if i > 2 then p = r[i] end return p and p.b or i" } do
                  local f = load("return function(r, i) " .. text .. " end", "=f")()
                  local g = mmap.compile(f)
                  for _, i in ipairs { 0, 5, 99 } do same(f, g, r, i) end
                end
                local function helper(p, x) p.a = p.a + x return p.a end
                local f = function(r) local s = 0 for i = 0, #r - 1 do s = s + helper(r[i], i) end return s end
                local before = m:string()
                local wanted = f(r) local bytes = m:string()
                m:copy(0, before)
                eq(compiled(f)(r), wanted); assert(m:string() == bytes)
                -- Two layouts are two combinations of types.
                local other = m:records(mmap.struct { { "b", "u16" }, { "a", "u8" } })
                local f = function(r) local s = 0 for i = 0, #r - 1 do s = s + r[i].a end return s end
                local g = compiled(f)
                same(f, g, r); same(f, g, other); same(f, g, r)
                eq(#mmap.compiled(g), 2); eq(mmap.compiled(g)[1].types, "records")
                m:close()
                same(f, g, r)
                """)
    }
}
