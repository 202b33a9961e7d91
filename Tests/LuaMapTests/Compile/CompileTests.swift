import Testing

/// `mmap.compile` against the interpreter. scripts/test puts the compiler beside the tests.
@Suite struct CompileTests {
    /// `same(f, arguments …)`: f and its machine code give the same, errors included. NaN equals NaN.
    static let same = """
        local function shown(...)
          local all = table.pack(...)
          for i = 1, all.n do
            local x = all[i]
            all[i] = math.type(x) == "float" and (x ~= x and "nan" or ("%a"):format(x)) or tostring(x)
          end
          -- Lua 5.4.4 gives a division by zero the line of the last call.
          return (table.concat(all, " ", 1, all.n):gsub(":%d+: attempt to (p?d?)", ": attempt to %1"))
        end
        function same(f, g, ...)
          local wanted, got = shown(pcall(f, ...)), shown(pcall(g, ...))
          if wanted ~= got then error("arguments " .. shown(...) .. ": wanted " .. wanted .. ", got " .. got, 2) end
        end
        function compiled(f)
          local g = mmap.compile(f, { strict = true })
          return g
        end
        edges = { 0, 1, -1, 2, 3, -3, 7, 63, 64, 65, -64, 255, 256, math.maxinteger, math.mininteger, math.maxinteger - 1,
          1 << 53, (1 << 53) + 1, -(1 << 53) - 1, 0.0, -0.0, 0.5, -0.5, 1.5, 3.0, 2.0^53, 2.0^53 + 2, 2.0^63, -2.0^63, 1e308, 5e-324,
          math.huge, -math.huge, 0/0 }

        """

    @Test func everyOperatorOnAllPairsOfEdges() {
        check(
            Self.same + """
                for _, text in ipairs { "x + y", "x - y", "x * y", "x / y", "x // y", "x % y", "x ^ y", "x & y", "x | y", "x ~ y",
                  "x << y", "x >> y", "-x", "~x", "not x", "x < y", "x <= y", "x > y", "x >= y", "x == y", "x ~= y", "x and y", "x or y",
                  "x + 3", "x - 3", "x * 2.5", "x // 3", "x % 3", "x % -3", "x // 0", "x % 0", "x // 2.5", "x % 2.5", "x ^ 2", "x / 2", "x & 7",
                  "x | 1.0", "x ~ 5", "x << 3", "x >> 3", "3 << x", "3 >> x", "x < 5", "x <= 5", "x > 5", "x >= 5", "x == 5", "5 < x", "x < 2.5",
                  "x ~= 3.0", "x == 0.5", "math.abs(x)", "math.floor(x)", "math.ceil(x)", "math.sqrt(x)", "math.max(x, y)", "math.min(x, y)",
                  "math.fmod(x, y)", "math.tointeger(x)", "math.ult(x, y)", "math.exp(x)", "math.log(x)", "math.log(x, y)", "math.log(x, 2)",
                  "math.log(x, 10)", "math.sin(x)", "math.cos(x)", "math.tan(x)", "math.asin(x)", "math.acos(x)", "math.atan(x)",
                  "math.atan(x, y)", "math.max(x, 1, 2)", "math.pi + x", "math.maxinteger - x", "math.huge" } do
                  -- The result in a variable: a call at the end may have any number of results.
                  local f = load("return function(x, y) local r = " .. text .. " return r end", "=f")()
                  local g = mmap.compile(f)
                  local compiled = 0
                  for _, x in ipairs(edges) do
                    for _, y in ipairs(edges) do
                      same(f, g, x, y)
                      if not mmap.whynot(g) then compiled = compiled + 1 end
                    end
                  end
                  assert(compiled > 0, text .. ": " .. tostring(mmap.whynot(g)))
                end
                """)
    }

