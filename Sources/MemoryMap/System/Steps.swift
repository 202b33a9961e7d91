internal import CMemoryMap
internal import Glibc

// System calls over many pages. A signal with a handler does not interrupt them, so a long range is split
// into steps.

/// The size in bytes from which a range is long. A shorter range is one system call, so that a trace shows
/// the call as requested.
let longExtent = 1 << 30

/// The size of a step in bytes: a tenth of a second on a slow disk.
let stepExtent = 16 << 20

/// Makes a system call for a range, in steps if the range is long.
///
/// The steps end at multiples of their size, so that no large page is split.
///
/// - Parameters:
///   - step: A power of two, in bytes.
///   - shouldContinue: Called between two steps with the number of bytes done; returns false to stop.
/// - Throws: What `body` throws, and `interrupted`. Completed steps are not undone.
func inSteps(
    _ start: UnsafeMutableRawPointer, _ extent: Int, step: Int = stepExtent, longFrom: Int = longExtent,
    shouldContinue: ShouldContinue,
    _ body: (_ start: UnsafeMutableRawPointer, _ extent: Int) throws(MapError) -> Void
) throws(MapError) {
    if extent < longFrom { return try body(start, extent) }
    var done = 0
    while done < extent {
        let place = start + done
        let part = min(step &- Int(bitPattern: place) & (step &- 1), extent &- done)
        try body(place, part)
        done &+= part
        if done < extent && !shouldContinue(done) { throw MapError(.interrupted) }
    }
}

/// mmap(2) that can be stopped: a long range is populated or locked in steps.
///
/// - Parameter shouldContinue: Called with the number of bytes done; returns false to stop, and nothing is mapped.
func mapPages(
    _ extent: Int, _ protection: Protection, _ flags: MapFlags, _ descriptor: CInt, _ offset: Int,
    page: Int, _ account: Account, shouldContinue: ShouldContinue
) throws(MapError) -> UnsafeMutableRawPointer {
    let isLocked = flags.contains(.locked)
    let isPopulated = isLocked || flags.contains(.populate) && !flags.contains(.nonBlock)
    guard isPopulated, extent >= longExtent else {
        return try systemMap(extent, protection.rawValue, flags.rawValue, descriptor, offset, account)
    }
    let start = try systemMap(
        extent, protection.rawValue, flags.subtracting([.locked, .populate]).rawValue, descriptor, offset,
        account)
    do throws(MapError) {
        if isLocked {
            do throws(MapError) { try systemLock(start, extent, onFault: true) } catch {
                throw error.namingLockLimit
            }
        }
        try bringIn(start, extent, page, protection, flags, shouldContinue)
    } catch {
        unmapRange(start, extent, account)
        throw error
    }
    return start
}

/// Populates pages in steps, as mmap(2) does for `MAP_POPULATE` and `MAP_LOCKED`. As there, it is not an
/// error if a page cannot be populated.
///
/// - Throws: `interrupted`.
func bringIn(
    _ start: UnsafeMutableRawPointer, _ extent: Int, _ page: Int, _ protection: Protection,
    _ flags: MapFlags, _ shouldContinue: ShouldContinue
) throws(MapError) {
    do throws(MapError) {
        try populate(
            start, extent, page, writing: protection.contains(.write) && !flags.isShared, shouldContinue)
    } catch  where error.kind == .systemCall {}
}

/// `MADV_POPULATE_READ` or `MADV_POPULATE_WRITE` of madvise(2), always in steps.
func populate(
    _ start: UnsafeMutableRawPointer, _ extent: Int, _ page: Int, writing: Bool,
    _ shouldContinue: ShouldContinue
) throws(MapError) {
    let advice: Advice = writing ? .populateWrite : .populateRead
    try inSteps(start, extent, step: max(stepExtent, page), longFrom: 0, shouldContinue: shouldContinue) {
        (start, extent) throws(MapError) in
        try systemAdvise(start, extent, CInt(advice.rawValue))
    }
}
