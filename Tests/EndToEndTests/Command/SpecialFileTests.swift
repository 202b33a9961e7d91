import Glibc
import Testing

/// Special files in every place where the program opens a file by itself. Nothing waits forever, and the program says
/// which file it skips.
@Suite struct SpecialFileTests {
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case pipe, socket, folder, device, dangling, circular
        var testDescription: String { rawValue }

        /// A pipe without a writer; a socket without a listener.
        func make(at path: String) throws {
            switch self {
            case .pipe: try check("mkfifo", mkfifo(path, 0o644))
            case .folder: try check("mkdir", mkdir(path, 0o755))
            case .device: try check("symlink", symlink("/dev/zero", path))
            case .dangling: try check("symlink", symlink(path + ".target", path))
            case .circular: try check("symlink", symlink(path, path))
            case .socket:
                let descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
                let size = socklen_t(MemoryLayout<sockaddr_un>.size)
                let result = withUnsafePointer(to: address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
                }
                close(descriptor)
                try check("bind", result)
            }
        }

        private func check(_ call: String, _ result: CInt) throws {
            if result != 0 { throw SystemFailure(call) }
        }
    }

    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func make(_ kind: Kind, _ name: String = "special") throws -> String {
        let path = folder.path + "/" + name
        try kind.make(at: path)
        return path
    }

    // MARK: A session

    private static let notPlain = "it is not a regular file"
    private static let problems: [Kind: String] = [
        .pipe: notPlain, .socket: notPlain, .folder: notPlain, .device: notPlain,
        .circular: "Too many levels of symbolic links",
    ]

    /// The places, and the message for each kind of file.
    @Test(arguments: ["MMAPLUA_HISTORY", "XDG_STATE_HOME", "EDITRC", "HOME"], Kind.allCases)
    func sessionSkipsSpecialFile(place: String, kind: Kind) throws {
        let names = ["XDG_STATE_HOME": "mmaplua/history", "HOME": ".editrc"]
        if place == "XDG_STATE_HOME" { mkdir(folder.path + "/mmaplua", 0o755) }
        let path = try make(kind, names[place] ?? "special")
        var environment = [place: names[place] == nil ? path : folder.path]
        if place == "EDITRC" || place == "HOME" { environment["MMAPLUA_HISTORY"] = "" }
        let terminal = try Terminal(.mmaplua, environment: environment)
        let what =
            names[place] == ".editrc" || place == "EDITRC"
            ? "cannot read key bindings" : "history is disabled"
        // A path may be longer than the terminal's line.
        if let problem = Self.problems[kind] {
            #expect(terminal.sees("\(what): \(path): \(problem)\n"))
        }
        #expect(terminal.sees("> "))
        #expect(!terminal.shown.contains(what))
        terminal.type("'a' .. 'b'\n")
        #expect(terminal.sees("\nab\n> "))
        terminal.type("\u{4}")
        #expect(terminal.end() == .status(0))
        if kind == .dangling, what == "history is disabled" {
            #expect(TemporaryFolder.contents(path: path + ".target") == "'a' .. 'b'\n")
        }
    }

    @Test func nullDeviceMeansNoHistory() throws {
        let terminal = try Terminal(.mmaplua, environment: ["MMAPLUA_HISTORY": "/dev/null"])
        #expect(terminal.sees("> "))
        #expect(!terminal.shown.contains("history"))
        terminal.type("1 + 1\n")
        #expect(terminal.sees("\n2\n> "))
    }

    /// A history file that becomes a pipe during the session.
    @Test func historyIsNotWrittenToPipe() throws {
        let path = try folder.file("history", "")
        let terminal = try Terminal(.mmaplua, environment: ["MMAPLUA_HISTORY": path])
        #expect(terminal.sees("> "))
        remove(path)
        try Kind.pipe.make(at: path)
        for number in ["1", "2"] {
            terminal.type("'x' .. \(number)\n")
            #expect(terminal.sees("\nx\(number)\n> "))
        }
    }

    // MARK: Scripts

    private func run(_ program: Program, _ place: String, _ path: String, _ options: [String] = []) throws
        -> Outcome
    {
        place == "LUA_INIT"
            ? try program.run(
                options + ["-e", "print 'later'"], environment: ["LUA_INIT": "@" + path], name: "lua")
            : try program.run(options + [path], name: "lua")
    }

    /// A file that cannot be read is an error as in lua5.4, in a sandbox too.
    @Test(arguments: ["LUA_INIT", "script"], Kind.allCases.filter { $0 != .pipe })
    func scriptsAreReadAsInLua(place: String, kind: Kind) throws {
        let path = try make(kind)
        let outcome = try run(.mmaplua, place, path)
        #expect(outcome.ending == .status(1))
        #expect(outcome.output == "")
        #expect(outcome.errors.contains(path))
        #expect(try run(.mmaplua, place, path, ["--sandbox"]) == outcome)
        if Program.lua.exists { #expect(try run(.lua, place, path) == outcome) }
    }

    /// A pipe can be a script, as in lua5.4: "mmaplua <(generator)".
    @Test(arguments: [
        "LUA_INIT=@\"$2\" exec \"$1\" -e 'print(2)'", "exec \"$1\" \"$2\"", "exec \"$1\" --sandbox \"$2\"",
    ])
    func pipeMayBeScript(command: String) throws {
        let path = try make(.pipe)
        let outcome = try Program(path: "/bin/sh").run(
            ["-c", "echo 'print(1)' > \"$2\" & \(command)", "sh", Program.mmaplua.path, path])
        #expect(outcome.errors == "" && outcome.ending == .status(0))
        #expect(outcome.output == (command.hasPrefix("LUA_INIT") ? "1\n2\n" : "1\n"))
    }

    @Test func standardInputByPathIsScript() throws {
        for options in [[], ["--sandbox"]] {
            let outcome = try Program.mmaplua.run(options + ["/dev/stdin"], input: "print(6 * 7)")
            #expect(outcome == Outcome(output: "42\n", errors: "", ending: .status(0)))
        }
    }

    @Test(arguments: ["LUA_INIT", "script", "lesson"]) func ctrlCEndsWaitForScript(place: String) throws {
        let path = try make(.pipe)
        let arguments =
            place == "lesson" ? ["--lesson", path] : place == "script" ? [path] : ["-e", "print(1)"]
        let terminal = try Terminal(
            .mmaplua, arguments, environment: place == "LUA_INIT" ? ["LUA_INIT": "@" + path] : [:])
        #expect(!terminal.sees("x", within: 1))
        terminal.type("\u{3}")
        #expect(terminal.end() == .signal(SIGINT))
    }

    // MARK: Lessons

    private static let lesson =
        "-- x.lua - about x\nlocal lesson <close> = require 'mmap.lesson'\nlesson.claim(true, 'a claim')\n"

    @Test(arguments: Kind.allCases) func lessonMustBeFile(kind: Kind) throws {
        let path = try make(kind, "x.lua")
        let source = try folder.file("lesson", Self.lesson)
        let outcome = try Program(path: "/bin/sh").run(
            [
                "-c", kind == .pipe ? "cat '\(source)' > \"$3\" & exec \"$@\"" : "exec \"$@\"", "sh",
                Program.mmaplua.path, "--lesson", path, "--check",
            ])
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains(kind == .pipe ? "a pipe or socket has no pages to map" : path))
    }

    @Test(arguments: Kind.allCases) func folderOfLessonsMayContainOtherFiles(kind: Kind) throws {
        let lessons = folder.path + "/share/mmaplua/lessons"
        _ = try Program(path: "/bin/mkdir").run(["-p", lessons, folder.path + "/bin"])
        _ = try Program(path: "/bin/cp").run([Program.mmaplua.path, folder.path + "/bin/mmaplua"])
        let installed = Program(path: folder.path + "/bin/mmaplua")
        try folder.file("share/mmaplua/lessons/01-good.lua", Self.lesson)
        _ = try make(kind, "share/mmaplua/lessons/02-bad.lua")
        let list = try installed.run(["--lessons"])
        #expect(list.ending == .status(0))
        #expect(list.output.contains(" 1  good  about x\n\n"))
        #expect(!list.output.contains("bad"))
        let check = try installed.run(["--lessons", "--check"])
        #expect(check.output.hasSuffix("lessons: 1 passed, 0 failed\n"))
        #expect(try installed.run(["--lesson", "2"]).errors.contains("there is no lesson '2'"))
    }

    @Test(arguments: Kind.allCases) func lessonsNeedFolderForFiles(kind: Kind) throws {
        let script = try folder.file("x.lua", Self.lesson)
        let path = try make(kind)
        let outcome = try Program.mmaplua.run(
            ["--lesson", script, "--check"], environment: ["TMPDIR": path])
        #expect(outcome.ending == .status(0), "\(outcome)")
        #expect(outcome.output.contains("1 claim holds"))
    }

    // MARK: Files named by scripts

    private static let calls = """
        local path, shared = ...
        local function say(name, call, ...)
            local ok, e = pcall(call, ...)
            print(name, ok, ok or tostring(e))
            if ok and type(e) == 'userdata' then e:close() end
        end
        for _, mode in ipairs { 'r', 'r+', 'c', 'w+' } do say(mode, mmap.open, path, mode) end
        say('length', mmap.open, path, 'r', { length = 1 })
        say('evict', mmap.evict, path) say('sparse', mmap.sparse, path, 1)
        say('shared', mmap.shared, shared) say('size', mmap.shared, shared, 10)
        say('new', mmap.shared, shared, 10, { exclusive = true })
        say('unlink', mmap.unlink, shared)
        """

    /// No call waits, and the answers in a sandbox are the same: `ELOOP` for a link in the place of shared memory.
    @Test(.enabled(if: access("/dev/shm", W_OK) == 0), arguments: Kind.allCases)
    func noCallWaits(kind: Kind) throws {
        let script = try folder.file("calls.lua", Self.calls)
        let name = "mmaplua-test-\(getpid())-\(kind.rawValue)"
        let shared = "/dev/shm/" + name
        defer { for path in [shared, shared + ".target"] { remove(path) } }
        var outcomes: [Outcome] = []
        let allowed = [folder.path, "/dev/shm", "/dev/zero"].flatMap {
            ["--allow-read=\($0)", "--allow-write=\($0)"]
        }
        for options in [[], ["--sandbox"] + allowed, ["--sandbox", "--allow-run"] + allowed] {
            let path = try make(kind)
            try kind.make(at: shared)
            outcomes.append(try Program.mmaplua.run(options + [script, path, name]))
            for path in [path, path + ".target", shared, shared + ".target"] { remove(path) }
        }
        let first = outcomes[0]
        #expect(first.ending == .status(0) && first.errors == "", "\(first)")
        for outcome in outcomes { #expect(outcome == first) }
        if [.device, .dangling, .circular].contains(kind) {
            #expect(first.output.components(of: "(ELOOP): /dev/shm/") >= 2, "\(first.output)")
        }
    }

    /// A file that is written anew has no name yet: nothing is left of it.
    @Test(arguments: [
        "mmap.writefile(path, function(f) f:write 'half' f:flush() END end)",
        "mmap.table({ n = mmap.anonymous(8 * 99999):view 'i64' }):with('m', function(n) END end, 'n'):write(path)",
    ])
    func `no file is left, however the process ends`(code: String) throws {
        let kill = "io.popen('kill -9 ' .. io.open('/proc/self/stat'):read 'n')"
        for (end, ending) in [
            ("os.exit(3)", .status(3)), ("while true do pcall(string.rep, 'x', 1000) end", .status(124)),
            ("\(kill) while true do end", .signal(SIGKILL)),
        ] as [(String, Ending)] {
            let folder = try TemporaryFolder()
            let path = try folder.file("x.csv", "old")
            let script = "local path = '\(path)' " + code.replacing("END", with: end)
            let outcome = try Program.mmaplua.run(["--time=2s", "-e", script])
            #expect(outcome.ending == ending, "\(script)")
            #expect(try Program(path: "/bin/ls").run(["-A", folder.path]).output == "x.csv\n")
            #expect(folder.contents("x.csv") == "old")
        }
    }
}

extension String {
    /// The number of occurrences of a text.
    func components(of text: String) -> Int { ranges(of: text).count }
}
