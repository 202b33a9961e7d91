internal import CMemoryMap
internal import Glibc

/// The scan of one row, from where `row` says on.
///
/// Everything here is inlined into its two users, one of which polls and one of which gives up after a
/// window instead; the bytes it reads are memory that another process may change at any moment, so no
/// decision about a place in it is made twice.
struct RowScanner {
    private let rows: UnsafePointer<mm_rows>
    private let row: UnsafeMutablePointer<mm_row>
    private let base: UnsafePointer<UInt8>
    private let end: Int
    private let separators: UInt64
    private let lineEnds: UInt64
    /// Up to here may be searched before `poll` is asked.
    private var limit: Int

    /// What stands behind a field.
    private enum Border { case separator, lineEnd, neither }

    /// Where a field ends, what stands there, and where the next field or row starts.
    private struct Stop {
        var end: Int
        var border: Border
        var next: Int
    }

    @inline(__always)
    init(
        _ rows: UnsafePointer<mm_rows>, _ base: UnsafePointer<UInt8>, _ row: UnsafeMutablePointer<mm_row>
    ) {
        self.rows = rows
        self.base = base
        self.row = row
        self.end = rows.pointee.end
        self.separators = everyByte(rows.pointee.separator.bytes.0)
        self.lineEnds = everyByte(rows.pointee.line.bytes.0)
        self.limit = min(rows.pointee.end, row.pointee.position &+ scanWindow)
    }

    /// Fills `found` and returns how many fields there are in it, or a negative `ScanStatus`.
    @inline(__always)
    mutating func scan(
        _ found: UnsafeMutablePointer<mm_field>, _ room: Int, _ poll: (Int) -> Bool
    ) -> Int32 {
        var state = row.pointee
        let types = Int(rows.pointee.count)
        if state.column == 0 && !state.ended && (rows.pointee.header || rows.pointee.skips_blank) {
            let status = passOver(&state, poll)
            if status != .found { return status.rawValue }
        }
        var count = 0
        while true {
            if types > 0 ? state.column >= types : state.ended {
                if !state.ended {
                    let status = passRest(&state.position, poll)
                    if status != .found { return status.rawValue }
                }
                (state.ended, state.complete) = (true, true)
                break
            }
            if count >= room { break }
            let type = mm_type_of_column(rows, state.column)
            let field = found + count
            if state.ended {
                if type & UInt8(MM_TEXT_OPTIONAL) == 0 && type != UInt8(MM_TEXT_SKIP) {
                    row.pointee = state
                    return ScanStatus.tooFewFields.rawValue
                }
                field.pointee.kind = UInt8(MM_FIELD_ABSENT)
            } else {
                let status = take(field, type, &state, poll)
                if status != .found { return status.rawValue }
            }
            state.column &+= 1
            if type != UInt8(MM_TEXT_SKIP) { count &+= 1 }
        }
        row.pointee = state
        return Int32(truncatingIfNeeded: count)
    }

    /// Takes the field at the state's position.
    @inline(__always)
    private mutating func take(
        _ field: UnsafeMutablePointer<mm_field>, _ type: UInt8, _ state: inout mm_row,
        _ poll: (Int) -> Bool
    ) -> ScanStatus {
        let start = state.position
        let wanted = type & UInt8(MM_TEXT_TYPE)
        let isNumber = wanted == UInt8(MM_TEXT_NUMBER) || wanted == UInt8(MM_TEXT_INTEGER)
        field.pointee.type = type
        field.pointee.column = UInt16(truncatingIfNeeded: state.column &+ 1)
        if rows.pointee.quoted && start < end && base[start] == quote {
            return takeQuoted(field, isNumber, &state, poll)
        }
        if isNumber {
            var number = Numeral(at: start)
            if start &+ 8 <= end {
                let word = self.word(start)
                number = Numeral(word, upTo: marks(word), at: start)
            }
            if number.stop == start { number = Numeral(base, start, min(end, start &+ 64)) }
            let stop = border(at: number.stop)
            if number.stop > start && stop.border != .neither && set(field, number) {
                (state.position, state.ended) = (stop.next, stop.border == .lineEnd)
                return .found
            }
        }
        guard let stop = fieldEnd(from: start, poll) else { return .far }
        field.pointee.start = start
        field.pointee.length = stop.end &- start
        if isNumber {
            field.pointee.kind = UInt8(MM_FIELD_NUMERAL)
        } else {
            field.pointee.kind = UInt8(MM_FIELD_STRING)
            field.pointee.hash = hash(start, stop.end &- start)
        }
        (state.position, state.ended) = (stop.next, stop.border == .lineEnd)
        return .found
    }

