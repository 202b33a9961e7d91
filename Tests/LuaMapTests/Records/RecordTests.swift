import Testing

/// Layouts and records, against string.pack and tables.
@Suite struct RecordTests {
    /// Offsets, sizes, and values of random layouts. string.pack knows alignment too ("!").
    @Test(arguments: 1...8)
    func randomLayouts(seed: Int) {
        check(
            """
            math.randomseed(\(seed))
            local options = { u8 = "I1", i8 = "i1", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "i8", i64 = "i8", f32 = "f", f64 = "d" }
            local names = { "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64" }
            local function number(name)
              local size = tonumber(name:match "%d+") // 8
              if name:sub(1, 1) == "f" then return math.random(-1000, 1000) / 4 end
              if name:sub(1, 1) == "u" then return size == 8 and math.random(0) or math.random(0) & (1 << size * 8) - 1 end
              return size == 8 and math.random(0) or math.random(0) % (1 << size * 8 - 1) - math.random(0, 1)
            end
            for round = 1, 150 do
              local align = ({ false, true, 1, 2, 4, 8, 16 })[math.random(7)]
              local limit = align == true and 16 or align or 1
              local layout, format, values, wanted, largest = { align = align }, "!" .. limit, {}, {}, 1
              for i = 1, math.random(1, 8) do
                local order = math.random(3)
                local suffix = ({ "", "le", "be" })[order]
                local mark = ({ "=", "<", ">" })[order]
                local kind, name = math.random(4), "f" .. i
                if kind == 1 then
                  local n = math.random(1, 9)
                  local text = ("abcdefghi"):sub(1, math.random(0, n))
                  layout[i] = { name, ("char[%d]"):format(n) }
                  if math.random(2) == 1 then layout[i] = { name, "char", n } end
                  format = format .. "c" .. n
                  values[#values + 1] = text
                  wanted[name] = text
                else
                  local type = names[math.random(#names)]
                  local size = tonumber(type:match "%d+") // 8
                  largest = math.max(largest, math.min(size, limit))
                  local n = kind == 2 and math.random(1, 4) or nil
                  layout[i] = { name, type .. suffix, n }
                  format = format .. mark .. options[type]:rep(n or 1)
                  local list = {}
                  for k = 1, n or 1 do list[k] = number(type); values[#values + 1] = list[k] end
                  wanted[name] = n and list or list[1]
                end
              end
              local l = mmap.struct(layout)
              local packed = string.pack(format, table.unpack(values))
              local size = (#packed + largest - 1) // largest * largest
              eq(#l, size, format)
              packed = packed .. ("\\0"):rep(size - #packed)
              local fields = l:fields()
              eq(#fields, #layout)
              -- Reading what string.pack made.
              local before = math.random(0, 5)
              local b = mmap.anonymous(before + 3 * size + 2)
              b:copy(before + size, packed)
              local r = b:records(l, before)
              eq(#r, (#b - before) // size)
              local function same(got, about)
                for name, x in pairs(wanted) do
                  if type(x) == "table" then
                    eq(#got[name], #x, about)
                    for k = 1, #x do eq(type(got[name]) == "table" and got[name][k] or got[name][k - 1], x[k], about) end
                  else
                    eq(got[name], x, about)
                    eq(math.type(got[name]), math.type(x))
                  end
                end
              end
              same(r[1], "fields"); same(r[1]:totable(), "totable"); same(l:totable(r[1]), "totable")
              -- Writing the same, field by field and at once.
              for i, field in ipairs(fields) do eq(field.name, layout[i][1]); r[2][field.name] = wanted[field.name] end
              eq(b:string(before + 2 * size, size), packed, format)
              b:fill(0); r[0] = wanted
              eq(b:string(before, size), packed, format); eq(b:string(0, before), ("\\0"):rep(before))
              eq(b:string(before + size), ("\\0"):rep(#b - before - size))
              -- Columns.
              r[2] = wanted
              for name, x in pairs(wanted) do
                if type(x) == "number" then
                  local column = r:column(name)
                  eq(#column, #r); eq(column[0], x); eq(column[2], x); eq(column[1], x - x)
                elseif type(x) == "table" then
                  for k = 1, #x do eq(r:column(name, k - 1)[2], x[k]) end
                else
                  fails("is a string", r.column, r, name)
                end
              end
            end
            """)
    }