    @Test func everyForLoopOverAllEdges() {
        check(
            Self.same + """
                local bodies = { "s = s + i", "s = s + n * i; if n > 9 then break end", "i = i * 2; s = s + i", "s = i" }
                local steps = { 1, 2, -1, -3, 0, 0.5, -0.25, math.maxinteger, math.mininteger, 1e300 }
                local limits = { 0, 3, 10, -4, math.maxinteger, math.mininteger, math.maxinteger - 2, math.mininteger + 2, 0.0, 2.5, -2.5, 1e300, -1e300,
                  math.huge, -math.huge, 0/0, 2.0^63, -2.0^63 }
                for _, body in ipairs(bodies) do
                  local source = "return function(a, b, c) local n, s = 0, 0 for i = a, b, c do n = n + 1 if n > 12 then break end "
                    .. body .. " end return n, s end"
                  local f = load(source, "=f")()
                  local g = compiled(f)
                  for _, a in ipairs(limits) do for _, b in ipairs(limits) do for _, c in ipairs(steps) do same(f, g, a, b, c) end end end
                end
                """)
    }

    @Test func everyTypeAtEveryBound() {
        check(
            Self.same + """
                local m = mmap.anonymous(4096)
                for i = 0, 4095 do m[i] = (i * 89 + 131) & 255 end
                local get = function(v, i) return v[i], #v end
                local set = function(v, i, x) v[i] = x return v[i] end
                local sum = function(v, a, b) local s = 0 for i = a, b do s = s + v[i] end return s end
                local shift = function(v, w, k) for i = 0, #w - 1 do w[i] = v[i + k] end end
                for _, kind in ipairs { "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "bf16", "f32", "f64" } do
                  for _, order in ipairs(kind:find "8$" and { "" } or { "", "be" }) do
                    for _, stride in ipairs { 0, 3, 1 } do
                      local size = #string.pack(({ u8 = "I1", i8 = "i1", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "I8", i64 = "i8", f16 = "I2",
                        bf16 = "I2", f32 = "f", f64 = "d" })[kind], 0)
                      if not (stride == 1 and size == 1) then
                      local v = m:view(kind .. order, 5, 9, stride == 1 and 1 or size + stride)
                      local g, s, t = compiled(get), compiled(set), compiled(sum)
                      for _, i in ipairs { 0, 1, 8, 9, -1, math.maxinteger, math.mininteger, 3.0, 3.5, 2.0^63 } do same(get, g, v, i) end
                      for a = -1, 9 do for b = -1, 9 do same(sum, t, v, a, b) end end
                      local before = m:string()
                      for _, i in ipairs { 0, 8, 9, -1, 4.0, 0.5 } do
                        for _, x in ipairs(edges) do
                          m:copy(0, before)
                          local ok, wanted = pcall(set, v, i, x)
                          local bytes = m:string()
                          m:copy(0, before)
                          local ok2, got = pcall(s, v, i, x)
                          assert(ok == ok2 and (wanted == got or wanted ~= wanted), kind .. order .. " " .. tostring(wanted) .. " " .. tostring(got))
                          assert(bytes == m:string() or wanted ~= wanted, kind)
                        end
                      end
                      m:copy(0, before)
                      if stride ~= 1 then
                        -- Elements that overlap, at all distances.
                        for k = -2, 2 do
                          local w = m:view(kind .. order, 5 + size, 6)
                          local h = compiled(shift)
                          m:copy(0, before) local ok, e = pcall(shift, v, w, k) local bytes = m:string()
                          m:copy(0, before) local ok2, e2 = pcall(h, v, w, k)
                          assert(ok == ok2 and e == e2, tostring(e) .. tostring(e2))
                          assert(bytes == m:string(), kind)
                        end
                        m:copy(0, before)
                      end
                      end
                    end
                  end
                end
                """)
    }

