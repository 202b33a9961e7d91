import Glibc
import Testing

private let isOptimized: Bool = {
    #if DEBUG
        false
    #else
        true
    #endif
}()

/// Every call that may take long (`Tests/long.lua`), on a terabyte: the time limit and Ctrl-C end it soon, unless it
/// ended by itself. The difficult part is the kernel's own work, which no signal ends.
///
/// In release only: there the kernel's part dominates. The calls, one after another, take minutes.
@Suite(.enabled(if: isOptimized)) struct LongCallTests {
    private static let script = source(of: "long.lua")

    private static func source(of name: String) -> String {
        "\(packageRoot)/Tests/\(name)"
    }

    /// The limit is 0.1 seconds; the rest is for a busy machine.
    private static let latest = 20.0

    private static func jobs() throws -> ClosedRange<Int> {
        let outcome = try Program.mmaplua.run([script, "LIST", "/tmp"])
        let jobs = Int(outcome.output.dropLast()) ?? 0
        #expect(jobs > 400)
        return 1...max(jobs, 1)
    }

    @Test func `the time limit ends every long call`() throws {
        var ended = 0
        for job in try Self.jobs() {
            let folder = try TemporaryFolder()
            let outcome = try Program.mmaplua.run(
                ["--time=0.1", Self.script, "\(job)", folder.path], timeout: Self.latest)
            let isRight = [.status(0), .status(1), .status(124)].contains(outcome.ending)
            #expect(isRight, "\(job): \(outcome)")
            if outcome.ending == .status(124) { ended += 1 }
        }
        #expect(ended > 40, "most of these calls do not take long")
    }

    @Test func `Ctrl-C ends every long call`() throws {
        var ended = 0
        for job in try Self.jobs() {
            let folder = try TemporaryFolder()
            let output = try Pipe()
            let errors = try Pipe()
            let child = try Program.mmaplua.spawn(
                [Self.script, "\(job)", folder.path], name: nil, environment: [:], newSession: false
            ) { actions in
                posix_spawn_file_actions_adddup2(&actions, output.writer, 1)
                posix_spawn_file_actions_adddup2(&actions, errors.writer, 2)
            }
            output.closeWriter()
            errors.closeWriter()
            // The call has begun when its name is printed.
            let name = line(from: output.reader)
            usleep(100_000)
            kill(child, SIGINT)
            let ending = wait(for: child, until: now() + Self.latest)
            let said = line(from: errors.reader)
            // The signal kills the process if it arrives after the end of the script.
            let isRight = [.status(0), .status(1), .signal(SIGINT)].contains(ending)
            #expect(isRight, "\(job) \(name): \(ending) \(said)")
            if said.contains("interrupted!") { ended += 1 }
        }
        #expect(ended > 40, "most of these calls do not take long")
    }

    /// Reads one line, or everything up to the end.
    private func line(from descriptor: CInt) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != 10 { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A call that Ctrl-C ends undoes its partial work, however long that takes: after a time limit the script would
    /// have to be done within half the limit. One at a time: each fills memory until the signal comes.
    @Test(
        .serialized,
        arguments: [
            "small:resize(1 << 40)", "mmap.map(1 << 40, 3, flags | mmap.MAP_LOCKED, -1)",
            "mmap.map(1 << 40, 3, flags | mmap.MAP_POPULATE, -1)", "mmap.map(1 << 40, 3, flags, -1):lock()",
        ])
    func `a failed call undoes its work`(call: String) throws {
        let outcome = try Program.mmaplua.run([
            "-e",
            """
            local flags <const> = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE
            local small = mmap.map(4096, 3, flags, -1)
            small:lock()
            small[0] = 7
            local function status(name)
                for line in io.lines "/proc/self/status" do
                    local kib = line:match("^" .. name .. ":%s*(%d+)")
                    if kib then return tonumber(kib) end
                end
            end
            local pid = io.open "/proc/self/stat":read "n"
            local ok, e = pcall(function()
                local sender <close> = io.popen("sleep 0.3; kill -INT " .. pid)
                \(call)
            end)
            collectgarbage()
            print(ok, tostring(e):match "interrupted!", status "VmLck", status "VmSize" >> 29, #small, small[0])
            """,
        ])
        #expect(outcome.output == "false\tinterrupted!\t4\t0\t4096\t7\n", "\(outcome)")
        #expect(outcome.ending == .status(0))
    }

    /// For sizes below a gibibyte, a trace shows a single call with the full size.
    @Test func `a lock and a populated mapping are one call`() throws {
        let outcome = try Program.mmaplua.run([
            "--trace", "-e",
            """
            local flags <const> = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            local b = mmap.map(64 << 20, 1, flags | mmap.MAP_POPULATE, -1)
            b:advise "populate_read"
            pcall(b.lock, b)
            """,
        ])
        #expect(outcome.errors.contains("MAP_POPULATE"), "\(outcome.errors)")
        #expect(outcome.errors.contains(", \(64 << 20), MADV_POPULATE_READ) = 0"), "\(outcome.errors)")
        #expect(outcome.errors.contains(" mlock(0x"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count { $0.contains("MADV_POPULATE_READ") } == 1)
    }
}