    @Test func offsetsOfFields() {
        check(
            """
            local function places(layout)
              local l = mmap.struct(layout)
              local t = {}
              for i, f in ipairs(l:fields()) do t[i] = f.name .. "@" .. f.offset .. "+" .. f.size; eq(l:offset(f.name), f.offset) end
              return table.concat(t, " ") .. " " .. #l
            end
            eq(places { {"a", "u8"}, {"b", "u32"}, {"c", "u16"} }, "a@0+1 b@1+4 c@5+2 7")
            eq(places { {"a", "u8"}, {"b", "u32"}, {"c", "u16"}, align = true }, "a@0+1 b@4+4 c@8+2 12")
            eq(places { {"a", "u8"}, {"b", "u64"}, {"c", "u16"}, align = 4 }, "a@0+1 b@4+8 c@12+2 16")
            eq(places { {"a", "u8"}, {"b", "u64"}, align = 1 }, "a@0+1 b@1+8 9")
            -- An explicit offset holds against alignment and order; the next field follows it.
            eq(places { {"a", "u32", offset = 5}, {"b", "u16"}, {"c", "u8", offset = 0}, {"d", "u16"}, align = true },
              "a@5+4 b@10+2 c@0+1 d@2+2 12")
            eq(places { {"whole", "u32"}, {"low", "u16", offset = 0}, {"high", "u16"} }, "whole@0+4 low@0+2 high@2+2 4")
            eq(places { {"a", "u8"}, size = 16 }, "a@0+1 16"); eq(places { size = 3 }, " 3")
            eq(places { {"a", "u8", 3}, {"b", "char"}, {"c", "char[2]"}, {"d", "bytes[3]"}, {"e", "bytes", 2}, {"f", "bytes"} },
              "a@0+3 b@3+1 c@4+2 d@6+3 e@9+2 f@11+1 12")
            local inner = mmap.struct { {"x", "u8"}, {"y", "u64"}, align = true }
            eq(places { {"a", "u8"}, {"i", inner}, {"l", inner, 2}, {"z", "u8"}, align = true }, "a@0+1 i@8+16 l@24+32 z@56+1 64")
            eq(places { {"a", "u8"}, {"i", inner}, {"l", inner, 2} }, "a@0+1 i@1+16 l@17+32 49")
            eq(places { {"a", "u8"}, {"i", inner}, align = 2 }, "a@0+1 i@2+16 18")
            local f = mmap.struct { {"a", "u16be", 2}, {"b", "char[4]"}, {"c", inner, 3}, {"d", inner} }:fields()
            eq(f[1].type, "u16be"); eq(f[1].count, 2); eq(f[2].type, "char[4]"); eq(f[2].count, nil)
            eq(f[3].layout, inner); eq(f[3].count, 3); eq(f[4].layout, inner); eq(f[4].count, nil); eq(f[4].type, "struct")
            eq(tostring(mmap.struct { {"a", "u16le", 2}, {"b", "char[4]"}, {"c", inner} }),
              "mmap.struct: 24 bytes { a @0 u16le[2], b @4 char[4], c @8 struct }")
            eq(places { {"a", "u8", 268435455} }, "a@0+268435455 268435455")
            fails("there is no field 'x'", inner.offset, mmap.struct { {"y", "u8"} }, "x")
            fails("there is no field 'totable'", inner.offset, inner, "totable")
            fails("#2.-string expected", inner.offset, inner, 1); fails("#1.-mmap.struct", inner.offset, 1, "x")
            """)
    }

