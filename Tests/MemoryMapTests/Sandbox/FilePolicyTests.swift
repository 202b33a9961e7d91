import CMemoryMap
import Glibc
import Synchronization
import Testing

@testable import MemoryMap

/// The file policy of a process by itself, without Landlock.
@Suite struct FilePolicyTests {
    /// `inside` is allowed; the files beside it are not.
    private let scratch: Scratch
    private let inside: String
    private let secret: String

    init() throws {
        scratch = try Scratch()
        inside = scratch.path + "/inside"
        mkdir(inside, 0o755)
        secret = try scratch.file("secret", Array("secret".utf8))
        _ = try scratch.file("inside/file", Array("inside".utf8))
    }

    private func policy(_ access: FileAccess, _ paths: String...) throws -> FilePolicy {
        var policy = FilePolicy()
        for path in paths { try policy.allow(access, path) }
        return policy
    }

    private enum Result: Equatable {
        case opened(String)
        case refused(UInt8)
        case failed(CInt)
    }

    private func open(_ policy: FilePolicy, _ path: String, _ flags: CInt = O_RDONLY) -> Result {
        do throws(FileFailure) {
            let descriptor = try policy.open(path, flags)
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: 16)
            let count = read(descriptor, &bytes, bytes.count)
            return .opened(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
        } catch {
            switch error {
            case .refused(let access): return .refused(access.rawValue)
            case .failed(let code): return .failed(code)
            }
        }
    }

    private func clean(_ names: String...) {
        for name in names { unlink("\(inside)/\(name)") }
        rmdir("\(inside)/folder")
        rmdir(inside)
    }

    @Test func filesBelowFolderAreAllowedByAnyPath() throws {
        let policy = try policy(.read, inside)
        defer { clean("file", "link") }
        symlink("../inside/./file", "\(inside)/link")
        for path in [
            "/file", "//./file", "/../inside/file", "/link",
            "/../../" + lastName(scratch.path) + "/inside/file",
        ] {
            #expect(open(policy, inside + path) == .opened("inside"), "\(path)")
        }
        #expect(open(policy, inside + "/missing") == .failed(ENOENT))
        #expect(open(policy, inside + "/file/") == .failed(ENOTDIR))
        #expect(open(policy, inside + "/file/x") == .failed(ENOTDIR))
        #expect(open(policy, inside + "/missing/../file") == .failed(ENOENT))
        #expect(open(policy, "") == .failed(ENOENT))
    }

