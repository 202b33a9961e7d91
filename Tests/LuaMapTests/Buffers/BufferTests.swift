import Testing

/// Buffers in normal use.
@Suite struct BufferTests {
    @Test func bytesCountFromZero() {
        check(
            """
            local b = mmap.open(scratch("abc"), "r+")
            eq(#b, 3); eq(b[0], 97); eq(b[2], 99)
            b[1] = 0
            eq(b:string(), "a\\0c"); eq(b:string(1), "\\0c"); eq(b:string(1, 1), "\\0"); eq(b:string(3), "")
            eq(b:find("c"), 2); eq(b:find("a", 1), nil); eq(b:rfind("\\0"), 1); eq(b:find(""), 0); eq(b:rfind(""), 3)
            eq(b:find("", 2), 2); eq(b:find("abcd"), nil)
            eq(b:slice(2)[0], 99)
            eq(b:mismatch("a\\0d"), 2); eq(b:mismatch("a\\0c"), nil); eq(b:mismatch("a"), 1)
            eq(b:compare("a\\0d"), -1); eq(b:compare("a\\0c"), 0); eq(b:compare("a"), 1); eq(b:equals("a\\0c"), true)
            eq(b:equals("abc"), false); eq(b:equals(b), true); eq(b:compare(b:slice(1)), 1)
            """)
    }

    @Test func copyAndFillReturnTheirResult() {
        check(
            """
            local b = mmap.anonymous(10)
            eq(b:copy(0, "0123456789"), 10)
            eq(b:copy(2, b, 0, 5), 5); eq(b:string(), "0101234789")
            eq(b:copy(0, b, 2, 5), 5); eq(b:string(), "0123434789")
            eq(b:copy(10, ""), 0); eq(b:copy(9, "xyz", 1, 1), 1); eq(b[9], 121)
            fails("3 bytes do not fit at offset 8", b.copy, b, 8, "abc")
            fails("offset 11 is out of range %(0 to 10%)", b.copy, b, 11, "")
            b:fill("abc"); eq(b:string(), "abcabcabca")
            b:fill("xy", 3, 3); eq(b:string(), "abcxyxabca")
            b:fill(0, 9); eq(b[9], 0)
            fails("the string must not be empty", b.fill, b, "")
            fails("value 256 is out of range", b.fill, b, 256)
            fails("value %-1 is out of range", b.fill, b, -1)
            local other = mmap.anonymous(3)
            other:copy(0, b, 0, 3); eq(other:string(), "abc")
            """)
    }

    @Test func everyBufferDescribesItself() {
        check(
            """
            local path = scratch(("x"):rep(5000))
            local function shape(text) return (text:gsub("0x%x+", "ADDRESS"):gsub("%(nil%)", "NIL")) end
            eq(shape(tostring(mmap.open(path, "r+"))), "mmap.buffer: ADDRESS 5000 bytes rw-s " .. path .. "+0")
            eq(shape(tostring(mmap.open(path))), "mmap.buffer: ADDRESS 5000 bytes r--s " .. path .. "+0")
            eq(shape(tostring(mmap.open(path, "c", { offset = 7, length = 9 }))),
              "mmap.buffer: ADDRESS 9 bytes rw-p " .. path .. "+7")
            eq(shape(tostring(mmap.anonymous(100))), "mmap.buffer: ADDRESS 100 bytes rw-p anonymous+0")
            local b = mmap.open(path, "r", { offset = 10 })
            local s = b:slice(5, 20):slice(2)
            eq(shape(tostring(s)), "mmap.buffer: ADDRESS 18 bytes r--s " .. path .. "+17")
            local i = s:info()
            eq(i.length, 18); eq(i.offset, 17); eq(i.path, path); eq(i.slice, true); eq(i.closed, false); eq(i.lost, false)
            eq(i.protection, mmap.PROT_READ); eq(i.flags, mmap.MAP_SHARED); eq(i.pagesize, mmap.PAGESIZE)
            eq(i.address, b:info().address + 7)
            eq(tostring(b):match("0x(%x+)"), ("%x"):format(b:info().address))
            b:close()
            eq(tostring(b), "mmap.buffer (closed)"); eq(tostring(s), "mmap.buffer (closed)")
            eq(b:info().closed, true); eq(s:info().closed, true)
            local empty = mmap.open(scratch(""))
            eq(#empty, 0); eq(empty:string(), ""); eq(empty:hexdump(), ""); eq(empty:equals(""), true)
            eq(empty:find("a"), nil); eq(empty:find(""), 0); fails("the buffer is empty", function() return empty[0] end)
            eq(select("#", empty:sync()), 2); eq(select(2, empty:incore()), 0)
            -- What is mapped from nothing shows no file, whatever the descriptor.
            local f <close> = io.open(path)
            local a = mmap.map(4096, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, f)
            eq(a:info().path, nil)
            """)
    }

