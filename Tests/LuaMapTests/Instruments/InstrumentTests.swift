import Testing

/// The instruments in scripts. The library's tests compare their results with the kernel's.
@Suite struct InstrumentTests {
    @Test func pagesAreIndexedSet() {
        check(
            """
            local page = mmap.PAGESIZE
            local b = mmap.anonymous(40 * page)
            local before = b:pages()
            eq(#before, 40); eq(before:count(), 0); eq(before:ranges()(before), nil)
            for _, i in ipairs { 0, 3, 4, 5, 39 } do b[i * page] = 1 end
            local p = b:pages()
            local runs = {}
            for first, count in p:ranges() do runs[#runs + 1] = first .. "+" .. count end
            eq(table.concat(runs, " "), "0+1 3+3 39+1")
            eq(p:count(), 5); eq(p:count(3), 4); eq(p:count(3, 2), 2); eq(p:count(40), 0)
            eq(p[3], true); eq(p[6], false); eq(p[39.0], true)
            eq(p:offset(0), 0); eq(p:offset(3), 3 * page); eq(p:offset(40), 40 * page)
            eq(tostring(p), "mmap.pages: 5 of 40: 0, 3-5, 39")
            b[7 * page] = 1
            b:advise(3 * page, page, "dontneed")
            local came, went = b:pages():diff(p)
            eq(tostring(came), "mmap.pages: 1 of 40: 7"); eq(tostring(went), "mmap.pages: 1 of 40: 3")
            -- A part, from the middle of a page, and of a slice.
            eq(tostring(b:pages(4 * page + 5, page)), "mmap.pages: 2 of 2: 0-1")
            local s = b:slice(4 * page + 5, page)
            eq(#s:pages(), 2); eq(s:pages():offset(0), 0); eq(s:pages():offset(1), page - 5)
            eq(#b:pages(0, 0), 0)
            fails("bad argument #2", b.pages, b, 40 * page + 1)
            fails("bad argument #3", b.pages, b, 0, 40 * page + 1)
            """)
    }

    @Test(.disabled(if: Interface.isCompiled, "machine code asks no metatable that debug changed"))
    func misuseOfPageSetsIsRefused() {
        check(
            """
            local b = mmap.anonymous(3 * mmap.PAGESIZE)
            local p = b:pages()
            for _, i in ipairs { -1, 3, math.maxinteger, math.mininteger } do
              fails("out of range", function() return p[i] end)
            end
            fails("exact integer", function() return p[0.5] end)
            fails("integer or the name", function() return p[{}] end)
            eq(p.nothing, nil); eq(p["0"], nil)
            fails("attempt to index", function() p[0] = true end)
            fails("mmap.pages expected", p.diff, p, b); fails("mmap.pages expected", p.count, b)
            fails("it covers 1 pages", p.diff, p, b:pages(0, 1))
            fails("out of range", p.count, p, 4); fails("out of range", p.count, p, 1, 3)
            fails("out of range", p.offset, p, 4); fails("out of range", (p:ranges()), p, 3)
            eq(getmetatable(p), "mmap.pages")
            -- Of no other type, whatever its metatable says.
            for _, other in ipairs { b, b:view("u8"), io.stdout } do
              debug.setmetatable(other, debug.getmetatable(p))
              fails("mmap.pages expected", function() return other[0] end)
              fails("mmap.pages expected", function() return #other end)
            end
            local q = b
            """)
    }

    @Test func cacheIsCounted() {
        check(
            """
            local page = mmap.PAGESIZE
            local path = scratch(("x"):rep(8 * page))
            local b = mmap.open(path, "r+")
            b:sync(true); b[page] = 1
            local ok, c = pcall(b.cachestat, b)
            if not ok then eq(c.code, "ENOSYS") return end
            -- A file system may count dirty pages by larger blocks.
            eq(c.cached, 8); assert(c.dirty >= 1 and c.dirty <= 8); eq(c.writeback, 0)
            assert(math.type(c.evicted) == "integer" and math.type(c.recently_evicted) == "integer")
            b:sync(true); eq(b:cachestat().dirty, 0); b[page] = 2
            local e = fails("no file", mmap.anonymous(1).cachestat, mmap.anonymous(1))
            eq(e.call, "cachestat"); eq(e.code, "EOPNOTSUPP")
            local evicted, stayed = mmap.evict(path)
            eq(evicted, 8); eq(stayed, 0); eq(b:pages():count(), 0); eq(b[page], 2)
            b:touch(); evicted, stayed = mmap.evict(b); eq(evicted + stayed, 8)
            """)
    }

