import Glibc
import Testing

/// The limits of ulimit(1), for the program as a user runs it: each is an error that names the limit.
@Suite struct SystemLimitsTests {
    private func run(_ limits: String, _ code: String) throws -> Outcome {
        try Program(path: "/bin/sh").run(
            [
                "-c", #"ulimit -c 0; eval "$1"; shift; exec "$@""#, "sh", limits, Program.mmaplua.path, "-e",
                code,
            ])
    }

    private static let isOptimized: Bool = {
        #if DEBUG
            false
        #else
            true
        #endif
    }()

    /// Lua has allocated the last byte; then a function is called that allocates in Swift.
    @Test(
        .enabled(if: isOptimized, "unoptimized code of Swift has its closures on the heap"),
        arguments: [
            "w:unique()", "w:sort()", "v:unique()", "v:sort()", "f:sum()", "f:mean()", "f:variance()",
            "v:minmax()",
            "v:histogram(10)", "v:dot(v)", "v:add(1)", "v:count('>', 1)", "b:count 'ab'", "b:find 'ab'",
            "b:rfind 'ab'", "b:crc32()", "b:sha256()", "b:xxh3()", "b:equals(b)", "b:fill(1)", "b:copy(0, b)",
            "b:touch()", "b:incore()", "b:pages()", "b:pagemap()", "b:smaps()", "b:explain()", "b:show()",
            "b:split(10)", "b:match '(%a+)%s[xyz]-q'", "b:lines()()", "b:fields(',')()", "r:count(b)",
            "r:find(b)",
            "mmap.regex 'x(a|b)+'", "mmap.evict(b)", "mmap.open '/bin/sh'",
            "mmap.anonymous(10, { shared = true })",
            "mmap.spawn(function() end):wait()", "mmap.advices()",
        ])
    func `running out of memory in Swift is an error`(call: String) throws {
        let outcome = try run(
            "ulimit -v 400000",
            """
            local b = mmap.anonymous(24 << 20)
            local v, w, f, r = b:view "u32", b:view "u16", b:view "f64", mmap.regex "(a|b)*c"
            local work, kept, block = function() \(call) end, {}, ("x"):rep(1 << 16)
            pcall(function()
              for _, size in ipairs { 1 << 24, 1 << 20, 1 << 16, 1 << 14, 1 << 11, 512, 200, 100, 60, 20 } do
                while true do
                  local ok, text = pcall(string.rep, size >= #block and block or "x", math.max(size // #block, size % #block))
                  if not ok then break end
                  kept = { text, kept }
                end
              end
            end)
            local ok, problem = pcall(work)
            kept = nil
            print(ok or tostring(problem):find("memory") and true or problem)
            """)
        #expect(outcome.output.hasSuffix("true\n"), "\(outcome)")
        #expect(outcome.ending == .status(0))
    }

    /// Each thread has its own counters.
    @Test func `counters that do not fit are an error`() throws {
        let outcome = try run(
            "ulimit -v 500000",
            """
            local v, failures = mmap.anonymous(32 << 20):view "f32", 0
            for i = 16, 24 do
              local ok, problem = pcall(v.histogram, v, 1 << i, 0, 1)
              if not ok then failures = failures + 1; assert(tostring(problem):find "memory", problem) end
            end
            print(failures > 0)
            """)
        #expect(outcome.output == "true\n", "\(outcome)")
        #expect(outcome.ending == .status(0))
    }

    @Test(arguments: [
        ("ulimit -v 400000", "mmap.anonymous(4096):resize(64 << 30)", "mremap", "ENOMEM", "ulimit -v"),
        ("ulimit -v 400000", "mmap.anonymous(64 << 30)", "mmap", "ENOMEM", "ulimit -v"),
        ("ulimit -v 400000", "mmap.memfd('x', 64 << 30)", "mmap", "ENOMEM", "ulimit -v"),
        ("ulimit -v 400000", "mmap.anonymous(64 << 30, { shared = true })", "mmap", "ENOMEM", "ulimit -v"),
        ("ulimit -n 32", "full() mmap.open '/bin/sh'", "open", "EMFILE", "ulimit -n"),
        ("ulimit -n 32", "full() mmap.memfd('x', 10)", "memfd_create", "EMFILE", "ulimit -n"),
        ("ulimit -n 32", "full() mmap.shared('x', 10)", "open", "EMFILE", "ulimit -n"),
        ("ulimit -n 32", "full() mmap.spawn(function() end)", "memfd_create", "EMFILE", "ulimit -n"),
    ])
    func `a limit is named`(limits: String, call: String, function: String, code: String, name: String) throws
    {
        let outcome = try run(
            limits,
            """
            function full()
              local kept = {}
              for i = 1, 100 do kept[i] = io.open "/dev/null" end
              _G.kept = kept
            end
            local ok, e = pcall(function() \(call) end)
            kept = nil
            print(ok, e.call, e.code, e.message:find("\(name)", 1, true) ~= nil)
            """)
        #expect(outcome.output == "false\t\(function)\t\(code)\ttrue\n", "\(outcome)")
        #expect(outcome.ending == .status(0))
    }

