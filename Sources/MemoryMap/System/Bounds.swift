internal import CMemoryMap
internal import Glibc

// The budget (mm_budget.h) and the sandbox policy (FilePolicy), applied to mappings.

/// Where a mapping counts.
package enum Account {
    /// Memory that the process alone holds: anonymous memory, files in memory, and writable private mappings.
    case memory
    /// Other mappings of files: the kernel can take their pages back.
    case mapped

    init(_ protection: Protection, _ flags: MapFlags) {
        self =
            flags.contains(.anonymous) || !flags.isShared && protection.contains(.write) ? .memory : .mapped
    }

    /// Whether there was room for so many bytes: they are counted then.
    func take(_ bytes: Int) -> Bool { self == .memory ? mm_budget_take(bytes) : mm_mapped_take(bytes) }

    func give(_ bytes: Int) { self == .memory ? mm_budget_give(bytes) : mm_mapped_give(bytes) }
}

extension UnsafeMutablePointer<mm_slot> {
    var account: Account { pointee.is_own ? .memory : .mapped }
}

/// Counts memory that is about to be mapped, in bytes.
///
/// - Throws: `systemCall` with `ENOMEM` where the limit does not leave so much.
func takeMemory(_ call: SystemCall, _ bytes: Int, _ account: Account = .memory) throws(MapError) {
    if !account.take(bytes) { throw overLimit(call, bytes, account) }
}

/// Throws where the limit does not leave so many bytes.
package func requireRoom(_ bytes: Int, _ account: Account = .memory) throws(MapError) {
    guard bytes > 0 else { return }
    try takeMemory(.mmap, bytes, account)
    account.give(bytes)
}

/// Throws if malloc(3) does not have this many bytes and a reserve of 64 KiB. Call it before an allocation by
/// Swift, which ends the process if memory runs out.
package func requireHeap(_ bytes: Int = 0) throws(MapError) {
    if !mm_has_heap(bytes &+ 64 << 10) { throw .noHeap }
}

extension MapError {
    static var noHeap: MapError {
        MapError(.mmap, errno: ENOMEM, "not enough memory (\"ulimit -v\")")
    }
}

/// The bytes left in the budget. C's size_t is Int in Swift, and "no limit" is the largest size_t.
func memoryLeft() -> Int {
    let limit = UInt(bitPattern: mm_budget_limit())
    let used = UInt(bitPattern: mm_budget_used())
    return limit > used ? Int(clamping: limit &- used) : 0
}

private func overLimit(_ call: SystemCall, _ bytes: Int, _ account: Account) -> MapError {
    let (limit, used) =
        account == .memory ? (mm_budget_limit(), mm_budget_used()) : (mm_mapped_limit(), mm_mapped_used())
    return MapError(
        call, errno: ENOMEM, "%1 more bytes would exceed the limit of %2; %3 are in use", bytes,
        Int(clamping: limit), Int(clamping: used)
    ).because(account == .memory ? .memoryLimit : .mappedLimit)
}

/// Throws for executable memory in a sandbox: no script needs it, and it would make a bug in the interpreter
/// easier to exploit.
func requireHarmless(_ call: SystemCall, _ protection: CInt) throws(MapError) {
    if protection & PROT_EXEC != 0, FilePolicy.current != nil {
        throw MapError(call, errno: EPERM, "executable memory is not allowed in a sandbox")
    }
}

/// In a sandbox, throws for advice that takes pages of the machine out of service: `MADV_HWPOISON` and
/// `MADV_SOFT_OFFLINE`, which the kernel permits to root.
func requireHarmless(_ advice: CInt) throws(MapError) {
    if advice == 100 || advice == 101, FilePolicy.current != nil {
        throw MapError(
            .madvise, errno: EPERM, "advice that takes memory out of use is not allowed in a sandbox")
    }
}

extension FilePolicy {
    /// `open`, with errors as `MapError`.
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