    @Test func invalidDescriptions() {
        check(
            """
            local function bad(pattern, layout) fails("bad argument #1 to '.-' %(" .. pattern, mmap.struct, layout) end
            bad("table expected", 5); bad("table expected"); bad("a layout has at least one field", {})
            bad("field 1: table expected, got string", { "u8" }); bad("field 2: table expected", { {"a", "u8"}, false })
            bad("field 1: its first item is not a name", { {} }); bad("field 1: its first", { {""} }); bad("field 1: its first", { {3, "u8"} })
            bad("field 'a': its second item is not a type or a layout", { {"a"} }); bad("field 'a': its second", { {"a", 4} })
            bad("field 'a': its second", { {"a", mmap.anonymous(88)} })
            for _, name in ipairs { "", "u", "u7", "u128", "u8xx", "u32LE", "char[", "char[]", "char[0]", "char[-1]", "char[1", "char1]", "char[1]]",
              "char[1x]", "char[99999999999]", "chars", "bytes[0]", "u8\\0", "\\0u8", "int" } do bad("field 'a': not a type", { {"a", name} }) end
            bad("field 'a': two fields have this name", { {"a", "u8"}, {"a", "u16"} })
            bad("field 'a': key 'count' is not known", { {"a", "u8", count = 3} }); bad("field 'a': key '4' is not known", { {"a", "u8", 1, 2} })
            bad("field 'a': key '0' is not known", { {[0] = 1, "a", "u8"} })
            bad("key 'aling' is not known", { {"a", "u8"}, aling = true }); bad("key '1.5' is not known", { {"a", "u8"}, [1.5] = true })
            bad("field 'a': count 0 is out of range %(1 to 268435455%)", { {"a", "u8", 0} }); bad("field 'a': count %-1", { {"a", "u8", -1} })
            bad("field 'a': count: integer expected, got a fraction", { {"a", "u8", 1.5} }); bad("field 'a': count: integer expected, got string", { {"a", "u8", "3"} })
            bad("field 'a': offset %-1 is out of range", { {"a", "u8", offset = -1} }); bad("field 'a': offset: integer", { {"a", "u8", offset = "1"} })
            bad("field 'a': the record would be larger than 268435455 bytes", { {"a", "u8", offset = 268435455} })
            bad("field 'a': the record would", { {"a", "u64", 268435455} }); bad("field 'b': the record would", { {"a", "u8", 268435455}, {"b", "u8"} })
            bad("field 'a': for an array of strings", { {"a", "char[3]", 2} }); bad("field 'a': for an array of strings", { {"a", "bytes[3]", 2} })
            bad("size 3 is out of range %(4 to", { {"a", "u32"}, size = 3 }); bad("size 0", { {"a", "u32"}, size = 0 }); bad("size: integer", { {"a", "u8"}, size = true })
            bad("size 268435456 is out of range", { {"a", "u32"}, size = 268435456 }); bad("size 268435456", { {"a", "u8", 268435455}, {"b", "u64", offset = 0}, align = true, size = 268435456 })
            for _, align in ipairs { 0, 3, 17, 32, -8, "8" } do bad("align", { {"a", "u8"}, align = align }) end
            local l = mmap.struct { {"x", "u8"} }
            for i = 2, 32 do l = mmap.struct { {"x", l} } end
            eq(#l, 1); bad("field 'x': layouts are nested too deeply", { {"x", l} })
            local big = mmap.struct { {"x", "u8", 268435455} }
            bad("field 'y': the record would be larger", { {"x", big}, {"y", "u8"} }); eq(#mmap.struct { {"x", big} }, 268435455)
            """)
    }

    @Test func stringsInRecords() {
        check(
            """
            local l = mmap.struct { {"id", "u8"}, {"name", "char[4]"}, {"raw", "bytes[3]"}, {"next", "u8"} }
            local b = mmap.anonymous(2 * #l)
            local r = b:records(l)
            b:fill(0xee)
            for _, s in ipairs { "", "a", "abcd", "a\\0b", "\\0\\0x" } do
              r[0].name = s; eq(r[0].name, s); eq(b:string(1, 4), s .. ("\\0"):rep(4 - #s))
            end
            r[0].name = "a\\0"; eq(r[0].name, "a")
            fails("field 'name': a string of 5 bytes does not fit into 4", function() r[0].name = "abcde" end)
            fails("field 'name': string expected", function() r[0].name = 5 end)
            fails("field 'name': string expected", function() r[0] = { name = {} } end)
            r[0].raw = "x\\0\\0"; eq(r[0].raw, "x\\0\\0")
            fails("field 'raw': string of 3 bytes expected, got 2 bytes", function() r[0].raw = "xy" end)
            fails("field 'raw': string of 3 bytes expected, got 4 bytes", function() r[0].raw = "xyzz" end)
            eq(b[0], 0xee); eq(b[8], 0xee); eq(r[1].next, 0xee); eq(r[0].raw, "x\\0\\0")
            """)
    }

