import Glibc
import Testing

/// `--memory` and `--time`: errors that a script can catch, and an end that it cannot delay.
@Suite
struct LimitsTests {
    private func run(_ arguments: [String], _ code: String, input: String = "") throws -> Outcome {
        try Program.mmaplua.run(arguments + ["-e", code], input: input, name: "mmaplua")
    }

    // MARK: Memory

    @Test(arguments: [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "local s = 'x' while true do s = s .. s end", "string.rep('x', 1 << 30)",
        "local b = {} while true do b[#b + 1] = mmap.anonymous(1 << 20) end", "mmap.anonymous(1 << 40)",
        "local b = mmap.anonymous(1) b:resize(1 << 40)",
        "coroutine.wrap(function() local s = 'x' while true do s = s .. s end end)()",
    ])
    func `the memory limit ends the script with its own status`(code: String) throws {
        let outcome = try run(["--memory=32M"], code)
        #expect(outcome.ending == .status(123), "\(code)")
        #expect(outcome.errors.contains("--memory="), "\(outcome.errors)")
    }

    @Test func `running out of memory can be caught`() throws {
        let outcome = try run(
            ["--memory=32M"],
            """
            print(pcall(string.rep, 'x', 1 << 30))
            local ok, e = pcall(mmap.anonymous, 1 << 30)
            print(ok, e.call, e.code, e.message)
            local b = mmap.anonymous(4096)
            print(pcall(b.resize, b, 1 << 30))
            print(#b, #mmap.anonymous(16 << 20))
            """)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.first == "false\tnot enough memory")
        #expect(
            lines[1].hasPrefix("false\tmmap\tENOMEM\tCannot allocate memory (ENOMEM): 1073741824 more bytes ")
        )
        #expect(lines[1].contains("--memory=33554432"))
        #expect(lines[2].contains("mremap: Cannot allocate memory (ENOMEM): 1073737728 more bytes"))
        #expect(lines[3] == "4096\t16777216")
        #expect(outcome.ending == .status(0))
    }

    @Test func `a large string or table over the limit is an error`() throws {
        let outcome = try run(
            ["--memory=80M"],
            """
            local b = mmap.anonymous(32 << 20)
            local kept = { b:string() }
            print(pcall(b.string, b))
            print(pcall(function() return b:view("u8"):totable() end))
            kept = nil
            print(#b:string(), #b:view("u32", 0, 1 << 20):totable())
            """)
        #expect(outcome.output == "false\tnot enough memory\nfalse\tnot enough memory\n33554432\t1048576\n")
        #expect(outcome.errors == "")
    }

    @Test func `files count, and a refused mapping changes nothing`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("data", String(repeating: "x", count: 100_000))
        let outcome = try Program.mmaplua.run(
            [
                "--mapped=256K", "-e",
                """
                local path <const> = '\(path)'
                local b = mmap.open(path)
                for _, options in ipairs { { 'w+', { size = 300000 } }, { 'r+', { length = 300000, grow = true } } } do
                    local ok, e = pcall(mmap.open, path, options[1], options[2])
                    print(ok, e.code)
                end
                print(#b, #mmap.open(path))
                """,
            ])
        #expect(outcome.output == "false\tENOMEM\nfalse\tENOMEM\n100000\t100000\n")
        #expect(folder.contents("data")?.utf8.count == 100_000)
    }

    @Test func `unmapping and collecting release memory`() throws {
        let outcome = try run(
            ["--memory=32M"],
            """
            for i = 1, 100 do mmap.anonymous(10 << 20):close() end
            for i = 1, 100 do local b = mmap.anonymous(10 << 20) end
            for i = 1, 100 do local b = mmap.anonymous(1 << 20) b:resize(20 << 20) b:resize(4096) b:close() end
            for i = 1, 20 do local s = ('0123456789abcdef'):rep(1 << 19) end
            collectgarbage()
            print(#mmap.anonymous(31 << 20))
            """)
        #expect(outcome == Outcome(output: "\(31 << 20)\n", errors: "", ending: .status(0)))
    }

    /// The library's temporary memory counts too, and is released.
    @Test func `temporary memory of unique and of matches counts`() throws {
        let outcome = try run(
            ["--memory=40M"],
            """
            local b = mmap.anonymous(24 << 20)
            b:fill("a")
            local v = b:view('u32')
            local ok, e = pcall(v.unique, v)
            print(ok, e.code, e.message:match '%-%-memory=%d+')
            print((pcall(v.unique, v:slice(0, 100))), (pcall(v.sort, v)))
            for _ = 1, 3 do
                local re = mmap.regex('((a))(a)*b')
                local ok, e = pcall(re.find, re, b)
                print(ok, e:match 'takes too much memory for backtracking')
            end
            print(#mmap.anonymous(14 << 20))
            for line in io.lines '/proc/self/status' do
                local kib = line:match '^VmHWM:%s*(%d+)'
                if kib then print(tonumber(kib) < 60 << 10) end
            end
            """)
        let counted = "false\tENOMEM\t--memory=41943040\ntrue\ttrue\n"
        let matched = String(repeating: "false\ttakes too much memory for backtracking\n", count: 3)
        let expected = "\(counted)\(matched)\(14 << 20)\ntrue\n"
        #expect(outcome == Outcome(output: expected, errors: "", ending: .status(0)))
    }

    /// A match with `u` works on a copy of the bytes that it searches: few bytes, a small copy.
    @Test func `the copy of a regex's subject counts`() throws {
        let outcome = try run(
            ["--memory=40M"],
            """
            local b = mmap.anonymous(24 << 20)
            b:fill("a") b:fill(10, 1 << 20, 1)
            local ok, e = pcall(function() return mmap.regex('a.*b', 'su'):find(b) end)
            print(ok, e.code, e.message:match '%-%-memory=%d+')
            print(mmap.regex('\\n(a)', 'u'):find(b))
            print(mmap.regex('ab', 'u'):find(b), #mmap.anonymous(14 << 20))
            """)
        let expected = "false\tENOMEM\t--memory=41943040\n\(1 << 20)\t2\ta\nnil\t\(14 << 20)\n"
        #expect(outcome == Outcome(output: expected, errors: "", ending: .status(0)))
    }

    /// Pages of a shared mapping of a file are the kernel's; what nobody else has counts, whatever way it is mapped.
    @Test func `only what the process alone holds is its memory`() throws {
        let folder = try TemporaryFolder()
        let outcome = try run(
            ["--memory=16M"],
            """
            local path, big <const> = '\(folder.path)/file', 95 << 20
            mmap.sparse(path, big):close()
            local function try(f, ...)
                local ok, x = pcall(f, ...)
                if not ok then return x.code, x.message:match '%-%-memory=%d+' end
                local size = #x
                x:close()
                return size
            end
            local file <const>, private <const> = io.open(path, 'r+'), mmap.MAP_PRIVATE
            print(try(mmap.open, path), try(mmap.open, path, 'r+'))
            print(try(mmap.map, big, 1, private, file))
            print(try(mmap.open, path, 'r+', { length = big + 4096, grow = true, sparse = true }))
            print(try(mmap.open, path, 'w+', { size = big, sparse = true }))
            print(try(mmap.open, path, 'c'))
            print(try(mmap.map, big, 3, private, file))
            print(try(mmap.anonymous, big)) print(try(mmap.anonymous, big, { shared = true }))
            print(try(mmap.map, big, 1, private | mmap.MAP_ANONYMOUS)) print(try(mmap.memfd, 'x', big))
            print(try(mmap.shared, 'mmaplua-limits-' .. path:gsub('%W', '.'), big))
            print(try(mmap.read, path)) print(try(mmap.decompress, '\(folder.path)/packed'))
            -- What becomes writable counts from then on, and no more when it goes.
            local b = mmap.map(big, 1, private, file)
            print(try(b.protect, b, 3)) print(b[5], #mmap.anonymous(8 << 20))
            collectgarbage()
            for i = 1, 20 do
                local c <close> = mmap.map(8 << 20, 1, private, file)
                c:protect(3) c[0] = i c:protect(1) c:protect(3)
            end
            local c <close> = mmap.open(path, 'c', { length = 8 << 20 })
            print(try(mmap.anonymous, 8 << 20))
            """)
        let refused = "ENOMEM\t--memory=16777216\n"
        let expected =
            "99614720\t99614720\n99614720\n99618816\n99614720\n" + String(repeating: refused, count: 8)
            + "ENOENT\tnil\n\(refused)0\t8388608\n\(refused)"
        #expect(outcome == Outcome(output: expected, errors: "", ending: .status(0)))
    }

    @Test func `mapped files have a limit of their own`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/file"
        let outcome = try run(
            ["--mapped=64M"],
            """
            local path = '\(path)'
            mmap.sparse(path, 40 << 20):close()
            local b = mmap.open(path)
            local ok, e = pcall(mmap.open, path)
            print(ok, e.call, e.code, e.message)
            print(pcall(mmap.map, 40 << 20, 1, mmap.MAP_PRIVATE, io.open(path)))
            print(#mmap.anonymous(1 << 30), #mmap.open(path, 'c'), #mmap.memfd('x', 1 << 30))
            b:close()
            for i = 1, 20 do mmap.open(path):close() end
            b = mmap.open(path, 'r+')
            ok, e = pcall(b.resize, b, 65 << 20)
            print(ok, e.call, e.code, #b, b:info().filesize)
            b:close()
            -- A file that could not be mapped keeps its contents.
            ok, e = pcall(mmap.open, path, 'w+', { size = 65 << 20 })
            print(ok, e.code, #mmap.open(path))
            """)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count == 5, "\(outcome)")
        guard lines.count == 5 else { return }
        #expect(
            lines[0]
                == "false\tmmap\tENOMEM\tCannot allocate memory (ENOMEM): 41943040 more bytes would exceed the limit of --mapped=67108864; 41943040 are in use (\(path))"
        )
        #expect(lines[1].contains("--mapped=67108864"))
        #expect(lines[2] == "1073741824\t41943040\t1073741824")
        #expect(lines[3] == "false\tmremap\tENOMEM\t41943040\t41943040")
        #expect(lines[4] == "false\tENOMEM\t41943040")
        let uncaught = try run(["--mapped=1M"], "mmap.open('\(path)')")
        #expect(uncaught.ending == .status(123))
        let child = try run(
            ["--mapped=1M"],
            "print((mmap.spawn(function(path) return mmap.open(path) end, '\(path)'):wait()))")
        #expect(child.output == "false\n", "\(child)")
    }

    /// What unpacking needs counts, and is given back.
    @Test func `unpacking counts what it needs`() throws {
        let folder = try TemporaryFolder()
        let outcome = try run(
            ["--memory=24M"],
            """
            local path = '\(folder.path)/file'
            local f = io.popen("head -c 200M /dev/zero | zstd -q --long=27 > '" .. path .. ".zst'") f:close()
            f = io.popen("head -c 200M /dev/zero | gzip -1 > '" .. path .. ".gz'") f:close()
            f = io.popen("head -c 5M /dev/zero | zstd -q --long=27 > '" .. path .. ".small'") f:close()
            for i = 1, 10 do
                for _, name in ipairs { '.zst', '.gz' } do
                    local ok, e = pcall(mmap.decompress, path .. name)
                    if ok or e.code ~= 'ENOMEM' then print(name, ok, e) end
                end
                local ok, e = pcall(mmap.read, io.popen 'cat /dev/zero')
                if ok or e.code ~= 'ENOMEM' then print(ok, e) end
            end
            collectgarbage()
            print(#mmap.anonymous(20 << 20))
            """)
        #expect(outcome == Outcome(output: "20971520\n", errors: "", ending: .status(0)))
    }

    /// The memory for backtracking is not kept after the match: the regex would hold it uncounted.
    @Test func `a regex keeps no memory after a match`() throws {
        let outcome = try run(
            ["--memory=64M"],
            """
            local text, kept = ('ab'):rep(1 << 20), {}
            for i = 1, 16 do
                kept[i] = mmap.regex('(*NO_JIT)^(?:(a)|b)*[cd]')
                pcall(kept[i].find, kept[i], text)
            end
            for line in io.lines '/proc/self/status' do
                local kib = line:match '^VmHWM:%s*(%d+)'
                if kib then print(tonumber(kib) < 200 << 10, kib) end
            end
            """)
        #expect(outcome.output.hasPrefix("true\t"), "\(outcome)")
    }

    /// Memory without a name exists until nothing refers to it: the pages past the end of a mapping that was made
    /// smaller, and all pages of a closed mapping that still has a lock.
    private static let holders = [
        "local b = mmap.anonymous(50 << 20, { shared = true }) b:fill(1) b:resize(4096) return b",
        "local b = mmap.map(50 << 20, 3, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) b:fill(1) b:resize(4096) return b",
        "local b = mmap.memfd('x', 50 << 20) b:fill(1) local lock = b:lockrange(0, 1) b:close() return lock",
        "local b = mmap.memfd('x', 1) local lock = b:lockrange() b:resize(50 << 20) b:fill(1) b:close() return lock",
        "local b = mmap.anonymous(50 << 20, { shared = true }) b:fill(1) local lock = b:lockrange() b:close() return lock",
    ]

    @Test(arguments: holders) func `memory held without a mapping counts`(code: String) throws {
        let outcome = try run(
            ["--memory=64M"],
            """
            local kept, hold = {}, function() \(code) end
            local ok, e = pcall(function() for i = 1, 20 do kept[i] = hold() end end)
            print(ok, e and e.code, #kept)
            """)
        #expect(outcome == Outcome(output: "false\tENOMEM\t1\n", errors: "", ending: .status(0)))
    }

    @Test(arguments: holders, ["local x <close> = hold()", "local x = hold()", "release(hold())"])
    func `released memory does not count`(code: String, use: String) throws {
        let outcome = try run(
            ["--memory=64M"],
            """
            local function hold() \(code) end
            local function release(x) if tostring(x):find '^mmap.lock' then x:unlock() else x:close() end end
            for i = 1, 20 do \(use) end
            collectgarbage()
            print(#mmap.anonymous(60 << 20))
            """)
        #expect(outcome == Outcome(output: "\(60 << 20)\n", errors: "", ending: .status(0)), "\(code)")
    }

    /// A lock holds no memory that the mapping does not hold.
    @Test func `locks on mapped memory do not count`() throws {
        let outcome = try run(
            ["--memory=64M"],
            """
            local b, kept = mmap.memfd('x', 50 << 20), {}
            for i = 1, 20 do kept[i] = b:lockrange(i, 1) end
            print(#kept)
            """)
        #expect(outcome == Outcome(output: "20\n", errors: "", ending: .status(0)))
    }

    @Test func `a limit below what Lua needs is an error too`() throws {
        let outcome = try run(["--memory=4K"], "print(1)")
        #expect(outcome.errors == "mmaplua: not enough memory (the limit is --memory=4K)\n")
        #expect(outcome.ending == .status(123))
    }

    @Test func `other errors keep their status`() throws {
        let code = "pcall(mmap.anonymous, 1 << 40) error('other', 0)"
        #expect(try run(["--memory=32M"], code).ending == .status(1))
        #expect(try run(["--memory=32M"], "pcall(mmap.anonymous, 1 << 40)").ending == .status(0))
        #expect(try run([], "error(setmetatable({}, { __tostring = error }))").ending == .status(1))
    }

    /// The status tells whether the script ended with the out-of-memory error itself. A new error made from its text is
    /// another error; a caught error does not count.
    private static let endings: [(code: String, status: CInt)] = [
        // Not caught.
        ("string.rep('x', 1 << 30)", 123), ("mmap.anonymous(1 << 30)", 123),
        ("coroutine.wrap(string.rep)('x', 1 << 30)", 123),
        ("coroutine.wrap(mmap.anonymous)(1 << 30)", 123),
        (
            "local t <close> = setmetatable({}, { __close = function() string.rep('x', 1 << 30) end }) error 'other'",
            123
        ),
        ("error(setmetatable({}, { __tostring = function() return ('x'):rep(1 << 30) end }))", 123),
        // Caught and raised again unchanged.
        ("local _, e = pcall(string.rep, 'x', 1 << 30) error(e, 0)", 123),
        ("local _, e = pcall(mmap.anonymous, 1 << 30) error(e)", 123),
        ("assert(pcall(mmap.anonymous, 1 << 30))", 123),
        // A text with a prefix: `error` and `assert` add the position.
        ("local _, e = pcall(string.rep, 'x', 1 << 30) error(e)", 1),
        ("assert(pcall(string.rep, 'x', 1 << 30))", 1),
        ("local _, e = pcall(mmap.anonymous, 1 << 30) error(tostring(e), 0)", 1),
        // Replaced by another error.
        (
            "local t <close> = setmetatable({}, { __close = function() error 'other' end }) string.rep('x', 1 << 30)",
            1
        ),
        ("pcall(string.rep, 'x', 1 << 30) error 'other'", 1),
        ("error({ errno = 12, code = 'ENOMEM' })", 1),
        // Caught, or not in the script itself.
        ("pcall(string.rep, 'x', 1 << 30)", 0), ("pcall(mmap.anonymous, 1 << 30)", 0),
        ("coroutine.resume(coroutine.create(string.rep), 'x', 1 << 30)", 0),
        ("setmetatable({}, { __gc = function() string.rep('x', 1 << 30) end }) collectgarbage()", 0),
        ("assert(not mmap.spawn(function() string.rep('x', 1 << 30) end):wait())", 0),
        // os.exit with a status of its own.
        ("pcall(string.rep, 'x', 1 << 30) os.exit(5)", 5),
        ("pcall(string.rep, 'x', 1 << 30) os.exit(false)", 1),
        ("pcall(string.rep, 'x', 1 << 30) os.exit(true, true)", 0),
    ]

    @Test(arguments: endings.indices) func `status after running out of memory`(index: Int) throws {
        let (code, status) = Self.endings[index]
        #expect(try run(["--memory=32M"], code).ending == .status(status), "\(code)")
    }

    @Test func `the status is the same for every way to load the script`() throws {
        let folder = try TemporaryFolder()
        let code = "string.rep('x', 1 << 30)"
        let path = try folder.file("script.lua", code)
        let ways: [(arguments: [String], input: String, environment: [String: String], status: CInt)] = [
            ([path], "", [:], 123), (["-"], code, [:], 123), (["-e", "x = 1", path], "", [:], 123),
            (["-l", "script"], "", ["LUA_PATH": folder.path + "/?.lua"], 123),
            (["-e", "x = 1"], "", ["LUA_INIT": code], 123),
            (["-e", "x = 1"], "", ["LUA_INIT": "@" + path], 123),
            // As in lua(1): a script on standard input without "-", and a prompt, end with status 0.
            ([], code, [:], 0), (["-i"], code, [:], 0),
        ]
        for way in ways {
            let outcome = try Program.mmaplua.run(
                ["--memory=32M"] + way.arguments, input: way.input, environment: way.environment)
            #expect(outcome.ending == .status(way.status), "\(way)")
            #expect(
                outcome.errors.contains("not enough memory (the limit is --memory=32M)"), "\(way): \(outcome)"
            )
        }
    }

    // MARK: Time

    /// Endless scripts, each in a different kind of code.
    private static let endless = [
        // Lua code, with and without a protected call.
        "while true do end", "while true do pcall(function() while true do end end) end",
        "while true do pcall(pcall, error) end",
        "local function f() return pcall(f) end while true do f() end",
        "local function f() f() end while true do pcall(f) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
        "debug.sethook(function() end, '', 1) while true do end", "while true do debug.sethook() end",
        "load(function() return 'x = 1 ' end)", "local s = ('x = 1 '):rep(1 << 20) while true do load(s) end",
        // Coroutines.
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "local co = coroutine.create(function() while true do coroutine.yield() end end) while true do coroutine.resume(co) end",
        "local f = coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end) f()",
        // Functions that Lua calls by itself.
        "while true do local t <close> = setmetatable({}, { __close = function() while true do end end }) end",
        [
            "local co = coroutine.create(function() local t <close> =",
            "setmetatable({}, { __close = function() while true do end end }) coroutine.yield() end)",
            "coroutine.resume(co) coroutine.close(co)",
        ].joined(separator: " "),
        "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
        "setmetatable({}, { __gc = function() while true do end end })",
        "setmetatable({}, { __gc = function() while true do end end }) os.exit(0, true)",
        "for i = 1, 1000 do setmetatable({}, { __gc = function() while true do end end }) end collectgarbage()",
        "local function again() setmetatable({}, { __gc = again }) end again() while true do collectgarbage() end",
        // Functions of Lua's library that take long or never end.
        "string.find(('a'):rep(200000), '.-.-.-b')", "string.gsub(('a'):rep(200000), '.-.-.-b', '')",
        "string.gsub(('a'):rep(1 << 24), 'a', function() return 'b' end)",
        "string.find(('a'):rep(1 << 20), ('a'):rep(1 << 19) .. 'b', 1, true)",
        "while true do string.rep('x', 1 << 20) end", "while true do string.rep('x', 1 << 27, 'yy') end",
        "table.concat(setmetatable({}, { __index = function() return 'x' end }), '', 1, 1 << 40)",
        "local t = {} for i = 1, 1e5 do t[i] = 'x' end while true do table.concat(t) end",
        "table.sort(setmetatable({}, { __len = function() return 1 << 30 end, __index = function() return 1 end }))",
        "local t = {} for i = 1, 1e5 do t[i] = i * 7919 % 1000003 end while true do table.sort(t) end",
        "table.move({}, 1, 1 << 40, 2)",
        // Waits. A started program keeps running, but must not hold the test's output open.
        "os.execute 'exec sleep 60 > /dev/null 2>&1'",
        "for l in io.popen('exec sleep 60 2>&1'):lines() do end",
        "io.popen('exec sleep 60 2>&1'):close()",
        "mmap.anonymous(64, { shared = true }):atomic('u32', 0):wait(0)",
        "local b = mmap.memfd('x', 64) local lock = b:lockrange() b:lockrange()",
        "mmap.spawn(function() while true do end end):wait()",
        "local child <close> = mmap.spawn(function() while true do end end)",
        // Long operations of the library. The text has an odd length, so that no two neighboring elements are equal.
        "local b = mmap.anonymous(1 << 28) while true do b:find('x') end",
        "while true do mmap.anonymous(1 << 30):fill(1) end",
        "local b = mmap.anonymous(1 << 26) while true do b:fill('0123456789abcdefghijklmnopqrstuvwxyzABC') b:view('f64'):sort() end",
        "local b = mmap.anonymous(1 << 26) while true do b:fill('0123456789abcdefghijklmnopqrstuvwxyzABC') b:view('u32'):unique() end",
        "local b = mmap.anonymous(1 << 28) while true do b:sha256() end",
        "local b = mmap.anonymous(1 << 30) while true do b:string() end",
        "local v = mmap.anonymous(1 << 28):view('u8') while true do v:totable() end",
        "while true do mmap.anonymous(1 << 26):populate() end",
        "local e, s = mmap.regex('(a+)+[bc]'), ('a'):rep(1 << 20) while true do pcall(e.find, e, s) end",
        "local e, s = mmap.regex('(*NO_JIT)(a+)+[bc]'), ('a'):rep(1 << 20) while true do pcall(e.find, e, s) end",
        "local b = mmap.anonymous(1 << 26) b:fill('a') local e = mmap.regex('(a+)+b') while true do pcall(e.find, e, b) end",
        "mmap.anonymous(4096):watch(function() while true do end end)",
        "mmap.faults(function() while true do end end)",
    ]

    /// The limit is 0.3 seconds; the rest is for a busy machine.
    private static let latest = 30.0

    /// One at a time, as they would delay each other.
    @Test(.serialized, arguments: endless) func `the time limit ends every kind of code`(code: String) throws
    {
        let start = now()
        let outcome = try run(["--time=200ms"], code)
        let taken = now() - start
        #expect(outcome.ending == .status(124), "\(code)")
        #expect(
            outcome.errors.contains("time limit exceeded (--time=200ms)"), "\(code): \(outcome.errors)")
        #expect(taken >= 0.2 && taken < Self.latest, "\(code)")
    }

    @Test func `the time limit ends a waiting read`() throws {
        let start = now()
        let code = "while true do io.read() end"
        let outcome = try Program(path: "/bin/bash").run([
            "-c",
            "exec 3< <(exec sleep 60 2> /dev/null); exec '\(Program.mmaplua.path)' --time=0.2 -e '\(code)' <&3",
        ])
        #expect(outcome.ending == .status(124))
        #expect(now() - start < Self.latest)
    }

    @Test func `the time limit's error can be caught once`() throws {
        let outcome = try run(
            ["--time=2s"],
            """
            local done = 0
            local ok, e = pcall(function() while true do done = done + 1 end end)
            print(ok, e, done > 0)
            io.write 'so far'
            """)
        #expect(
            outcome.output
                == "false\t(command line):2: time limit exceeded (--time=2s)\ttrue\nso far")
        #expect(outcome.errors == "mmaplua: time limit exceeded (--time=2s)\n")
        #expect(outcome.ending == .status(124))
    }

    /// Lua's hooks belong to a coroutine: the limit must set one in the running coroutine.
    @Test(arguments: [
        "print(coroutine.resume(coroutine.create(function() while true do end end)))",
        "print(pcall(coroutine.wrap(function() while true do end end)))",
        "print(coroutine.resume(coroutine.create(function() coroutine.wrap(function() while true do end end)() end)))",
        [
            "local co = coroutine.create(function() local t <close> =",
            "setmetatable({}, { __close = function() while true do end end }) coroutine.yield() end)",
            "coroutine.resume(co) print(coroutine.close(co))",
        ].joined(separator: " "),
    ])
    func `the time limit holds in coroutines`(code: String) throws {
        let outcome = try run(["--time=2s"], code)
        #expect(outcome.output.hasPrefix("false\t"), "\(code)")
        #expect(outcome.output.contains("(command line):"), "\(code)")
        #expect(outcome.output.hasSuffix("time limit exceeded (--time=2s)\n"), "\(code)")
        #expect(outcome.ending == .status(124))
    }

    @Test func `the script cannot hide the time limit's status`() throws {
        let code = "pcall(function() while true do end end) os.exit(0, true)"
        #expect(try run(["--time=200ms"], code).ending == .status(124))
    }

    @Test func `output before the time limit is complete`() throws {
        let outcome = try run(["--time=2s"], "io.write 'before' while true do end")
        #expect(outcome.output == "before")
    }

    @Test func `a script within the time limit is unaffected`() throws {
        let code = """
            local co = coroutine.wrap(function(...) local x = coroutine.yield(...) error(x, 0) end)
            print(co(1, 2)) print(pcall(co, 'e')) print(pcall(co))
            print(coroutine.resume(coroutine.create(function(...) return ... end), 1, nil))
            print(coroutine.resume(coroutine.create(error), 'x'))
            print(coroutine.close(coroutine.create(print)))
            local c = coroutine.create(function() local t <close> =
                setmetatable({}, { __close = function(_, e) error('closing', 0) end }) coroutine.yield() end)
            coroutine.resume(c) print(coroutine.close(c)) print(coroutine.status(c))
            print(pcall(coroutine.close, coroutine.running())) print(pcall(coroutine.resume, 1))
            print(pcall(coroutine.wrap(function() error('inside') end)))
            print(pcall(coroutine.wrap, 1)) print(select('#', table.unpack({}, 1, 100)))
            print(debug.gethook())
            """
        let limited = try run(["--time=20s", "--memory=1G"], code)
        #expect(limited.ending == .status(0))
        #expect(limited == (try run([], code)))
    }

    @Test(arguments: [
        "--memory", "--memory=", "--memory=0", "--memory=-1", "--memory=1X", "--memory=M", "--memory=1e3",
        "--memory=nan",
        "--memory=9999999999G", "--mapped", "--mapped=", "--mapped=0", "--mapped=1X", "--time", "--time=",
        "--time=0", "--time=-1s", "--time=1y", "--time=.",
        "--time=1.2.3",
        "--time=0x10", "--time=inf", "--times=1",
    ])
    func `invalid sizes and times are refused`(argument: String) throws {
        let outcome = try run([argument], "print(1)")
        #expect(outcome.ending == .status(1))
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("mmaplua: "))
        #expect(outcome.errors.contains("'\(argument)'"))
    }

    @Test(arguments: [
        "--memory=1G", "--mapped=1G", "--mapped=4K", "--memory=1.5g", "--memory=2000000", "--memory=2048k",
        "--memory=1T", "--time=10",
        "--time=10s",
        "--time=9999ms", "--time=1m", "--time=0.5h",
    ])
    func `sizes and times as people write them`(argument: String) throws {
        #expect(try run([argument], "print(1)") == Outcome(output: "1\n", errors: "", ending: .status(0)))
    }
}
