import Testing

/// Every function with every wrong value in every place. Generated: a function that is new needs one
/// line in the table.
@Suite struct MisuseTests {
    /// The functions, a valid value for every argument, and what may stand there: i integer, s string,
    /// b buffer, o boolean, t table, f file, n nothing, d any
    /// number.
    private let functions = """
        local page = mmap.PAGESIZE
        file = io.open(scratch(("x"):rep(2 * page)), "r+b")
        path = scratch(("x"):rep(100))
        function fresh() return mmap.anonymous(3 * page) end
        functions = {
          { "mmap.map", { page, 3, mmap.MAP_SHARED, file, 0, 0 }, { "i", "i", "i", "if", "in", "isn" } },
          { "mmap.open", { path, "r+", {} }, { "s", "sn", "tn" } },
          { "mmap.anonymous", { page, {} }, { "i", "tn" } },
          { "mmap.advise", { fresh, 0 }, { "b", "is" } },
          { "mmap.advise", { fresh, 0, page, 0 }, { "b", "in", "in", "is" } },
          { "mmap.sync", { fresh, 0, page, true, false }, { "b", "ino", "in", "on", "on" } },
          { "mmap.sync", { fresh, true, false }, { "b", "ino", "on" } },
          { "mmap.incore", { fresh, 0, page }, { "b", "in", "in" } },
          { "b:string", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:copy", { fresh, 0, "abc", 0, 1 }, { "b", "i", "sb", "in", "in" } },
          { "b:fill", { fresh, 0, 0, 1 }, { "b", "is", "in", "in" } },
          { "b:slice", { fresh, 0, 1 }, { "b", "i", "in" } },
          { "b:find", { fresh, "a", 0, 1 }, { "b", "sb", "in", "in" } },
          { "b:rfind", { fresh, "a", 0, 1 }, { "b", "sb", "in", "in" } },
          { "b:count", { fresh, "a", 0, 1 }, { "b", "sb", "in", "in" } },
          { "mmap.threads", { 1 }, { "in" } },
          { "mmap.progress", { false }, { "on" } },
          { "b:compare", { fresh, "a" }, { "b", "sb" } },
          { "b:equals", { fresh, "a" }, { "b", "sb" } },
          { "b:mismatch", { fresh, "a" }, { "b", "sb" } },
          { "b:hexdump", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:protect", { fresh, 3 }, { "b", "i" } },
          { "b:lock", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:unlock", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:resize", { fresh, 1 }, { "b", "i" } },
          { "b:info", { fresh }, { "b" } },
          { "b:remap", { fresh }, { "b" } },
          { "b:advise", { fresh, 0 }, { "b", "is" } },
          { "b:sync", { fresh, 0, page }, { "b", "ino", "in" } },
          { "b:incore", { fresh, 0, page }, { "b", "in", "in" } },
          { "b:unmap", { fresh }, { "b" } },
          { "b:close", { fresh }, { "b" } },
          { "b:get", { fresh, "u8", 0 }, { "b", "s", "i" } },
          { "b:set", { fresh, "u8", 0, 1 }, { "b", "s", "i", "i" } },
          { "b:unpack", { fresh, "<I4", 0 }, { "b", "s", "in" } },
          { "b:pack", { fresh, "<I4", 0, 1 }, { "b", "s", "i", "is" } },
          { "b:crc32", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:xxh3", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:sha256", { fresh, 0, 1 }, { "b", "in", "in" } },
          { "b:view", { fresh, "u8", 0, 1, 1 }, { "b", "s", "in", "in", "in" } },
          { "b:atomic", { fresh, "u32", 0 }, { "b", "s", "i" } },
          { "mmap.memfd", { "name", page, {} }, { "s", "i", "tn" } },
        }
        for _, noun in ipairs { "Int8", "UInt8", "Uint8", "Int16", "UInt16", "Uint16", "Int32", "UInt32", "Uint32",
          "BigInt64", "BigUInt64", "BigUint64", "Float", "Double", "Int", "UInt", "Uint" } do
          local length = noun:find("Int$") or noun:find("int$")
          local value = (noun == "Float" or noun == "Double") and "d" or "i"
          for _, order in ipairs(noun:find("8$") and { "" } or { "LE", "BE" }) do
            functions[#functions + 1] = length
              and { "b:read" .. noun .. order, { fresh, 0, 1 }, { "b", "i", "i" } }
              or { "b:read" .. noun .. order, { fresh, 0 }, { "b", "in" } }
            functions[#functions + 1] = length
              and { "b:write" .. noun .. order, { fresh, 1, 0, 1 }, { "b", "i", "i", "i" } }
              or { "b:write" .. noun .. order, { fresh, 1, 0 }, { "b", value, "in" } }
          end
        end
        methods = debug.getmetatable(fresh()).__methods
        -- A caller with as many arguments, so that the message knows the name.
        function caller(name, count)
          local names = {}
          for i = 1, count do names[i] = "a" .. i end
          local list = table.concat(names, ", ")
          local short = name:match("[^.:]+$")
          local callee = name:find("^mmap") and name or "methods." .. short
          return load(("local %s = ...; return %s(%s)"):format(list, callee, list), "=misuse")
        end
        function arguments(entry)
          local result = { n = #entry[2] }
          for i = 1, result.n do
            result[i] = entry[2][i]
            if result[i] == fresh then result[i] = fresh() end
          end
          return result
        end
        """

