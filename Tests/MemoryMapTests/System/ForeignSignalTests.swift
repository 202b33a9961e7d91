import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// Faults outside of mappings have their usual effect: in child processes.
@Suite struct ForeignSignalTests {
    /// Installs the guard over a previous handler, without Swift's crash report.
    private static func prepare(_ previous: (@convention(c) (CInt) -> Void)? = SIG_DFL) throws -> MappedRegion
    {
        signal(SIGSEGV, previous)
        signal(SIGBUS, previous)
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(4), &limit)
        return try MappedRegion.anonymous(4096)
    }

    @Test func wildReadStillKillsWithSIGSEGV() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let map = try ForeignSignalTests.prepare()
            _ = try map.bytes.load(at: 0)
            let wild = UnsafePointer<UInt8>(bitPattern: 16)
            exit(Int32(wild?.pointee ?? 0))
        }
    }

    @Test func foreignMappingStillKillsWithSIGBUS() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let map = try ForeignSignalTests.prepare()
            _ = try map.bytes.load(at: 0)
            let scratch = try Scratch()
            let path = try scratch.file("data", [1])
            let descriptor = open(path, O_RDONLY)
            unlink(path)
            rmdir(scratch.path)
            let foreign = mmap(nil, 8192, PROT_READ, MAP_SHARED, descriptor, 0)
            exit(Int32(foreign?.load(fromByteOffset: 4096, as: UInt8.self) ?? 0))
        }
    }

    @Test func sentSignalStillKills() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let map = try ForeignSignalTests.prepare()
            raise(SIGSEGV)
            _ = try map.bytes.load(at: 0)
        }
    }

    /// A fault at a kept pointer to unmapped memory must not be handled: the memory belongs to no mapping.
    @Test func faultInUnmappedMemoryIsNotHandled() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let map = try ForeignSignalTests.prepare()
            let kept = map.region.base
            map.unmap()
            exit(Int32(kept?.pointee ?? 0))
        }
    }

    @Test func previousHandlerIsCalled() async {
        await #expect(processExitsWith: .exitCode(42)) {
            let map = try ForeignSignalTests.prepare { _ in _exit(42) }
            _ = try map.bytes.load(at: 0)
            let wild = UnsafePointer<UInt8>(bitPattern: 16)
            exit(Int32(wild?.pointee ?? 0))
        }
    }

    @Test func previousHandlerGetsFaultDetails() async {
        await #expect(processExitsWith: .exitCode(43)) {
            var action = sigaction()
            action.sa_flags = SA_SIGINFO
            action.__sigaction_handler.sa_sigaction = { number, info, _ in
                let address = UInt(bitPattern: info?.pointee._sifields._sigfault.si_addr)
                _exit(number == SIGSEGV && address == 0x1230 ? 43 : 1)
            }
            sigaction(SIGSEGV, &action, nil)
            let map = try MappedRegion.anonymous(4096)
            _ = try map.bytes.load(at: 0)
            let wild = UnsafePointer<UInt8>(bitPattern: 0x1230)
            exit(Int32(wild?.pointee ?? 0))
        }
    }

    @Test func ignoredSignalStaysIgnored() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let map = try ForeignSignalTests.prepare(SIG_IGN)
            kill(getpid(), SIGBUS)
            _ = try map.bytes.load(at: 0)
            exit(7)
        }
    }

    /// The process has reached the limit of mappings, and the kernel cannot split one: the guard needs another way.
    @Test func faultAtLimitOfMappingsIsAnError() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            let path = try scratch.file("data", [UInt8](repeating: 1, count: 3 * pageSize))
            let map = try MappedRegion.open(path, .readWrite)
            truncate(path, off_t(pageSize))
            // Pages of two protections in turn, so that the kernel merges no two.
            var kind = PROT_READ
            while mmap(nil, pageSize, kind, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED {
                kind = kind == PROT_READ ? PROT_NONE : PROT_READ
            }
            let refused = failure { () throws(MapError) in _ = try map.bytes.load(at: pageSize) }
            unlink(path)
            rmdir(scratch.path)
            _exit(refused?.kind == .lost ? 0 : 1)
        }
    }
}