    @inline(__always)
    private func set(_ field: UnsafeMutablePointer<mm_field>, _ number: Numeral) -> Bool {
        if number.isFloat && field.pointee.type & UInt8(MM_TEXT_TYPE) == UInt8(MM_TEXT_INTEGER) { return false }
        field.pointee.kind = UInt8(number.isFloat ? MM_FIELD_FLOAT : MM_FIELD_INTEGER)
        field.pointee.value = number.value
        return true
    }

    @inline(__always)
    private mutating func takeQuoted(
        _ field: UnsafeMutablePointer<mm_field>, _ isNumber: Bool, _ state: inout mm_row,
        _ poll: (Int) -> Bool
    ) -> ScanStatus {
        let start = state.position &+ 1
        var isDoubled = false
        var stop = Stop(end: start, border: .neither, next: start)
        let status = closingQuote(&stop, &isDoubled, poll)
        if status != .found {
            (row.pointee.position, row.pointee.column) = (stop.next, state.column)
            return status
        }
        (state.position, state.ended) = (stop.next, stop.border == .lineEnd)
        if isNumber && !isDoubled {
            let number = Numeral(base, start, stop.end)
            if number.stop > start && number.stop == stop.end && set(field, number) { return .found }
        }
        field.pointee.start = start
        field.pointee.length = stop.end &- start
        if isNumber {
            field.pointee.kind = UInt8(MM_FIELD_NUMERAL)
        } else {
            field.pointee.kind = UInt8(isDoubled ? MM_FIELD_DOUBLED : MM_FIELD_STRING)
            field.pointee.hash = hash(start, stop.end &- start)
        }
        return .found
    }

    /// The quote that closes the field whose bytes begin at `stop.end`.
    @inline(__always)
    private mutating func closingQuote(
        _ stop: inout Stop, _ isDoubled: inout Bool, _ poll: (Int) -> Bool
    ) -> ScanStatus {
        var place = stop.end
        while true {
            guard let found = first(quote, from: place, poll) else { return .far }
            if found >= end {
                stop.next = end
                return .unclosedQuote
            }
            if found &+ 1 < end && base[found &+ 1] == quote {
                isDoubled = true
                place = found &+ 2
                continue
            }
            stop = border(at: found &+ 1)
            stop.end = found
            if stop.border != .neither { return .found }
            stop.next = found &+ 1
            return passRest(&stop.next, isQuoted: false, poll) == .far ? .far : .strayByte
        }
    }

    /// Passes over blank rows and the header.
    @inline(__always)
    private mutating func passOver(_ state: inout mm_row, _ poll: (Int) -> Bool) -> ScanStatus {
        var isHeader = rows.pointee.header
        while true {
            while rows.pointee.skips_blank && state.position < end {
                let stop = border(at: state.position)
                if stop.border != .lineEnd { break }
                state.position = stop.next
                state.skipped &+= 1
                if state.position > limit {
                    if !poll(state.position) { return .far }
                    limit = min(end, state.position &+ scanWindow)
                }
            }
            if isHeader && state.position < end {
                let status = passRest(&state.position, poll)
                if status != .found { return status }
                state.skipped &+= 1
                isHeader = false
                continue
            }
            if state.position < end { return .found }
            row.pointee = state
            return .end
        }
    }

    /// Passes over the rest of a row, from the start of a field on.
    @inline(__always)
    private mutating func passRest(_ position: inout Int, _ poll: (Int) -> Bool) -> ScanStatus {
        passRest(&position, isQuoted: rows.pointee.quoted, poll)
    }

    @inline(__always)
    private mutating func passRest(
        _ position: inout Int, isQuoted: Bool, _ poll: (Int) -> Bool
    ) -> ScanStatus {
        if !isQuoted {
            var place = position
            while true {
                guard let found = first(rows.pointee.line.bytes.0, from: place, poll) else { return .far }
                position = end
                if found >= end { return .found }
                if isLineEnd(found) {
                    position = found &+ Int(rows.pointee.line.count)
                    return .found
                }
                place = found &+ 1
            }
        }
        while true {
            var stop = Stop(end: position &+ 1, border: .neither, next: position)
            if position < end && base[position] == quote {
                var isDoubled = false
                let status = closingQuote(&stop, &isDoubled, poll)
                if status != .found {
                    row.pointee.position = stop.next
                    return status
                }
            } else {
                guard let found = fieldEnd(from: position, poll) else { return .far }
                stop = found
            }
            position = stop.next
            if stop.border == .lineEnd { return .found }
        }
    }

