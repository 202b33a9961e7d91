import Testing

/// Shared memory by name and by descriptor, atomics, and locks on ranges, in one process: two mappings of the same
/// memory stand for two processes. SpawnTests uses real processes.
@Suite struct SharedTests {
    @Test func sharedMemoryByName() {
        check(
            """
            local name = "mmaplua-test-" .. os.tmpname():match "%w+$"
            local a = mmap.shared(name, 5000)
            eq(#a, 5000)
            eq(a:info().path, "/dev/shm/" .. name)
            assert(tostring(a):find("5000 bytes rw-s /dev/shm/" .. name, 1, true))
            a:copy(0, "hello")
            -- With and without the slash, with and without a size; a smaller size maps less and cuts nothing off.
            local b, c = mmap.shared("/" .. name), mmap.shared(name, 3)
            eq(b:string(0, 5), "hello") eq(#b, 5000) eq(#c, 3)
            b[0] = 72
            eq(a[0], 72)
            eq(#mmap.shared(name), 5000)
            -- A larger one extends it.
            eq(#mmap.shared(name, 9000), 9000)
            eq(#mmap.shared(name), 9000)
            eq(mmap.shared(name):string(0, 5), "Hello")
            local e = fails("already exists", mmap.shared, name, 1, { exclusive = true })
            eq(e.code, "EEXIST")
            fails("give its size", mmap.shared, name, nil, { exclusive = true })
            -- Without a name it goes on, and can even grow.
            mmap.unlink(name)
            a[1] = 69
            eq(b:string(0, 2), "HE")
            b:resize(20000) eq(#b, 20000)
            a:remap() eq(#a, 20000)
            eq(fails("give a size to create it", mmap.shared, name).code, "ENOENT")
            eq(fails("No such file", mmap.unlink, name).code, "ENOENT")
            local d <close> = mmap.shared(name, 10, { exclusive = true })
            eq(d[0], 0)
            local mode = io.popen("stat -c %a /dev/shm/" .. name):read()
            eq(mode, "600")
            mmap.unlink("/" .. name)
            """)
    }

    @Test func namesAndSizesAreChecked() {
        check(
            """
            for _, name in ipairs { "", "/", ".", "..", "/..", "a/b", "//a", "a/", ("x"):rep(256) } do
              fails("bad argument #1", function() mmap.shared(name, 1) end)
              fails("bad argument #1", function() mmap.unlink(name) end)
            end
            fails("contains a zero byte", mmap.shared, "a\\0b", 1)
            fails("contains a zero byte", mmap.memfd, "a\\0b", 1)
            fails("name length 250 is out of range", mmap.memfd, ("x"):rep(250), 1)
            for _, size in ipairs { 0, -1, math.mininteger } do
              fails("size %-?%d+ is out of range: shared memory has at least 1 byte", mmap.shared, "mmaplua-test", size)
              fails("size %-?%d+ is out of range: shared memory has at least 1 byte", mmap.memfd, "x", size)
            end
            fails("string expected, got number", mmap.shared, 7, 1)
            fails("string expected", mmap.unlink)
            fails("option 'exclusiv' is not known", mmap.shared, "x", 1, { exclusiv = true })
            fails("boolean expected", mmap.memfd, "x", 1, { seal = 1 })
            local name = "mmaplua-test-" .. os.tmpname():match "%w+$"
            local e = fails("", mmap.shared, name, math.maxinteger)
            assert(e.code == "EFBIG" or e.code == "ENOSPC" or e.code == "EINVAL", e)
            eq(fails("", mmap.shared, name).code, "ENOENT", "what could not be made is gone")
            """)
    }

    @Test func filesInMemoryHaveNoPath() {
        check(
            """
            local b = mmap.memfd("name", 5000)
            eq(b:info().path, "memfd:name") eq(#b, 5000) eq(b[4999], 0)
            b:resize(10000) b[9999] = 1
            b:resize(100) eq(#b, 100)
            b:resize(10000) eq(b[9999], 0)
            eq(fails("", mmap.memfd, "x", math.maxinteger).code, "ENOMEM")
            local s = mmap.memfd("sealed", 100, { seal = true })
            s[0] = 1
            eq(fails("", s.resize, s, 50).code, "EPERM")
            eq(fails("", s.resize, s, 20000).code, "EPERM")
            eq(#s, 100) eq(s[0], 1)
            assert(#s:holes() >= 1)
            """)
    }

