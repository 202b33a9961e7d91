import Testing

/// Compiled functions in `t:where` and `t:with`, against functions that are not.
@Suite struct CompiledTableTests {
    /// A table of all types with nulls, in a file of many pieces.
    static let data = """
        local path = scratch()
        do
          local file = assert(io.open(path, "w"))
          file:write("i,x,b,s,t,u\\n")
          for n = 1, 30000 do
            file:write(n % 11 == 0 and "" or (n * 7919) % 1000 - 500, ",", n % 13 == 0 and "" or ("%.17g"):format(n / 7 - 2000), ",",
              n % 17 == 0 and "" or tostring(n % 3 == 0), ",s", n % 5, ",", os.date("!%Y-%m-%dT%H:%M:%SZ", n * 1000), ",", n % 19 == 0 and "18446744073709551615" or n, "\\n")
          end
          file:close()
        end
        local t = mmap.table(path, { columns = { "i integer", "x number", "b boolean", "s string", "t time", "u u64" }, header = true, format = "csv" })
        local function shown(table)
          local rows = {}
          for row, i, x, b, s, t, u, y in table:rows() do
            rows[#rows + 1] = ("%s %s %s %s %s %s %s %s"):format(row, i, x, b, s, t, u, y and math.type(y) or "", y)
          end
          return rows
        end
        local function same(a, b)
          -- By the results that use all threads too: rows() runs on one.
          eq(a:count(), b:count())
          eq(mmap.json.encode(a:group({}, { "sum i", "sum x", "count" }):totable()), mmap.json.encode(b:group({}, { "sum i", "sum x", "count" }):totable()))
          local one, other = shown(a), shown(b)
          eq(#one, #other)
          for i = 1, #one do eq(one[i], other[i]) end
          local names, all, rest = {}, a:totable(), b:totable()
          for _, column in ipairs(a:columns()) do names[#names + 1] = column.name end
          for i = 1, #all do for _, name in ipairs(names) do eq(all[i][name], rest[i][name]); eq(math.type(all[i][name]), math.type(rest[i][name])) end end
        end

        """

    @Test func filtersAndColumnsAreThoseOfTheInterpreter() async {
        await checkAlone(
            Self.data + """
                local lut = mmap.anonymous(8000):view "i64"
                for i = 0, 999 do lut[i] = (i * 31) % 100 end
                local k = 2
                local filters = {
                  { function(i) return i and i > 0 end, "i" },
                  { function(i, x) return i and x and i * 2 < x end, "i", "x" },
                  { function(b) return b end, "b" },
                  { function(b, i, x) if b then return i end if b == nil then return x and x > 0 end return not i end, "b", "i", "x" },
                  { function(t, u) return t % 7000 == 0 and u ~= 9 end, "t", "u" },
                  { function(i) return i and lut[i + 500] > 50 end, "i" },
                  { function(i) return i and i % k == 0 end, "i" },
                  { function() return true end }, { function() end }, { function() return 0 end },
                  { function(x, y) return y == nil and x end, "x" },
                  { function(x) return x and math.sin(x) > 0.5 or nil end, "x" },
                  { function(x, x2) return x == x2 end, "x", "x" },
                  -- Not compiled: strings, functions, and what comes of them.
                  { function(s) return s == "s1" end, "s" }, { function(i, s) return i and i > 0 end, "i", "s" },
                  { function(i) return tostring(i):find "7" end, "i" }, { function(...) return (...) end, "b" },
                  { function(i) if i == 77 then return tostring(i) end return i and i > 10 end, "i" },
                }
                local columns = {
                  { function(i) return i and i + 1 end, "i" }, { function(i, x) return i and x and i * x end, "i", "x" },
                  { function(b) return not b end, "b" }, { function(b) if b then return 1 end return 2 end, "b" },
                  { function(b) if b then return 1.5 end return 2.5 end, "b" }, { function(u) return u end, "u" }, { function(t) return t / 2 end, "t" },
                  { function(i) return i and lut[i + 500] end, "i" }, { function() end }, { function(x) return x and x // 1 end, "x" },
                  { function(s) return s .. "!" end, "s" }, { function(i) return i and tostring(i) end, "i" }, { function(x) return x, 5 end, "x" },
                }
                for _, threads in ipairs { 1, 2, 4 } do
                  mmap.threads(threads)
                  for n, case in ipairs(filters) do
                    local g = mmap.compile(case[1])
                    same(t:where(case[1], table.unpack(case, 2)), t:where(g, table.unpack(case, 2)))
                    if n <= 13 then assert(not mmap.whynot(g), n .. tostring(mmap.whynot(g))) end
                  end
                  for n, case in ipairs(columns) do
                    local g = mmap.compile(case[1])
                    same(t:with("y", case[1], table.unpack(case, 2)), t:with("y", g, table.unpack(case, 2)))
                  end
                end
                """)
    }

