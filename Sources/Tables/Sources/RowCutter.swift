internal import CMemoryMap
internal import Glibc
internal import MemoryMap

/// Where a text may be cut: at the ends of rows, as a reading from its start finds them.
package struct RowCutter: Sendable {
    package enum Rule: Sendable {
        /// At any newline.
        case lines
        /// At newlines with an even number of quotes before them.
        case quotes(UInt8)
        /// Rows are read one by one where there are quotes.
        case rows(UInt8)
    }

    private let rule: Rule
    private let format: DelimitedFormat

    init(_ rule: Rule, _ format: DelimitedFormat) { (self.rule, self.format) = (rule, format) }

    /// For text whose rows are lines.
    package static var lines: RowCutter { RowCutter(.lines, DelimitedFormat(separator: [])) }

    /// The end of the first row that ends at or after `goal`; nil if no row ends there before `end`.
    ///
    /// - Parameters:
    ///   - region: Current and readable, with at least `end` bytes.
    ///   - start: Of a row.
    ///   - goal: `start ... end`.
    func cut(
        _ region: mm_region, from start: Int, goal: Int, end: Int, _ run: Run
    ) throws(TableError) -> Int? {
        guard let base = region.base else { return nil }
        let place: Int?
        switch rule {
        case .lines: place = try lineEnd(base, max(start, goal &- 1), end, run)
        case .quotes(let quote): place = try quotedEnd(base, start, goal, end, quote, run)
        case .rows(let quote):
            if goal > start, try countBytes(base + start, goal &- start, quote, run) == 0,
                let place = try lineEnd(base, max(start, goal &- 1), end, run),
                try countBytes(base + start, place &- start, quote, run) == 0
            {
                return try intact(region, place)
            }
            place = try rowEnd(region, start, goal, end, run)
        }
        return try intact(region, place)
    }

    private func intact(_ region: mm_region, _ place: Int?) throws(TableError) -> Int? {
        try mapped { () throws(MapError) in try MappedBytes(region).checkIntact() }
        return place
    }

    private func quotedEnd(
        _ base: UnsafeMutablePointer<UInt8>, _ start: Int, _ goal: Int, _ end: Int, _ quote: UInt8, _ run: Run
    ) throws(TableError) -> Int? {
        var place = max(start, goal &- 1)
        var isInside = try countBytes(base + start, place &- start, quote, run) & 1 != 0
        // The end of the line that `place` is in, where known: a long line may have many quotes.
        var line = place
        while place < end {
            if isInside {
                guard let next = try first(quote, base, place, end, run) else { return nil }
                (place, isInside) = (next &+ 1, false)
            } else {
                // Line by line, so that no byte is searched twice for the same.
                if line <= place { line = try lineEnd(base, place, end, run) ?? end }
                if let next = try first(quote, base, place, line, run) {
                    (place, isInside) = (next &+ 1, true)
                } else {
                    return line < end || end > place && base[end &- 1] == newline ? line : nil
                }
            }
        }
        return nil
    }

    private func rowEnd(
        _ region: mm_region, _ start: Int, _ goal: Int, _ end: Int, _ run: Run
    ) throws(TableError) -> Int? {
        var rows = format.rows(region, start, end)
        var row = mm_row()
        var stopped: TableError?
        return try withUnsafeTemporaryAllocation(of: mm_text_field.self, capacity: 64) {
            (found) throws(TableError) -> Int? in
            guard let found = found.baseAddress else { return nil }
            while mm_begin_row(&rows, &row) {
                repeat {
                    let count = try mapped { () throws(MapError) in
                        try rows.scan(&row, found, 64) { _ in
                            do throws(TableError) { try run.poll() } catch { stopped = error }
                            return stopped == nil
                        }
                    }
                    if count == ScanStatus.end.rawValue { return nil }
                    if count < 0 { break }
                } while !row.complete
                if let stopped { throw stopped }
                mm_finish_row(&rows, &row)
                // The last row of the text may have no end of its own.
                if row.position >= end {
                    return row.position == end && end > start && region.base?[end &- 1] == newline ? end : nil
                }
                if row.position >= goal { return row.position }
            }
            return nil
        }
    }
}

private var newline: UInt8 { UInt8(ascii: "\n") }

/// What is searched between two polls, in bytes.
private var step: Int { 8 << 20 }

/// The end of the line that a place is in; nil if it has none before `end`.
private func lineEnd(
    _ base: UnsafeMutablePointer<UInt8>, _ place: Int, _ end: Int, _ run: Run
) throws(TableError) -> Int? {
    try first(newline, base, place, end, run).map { $0 &+ 1 }
}

private func first(
    _ byte: UInt8, _ base: UnsafeMutablePointer<UInt8>, _ start: Int, _ end: Int, _ run: Run
) throws(TableError) -> Int? {
    var place = start
    while place < end {
        let count = min(end &- place, step)
        if let found = memchr(base + place, CInt(byte), count) {
            return UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
        place &+= count
        try run.poll()
    }
    return nil
}

/// The number of occurrences of a byte.
func countBytes(
    _ start: UnsafePointer<UInt8>, _ count: Int, _ byte: UInt8, _ run: Run?
) throws(TableError) -> Int {
    var total = 0
    var place = 0
    while place < count {
        let part = min(count &- place, step)
        total &+= occurrences(of: byte, start + place, part)
        place &+= part
        if part == step { try run?.poll() }
    }
    return total
}
