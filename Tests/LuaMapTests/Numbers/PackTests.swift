import Testing

/// `b:pack` and `b:unpack` against string.pack and string.unpack.
@Suite struct PackTests {
    /// Makes formats and values, some of them invalid.
    private static let generator = """
        local options = {}
        for n = 1, 16 do options[#options + 1] = "i" .. n; options[#options + 1] = "I" .. n end
        for c in ("bBhHlLjJTiI"):gmatch "." do options[#options + 1] = c end
        local orders = { "<", ">", "=", "!", "!1", "!4", "!16", " ", "" }
        local function pick(...) return (select(math.random(select("#", ...)), ...)) end
        local function integer()
          return pick(math.random(0, 255), math.random(0) >> math.random(0, 63), -math.random(0, 200), math.random(0),
            math.random(0, 60000) + 0.0, (1 << math.random(0, 63)) - 1, "17", "0x10")
        end
        function format()
          local f, values = {}, {}
          for _ = 1, math.random(5) do
            if pick(true, false) then f[#f + 1] = orders[math.random(#orders)] end
            local kind, value = math.random(12)
            if kind <= 4 then f[#f + 1] = options[math.random(#options)]; value = integer()
            elseif kind <= 6 then f[#f + 1] = pick("f", "d", "n")
              value = pick(0.5, 1e300, -1e-3, 0 / 0, 1 / 0, 7, "12.5", math.random())
            elseif kind == 7 then f[#f + 1] = "s" .. pick("", "1", "2", "3", "4", "8", "16")
              value = pick("", "abc", ("x"):rep(40), ("y"):rep(300), 12, 1.5)
            elseif kind == 8 then f[#f + 1] = "z"; value = pick("", "abc", "a\\0b", 12)
            elseif kind == 9 then f[#f + 1] = "c" .. math.random(0, 12); value = pick("", "abc", "0123456789", 12)
            elseif kind == 10 then f[#f + 1] = pick("x", "X", "Xi4", "Xd", "Xi16", "X!", "Xc4", "Xz")
            elseif kind == 11 then f[#f + 1] = pick("x", " ", "c", "q", "i17", "i0", "s20", "!17", "!3", "\\1", "i3000000000")
            else f[#f + 1] = "B"; value = pick(1, 2.5, "x", true, print) end
            values[#values + 1] = value
          end
          return table.concat(f), values
        end
        -- What an error says without the position, the number of the argument and the name of the function.
        function reason(message)
          return (message:gsub("^[%w]+:%d+: ", ""):gsub("^bad argument #%d+ to '.-' (%b())$", function(s) return s:sub(2, -2) end)
            :gsub("got no value", "got nil"))
        end
        function same(a, b, about)
          eq(a.n, b.n, about)
          for i = 1, a.n do eq(a[i], b[i], about); eq(math.type(a[i]), math.type(b[i]), about) end
        end
        """

    @Test func packingIsStringPackAtTheSameOffset() {
        check(
            Self.generator + """

                local b = mmap.anonymous(400)
                local packed, refused = 0, 0
                for round = 1, 20000 do
                  local f, values = format()
                  local offset = math.random(0, 20)
                  local count = math.random(8) == 1 and math.max(0, #values - 1) or #values
                  b:fill(0xAA)
                  local before = b:string()
                  -- Alignment counts from the buffer's start.
                  local ok, wanted = pcall(string.pack, ("x"):rep(offset) .. f, table.unpack(values, 1, count))
                  local done, got = pcall(b.pack, b, f, offset, table.unpack(values, 1, count))
                  if ok and #wanted <= #b then
                    packed = packed + 1
                    assert(done, got)
                    eq(math.type(got), "integer"); eq(got, #wanted, f)
                    eq(b:string(offset, got - offset), wanted:sub(offset + 1), f)
                    eq(b:string(0, offset), ("\\xAA"):rep(offset)); eq(b:string(got), ("\\xAA"):rep(#b - got))
                  else
                    refused = refused + 1
                    assert(not done, f)
                    eq(b:string(), before, "something was written: " .. f)
                    if not ok and not got:find("too short") and not wanted:find("invalid format option") then
                      eq(reason(got), reason(wanted), f)
                    end
                  end
                end
                assert(packed > 3000 and refused > 3000, packed)
                """)
    }

