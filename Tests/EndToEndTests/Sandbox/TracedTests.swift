import Glibc
import Testing

private let strace = Program(path: "/usr/bin/strace")
private let canTrace =
    strace.exists && (try? strace.run(["-o", "/dev/null", "/bin/true"]).ending) == .status(0)

/// The system calls of a sandboxed program while everything that can fail fails. strace(1) records all calls that name
/// a file: none names a forbidden one, in error paths too, and no answer depends on files outside.
@Suite(.serialized, .enabled(if: canTrace, "strace is missing, or ptrace(2) is not permitted"))
struct TracedTests {
    private static let sources = "\(packageRoot)/Tests"

    /// Paths that the program itself uses while the script runs, and why that reveals nothing to the script.
    private static let own: [(path: String, reason: String)] = [
        (
            "/proc/self/maps",
            "which file is where in memory; only the lines of a mapping of the script are told"
        ),
        ("/proc/self/smaps", "the same, for buffer:smaps"),
        ("/proc/self/pagemap", "which pages are in memory, of a mapping of the script"),
        ("/proc/self/statm", "how large the process is, for mmap.faults"),
        (
            "/proc/self/fd/",
            "the name of an open file that the script has; a file in memory, opened again for a lock"
        ),
        ("/proc/self/map_files/", "the file of a mapping of the script that is nowhere else, for reading"),
        ("/etc/localtime", "the C library looks whether the time zone has changed, for os.date"),
        ("/sys/devices/system/cpu/online", "the C library counts processors, for malloc(3)"),
        ("/proc/sys/vm/overcommit_memory", "the C library asks it before it gives memory back"),
    ]

    /// Makes the files outside: a file and a folder, or nothing.
    private func world(_ folder: TemporaryFolder, exists: Bool) throws {
        let outside = folder.path + "/outside"
        _ = try Program(path: "/bin/rm").run(["-rf", outside, folder.path + "/inside"])
        mkdir(folder.path + "/inside", 0o755)
        if exists {
            mkdir(outside, 0o755)
            mkdir(outside + "/folder", 0o755)
            try folder.file("outside/secret", String(repeating: "print 'secret'", count: 50))
            try folder.file("outside/folder/name", "name")
        }
        let links = [
            ("out-secret", outside + "/secret"), ("out-missing", outside + "/none"),
            ("out-folder", outside + "/folder"), ("out-below", outside + "/none/../secret"),
            ("out-loop", "out-loop.1"), ("inside", "file"),
        ]
        for number in 1...9 {
            for (name, target) in links { symlink(target, "\(folder.path)/inside/\(name).\(number)") }
            mkfifo("\(folder.path)/inside/pipe.\(number)", 0o644)
        }
        try folder.file("inside/file", "return 1")
        try folder.file("inside/begin", "")
    }

    private func makeShared(_ name: String, _ folder: TemporaryFolder) {
        let targets = [folder.path + "/outside/secret", folder.path + "/outside/none", name + ".3"]
        for (index, target) in targets.enumerated() {
            let link = "/dev/shm/\(name).\(index + 1)"
            unlink(link)
            symlink(target, link)
        }
    }

    /// With Landlock, which refuses what the policy let through by mistake, and without it, by --allow-run.
    @Test(arguments: [[], ["--allow-run"]]) func systemCallsNameOnlyAllowedPaths(options: [String]) throws {
        let folder = try TemporaryFolder()
        let name = "mmaplua-traced-\(getpid())"
        defer { for index in 1...3 { unlink("/dev/shm/\(name).\(index)") } }
        let inside = folder.path + "/inside"
        let allowed = [inside, "/dev/shm"].flatMap { ["--allow-read=\($0)", "--allow-write=\($0)"] }
        let trace = folder.path + "/trace"
        let policy = "newfstatat\\([0-9]+</>, \"[^\"]*\", .*AT_SYMLINK_NOFOLLOW"
        let tracer = [
            strace.path, "-f", "--seccomp-bpf", "-y", "-s", "4096", "-e", "trace=%file,%network", "-o",
            trace,
        ]
        let arguments =
            [Program.mmaplua.path, "--sandbox", "--memory=256M", "--allow-read=\(Self.sources)/methods.lua"]
            + allowed + options
            + ["\(Self.sources)/traced.lua", "\(Self.sources)/methods.lua", inside, name]
        var answers: [Outcome] = []
        for exists in [true, false] {
            try world(folder, exists: exists)
            makeShared(name, folder)
            let outcome = try Program(path: "/bin/sh").run(
                ["-c", "ulimit -n 40; exec \"$@\"", "sh"] + (exists ? tracer : []) + arguments, timeout: 600)
            #expect(outcome.ending == .status(0), "\(outcome.errors)")
            #expect((Int(outcome.errors.split(separator: "\n").last ?? "") ?? 0) > 1000, "\(outcome.errors)")
            answers.append(outcome)
        }
        // Starts at the script's marker; drops the policy's own calls, which are most lines: see `Call`.
        let lines = try Program(path: "/bin/sh").run([
            "-c", "sed '1,/\"begin\"/d' \"$1\" | grep -vE '\(policy)'", "sh", trace,
        ]).output.split(separator: "\n")
        try #require(lines.count > 1000)
        let breaches = Set(lines.compactMap { Call($0).breach([inside, "/dev/shm"], Self.own) })
        #expect(breaches.sorted().prefix(20).joined(separator: "\n") == "", "\(breaches.count)")
        let differences = zip(
            answers[0].output.split(separator: "\n"), answers[1].output.split(separator: "\n")
        ).filter { $0 != $1 }.map { "\($0)\n\($1)" }
        #expect(differences.prefix(10).joined(separator: "\n") == "", "\(differences.count)")
        #expect(answers[0].output.count == answers[1].output.count)
    }
}