    private func lastName(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    @Test func filesOutsideAreRefused() throws {
        let policy = try policy(.read, inside)
        defer { clean("file", "out", "absolute", "missing", "loop") }
        symlink("../secret", "\(inside)/out")
        symlink(secret, "\(inside)/absolute")
        symlink("../nothing", "\(inside)/missing")
        symlink("loop", "\(inside)/loop")
        let paths = [
            secret, "\(inside)/../secret", "\(inside)/out", "\(inside)/absolute", "\(inside)/missing",
            "\(inside)/missing/../../secret", "\(inside)-file", scratch.path, "/", "/etc/passwd",
            "/proc/self/root\(secret)", "/proc/self/cwd/../../../../etc/passwd", "/dev/fd/0",
            "/nowhere/at/all",
        ]
        for path in paths { #expect(open(policy, path) == .refused(1), "\(path)") }
        #expect(open(policy, "\(inside)/loop") == .failed(ELOOP))
        #expect(open(policy, String(repeating: "x", count: 5000)) == .failed(ENAMETOOLONG))
    }

    @Test func pathsThroughProcAreResolved() throws {
        let policy = try policy(.read, inside)
        defer { clean("file") }
        #expect(open(policy, "/proc/self/root\(inside)/file") == .opened("inside"))
    }

    @Test func readingIsNotWriting() throws {
        let reads = try policy(.read, inside)
        let writes = try policy(.write, inside)
        defer { clean("file", "new") }
        let file = "\(inside)/file"
        for flags in [O_WRONLY, O_WRONLY | O_CREAT | O_TRUNC, O_RDONLY | O_TRUNC, O_RDWR, O_RDONLY | O_CREAT]
        {
            #expect(open(reads, file, flags) == .refused(2))
        }
        #expect(open(writes, file) == .refused(1))
        #expect(open(writes, file, O_RDWR) == .refused(1))
        #expect(open(writes, "\(inside)/new", O_RDWR | O_CREAT) == .refused(1))
        #expect(access("\(inside)/new", F_OK) != 0)
        #expect(contents(file) == Array("inside".utf8))
        #expect(open(writes, "\(inside)/new", O_WRONLY | O_CREAT) == .opened(""))
        var both = reads
        try both.allow(.write, inside)
        #expect(open(both, file, O_RDWR) == .opened("inside"))
    }

    // MARK: Flags

    /// The result of open(2): the name of the opened file and its flags, or the error; and the files that exist
    /// afterward.
    private struct Opening: Equatable {
        var name = ""
        var flags: CInt = 0
        var errno: CInt = 0
        var left: [String] = []
    }

    private static let names = [
        "file", "folder", "pipe", "link", "up", "dangling", "loop", "nothing", "missing",
    ]

    private func makeNames() throws {
        for name in Self.names { remove("\(inside)/\(name)") }
        _ = try scratch.file("inside/file", Array("inside".utf8))
        mkdir("\(inside)/folder", 0o755)
        mkfifo("\(inside)/pipe", 0o644)
        let links = [("link", "file"), ("up", "folder"), ("dangling", "nothing"), ("loop", "loop")]
        for (name, target) in links { symlink(target, "\(inside)/\(name)") }
    }

    private func opening(_ body: () -> CInt) throws -> Opening {
        try makeNames()
        var result = Opening()
        let descriptor = body()
        var opened = stat()
        if descriptor < 0 {
            result.errno = errno
        } else {
            fstat(descriptor, &opened)
            // The policy adds O_NOFOLLOW.
            result.flags = fcntl(descriptor, F_GETFL) & ~(O_NOFOLLOW | CInt(0o100000))
            close(descriptor)
        }
        for name in Self.names {
            var status = stat()
            guard lstat("\(inside)/\(name)", &status) == 0 else { continue }
            if descriptor >= 0, status.st_ino == opened.st_ino { result.name = name }
            let size = status.st_mode & S_IFMT == S_IFREG ? status.st_size : 0
            result.left.append("\(name) \(status.st_mode) \(size)")
        }
        return result
    }

    /// Each flag that controls how a path is followed and how a file is made, for every kind of file.
    @Test func flagsMeanTheSameAsOutside() throws {
        let policy = try policy([.read, .write], inside)
        defer {
            for name in Self.names { remove("\(inside)/\(name)") }
            clean()
        }
        let choices = [O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_TRUNC, pathOnly]
        var differences: [String] = []
        for way in [O_RDONLY, O_WRONLY, O_RDWR] {
            for bits in 0..<(1 << choices.count) {
                // O_NONBLOCK avoids a wait for a pipe; the flags of the descriptor show that it was passed on.
                var flags = way | O_NONBLOCK | O_CLOEXEC
                for (bit, flag) in choices.enumerated() where bits & 1 << bit != 0 { flags |= flag }
                // Combinations that open(2) documents as an error or as ignored.
                if flags & O_CREAT != 0 && flags & O_DIRECTORY != 0 { continue }
                if flags & pathOnly != 0 && flags & (O_CREAT | O_EXCL | O_TRUNC) != 0 { continue }
                for name in Self.names where name != "nothing" {
                    let path = "\(inside)/\(name)"
                    let outside = try opening { Glibc.open(path, flags, 0o644) }
                    let within = try opening {
                        do throws(FileFailure) { return try policy.open(path, flags, mode: 0o644) } catch {
                            if case .failed(let code) = error { errno = code } else { errno = 0 }
                            return -1
                        }
                    }
                    if outside != within {
                        differences.append("\(name) \(String(flags, radix: 8)): \(outside) \(within)")
                    }
                }
            }
        }
        let found = differences.prefix(5).joined(separator: "\n")
        #expect(found == "", "\(differences.count)")
    }

    @Test func fileMayBeAllowedBeforeItExists() throws {
        let policy = try policy(.write, "\(inside)/new")
        defer { clean("file", "new") }
        #expect(open(policy, "\(inside)/file", O_WRONLY) == .refused(2))
        #expect(open(policy, "\(inside)/new", O_WRONLY | O_CREAT) == .opened(""))
        #expect(open(policy, "\(inside)/new", O_WRONLY | O_CREAT | O_EXCL) == .failed(EEXIST))
        // A link may be made later at the allowed name.
        unlink("\(inside)/new")
        symlink(secret, "\(inside)/new")
        #expect(open(policy, "\(inside)/new", O_WRONLY | O_TRUNC) == .refused(2))
        #expect(contents(secret) == Array("secret".utf8))
        #expect(throws: FileFailure.self) { try self.policy(.read, "\(inside)/a/b") }
    }

    @Test func removingAndRenamingStaysInside() throws {
        var policy = try policy(.write, inside)
        defer { clean("file", "link", "moved", "folder/file") }
        symlink(secret, "\(inside)/link")
        try policy.remove("\(inside)/link")  // the link, not what it points to
        #expect(contents(secret) == Array("secret".utf8))
        mkdir("\(inside)/folder", 0o755)
        #expect(throws: FileFailure.self) { try policy.remove("\(inside)/folder") }
        try policy.remove("\(inside)/folder", orFolder: true)
        for path in [secret, "\(inside)/../secret"] {
            #expect(throws: FileFailure.self) { try policy.remove(path) }
            #expect(throws: FileFailure.self) { try policy.rename(path, to: "\(inside)/x") }
            #expect(throws: FileFailure.self) { try policy.rename("\(inside)/file", to: path) }
        }
        for path in [inside, "\(inside)/.", "\(inside)/../inside"] {
            #expect(throws: FileFailure.self) { try policy.remove(path) }
        }
        try policy.rename("\(inside)/file", to: "\(inside)/moved")
        #expect(contents("\(inside)/moved") == Array("inside".utf8))
        // Not to a place where the script could read it.
        try policy.allow([.read, .write], "\(inside)/readable")
        #expect(throws: FileFailure.self) { try policy.rename("\(inside)/moved", to: "\(inside)/readable") }
        try policy.rename("\(inside)/moved", to: "\(inside)/file")
    }

    private func result(_ body: () throws(FileFailure) -> Void) -> Result {
        do throws(FileFailure) {
            try body()
            return .opened("")
        } catch {
            switch error {
            case .refused(let access): return .refused(access.rawValue)
            case .failed(let code): return .failed(code)
            }
        }
    }

    /// Read access is granted by name: if a folder above were renamed, another folder could take its place, with other
    /// content under the same name.
    @Test(arguments: [true, false]) func foldersAboveRootCannotMove(isFolder: Bool) throws {
        let root = "\(inside)/x/r"
        defer {
            for name in ["y", "x"] {
                for path in ["r/file", "r", "q/file", "q"] { remove("\(inside)/\(name)/\(path)") }
                remove("\(inside)/\(name)")
            }
            clean("file")
        }
        mkdir("\(inside)/x", 0o755)
        if isFolder { mkdir(root, 0o755) }
        _ = try scratch.file(isFolder ? "inside/x/r/file" : "inside/x/r", Array("inside".utf8))
        var policy = try policy(.write, inside)
        try policy.allow(.read, root)
        let bounded = policy
        #expect(
            result { () throws(FileFailure) in try bounded.rename("\(inside)/x", to: "\(inside)/y") }
                == .failed(EBUSY))
        if isFolder {
            #expect(
                result { () throws(FileFailure) in try bounded.rename(root, to: "\(inside)/x/q") }
                    == .failed(EBUSY))
        }
        #expect(open(bounded, isFolder ? root + "/file" : root) == .opened("inside"))
        // A folder that is not above the root may be renamed.
        mkdir("\(inside)/y", 0o755)
        #expect(
            result { () throws(FileFailure) in try bounded.rename("\(inside)/y", to: "\(inside)/x/q") }
                == .opened(""))
    }

    /// The usual way to replace a file: write a new one beside it, then rename it over the old one.
    @Test(arguments: [FileAccess.write, [.read, .write]]) func fileMayReplaceFileOfSameRights(
        access: FileAccess
    ) throws {
        let old = try scratch.file("inside/out.tmp", Array("new".utf8))
        let new = try scratch.file("inside/out.txt", Array("old".utf8))
        defer { clean("file", "out.tmp", "out.txt") }
        let equal = try policy(access, old, new)
        try equal.rename(old, to: new)
        #expect(contents(new) == Array("new".utf8))
        try equal.rename(new, to: old)
        var wider = try policy(.write, old, new)
        try wider.allow(.read, new)
        let bounded = wider
        #expect(result { () throws(FileFailure) in try bounded.rename(old, to: new) } == .refused(1))
    }

    /// Another thread alternates a name between a file, a folder, and a link that leads out, as fast as it can.
    @Test func noRaceLeadsOut() throws {
        let policy = try policy([.read, .write], inside)
        defer { clean("file", "folder", "real") }
        mkdir("\(inside)/folder", 0o755)
        _ = try scratch.file("inside/folder/secret", Array("inside".utf8))
        defer { unlink("\(inside)/folder/secret") }
        let swapper = Swapper(inside: inside, outside: scratch.path)
        try swapper.run {
            var seen = [0, 0]
            for _ in 0..<20000 {
                // A path through a folder that may be a link; and a name that may be a link, truncated.
                switch open(policy, "\(inside)/folder/secret") {
                case .opened("inside"): seen[0] += 1
                case .refused, .failed: seen[1] += 1
                case .opened(let text): Issue.record("read '\(text)'")
                }
                _ = open(policy, "\(inside)/name", O_WRONLY | O_CREAT | O_TRUNC)
                try? policy.remove("\(inside)/folder/name")
                if contents(secret) != Array("secret".utf8) {
                    Issue.record("the file outside was emptied")
                    break
                }
            }
            #expect(seen[0] > 0)
        }
        #expect(contents(secret) == Array("secret".utf8))
        unlink("\(inside)/name")
    }

    /// Landlock without the policy, on a thread of its own.
    @Test(.enabled(if: mm_landlock_version() > 0, "this kernel has no Landlock"))
    func landlockRefusesFiles() throws {
        defer { clean("file", "new", "file2") }
        var policy = FilePolicy()
        try policy.allow(.read, inside)
        try policy.allow(.write, "\(inside)/new")
        let inside = self.inside
        let secret = self.secret
        let bounded = policy
        let codes = try onThread { () -> [CInt] in
            guard bounded.confine(alsoReading: []) else { return [-1] }
            func code(_ path: String, _ flags: CInt) -> CInt {
                let descriptor = Glibc.open(path, flags, 0o600)
                if descriptor < 0 { return errno }
                close(descriptor)
                return 0
            }
            return [
                code("\(inside)/file", O_RDONLY), code(secret, O_RDONLY), code("/etc/passwd", O_RDONLY),
                code("\(inside)/file", O_WRONLY), code("\(inside)/new", O_WRONLY | O_CREAT),
                code("/tmp/mmap-test-landlock", O_WRONLY | O_CREAT), unlink(secret) == 0 ? 0 : errno,
            ]
        }
        // For a file that does not exist yet Landlock allows its whole folder: it is that much more permissive.
        #expect(codes == [0, EACCES, EACCES, 0, 0, EACCES, EACCES])
        #expect(Glibc.access(secret, F_OK) == 0)
    }

    /// Landlock binds a thread: returns the results of the same calls before and after.
    private func codesBeforeAndBehind(_ codes: @escaping @Sendable () -> [CInt]) throws -> [CInt] {
        try onThread {
            let before = codes()
            return FilePolicy().confine(alsoReading: []) ? before + codes() : [-1]
        }
    }

    @Test(.enabled(if: mm_landlock_version() >= 4, "this kernel's Landlock knows no TCP"))
    func landlockRefusesTCP() throws {
        defer { clean("file") }
        let listener = socket(AF_INET, streams, 0)
        defer { close(listener) }
        #expect(tcp({ bind($0, $1, $2) }, listener, port: 0) == 0 && listen(listener, 8) == 0)
        let port = portOf(listener)
        let codes = try codesBeforeAndBehind {
            let client = socket(AF_INET, streams, 0)
            let server = socket(AF_INET, streams, 0)
            defer { for each in [client, server] { close(each) } }
            return [
                tcp({ connect($0, $1, $2) }, client, port: port), tcp({ bind($0, $1, $2) }, server, port: 0),
            ]
        }
        #expect(codes == [0, 0, EACCES, EACCES])
    }

    /// A socket made after Landlock may be reached; one made before may not.
    @Test(.enabled(if: mm_landlock_version() >= 6, "this kernel's Landlock knows no abstract sockets"))
    func landlockRefusesAbstractSockets() throws {
        defer { clean("file") }
        let name = lastName(scratch.path)
        let listener = socket(AF_UNIX, streams, 0)
        defer { close(listener) }
        #expect(abstractSocket({ bind($0, $1, $2) }, listener, name) == 0 && listen(listener, 8) == 0)
        let codes = try codesBeforeAndBehind {
            let end = socket(AF_UNIX, streams, 0)
            let own = socket(AF_UNIX, streams, 0)
            let other = socket(AF_UNIX, streams, 0)
            defer { for each in [end, own, other] { close(each) } }
            let outside = abstractSocket({ connect($0, $1, $2) }, end, name)
            guard abstractSocket({ bind($0, $1, $2) }, own, name + "-own") == 0, listen(own, 8) == 0 else {
                return [outside, -1]
            }
            return [outside, abstractSocket({ connect($0, $1, $2) }, other, name + "-own")]
        }
        #expect(codes == [0, 0, EPERM, 0])
    }
}

