internal import CMemoryMap

/// A place in the memory of fields: for each column of the text the fields of a batch, or nil where nobody wants them.
typealias FieldTargets = UnsafePointer<UnsafeMutablePointer<Text>?>

/// In a field's count, until it is settled: it was in quotes.
var quotedMark: Int { Int.min }
/// It has quotes with an escape before them.
var escapedMark: Int { 1 &<< 62 }
/// The row had no such field.
var missingMark: Int { 1 &<< 61 }
var allMarks: Int { quotedMark | escapedMark | missingMark }

/// Cuts rows into fields: separators of one byte, quotes that are doubled, ends of lines with or without a carriage
/// return. Whatever else comes is left to `mm_rows`.
///
/// Others may write the bytes meanwhile: no place depends on a byte that is read twice.
struct FieldScanner {
    private let separator: UInt8
    private let quote: UInt8
    private let isQuoted: Bool
    /// The first byte of a comment, or a newline again.
    private let comment: UInt8
    /// Whether a row may be none: blank, or a comment.
    private let isCareful: Bool
    /// Of each row.
    private let fields: Int

    init(_ format: DelimitedFormat, fields: Int) {
        separator = format.separator.first ?? 0
        quote = format.quotes ?? separator
        isQuoted = format.quotes != nil
        comment = format.comment.first ?? newline
        isCareful = !format.comment.isEmpty || format.skipsBlank
        self.fields = fields
    }

    /// Reads rows until there are `room`, the text ends, or one is not regular, at whose start `place` then is.
    ///
    /// - Parameters:
    ///   - place: The start of a row; at return, of the next.
    ///   - end: Of the rows.
    ///   - readable: Bytes from `base` on that may be read; at least `end`.
    ///   - starts: Gets the places of the rows.
    /// - Returns: The number of rows, `first` included.
    @inline(__always)
    func scan(
        _ base: UnsafePointer<UInt8>, _ place: inout Int, _ end: Int, readable: Int,
        _ targets: FieldTargets, _ starts: UnsafeMutablePointer<Int>, from first: Int, room: Int
    ) -> Int {
        var row = first
        var window = Window(self, base, end, readable: readable)
        while row < room {
            var next = place
            if next >= end { break }
            if isCareful {
                let byte = base[next]
                if byte == comment || byte == newline || byte == carriageReturn { break }
            }
            guard scanRow(base, &next, end, &window, targets, row) else { break }
            starts[row] = place
            place = next
            row &+= 1
        }
        return row
    }

    @inline(__always)
    private func scanRow(
        _ base: UnsafePointer<UInt8>, _ place: inout Int, _ end: Int, _ window: inout Window,
        _ targets: FieldTargets, _ row: Int
    ) -> Bool {
        var field = 0
        while true {
            var start = place
            var stop: Int
            var marks = 0
            var border: UInt8
            if isQuoted && start < end && base[start] == quote {
                start &+= 1
                stop = start
                marks = quotedMark
                while true {
                    stop = window.quote(from: stop)
                    if stop >= end { return false }
                    if stop &+ 1 >= end || base[stop &+ 1] != quote { break }
                    marks = quotedMark | escapedMark
                    stop &+= 2
                }
                place = stop &+ 1
                border = place < end ? base[place] : newline
                if border == carriageReturn && place &+ 1 < end && base[place &+ 1] == newline {
                    place &+= 1
                    border = newline
                }
            } else {
                stop = window.border(from: start)
                place = stop
                border = stop < end ? base[stop] : newline
                if border == newline && stop > start && stop < end && base[stop &- 1] == carriageReturn {
                    stop &-= 1
                }
            }
            if let target = targets[field] { target[row] = Text(base + start, (stop &- start) | marks) }
            field &+= 1
            place = min(place &+ 1, end)
            if border == separator {
                if field >= fields { return false }
                continue
            }
            return border == newline && field == fields
        }
    }

    /// 64 bytes of the text, of which it is known where separators, newlines, and quotes are.
    private struct Window {
        private let base: UnsafePointer<UInt8>
        private let end: Int
        /// The last place where a window may begin.
        private let last: Int
        private let scanner: FieldScanner
        /// At first far away.
        private var start = Int.min / 2
        private var marks = mm_marks()

        @inline(__always)
        init(_ scanner: FieldScanner, _ base: UnsafePointer<UInt8>, _ end: Int, readable: Int) {
            (self.scanner, self.base, self.end) = (scanner, base, end)
            last = min(readable &- 64, end &- 1)
        }

        @inline(__always)
        private mutating func move(to place: Int) -> Bool {
            if place > last { return false }
            start = place
            marks = mm_find_marks(base + place, scanner.separator, newline, scanner.quote)
            return true
        }

        /// The next separator, newline, or quote, or the end of the text.
        @inline(__always)
        mutating func border(from place: Int) -> Int { find(place, { $0.all }) { $0.isBorder($1) } }

        /// The next quote, or the end of the text.
        @inline(__always)
        mutating func quote(from place: Int) -> Int { find(place, { $0.third }) { $0.quote == $1 } }

        @inline(__always)
        private mutating func find(
            _ place: Int, _ marksOf: (mm_marks) -> UInt64, _ isOne: (FieldScanner, UInt8) -> Bool
        ) -> Int {
            var next = place
            if next &- start >= 64 && !move(to: next) { return findSlowly(next, isOne) }
            var found = marksOf(marks) & ~0 &<< UInt64(truncatingIfNeeded: next &- start)
            while found == 0 {
                next = start &+ 64
                if !move(to: next) { return findSlowly(next, isOne) }
                found = marksOf(marks)
            }
            return min(start &+ found.trailingZeroBitCount, end)
        }

        /// At the end of the text.
        @inline(never)
        private func findSlowly(_ place: Int, _ isOne: (FieldScanner, UInt8) -> Bool) -> Int {
            var place = place
            while place < end && !isOne(scanner, base[place]) { place &+= 1 }
            return min(place, end)
        }
    }

    @inline(__always)
    private func isBorder(_ byte: UInt8) -> Bool { byte == separator || byte == newline || byte == quote }
}

private var newline: UInt8 { UInt8(ascii: "\n") }
private var carriageReturn: UInt8 { UInt8(ascii: "\r") }