    @Test func buffersByMethods() {
        check(
            Self.same + """
                local m = mmap.anonymous(64)
                local b = m:slice(3, 21)
                for _, kind in ipairs { "u8", "i8", "u16", "i16be", "u32le", "i32", "u64be", "i64", "f32", "f64be", "f16", "bf16be" } do
                  local set = load("local k = ... return function(b, i, x) b:set('" .. kind .. "', i, x) return b:get('" .. kind .. "', i) end", "=f")()
                  local g = mmap.compile(set)
                  for i = -1, 22 do for _, x in ipairs { 0, 1, -1, 200, 1.5, 70000, -70000, 2.0^40, 1e300 } do same(set, g, b, i, x) end end
                end
                for _, name in ipairs { "UInt8", "Int8", "UInt16LE", "Int16BE", "UInt32BE", "Uint32LE", "Int32LE", "BigUInt64LE", "BigInt64BE", "FloatLE", "FloatBE",
                  "DoubleLE", "DoubleBE" } do
                  local f = load("return function(b, i, x) local n = b:write" .. name .. "(x, i) return n, b:read" .. name .. "(i) end", "=f")()
                  local g = mmap.compile(f)
                  for i = -1, 22 do for _, x in ipairs { 0, 1, -1, 200, 1.5, 70000, -70000, 2.0^40, 1e300 } do same(f, g, b, i, x) end end
                  assert(not mmap.whynot(g), mmap.whynot(g))
                end
                local f = function(b) return b:readUIntLE(0, 3), b:find "x" end
                local g = mmap.compile(f)
                same(f, g, b)
                assert(mmap.whynot(g):find "the method 'readUIntLE' is called here", mmap.whynot(g))
                """)
    }

    @Test func upvaluesAreReadAndWritten() {
        check(
            Self.same + """
                local n, total, b = 0, 0, mmap.anonymous(10)
                local f = function(k) n = n + 1 for i = 0, k do total = total + b[i] + 0.5 end return n, total end
                local g = compiled(f)
                b:fill(3)
                local a1, a2 = g(9)
                eq(a1, 1); eq(a2, 35.0); eq(n, 1); eq(total, 35.0)
                -- What was written before an error is there.
                fails("offset 10 is out of range", g, 10)
                eq(n, 2); eq(total, 70.0)
                -- The variable is shared with the interpreter.
                n = 41
                eq((f(0)), 42); eq((g(0)), 43)
                n = {}
                fails("arithmetic on a table value %(upvalue 'n'%)", mmap.compile(f), 0)
                """)
    }

    @Test func whatDoesNotCompileIsInterpretedWithAReason() {
        check(
            Self.same + """
                local t = {}
                for text, reason in pairs { ["return { x }"] = false, ["return x .. 'a'"] = "strings are joined", ["t.x = x return t.x"] = "a field",
                  ["return function() return x end"] = "a function is made", ["return print"] = false, ["return tostring(x)"] = "tostring is called",
                  ["for k in pairs(t) do x = k end return x"] = "pairs is called", ["t[1] = x return t[1]"] = "only those that the function itself makes are compiled",
                  ["return #t"] = "the length of something", ["return t[1]"] = "an element is read", ["global = x return global"] = "a global variable or a field is set",
                  ["return x == t"] = false, ["return x < t"] = "compared", ["return x + t"] = "arithmetic", ["return -t"] = "arithmetic",
                  ["for i = 1, t do end"] = "a 'for' loop whose", ["goto l ::l:: local y <const> = x return y"] = false,
                  ["local c <close> = nil return x"] = "closed", ["return x and t"] = false, ["error('bad', 0)"] = false, ["return select('#', x)"] = "select" } do
                  local f = load("local t = ... return function(x) " .. text .. " end", "=f")(t)
                  local g = mmap.compile(f)
                  eq(mmap.whynot(g), "not called yet")
                  local wanted, got = table.pack(pcall(f, 5)), table.pack(pcall(g, 5))
                  eq(got[1], wanted[1], text); eq(type(got[2]), type(wanted[2]), text)
                  if type(wanted[2]) ~= "table" and type(wanted[2]) ~= "function" then eq(got[2], wanted[2], text) end
                  local why = mmap.whynot(g)
                  if reason then assert(why and why:find(reason), text .. ": " .. tostring(why)) else eq(why, nil, text) end
                end
                local f = function(...) return ... end
                eq(select("#", mmap.compile(f)(1, nil, nil)), 3)
                local g = mmap.compile(print)
                g()
                assert(mmap.whynot(g):find "a function of C")
                assert(not pcall(mmap.compile(f, { strict = true })))
                fails("'...' is not compiled", mmap.compile(f, { strict = true }))
                fails("tostring is called", mmap.compile(function(x) local s = tostring(x) return 1 end, { strict = true }), 1)
                -- After the third time the interpreter runs all of it.
                local n = 0
                local g = mmap.compile(function(x) n = n + 1 if x > 2 then t[1] = x end return n end)
                for i = 1, 9 do eq(g(i), i) end
                assert(mmap.whynot(g):find "only those that the function itself makes are compiled")
                eq(g(1), 10)
                """)
    }

