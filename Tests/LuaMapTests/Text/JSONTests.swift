import Testing

/// `mmap.json`.
@Suite struct JSONTests {
    @Test func valuesAreDecoded() {
        check(
            """
            local json = mmap.json
            local function kind(v) return math.type(v) or type(v) end
            for _, case in ipairs {
              { "0", 0, "integer" }, { "-0", 0, "integer" }, { "-12", -12, "integer" }, { "1.0", 1.0, "float" }, { "1e2", 100.0, "float" },
              { "9223372036854775807", math.maxinteger, "integer" }, { "-9223372036854775808", math.mininteger, "integer" },
              { "9223372036854775808", 2.0 ^ 63, "float" }, { "-9223372036854775809", -2.0 ^ 63, "float" },
              { "999999999999999999", 999999999999999999, "integer" }, { "1000000000000000000", 1000000000000000000, "integer" },
              { ("1"):rep(300), tonumber(("1"):rep(300) .. ".0"), "float" }, { "5e-324", 5e-324, "float" }, { "1e-400", 0.0, "float" },
              { "1." .. ("3"):rep(400), 1.3333333333333333, "float" }, { "true", true, "boolean" }, { "false", false, "boolean" },
              { '""', "", "string" }, { '"a\\\\u00e9\\\\n\\\\ud83d\\\\ude00\\\\u0000b"', "a\\u{e9}\\n\\u{1f600}\\0b", "string" },
            } do
              for _, source in ipairs { case[1], " " .. case[1] .. "\\n", "[" .. case[1] .. "]" } do
                local b = mmap.anonymous(#source + 3):slice(3)
                b:copy(0, source)
                for _, given in ipairs { source, b } do
                  local v, after = json.decode(given)
                  if source:sub(1, 1) == "[" and case[1]:sub(1, 1) ~= "[" then v, after = v[1], after - 1 end
                  eq(v, case[2], case[1]); eq(kind(v), case[3], case[1])
                  eq(after, select(2, source:find(case[1], 1, true)), case[1])
                end
              end
            end
            eq(json.decode "null", json.null); eq(tostring(json.null), "null"); eq(json.decode "[null]"[1], json.null)
            local v = json.decode '{"a":[1,[2,{"b":{}}],[]],"a.b":"x","c":{"d":null},"":0}'
            eq(v.a[1], 1); eq(v.a[2][1], 2); eq(next(v.a[2][2].b), nil); eq(#v.a, 3); eq(#v.a[3], 0); eq(v["a.b"], "x"); eq(v.c.d, json.null); eq(v[""], 0)
            eq(json.decode('{"a":1,"a":2}').a, 2)
            eq(getmetatable(v.a), json.array); eq(getmetatable(v), nil)
            """)
    }

    @Test func valuesOneAfterTheOther() {
        check(
            """
            local text = '{"a":1} [2]"x"3,4 nulltrue\\n5'
            local b = mmap.anonymous(#text); b:copy(0, text)
            for _, source in ipairs { text, b } do
              local found, at = {}, 0
              while at < 17 do
                local v, after = mmap.json.decode(source, at)
                found[#found + 1] = mmap.json.encode(v) .. "@" .. after
                at = after
                if text:sub(at + 1, at + 1) == "," then at = at + 1 end
              end
              eq(table.concat(found, " "), '{"a":1}@7 [2]@11 "x"@14 3@15 4@17')
              eq(select(2, mmap.json.decode(source, 8, 3)), 11)
              eq(select(2, pcall(mmap.json.decode, source, 8, 2)), "JSON: the text ends before the value does (offset 10)")
              eq(select(2, pcall(mmap.json.decode, source, 17)), "JSON: an unknown word; JSON has true, false, and null (offset 18)")
              eq(mmap.json.decode(source, #text - 1), 5)
              fails("no value %(offset " .. #text, function() mmap.json.decode(source, #text) end)
              fails("out of range", function() mmap.json.decode(source, #text + 1) end)
              fails("out of range", function() mmap.json.decode(source, 0, #text + 1) end)
              fails("out of range", function() mmap.json.decode(source, -1) end)
            end
            -- What follows the value is not looked at.
            eq(mmap.json.decode('[1]\\0\\xff"')[1], 1)
            eq(select(2, mmap.json.decode('[1]\\0\\xff"')), 3)
            """)
    }

