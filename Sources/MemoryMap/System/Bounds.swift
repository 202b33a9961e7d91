internal import CMemoryMap
internal import Glibc

// What the bounds of this process (see FilePolicy and mm_budget.h) mean for a mapping.

/// Counts memory that is about to be mapped, in bytes.
///
/// - Throws: `systemCall` with `ENOMEM` where the limit does not leave so much.
func takeMemory(_ call: SystemCall, _ bytes: Int) throws(MapError) {
    if !mm_budget_take(bytes) { throw overLimit(call, bytes) }
}

/// Throws where the limit does not leave so many bytes.
func requireRoom(_ bytes: Int) throws(MapError) {
    guard bytes > 0 else { return }
    if !mm_budget_take(bytes) { throw overLimit(.mmap, bytes) }
    mm_budget_give(bytes)
}

/// Throws where there is not so much memory, in bytes, and a little more: Swift ends the process where its own is not to
/// be had, so whoever is about to need some asks first.
package func requireHeap(_ bytes: Int = 0) throws(MapError) {
    if !mm_has_heap(bytes &+ 64 << 10) { throw .noHeap }
}

extension MapError {
    static var noHeap: MapError {
        MapError(.mmap, errno: ENOMEM, "no memory is left to work in (\"ulimit -v\")")
    }
}

/// How many bytes the limit leaves. A size_t of C is an Int in Swift, and no limit is the largest one.
func memoryLeft() -> Int {
    let limit = UInt(bitPattern: mm_budget_limit())
    let used = UInt(bitPattern: mm_budget_used())
    return limit > used ? Int(clamping: limit &- used) : 0
}

private func overLimit(_ call: SystemCall, _ bytes: Int) -> MapError {
    MapError(
        call, errno: ENOMEM, "%1 bytes more would be over the limit of %2; %3 are in use", bytes,
        Int(clamping: mm_budget_limit()), Int(clamping: mm_budget_used())
    ).because(.memoryLimit)
}

/// Throws for memory that could be executed where somebody has set bounds to this process: no script needs any, and
/// an error in the interpreter would be worth more with it.
func requireHarmless(_ call: SystemCall, _ protection: CInt) throws(MapError) {
    if protection & PROT_EXEC != 0, FilePolicy.current != nil {
        throw MapError(call, errno: EPERM, "executable memory is not allowed in a sandbox")
    }
}

/// Throws for advice that takes memory away from the whole machine: `MADV_HWPOISON` and `MADV_SOFT_OFFLINE`,
/// which the kernel allows root.
func requireHarmless(_ advice: CInt) throws(MapError) {
    if advice == 100 || advice == 101, FilePolicy.current != nil {
        throw MapError(
            .madvise, errno: EPERM, "advice that takes memory from the machine is not allowed in a sandbox")
    }
}

extension FilePolicy {
    /// open(2) with errors in the terms of the library.
    func openForMapping(
        _ path: UnsafePointer<CChar>, _ flags: CInt, _ mode: mode_t
    ) throws(MapError) -> CInt {
        do { return try self.open(path, flags, mode: mode) } catch {
            switch error {
            case .failed(let code): throw MapError(.open, errno: code)
            case .refused(.read):
                throw MapError(.open, errno: EACCES, "reading it is not allowed").because(.readingRefused)
            case .refused(.write):
                throw MapError(.open, errno: EACCES, "writing it is not allowed").because(.writingRefused)
            case .refused:
                throw MapError(.open, errno: EACCES, "reading and writing it is not allowed").because(
                    .readingAndWritingRefused)
            }
        }
    }
}