    @Test func unpackingIsStringUnpackWithOffsetsFromZero() {
        check(
            Self.generator + """

                local b = mmap.anonymous(64)
                local unpacked, refused = 0, 0
                for round = 1, 20000 do
                  local f = format()
                  local bytes = {}
                  for i = 1, math.random(0, 64) do bytes[i] = string.char(math.random(4) == 1 and math.random(0, 255) or 255 * math.random(0, 1)) end
                  local s = table.concat(bytes)
                  b:copy(0, s)
                  local part = b:slice(0, #s)
                  local offset = math.random(0, #s)
                  local wanted = table.pack(pcall(string.unpack, f, s, offset + 1))
                  local got = table.pack(pcall(part.unpack, part, f, offset))
                  eq(got[1], wanted[1], f .. ": " .. tostring(got[2]) .. " | " .. tostring(wanted[2]))
                  if wanted[1] then
                    unpacked = unpacked + 1
                    wanted[wanted.n] = wanted[wanted.n] - 1
                    same(got, wanted, f)
                    if offset == 0 then same(table.pack(pcall(part.unpack, part, f)), wanted, f) end
                  else
                    refused = refused + 1
                    if not wanted[2]:find("too short") and not wanted[2]:find("invalid format option") then
                      eq(reason(got[2]), reason(wanted[2]), f)
                    end
                  end
                end
                assert(unpacked > 2000 and refused > 2000, unpacked)
                """)
    }

    /// The fast path for numbers and the general one, at every border between them.
    @Test func everyOptionAloneAndCombined() {
        check(
            Self.generator + """

                local s = {}
                for i = 1, 200 do s[i] = string.char(i * 37 % 256) end
                s = table.concat(s)
                local b = mmap.anonymous(200)
                b:copy(0, s)
                local options = { "b", "B", "h", "H", "i", "I", "l", "L", "j", "J", "T", "f", "d", "n", "z", "s1", "c3", "x", "!d", "i3" }
                for n = 1, 16 do options[#options + 1] = "I" .. n; options[#options + 1] = "i" .. n end
                for _, option in ipairs(options) do
                  for _, order in ipairs { "", "<", ">", "=", " ", "!", ">!2", "<>=" } do
                    for count = 1, 20 do
                      local f = order .. option:rep(count)
                      local wanted = table.pack(pcall(string.unpack, f, s))
                      local got = table.pack(pcall(b.unpack, b, f))
                      eq(got[1], wanted[1], f)
                      if wanted[1] then
                        wanted[wanted.n] = wanted[wanted.n] - 1
                        same(got, wanted, f)
                      end
                    end
                  end
                end
                fails("no value", b.unpack, b); fails("expected, got table", b.unpack, b, {})
                fails("offset 201 is out of range %(0 to 200%)", b.unpack, b, "b", 201)
                fails("offset %-1 is out of range", b.unpack, b, "b", -1)
                fails("buffer too short: 3 bytes are left at offset 197", b.unpack, b, "<I4", 197)
                fails("invalid format option 'q'", b.unpack, b, "q")
                fails("invalid format option '<\\\\1>'", b.unpack, b, "\\1")
                """)
    }

    @Test func finalizerBetweenStringsIsHarmless() {
        check(
            """
            for _, what in ipairs { "close", "resize" } do
              local b = mmap.anonymous(100000)
              b:pack("z", 0, ("x"):rep(50000))
              local done = false
              collectgarbage("generational"); collectgarbage("incremental")
              setmetatable({}, { __gc = function()
                done = true
                if what == "close" then b:close() else b:resize(10) end
              end })
              local ok, message
              repeat ok, message = pcall(b.unpack, b, "zzzzzzzz") until done
              if what == "close" then fails("closed buffer", b.unpack, b, "z") else eq(#b, 10) end
            end
            """)
    }
}