    @Test func wrongTextHasAPlace() {
        check(
            """
            for text, message in pairs {
              [""] = "no value %(offset 0%)", ["  "] = "no value", ["{"] = "the text ends before the value does %(offset 1%)", ["[1,"] = "ends before",
              ["[1 2]"] = "',' or ']' is missing after the value %(offset 3%)", ['{"a" 1}'] = "a ':' after the key is missing %(offset 5%)",
              ["{1:2}"] = "a key in double quotes is missing %(offset 1%)", ["[01]"] = "no JSON number %(offset 1%)", ["nul"] = "unknown word.*%(offset 0%)",
              ['"\\\\q"'] = "unknown escape.*%(offset 1%)", ['"\\\\ud800"'] = "surrogate", ['"\\1"'] = "control character.*%(offset 1%)", ['"a'] = "not closed %(offset 0%)",
              ['"\\xff"'] = "no UTF%-8 %(offset 1%)", ["]"] = "no value begins", [","] = "no value begins", ["1x"] = "no JSON number", ["'a'"] = "no value begins",
              [("["):rep(1025) .. ("]"):rep(1025)] = "nested more than 1024 levels deep %(offset 1024%)", [("["):rep(10000)] = "nested", ["NaN"] = "no value begins",
              ["1e400"] = "out of the range of floats", [("1"):rep(400)] = "400 bytes at offset 0 is out of the range of floats", ["[1,-1e999]"] = "at offset 3 ",
            } do
              fails(message, function() mmap.json.decode(text) end)
              local ok, problem = pcall(mmap.json.decode, "    " .. text, 4)
              eq(ok, false, text)
            end
            eq(select(2, pcall(mmap.json.decode, "   [x]", 2)), "JSON: no value begins with this byte (offset 4)")
            local deep = mmap.json.decode(("["):rep(1024) .. ("]"):rep(1024))
            for _ = 1, 1023 do deep = deep[1] end
            eq(#deep, 0)
            fails("string or mmap.buffer expected, got number", function() mmap.json.decode(1) end)
            fails("string or mmap.buffer expected", function() mmap.json.decode() end)
            eq(select(2, pcall(mmap.json.decode, {})), "bad argument #1 to 'mmap.json.decode' (string or mmap.buffer expected, got table)")
            fails("too many arguments", function() mmap.json.decode("1", 0, 1, 2) end)
            local b = mmap.anonymous(3); b:close()
            fails("closed", function() mmap.json.decode(b) end)
            """)
    }

    @Test func valuesAreEncoded() {
        check(
            """
            local json = mmap.json
            local array = function(t) return setmetatable(t, json.array) end
            for _, case in ipairs {
              { 1, "1" }, { -5, "-5" }, { math.mininteger, "-9223372036854775808" }, { 1.0, "1.0" }, { -0.0, "-0.0" }, { 0.1, "0.1" },
              { 1e15, "1e+15" }, { 1e100, "1e+100" }, { 0.1 + 0.2, "0.30000000000000004" }, { 5e-324, "5e-324" }, { 1 / 3, "0.3333333333333333" },
              { 1.7976931348623157e308, "1.7976931348623157e+308" }, { true, "true" }, { false, "false" }, { json.null, "null" },
              { "", '""' }, { 'a"\\\\/', '"a\\\\"\\\\\\\\/"' }, { "\\0\\1\\b\\t\\n\\v\\f\\r\\x1f\\x7f", '"\\\\u0000\\\\u0001\\\\b\\\\t\\\\n\\\\u000b\\\\f\\\\r\\\\u001f\\x7f"' }, { "\\u{e9}\\u{1f600}", '"\\u{e9}\\u{1f600}"' },
              { {}, "{}" }, { array {}, "[]" }, { { 1, 2, "x" }, '[1,2,"x"]' }, { { a = 1 }, '{"a":1}' }, { { { } , { { } } }, "[{},[{}]]" },
              { { b = 1, a = 2, aa = 3, [""] = 4, B = { 1, { c = true } } }, '{"":4,"B":[1,{"c":true}],"a":2,"aa":3,"b":1}' },
              { { n = json.null, t = array { array {} } }, '{"n":null,"t":[[]]}' },
            } do
              eq(json.encode(case[1]), case[2])
              eq(json.encode { case[1] }, "[" .. case[2] .. "]"); eq(json.encode { k = case[1] }, '{"k":' .. case[2] .. "}")
            end
            eq(json.encode(nil), "null")
            local shared = { 1 }
            eq(json.encode { shared, shared }, "[[1],[1]]")
            """)
    }

