package import CMemoryMap
internal import Glibc

// Rows of fields: a line each, cut at a separator; with quotes as in RFC 4180 a field may hold
// separators and line ends, and a row may then take several lines.

extension mm_rows {
    /// Starts a walk over a range of the buffer that `bytes` is; the rest is for the caller to set.
    ///
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`.
    package mutating func start(_ bytes: MappedBytes, _ offset: Int, _ length: Int?) throws(MapError) {
        let (current, range) = try bytes.readable(offset, length)
        (region, position, end) = (current.region, offset, offset &+ range.count)
    }

    /// The next fields of a row, as many as there is room for. The walk goes on to the next row by
    /// `mm_finish_row`.
    ///
    /// - Parameter row: Where the row is; to be begun with `mm_begin_row`.
    /// - Returns: How many fields were found; `row.complete` says whether they were the last. A negative
    ///   number where something is in the way: the scan that polls says what.
    package mutating func scan(
        _ row: UnsafeMutablePointer<mm_row>, _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int
    ) -> Int32 {
        guard mm_is_current(&region), mm_is_readable(&region), let base = region.base else {
            return ScanStatus.changed.rawValue
        }
        let before = row.pointee
        var scanner = RowScanner(&self, base, row)
        let count = scanner.scan(found, room) { _ in false }
        if count >= 0 && mm_was_intact(&region) { return count }
        // The other scan begins at the same place.
        row.pointee = before
        return ScanStatus.changed.rawValue
    }

    /// As `scan`, however long the fields are; returns a negative `ScanStatus` where the row is malformed.
    ///
    /// - Parameter poll: Asked every `scanWindow` bytes; false stops the search.
    /// - Throws: `closed`, `lost`, `notReadable`; `misuse` where the buffer is now too short.
    package mutating func scan(
        _ row: UnsafeMutablePointer<mm_row>, _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int,
        poll: (_ done: Int) -> Bool
    ) throws(MapError) -> Int32 {
        try MappedBytes.refresh(&region, upTo: end)
        guard let base = region.base else { return 0 }
        var scanner = RowScanner(&self, base, row)
        let count = scanner.scan(found, room, poll)
        try MappedBytes(region).checkIntact()
        if count == ScanStatus.far.rawValue { throw MapError(.interrupted) }
        return count
    }
}
