import Testing

/// Messages after common mistakes.
@Suite struct MessageTests {
    /// An unknown word is quoted, the known words are listed, and the most similar one is suggested.
    @Test func unknownWordsAreQuotedWithASuggestion() {
        check(
            """
            local b, path = mmap.anonymous(64), scratch "abc"
            local v = b:view "u8"
            local function says(f, ...)
              local ok, e = pcall(f)
              assert(not ok)
              for _, part in ipairs { ... } do assert(e:find(part, 1, true), part .. ": " .. e) end
              return e
            end
            -- Types, by the names that other languages have, with the byte order, and misspelled.
            for given, meant in pairs {
              int32 = "i32", double = "f64", float = "f32", byte = "u8", uint16_t = "u16", long = "i64", size_t = "u64",
              int32le = "i32le", uint64_be = "u64be", U32 = "u32", ["u32-le"] = "u32le", u33 = "u32", i46 = "i64", Float64 = "f64" } do
              says(function() return b:get(given, 0) end, "not a type: '" .. given .. "'", "u8 i8 u16", "; did you mean '" .. meant .. "'?")
              says(function() return b:view(given) end, "; did you mean '" .. meant .. "'?")
              says(function() return mmap.struct { { "a", given } } end, "field 'a': not a type", "did you mean '" .. meant .. "'?")
            end
            -- Nothing is near to these.
            for _, given in ipairs { "", "complex", "x", ("u"):rep(100), "\\0\\27", "le" } do
              local e = says(function() return b:get(given, 0) end, "not a type")
              assert(not e:find "did you mean" and not e:find "[%c]", e)
            end
            says(function() b:get(("u"):rep(100), 0) end, "'" .. ("u"):rep(40) .. "...'")
            -- Advice, options, modes and other words.
            says(function() b:advise "sequental" end, "advice 'sequental' is not known", "normal random", "did you mean 'sequential'?")
            says(function() b:advise "MADV_RANDOM" end, "did you mean 'random'?")
            says(function() b:advise(0, 1, "will") end, "did you mean 'willneed'?")
            says(function() mmap.open(path, "r", { advice = "randm" }) end, "advice 'randm' is not known", "did you mean 'random'?")
            says(function() mmap.open(path, "r", { ofset = 1 }) end, "option 'ofset' is not known (offset length size", "did you mean 'offset'?")
            says(function() b:lines { separator = "x" } end, "did you mean 'sep'?")
            says(function() b:show { colour = true } end, "did you mean 'color'?")
            says(function() mmap.open(path, "rw") end, "mode 'rw' is not one of 'r', 'r+', 'c' and 'w+'; did you mean 'r+'?")
            says(function() mmap.open(path, "wb") end, "did you mean 'w+'?")
            says(function() v:count("=", 1) end, "'=' is not one of == ~= < <= > >=", "did you mean '=='?")
            says(function() v:find("!=", 1) end, "did you mean '~='?")
            says(function() mmap.memfd("m", 9):lockrange(0, 1, "share") end, "invalid option 'share': it is not one of 'exclusive' and 'shared'; did you mean 'shared'?")
            says(function() b:populate "reed" end, "'reed': it is not one of 'read' and 'write'; did you mean 'read'?")
            says(function() v:copy(0, v, "saturated") end, "'saturated': the only option is \\"saturate\\"; did you mean 'saturate'?")
            says(function() mmap.regex "a":find("a", 0, "offset") end, "did you mean 'offsets'?")
            says(function() mmap.struct { { "a", "u8", ofset = 1 } } end, "field 'a': key 'ofset' is not known (offset); did you mean 'offset'?")
            says(function() mmap.struct { { "a", "u8" }, aling = true } end, "key 'aling' is not known (align size); did you mean 'align'?")
            """)
    }

    @Test func swappedArgumentsAndBadLayoutsAreExplained() {
        check(
            """
            local b = mmap.anonymous(64)
            for _, call in ipairs { function() return b:get(0, "u32") end, function() b:set(0, "u32", 1) end,
              function() return b:view(0, "u8") end, function() return b:atomic(0, "u32") end } do
              fails("the type comes first, then the offset", call)
            end
            -- Only where it is that mistake.
            local e = fails("string expected, got number", function() return b:get(0, "pear") end)
            assert(not e:find "comes first", e)
            e = fails("string expected, got table", function() return b:get({}, "u32") end)
            assert(not e:find "comes first", e)
            fails('mmap.struct { { "id", "u32" } }', mmap.struct, { id = "u32" })
            fails('\\\\x1b', mmap.struct, { ["\\27"] = "u32" })
            """)
    }