    @Test func machineCodeRunsWithoutTheInterpreter() {
        check(
            Self.data + """
                -- For tables it is made for memory that it cannot write: so a call of the function makes other code.
                local lut = mmap.anonymous(8000):view "i64"
                lut:fill(3)
                local g = mmap.compile(function(i) return lut[i + 500] > 2 end)
                eq(t:where("i", "notnull"):where(g, "i"):count(), 30000 - 30000 // 11)
                eq(#mmap.compiled(g), 1); eq(mmap.whynot(g), nil)
                eq(g(1), true)
                eq(#mmap.compiled(g), 2)
                -- Combinations of nulls and booleans are compiled when they come, and kept.
                local g = mmap.compile(function(b, i) return b and i end)
                local n = t:where(g, "b", "i"):count()
                eq(#mmap.compiled(g), 6)
                eq(t:where(g, "b", "i"):count(), n); eq(#mmap.compiled(g), 6)
                -- More than eight: the interpreter runs all rows, and machine code those that have some.
                local f = function(b, i, x) return b and i and x and i < x end
                local g = mmap.compile(f)
                eq(t:where(g, "b", "i", "x"):count(), t:where(f, "b", "i", "x"):count())
                eq(#mmap.compiled(g), 8)
                -- Upvalues are read for each result.
                local k = 0
                local g = mmap.compile(function(i) return i > k end)
                local positive = t:where("i", "notnull"):where(g, "i")
                local all = {}
                for _, value in ipairs { 0, 100, 1e9, -1000, 0.5 } do k = value all[#all + 1] = positive:count() end
                k = 0
                local f = t:where("i", "notnull"):where(function(i) return i > k end, "i")
                for n, value in ipairs { 0, 100, 1e9, -1000, 0.5 } do k = value eq(all[n], f:count()) end
                k = "x"
                fails("attempt to compare", function() return positive:count() end)
                """)
    }

