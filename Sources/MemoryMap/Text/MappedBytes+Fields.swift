package import CMemoryMap
internal import Glibc

// Rows of fields: one for each line, cut at a separator; with quotes as in RFC 4180 a field may hold
// separators and line ends, and a row may then take several lines.

extension mm_rows {
    /// Starts a walk over a range of a buffer; the caller sets the other fields, and then calls
    /// `mm_settle_rows`.
    ///
    /// A byte order mark at the start of the buffer is not part of the first row.
    ///
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`.
    package mutating func start(_ bytes: MappedBytes, _ offset: Int, _ length: Int?) throws(MapError) {
        let (current, range) = try bytes.readable(offset, length)
        (region, position, end) = (current.region, offset, offset &+ range.count)
        if offset == 0 && range.starts(with: byteOrderMark) { position = byteOrderMark.count }
        try current.checkIntact()
        (counted_to, counted_line) = (position, 1)
    }

    /// Finds the next fields of a row, `room` at most. `mm_finish_row` advances to the next row.
    ///
    /// - Parameter row: From `mm_begin_row`.
    /// - Returns: The number of fields; `row.complete` tells whether they were the last. A negative number
    /// where something
    ///   is in the way: the scan that polls returns what.
    package mutating func scan(
        _ row: UnsafeMutablePointer<mm_row>, _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int
    ) -> Int32 {
        guard mm_is_current(&region), mm_is_readable(&region), let base = region.base else {
            return ScanStatus.changed.rawValue
        }
        let before = row.pointee
        let count: Int32
        if special {
            var scanner = RowScanner<SpecialRows>(&self, base, row)
            count = scanner.scan(found, room) { _ in false }
        } else if quoted {
            var scanner = RowScanner<QuotedRows>(&self, base, row)
            count = scanner.scan(found, room) { _ in false }
        } else {
            var scanner = RowScanner<PlainRows>(&self, base, row)
            count = scanner.scan(found, room) { _ in false }
        }
        if count >= 0 && mm_was_intact(&region) { return count }
        // The scan with `shouldContinue` begins at the same place.
        row.pointee = before
        return ScanStatus.changed.rawValue
    }

    /// As `scan`, for fields of any length; returns a negative `ScanStatus` where the row is malformed.
    ///
    /// - Parameter shouldContinue: Called every `scanWindow` bytes; returns false to stop.
    /// - Throws: `closed`, `lost`, `notReadable`; `misuse` where the buffer is now too short; `interrupted`.
    package mutating func scan(
        _ row: UnsafeMutablePointer<mm_row>, _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int,
        shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int32 {
        try MappedBytes.refresh(&region, upTo: end)
        guard let base = region.base else { return 0 }
        let count: Int32
        if special || quoted {
            var scanner = RowScanner<SpecialRows>(&self, base, row)
            count = scanner.scan(found, room, shouldContinue)
        } else {
            var scanner = RowScanner<PlainRows>(&self, base, row)
            count = scanner.scan(found, room, shouldContinue)
        }
        try MappedBytes(region).checkIntact()
        if count == ScanStatus.far.rawValue { throw MapError(.interrupted) }
        return count
    }

    /// The number of the line at an offset, from 1 at the start of the walk; line ends in quotes count too.
    ///
    /// - Parameter place: Not before that of the last call.
    /// - Throws: As `scan`.
    package mutating func lineNumber(at place: Int, shouldContinue: (_ done: Int) -> Bool) throws(MapError)
        -> Int
    {
        guard place > counted_to else { return counted_line }
        var sought = line
        let bytes = MappedBytes(region)
        let (from, length) = (counted_to, place &- counted_to)
        let count = Int(line.count)
        var lines = 0
        if length < 4096 && count == 1 && mm_is_current(&region) && mm_is_readable(&region),
            let base = region.base
        {
            var next = from
            while next < place, let found = memchr(base + next, CInt(sought.bytes.0), place &- next) {
                lines &+= 1
                next = UnsafeRawPointer(found) - UnsafeRawPointer(base) &+ 1
            }
            try bytes.checkIntact()
        } else {
            lines = try withUnsafeBytes(of: &sought.bytes) { (needle) throws(MapError) in
                try bytes.count(
                    of: UnsafeRawBufferPointer(rebasing: needle[0..<count]), from, length,
                    shouldContinue: shouldContinue)
            }
        }
        (counted_to, counted_line) = (place, counted_line &+ lines)
        return counted_line
    }
}

/// U+FEFF in UTF-8, which some programs write in front of a text.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