    /// The kernel's limit of mappings affects every call that splits or adds a mapping.
    @Test func `the limit of mappings is named`() throws {
        let outcome = try run(
            "ulimit -l unlimited",
            """
            local b = mmap.anonymous(1 << 20)
            local path = os.tmpname()
            io.open(path, "w"):write(("x"):rep(8192)):close()
            local m, kept = mmap.open(path), {}
            local ok = pcall(function()
              for i = 1, 300000 do kept[i] = mmap.open(path, i % 2 == 0 and "r" or "c") end
            end)
            os.remove(path)
            if ok then print "skipped: vm.max_map_count is very large" os.exit(0) end
            local function try(name, ...)
              local ok, e = pcall(b[name], b, ...)
              print(name, not ok and e.message:find("max_map_count", 1, true) ~= nil)
            end
            try("advise", 4096, 4096, "random")
            try("resize", 1 << 24)
            print("anonymous", (select(2, pcall(function()
              for i = 1, 100 do kept[#kept + 1] = mmap.anonymous(4096, { shared = true }) end
            end)).message or ""):find("max_map_count", 1, true) ~= nil)
            """)
        if outcome.output.hasPrefix("skipped") {
            print(outcome.output)
            return
        }
        #expect(outcome.output == "advise\ttrue\nresize\ttrue\nanonymous\ttrue\n", "\(outcome)")
    }

    // MARK: Signals

    /// Each call would grow a file over 64 blocks of 512 bytes: the kernel sends SIGXFSZ.
    @Test(arguments: [
        ("mmap.spawn(function(s) return #s end, x)", "false\twrite\tEFBIG\ttrue"),
        ("mmap.spawn(x, 1)", "false\twrite\tEFBIG\ttrue"),
        ("mmap.open(path, 'w+', { size = 1 << 20 })", "false\tposix_fallocate\tEFBIG\ttrue"),
        (
            "io.open(path, 'w'):close() mmap.open(path, 'r+', { length = 1 << 20, grow = true })",
            "false\tposix_fallocate\tEFBIG\ttrue"
        ),
        ("mmap.open(path, 'w+', { size = 10 }):resize(1 << 20)", "false\tposix_fallocate\tEFBIG\ttrue"),
        ("mmap.sparse(path, 1 << 20)", "false\tftruncate\tEFBIG\ttrue"),
        ("mmap.memfd('x', 1 << 20)", "false\tftruncate\tEFBIG\ttrue"),
        (
            "mmap.shared('mmaplua-limit-' .. path:gsub('%W', '.'), 1 << 20)",
            "false\tposix_fallocate\tEFBIG\ttrue"
        ),
    ])
    func `a file over the limit is an error`(call: String, expected: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try run(
            "ulimit -f 64",
            """
            local x, path = ("x"):rep(1 << 20), "\(folder.path)/file"
            local ok, e = pcall(function() \(call) end)
            print(ok, e.call, e.code, e.message:find("ulimit -f", 1, true) ~= nil)
            """)
        #expect(outcome == Outcome(output: expected + "\n", errors: "", ending: .status(0)))
    }

