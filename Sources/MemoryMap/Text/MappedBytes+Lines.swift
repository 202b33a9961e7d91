package import CMemoryMap
internal import Glibc

// Lines: the bytes between two separators. The last one needs no separator; a final separator begins no
// further, empty line.

/// The result of a scanner beside the range that it found.
package enum ScanStatus: Int32 {
    /// There is nothing more.
    case end = -7
    case found = 1
    /// The handle is not current, or pages were gone while they were read: the slow way tells which.
    case changed = -1
    /// No end was found within `scanWindow` bytes: the search goes on and can be stopped.
    case far = -2
    /// The caller's `shouldContinue` returned false.
    case interrupted = -3
    /// A quote that is not closed before the range ends.
    case unclosedQuote = -4
    /// Something other than a separator after a closing quote.
    case strayByte = -5
    /// Fewer fields than types that require one.
    case tooFewFields = -6
    /// A quote in a field that has none at its start.
    case bareQuote = -8
}

/// The number of bytes to search before `shouldContinue` is called.
package var scanWindow: Int { 1 << 20 }

/// The same where `shouldContinue` is asked.
private var scanStep: Int { 16 << 20 }

extension mm_lines {
    /// Starts an iteration over a range.
    ///
    /// - Parameters:
    ///   - offset: In bytes, `0 ... count`.
    ///   - length: In bytes; nil means to the current end.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`.
    package init(
        _ bytes: MappedBytes, _ offset: Int, _ length: Int?, separator: mm_separator
    ) throws(MapError) {
        let (current, range) = try bytes.readable(offset, length)
        let end = offset &+ range.count
        self.init(
            region: current.region, position: offset, end: end, reach: end, separator: separator)
    }

    /// The next line, if it ends within `scanWindow` bytes. The caller sets `position` to `line.next` when it
    /// is done with the line.
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

    /// The next line, of any length.
    ///
    /// - Parameter shouldContinue: Called every 16 MiB with the number of bytes searched so far; returns false to stop.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; `misuse` if the buffer is now too short.
    package mutating func find(
        _ line: UnsafeMutablePointer<mm_line>, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Bool {
        try refresh()
        var window = scanWindow
        // A separator may begin before the place that the search has reached.
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
                window = scanStep
                if !shouldContinue(far.position &- position) { throw MapError(.interrupted) }
            default: throw MappedBytes(region).lossError()
            }
        }
    }

    /// The last line, if it starts within `scanWindow` bytes of its end. The caller sets `end` to
    /// `line.start` when it is done with the line. The separator must not overlap itself.
    package mutating func findLast(_ line: UnsafeMutablePointer<mm_line>) -> ScanStatus {
        guard mm_is_current(&region), mm_is_readable(&region), let base = region.base else {
            return mm_is_current(&region) && position >= end ? .end : .changed
        }
        if position >= end { return .end }
        let finish = lastLineFinish(base)
        guard let start = lastLineStart(base, finish, window: scanWindow) else { return .far }
        line.pointee = mm_line(start: start, length: finish &- start, next: end)
        return mm_was_intact(&region) ? .found : .changed
    }

    /// The last line, of any length. See `find`.
    package mutating func findLast(
        _ line: UnsafeMutablePointer<mm_line>, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Bool {
        try refresh()
        guard position < end, let base = region.base else { return false }
        let finish = lastLineFinish(base)
        var window = scanStep
        while true {
            let start = lastLineStart(base, finish, window: window)
            try MappedBytes(region).checkIntact()
            if let start {
                line.pointee = mm_line(start: start, length: finish &- start, next: end)
                return true
            }
            if !shouldContinue(window) { throw MapError(.interrupted) }
            // Twice as much each time: what is searched again is no more than what is new.
            window &*= 2
        }
    }

    /// The end of the last line without its separator.
    @inline(__always)
    private mutating func lastLineFinish(_ base: UnsafePointer<UInt8>) -> Int {
        let count = Int(separator.count)
        let finish = end &- count
        guard finish >= position, base[finish] == separator.bytes.0,
            mm_separator_follows(&separator, base + finish, count)
        else { return end }
        return finish
    }

    /// The start of the line that ends at `finish`; nil where it is more than `window` bytes before that.
    @inline(__always)
    private mutating func lastLineStart(
        _ base: UnsafePointer<UInt8>, _ finish: Int, window: Int
    ) -> Int? {
        let count = Int(separator.count)
        let first = max(position, finish &- window)
        // The last byte of the separator is sought.
        let last = withUnsafeBytes(of: separator.bytes) { $0[count &- 1] }
        var stop = finish
        while stop &- first >= count, let found = mm_find_last(base + first, CInt(last), stop &- first) {
            let place = found - UnsafeRawPointer(base) &+ 1 &- count
            if place < first { break }
            if count == 1 || mm_separator_is_at(&separator, base + place) { return place &+ count }
            stop = place &+ count &- 1
        }
        return first > position ? nil : first
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

    /// Whether a walk over the first `end` bytes may say that it has seen them all.
    ///
    /// Bytes after the end of a file, in its last page, read as zeros without a signal, so the size of the
    /// file is asked.
    ///
    /// - Parameter path: The path of the file.
    /// - Throws: `lost` where the file ends before `end` now.
    package func checkReached(_ end: Int, path: UnsafePointer<CChar>) throws(MapError) {
        guard end > 0, let size = fileSize(at: path) else { return }
        let slot = region.slot.pointee
        let start = Int(slot.file_offset) &+ region.offset
        if size &- start < end {
            throw MapError(
                .lost, "the file was truncated: it ends at offset %1 of the buffer, and zeros follow",
                max(0, size &- start),
                Int(slot.file_size), Int(SIGBUS))
        }
    }
}