    @Test func readOnlyErrorSaysHowToWrite() {
        check(
            """
            local path = scratch("abc")
            local b = mmap.open(path)
            for _, write in ipairs {
              function() b[0] = 1 end, function() b:fill(0) end, function() b:fill("x") end, function() b:copy(0, "x") end,
              function() b:slice(1):fill(0) end, function() b:resize(1) end, function() b:resize(9) end,
            } do fails("^script:%d+: .*read%-only.*r%+", write) end
            local e = fails("EACCES", b.protect, b, 3)
            eq(e.call, "mprotect"); assert(e.message:find("r+", 1, true))
            local w = mmap.open(path, "r+")
            w:protect(mmap.PROT_NONE)
            fails("does not allow reading", function() return w[0] end)
            fails("does not allow reading", w.string, w)
            fails("does not allow reading", w.hexdump, w)
            fails("does not allow reading", mmap.anonymous(9).copy, mmap.anonymous(9), 0, w)
            fails("does not allow reading", mmap.anonymous(9).find, mmap.anonymous(9), w)
            w:protect(mmap.PROT_WRITE); w[0] = 65
            eq(contents(path), "Abc")
            """)
    }

    @Test func hexDumpIsThatOfHexdump() {
        check(
            """
            local bytes = "abc" .. ("\\0"):rep(61) .. "\\255~ "
            local path = scratch(bytes)
            local pipe <close> = io.popen("LC_ALL=C hexdump -C " .. path .. " 2>/dev/null")
            local text = pipe:read("a")
            if text == "" then print("skipped: hexdump is not installed") return end
            eq(mmap.open(path):hexdump(), text)
            local large = mmap.anonymous(1 << 20)
            for i = 0, #large - 1, 16 do large[i] = i >> 4 & 255 end
            local lines = select(2, large:hexdump():gsub("\\n", ""))
            eq(lines, 65537)
            """)
    }

    @Test func oneByteOfFourGiBAndMore() {
        check(
            """
            local path = scratch("")
            local b = mmap.open(path, "w+", { size = 1 })
            os.execute("truncate -s 4294971392 " .. path)
            b:remap()
            eq(#b, 4294971392)
            b[4294967296] = 7; b[2147483648] = 8
            eq(b[4294967296], 7); eq(b[0], 0); eq(b:string(4294967296, 2), "\\7\\0")
            eq(b:find("\\7", 4294963200), 4294967296)
            local s = mmap.open(path, "r", { offset = 4294967295, length = 3 })
            eq(s:string(), "\\0\\7\\0"); eq(s:info().offset, 4294967295)
            """)
    }

    @Test func lossIsAnErrorObject() {
        check(
            """
            local path = scratch(("x"):rep(3 * mmap.PAGESIZE))
            local uses = {
              function(b) return b[mmap.PAGESIZE] end, function(b) b[mmap.PAGESIZE] = 1 end, function(b) return b:string() end,
              function(b) b:fill(0) end, function(b) return b:find("y") end, function(b) return b:rfind("y") end,
              function(b) return b:hexdump() end, function(b) return b:compare(b) end,
              function(b) return mmap.anonymous(3 * mmap.PAGESIZE):copy(0, b) end,
              function(b) return mmap.anonymous(3 * mmap.PAGESIZE):find(b) end,
              function(b) return b:equals(("x"):rep(#b)) end,
            }
            for i, use in ipairs(uses) do
              io.open(path, "wb"):write(("x"):rep(3 * mmap.PAGESIZE)):close()
              local b = mmap.open(path, "r+")
              io.open(path, "wb"):close()
              local e = fails("SIGBUS", use, b)
              eq(e.code, "SIGBUS", i); eq(e.path, path); assert(math.type(e.offset) == "integer")
              assert(e.message:find("12288 bytes when it was mapped and has 0 now") or mmap.PAGESIZE ~= 4096)
              assert(e.message:find "page at offset %d+ is gone: the file was truncated")
              eq(b:info().lost, true); assert(tostring(b):find("%(lost%)$"))
              fails("SIGBUS", function() return #b end)
              b:close(); fails("closed", function() return #b end)
            end
            """)
    }
}
