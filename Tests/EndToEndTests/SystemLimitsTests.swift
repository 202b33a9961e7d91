import Testing

/// The limits that ulimit(1) sets, for the program as a user runs it: each is an error that names it.
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

    /// Lua has taken the last byte, and then something is called that needs some in Swift.
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
    func `no memory left is an error`(call: String) throws {
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

    /// Every thread has counters of its own.
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

    /// The kernel's limit of mappings meets whatever splits one or makes another.
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
}