    @Test func everyFunctionIsInTheTable() {
        check(
            functions + """

                -- What takes more than numbers and strings has its wrong arguments in a suite of its own.
                local listed = {}
                for _, name in ipairs {
                  "match", "gmatch", -- RegexTests
                  "lines", "fields", "split", -- TextTests
                  "records", -- RecordsTests
                  "cachestat", "evict", "explain", "holes", "pagemap", "pages", "populate", "show", "smaps", "touch",
                  "watch", -- InstrumentTests
                  "lockrange", -- SharedTests
                } do listed["methods." .. name] = true end
                for _, name in ipairs { "regex", "struct", "advices", "evict", "faults", "sparse" } do
                  listed["mmap." .. name] = true
                end
                for _, name in ipairs { "shared", "unlink", "spawn" } do listed["mmap." .. name] = true end -- SharedTests
                for _, entry in ipairs(functions) do
                  listed[entry[1]:gsub("^b:", "methods.")] = true
                  local results = caller(entry[1], #entry[2])
                  local a = arguments(entry)
                  local ok, message = pcall(results, table.unpack(a, 1, a.n))
                  assert(ok or entry[1] == "b:remap", entry[1] .. ": the valid call fails: " .. tostring(message))
                end
                for name in pairs(methods) do assert(listed["methods." .. name], name .. " is not in the table") end
                for name, value in pairs(mmap) do
                  if type(value) == "function" then assert(listed["mmap." .. name], name .. " is not in the table") end
                end
                """)
    }

    @Test func everyWrongTypeIsNamedWithItsArgument() {
        check(
            functions + """

                local wrong = {
                  i = { 5 }, s = { "3", "", "normal\\0" }, b = { fresh() }, o = { true, false }, t = { {} }, f = { file },
                  n = { n = 1 }, x = { print, coroutine.create(print), setmetatable({}, { __index = mmap }) },
                }
                local calls = 0
                for _, entry in ipairs(functions) do
                  local call = caller(entry[1], #entry[2])
                  local short = entry[1]:match("[^.:]+$")
                  for place, allowed in ipairs(entry[3]) do
                    for kind, values in pairs(wrong) do
                      local accepts = allowed:find(kind, 1, true) or kind == "i" and allowed:find("d")
                      if kind == "x" and place == #entry[3] and allowed:find("t") then values = { print } end
                      for i = 1, accepts and 0 or (values.n or #values) do
                        local a = arguments(entry)
                        a[place] = values[i]
                        local shown = kind == "f" and "FILE*" or kind == "b" and "mmap.buffer" or type(values[i])
                        local ok, message = pcall(call, table.unpack(a, 1, a.n))
                        local where = ("%s, argument %d, %s: %s"):format(entry[1], place, shown, tostring(message))
                        assert(not ok, where)
                        assert(type(message) == "string", where)
                        local number, name, text = message:match("^misuse:1: bad argument #(%d+) to '([%w_.]+)' %((.*)%)$")
                        assert(number, where)
                        eq(tonumber(number), place, where)
                        eq(name, short, where)
                        assert(text:find(" expected, got " .. shown, 1, true)
                          or text:find("expected, got no value", 1, true) and shown == "nil"
                            or text:find("an offset is expected; the order is", 1, true) and short == "advise", where)
                        calls = calls + 1
                      end
                    end
                  end
                end
                assert(calls > 500, calls)
                """)
    }

