import Testing

/// `get`, `set`, and the accessors of Node's Buffer, against string.pack and string.unpack.
@Suite struct NumbersTests {
    private static let types = """
        types = {}
        for name, option in pairs { u8 = "I1", i8 = "i1", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "I8",
          i64 = "i8", f32 = "f", f64 = "d" } do
          types[#types + 1] = { name, "=" .. option }
          types[#types + 1] = { name .. "le", "<" .. option }
          types[#types + 1] = { name .. "be", ">" .. option }
        end
        """

    @Test func everyTypeAtEveryOffset() {
        check(
            Self.types + """

                local b = mmap.anonymous(40)
                local pattern = {}
                for i = 0, 39 do pattern[i + 1] = string.char((i * 89 + 131) % 256) end
                pattern = table.concat(pattern)
                for _, entry in ipairs(types) do
                  local name, f = table.unpack(entry)
                  local size = string.packsize(f)
                  for offset = 0, 40 - size do
                    b:copy(0, pattern)
                    local wanted = string.unpack(f, pattern, offset + 1)
                    local got = b:get(name, offset)
                    eq(got, wanted, name); eq(math.type(got), math.type(wanted), name)
                    b:fill(0)
                    b:set(name, offset, got)
                    local rest = ("\\0"):rep(40 - size - offset)
                    eq(b:string(), ("\\0"):rep(offset) .. string.pack(f, wanted) .. rest, name)
                    local v = b:view(name, offset, 1)
                    eq(v[0], wanted, name)
                    b:fill(0); v[0] = wanted
                    eq(b:string(), ("\\0"):rep(offset) .. string.pack(f, wanted) .. rest, name)
                  end
                  for _, offset in ipairs { -1, 41 - size, 40, math.maxinteger, math.mininteger } do
                    fails("bad argument #3 to '.-' %(offset %-?%d+ is out of range %(0 to " .. 40 - size, b.get, b, name, offset)
                    fails("bad argument #3", b.set, b, name, offset, 1)
                  end
                end
                fails("the buffer has 3 bytes and 4 are needed", function() b:slice(0, 3):get("f32", 0) end)
                for _, name in ipairs { "", "u", "u8l", "u33", "f8", "u16xe", "U8", "i128", "f64bele", "u8 ", "8u", "\\0u8", "\\0u8le" } do
                  fails("bad argument #2 to '.-' %(not a type", b.get, b, name, 0)
                  fails("not a type", b.set, b, name, 0, 0); fails("not a type", b.view, b, name)
                end
                """)
    }