    @Test func closedBufferNamesFile() {
        check(
            """
            local path = scratch(("x\\n"):rep(5000))
            local b = mmap.open(path)
            local v, s, r, re = b:view "u8", b:slice(1), b:records(mmap.struct { { "a", "u8" } }), mmap.regex "x"
            local lines, matches = b:lines(), re:gmatch(b)
            lines()
            matches()
            b:close()
            local text = "attempt to use a closed buffer (" .. path .. ")"
            for i, use in ipairs { function() return b[0] end, function() return #b end, function() return b:string() end, function() return s[0] end,
              function() return v[0] end, function() return v:sum() end, function() return r[0] end, lines, matches, function() return re:find(b) end,
              function() return mmap.anonymous(5):copy(0, b) end, function() return b:lines() end } do
              local ok, e = pcall(use)
              assert(not ok and e:find(text, 1, true), i .. ": " .. tostring(e))
            end
            local none = mmap.anonymous(1)
            none:close()
            fails("attempt to use a closed buffer$", none.string, none)
            """)
    }

    /// pairs calls a metamethod, which raises the advice; ipairs calls none, so the advice comes at its end.
    @Test func loopsSuggestTheRightForm() {
        check(
            """
            local b = mmap.anonymous(5)
            local v, r, p = b:view "u8", b:records(mmap.struct { { "a", "u8" } }), b:pages()
            for object, words in pairs { [b] = "for i = 0, #b - 1 do", [v] = "in v:each() do", [r] = "in r:each() do", [p] = "in p:ranges() do" } do
              local ok, e = pcall(pairs, object)
              assert(not ok and e:find(words, 1, true), e)
              local seen = 0
              ok, e = pcall(function() for i, x in ipairs(object) do seen = seen + 1 end end)
              assert(not ok and e:find(words, 1, true) and e:find "^script:%d+: ", e)
            end
            -- An index that is out of range otherwise is what it was.
            fails("offset 5 is out of range", function() return b[5] end)
            fails("offset 5 is out of range", function() for i in function(_, x) return b[5] end do end end)
            -- Both are let alone where they are right.
            local n = 0
            for i, x in ipairs { 1, 2 } do n = n + x end
            for k, x in pairs { a = 1, 2 } do n = n + x end
            eq(n, 6)
            """)
    }

    /// The same rounding everywhere, and no "0 %" for a resident page.
    @Test func sizesAndSharesAgree() {
        check(
            """
            local plain = { width = 80, ascii = true, color = false }
            for _, size in ipairs { 1, 1023, 1024, 1075, 1076, 1280, 80000000, 80007168, (1 << 20) - 1, (1 << 20) - 52, 1 << 20, 3 << 19, (1 << 30) - 1, 1 << 30, (1 << 33) + (1 << 29) } do
              local b = mmap.map(size, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE, -1)
              local shown = b:show(plain):match "^.-  rw%-p  (.-)  %d"
              local explained = b:explain():match "^(.-) of"
              eq(shown, explained, size)
              local number, unit = shown:match "^([%d.]+) (%a+)$"
              local factor = ({ bytes = 1, KiB = 1 << 10, MiB = 1 << 20, GiB = 1 << 30 })[unit]
              assert(math.abs(number * factor - size) <= factor * 0.0511, size .. ": " .. shown)
              b:close()
            end
            local b = mmap.anonymous(1000 * mmap.PAGESIZE)
            b:advise "nohugepage"
            local function share() return b:show(plain):match "in memory .- %((.-)%)" end
            eq(share(), "0 %")
            b[0] = 1
            eq(share(), "<1 %")
            for i = 0, 9 do b[i * mmap.PAGESIZE] = 1 end
            eq(share(), "1 %")
            for i = 0, 998 do b[i * mmap.PAGESIZE] = 1 end
            eq(share(), "99 %")
            b[999 * mmap.PAGESIZE] = 1
            eq(share(), "100 %")
            """)
    }

    /// A cell of many pages is drawn as changed only if all its pages are.
    @Test func partlyChangedCellsAreDistinct() {
        check(
            """
            local page = mmap.PAGESIZE
            local b = mmap.anonymous(16 * 16 * page)
            b:advise "nohugepage"
            local function row(since) return b:show { width = 24, rows = 1, ascii = true, color = false, since = since }:match "\\n *0 ([^\\n]*)" end
            local before = b:pages()
            b[0] = 1                                                 -- a page of the first cell
            for i = 16, 31 do b[i * page] = 1 end                    -- all of the second
            for i = 32, 46 do b[i * page] = 1 end                    -- all but one of the third
            eq(row(before):sub(1, 4), "i+i.")
            local between = b:pages()
            b:advise(0, page, "dontneed")
            b:advise(16 * page, 16 * page, "dontneed")
            b:advise(32 * page, page, "dontneed")
            eq(row(between):sub(1, 4), "oxo.")
            local text = b:show { width = 200, rows = 1, ascii = true, color = false, since = between }
            assert(text:find "x went out" and text:find "o went out partly" and not text:find "came in partly", text)
            assert(b:show { width = 80, rows = 1, ascii = false, color = false, since = before }:find "△ came in partly")
            """)
    }

    @Test func advicesAreListedInLines() {
        check(
            """
            local list = tostring(mmap.advices())
            assert(list:find "\\nrandom +1 +yes +yes +yes +yes +random access: no readahead\\n", list)
            """)
    }
}
