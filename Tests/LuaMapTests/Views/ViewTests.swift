import Testing

/// Typed views, against tables and string.pack.
@Suite struct ViewTests {
    @Test func viewIsArrayOfItsBytes() {
        check(
            """
            local options = { u8 = "I1", i8 = "i1", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "I8", i64 = "i8", f32 = "f", f64 = "d" }
            local n = 30
            local b = mmap.anonymous(n)
            for i = 0, n - 1 do b[i] = i * 83 % 256 end
            local s = b:string()
            for name, option in pairs(options) do
              for suffix, mark in pairs { [""] = "=", le = "<", be = ">" } do
                local f = mark .. option
                local size = string.packsize(f)
                for offset = 0, n do
                  for stride = 1, 11 do
                    local wanted = {}
                    local at = offset
                    while at + size <= n do wanted[#wanted + 1] = (string.unpack(f, s, at + 1)); at = at + stride end
                    local v = b:view(name .. suffix, offset, nil, stride)
                    eq(#v, #wanted, name)
                    for i = 0, #v - 1 do eq(v[i], wanted[i + 1], name) end
                    local t = v:totable()
                    eq(#t, #wanted)
                    for i = 1, #t do eq(t[i], wanted[i]) end
                    local seen = 0
                    for i, x in v:each() do eq(i, seen); eq(x, wanted[i + 1]); seen = seen + 1 end
                    eq(seen, #wanted)
                    if stride == size then eq(#b:view(name .. suffix, offset), #wanted) end
                    for _, i in ipairs { -1, #wanted, math.maxinteger, math.mininteger } do
                      fails("index %-?%d+ is out of range", function() return v[i] end)
                      fails("index %-?%d+ is out of range", function() v[i] = 0 end)
                      fails("index %-?%d+ is out of range", v.get, v, i)
                    end
                    fails("bad argument #4 to '.-' %(count " .. #wanted + 1, b.view, b, name, offset, #wanted + 1, stride)
                    if #v > 0 then
                      if stride < size then fails("the elements overlap", function() v[0] = 0 end); fails("overlap", v.fill, v, 0)
                      else v[#v - 1] = wanted[#v]; v:copy(0, wanted); eq(b:string(), s) end
                    end
                  end
                end
              end
            end
            fails("offset 31 is out of range %(0 to 30%)", b.view, b, "u8", 31)
            for _, stride in ipairs { 0, -1, math.mininteger } do fails("stride", b.view, b, "u8", 0, 1, stride) end
            eq(#b:view("u8", 0, nil, math.maxinteger), 1); eq(#b:view("u8", 30), 0)
            """)
    }

    @Test func rangesOfElements() {
        check(
            """
            for _, stride in ipairs { 2, 5 } do
              local n = 6
              local b = mmap.anonymous(n * stride + 3)
              local v = b:view("u16be", 3, n, stride)
              for i = 0, n - 1 do v[i] = 1000 + i end
              local edges = { math.mininteger, -1, 0, 1, n - 1, n, n + 1, math.maxinteger }
              edges[#edges + 1] = nil
              for _, i in ipairs(edges) do
                for k = 1, #edges + 1 do
                  local count = edges[k]
                  local good = i >= 0 and i <= n and (not count or count >= 0 and count <= n - i)
                  local length = good and (count or n - i)
                  local ok, t = pcall(v.totable, v, i, count)
                  eq(ok, good, t)
                  local sliced, part = pcall(v.slice, v, i, count)
                  eq(sliced, good)
                  if count then eq(pcall(v.get, v, i, count), good) end
                  if good then
                    eq(#t, length); eq(#part, length)
                    for k = 1, length do eq(t[k], 999 + i + k); eq(part[k - 1], t[k]) end
                    if count then
                      local got = table.pack(v:get(i, count))
                      eq(got.n, count)
                      for k = 1, count do eq(got[k], t[k]) end
                    end
                    -- A fill changes these elements and no other byte.
                    local before = b:string()
                    v:fill(7, i, count)
                    for j = 0, n - 1 do
                      eq(v[j], j >= i and j < i + length and 7 or 1000 + j)
                      v[j] = 1000 + j
                    end
                    eq(b:string(), before)
                    part:set(0, table.unpack(t)); eq(b:string(), before)
                  else
                    fails("out of range", v.totable, v, i, count); fails("out of range", v.fill, v, 1, i, count)
                  end
                end
              end
              eq(pcall(v.set, v, n), true)
              fails("1 elements do not fit at index 6", v.set, v, n, 1)
              fails("7 elements do not fit at index 0", v.copy, v, 0, { 1, 2, 3, 4, 5, 6, 7 })
            end
            local big = mmap.anonymous(4000000):view("u8")
            fails("4000000 results are too many", big.get, big, 0, #big)
            eq(select("#", big:get(0, 100000)), 100000)
            """)
    }

