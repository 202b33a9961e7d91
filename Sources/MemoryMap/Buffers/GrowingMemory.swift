internal import CMemoryMap
internal import Glibc

/// Anonymous memory that grows while bytes come in, whose number nobody knows before the end.
struct GrowingMemory: ~Copyable {
    private var region: mm_region
    private(set) var count = 0

    /// - Parameter expected: A number of bytes that is likely.
    /// - Throws: `systemCall` (`ENOMEM`).
    init(expected: Int = 0) throws(MapError) {
        region = try mapRegion(
            length: max(1 << 16, expected), protection: [.read, .write], flags: [.anonymous, .private],
            descriptor: -1, offset: 0)
        useLargePages()
    }

    deinit { unmapRegion(region) }

    /// Memory for the next bytes, at least one.
    ///
    /// - Throws: `systemCall` (`ENOMEM`).
    mutating func room() throws(MapError) -> UnsafeMutableRawBufferPointer {
        if count >= region.length { try grow() }
        return UnsafeMutableRawBufferPointer(
            start: region.base?.advanced(by: count), count: region.length &- count)
    }

    /// Memory for so many bytes at once; it stays where it is until more is asked for.
    ///
    /// - Throws: `systemCall` (`ENOMEM`).
    mutating func room(_ bytes: Int) throws(MapError) -> UnsafeMutableRawBufferPointer {
        let (size, overflow) = count.addingReportingOverflow(bytes)
        if overflow { throw .noHeap }
        if size > region.length { try resize(size) }
        return UnsafeMutableRawBufferPointer(start: region.base?.advanced(by: count), count: bytes)
    }

    /// Notes that so many bytes of the room are filled.
    mutating func fill(_ bytes: Int) { count &+= bytes }

    /// Twice as much, or as much as the limit leaves.
    private mutating func grow() throws(MapError) {
        let length = region.length
        for more in [length, length / 4, 1 << 20] {
            let (size, overflow) = length.addingReportingOverflow(max(more, 1 << 16))
            if overflow { continue }
            do throws(MapError) { return try resize(size) } catch  where error.errno == ENOMEM {}
        }
        try resize(length &+ (1 << 16))
    }

    private mutating func resize(_ size: Int) throws(MapError) {
        var bytes = MappedBytes(region)
        try bytes.resize(size, path: nil)
        try bytes.refresh()
        region = bytes.region
        useLargePages()
    }

    /// Large pages where the system has them on request: most of the time of filling memory is that of its page faults.
    private func useLargePages() {
        let slot = region.slot
        guard region.length >= 8 << 20, let start = UnsafeMutableRawPointer(bitPattern: slot.pointee.start)
        else { return }
        try? systemAdvise(start, slot.pointee.extent, MADV_HUGEPAGE)
    }

    /// The bytes, and no more memory than they need; the caller owns it.
    ///
    /// - Throws: `systemCall`.
    mutating func finish() throws(MapError) -> mm_region {
        if count == 0 { return try emptyAnonymousRegion() }
        if count < region.length { try resize(count) }
        let result = region
        region = .closed
        return result
    }
}