    @Test func privateCopiesAreSeen() {
        check(
            """
            local page = mmap.PAGESIZE
            local b = mmap.open(scratch(("x"):rep(8 * page)), "c")
            eq(b:touch(), 8); eq(b:touch(0, 100, 10), 10); eq(b:touch(0, 0), 0)
            b[2 * page] = 1; b[3 * page] = 1
            local m = b:pagemap()
            eq(m.pages, 8)
            eq(tostring(m.present), "mmap.pages: 8 of 8: 0-7")
            eq(tostring(m.diverged), "mmap.pages: 2 of 8: 2-3")
            eq(tostring(m.file), "mmap.pages: 6 of 8: 0-1, 4-7")
            eq(m.swapped:count(), 0); assert(m.exclusive[2])
            assert(m.softdirty == nil or m.softdirty[2])
            local s = b:smaps()
            eq(s.private_dirty, 2 * page); eq(s.rss, 8 * page); eq(s.flags.wr, "writable"); eq(s[1].permissions, "rw-p")
            assert(s[1].address <= b:info().address)
            fails("stride 0", b.touch, b, 0, nil, 0)
            """)
    }

    /// The kernel makes one entry of adjacent mappings that are alike; smaps has what is the buffer's own.
    @Test func entriesHaveNothingOfNeighbors() {
        check(
            """
            local page = mmap.PAGESIZE
            local kept = {}
            for i = 1, 24 do kept[i] = mmap.anonymous(i * page) end
            for i = 1, 24, 2 do kept[i]:fill "x" end
            local joined = 0
            for line in io.lines "/proc/self/maps" do
                local first, last = line:match "^(%x+)%-(%x+) "
                for i = 1, 24 do
                    local address = kept[i]:info().address
                    if address >= tonumber(first, 16) and address + i * page <= tonumber(last, 16)
                        and tonumber(last, 16) - tonumber(first, 16) > i * page then joined = joined + 1 end
                end
            end
            assert(joined > 12, joined)
            for _ = 1, 2 do
                for i = 1, 24 do
                    local s = kept[i]:smaps()
                    eq(#s, 1); eq(s.size, i * page); eq(s[1].length, i * page); eq(s[1].address, kept[i]:info().address)
                    eq(s.rss + s.swap, i % 2 == 1 and i * page or 0); eq(s.flags.dd, nil); eq(s.flags.wr, "writable")
                end
            end
            -- Parts with other flags are entries of their own, and keep what they were advised.
            local b = kept[20]
            b:advise(4 * page, 8 * page, "dontdump")
            local s = b:smaps()
            eq(#s, 3); eq(s[2].length, 8 * page)
            eq(s[1].flags.dd, nil); eq(s[2].flags.dd, "not in core dumps"); eq(s[3].flags.dd, nil)
            b:advise "dontdump"; s = b:smaps()
            eq(#s, 1); eq(s.size, 20 * page); eq(s.flags.dd, "not in core dumps")
            b:advise "dodump"; eq(b:smaps().flags.dd, nil)
            """)
    }

    @Test func holesAreListed() {
        check(
            """
            local page = mmap.PAGESIZE
            local path = os.tmpname()
            local e = fails("File exists", mmap.sparse, path, 10)
            eq(e.code, "EEXIST"); eq(e.path, path)
            os.remove(path)
            local b = mmap.sparse(path, 16 * page)
            eq(#b, 16 * page); eq(b[0], 0)
            b[4 * page] = 1; b:sync(true)
            local h, end_ = b:holes(), 0
            for _, part in ipairs(h) do eq(part.offset, end_); end_ = part.offset + part.length end
            eq(end_, #b); eq(h.data + h.hole, #b); assert(h.data >= page and h.hole > 0)
            b:close()
            local many = mmap.open(path, "r+", { length = 2000 * page, grow = true })
            many:close(); os.remove(path)
            b = mmap.sparse(path, 2000 * page)
            for i = 0, 1999, 2 do b[i * page] = 1 end
            b:sync(true)
            eq(#b:holes(), 2000); eq(b:holes().data, 1000 * page)
            os.remove(path)
            fails("negative", mmap.sparse, path, -1)
            fails("EFBIG", mmap.sparse, path, math.maxinteger)
            eq(io.open(path), nil)
            eq(#mmap.sparse(path, 0), 0)
            os.remove(path)
            """)
    }

    @Test func mappingsWithMixedStateCannotGrow() {
        check(
            """
            local P = mmap.PAGESIZE
            for _, b in ipairs { mmap.anonymous(8 * P), mmap.open(scratch(("x"):rep(8 * P)), "r+") } do
              b:advise(P, P, "random")
              local e = fails("EFAULT.-advice, locks or protection", b.resize, b, 100 * P)
              eq(e.call, "mremap"); eq(#b, 8 * P)
              b:advise "normal"; b:resize(100 * P); eq(#b, 100 * P)
            end
            """)
    }