    @Test func arraysAndRecordsInside() {
        check(
            """
            local point = mmap.struct { {"x", "i16be"}, {"y", "i16be"} }
            local shape = mmap.struct { {"name", "char[3]"}, {"middle", point}, {"corners", point, 4}, {"weights", "f32", 2}, size = 40 }
            local b = mmap.anonymous(40 * 5 + 7)
            local r = b:records(shape, 7)
            eq(#r, 5); eq(r:layout(), shape)
            local wanted = { name = "sq", middle = { x = 1, y = -2 }, weights = { 0.5, 2 },
              corners = { { x = 1, y = 2 }, { x = 3, y = 4 }, { x = 5, y = 6 }, { x = -7, y = 8 } } }
            r[3] = wanted
            local s = r[3]
            eq(s.middle.x, 1); eq(s.middle.y, -2); eq(#s.corners, 4); eq(s.corners[3].x, -7); eq(s.weights[1], 2.0)
            eq(s.corners:layout(), point); eq(#s.weights, 2)
            s.middle.x = 99; s.corners[1].y = 44; s.weights[0] = 8
            local t = s:totable()
            eq(t.middle.x, 99); eq(t.corners[2].y, 44); eq(#t.corners, 4); eq(t.weights[1], 8.0); eq(t.name, "sq")
            -- Columns of columns.
            eq(r:column("middle"):column("x")[3], 99); eq(#r:column("middle"), 5)
            eq(r:column("corners", 1):column("y")[3], 44); eq(r:column("corners", 1)[3].y, 44)
            eq(r:column("middle"):column("x"):sum(), 99); eq(r:column("weights", 1):max(), 2.0)
            eq(r:column("middle"):layout(), point)
            eq(table.concat(s.corners:column("x"):totable(), " "), "1 3 5 -7"); eq(s.corners:column("y"):stats().sum, 60)
            -- A part is assigned, the rest stays.
            s.middle = { y = 5 }; eq(s.middle.x, 99); eq(s.middle.y, 5)
            s.corners = { {}, { x = 0 }, {}, {} }; eq(s.corners[1].x, 0); eq(s.corners[1].y, 44); eq(s.corners[0].x, 1)
            r[3] = {}; eq(s.name, "sq")
            fails("field 'middle': table of fields expected", function() s.middle = 3 end)
            fails("field 'corners': list of 4 records expected", function() s.corners = { {} } end)
            fails("field 'corners': list of 4 records expected", function() s.corners = { {}, {}, {}, 1 } end)
            fails("field 'weights': list of 2 numbers expected", function() s.weights = { 1, 2, 3 } end)
            fails("field 'weights': number expected", function() s.weights = { 1, "2" } end)
            fails("field 'x': value 40000 is out of range", function() r[0] = { corners = { {}, {}, { x = 40000 }, {} } } end)
            fails("there is no field 'z'", function() r[0] = { middle = { z = 1 } } end)
            fails("there is no field '1'", function() r[0] = { 1 } end)
            fails("there is no field 'totable'", function() r[0] = { totable = 1 } end)
            fails("assigned from a table of its fields or a record, not from a number", function() r[0] = 1 end)
            fails("array field 'corners' needs an element index %(0 to 3%)", r.column, r, "corners")
            for _, k in ipairs { -1, 4, math.maxinteger, math.mininteger } do
              fails("#3 .-index %-?%d+ is out of range %(0 to 3%)", r.column, r, "corners", k)
            end
            fails("#3.-no integer representation", r.column, r, "corners", 1.5); fails("#3.-field 'middle' is not an array", r.column, r, "middle", 0)
            fails("there is no field 'x'", r.column, r, "x"); fails("#2.-string expected", r.column, r)
            eq(r:column("weights", 1.0)[3], 2.0)
            -- Overlapping fields: in the order of the layout, the last one wins.
            local u = mmap.struct { {"whole", "u32le"}, {"low", "u16le", offset = 0} }
            local v = b:records(u)
            for i = 1, 20 do v[0] = { low = 1, whole = 0x10002 }; eq(v[0].whole, 0x10001) end
            """)
    }