    @Test func whatHappensOnceHappensInOrder() {
        check(
            Self.data + """
                -- Stores, upvalues that are set, and other functions: on one thread, in the order of the rows.
                for _, make in ipairs { function(f) return f end, mmap.compile } do
                  local seen = mmap.anonymous(30000 * 8):view "i64"
                  local n = 0
                  eq(t:where(make(function(u) seen[n] = u n = n + 1 return true end), "u"):count(), 30000)
                  eq(n, 30000)
                  for row = 1, 30000 do eq(seen[row - 1], row % 19 == 0 and -1 or row) end
                  local last = mmap.anonymous(8):view "i64"
                  eq(t:where(make(function(u) last[0] = last[0] * 31 + u return true end), "u"):count(), 30000)
                  local hash = 0
                  for i = 1, 30000 do hash = hash * 31 + (i % 19 == 0 and -1 or i) end
                  eq(last[0], hash)
                  local calls = {}
                  local log = function(x) calls[#calls + 1] = x return true end
                  eq(t:where(make(function(t) if t % 1000000 == 0 then return log(t) end return t < 5000 end), "t"):count(), 34)
                  eq(#calls, 30); for i = 1, 30 do eq(calls[i], i * 1e6) end
                end
                -- An error is that of the first row, after all that comes before it.
                for _, bad in ipairs { 1, 1000, 29999 } do
                  local f = load("local bad = ... return function(t)\\nif t >= bad * 1000 then\\nerror('row ' .. t // 1000) end\\nreturn true end", "=f")(bad)
                  local wanted = select(2, pcall(function() return t:where(f, "t"):count() end))
                  local g = mmap.compile(f)
                  eq(select(2, pcall(function() return t:where(g, "t"):count() end)), wanted)
                  eq(wanted, "f:3: row " .. bad .. ".0")
                end
                local lut = mmap.anonymous(80):view "i64"
                local f = load("local lut = ... return function(u)\\nreturn lut[u - 1] == 0 end", "=f")(lut)
                fails("^f:2: index 10 is out of range", function() return t:where(mmap.compile(f), "u"):count() end)
                lut:close()
                fails("closed", function() return t:where(mmap.compile(f), "u"):count() end)
                local g = mmap.compile(function(s) return s == "s1" end, { strict = true })
                fails("not compiled: ", function() return t:where(g, "s"):count() end)
                -- Results of another type than the first ones.
                local f = function(u) if u == 20000 then return true end return u end
                for _, f in ipairs { f, mmap.compile(f) } do
                  fails("the function returned a boolean, and its first results were of the type integer", function() return t:with("y", f, "u"):count() end)
                end
                """)
    }

    @Test func otherResults() {
        check(
            Self.data + """
                local f = function(i, x) return i and x and i * x end
                local one, other = t:with("y", f, "i", "x"), t:with("y", mmap.compile(f), "i", "x")
                eq(mmap.json.encode(one:describe().y), mmap.json.encode(other:describe().y))
                eq(tostring(one), tostring(other))
                local function bytes(t) local path = scratch() t:write(path, "csv") local file = io.open(path, "rb") local s = file:read "a" file:close() return s end
                eq(bytes(one), bytes(other))
                eq(bytes(one:group("s", { "sum y", "count" })), bytes(other:group("s", { "sum y", "count" })))
                eq(bytes(one:sort("y"):head(100)), bytes(other:sort("y"):head(100)))
                eq(bytes(one:join(one:head(50):select("u", "y"), "u")), bytes(other:join(other:head(50):select("u", "y"), "u")))
                eq(bytes(one:append(one)), bytes(other:append(other)))
                local a, b = one:fill("y", -1.0):column "y", other:fill("y", -1.0):column "y"
                eq(#a, #b); eq(a:sum(), b:sum())
                -- Two functions, one of which is not compiled: then neither is.
                local n = 0
                local count = function(y) n = n + 1 return true end
                eq(other:where(count, "y"):count(), 30000); eq(n, 30000)
                local g = mmap.compile(function(y) return y and y > 0 end)
                eq(bytes(other:where(g, "y")), bytes(one:where(function(y) return y and y > 0 end, "y")))
                debug.sethook(function() end, "l")
                local n = other:where(g, "y"):count()
                debug.sethook()
                eq(n, one:where(function(y) return y and y > 0 end, "y"):count())
                -- A row that does not fit, before and after a function that fails.
                local path = scratch()
                local file = io.open(path, "w")
                for i = 1, 50000 do file:write(i == 40000 and "x" or i, "\\n") end
                file:close()
                local t = mmap.table(path, { columns = { "i integer" }, format = "csv" })
                fails("line 40000", function() return t:where(mmap.compile(function(i) return i > 5 end), "i"):count() end)
                fails("line 40000", function() return t:where(mmap.compile(function(i) if i > 45000 then error "late" end return true end), "i"):count() end)
                fails("early", function() return t:where(mmap.compile(function(i) if i > 30000 then error "early" end return true end), "i"):count() end)
                """)
    }
}
