import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// A child process that keeps using its parent's mappings, as the children of a Lua module that forks do.
@Suite struct ForkTests {
    /// fork(2), which Swift hides because most programs must not call it: in a test's child process only the
    /// caller's thread is running.
    private static func forked(_ body: () -> Bool) -> Bool {
        guard let symbol = dlsym(nil, "fork") else { return false }
        let child = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)()
        if child == 0 { _exit(body() ? 0 : 1) }
        var status: CInt = -1
        return child > 0 && waitpid(child, &status, 0) == child && status == 0
    }

    @Test func childHasGuardAndItsOwnLosses() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * pageSize))
            let region = try openRegion(path, .readWrite, OpenOptions())
            let bytes = MappedBytes(region)
            truncate(path, off_t(pageSize))
            let isRight = ForkTests.forked {
                let refused = failure { () throws(MapError) in try bytes.store(1, at: 2 * pageSize) }
                unmapRegion(region)
                return refused?.kind == .lost && refused?.values.0 == 2 * pageSize
                    && mappedLines(scratch.path) == 0
            }
            #expect(isRight)
            // The child's loss was its own: the first page is still here, until this process touches the rest.
            #expect(try bytes.load(at: 0) == 7)
            #expect(failure { () throws(MapError) in _ = try bytes.load(at: pageSize) }?.kind == .lost)
        }
    }

    /// A lock that another thread holds during fork(2) would stay locked in the child forever.
    @Test func childFindsNoLockHeld() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let reserve = startThread(
                { _ in
                    // The whole reserve: the search for this much is slow, and holds the lock meanwhile.
                    while true { _ = mm_reserve_give(mm_reserve_take(17 << 20 - 64, 1)) }
                }, nil)
            let slots = startThread(
                { _ in
                    while true { if let slot = mm_slot_reserve() { mm_slot_retire(slot) } }
                }, nil)
            #expect(reserve != nil && slots != nil)
            for _ in 0..<50 {
                let isRight = ForkTests.forked {
                    // The test's thread has the signal blocked.
                    var signals = sigset_t()
                    sigemptyset(&signals)
                    sigaddset(&signals, SIGALRM)
                    sigprocmask(SIG_UNBLOCK, &signals, nil)
                    alarm(20)
                    if let block = mm_reserve_take(1, 1) { _ = mm_reserve_give(block) }
                    guard let slot = mm_slot_reserve() else { return false }
                    mm_slot_retire(slot)
                    return true
                }
                guard isRight else {
                    Issue.record("the child did not come to its end")
                    return
                }
            }
        }
    }

    /// The threads for parallel work are the parent's: a child starts its own.
    @Test func childStartsItsOwnThreads() async {
        await #expect(processExitsWith: .exitCode(0)) {
            threadCount = 4
            let scratch = try Scratch()
            let path = try scratch.sparse("data", 64 << 20)
            let bytes = MappedBytes(try openRegion(path, .copyOnWrite, OpenOptions()))
            let sum = try bytes.crc32()
            #expect(ForkTests.forked { (try? bytes.crc32()) == sum })
            #expect(try bytes.crc32() == sum)
        }
    }
}