    /// Every type at its limits, against Lua's own arithmetic.
    @Test func atomicsMatchModel() {
        check(
            """
            local b = mmap.anonymous(64, { shared = true })
            for _, bits in ipairs { 8, 16, 32, 64 } do
              for _, sign in ipairs { "u", "i" } do
                local type = sign .. bits
                local a = b:atomic(type, 8)
                local function wrapped(x)
                  if bits == 64 then return x end
                  x = x & (1 << bits) - 1
                  return sign == "i" and x >> bits - 1 == 1 and x - (1 << bits) or x
                end
                local low = bits == 64 and math.mininteger or sign == "i" and -(1 << bits - 1) or 0
                local high = bits == 64 and math.maxinteger or sign == "i" and (1 << bits - 1) - 1 or (1 << bits) - 1
                for _, x in ipairs { low, low + 1, 0, 1, high - 1, high } do
                  a:store(x)
                  eq(a:load(), x, type) eq(b:get(type, 8), x, type) eq(b:atomic(type, 8):load(), x)
                  for _, n in ipairs { 1, -1, high, low, 0, math.maxinteger, math.mininteger, 255, 2.0 } do
                    a:store(x)
                    eq(a:add(n), x, type)
                    eq(a:load(), wrapped(x + math.tointeger(n)), type)
                  end
                  a:store(x)
                  eq(a:add(), x) eq(a:load(), wrapped(x + 1))
                  eq(a:exchange(high), wrapped(x + 1)) eq(a:load(), high)
                  local other = x == low and high or low
                  a:store(x)
                  local done, found = a:compareexchange(other, 0)
                  eq(done, false) eq(found, x) eq(a:load(), x)
                  done, found = a:compareexchange(x, other)
                  eq(done, true) eq(found, x) eq(a:load(), other)
                end
                if bits < 64 then
                  for _, f in ipairs { a.store, a.exchange, function(a, x) a:compareexchange(x, 0) end,
                    function(a, x) a:compareexchange(0, x) end } do
                    fails("out of range for " .. type, f, a, high + 1)
                    fails("out of range for " .. type, f, a, low - 1)
                  end
                end
                for _, f in ipairs { a.store, a.exchange, a.add } do
                  fails("no integer representation", f, a, 1.5)
                  fails("number expected, got string", f, a, "1")
                end
                for _, f in ipairs { a.store, a.exchange, a.compareexchange } do
                  fails("number expected, got n[oi]", f, a)
                end
                -- The neighbors are as they were.
                eq(b:string(0, 8), ("\\0"):rep(8)) eq(b:string(8 + bits // 8, 8), ("\\0"):rep(8))
                b:fill(0)
              end
            end
            """)
    }

    @Test func atomicsAreAligned() {
        check(
            """
            local b = mmap.anonymous(64)
            for size, type in pairs { [1] = "u8", [2] = "i16", [4] = "u32", [8] = "i64" } do
              for offset = 0, 63 do
                local ok, message = pcall(function() return b:atomic(type, offset) end)
                local fits = offset <= 64 - size
                eq(ok, fits and offset % size == 0, type)
                if not fits then
                  assert(message:find "out of range %(0 to", message)
                elseif not ok then
                  local nearest = offset // size * size
                  assert(message:find(("offset %d is not aligned to %d bytes in memory; the nearest one below is %d")
                    :format(offset, size, nearest), 1, true), message)
                end
              end
            end
            -- It is the address that counts, not the offset.
            local s = b:slice(4)
            s:atomic("u64", 4):store(5) eq(b:get("u64", 8), 5)
            fails("not aligned to 8 bytes in memory", s.atomic, s, "u64", 8)
            local odd = mmap.open(scratch(("x"):rep(100)), "r+", { offset = 3 })
            fails("the mapping does not start at an aligned address", odd.atomic, odd, "u32", 0)
            odd:atomic("u32", 1)
            fails("an atomic is an integer", b.atomic, b, "f64", 0)
            fails("machine's byte order", b.atomic, b, ("u32be"):gsub("be", string.pack("=I2", 1) == "\\1\\0" and "be" or "le"), 0)
            for _, wrong in ipairs { math.mininteger, -1, 64, math.maxinteger } do fails("out of range", b.atomic, b, "u8", wrong) end
            """)
    }

