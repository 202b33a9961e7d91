import Glibc
import Testing

/// Output of the instruments' options, and pictures on a terminal.
@Suite struct InstrumentTests {
    @Test func everySystemCallIsReportedWithItsLine() throws {
        let folder = try TemporaryFolder()
        let script = try folder.file(
            "script.lua",
            """
            local path = ...
            local b = mmap.open(path, "w+", { size = 8192 })
            b:advise(0, 4096, "sequential")
            coroutine.wrap(function()
              b:sync(true)
            end)()
            pcall(mmap.open, path .. "\\n")
            b:close()
            """)
        let path = folder.path + "/data"
        let outcome = try Program.mmaplua.run(["--trace", script, path])
        #expect(outcome.ending == .status(0))
        #expect(outcome.output == "")
        let lines = outcome.errors.split(separator: "\n").map(String.init)
        func has(_ line: Int, _ start: String, _ end: String) -> Bool {
            lines.contains {
                $0.contains("script.lua:\(line): \(start)") && $0.contains(end) && $0.hasSuffix(">")
            }
        }
        #expect(has(2, "open(\"\(path)\", O_RDWR|O_CREAT|O_EXCL", ") = "))
        #expect(has(2, "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_SHARED, ", ", 0) = 0x"))
        #expect(has(2, "close(", ") = 0 <0."))
        #expect(has(3, "madvise(0x", ", 4096, MADV_SEQUENTIAL) = 0"))
        #expect(has(5, "msync(0x", ", 8192, MS_SYNC) = 0"))
        #expect(has(7, "open(\"\(path)\\x0a\"", " = -1 ENOENT (No such file or directory)"))
        #expect(has(8, "munmap(0x", ", 8192) = 0"))
        #expect(try Program.mmaplua.run([script, path]).errors == "")
    }

    @Test(arguments: ["", "os.exit(true, true)", "os.exit(0)"])
    func faultsAreReportedAtEnd(_ ending: String) throws {
        let outcome = try Program.mmaplua.run([
            "--faults", "-e", "mmap.anonymous(1 << 20):touch() print 'done' \(ending)",
        ])
        #expect(outcome.ending == .status(0))
        #expect(outcome.output == "done\n")
        let words = outcome.errors.split(separator: " ").map(String.init)
        #expect(words.first?.hasSuffix("mmaplua:") == true)
        #expect(words.contains("minor") && words.contains("major") && words.contains("resident"))
    }

    private static let script =
        "local b = mmap.anonymous(64 * mmap.PAGESIZE) b:touch(0, 10 * mmap.PAGESIZE) print(b:show())"

    @Test func picturesSuitTheTerminal() throws {
        let unicode = try Terminal(.mmaplua, ["-e", Self.script], environment: ["LANG": "C.UTF-8"])
        #expect(unicode.sees("█") && unicode.sees("·"))
        #expect(unicode.end() == .status(0))
        for environment in [["NO_COLOR": "1"], ["LANG": "C"]] {
            let plain = try Terminal(.mmaplua, ["-e", Self.script], environment: environment)
            #expect(plain.sees("##########......"))
            #expect(plain.end() == .status(0))
        }
        #expect(try Program.mmaplua.run(["-e", Self.script]).output.contains("##########......"))
    }

    @Test func watchedPictureIsRedrawn() throws {
        let folder = try TemporaryFolder()
        let script = """
            local b = mmap.anonymous(64 * mmap.PAGESIZE)
            b:watch(function()
              b:touch(0, 10 * mmap.PAGESIZE)
              repeat until io.open "\(folder.path)/seen"
              b:touch()
            end)
            print(pcall(b.watch, b, function() error("inside", 0) end))
            b:watch(function() b:close() end)
            """
        let terminal = try Terminal(.mmaplua, ["-e", script], environment: ["NO_COLOR": "1"])
        #expect(terminal.sees("in memory 0 pages"))
        #expect(terminal.sees("++++++++++......"))
        try folder.file("seen", "")
        #expect(terminal.sees("in memory 64 pages"))
        #expect(terminal.sees("false\tinside"))
        #expect(terminal.end() == .status(0))
    }

    /// For a caller who neither owns the file nor may write it, the kernel says that all pages are resident.
    @Test(
        .enabled(
            if: geteuid() == 0 && Program(path: "/usr/bin/setpriv").exists,
            "only root can become another user, and by setpriv"))
    func hiddenResidencyIsNotReported() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("data", String(repeating: "x", count: 100_000))
        chmod(folder.path, 0o755)
        chmod(path, 0o644)
        let script = try folder.file(
            "script.lua",
            """
            local b = mmap.open(...)
            for _, name in ipairs { "pages", "incore", "show", "cachestat" } do
              local ok, e = pcall(b[name], b)
              print(name, ok, not ok and e.code)
            end
            print("evict", mmap.evict(...))
            for _, name in ipairs { "holes", "smaps", "pagemap", "explain" } do print(name, (pcall(b[name], b))) end
            """)
        chmod(script, 0o644)
        // The other user may have no access to the build folder.
        _ = try Program(path: "/bin/cp").run([Program.mmaplua.path, folder.path + "/mmaplua"])
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", folder.path + "/mmaplua"]
        let setpriv = Program(path: "/usr/bin/setpriv")
        guard try setpriv.run(user + ["-v"]).ending == .status(0) else {
            print("skipped: another user cannot run mmaplua here")
            return
        }
        let outcome = try setpriv.run(user + [script, path])
        #expect(outcome.errors == "")
        let hidden = ["pages", "incore", "show", "cachestat"].map { "\($0)\tfalse\t" }
        let lines = outcome.output.split(separator: "\n").map(String.init)
        for (line, start) in zip(lines, hidden) {
            #expect(line.hasPrefix(start) && (line.hasSuffix("EPERM") || line.hasSuffix("ENOSYS")), "\(line)")
        }
        #expect(
            Array(lines.dropFirst(4)) == [
                "evict\tnil\tnil", "holes\ttrue", "smaps\ttrue", "pagemap\ttrue", "explain\ttrue",
            ])
    }
}