    /// The first of a byte from a place on, or the range's end; nil where `poll` stopped the search.
    @inline(__always)
    private mutating func first(_ byte: UInt8, from start: Int, _ poll: (Int) -> Bool) -> Int? {
        var place = start
        while true {
            if place < limit, let found = memchr(base + place, CInt(byte), limit &- place) {
                return UnsafeRawPointer(found) - UnsafeRawPointer(base)
            }
            if limit >= end { return end }
            place = max(place, limit)
            if !poll(place) { return nil }
            limit = min(end, place &+ scanWindow)
        }
    }

    /// Where the field that begins at a place ends; nil where `poll` stopped the search.
    @inline(__always)
    private mutating func fieldEnd(from start: Int, _ poll: (Int) -> Bool) -> Stop? {
        var place = start
        while true {
            place = candidate(from: place)
            if place < limit {
                var stop = border(at: place)
                if stop.border == .neither {
                    place &+= 1
                    continue
                }
                if stop.border == .lineEnd && rows.pointee.takes_return && place > start
                    && base[place &- 1] == carriageReturn
                {
                    stop.end = place &- 1
                }
                return stop
            }
            if limit >= end { return Stop(end: end, border: .lineEnd, next: end) }
            if !poll(place) { return nil }
            limit = min(end, place &+ scanWindow)
        }
    }

    /// The next place below `limit` where a separator or a line's end may begin, or `limit`.
    @inline(__always)
    private func candidate(from start: Int) -> Int {
        var place = start
        while place &+ 8 <= limit {
            let word = self.word(place)
            let marks = self.marks(word)
            if marks != 0 { return place &+ (marks.trailingZeroBitCount &>> 3) }
            place &+= 8
        }
        while place < limit {
            let byte = base[place]
            if byte == UInt8(truncatingIfNeeded: separators) || byte == UInt8(truncatingIfNeeded: lineEnds) {
                return place
            }
            place &+= 1
        }
        return place
    }

    @inline(__always)
    private func border(at place: Int) -> Stop {
        if place >= end { return Stop(end: end, border: .lineEnd, next: end) }
        let byte = base[place]
        if byte == UInt8(truncatingIfNeeded: separators)
            && mm_separator_follows(mm_field_separator(rows), base + place, end &- place)
        {
            return Stop(end: place, border: .separator, next: place &+ Int(rows.pointee.separator.count))
        }
        if byte == UInt8(truncatingIfNeeded: lineEnds) && isLineEnd(place) {
            return Stop(end: place, border: .lineEnd, next: place &+ Int(rows.pointee.line.count))
        }
        if byte == carriageReturn && rows.pointee.takes_return && place &+ 1 < end
            && base[place &+ 1] == UInt8(ascii: "\n")
        {
            return Stop(end: place, border: .lineEnd, next: place &+ 2)
        }
        return Stop(end: place, border: .neither, next: place)
    }

    @inline(__always)
    private func isLineEnd(_ place: Int) -> Bool {
        mm_separator_follows(mm_row_separator(rows), base + place, end &- place)
    }

    /// Of the lowest bits that are set, the lowest is the highest bit of the first byte of the word that
    /// may begin a separator or a line's end; 0 where there is none.
    @inline(__always)
    private func marks(_ word: UInt64) -> UInt64 {
        zeroBytes(word ^ separators) | zeroBytes(word ^ lineEnds)
    }

    /// Eight bytes, the first in the lowest bits.
    @inline(__always)
    private func word(_ place: Int) -> UInt64 { mm_load_word(base + place) }

    /// A number made of a string's length, its first and its last bytes.
    @inline(__always)
    private func hash(_ start: Int, _ length: Int) -> UInt32 {
        var first: UInt64 = 0
        var last: UInt64 = 0
        if length >= 8 {
            first = word(start)
            last = word(start &+ length &- 8)
        } else if start &+ 8 <= end {
            first = word(start) & ((1 &<< UInt64(truncatingIfNeeded: length &* 8)) &- 1)
        } else {
            var place = start
            while place < start &+ length {
                first = first &<< 8 | UInt64(base[place])
                place &+= 1
            }
        }
        let mixed = (first ^ last &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: length)) &* 0xD6E8_FEB8_6659_FD93
        return UInt32(truncatingIfNeeded: mixed &>> 32)
    }
}

private var quote: UInt8 { UInt8(ascii: "\"") }
private var carriageReturn: UInt8 { UInt8(ascii: "\r") }

/// A word of eight times the same byte.
@inline(__always)
func everyByte(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// The highest bit of every byte that is zero; of bytes above a zero one it may be set too.
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}