    @Test func whatHasNoJSON() {
        check(
            """
            local encode = mmap.json.encode
            local cycle = {}; cycle.a = { cycle }
            local deep = {}; for _ = 1, 1024 do deep = { deep } end
            for _, case in ipairs {
              { print, "a function has no JSON" }, { coroutine.create(print), "a thread has no JSON" }, { io.stdout, "a userdata has no JSON" }, { mmap.anonymous(1), "a userdata has no JSON" },
              { 0 / 0, "JSON has no nan" }, { math.huge, "JSON has no inf" }, { -math.huge, "JSON has no %-inf" }, { "\\xff", "not UTF%-8 at byte 0" }, { "ab\\xed\\xa0\\x80", "not UTF%-8 at byte 2" },
              { { 1, 2, a = 1 }, "strings and integers as keys" }, { { [1] = 1, [3] = 1 }, "an array of 2 values has an index 3" }, { { [0] = 1 }, "a key is the number 0" }, { { [1.5] = 1 }, "the number 1%.5" },
              { { [true] = 1 }, "a key is boolean" }, { cycle, "contains itself" }, { deep, "nested more than 1024" }, { setmetatable({ a = 1 }, mmap.json.array), "strings as keys" }, { { ["\\xff"] = 1 }, "UTF%-8" },
            } do
              fails(case[2], function() encode(case[1]) end); fails(case[2], function() encode { case[1] } end)
            end
            eq(#encode(deep[1]), 1023 * 2 + 2)
            fails("value expected", function() encode() end); fails("too many arguments", function() encode(1, 2) end)
            fails("attempt to change 'mmap.json'", function() mmap.json.decode = 1 end); fails("attempt to change", function() mmap.json = 1 end)
            """)
    }

    @Test func whatIsEncodedIsDecoded() {
        check(
            """
            local json, seed = mmap.json, 1
            math.randomseed(7)
            local function value(depth)
              local kind = math.random(depth > 5 and 5 or 8)
              if kind == 1 then return math.random(0) >> math.random(0, 63) end
              if kind == 2 then return (math.random() - .5) * 10.0 ^ math.random(-300, 300) end
              if kind == 3 then return ({ true, false, json.null, "", "\\\\", '"' })[math.random(6)] end
              if kind <= 5 then
                local t = {}
                for i = 1, math.random(0, 40) do t[i] = utf8.char(({ math.random(0, 31), math.random(32, 127), math.random(128, 2047), math.random(0xe000, 0x10ffff) })[math.random(4)]) end
                return table.concat(t)
              end
              local t = {}
              if kind <= 7 then for i = 1, math.random(0, 6) do t[i] = value(depth + 1) end return setmetatable(t, json.array) end
              for _ = 1, math.random(0, 6) do t[value(9) ~= nil and tostring(math.random(100)) .. (math.random(3) == 1 and "\\n" or "")] = value(depth + 1) end
              return t
            end
            local function same(a, b)
              if type(a) ~= "table" then return a == b and math.type(a) == math.type(b) end
              if getmetatable(a) ~= getmetatable(b) then return false end
              for k, v in pairs(a) do if not same(v, b[k]) then return false end end
              for k in pairs(b) do if a[k] == nil then return false end end
              return true
            end
            for i = 1, 500 do
              local v = value(0)
              local text = json.encode(v)
              local again, after = json.decode(text)
              eq(after, #text); eq(same(v, again), true, text); eq(json.encode(again), text)
            end
            """)
    }

    /// A finalizer that runs in the middle cannot take away what is being read or written.
    @Test func finalizersInTheMiddle() {
        check(
            """
            local text = "[" .. ('{"key":["a long string that is no short one, of more than forty bytes",[1,2],{}]},'):rep(40) .. "1]"
            local function meddle(f, value)
              local again = true
              local function spy()
                for level = 2, 12 do
                  local info = debug.getinfo(level, "f")
                  if info and info.func == f then
                    for i = 1, 40 do
                      local name, v = debug.getlocal(level, i)
                      if not name then break end
                      if type(v) ~= "string" or i > 3 then debug.setlocal(level, i, value) end
                    end
                  end
                end
                collectgarbage "step"
                if again then setmetatable({}, { __gc = spy }) end
              end
              collectgarbage("incremental", 1, 1000)
              setmetatable({}, { __gc = spy })
              for i = 1, 10 do pcall(f, f == mmap.json.decode and text or { { b = 1, a = { c = {}, d = "x" } }, { {} } }) end
              again = false
            end
            for _, value in ipairs { false, 0, {}, io.stdout } do
              meddle(mmap.json.decode, value)
              meddle(mmap.json.encode, value)
            end
            collectgarbage(); collectgarbage "generational"; collectgarbage "incremental"
            eq(#mmap.json.decode(text), 41)
            """)
    }
}
