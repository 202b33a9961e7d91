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
    private let separatorBytes: SIMD16<UInt8>
    private let newlineBytes = SIMD16<UInt8>(repeating: newline)
    private let quoteBytes: SIMD16<UInt8>
    private let quotes: UInt64
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
        quotes = repeated(quote)
        separatorBytes = SIMD16(repeating: separator)
        quoteBytes = SIMD16(repeating: quote)
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
        while row < room {
            var next = place
            if next >= end { break }
            if isCareful {
                let byte = base[next]
                if byte == comment || byte == newline || byte == carriageReturn { break }
            }
            guard scanRow(base, &next, end, readable, targets, row) else { break }
            starts[row] = place
            place = next
            row &+= 1
        }
        return row
    }

    @inline(__always)
    private func scanRow(
        _ base: UnsafePointer<UInt8>, _ place: inout Int, _ end: Int, _ readable: Int,
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
                    stop = find(base, stop, end, readable)
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
                stop = findBorder(base, start, end, readable)
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

    /// The next separator, newline, or quote, or `end`.
    @inline(__always)
    private func findBorder(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ readable: Int) -> Int {
        var place = start
        while place &+ 16 <= readable {
            let bytes = UnsafeRawPointer(base + place).loadUnaligned(as: SIMD16<UInt8>.self)
            let marks = unsafeBitCast(
                (bytes .== separatorBytes) .| (bytes .== newlineBytes) .| (bytes .== quoteBytes),
                to: SIMD2<UInt64>.self)
            // 8 where a half has none. No branch tells the halves apart: lengths are hard to predict.
            let low = marks[0].trailingZeroBitCount &>> 3
            let high = marks[1].trailingZeroBitCount &>> 3
            let found = low &+ (high & (0 &- low &>> 3))
            place &+= found
            if found < 16 { return min(place, end) }
            if place >= end { return end }
        }
        while place < end {
            let byte = base[place]
            if byte == separator || byte == newline || byte == quote { return place }
            place &+= 1
        }
        return end
    }

    /// The next quote, or `end`.
    @inline(__always)
    private func find(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ readable: Int) -> Int {
        var place = start
        while place &+ 8 <= readable {
            let marks = zeros(mm_load_word(base + place) ^ quotes)
            if marks != 0 { return min(place &+ (marks.trailingZeroBitCount &>> 3), end) }
            place &+= 8
            if place >= end { return end }
        }
        while place < end {
            if base[place] == quote { return place }
            place &+= 1
        }
        return end
    }
}

private var newline: UInt8 { UInt8(ascii: "\n") }
private var carriageReturn: UInt8 { UInt8(ascii: "\r") }

private func repeated(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// Sets the highest bit of each byte that is zero, and maybe of bytes above one.
@inline(__always)
private func zeros(_ word: UInt64) -> UInt64 {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}