    /// Copies between all types, against a model in Lua.
    @Test func copiesConvertOrRefuse() {
        check(
            """
            local limits = { u8 = { 0, 255 }, i8 = { -128, 127 }, u16 = { 0, 65535 }, i16 = { -32768, 32767 },
              u32 = { 0, 4294967295 }, i32 = { -2147483648, 2147483647 }, u64 = { 0, 2^64 }, i64 = { math.mininteger, math.maxinteger } }
            local values = { 0, 1, -1, 127, 128, 255, 256, -128, -129, 32767, 32768, 65535, 65536, -32768, -32769, 2147483647,
              2147483648, 4294967295, 4294967296, -2147483648, -2147483649, math.maxinteger, math.mininteger, 0.5, -0.5, 1.5, 2.5,
              2^63, -2^63, 2^64, 1e38, 1e300, -1e300, 1 / 0, -1 / 0, 0 / 0, 254.5, 255.5, 16777217 }
            local memory = mmap.anonymous(64)
            local all = { "u8", "i8", "u16", "i16be", "u32", "i32be", "u64", "i64", "f32", "f64", "u64be", "f32be", "f64be" }
            local function kind(name) return (name:gsub("[lb]e$", "")) end
            local function whole(x) return math.type(x) == "integer" or x == math.floor(x) and x - x == 0 end
            local function fits(x, to)
              if to == "f64" then return true end
              if to == "f32" then return x - x ~= 0 or math.abs(string.unpack("f", string.pack("f", x))) < 1 / 0 end
              if not whole(x) then return false end
              if to == "u64" then return x >= 0 and x < 2^64 end
              return x >= limits[to][1] and x <= limits[to][2]
            end
            local function rounded(x)
              if math.type(x) == "integer" or x - x ~= 0 then return x end
              local low = math.floor(x)
              local rest = x - low
              return (rest > 0.5 or rest == 0.5 and low % 2 == 1) and low + 1 or low
            end
            local function nearest(x, to)
              if to == "f64" then return x + 0.0 end
              if to == "f32" then
                if x - x ~= 0 then return x end
                local f = math.max(-3.4028234663852886e38, math.min(3.4028234663852886e38, x))
                return (string.unpack("f", string.pack("f", f)))
              end
              if x ~= x then return 0 end
              x = rounded(x)
              if to == "u64" then
                if x < 0 then return 0 elseif x >= 2^64 then return -1 end
                return math.type(x) == "integer" and x or x < 2^63 and math.tointeger(x) or math.tointeger(x - 2^64)
              end
              local low, high = table.unpack(limits[to])
              if x <= low then return low elseif x >= high then return high end
              return math.tointeger(x)
            end
            local done, refused = 0, 0
            for _, from in ipairs(all) do
              local source = memory:view(from, 1, 1)
              for _, x in ipairs(values) do
                if pcall(function() source[0] = x end) and not (kind(from) == "u64" and x < 0) then
                  local real = source[0]
                  -- Lua shows a large u64 as negative; its value is this float.
                  if kind(from) == "u64" and real < 0 then real = x end
                  for _, to in ipairs(all) do
                    local target = memory:view(to, 20, 1)
                    local about = ("%s %s to %s"):format(from, x, to)
                    memory:fill(0x55, 20, 8)
                    local before = memory:string()
                    local ok, message = pcall(target.copy, target, 0, source)
                    eq(ok, fits(real, kind(to)), about)
                    if ok then
                      done = done + 1
                      eq(target[0], nearest(real, kind(to)), about)
                    else
                      refused = refused + 1
                      assert(message:find("element 0: value .- is out of range for " .. kind(to)) or message:find("no integer rep"), message)
                      eq(memory:string(), before)
                    end
                    eq(target:copy(0, source, "saturate"), 1); eq(target[0], nearest(real, kind(to)), about)
                    if math.type(real) and not (kind(from) == "u64" and source[0] < 0) then
                      eq(target:copy(0, { real }, "saturate"), 1); eq(target[0], nearest(real, kind(to)), about)
                    end
                  end
                end
              end
            end
            assert(done > 1000 and refused > 500, done)
            """)
    }

