import Glibc

/// The folder of the package: four components above this file's path at compile time.
let packageRoot = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
    .joined(separator: "/")

/// Runs built programs as a shell does, and returns the outcome.
struct Program: Sendable {
    let path: String

    /// The command under test: `MMAPLUA`, or the one built beside the tests.
    static let mmaplua = Program(path: variable("MMAPLUA") ?? products + "/mmaplua")
    /// The reference interpreter, if installed.
    static let lua = Program(path: variable("LUA54") ?? "/usr/bin/lua5.4")
    /// The folder of the built products.
    static let products = folder(of: executable)

    var exists: Bool { access(path, X_OK) == 0 }

    static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static var executable: String {
        realpath("/proc/self/exe", nil).map { resolved in
            defer { free(resolved) }
            return String(cString: resolved)
        } ?? CommandLine.arguments.first ?? ""
    }

    private static func folder(of path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }
}

enum Ending: Equatable, Sendable {
    case status(CInt)
    case signal(CInt)
    case timeout
}

struct Outcome: Equatable, Sendable {
    var output: String
    var errors: String
    var ending: Ending
}

struct SystemFailure: Error, CustomStringConvertible {
    let description: String
    init(_ call: String, _ code: CInt = errno) {
        description = "\(call): \(String(cString: strerror(code)))"
    }
}

/// posix_spawn_file_actions_addclosefrom_np(3), which glibc's header shows to GNU sources only.
private let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
    unsafeBitCast(
        $0, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt).self)
}

extension Program {
    /// Runs the program to its end. The environment is small and fixed; `environment` adds to it. `name` is the
    /// program's argv[0]. The timeout, in seconds, is for programs that hang: it must be long enough for a busy
    /// machine.
    func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:],
        name: String? = nil, timeout: Double = 300
    ) throws -> Outcome {
        let toChild = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        let child = try spawn(arguments, name: name, environment: environment, newSession: false) { actions in
            posix_spawn_file_actions_adddup2(&actions, toChild.reader, 0)
            posix_spawn_file_actions_adddup2(&actions, output.writer, 1)
            posix_spawn_file_actions_adddup2(&actions, errors.writer, 2)
        }
        toChild.closeReader()
        output.closeWriter()
        errors.closeWriter()
        var exchange = Exchange(input: Array(input.utf8), deadline: now() + timeout)
        exchange.run(toChild, output, errors)
        return Outcome(
            output: String(decoding: exchange.output, as: UTF8.self),
            errors: String(decoding: exchange.errors, as: UTF8.self),
            ending: wait(for: child, until: exchange.deadline))
    }

    func spawn(
        _ arguments: [String], name: String?, environment: [String: String], newSession: Bool,
        files: (inout posix_spawn_file_actions_t) -> Void
    ) throws -> pid_t {
        // Without a reader, a write here returns an error; in the child SIGPIPE has its default action.
        signal(SIGPIPE, SIG_IGN)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        files(&actions)
        // Other tests of this process open files without O_CLOEXEC, and a child may have to count its own.
        guard let closeFrom, closeFrom(&actions, 3) == 0 else {
            throw SystemFailure("posix_spawn_file_actions_addclosefrom_np")
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // Swift Testing's threads have signals blocked; a child must not inherit that.
        var blocked = sigset_t()
        sigemptyset(&blocked)
        posix_spawnattr_setsigmask(&attributes, &blocked)
        var flags = CInt(POSIX_SPAWN_SETSIGDEF) | CInt(POSIX_SPAWN_SETSIGMASK)
        if newSession { flags |= 0x80 /* POSIX_SPAWN_SETSID, a GNU extension */ }
        posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))

        let known = [
            "PATH": Self.variable("PATH") ?? "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": Self.variable("LD_LIBRARY_PATH") ?? "",
        ].merging(environment) { $1 }
        var words = ([name ?? path] + arguments).map { strdup($0) } + [nil]
        var variables = known.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var child = pid_t()
        let code = posix_spawn(&child, path, &actions, &attributes, &words, &variables)
        guard code == 0 else { throw SystemFailure("posix_spawn \(path)", code) }
        return child
    }
}

func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Waits for a child; kills a child that does not end by the deadline.
func wait(for child: pid_t, until deadline: Double) -> Ending {
    var status: CInt = 0
    while waitpid(child, &status, WNOHANG) == 0 {
        if now() > deadline {
            kill(child, SIGKILL)
            waitpid(child, &status, 0)
            return .timeout
        }
        usleep(2000)
    }
    let number = status & 0x7F
    return number == 0 ? .status((status >> 8) & 0xFF) : .signal(number)
}

final class Pipe {
    private(set) var reader: CInt = -1
    private(set) var writer: CInt = -1

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemFailure("pipe") }
        // A script that a test runs in this process may start children too: they must not hold the writer open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reader, writer) = (ends[0], ends[1])
    }

    deinit {
        closeReader()
        closeWriter()
    }

    func closeReader() {
        if reader >= 0 { close(reader) }
        reader = -1
    }

    func closeWriter() {
        if writer >= 0 { close(writer) }
        writer = -1
    }
}

/// Writes a child's input and reads its output at the same time, so that neither side waits for the other forever.
private struct Exchange {
    var input: [UInt8]
    let deadline: Double
    var output: [UInt8] = []
    var errors: [UInt8] = []
    private var sent = 0

    init(input: [UInt8], deadline: Double) {
        self.input = input
        self.deadline = deadline
    }

    mutating func run(_ toChild: Pipe, _ fromChild: Pipe, _ errorsOfChild: Pipe) {
        if input.isEmpty { toChild.closeWriter() }
        while fromChild.reader >= 0 || errorsOfChild.reader >= 0, now() < deadline {
            var waiting = [
                pollfd(fd: toChild.writer, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: fromChild.reader, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorsOfChild.reader, events: Int16(POLLIN), revents: 0),
            ]
            poll(&waiting, 3, 100)
            if waiting[0].revents != 0 { feed(toChild) }
            if waiting[1].revents != 0, !collect(fromChild, &output) { fromChild.closeReader() }
            if waiting[2].revents != 0, !collect(errorsOfChild, &errors) { errorsOfChild.closeReader() }
        }
    }

    private mutating func feed(_ pipe: Pipe) {
        let rest = Array(input[sent...].prefix(4096))
        let count = write(pipe.writer, rest, rest.count)
        if count > 0 { sent += count }
        if count < 0 || sent == input.count { pipe.closeWriter() }
    }

    private func collect(_ pipe: Pipe, _ bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(pipe.reader, &buffer, buffer.count)
        if count > 0 { bytes.append(contentsOf: buffer.prefix(count)) }
        return count > 0
    }
}

/// A folder that is removed after the test.
final class TemporaryFolder {
    let path: String

    init(in place: String = "/tmp") throws {
        var template = Array("\(place)/mmaplua-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemFailure("mkdtemp") }
        path = String(cString: made)
    }

    deinit {
        _ = try? Program(path: "/bin/rm").run(["-rf", path])
    }

    /// Writes a file and returns its path.
    @discardableResult
    func file(_ name: String, _ text: String) throws -> String {
        let full = path + "/" + name
        guard let file = fopen(full, "we") else { throw SystemFailure("fopen") }
        defer { fclose(file) }
        let bytes = Array(text.utf8)
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SystemFailure("fwrite") }
        return full
    }

    func contents(_ name: String) -> String? { Self.contents(path: path + "/" + name) }

    static func contents(path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes.append(contentsOf: buffer.prefix(count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