    @Test func theInterpreterContinuesWithNamesAndLines() {
        check(
            Self.same + """
                local b = mmap.anonymous(4)
                local f = load("return function(b, x)\\nlocal s = 0\\nfor i = 0, x do\\ns = s + b[i]\\nend\\nlocal y = s & 1.5\\nreturn y\\nend", "=file")()
                local g = compiled(f)
                fails("^file:4: offset 4 is out of range %(0 to 3%)$", g, b, 9)
                fails("^file:6: number has no integer representation$", g, b, 3)
                local f = load("return function(b)\\nlocal q = b\\n\\nreturn q:get('u8', 77)\\nend", "=file")()
                fails("^file:4: bad argument #2 to 'get' %(offset 77 is out of range", f, b)
                local g = compiled(f)
                local ok, e = pcall(f, b)
                local ok2, e2 = pcall(g, b)
                eq(e2, e)
                local f = load("return function(b, x)\\nlocal n = 1\\nif x then\\nnothing(n)\\nend\\nreturn n\\nend", "=file")()
                local g = mmap.compile(f)
                eq(g(b, false), 1)
                fails("^file:4: attempt to call a nil value %(global 'nothing'%)$", g, b, true)
                -- An error with the position of the caller.
                local f = load("return function(x, level)\\nif x > 2 then error('bad x', 2) end\\nif x > 1 then error(x, 2) end\\nreturn x\\nend", "=file")()
                local call = load("local f, x = ...\\n\\nlocal y = f(x) return y", "=caller")
                eq(select(2, pcall(call, compiled(f), 3)), "caller:3: bad x"); eq(select(2, pcall(call, compiled(f), 2)), 2)
                -- Coroutines yield where the interpreter continues.
                local g = mmap.compile(function(x) local y = coroutine.yield(x + 1) return y * 2 end)
                local co = coroutine.wrap(g)
                eq(co(1), 2); eq(co(21), 42)
                -- Lua's own functions take it.
                local list = { 3, 1, 2 }
                table.sort(list, compiled(function(a, b) return a > b end))
                eq(table.concat(list), "321")
                """)
    }

    @Test func stateOfBuffers() {
        check(
            Self.same + """
                local sum = function(b) local s = 0 for i = 0, #b - 1 do s = s + b[i] end return s end
                local g = compiled(sum)
                local b = mmap.anonymous(100)
                b:fill(1)
                eq(g(b), 100); eq(g(b:slice(10, 5)), 5); eq(g(b:slice(0, 0)), 0)
                local v = b:view("u16")
                local h = mmap.compile(sum)
                eq(h(v), 50 * 257)
                local list = mmap.compiled(g)
                eq(#list, 1); eq(list[1].types, "buffer"); assert(list[1].bytes > 0 and list[1].seconds > 0)
                eq(mmap.compiled(h)[1].types, "view u16le")
                assert(mmap.disassemble(g):find "for %(buffer%):\\n.*ret")
                local r = mmap.anonymous(mmap.PAGESIZE)
                r:fill(2)
                local fill = function(b, x) for i = 0, #b - 1 do b[i] = x end end
                local w = compiled(fill)
                w(r, 7); eq(r[4095], 7)
                r:protect(mmap.PROT_READ)
                fails("the mapping is read%-only", fill, r, 1)
                same(fill, w, r, 1); eq(r[0], 7)
                r:protect(mmap.PROT_NONE)
                same(sum, mmap.compile(sum), r)
                b:close()
                fails("attempt to use a closed buffer", mmap.compile(sum), b)
                local plain = mmap.compile(sum)
                fails("attempt to use a closed buffer", plain, b)
                assert(mmap.whynot(plain):find "a buffer was closed")
                fails("a function that mmap.compile returned", mmap.whynot, print)
                fails("function expected", mmap.compile, 1)
                """)
    }

