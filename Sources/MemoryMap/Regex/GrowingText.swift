package import CMemoryMap
internal import Glibc

extension mm_text {
    /// Appends bytes.
    ///
    /// - Parameter shouldContinue: Asked every few milliseconds whether to continue.
    /// - Throws: `systemCall` without memory, `interrupted`.
    package mutating func append(_ bytes: UnsafeRawBufferPointer, shouldContinue: ShouldContinue)
        throws(MapError)
    {
        since_poll &+= 64 &+ bytes.count
        if since_poll > 1 << 22 {
            since_poll = 0
            if !shouldContinue(count) { throw MapError(.interrupted) }
        }
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let target = try reserve(bytes.count)
        try move(target, source, bytes.count, shouldContinue)
        count &+= bytes.count
    }

    /// Makes room for more bytes, and returns where they go.
    private mutating func reserve(_ more: Int) throws(MapError) -> UnsafeMutableRawPointer {
        let needed = count.addingReportingOverflow(more)
        if needed.overflow { throw .noHeap }
        if let bytes, needed.partialValue <= capacity { return UnsafeMutableRawPointer(bytes + count) }
        let room = max(needed.partialValue, min(capacity, Int.max / 2) &* 2, 1024)
        try takeMemory(.mmap, room &- capacity)
        guard let fresh = realloc(bytes, room)?.assumingMemoryBound(to: UInt8.self) else {
            mm_budget_give(room &- capacity)
            throw .noHeap
        }
        (bytes, capacity) = (fresh, room)
        return UnsafeMutableRawPointer(fresh + count)
    }

    /// Frees the memory. A second time does nothing.
    package mutating func free() {
        Glibc.free(bytes)
        mm_budget_give(capacity)
        self = mm_text()
    }
}