    @Test func pagesPastEndOfFileAreNamed() {
        check(
            """
            local file <close> = io.open(scratch "hello", "rb")
            local b = mmap.map(3 * mmap.PAGESIZE, mmap.PROT_READ, mmap.MAP_SHARED, file)
            eq(b:string(0, 5), "hello")
            local e = fails("past the end of the file", b.string, b, mmap.PAGESIZE, 1)
            eq(e.code, "SIGBUS"); eq(e.offset, mmap.PAGESIZE); eq(select(2, e.message:gsub("SIGBUS", "")), 1)
            """)
    }

    @Test func emptyBufferHasNoPages() {
        check(
            """
            local b = mmap.open(scratch(""), "r+")
            eq(#b:pages(), 0); eq(b:cachestat().cached, 0); eq(#b:holes(), 0); eq(b:evict(), 0)
            eq(b:touch(), 0); eq(#b:smaps(), 0); eq(b:pagemap().pages, 0); eq(select(2, b:populate()), 0)
            assert(b:show():find "0 pages, 0 bytes$"); assert(b:explain():find "empty")
            """)
    }

    @Test func picturesShowPages() {
        check(
            """
            local page = mmap.PAGESIZE
            local path = scratch(("x"):rep(40 * page))
            local b = mmap.open(path, "c")
            mmap.evict(path)
            b:advise "random"
            local before = b:pages()
            for _, i in ipairs { 0, 3, 4, 39 } do b:touch(i * page, 1) end
            b[10 * page] = 1
            local plain = { width = 80, ascii = true, color = false }
            local text = b:show(plain)
            eq(text:match "\\n 0 ([^\\n]+)\\n", "#..##.....C............................#")
            assert(text:find("in memory 5 pages, 20 KiB (12 %)", 1, true), text)
            assert(text:find("private copies 1 page", 1, true) and text:find("40 pages of 4 KiB", 1, true), text)
            plain.since = before
            text = b:show(plain)
            eq(text:match "\\n 0 ([^\\n]+)\\n", "+..++.....+............................+")
            assert(text:find("came in 5 pages, 20 KiB: 0, 3-4, 10", 1, true) and text:find "went out nothing", text)
            -- More pages than cells.
            local big = mmap.anonymous(1000 * page)
            big:touch(0, 500 * page)
            text = big:show { width = 80, rows = 2, ascii = true, color = false }
            eq(text:match "\\n   0 ([^\\n]+)\\n", ("#"):rep(62) .. "-.")
            assert(text:find("%(8 pages each%)"), text)
            for width = 20, 130, 7 do
              for line in big:show { width = width, ascii = true, color = false }:gmatch "[^\\n]+" do
                if line:find "^ *%d+ [#.-]+$" then assert(#line <= width, line) end
              end
            end
            assert(big:show { ascii = false, color = false }:find "█")
            assert(big:show { color = true }:find "\\27%[32m")
            assert(not big:show():find "[\\27\\x80-\\xff]", "piped, and so plain")
            """)
    }

    @Test func picturesRefuseInvalidOptions() {
        check(
            """
            local b = mmap.anonymous(3 * mmap.PAGESIZE)
            fails("width.*out of range", b.show, b, { width = 19 })
            fails("width.*out of range", b.show, b, { width = 513 })
            fails("rows.*out of range", b.show, b, { rows = -1 })
            fails("rows.*out of range", b.show, b, { rows = 65 })
            fails("since.*expected, got number", b.show, b, { since = 1 })
            fails("since.*1 pages", b.show, b, { since = b:pages(0, 1) })
            fails("'colour' is not known", b.show, b, { colour = true })
            fails("table expected", b.show, b, 1)
            -- A name that a terminal should not see.
            local path = os.tmpname() .. "\\27[2J"
            local evil = mmap.sparse(path, 10)
            assert(not evil:show():find "\\27"); os.remove(path)
            """)
    }

    @Test func watchingPassesEverythingOn() {
        check(
            """
            local b = mmap.anonymous(mmap.PAGESIZE)
            local function count(...) return select("#", ...) end
            eq(count(b:watch(function(...) return ... end, 1, nil, nil)), 3)
            eq(count(b:watch(function() end)), 0)
            fails("inside", b.watch, b, function() error "inside" end)
            fails("function expected, got number", b.watch, b, 5); fails("bad argument #2", b.watch, b)
            b:watch(function() b:close() end)
            fails("closed", b.watch, b, print)
            """)
    }