    @Test func valuesOfManyTypes() {
        check(
            Self.same + """
                local f = function(a, b) if a then return b end return a, b, nil, true, 1, 2.5 end
                local g = compiled(f)
                local t = {}
                for _, a in ipairs { false, true, 1, 0.5, "s", t, print } do
                  for _, b in ipairs { false, 2, -0.0 } do same(f, mmap.compile(f), a, b) end
                end
                same(f, g, nil, nil); same(f, g)
                -- Nine combinations of types: the interpreter runs the ninth.
                local g = mmap.compile(function(a, b) return a end)
                for _, a in ipairs { 1, 1.5, true } do for _, b in ipairs { 1, 1.5, "x" } do eq(g(a, b), a) end end
                eq(#mmap.compiled(g), 8)
                assert(mmap.whynot(g):find "more than 8")
                -- Accumulators that become floats, or nil.
                local v = mmap.anonymous(80):view "f64"
                for i = 0, 9 do v[i] = i / 2 end
                local f = function(v) local s, m, last = 0, 0, nil for i = 0, #v - 1 do s = s + v[i] m = math.max(m, v[i]) last = i end return s, m, last end
                same(f, compiled(f), v)
                -- 255 registers, 200 variables.
                local names = {}
                for i = 1, 190 do names[i] = "v" .. i end
                local all = table.concat(names, ", ")
                local f = load("return function(x) local " .. all .. " = x, x + 1, x + 2 for i = 1, 3 do v190 = i v1, v2 = v2, v1 end return v1, v2, v3, v190 end")()
                same(f, compiled(f), 5)
                """)
    }

    /// A function that calls itself in the interpreter is not nested in C, which ends at 200 calls.
    @Test func deepCallsInTheInterpreter() {
        check(
            """
            local g
            g = mmap.compile(function(n) if n == 0 then return "" end local s = g(n - 1) return s .. (n & 1) end)
            for _, n in ipairs { 3, 150, 1000, 20000 } do eq(#g(n), n) end
            assert(mmap.whynot(g):find "strings are joined")
            local h
            h = mmap.compile(function(n, ...) if n == 0 then return 0 end return h(n - 1, ...) + select("#", ...) end)
            eq(h(50000, 1, 2), 100000); assert(mmap.whynot(h):find "'...'")
            """)
    }