/// Close-on-exec, so that the children of other tests do not inherit the sockets.
private let streams = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
private typealias SocketCall = @Sendable (CInt, UnsafePointer<sockaddr>?, socklen_t) -> CInt

/// A call with 127.0.0.1 and a port, 0 for any port: 0 or its `errno`.
@Sendable private func tcp(_ call: SocketCall, _ socket: CInt, port: in_port_t) -> CInt {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    address.sin_port = port
    return withUnsafeBytes(of: &address) { bytes in
        let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
        return call(socket, start, socklen_t(bytes.count)) == 0 ? 0 : errno
    }
}

/// The port of a bound socket, in network byte order.
private func portOf(_ socket: CInt) -> in_port_t {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) { bytes in
        _ = getsockname(socket, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return address.sin_port
}

/// A call with an abstract socket name: 0 or its `errno`.
@Sendable private func abstractSocket(_ call: SocketCall, _ socket: CInt, _ name: String) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let text = Array(name.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0[1...text.count].copyBytes(from: text) }
    let length = MemoryLayout<sa_family_t>.size + 1 + text.count
    return withUnsafeBytes(of: &address) { bytes in
        let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
        return call(socket, start, socklen_t(length)) == 0 ? 0 : errno
    }
}

/// Runs a closure on a new thread that ends after it: Landlock must not bind the test's own thread.
private func onThread(_ body: @escaping @Sendable () -> [CInt]) throws -> [CInt] {
    final class Box: Sendable { let result = Mutex<[CInt]>([]) }
    let box = Box()
    let thread = try Thread { box.result.withLock { $0 = body() } }
    thread.join()
    return box.result.withLock { $0 }
}