    /// In a process of its own, as it counts the process's page faults.
    @Test(.disabled(if: Interface.isCompiled, "it finds a variable by its level of the stack"))
    func faultsAreCountedAroundAFunction() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local page = mmap.PAGESIZE
                local b = mmap.anonymous(200 * page)
                b:advise "nohugepage"
                local t, x, y, z = mmap.faults(function(...) b:touch(); b:populate "write"; return ... end, 1, nil, 3)
                eq(x, 1); eq(y, nil); eq(z, 3)
                assert(t.minor >= 200, t.minor); assert(t.pages >= 200, t.pages); assert(t.rss > 0, t.rss)
                assert(t.major >= 0 and t.read >= 0 and t.seconds > 0 and t.seconds < 60)
                eq(select("#", mmap.faults(function() end)), 1)
                fails("inside", mmap.faults, function() error "inside" end)
                fails("bad argument #1", mmap.faults)
                -- A mapping that ends meanwhile, and one that begins.
                local c = mmap.anonymous(10 * page)
                mmap.faults(function() c:close(); for _ = 1, 100 do mmap.anonymous(page):touch() end end)
                -- With the debug library the stack is anyone's.
                for slot = 1, 2 do
                  local ok, e = pcall(mmap.faults, function()
                    debug.setlocal(2, slot, 0); collectgarbage(); collectgarbage()
                  end)
                  eq(ok, false); assert(e:find "changed", e)
                end
                """)
        }
    }

    @Test func everyAdviceIsDescribed() {
        check(
            """
            local found = {}
            local list = mmap.advices()
            for _, a in ipairs(list) do
              found[a.name] = a
              eq(mmap["MADV_" .. a.name:upper()], a.number, a.name)
              assert(#a.meaning > 10 and not a.meaning:find "see madvise", a.name)
            end
            for name, number in pairs(mmap) do
              if tostring(name):find "^MADV_" then eq(found[name:sub(6):lower()].number, number) end
            end
            eq(found.dontneed.destroys["private anonymous"], true); eq(found.dontneed.destroys["shared file"], false)
            eq(found.remove.takes["private anonymous"], "EINVAL"); eq(found.remove.destroys["shared file"], true)
            if found.hwpoison then eq(next(found.hwpoison.takes), nil) end
            assert(tostring(list):find "dontneed +4 +destroys")
            """)
    }

    @Test func explanationsNameRelevantFacts() {
        check(
            """
            local path = scratch(("x"):rep(5000))
            local function says(b, ...)
              local text = b:explain()
              for _, words in ipairs { ... } do
                assert(text:gsub("%s+", " "):find(words, 1, true), words .. ": " .. text)
              end
              for line in text:gmatch "[^\\n]+" do assert(#line <= 80 or line:find "^ ", line) end
            end
            says(mmap.open(path, "r"), "mapped shared", "may be read.", path, "cannot write", "r--s")
            says(mmap.open(path, "r+"), "read and written", "reaches the disk", "rw-s")
            says(mmap.open(path, "c"), "mapped private", "makes a copy", "never reaches the file", "rw-p")
            says(mmap.anonymous(10), "no file", "by nobody else")
            local near <const> = {}
            for i = 1, 9 do near[i] = mmap.anonymous(10 * i) end
            says(near[5], "memory beside the mapping")
            assert(not mmap.open(path):explain():find "beside")
            says(mmap.anonymous(10, { shared = true }), "child processes", "rw-s")
            says(mmap.open(path):slice(10, 10), "A slice")
            local closed = mmap.open(path); closed:close(); says(closed, "closed")
            local b = mmap.open(path, "r+")
            local f = io.open(path, "w"); f:close()
            fails("SIGBUS", function() return b[0] end)
            says(b, "gone", "remap()")
            for _, name in ipairs { "pages", "show", "cachestat", "smaps", "pagemap", "holes", "touch", "populate" } do
              eq(fails("gone", b[name], b).code, "SIGBUS", name)
            end
            """)
    }

    @Test func populateRoundsAndChecksArguments() {
        check(
            """
            local page = mmap.PAGESIZE
            local b = mmap.anonymous(8 * page)
            local ok, e = pcall(b.populate, b, 1, 1, "write")
            if not ok then eq(e.code, "EINVAL") return end
            eq(tostring(b:pages()), "mmap.pages: 1 of 8: 0")
            local offset, length = b:populate(3 * page + 1, page)
            eq(offset, 3 * page); eq(length, 2 * page)
            b:populate "write"; eq(b:pages():count(), 8)
            fails("invalid option", b.populate, b, "writ"); fails("string expected", b.populate, b, 0, 1, 5)
            fails("read%-only", function() mmap.open(scratch "x"):populate "write" end)
            """)
    }
}