    @Test func copiesOfManyElementsAndOnSharedMemory() {
        check(
            """
            local n = 200000
            local a, c = mmap.anonymous(8 * n + 8), mmap.anonymous(8 * n + 8)
            local x, y = a:view("u16", 1, n, 3), c:view("f64be", 3, n)
            for i = 0, n - 1, 977 do x[i] = i % 65536 end
            eq(y:copy(0, x), n)
            for i = 0, n - 1 do if y[i] ~= x[i] then error(i) end end
            y[n - 1] = 0.5; y[150000] = 70000
            x:fill(3)
            fails("element 150000: value 70000.* is out of range for u16", x.copy, x, 0, y)
            for _, i in ipairs { 0, 1, 149999, n - 1 } do eq(x[i], 3) end
            eq(x:copy(0, y, "saturate"), n); eq(x[150000], 65535); eq(x[n - 1], 0); eq(x[977], 977)
            -- The same memory, to the left and right, wider and narrower.
            for _, from in ipairs { { "u8", 0, 1 }, { "u8", 9, 2 }, { "u16be", 3, 2 }, { "i32", 40, 4 }, { "i32", 0, 9 } } do
              for _, to in ipairs { { "u8", 5, 1 }, { "u16", 0, 2 }, { "u16be", 4, 2 }, { "f64", 1, 8 }, { "i32", 44, 4 }, { "u8", 0, 3 } } do
                local b = mmap.anonymous(1000)
                local s, t = b:view(from[1], from[2], 100, from[3]), b:view(to[1], to[2], 100, to[3])
                for i = 0, 99 do s[i] = i + 1 end
                t:copy(0, s)
                for i = 0, 99 do eq(t[i], i + 1, from[1] .. " to " .. to[1]) end
              end
            end
            -- A buffer is its bytes.
            local b = mmap.anonymous(10)
            for i = 0, 9 do b[i] = 250 + i < 256 and 250 + i or i end
            local v = mmap.anonymous(80):view("f64")
            eq(v:copy(0, b), 10); eq(v[3], 253.0); eq(v[9], 9.0)
            fails("out of range for i8", function() mmap.anonymous(10):view("i8"):copy(0, b) end)
            for _, wrong in ipairs { "text", 5, true, print } do fails("bad argument #3", v.copy, v, 0, wrong) end
            fails("the only option is", v.copy, v, 0, b, "saturated"); fails("string expected", v.copy, v, 0, b, true)
            """)
    }