    @Test func limits() {
        check(
            Self.same + """
                local function many(n) return load("return function(x) " .. ("x = x + 1 "):rep(n) .. " return x end", "=f")() end
                -- Two instructions for each sum.
                eq(compiled(many(4990))(1), 4991)
                local g = mmap.compile(many(5001))
                eq(g(1), 5002)
                assert(mmap.whynot(g):find "instructions; the most is 10000", mmap.whynot(g))
                -- Upvalues, all that Lua has.
                local names, sum, set = {}, {}, {}
                for i = 1, 120 do names[i], sum[i], set[i] = "a" .. i, "a" .. i, ("a%d = a%d + x"):format(i, i) end
                local more = {}
                for i = 1, 120 do more[i], sum[120 + i] = "b" .. i, "b" .. i end
                local f = load("local " .. table.concat(names, ", ") .. " = " .. ("1, "):rep(119) .. "1.5 return (function() local " ..
                  table.concat(more, ", ") .. " = " .. ("2, "):rep(119) .. "2 return function(x) " .. table.concat(set, " ") .. " return " ..
                  table.concat(sum, " + ") .. " end end)()", "=f")()
                local g = compiled(f)
                eq(g(0), 360.5); eq(g(1), 480.5); eq(f(0), 480.5)
                -- Registers.
                local list = {}
                for i = 1, 240 do list[i] = "x * " .. i end
                local f = load("return function(x) return math.max(" .. table.concat(list, ", ") .. ") end", "=f")()
                same(f, compiled(f), 3); same(f, compiled(f), -3)
                -- Parameters, fewer of which are given.
                for _, count in ipairs { 30, 101, 190 } do
                  local names = {}
                  for i = 1, count do names[i] = "p" .. i end
                  local f = load("return function(" .. table.concat(names, ", ") .. ") return p1, p" .. count .. " end", "=f")()
                  local g = compiled(f)
                  same(f, g); same(f, g, 1); same(f, g, table.unpack(list, 1, count)); same(f, g, table.unpack(list, 1, 240))
                end
                -- Bytecode that was changed: the body of a loop writes what the loop keeps. Registers 1 to 3 do.
                local v = mmap.anonymous(80):view "f64"
                for register = 1, 3 do
                  local dump = string.dump(function(v) for i = 0, 9 do local x = i + 100 v[i] = 7.5 end end)
                  local found = 0
                  for p = 1, #dump - 3 do
                    local word = string.unpack("<I4", dump, p)
                    if word & 0x7fff == (21 | 5 << 7) then -- OP_ADDI to register 5
                      dump = dump:sub(1, p - 1) .. string.pack("<I4", word & ~0x7fff | 21 | register << 7) .. dump:sub(p + 4)
                      found = found + 1
                    end
                  end
                  eq(found, 1)
                  local f = load(dump)
                  local g = mmap.compile(f)
                  eq(pcall(g, v), (pcall(f, v))); assert(mmap.whynot(g):find "was changed", mmap.whynot(g))
                end
                -- Without debug information; one of C; one that is compiled already.
                local g = mmap.compile(load(string.dump(function(x) return x end, true)))
                eq(g(5), 5); assert(mmap.whynot(g):find "no line numbers")
                local g = mmap.compile(math.floor)
                eq(g(2.5), 2); assert(mmap.whynot(g):find "a function of C")
                local g = mmap.compile(mmap.compile(function(x) return x + 1 end))
                eq(g(2), 3); assert(mmap.whynot(g):find "compiled already")
                -- A table with a metatable, and what is no table, under the name of a library.
                local math <const> = setmetatable({}, { __index = math })
                local f = function(x) if x then return math.floor(x) end return 0 end
                local g = mmap.compile(f)
                same(f, g, 1.5); same(f, g, false); same(f, g, nil)
                local f = function(x) local s = "x" if x then return s.y.z end return 1 end
                same(f, mmap.compile(f), false); same(f, mmap.compile(f), true)
                local nothing
                local f = function(x) if x then return nothing.y.z end return 1 end
                same(f, compiled(f), false); same(f, mmap.compile(f), true)
                """)
    }

    @Test func aDebugHookStopsMachineCode() {
        check(
            """
            local g = mmap.compile(function(x) return x + 1 end)
            local lines = 0
            debug.sethook(function() lines = lines + 1 end, "l")
            local y = g(1)
            debug.sethook()
            eq(y, 2); eq(mmap.whynot(g), "a debug hook is set"); assert(lines > 0)
            eq(g(2), 3); eq(mmap.whynot(g), nil)
            -- What the debug library can do to it is an error.
            local function state(g) return select(2, debug.getupvalue(g, 2)) end
            debug.setupvalue(state(g), 1, 5)
            fails("the upvalues of a compiled function were changed", g, 1)
            fails("a function that mmap.compile returned", mmap.whynot, g)
            local g = mmap.compile(function(x) return x + 1 end)
            debug.setupvalue(g, 2, 5)
            fails("a function that mmap.compile returned", mmap.whynot, g)
            local g = mmap.compile(function(x) return x + 1 end)
            g(1)
            local _, compiled = debug.getupvalue(state(g), 1)
            debug.getmetatable(compiled).__gc(compiled)
            eq(g(1), 2); assert(mmap.whynot(g):find "finalizer")
            debug.setupvalue(g, 1, 5)
            fails("attempt to call a number value", g)
            -- A function of C in the place of one that it calls, where the interpreter is to go on in that one.
            local n = 1
            local function called(x) if x < 0 then return x end n = n + 1 return x .. "a" end
            local g = mmap.compile(function(x) local r = called(x) return r end)
            eq(g(1), "1a")
            local _, all = debug.getupvalue(state(g), 3)
            local count = 0
            for key, value in pairs(all) do if key < -1 then all[key] = nil end end
            for key, value in pairs(all) do if value == called then all[key], count = string.gmatch("aaa", "a"), count + 1 end end
            eq(count, 1)
            fails("the upvalues of a compiled function were changed", g, 1)
            """)
    }
}
