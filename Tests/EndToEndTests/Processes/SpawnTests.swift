import Glibc
import Testing

/// Children of scripts: their arguments, their results, and every way in which they can end.
@Suite
struct SpawnTests {
    private func run(_ code: String, _ options: [String] = [], environment: [String: String] = [:]) throws
        -> Outcome
    {
        try Program.mmaplua.run(options + ["-e", Self.prelude + code], environment: environment)
    }

    private static let prelude = """
        local function eq(got, wanted) if got ~= wanted then error(("got %s, not %s"):format(got, wanted), 2) end end
        local function has(text, part) if not tostring(text):find(part, 1, true) then error(tostring(text), 2) end end

        """

    private func check(
        _ code: String, _ options: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try run(code, options)
        #expect(
            outcome == Outcome(output: "", errors: "", ending: .status(0)), sourceLocation: sourceLocation)
    }

    @Test func valuesGoThereAndBack() throws {
        try check(
            """
            local list = { 1, 2.5, "three", true, [false] = "no", [0.5] = { {} } }
            list.self, list.again = list, list[0.5]
            local long = ("x\\0"):rep(300000)
            local r = table.pack(mmap.spawn(function(...)
              local a = table.pack(...)
              assert(a[8].self == a[8] and a[8].again == a[8][0.5])
              return ...
            end, nil, true, false, math.mininteger, -0.0, "", long, list, 1/0, nil):wait())
            eq(r.n, 11) eq(r[1], true) eq(r[2], nil) eq(r[3], true) eq(r[4], false) eq(r[5], math.mininteger)
            eq(math.type(r[6]), "float") eq(1 / r[6], -1/0) eq(r[7], "") eq(r[8], long)
            local t = r[9]
            eq(t.self, t) eq(t.again, t[0.5]) eq(#t, 4) eq(t[2], 2.5) eq(t[false], "no") eq(type(t[0.5][1]), "table")
            eq(r[10], 1/0) eq(r[11], nil)
            eq(select("#", mmap.spawn(function() end):wait()), 1)
            eq(#select(2, mmap.spawn(function() local t = {} for i = 1, 200000 do t[i] = i end return t end):wait()), 200000)
            """)
    }

    /// Everything in a message is checked: a child maps only the memory that it was given, and reads nothing else.
    @Test func forgedMessagesAreRefused() throws {
        let folder = try TemporaryFolder()
        let script = try folder.file(
            "script.lua", "local x = ... print(#x, pcall(function() return x[0], x[#x - 1] end))")
        let data = try folder.file("data", String(repeating: "x", count: 8192))
        /// Packs the message with Lua, and runs the program that reads it as descriptor 3, with the data as descriptor
        /// 4.
        func answer(_ mapping: String, _ place: String, _ count: Int = 1) throws -> Outcome {
            let request = folder.path + "/request"
            let made = try run(
                """
                local function integer(n) return "i" .. string.pack("<j", n) end
                local function text(s) return "s" .. string.pack("<j", #s) .. s end
                local body = integer(1) .. "zz" .. "t" .. integer(\(count)) .. text "\(script)"
                    .. "m" .. string.pack("<jj i4 i4 i4 i4", \(mapping)) .. "z" .. \(place)
                io.open("\(request)", "wb"):write("alummap1", string.pack("<j", #body), body)
                """)
            #expect(made.ending == .status(0), "\(made)")
            return try Program(path: "/bin/sh").run([
                "-c", "exec \"$0\" --child=3 3<>\"$1\" 4<>\"$2\"", Program.mmaplua.path, request, data,
            ])
        }
        let mapping = "0, 8192, 4, 1, 1, 0"
        let type = { (code: String) in "\"v\" .. string.pack(\"<jjj jjj\", 0, 8, 4096, 1024, 4, \(code))" }
        let right = [
            ("\"b\" .. string.pack(\"<jjj\", 0, 0, 8192)", "8192\ttrue\t120\t120\n"),
            ("\"l\" .. string.pack(\"<jjj\", 0, 8, 8184)", "8184\ttrue\t120\t120\n"),
            (type("4"), "1024\ttrue\t2021161080\t2021161080\n"),
        ]
        for (place, output) in right {
            let outcome = try answer(mapping, place)
            #expect(outcome.output == output && outcome.ending == .status(0), "\(place): \(outcome)")
        }
        var wrong = [
            (mapping, "\"l\" .. string.pack(\"<jjj\", 0, 8, 8185)", 1),
            (mapping, "\"l\" .. string.pack(\"<jjj\", 0, -8, 8)", 1),
            (mapping, "\"b\" .. string.pack(\"<jjj\", 1, 0, 8192)", 1),
            (mapping, type("4"), -1), (mapping, type("4"), 1 << 40),
        ]
        // View fields: offset, length, count, stride, and type.
        for shape in [
            "8, 4096, 1025, 4, 4", "8, 4096, 1 << 40, 4, 4", "8, 4096, -1, 4, 4", "8, 4096, 1024, 0, 4",
            "8, 4096, 1024, -4, 4", "8, 4096, 1024, 1 << 61, 4", "8, 4096, 1024, 4, 10",
            "8, 4096, 1024, 4, 16",
            "8, 4096, 1024, 4, 1 << 32", "8, 4096, 1024, 4, -1", "8, 4095, 1024, 4, 4", "8192, 4, 1, 4, 4",
            "-4, 4, 1, 4, 4",
        ] {
            wrong.append((mapping, "\"v\" .. string.pack(\"<jjjjjj\", 0, \(shape))", 1))
        }
        // Atomic fields: offset, length, and type.
        for shape in ["4, 4, 8", "4, 4, 20", "3, 4, 4", "8192, 4, 4", "4, 8, 4", "4, 4, 99", "4, 4, 1 << 32"]
        {
            wrong.append((mapping, "\"a\" .. string.pack(\"<jjjj\", 0, \(shape))", 1))
        }
        // Mapping fields: the child's standard streams, the message, a closed descriptor, and no bytes.
        for mapping in [
            "0, 8192, 0, 1, 1, 0", "0, 8192, 2, 1, 1, 0", "0, 16, 3, 1, 1, 0", "0, 8192, 999999, 1, 1, 0",
            "0, 8192, -1, 1, 1, 0", "-4096, 8192, 4, 1, 1, 0", "0, 0, 4, 1, 1, 0", "0, -1, 4, 1, 1, 0",
        ] {
            wrong.append((mapping, right[0].0, 1))
        }
        for (mapping, place, count) in wrong {
            let outcome = try answer(mapping, place, count)
            #expect(outcome.ending == .status(1) && outcome.output == "", "\(mapping) \(place): \(outcome)")
        }
    }

    @Test func memoryIsShared() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("data", String(repeating: "x", count: 10_000))
        try check(
            """
            local file = mmap.open("\(path)", "r+", { offset = 5000, length = 100 })
            local name = "mmaplua-test-\(getpid())"
            local shared = mmap.shared(name, 4096)
            mmap.unlink(name)
            local anonymous, memfd = mmap.anonymous(64, { shared = true }), mmap.memfd("m", 64, { seal = true })
            local ok, info = mmap.spawn(function(file, shared, anonymous, slice, view, atomic, again, read)
              assert(#file == 100 and file:string(0, 2) == "xx") file[0] = 1
              shared[4095] = 2
              anonymous:fill(3)
              assert(#slice == 8) slice[7] = 4
              assert(#view == 3) view[2] = 5000000000
              atomic:add(-1)
              assert(again == anonymous)
              assert(not pcall(read.set, read, "u8", 0, 1) and read:get("u8", 5000) == 1)
              return { file:info().path, shared:info().path, tostring(anonymous), atomic:load() }
            end, file, shared, anonymous, memfd:slice(8, 8), memfd:view("u64", 16, 3), memfd:atomic("i32", 0), anonymous,
              mmap.open("\(path)")):wait()
            assert(ok, info)
            eq(file[0], 1) eq(shared[4095], 2) eq(anonymous:string(), ("\\3"):rep(64)) eq(memfd[15], 4)
            eq(memfd:get("u64", 32), 5000000000) eq(memfd:get("i32", 0), -1) eq(info[4], -1)
            eq(info[1], "\(path)") eq(info[2], "/dev/shm/" .. name) has(info[3], "anonymous")
            -- A child can have children that share the same.
            assert(mmap.spawn(function(m) assert(mmap.spawn(function(m) m[63] = 9 end, m):wait()) end, memfd):wait())
            eq(memfd[63], 9)
            """)
    }

    /// No addition is lost, even on a busy machine.
    @Test func atomicsLoseNothing() throws {
        try check(
            """
            local b = mmap.anonymous(64, { shared = true })
            local children = {}
            for i = 1, 4 do
              children[i] = mmap.spawn(function(b)
                local a, c, d = b:atomic("u32", 0), b:atomic("u64", 8), b:atomic("i16", 16)
                for i = 1, 20000 do
                  a:add(1) d:add(1)
                  local old repeat old = c:load() until c:compareexchange(old, old + 3)
                end
              end, b)
            end
            for _, child in ipairs(children) do assert(child:wait()) end
            eq(b:get("u32", 0), 80000) eq(b:get("u64", 8), 240000) eq(b:get("i16", 16), 80000 - 65536)
            """)
    }

    @Test func processesWakeEachOther() throws {
        try check(
            """
            local b = mmap.memfd("words", 64)
            local ping, pong = b:atomic("u32", 0), b:atomic("u32", 4)
            local child = mmap.spawn(function(ping, pong, n)
              for i = 1, n do
                while ping:load() < i do ping:wait(i - 1) end
                pong:store(i)
                pong:wake(1)
              end
            end, ping, pong, 200)
            for i = 1, 200 do
              ping:store(i)
              ping:wake()
              while pong:load() < i do pong:wait(i - 1, 10) end
            end
            assert(child:wait())
            -- Locks too.
            local ready, stop = b:atomic("u32", 8), b:atomic("u32", 12)
            local holder = mmap.spawn(function(b, ready, stop)
              local lock <close> = b:lockrange(0, 8)
              ready:store(1) ready:wake()
              stop:wait(0)
            end, b, ready, stop)
            ready:wait(0)
            eq(b:lockrange(7, 1, "shared", 0), nil)
            b:lockrange(8, 8, "exclusive", 0):unlock()
            stop:store(1) stop:wake()
            assert(b:lockrange(7, 1)) -- also when the child has ended
            assert(holder:wait())
            """)
    }

    @Test func everyEndIsReported() throws {
        try check(
            """
            local function ends(f, ...) return mmap.spawn(f, ...):wait() end
            local ok, message, how, code = ends(function() local function inner() error("here", 1) end inner() end)
            eq(ok, false) has(message, ":4: here\\nstack traceback:") has(message, "inner'")
            eq(how, "exit") eq(code, 1)
            has(select(2, ends(function() error({}) end)), "(error object is a table value)")
            has(select(2, ends(function() mmap.open "/nonexistent" end)), "ENOENT")
            has(select(2, ends(function() return 1, {}, { print } end)), "result #3 of the child: a function cannot be sent")
            has(select(2, ends(function() return mmap.anonymous(1) end)), "result #1 of the child: a buffer cannot be a result")
            has(select(2, ends("/nonexistent.lua")), "cannot open /nonexistent.lua")
            ok, message, how, code = ends(function() os.exit(7) end)
            eq(ok, false) has(message, "ended with exit status 7") eq(how, "exit") eq(code, 7)
            eq(select("#", ends(function() os.exit(true) end)), 1)
            ok, message, how, code = ends(function() os.exit(false, true) end)
            eq(ok, false) eq(code, 1)
            local child = mmap.spawn(function(a) a:wait(0) end, mmap.memfd("m", 4):atomic("u32", 0))
            eq(child:running(), true)
            ok, message = child:wait(0)
            eq(ok, nil) eq(message, "timeout")
            ok, message = child:wait(0.1)
            eq(ok, nil) eq(message, "timeout")
            has(child, "is running")
            eq(child:kill("KILL"), true)
            for _ = 1, 2 do
              ok, message, how, code = child:wait()
              eq(ok, false) has(message, "was killed by signal 9 (Killed)") eq(how, "signal") eq(code, 9)
            end
            eq(child:running(), false) eq(child:kill(), false) eq(child:kill(0), false)
            has(child, "was killed by signal 9")
            for _, signal in ipairs { -1, 65, "NONE", "SIG", 1.5, {} } do
              has(select(2, pcall(child.kill, child, signal)), "bad argument #2")
            end
            has(select(2, pcall(child.wait, child, -1)), "0 seconds or more")
            """)
    }

    @Test func scriptsAreRunAsScripts() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(
            "child.lua", "#!/usr/bin/lua\nlocal b = ...\nb[0] = #arg\nreturn arg[0], select('#', ...), arg[2]"
        )
        let broken = try folder.file("broken.lua", "x =")
        try check(
            """
            local b = mmap.memfd("m", 10)
            local ok, name, count, second = mmap.spawn("\(path)", b, "two"):wait()
            eq(ok, true) eq(name, "\(path)") eq(count, 2) eq(second, "two") eq(b[0], 2)
            has(select(2, mmap.spawn("\(broken)"):wait()), "broken.lua:1: unexpected symbol")
            """)
    }

    @Test func scopesAndCollectorEndChildren() throws {
        try check(
            """
            local b = mmap.memfd("m", 64)
            do local c <close> = mmap.spawn(function(b) b[0] = 1 end, b) end
            eq(b[0], 1)
            has(select(2, pcall(function() local c <close> = mmap.spawn(function() error "inner" end) end)), "inner")
            do local c <close> = mmap.spawn(function() error "known" end) c:wait() end
            -- An error in the scope ends the child, and is the one that is told.
            local pid
            local ok, e = pcall(function()
              local c <close> = mmap.spawn(function(b) b:atomic("u32", 4):wait(0) end, b)
              pid = c:pid()
              error("outer", 0)
            end)
            eq(e, "outer")
            local function is_there(pid)
              local f = io.open("/proc/" .. pid .. "/stat")
              local state = f and f:read("a"):match "%) (%a)"
              if f then f:close() end
              return state
            end
            eq(is_there(pid), nil)
            -- A dropped child continues, and is not a zombie after it has ended and another was started.
            local a = b:atomic("u32", 8)
            pid = mmap.spawn(function(a) a:wait(0) a:store(2) a:wake() end, a):pid()
            collectgarbage() collectgarbage()
            a:store(1) a:wake()
            while a:load() ~= 2 do a:wait(1) end
            repeat assert(mmap.spawn(function() end):wait()) until is_there(pid) == nil
            -- Many of them take no descriptors with them.
            for _ = 1, 30 do mmap.spawn(function() end, b):wait() end
            local count = 0
            for i = 3, 200 do
              local f = io.open("/proc/self/fd/" .. i, "rb")
              if f then count = count + 1 f:close() end
            end
            assert(count < 60, count)
            """)
    }

    /// The output of parent and child is in order, and the child does not read the parent's input.
    @Test func streamsAreThoseOfTheParent() throws {
        let outcome = try Program.mmaplua.run(
            [
                "-e",
                """
                io.write("before ")
                mmap.spawn(function() io.write("inside ", tostring(io.read()), " ") io.stderr:write("errors") end):wait()
                print("after", io.read())
                """,
            ], input: "line\n")
        #expect(
            outcome
                == Outcome(output: "before inside nil after\tline\n", errors: "errors", ending: .status(0)))
    }

    @Test func childOutlivesParent() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/out"
        let outcome = try run(
            """
            mmap.spawn(function(path, parent)
              local function is_there()
                local f <close> = io.open("/proc/self/stat")
                return f:read("a"):match("%) %a (%d+)") == parent
              end
              while is_there() do end
              io.open(path, "w"):write("went on"):close()
              error "nobody hears it"
            end, "\(path)", io.open("/proc/self/stat"):read("a"):match("^%d+"))
            os.exit(5)
            """)
        #expect(outcome.ending == .status(5))
        #expect(folder.contents("out") == "went on")
        #expect(outcome.errors.contains("nobody hears it"))
    }

    @Test(arguments: ["a:wait(0)", "b:lockrange(0, 1)", "mmap.spawn(function(a) a:wait(0, 2) end, a):wait()"])
    func ctrlCAndTimeLimitEndWait(_ wait: String) throws {
        let code = """
            local b = mmap.memfd("m", 8)
            local a, lock = b:atomic("u32", 0), b:lockrange()
            if INTERRUPT then
              mmap.spawn(function(pid)
                local function state()
                  local f <close> = io.open("/proc/" .. pid .. "/stat")
                  return f:read("a"):match("%) (%a)")
                end
                while state() ~= "S" do end
                os.execute("kill -INT " .. pid)
              end, io.open("/proc/self/stat"):read("a"):match("^%d+"))
            end
            print(pcall(function() \(wait) end))
            """
        let timed = try run(code, ["--time=1"])
        #expect(timed.ending == .status(124))
        #expect((timed.output + timed.errors).contains("time limit exceeded"), "\(timed)")
        let stopped = try run("INTERRUPT = true " + code)
        #expect((stopped.output + stopped.errors).contains("interrupted!"), "\(stopped)")
        #expect(stopped.ending != .timeout)
    }

    @Test func limitsHoldForChildren() throws {
        try check(
            """
            local ok, message, how, code = mmap.spawn(function() return #("x"):rep(200 << 20) end):wait()
            eq(ok, false) has(message, "not enough memory") eq(code, 123)
            ok, message = mmap.spawn(function() mmap.anonymous(200 << 20) end):wait()
            has(message, "--memory")
            ok, message = mmap.spawn(function() return io.open("/proc/self/cmdline"):read("a") end):wait()
            has(message, "\\0--memory=100M\\0--time=60s\\0-E\\0--child=")
            """, ["--memory=100M", "--time=60s", "-E"])
    }

    @Test func sandboxAllowsOnlySandboxedChildren() throws {
        let refused = try run("mmap.spawn(function() end)", ["--sandbox"])
        #expect(refused.errors.contains("mmap.spawn is not allowed in a sandbox (use --allow-run)"))
        let folder = try TemporaryFolder()
        let secret = try folder.file("secret.lua", "return 'secret'")
        try check(
            """
            eq(select(2, mmap.spawn(function(x) return x + 1 end, 1):wait()), 2)
            has(select(2, mmap.spawn(function(path) return io.open(path) end, "\(secret)"):wait()), "is not allowed")
            has(select(2, mmap.spawn("\(secret)"):wait()), "is not allowed")
            has(select(2, mmap.spawn(function() return load(string.dump(load "return 1")) () end):wait()), "attempt to call a nil")
            """, ["--sandbox", "--allow-run"])
        // Shared memory is a file, and needs permission for its path.
        let shared = try run("mmap.shared('mmaplua-test-sandbox', 10)", ["--sandbox"])
        #expect(shared.errors.contains("use --allow-read=/dev/shm/mmaplua-test-sandbox"), "\(shared.errors)")
        let removed = try run("mmap.unlink('mmaplua-test-sandbox')", ["--sandbox"])
        #expect(removed.errors.contains("removing it is not allowed"), "\(removed.errors)")
        try check("mmap.memfd('m', 10)[0] = 1", ["--sandbox"])
    }

    /// A child's answer is checked: any process may have written it.
    @Test func forgedAnswersAreRefused() throws {
        try check(
            """
            for seed = 1, 40 do
              local ok, message = mmap.spawn(function(seed)
                math.randomseed(seed)
                local function number() return string.pack("=i8", math.random(-2, 70)) end
                local tags = { "z", "f", "t", "i", "d", "s", "{", "}", "r", "m", "b", "l", "v", "a", "\\0" }
                local body = { seed % 2 == 0 and "ti" .. number() or "f" }
                for i = 2, math.random(2, 60) do body[i] = math.random(3) == 1 and number() or tags[math.random(#tags)] end
                body = table.concat(body)
                local f <close> = io.open("/proc/self/cmdline")
                local message = io.open("/proc/self/fd/" .. f:read("a"):match("%-%-child=(%d+)"), "r+b")
                message:write(string.pack("=I8I8", 0x3270616d6d756c61, #body), body)
                message:close()
                os.exit(0)
              end, seed):wait()
              assert(ok ~= nil)
            end
            """)
    }

    /// With SIGCHLD ignored the exit status of a child is unknown, but its answer is there.
    @Test(.enabled(if: Program(path: "/usr/bin/perl").exists, "there is no perl to ignore them"))
    func ignoredSIGCHLD() throws {
        let script = """
            print(mmap.spawn(function() return 5 end):wait())
            print(select("#", mmap.spawn(function() os.exit(3) end):wait()))
            """
        let outcome = try Program(path: "/usr/bin/perl").run(
            ["-e", "$SIG{CHLD} = 'IGNORE'; exec @ARGV", Program.mmaplua.path, "-e", script])
        #expect(outcome.output == "true\t5\n2\n", "\(outcome)")
    }

    /// The internal option `--child`, given by hand, must not damage the descriptor's file.
    @Test(arguments: ["0", "1", "99", "7"]) func foreignDescriptorsAreRefused(_ descriptor: String)
        throws
    {
        let outcome = try Program.mmaplua.run(["--child=" + descriptor], input: "x")
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains("this descriptor is not from mmap.spawn"))
    }

    /// scripts/test sets MMAPLUA_MODULE to the module of the release build.
    @Test(
        .enabled(
            if: Program.lua.exists && Program.variable("MMAPLUA_MODULE") != nil,
            "there is no lua5.4, or no module for it: MMAPLUA_MODULE"))
    func plainLuaStartsItself() throws {
        let module = try #require(Program.variable("MMAPLUA_MODULE"))
        let outcome = try Program.lua.run(
            [
                "-e",
                """
                package.cpath = "\(module)"
                local mmap = require "mmap"
                local b = mmap.memfd("m", 64)
                print(mmap.spawn(function(b, x) b[0] = 7 return x .. mmap._VERSION end, b, "with "):wait())
                print(b[0])
                print(mmap.spawn(function() error "oops" end):wait())
                """,
            ])
        #expect(outcome.output.hasPrefix("true\twith mmaplua"))
        #expect(outcome.output.contains("\n7\nfalse\t(command line):6: oops\nstack traceback:"), "\(outcome)")
        #expect(outcome.ending == .status(0))
    }
}