    @Test func everyIntegerTypeAcceptsExactlyItsRange() {
        check(
            """
            local b = mmap.anonymous(8)
            local ranges = { u8 = { 0, 255 }, i8 = { -128, 127 }, u16 = { 0, 65535 }, i16 = { -32768, 32767 },
              u32 = { 0, 4294967295 }, i32 = { -2147483648, 2147483647 } }
            for name, range in pairs(ranges) do
              local v = b:view(name, 0, 1)
              local ways = { function(x) b:set(name, 0, x) end, function(x) v[0] = x end, function(x) v:set(0, x) end,
                function(x) v:fill(x) end, function(x) v:copy(0, { x }) end }
              for _, set in ipairs(ways) do
                for _, x in ipairs { range[1], range[2], range[1] + 0.0, range[2] + 0.0, 0, 1.0 } do
                  set(x); eq(b:get(name, 0), x); eq(math.type(b:get(name, 0)), "integer")
                end
                for _, x in ipairs { range[1] - 1, range[2] + 1, math.mininteger, math.maxinteger, range[2] + 1.0, 2^63, -2^70, 1 / 0 } do
                  b:fill(77)
                  local message = fails("value .- is out of range for " .. name, set, x)
                  assert(message:find(("(%d to %d)"):format(range[1], range[2]), 1, true), message)
                  eq(b:string(), ("M"):rep(8))
                end
                for _, x in ipairs { 0.5, -0.5, 0 / 0 } do fails("value .- has no integer representation", set, x) end
              end
              fails("expected, got string", ways[1], "1"); fails("an element of a view is a number", ways[2], "1")
              fails("expected, got string", ways[3], "1"); fails("expected, got nil", ways[4], nil)
              fails("element 1: not a number", ways[5], "1")
            end
            -- 64 bits: a u64 of 2^63 and more is the negative integer with the same bits.
            for _, x in ipairs { 0, -1, math.mininteger, math.maxinteger, 5.0, -2^63 } do
              b:set("u64", 0, x); eq(b:get("u64", 0), x); b:set("i64be", 0, x); eq(b:get("i64be", 0), x)
            end
            b:set("u64", 0, 2^63); eq(b:get("u64", 0), math.mininteger)
            for _, order in ipairs { "LE", "BE" } do
              b:fill(0); eq(b["writeUInt" .. order](b, 2^63, 0, 8), 8); eq(b["readUInt" .. order](b, 0, 8), math.mininteger)
              b["writeUInt" .. order](b, 2^64 - 2048, 0, 8); eq(b["readUInt" .. order](b, 0, 8), -2048)
              fails("no integer representation", b["writeUInt" .. order], b, 2^64, 0, 8)
              fails("no integer representation", b["writeUInt" .. order], b, 2^63, 0, 7)
              fails("no integer representation", b["writeInt" .. order], b, 2^63, 0, 8)
            end
            b:set("u64", 0, 2^64 - 2048); eq(b:get("u64", 0), -2048)
            fails("out of range for u64 %(0 to 18446744073709551615", b.set, b, "u64", 0, 2^64)
            fails("out of range for u64", b.set, b, "u64", 0, -2^64)
            fails("out of range for i64", b.set, b, "i64", 0, 2^63)
            """)
    }

    @Test func floatsAcceptEveryNumberThatFits() {
        check(
            """
            local b = mmap.anonymous(8)
            local v, w = b:view("f32", 0, 1), b:view("f64be", 0, 1)
            for _, x in ipairs { 0, 1, -1, 0.5, 2^24, 16777217, 2^100, 1 / 0, -1 / 0, 0 / 0, 3.4028234663852886e38, 1e-50, math.maxinteger } do
              local wanted = string.unpack("f", string.pack("f", x))
              b:set("f32", 0, x); eq(b:get("f32", 0), wanted); v[0] = 0; v[0] = x; eq(v[0], wanted)
              w[0] = x; eq(w[0], x + 0.0); eq(math.type(w[0]), "float")
            end
            for _, x in ipairs { 1e300, -1e300, 3.5e38 } do
              fails("value %-?[%d.e+]+ is out of range for f32", b.set, b, "f32", 0, x)
              fails("out of range for f32", function() v[0] = x end)
            end
            eq(b:writeFloatLE(1e300), 4); eq(b:readFloatLE(), 1 / 0)
            """)
    }

