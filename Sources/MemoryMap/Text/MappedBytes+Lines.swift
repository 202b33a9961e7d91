package import CMemoryMap
internal import Glibc

// Lines: what stands between two separators. The last one needs no separator behind it; behind a
// final separator there is no further, empty line.

/// What a scanner says beside the range that it found.
package enum ScanStatus: Int32 {
    /// There is nothing more.
    case end = -7
    case found = 1
    /// The handle is not current, or pages were gone while they were read: to be looked into.
    case changed = -1
    /// No end was found within `scanWindow` bytes: to be looked for while polling.
    case far = -2
    /// The caller's `poll` returned false.
    case interrupted = -3
    /// A quote that is not closed before the range ends.
    case unclosedQuote = -4
    /// Something other than a separator behind a closing quote.
    case strayByte = -5
    /// Fewer fields than there are types that need one.
    case tooFewFields = -6
}

/// How many bytes are searched at once before somebody may ask to stop.
package var scanWindow: Int { 1 << 20 }

extension mm_lines {
    /// Starts a walk over a range.
    ///
    /// - Parameters:
    ///   - offset: In bytes, `0 ... count`.
    ///   - length: In bytes; nil means to the current end.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`.
    package init(
        _ bytes: MappedBytes, _ offset: Int, _ length: Int?, separator: mm_separator
    ) throws(MapError) {
        let (current, range) = try bytes.readable(offset, length)
        self.init(
            region: current.region, position: offset, end: offset &+ range.count, separator: separator)
    }

    /// The next line, if it ends within `scanWindow` bytes. The walk does not go on by itself: the caller
    /// sets `position` to `line.next` when it has what it wants.
    package mutating func find(_ line: UnsafeMutablePointer<mm_line>) -> ScanStatus {
        find(line, window: scanWindow)
    }

    @inline(__always)
    private mutating func find(_ line: UnsafeMutablePointer<mm_line>, window: Int) -> ScanStatus {
        guard mm_is_current(&region), mm_is_readable(&region), let base = region.base else {
            // An empty mapping has no base.
            return mm_is_current(&region) && position >= end ? .end : .changed
        }
        let start = position
        if start >= end { return .end }
        let rest = end &- start
        let limit = min(rest, window)
        let count = Int(separator.count)
        let found =
            count == 1
            ? memchr(base + start, CInt(separator.bytes.0), limit).map { UnsafeRawPointer($0) }
            : mm_find_separator(&separator, base + start, limit)
        if let found {
            let length = found - UnsafeRawPointer(base + start)
            line.pointee = mm_line(start: start, length: length, next: start &+ length &+ count)
        } else if limit < rest {
            return .far
        } else {
            line.pointee = mm_line(start: start, length: rest, next: end)
        }
        return mm_was_intact(&region) ? .found : .changed
    }

    /// The next line however long it is.
    ///
    /// - Parameter poll: Asked every 16 MiB, with the bytes searched so far; false stops the search.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; `misuse` where the buffer is now too short.
    package mutating func find(
        _ line: UnsafeMutablePointer<mm_line>, poll: (_ done: Int) -> Bool
    ) throws(MapError) -> Bool {
        try refresh()
        let step = 16 << 20
        var window = scanWindow
        // Where the search goes on: a separator may begin before the place that was reached.
        var far = self
        while true {
            let status = far.find(line, window: window)
            switch status {
            case .end: return false
            case .found:
                line.pointee.length &+= line.pointee.start &- position
                line.pointee.start = position
                return true
            case .far:
                far.position &+= window &- Int(separator.count) &+ 1
                window = step
                if !poll(far.position &- position) { throw MapError(.interrupted) }
            default: throw MappedBytes(region).lossError()
            }
        }
    }

    private mutating func refresh() throws(MapError) {
        try MappedBytes.refresh(&region, upTo: end)
    }
}

extension MappedBytes {
    /// Updates the handle of an iteration.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`; `misuse` if the buffer no longer has `end` bytes.
    static func refresh(_ region: inout mm_region, upTo end: Int) throws(MapError) {
        var bytes = MappedBytes(region)
        try bytes.refresh()
        guard mm_is_readable(&bytes.region) else { throw .notReadable }
        guard end <= bytes.region.length else {
            throw MapError(
                .misuse, "this iteration ends at byte %1 and its buffer now has %2 bytes", end,
                bytes.region.length)
        }
        region = bytes.region
    }
}