    @Test func readValuesCanBeAssigned() {
        check(
            """
            local point = mmap.struct { {"x", "i16"}, {"y", "i16"} }
            local shape = mmap.struct { {"id", "u32"}, {"middle", point}, {"corners", point, 3}, {"weights", "f64", 2},
              {"name", "char[8]"}, {"raw", "bytes[2]"} }
            local b = mmap.anonymous(#shape * 3 + 2)
            local r = b:slice(1, #shape * 3):records(shape)
            local first = { id = 7, middle = { x = -1, y = 2 }, corners = { { x = 1, y = 2 }, { x = 3, y = 4 }, { x = 5, y = 6 } },
              weights = { 0.5, -2 }, name = "first", raw = "\\0\\1" }
            local function same(i) return b:string(1 + i * #shape, #shape) == b:string(1, #shape) end
            r[0] = first; r[1] = r[0]; assert(same(1)); assert(not same(2))
            -- Part by part.
            local from, to = r[1], r[2]
            for name, value in pairs(from) do to[name] = value end
            assert(same(2))
            r[2] = { middle = r[0].corners[2], corners = { r[0].corners[0], {}, r[0].corners[1] } }
            eq(r[2].middle.x, 5); eq(r[2].corners[0].x, 1); eq(r[2].corners[1].x, 3); eq(r[2].corners[2].x, 3)
            -- From the same memory, moved by one.
            local moved = b:slice(1 + shape:offset "corners" + #point, 2 * #point):records(point)
            local pair = mmap.struct { {"corners", point, 2} }
            b:slice(1 + shape:offset "corners", #pair):records(pair)[0].corners = moved
            eq(r[0].corners[0].x, 3); eq(r[0].corners[1].x, 5); eq(r[0].corners[2].x, 5)
            b:slice(1 + shape:offset "corners" + #point, #pair):records(pair)[0].corners = b:slice(1 + shape:offset "corners", #pair):records(point)
            eq(r[0].corners[0].x, 3); eq(r[0].corners[1].x, 3); eq(r[0].corners[2].x, 5)
            -- What does not fit.
            local other = b:records(mmap.struct { {"x", "i16"}, {"y", "i16"} })
            fails("the record has another layout", function() r[0] = other[0] end)
            fails("the record has another layout", function() r[0].middle = other[0] end)
            fails("the record has another layout", function() r[0].corners = other:slice(0, 3) end)
            fails("the record has another layout", function() r[0].corners = { other[0], {}, {} } end)
            fails("field 'corners': list of 3 records expected", function() r[0].corners = r[1].corners:slice(0, 2) end)
            fails("field 'corners': list of 3 records expected", function() r[0].corners = b end)
            fails("field 'middle': table of fields expected", function() r[0].middle = b end)
            fails("field 'weights': list of 2 numbers expected", function() r[0].weights = b:view("u8", 0, 3) end)
            fails("field 'weights': number expected", function() r[0].weights = b:records(point, 0, 2) end)
            fails("not from a userdata", function() r[0] = r end)
            local gone = mmap.anonymous(64)
            local lost, view = gone:records(point)[0], gone:view("f64", 0, 2)
            gone:close()
            fails("closed", function() r[0].middle = lost end); fails("closed", function() r[0].weights = view end)
            """)
    }

    @Test func namesAndMethods() {
        check(
            """
            local l = mmap.struct { {"totable", "u8"}, {"end", "u8"}, {"a b", "u8"}, {"__index", "u8"}, {"nul\\0x", "u8"} }
            local r = mmap.anonymous(2 * #l):records(l)
            r[1] = { totable = 1, ["end"] = 2, ["a b"] = 3, __index = 4, ["nul\\0x"] = 5 }
            local s = r[1]
            eq(s.totable, 1); eq(s["end"], 2); eq(s["a b"], 3); eq(s.__index, 4); eq(s["nul\\0x"], 5)
            eq(l:totable(s).totable, 1)
            local t = {}
            for name, value in pairs(s) do t[#t + 1] = name .. "=" .. value end
            eq(table.concat(t, " "), "totable=1 end=2 a b=3 __index=4 nul\\0x=5")
            fails("there is no field 'nul'", function() return s.nul end)
            fails("there is no field 'nul'", function() s.nul = 1 end)
            for _, key in ipairs { 1, 1.5, true, {}, s } do
              fails("a field of a record is accessed by its name, a string", function() return s[key] end)
              fails("a field of a record is accessed by its name, a string", function() s[key] = 1 end)
            end
            local other = mmap.struct { {"a", "u8"} }
            fails("the record has another layout", other.totable, other, s)
            fails("mmap.record expected", l.totable, l, r)
            local o = mmap.anonymous(1):records(other)[0]
            fails("the record has another layout", o.totable, mmap.anonymous(1):records(mmap.struct { {"a", "u8"} })[0])
            fails("there is no field 'totable' in this record", function() o.totable = 1 end)
            eq(o:totable().a, 0)
            """)
    }