    @Test func atomicsKnowTheirMapping() {
        check(
            """
            local path = scratch(("\\1"):rep(3 * mmap.PAGESIZE))
            local r = mmap.open(path)
            local a = r:atomic("u32", 0)
            eq(a:load(), 0x01010101)
            for _, f in ipairs { "store", "add", "exchange" } do fails("read%-only", function() a[f](a, 1) end) end
            fails("read%-only", a.compareexchange, a, 1, 2)
            eq(a:wait(5), true)
            local w = mmap.open(path, "r+")
            local last = w:atomic("u32", 2 * mmap.PAGESIZE)
            last:add(1) eq(r:get("u32", 2 * mmap.PAGESIZE), 0x01010102)
            -- It follows a mapping that moves, and notices one that was cut.
            w:resize(100 * mmap.PAGESIZE) eq(last:add(1), 0x01010102)
            w:resize(mmap.PAGESIZE)
            fails("its mapping now has", last.load, last)
            w:resize(3 * mmap.PAGESIZE) eq(last:load(), 0)
            w:close()
            fails("closed buffer", last.load, last) fails("closed buffer", last.wake, last)
            eq(tostring(last), "mmap.atomic (closed)")
            for _, use in ipairs { function(a) a:load() end, function(a) a:add(1) end, function(a) a:store(1) end,
              function(a) a:compareexchange(1, 2) end, function(a) a:wait(0) end, function(a) a:wake() end } do
              local path = scratch(("\\0"):rep(3 * mmap.PAGESIZE))
              local w = mmap.open(path, "r+")
              local a = w:atomic("u32", 2 * mmap.PAGESIZE)
              io.open(path, "w"):close()
              local e = fails("SIGBUS", use, a)
              eq(e.code, "SIGBUS") eq(e.offset, 2 * mmap.PAGESIZE) eq(e.path, path)
            end
            local n = mmap.anonymous(8)
            local a = n:atomic("u32", 0)
            n:protect(0) fails("does not allow reading", a.load, a) n:protect(1) eq(a:load(), 0)
            -- A value of another type is none.
            for _, wrong in ipairs { n, n:view("u8"), io.stdout, 5, {} } do
              fails("mmap.atomic expected", a.load, wrong) fails("mmap.atomic expected", a.wait, wrong, 0)
            end
            assert(tostring(a):find "^mmap.atomic: 0x%x+ u32le r%-%-p anonymous%+0$", tostring(a))
            """)
    }

    @Test func waitingEnds() {
        check(
            """
            local b = mmap.anonymous(8, { shared = true })
            local a = b:atomic("i32", 0)
            a:store(-7)
            eq(a:wait(7), true) eq(a:wait(-7, 0), false) eq(a:wait(-7, 0.12), false) eq(a:wait(7, math.huge), true)
            eq(a:wake(), 0) eq(a:wake(1), 0) eq(a:wake(0), 0)
            fails("out of range %(0 to 2147483647%)", a.wake, a, -1)
            fails("out of range for i32", a.wait, a, 1 << 31)
            fails("0 seconds or more", a.wait, a, 1, -1) fails("0 seconds or more", a.wait, a, 1, 0/0)
            fails("number expected, got string", a.wait, a, 1, "1")
            for _, type in ipairs { "u8", "i16", "u64" } do
              local other = b:atomic(type, 0)
              fails("only a 32%-bit atomic", other.wait, other, 0) fails("only a 32%-bit atomic", other.wake, other)
            end
            -- A hook can end it, as lua5.4's for Ctrl-C does.
            local calls = 0
            debug.sethook(function() calls = calls + 1 if calls > 3 then debug.sethook() error "enough" end end, "c")
            fails("enough", a.wait, a, -7)
            """)
    }

    /// In a process of its own: a child that another test starts briefly shares all descriptors, and with them the
    /// locks.
    @Test func lockedRangesAreLocked() async {
        await checkAlone(
            """
            local path = scratch(("x"):rep(1000))
            local a, b = mmap.open(path, "r+"), mmap.open(path, "r+")
            local lock = a:lockrange(100, 100)
            eq(tostring(lock), ("mmap.lock: exclusive %s+100 100 bytes"):format(path))
            local got, why = b:lockrange(199, 1, "shared", 0)
            eq(got, nil) eq(why, "timeout")
            eq(b:lockrange(0, 1000, "exclusive", 0.05), nil)
            eq(a:lockrange(150, 1, nil, 0), nil, "a lock is its own owner")
            b:lockrange(0, 100, nil, 0):unlock() b:lockrange(200, 800, nil, 0):unlock()
            lock:unlock() lock:unlock()
            eq(tostring(lock), "mmap.lock (released)")
            -- Shared ones stand beside each other.
            local one, two = a:lockrange(0, 10, "shared"), mmap.open(path):lockrange(0, 10, "shared")
            eq(b:lockrange(0, 1, "exclusive", 0), nil)
            one:unlock() two:unlock()
            do local l <close> = b:lockrange() eq(a:lockrange(0, 1, "shared", 0), nil) end
            -- A slice locks what it shows; the lock outlives the mapping.
            local c = mmap.open(path, "r+", { offset = 300 })
            local s = c:slice(5, 10):lockrange()
            eq(tostring(s), ("mmap.lock: exclusive %s+305 10 bytes"):format(path))
            c:close()
            eq(b:lockrange(314, 1, "shared", 0), nil)
            b:lockrange(304, 1, "exclusive", 0):unlock() b:lockrange(315, 1, "exclusive", 0):unlock()
            s = nil collectgarbage()
            b:lockrange(314, 1, "exclusive", 0):unlock()
            -- Memory without a path.
            for _, m in ipairs { mmap.memfd("m", 100), mmap.anonymous(100, { shared = true }) } do
              local l = m:lockrange(0, 50)
              eq(m:lockrange(49, 1, "shared", 0), nil)
              m:lockrange(50, 50, "exclusive", 0):unlock()
              l:unlock()
            end
            """)
    }

