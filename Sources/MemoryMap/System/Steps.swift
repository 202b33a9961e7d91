internal import CMemoryMap
internal import Glibc

// System calls over many pages. The kernel ends none of them for a signal that has a handler, so a long one is cut into
// steps.

/// From this many bytes on a range is long. Below, it is one system call, so that a trace shows what was asked for.
let longExtent = 1 << 30

/// What a step covers, in bytes: a tenth of a second on a slow disk.
let stepExtent = 16 << 20

/// Makes a system call for a range, step by step where it is long.
///
/// The steps end at multiples of their size, so that no large page is cut.
///
/// - Parameters:
///   - step: A power of two, in bytes.
///   - poll: Asked between two steps with the number of bytes done; false stops.
/// - Throws: What `body` throws, and `interrupted`. The steps before that are done.
func inSteps(
    _ start: UnsafeMutableRawPointer, _ extent: Int, step: Int = stepExtent, longFrom: Int = longExtent,
    poll: Poll, _ body: (_ start: UnsafeMutableRawPointer, _ extent: Int) throws(MapError) -> Void
) throws(MapError) {
    if extent < longFrom { return try body(start, extent) }
    var done = 0
    while done < extent {
        let place = start + done
        let part = min(step &- Int(bitPattern: place) & (step &- 1), extent &- done)
        try body(place, part)
        done &+= part
        if done < extent && !poll(done) { throw MapError(.interrupted) }
    }
}

/// mmap(2) that can be stopped: a long range is populated or locked step by step.
///
/// - Parameter poll: Asked with the number of bytes done; false stops, and nothing is mapped.
func mapPages(
    _ extent: Int, _ protection: Protection, _ flags: MapFlags, _ descriptor: CInt, _ offset: Int,
    page: Int, poll: Poll
) throws(MapError) -> UnsafeMutableRawPointer {
    let isLocked = flags.contains(.locked)
    let isPopulated = isLocked || flags.contains(.populate) && !flags.contains(.nonBlock)
    guard isPopulated, extent >= longExtent else {
        return try systemMap(extent, protection.rawValue, flags.rawValue, descriptor, offset)
    }
    let start = try systemMap(
        extent, protection.rawValue, flags.subtracting([.locked, .populate]).rawValue, descriptor, offset)
    do throws(MapError) {
        if isLocked {
            do throws(MapError) { try systemLock(start, extent, onFault: true) } catch {
                throw error.namingLockLimit
            }
        }
        try bringIn(start, extent, page, protection, flags, poll)
    } catch {
        unmapRange(start, extent)
        throw error
    }
    return start
}

/// What mmap(2) and mlock(2) do to pages of a mapping with `MAP_POPULATE` or a lock, step by step. As there, a page that
/// cannot be had is no error.
///
/// - Throws: `interrupted`.
func bringIn(
    _ start: UnsafeMutableRawPointer, _ extent: Int, _ page: Int, _ protection: Protection,
    _ flags: MapFlags, _ poll: Poll
) throws(MapError) {
    do throws(MapError) {
        try populate(
            start, extent, page, writing: protection.contains(.write) && !flags.isShared, poll)
    } catch  where error.kind == .systemCall {}
}

/// `MADV_POPULATE_READ` or `MADV_POPULATE_WRITE` of madvise(2), always step by step.
func populate(
    _ start: UnsafeMutableRawPointer, _ extent: Int, _ page: Int, writing: Bool, _ poll: Poll
) throws(MapError) {
    let advice: Advice = writing ? .populateWrite : .populateRead
    try inSteps(start, extent, step: max(stepExtent, page), longFrom: 0, poll: poll) {
        (start, extent) throws(MapError) in
        try systemAdvise(start, extent, CInt(advice.rawValue))
    }
}