    @Test func viewFollowsItsMapping() {
        check(
            """
            local page = mmap.PAGESIZE
            local b = mmap.anonymous(4 * page)
            local v = b:slice(page):view("u32", 0, page // 4)
            local last = b:view("u8", 3 * page)
            v[5] = 99; last[0] = 7
            b:resize(64 * page)
            eq(v[5], 99); eq(#v, page // 4); eq(last[0], 7); eq(#last, page)
            b:resize(2 * page)
            eq(v[5], 99)
            for _, use in ipairs { function() return last[0] end, function() last[0] = 1 end, function() return #last end,
              function() return last:totable() end, function() last:fill(0) end, function() return last:slice(0) end,
              function() for _ in last:each() do end end, function() return last:get(0, 2) end } do
              fails("this slice ends at byte %d+ and its mapping now has %d+ bytes", use)
            end
            eq(tostring(v):match("^mmap.view: 0x%x+ %d+ u32le rw%-p anonymous%+4096$") ~= nil, true, tostring(v))
            assert(tostring(b:view("u8", 0, 2, 9)):find(" 2 u8 every 9 bytes "))
            local info = v:info()
            eq(info.type, "u32le"); eq(info.count, page // 4); eq(info.stride, 4); eq(info.size, 4); eq(info.offset, page)
            eq(info.closed, false)
            -- It keeps the mapping alive, and a closed one kills it.
            local function make() return mmap.anonymous(100):view("u8"):slice(10) end
            local kept = make()
            collectgarbage(); collectgarbage()
            kept[0] = 3; eq(kept[0], 3)
            do local w <close> = b:view("u8") end
            v:close(); v:close(); eq(tostring(v), "mmap.view (closed)"); eq(v:info().closed, true)
            fails("closed", function() return v[0] end); eq(b[page + 20], 99)
            local w = b:view("i16")
            b:close()
            for _, use in ipairs { function() return w[0] end, function() w[0] = 1 end, function() return #w end, function() w:set(0, 1) end,
              function() return w:get(0) end, function() return w:slice() end, function() return w:totable() end,
              function() w:fill(1) end, function() w:copy(0, { 1 }) end, function() w:copy(0, w) end,
              function() for _ in w:each() do end end } do
              fails("closed buffer", use)
            end
            eq(tostring(w), "mmap.view (closed)")
            """)
    }

    @Test func keysThatAreNotIndexes() {
        check(
            """
            local b = mmap.anonymous(80)
            local v = b:view("i64")
            eq(v[3.0], 0); v[2.0] = 8.0; eq(v[2], 8); eq(v.nonsense, nil); eq(v["3"], nil)
            for _, key in ipairs { 1.5, 2^63, 0 / 0, true, print, {} } do
              fails("a view's index", function() return v[key] end); fails("a view's index", function() v[key] = 1 end)
            end
            fails("a view has no fields to assign to", function() v.x = 1 end)
            eq(getmetatable(v), "mmap.view")
            for name in pairs { get = 1, set = 1, fill = 1, copy = 1, each = 1, totable = 1, slice = 1, info = 1, close = 1 } do
              for _, stranger in ipairs { b, io.stdout, {}, 5, "text", print, false } do
                fails("bad argument #1", v[name], stranger, 0, 0)
              end
              fails("bad argument #1", v[name])
            end
            for _, name in ipairs { "string", "slice", "view", "get", "hexdump", "find", "close" } do
              fails("mmap.buffer expected, got mmap.view", b[name], v)
            end
            """)
    }

    @Test(.disabled(if: Interface.isCompiled, "machine code asks no metatable that debug changed"))
    func viewIsIdentifiedByContent() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local b = mmap.anonymous(100)
                local v = b:view("u8")
                local bytes, elements = debug.getmetatable(b), debug.getmetatable(v)
                debug.setmetatable(b, elements)
                fails("mmap.view expected", function() return b[0] end); fails("mmap.view expected", function() b[0] = 1 end)
                fails("mmap.view expected", function() return #b end); fails("mmap.view expected", tostring, b)
                debug.setmetatable(b, bytes); debug.setmetatable(v, bytes)
                fails("mmap.buffer expected", function() return v[0] end)
                debug.setmetatable(v, elements)
                local file = io.tmpfile()
                local own = debug.getmetatable(file)
                debug.setmetatable(file, elements)
                fails("mmap.view expected", function() return file[0] end)
                debug.setmetatable(file, own)
                debug.setupvalue(elements.__index, 1, 5); fails("a view's index", function() return v.get end)
                -- A type that does not exist, by way of an accessor's upvalue.
                for _, code in ipairs { -1, 15, 16, 31, 1 << 40, math.mininteger, "x" } do
                  debug.setupvalue(b.readInt32LE, 1, code); debug.setupvalue(b.writeInt32LE, 1, code)
                  for offset = 0, 100 do pcall(b.readInt32LE, b, offset); pcall(b.writeInt32LE, b, 1, offset) end
                  debug.setupvalue(b.readIntLE, 1, code); debug.setupvalue(b.writeIntLE, 1, code)
                  for offset = 0, 100 do pcall(b.readIntLE, b, offset, 8); pcall(b.writeIntLE, b, 1, offset, 8) end
                end
                """)
        }
    }
}