    @Test func refusedLocksNameTheReason() {
        check(
            """
            local b = mmap.open(scratch("abc"), "r+")
            for _, range in ipairs { { -1 }, { 4 }, { 0, 4 }, { 3, 1 }, { 0, 0 }, { 3 }, { 1, math.maxinteger } } do
              fails("out of range", b.lockrange, b, table.unpack(range))
            end
            fails("invalid option 'both'", b.lockrange, b, 0, 1, "both")
            fails("string expected", b.lockrange, b, 0, 1, 5)
            fails("0 seconds or more", b.lockrange, b, 0, 1, nil, -1)
            eq(fails("anonymous memory has no file", function() mmap.anonymous(5):lockrange() end).code, "EOPNOTSUPP")
            local gone = mmap.open(scratch("abc"), "r+")
            os.remove(gone:info().path)
            local ok, e = pcall(gone.lockrange, gone)
            assert(ok or e.call == "open", e)
            b:close() fails("closed", b.lockrange, b)
            local calls = 0
            local x, y = mmap.memfd("x", 1), nil
            local held = x:lockrange()
            debug.sethook(function() calls = calls + 1 if calls > 5 then debug.sethook() error "enough" end end, "c")
            fails("enough", x.lockrange, x)
            """)
    }

    /// Userdata with the metatable of another type.
    @Test func handlesAreIdentifiedByContent() {
        check(
            """
            local b = mmap.memfd("m", 64)
            local lock = b:lockrange()
            for name, object in pairs { ["mmap.atomic"] = b:atomic("u32", 0), ["mmap.lock"] = lock } do
              local meta, file = debug.getmetatable(object), io.tmpfile()
              local old = debug.getmetatable(file)
              debug.setmetatable(file, meta)
              for _, table in ipairs { meta, meta.__methods } do
                for key, f in pairs(table) do
                  for _, wrong in ipairs { file, b, 5, "x", {}, name == "mmap.lock" and b:atomic("u32", 0) or lock } do
                    if type(f) == "function" then fails(name .. " expected", f, wrong) end
                  end
                end
              end
              debug.setmetatable(file, old)
            end
            local child = debug.getregistry()["mmap.child"]
            for _, key in ipairs { "wait", "kill", "pid", "running" } do
              fails("mmap.child expected", child.__methods[key], lock) fails("mmap.child expected", child.__methods[key])
            end
            fails("mmap.child expected", child.__close, b) fails("mmap.child expected", child.__gc, b)
            """)
    }

    /// Calls that are refused before a process starts; the test's own program is not an interpreter.
    @Test(.disabled(if: Interface.isCompiled, "a child gets no compiled functions"))
    func onlyAnInterpreterIsStarted() {
        check(
            """
            fails("path or function expected, got no value", mmap.spawn) fails("got table", mmap.spawn, {})
            local e = fails("is neither mmaplua nor lua", mmap.spawn, function() end, 1, { 2, x = { "y" } },
              mmap.anonymous(10, { shared = true }))
            local up = 1
            fails("upvalue 'up'", mmap.spawn, function() return up end)
            local mmap = mmap
            fails("is neither mmaplua nor lua", mmap.spawn, function() return mmap.PAGESIZE + string.len "" end)
            local f = load("return x", "f", "t", {})
            fails("its _ENV is not the table of globals", mmap.spawn, f)
            local deep = {}
            for _ = 1, 300 do deep = { deep } end
            fails("more than 200 deep", mmap.spawn, function() end, deep)
            local shared = mmap.anonymous(100, { shared = true })
            fails("records cannot be sent", mmap.spawn, function() end,
              shared:records(mmap.struct { { "a", "u8" } }))
            fails("private mapping", mmap.spawn, function() end, mmap.open(scratch("abc"), "c"))
            fails("empty mapping", mmap.spawn, function() end, mmap.open(scratch("")))
            shared:close()
            fails("closed", mmap.spawn, function() end, shared)
            local many = {}
            for i = 1, 65 do many[i] = mmap.memfd("x", 1) end
            fails("more than 64 mappings", mmap.spawn, function() end, many)
            """)
    }
}