    @Test func accessorsOfNode() {
        check(
            """
            local b = mmap.anonymous(16)
            local s = "\\x81\\x92\\xa3\\xb4\\xc5\\xd6\\xe7\\xf8\\x09\\x1a\\x2b\\x3c\\x4d\\x5e\\x6f\\x70"
            b:copy(0, s)
            local fixed = { Int8 = "i1", UInt8 = "I1", Uint8 = "I1" }
            for order, mark in pairs { LE = "<", BE = ">" } do
              for noun, option in pairs { Int16 = "i2", UInt16 = "I2", Uint16 = "I2", Int32 = "i4", UInt32 = "I4", Uint32 = "I4",
                BigInt64 = "i8", BigUInt64 = "I8", BigUint64 = "I8", Float = "f", Double = "d" } do
                fixed[noun .. order] = mark .. option
              end
            end
            local function test(noun, f, size, ...)
              for offset = 0, 16 - size do
                b:copy(0, s)
                local wanted = string.unpack(f, s, offset + 1)
                local read, write = b["read" .. noun], b["write" .. noun]
                local got = read(b, offset, ...)
                eq(got, wanted, noun); eq(math.type(got), math.type(wanted))
                b:fill(0)
                eq(write(b, wanted, offset, ...), offset + size, noun)
                eq(b:string(), ("\\0"):rep(offset) .. string.pack(f, wanted) .. ("\\0"):rep(16 - size - offset), noun)
                if offset == 0 and select("#", ...) == 0 then
                  eq(read(b), wanted); b:fill(0); eq(write(b, wanted), size); eq(read(b), wanted)
                end
              end
              fails("bad argument #2 to '.-' %(offset " .. 17 - size .. " is out of range", b["read" .. noun], b, 17 - size, ...)
              fails("bad argument #3 to '.-' %(offset", b["write" .. noun], b, 1, 17 - size, ...)
            end
            local count = 0
            for noun, f in pairs(fixed) do test(noun, f, string.packsize(f)); count = count + 1 end
            eq(count, 25)
            for order, mark in pairs { LE = "<", BE = ">" } do
              for length = 1, 8 do
                test("Int" .. order, mark .. "i" .. length, length, length)
                test("UInt" .. order, mark .. "I" .. length, length, length)
                test("Uint" .. order, mark .. "I" .. length, length, length)
                if length < 8 then
                  local top = 1 << (8 * length)
                  fails("out of range for an unsigned integer of " .. length, b["writeUInt" .. order], b, top, 0, length)
                  fails("out of range for an unsigned integer", b["writeUInt" .. order], b, -1, 0, length)
                  fails("out of range for a signed integer of " .. length, b["writeInt" .. order], b, top // 2, 0, length)
                  fails("out of range for a signed integer", b["writeInt" .. order], b, -top // 2 - 1, 0, length)
                end
              end
              for _, length in ipairs { 0, 9, -1, math.mininteger } do
                fails("byte length %-?%d+ is out of range %(1 to 8%)", b["readInt" .. order], b, 0, length)
                fails("byte length", b["writeUInt" .. order], b, 0, 0, length)
              end
            end
            fails("value 256 is out of range for u8", b.writeUInt8, b, 256)
            fails("value %-129 is out of range for i8", b.writeInt8, b, -129)
            """)
    }

    @Test func readOnlyClosedAndLost() {
        check(
            """
            local bytes = ("x"):rep(2 * mmap.PAGESIZE - 1) .. "\\0"
            local path = scratch(bytes)
            local b = mmap.open(path)
            for _, f in ipairs { function() b:set("u8", 0, 1) end, function() b:pack("b", 0, 1) end, function() b:writeInt8(1) end,
              function() b:writeUIntLE(1, 0, 2) end, function() b:view("u8")[0] = 1 end, function() b:view("u8"):fill(1) end,
              function() b:view("u8"):set(0, 1) end, function() b:view("u8"):copy(0, { 1 }) end,
              function() b:view("u8"):copy(0, b) end } do
              fails("read%-only", f)
            end
            local page = mmap.PAGESIZE
            local v = b:view("f64", page)
            local uses = { function() return b:get("u8", page) end, function() return b:unpack("b", page) end,
              function() return b:unpack("z", page) end, function() return b:readInt8(page) end,
              function() return b:readIntLE(page, 3) end, function() return v[0] end, function() return v:get(0, 2) end,
              function() return v:totable() end, function() for _ in v:each() do end end,
              function() return mmap.anonymous(9999):view("f64"):copy(0, v) end }
            for i, use in ipairs(uses) do
              io.open(path, "wb"):write(bytes):close()
              b:remap(); pcall(function() return v[0] end)
              use()
              io.open(path, "wb"):write(("x"):rep(page)):close()
              local ok, e = pcall(use)
              assert(not ok and type(e) == "table" and e.code == "SIGBUS" and e.path == path, tostring(e) .. " of " .. i)
              fails("SIGBUS", use)
            end
            b:close()
            for _, use in ipairs(uses) do fails("closed buffer", use) end
            """)
    }
}