    /// Also where the script does not look at what its own write says.
    @Test(arguments: [
        "mmap.writefile(path, x)", "mmap.writefile(path, mmap.open(big))",
        "mmap.writefile(path, function(f) f:write(x) end)",
        "mmap.writefile(path, function(f) f:write(x) f:close() end)",
        "mmap.writefile(path, function(f) f:setvbuf('full', 4 << 20) f:write(x) end)",
        "mmap.writefile(path, function(f) f:setvbuf('full', 4 << 20) f:write(x) f:close() end)",
    ])
    func `a file that cannot be written whole stays as it was`(call: String) throws {
        let folder = try TemporaryFolder()
        let big = try folder.file("big", String(repeating: "x", count: 1 << 20))
        let path = try folder.file("file", "old")
        let outcome = try run(
            "ulimit -f 64",
            """
            local x, path, big = ("x"):rep(1 << 20), "\(path)", "\(big)"
            local ok, e = pcall(function() \(call) end)
            print(ok, e.call, e.code, e.path == path)
            os.execute "ls -A '\(folder.path)'"
            """)
        // What failed in the function's own write only the function knows.
        let code = call.contains("function") ? "EIO" : "EFBIG"
        #expect(
            outcome
                == Outcome(output: "false\twrite\t\(code)\ttrue\nbig\nfile\n", errors: "", ending: .status(0)),
            "\(call)")
        #expect(folder.contents("file") == "old")
    }

    @Test func `what Lua itself writes over the limit is an error`() throws {
        let folder = try TemporaryFolder()
        let outcome = try run(
            "ulimit -f 64",
            """
            local file <close> = io.open("\(folder.path)/file", "w")
            file:setvbuf "no"
            print(file:write(("x"):rep(1 << 20)))
            """)
        #expect(outcome == Outcome(output: "nil\tFile too large\t27\n", errors: "", ending: .status(0)))
        #expect(folder.contents("file")?.utf8.count == 32 << 10)
    }

    /// A file that is already over the limit can be made smaller.
    @Test func `shrinking needs no limit`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("file", String(repeating: "x", count: 300_000))
        let outcome = try run(
            "ulimit -f 64", "local b = mmap.open('\(path)', 'r+') b:resize(200000) print(#b)")
        #expect(outcome == Outcome(output: "200000\n", errors: "", ending: .status(0)))
    }

    @Test func `a child whose result is over the limit says so`() throws {
        let outcome = try run(
            "ulimit -f 64",
            """
            local child = mmap.spawn(function() return ("x"):rep(1 << 20) end)
            local ok, message, how, status = child:wait()
            print(ok, message:find("ulimit -f", 1, true) ~= nil, how, status)
            """)
        #expect(outcome == Outcome(output: "false\ttrue\texit\t1\n", errors: "", ending: .status(0)))
    }

    @Test func `an error that a child cannot report is on standard error`() throws {
        let outcome = try run(
            "ulimit -f 64", "print((mmap.spawn(function() error(('x'):rep(1 << 20), 0) end):wait()))")
        #expect(outcome.output == "false\n", "\(outcome.output)")
        #expect(outcome.errors.contains("xxxx"))
        #expect(outcome.ending == .status(0))
    }

    /// A program started by a script inherits the signal dispositions that mmaplua itself inherited.
    @Test func `started programs inherit the original signal dispositions`() throws {
        let mask: UInt64 = 1 << UInt64(SIGXFSZ - 1) | 1 << UInt64(SIGPIPE - 1) | 1 << UInt64(SIGXCPU - 1)
        let code = "os.execute 'cat /proc/self/status' io.popen('cat /proc/self/status'):lines()()"
        for limits in ["ulimit -St 100", "trap '' XFSZ PIPE XCPU; ulimit -St 100"] {
            let outcome = try run(limits, code)
            let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("SigIgn:") }
            let ignored = line.flatMap { UInt64($0.dropFirst(7).filter { !$0.isWhitespace }, radix: 16) }
            #expect((ignored ?? 1) & mask == (limits.hasPrefix("trap") ? mask : 0), "\(outcome)")
        }
    }

    @Test func `a pipe without a reader is an error`() throws {
        let outcome = try run(
            ":",
            """
            local p <close> = io.popen("exec true", "w")
            p:setvbuf "no"
            local ok, message, code
            repeat ok, message, code = p:write(("x"):rep(1 << 16)) until not ok
            print(ok, message, code)
            """)
        #expect(outcome == Outcome(output: "nil\tBroken pipe\t32\n", errors: "", ending: .status(0)))
    }

    /// As every filter: SIGPIPE ends the process.
    @Test func `SIGPIPE ends a program without a reader`() throws {
        let outcome = try Program(path: "/bin/bash").run([
            "-c", #""$0" -e 'while true do print(1) end' | head -1; echo "${PIPESTATUS[0]}""#,
            Program.mmaplua.path,
        ])
        #expect(outcome.output == "1\n\(128 + SIGPIPE)\n", "\(outcome)")
    }

    @Test func `the CPU time limit is an error, then ends the script`() throws {
        let words = "CPU time limit exceeded (\"ulimit -t\")"
        let caught = try run("ulimit -St 1", "print(pcall(function() while true do end end))")
        #expect(caught.output == "false\t(command line):1: \(words)\n")
        #expect(caught.errors.hasSuffix("\(words)\n"))
        #expect(caught.ending == .status(124))
        for code in [
            "while true do end", "while true do pcall(function() while true do end end) end",
            "string.find(('a'):rep(200000), '.-.-.-b')",
            "coroutine.wrap(function() while true do end end)()",
            "local e, s = mmap.regex('(a+)+[bc]'), ('a'):rep(1 << 20) while true do pcall(e.find, e, s) end",
        ] {
            let outcome = try run("ulimit -St 1", code)
            #expect(outcome.ending == .status(124), "\(code): \(outcome)")
            #expect(outcome.errors.contains(words), "\(code): \(outcome)")
        }
    }

    // MARK: The stack

    /// The maximum depth of nested C calls in Lua, on the stack that "ulimit -s" leaves.
    @Test(arguments: ["64", "256", "1024"]) func `a small stack is large enough`(size: String) throws {
        let outcome = try run(
            "ulimit -s \(size)",
            """
            local function deep(n) return n == 0 and 1 or ("x"):gsub("x", function() return deep(n - 1) end) end
            print((pcall(deep, 150)))
            local b = mmap.anonymous(1 << 26)
            b:fill "abc"
            print(#b:view "u32":sort(), b:count "abc", mmap.regex("a(b|c)+"):count(b))
            print(mmap.spawn(function() return 1 end):wait())
            """)
        let isRefused = outcome.errors.contains("ulimit -s") && outcome.ending == .status(1)
        let counts = "\((1 << 24))\t"
        #expect(isRefused || outcome.output.hasPrefix("true\n\(counts)"), "\(outcome)")
        #expect(isRefused || outcome.ending == .status(0))
    }
}