/// A POSIX thread.
private struct Thread {
    private let handle: pthread_t

    init(_ body: @escaping @Sendable () -> Void) throws {
        final class Task {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let task = Unmanaged.passRetained(Task(body))
        let code = pthread_create(
            &thread, nil,
            { task in
                if let task { Unmanaged<Task>.fromOpaque(task).takeRetainedValue().body() }
                return nil
            }, task.toOpaque())
        guard code == 0 else { throw Refused(call: "pthread_create", errno: code) }
        handle = thread
    }

    func join() { pthread_join(handle, nil) }
}

/// A thread that swaps `folder` with a link to the folder outside, and `name` with a link to the secret there.
private struct Swapper {
    let inside: String
    let outside: String

    func run(while body: () throws -> Void) throws {
        final class Flag: Sendable { let isUp = Atomic<Bool>(false) }
        let stop = Flag()
        let (inside, outside) = (inside, outside)
        let thread = try Thread {
            while !stop.isUp.load(ordering: .relaxed) {
                rename("\(inside)/folder", "\(inside)/real")
                symlink(outside, "\(inside)/folder")
                symlink("\(outside)/secret", "\(inside)/link")
                rename("\(inside)/link", "\(inside)/name")
                unlink("\(inside)/folder")
                rename("\(inside)/real", "\(inside)/folder")
                unlink("\(inside)/name")
            }
        }
        defer {
            stop.isUp.store(true, ordering: .relaxed)
            thread.join()
        }
        try body()
    }
}