/// A line of strace(1): `123 openat(4</tmp/x>, "name", O_RDONLY|O_NOFOLLOW) = 5</tmp/x/name>`.
private struct Call {
    let line: Substring
    let name: Substring
    /// A folder's descriptor and a path, once or twice; and the rest of the line.
    private var arguments: Substring

    init(_ line: Substring) {
        self.line = line
        let call = line.drop { $0.isNumber || $0 == " " }
        name = call.prefix { $0 != "(" }
        arguments = call.dropFirst(name.count + 1)
    }

    /// Returns the line if the call names a forbidden path.
    func breach(_ allowed: [String], _ own: [(path: String, reason: String)]) -> String? {
        var rest = arguments
        switch name {
        case "getcwd": return nil
        case _ where name.hasPrefix("+++") || name.hasPrefix("---"): return nil
        case _ where line.contains("resumed>"): return nil
        case "openat", "newfstatat", "statx", "readlinkat", "unlinkat", "faccessat", "faccessat2":
            return isFine(&rest, allowed, own) ? nil : String(line)
        case "renameat", "renameat2", "linkat":
            return isFine(&rest, allowed, own) && isFine(&rest, allowed, own) ? nil : String(line)
        case "readlink", "open", "stat", "lstat", "access":
            return isOwn(Self.quoted(&rest), own) ? nil : String(line)
        default: return String(line)
        }
    }

    private func isFine(
        _ rest: inout Substring, _ allowed: [String], _ own: [(path: String, reason: String)]
    ) -> Bool {
        let descriptor = rest.drop { $0 == "," || $0 == " " }.prefix { $0 != "," }
        let path = Self.quoted(&rest)
        // Calls on an open descriptor.
        if path.isEmpty { return rest.contains("AT_EMPTY_PATH") || name == "faccessat2" }
        if descriptor.hasPrefix("AT_FDCWD") { return isOwn(path, own) }
        let folder = descriptor.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" }
        if folder == "/" {
            // The policy resolves a path: it examines each link, follows none, and opens nothing.
            return name == "readlinkat" || name == "newfstatat" && rest.contains("AT_SYMLINK_NOFOLLOW")
        }
        // A name in a folder that the policy reached without following a link.
        let isBelow = allowed.contains { folder == $0 || folder.hasPrefix($0 + "/") }
        return isBelow && !path.contains("/") && path != ".."
            && (name != "openat" || rest.contains("O_NOFOLLOW"))
    }

    private func isOwn(_ path: Substring, _ own: [(path: String, reason: String)]) -> Bool {
        // A file of a mapping may be opened for writing only if it is memory without a file; else only for reading.
        let writes = line.contains("O_RDWR") || line.contains("O_WRONLY")
        if path.hasPrefix("/proc/self/map_files/") && writes { return line.contains("/dev/zero (deleted)>") }
        return own.contains { $0.path.hasSuffix("/") ? path.hasPrefix($0.path) : path == $0.path }
    }

    /// Returns the next text in quotes, and removes it and the text before it.
    private static func quoted(_ rest: inout Substring) -> Substring {
        let text = rest.drop { $0 != "\"" }.dropFirst()
        var end = text.startIndex
        while end < text.endIndex, text[end] != "\"" {
            if text[end] == "\\" { end = text.index(after: end) }
            if end < text.endIndex { end = text.index(after: end) }
        }
        rest = end < text.endIndex ? text[end...].dropFirst() : ""
        return text[..<end]
    }
}