    @Test func rangesOfRecords() {
        check(
            """
            local l = mmap.struct { {"x", "u16"} , {"y", "u8"} }
            for _, stride in ipairs { 3, 4, 7 } do
              for n = 0, 5 do
                local b = mmap.anonymous(math.max(1, 2 + (n == 0 and 0 or (n - 1) * stride + 3)))
                local r = b:records(l, n == 0 and #b or 2, nil, stride)
                eq(#r, n)
                for i = 0, n - 1 do r[i].x = 10 + i; r[i].y = i end
                local seen = 0
                for i, record in r:each() do eq(i, seen); eq(record.x, 10 + i); seen = seen + 1 end
                eq(seen, n)
                for _, i in ipairs { -1, n, n + 1, math.maxinteger, math.mininteger } do
                  fails("index %-?%d+ is out of range", function() return r[i] end)
                  fails("index %-?%d+ is out of range", function() r[i] = { x = 1 } end)
                end
                for i = -1, n + 1 do
                  for count = -1, n + 2 do
                    local good = i >= 0 and i <= n and count >= 0 and count <= n - i
                    local ok, part = pcall(r.slice, r, i, count)
                    eq(ok, good)
                    if good then
                      eq(#part, count)
                      for k = 0, count - 1 do eq(part[k].x, 10 + i + k); eq(part:column("y")[k], i + k) end
                      eq(part:layout(), l)
                    end
                  end
                  if i >= 0 and i <= n then eq(#r:slice(i), n - i) end
                end
                eq(#r:slice(), n); eq(#r:column("x"), n); if n > 0 then eq(r[0.0].x, 10) end
              end
            end
            local b = mmap.anonymous(10)
            local r = b:records(l)
            eq(#r, 3); eq(#b:records(l, 1), 3); eq(#b:records(l, 2), 2); eq(#b:records(l, 10), 0); eq(#b:records(l, 0, 2), 2); eq(#b:records(l, 8), 0)
            eq(#b:records(l, 0, nil, 7), 2); eq(#b:records(l, 0, nil, 8), 1); eq(#b:records(l, 0, nil, math.maxinteger), 1)
            fails("#3 .-offset 11 is out of range %(0 to 10%)", b.records, b, l, 11); fails("#3", b.records, b, l, -1)
            fails("#4 .-count 4 is out of range %(0 to 3 at offset 0%)", b.records, b, l, 0, 4); fails("#4", b.records, b, l, 0, -1)
            fails("#5 .-stride 2 is out of range: a record has 3 bytes", b.records, b, l, 0, 1, 2); fails("#5", b.records, b, l, 0, 1, math.mininteger)
            fails("#2 .-mmap.struct expected", b.records, b); fails("#1 .-mmap.buffer expected", b.records, r, l)
            fails("an index of records", function() return r[true] end); fails("exact integer", function() return r[0.5] end)
            eq(r.nothing, nil); fails("has no fields", function() r.x = 1 end)
            for _, f in ipairs { r.slice, r.each, r.column, r.layout, r.info } do fails("#1.-mmap.records expected", f, b) end
            eq(tostring(b:records(l, 1, 2, 4)):gsub("0x%x+", "P"), "mmap.records: P 2 of 3 bytes every 4 bytes rw-p anonymous+1")
            eq(tostring(r[1]):gsub("0x%x+", "P"), "mmap.record: P 3 bytes rw-p anonymous+3")
            local info = b:records(l, 1, 2, 4):info()
            eq(info.count, 2); eq(info.stride, 4); eq(info.size, 3); eq(info.length, 7); eq(info.offset, 1)
            """)
    }