    /// An argument that is missing is not called nil.
    @Test func whatIsMissingIsSaidToBeMissing() {
        check(
            functions + """

                local missing = 0
                for _, entry in ipairs(functions) do
                  local short = entry[1]:match("[^.:]+$")
                  local call = entry[1]:find("^mmap") and mmap[short] or methods[short]
                  for given = 0, #entry[3] - 1 do
                    local ok, message = pcall(call, table.unpack(arguments(entry), 1, given))
                    if not ok and type(message) == "string" and message:find("expected, got", 1, true) then
                      assert(not message:find("got nil", 1, true), entry[1] .. " with " .. given .. ": " .. message)
                      missing = missing + 1
                    end
                  end
                end
                assert(missing > 20, missing)
                """)
    }

    /// Numbers: fractions, not-a-numbers, floats that are whole, and the edges of an integer.
    @Test func everyNumberIsInRangeOrRefused() {
        check(
            functions + """

                local odd = { 1.5, -0.5, 0/0, 1/0, -1/0, 2^63, 2^64, 1e300, -1e300 }
                local whole = { 0.0, 1.0, -1.0, -2^63, math.mininteger, math.mininteger + 1, -1, 0, 1, page,
                  math.maxinteger, math.maxinteger - 1, math.maxinteger - 4095, 1 << 62, 1 << 32, 1 << 31 }
                for _, entry in ipairs(functions) do
                  local call = caller(entry[1], #entry[2])
                  for place, allowed in ipairs(entry[3]) do
                    if allowed:find("i") then
                      for _, value in ipairs(odd) do
                        local a = arguments(entry)
                        a[place] = value
                        local ok, message = pcall(call, table.unpack(a, 1, a.n))
                        local where = ("%s, argument %d = %s: %s"):format(entry[1], place, value, tostring(message))
                        -- 2^63 is no integer of Lua's, but fits 64 bits without a sign.
                        local fits = value == 2^63 and place == 2 and entry[1]:find("writeBigU[iI]nt64")
                        if fits then assert(ok, where); ok, message = pcall(call, a[1], 0.5) end
                        assert(not ok and tostring(message):find("integer representation") or
                          tostring(message):find("file or integer descriptor") or
                          allowed == "i" and tostring(message):find("out of range for [ui]%d+ "), where)
                        assert(tostring(message):find("^misuse:1: bad argument #" .. place), where)
                      end
                      for _, value in ipairs(whole) do
                        local a = arguments(entry)
                        a[place] = value
                        local ok, message = pcall(call, table.unpack(a, 1, a.n))
                        if not ok then
                          local where = ("%s, argument %d = %s: %s"):format(entry[1], place, value, tostring(message))
                          assert(tostring(message):find("^misuse:1: "), where)
                          if type(message) == "string" and entry[1] ~= "b:resize" then
                            local number = tonumber(message:match("bad argument #(%d+)"))
                            assert(number and number >= place and number <= place + 1, where)
                          elseif type(message) ~= "string" then
                            assert(message.code:find("^E%u+$") and #message.message > 0, where)
                          end
                        end
                      end
                    end
                  end
                end
                """)
    }