    @Test func recordsFollowTheirMapping() {
        check(
            """
            local l = mmap.struct { {"id", "u32le"}, {"name", "char[4]"}, {"v", "u8", 4}, {"in_", mmap.struct { {"q", "u16"} } } }
            local path = scratch(("\\1\\0\\0\\0abcd\\1\\2\\3\\4\\5\\6"):rep(1000))
            -- Read-only.
            local b = mmap.open(path)
            local r = b:records(l)
            eq(#r, 1000); eq(r[999].name, "abcd")
            for _, f in ipairs { function() r[0].id = 2 end, function() r[0].name = "x" end, function() r[0].v[0] = 1 end,
              function() r[0] = { id = 1 } end, function() r[0].in_.q = 1 end, function() r[0].in_ = { q = 1 } end,
              function() r[0].v = { 1, 2, 3, 4 } end, function() r:column("id")[0] = 1 end } do fails("read%-only", f) end
            -- Closed.
            local one, column, inner, array = r[5], r:column("id"), r[5].in_, r[5].v
            b:close()
            for _, f in ipairs { function() return one.id end, function() return one.name end, function() one.id = 1 end, function() return r[0] end,
              function() return #r end, function() return column[0] end, function() return inner.q end, function() return array[0] end,
              function() return one:totable() end, function() r[0] = {} end, function() return r:slice() end, function() for _ in r:each() do end end,
              function() return r:column("id") end, function() return one.v end, function() return one.in_ end, function() for _ in pairs(one) do end end } do
              fails("closed", f)
            end
            eq(tostring(r), "mmap.records (closed)"); eq(tostring(one), "mmap.record (closed)"); eq(r:info().closed, true)
            -- Resized: found again where the memory went, and out of reach when cut off.
            b = mmap.open(path, "r+")
            r = b:records(l)
            local first, last = r[0], r[999]
            b:resize(64 << 20)
            eq(first.id, 1); eq(last.name, "abcd"); eq(r[999].id, 1); eq(#r, 1000); last.id = 77; eq(b:get("u32le", 999 * 14), 77)
            b:resize(14 * 10)
            eq(first.id, 1); fails("its mapping now has 140 bytes", function() return last.id end); fails("now has 140", function() return r[0] end)
            -- Gone.
            b:resize(14 * 1000); r = b:records(l); first, last = r[0], r[999]
            io.open(path, "w"):close()
            local e = select(2, pcall(function() return last.id end))
            eq(e.code, "SIGBUS"); eq(e.path, path)
            eq(select(2, pcall(function() return last.name end)).code, "SIGBUS"); eq(select(2, pcall(function() return r[3] end)).code, "SIGBUS")
            eq(select(2, pcall(function() last.id = 1 end)).code, "SIGBUS"); eq(select(2, pcall(first.totable, first)).code, "SIGBUS")
            b:close()
            -- A record keeps its mapping.
            local kept
            do local x = mmap.anonymous(100); kept = x:records(l)[1]; kept.id = 5 end
            collectgarbage(); collectgarbage(); eq(kept.id, 5); eq(kept.in_.q, 0)
            """)
    }

    /// Damage by the debug library.
    @Test func debugLibraryCannotCorruptRecords() {
        check(
            """
            local small, large = mmap.struct { {"a", "u8"} }, mmap.struct { {"far", "u64", offset = 1000}, {"s", "char[9]"}, {"v", "u16", 7}, {"l", mmap.struct { {"z", "u64"} }, 9} }
            local b = mmap.anonymous(4096)
            local s, l = b:records(small)[4095], b:records(large)[0]
            debug.setmetatable(s, debug.getmetatable(l))
            for _, name in ipairs { "far", "s", "v", "l" } do
              eq(pcall(function() return s[name] end), false)
              eq(pcall(function() s[name] = name == "s" and "x" or name == "v" and { 1, 2, 3, 4, 5, 6, 7 } or 1 end), false)
            end
            debug.setmetatable(io.stdout, debug.getmetatable(l))
            fails("mmap.record expected", function() return io.stdout.far end); fails("mmap.record expected", function() io.stdout.far = 1 end)
            fails("mmap.record expected", tostring, io.stdout); fails("mmap.record expected", pairs, io.stdout)
            debug.setmetatable(io.stdout, debug.getmetatable(b:records(small)))
            fails("mmap.records expected", function() return io.stdout[0] end); fails("mmap.records expected", function() return #io.stdout end)
            debug.setmetatable(io.stdout, debug.getmetatable(io.stderr))
            -- Upvalues and user values replaced by all kinds of things.
            local junk = { false, 1, -1, math.maxinteger, math.mininteger, 0.5, "x", {}, { far = "x", a = {} }, print, io.stdout, b, l, large,
              setmetatable({}, { __index = function() error "no" end }) }
            for i = 0, 7 do for _, offset in ipairs { 0, 1, 4095, (1 << 28) - 1 } do for _, count in ipairs { 0, 1, (1 << 28) - 1 } do
              junk[#junk + 1] = { a = i << 5 | 31 | offset << 8 | count << 36, s = 9 | i << 5 | offset << 8 | count << 36 } end end end
            local function poke(layout)
              local r = b:records(layout)
              local x = r[0]
              for _, name in ipairs { "a", "far", "s", "v", "l" } do
                pcall(function() return x[name] end); pcall(function() x[name] = 1 end); pcall(function() x[name] = "s" end); pcall(function() x[name] = { 1, 2 } end)
                pcall(function() r[0] = { [name] = 1 } end); pcall(r.column, r, name); pcall(r.column, r, name, 1); pcall(layout.offset, layout, name)
              end
              pcall(tostring, x); pcall(tostring, r); pcall(tostring, layout); pcall(layout.fields, layout); pcall(function() return x:totable() end)
              pcall(layout.totable, layout, x); pcall(function() for _ in pairs(x) do end end); pcall(function() for _ in r:each() do end end)
              pcall(r.slice, r, 1); pcall(r.layout, r)
            end
            for _, thing in ipairs(junk) do
              for part = 1, 4 do
                local layout = mmap.struct { {"a", "u8"}, {"s", "char[3]"}, {"v", "u16", 2}, {"l", small, 2}, {"far", small} }
                debug.setuservalue(layout, thing, part); poke(layout)
              end
              for _, event in ipairs { "__index", "__newindex", "__pairs" } do
                for up = 1, 2 do
                  local layout = mmap.struct { {"a", "u8"}, {"s", "char[3]"}, {"v", "u16", 2}, {"l", small, 2}, {"far", small} }
                  local meta = debug.getmetatable(b:records(layout)[0])
                  debug.setupvalue(meta[event], up, thing); poke(layout)
                end
              end
              for part = 1, 3 do
                local layout = mmap.struct { {"a", "u8"}, {"s", "char[3]"}, {"v", "u16", 2}, {"l", small, 2}, {"far", small} }
                local r = b:records(layout)
                local x = r[0]
                debug.setuservalue(r, thing, part); debug.setuservalue(x, thing, 1)
                for _, f in ipairs { function() return r[1].a end, function() return r[1].l[1] end, function() return x.far.a end, function() return r:slice(1)[0] end,
                  function() return r:column("l", 1)[0].a end, function() return tostring(x), tostring(r), r:info() end, function() r[0] = { a = 1 } end } do pcall(f) end
              end
            end
            collectgarbage()
            """)
    }

    /// A finalizer runs at any allocation, and may modify the stack of the allocating function.
    @Test func finalizersMayModifyStacks() {
        check(
            """
            local inner = mmap.struct { {"q", "u16"}, {"w", "u8", 3} }
            local function layout() return mmap.struct { {"a", "u8"}, {"s", "char[9]"}, {"l", inner, 3}, {"v", "f64", 4}, {"i", inner} } end
            local b = mmap.anonymous(4096)
            local count, armed = 0, false
            -- Lua's own functions do not hold against it, nor do those of lauxlib that raise: so one at a time.
            local lua = {}
            for _, library in pairs(package.loaded) do
              if library ~= mmap then for _, f in pairs(library) do lua[f] = true end end
            end
            local function trap()
              setmetatable({}, { __gc = function()
                local info = debug.getinfo(2, "Sf")
                if not armed then return end
                if not info or info.what ~= "C" or lua[info.func] then return trap() end
                armed = false
                count = count + 1
                for slot = 1, 12 do
                  if (count + slot) % 3 == 0 then pcall(debug.setlocal, 3, slot, count % 2 == 0 and nil or slot) end
                end
              end })
            end
            collectgarbage("setpause", 0); collectgarbage("setstepmul", 1000)
            local l, r, x, t
            local steps = {
              function() l = layout() end, function() r = b:records(l) end, function() x = r[3] end,
              function() x.l = { { q = 1 }, {}, { w = { 1, 2, 3 } } } end, function() r[1] = { a = 1, v = { 1, 2, 3, 4 }, i = { q = 1 } } end,
              function() t = x:totable() end, function() t = l:fields() end, function() t = tostring(l) end, function() t = tostring(x) end,
              function() t = tostring(r) end, function() t = x.v[0] end, function() t = x.l[1].q end, function() t = x.i.w end,
              function() t = r:slice(1)[0] end, function() t = r:column("l", 1):column("w", 2) end, function() t = r:info() end,
              function() for k, v in pairs(x) do t = v end end, function() for k, v in r:slice(0, 5):each() do t = v.s end end,
              function() t = l:totable(x) end, function() t = r:column("a") end }
            for i = 1, 200 do
              for k, step in ipairs(steps) do
                l = layout(); r = b:records(l); x = r[i % 9]
                -- Where in the step the collector gets to it.
                for n = 1, i % 23 do t = { n } end
                armed = true; trap()
                pcall(step)
                armed = false
              end
            end
            collectgarbage("setpause", 200); collectgarbage("setstepmul", 100)
            collectgarbage(); collectgarbage()
            assert(count > 100, count)
            """)
    }
}