    /// Ranges of every function that takes one, against the rule of the manual.
    @Test func everyRangeFollowsTheRule() {
        check(
            """
            local n = 7
            local b = mmap.anonymous(100):slice(20, n)
            local edges = { math.mininteger, -1, 0, 1, n - 1, n, n + 1, math.maxinteger - n, math.maxinteger }
            local calls = {
              string = function(o, l) return b:string(o, l) end, fill = function(o, l) return b:fill(0, o, l) end,
              pattern = function(o, l) return b:fill("ab", o, l) end, find = function(o, l) return b:find("z", o, l) end,
              rfind = function(o, l) return b:rfind("z", o, l) end, slice = function(o, l) return b:slice(o, l) end,
              hexdump = function(o, l) return b:hexdump(o, l) end, sync = function(o, l) return b:sync(o, l) end,
              advise = function(o, l) return b:advise(o, l, 0) end, incore = function(o, l) return b:incore(o, l) end,
              copy = function(o, l) return mmap.anonymous(9):copy(0, b, o, l) end,
              unlock = function(o, l) return b:unlock(o, l) end,
            }
            for name, call in pairs(calls) do
              for _, o in ipairs(edges) do
                for i = 0, #edges do
                  local l = edges[i]
                  local goodOffset = o >= 0 and o <= n
                  local good = goodOffset and (not l or l >= 0 and l <= n - o)
                  local ok, message = pcall(call, o, l)
                  local where = ("%s(%d, %s): %s"):format(name, o, l, tostring(message))
                  assert(ok == good, where)
                  if not goodOffset then
                    assert(message:find(("offset %d is out of range (0 to %d)"):format(o, n), 1, true), where)
                  elseif not good then
                    assert(message:find(("length %d is out of range (0 to %d at offset %d)"):format(l, n - o, o), 1, true),
                      where)
                  end
                end
              end
            end
            """)
    }

    @Test func optionsAreReadStrictly() {
        check(
            """
            local path = scratch("abc")
            local bad = {
              { { offset = "1" }, "option 'offset': integer expected, got string" },
              { { length = 1.5 }, "option 'length': integer expected, got a fraction" },
              { { grow = 1 }, "option 'grow': boolean expected, got number" },
              { { advice = "sideways" }, "advice 'sideways' is not known" },
              { { advice = {} }, "option 'advice': name or integer expected, got table" },
              { { ofset = 1 }, "option 'ofset' is not known" },
              { { ["size\\0"] = 1 }, "is not known" },
              { { 7 }, "option '1' is not known" },
              { { [print] = 1 }, "is not known" },
              { { offset = -1 }, "offset %-1 is out of range" },
              { { length = math.maxinteger }, "length 9223372036854775807 is out of range" },
            }
            for _, case in ipairs(bad) do fails(case[2], mmap.open, path, "r+", case[1]) end
            -- No metamethod of the table is asked.
            local trap = setmetatable({}, { __index = error, __pairs = error, __len = error })
            eq(#mmap.open(path, "r", trap), 3)
            for _, mode in ipairs { "", "w", "rw", "r+b", "r\\0", "R", "c+" } do
              fails("is not one of 'r', 'r%+', 'c' and 'w%+'", mmap.open, path, mode)
            end
            fails("zero byte", mmap.open, path .. "\\0.txt")
            """)
    }

    @Test func anIndexIsCheckedOnBothSides() {
        check(
            """
            local b = mmap.anonymous(5)
            for _, key in ipairs { -1, 5, math.mininteger, math.maxinteger, 5.0, -1.0 } do
              fails("^script:%d+: offset %-?%d+ is out of range %(0 to 4%)", function() return b[key] end)
              fails("^script:%d+: offset %-?%d+ is out of range %(0 to 4%)", function() b[key] = 1 end)
            end
            for _, key in ipairs { 1.5, 0/0, 1/0, 2^63 } do
              if key == key then fails("exact integer", function() return b[key] end) end
              fails("exact integer", function() b[key] = 1 end)
            end
            for _, key in ipairs { true, {}, print, b, coroutine.create(print) } do
              fails("^script:%d+: a buffer's index is", function() return b[key] end)
              fails("^script:%d+: a buffer's index is", function() b[key] = 1 end)
            end
            for _, value in ipairs { -1, 256, math.mininteger, math.maxinteger, 256.0 } do
              fails("value %-?%d+ is out of range %(0 to 255%)", function() b[0] = value end)
            end
            for _, value in ipairs { 1.5, 1/0, 0/0 } do fails("exact integer", function() b[0] = value end) end
            for _, value in ipairs { "1", true, {}, b } do fails("a byte is an integer", function() b[0] = value end) end
            fails("a byte is an integer", function() b[0] = nil end)
            fails("no fields", function() b.name = 1 end)
            fails("no fields", function() b["3"] = 1 end)
            eq(b["3"], nil)
            b[3.0] = 7.0
            eq(b[3], 7); eq(b[3.0], 7); eq(math.type(b[3]), "integer")
            """)
    }
}
