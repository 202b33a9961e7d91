internal import CMemoryMap

/// The scan of one row, from where `row` says on.
///
/// Everything here is inlined into its two users, one of which polls and one of which gives up after a
/// window instead; the bytes it reads are memory that another process may change at any moment, so no
/// decision about a place in it is made twice.
struct RowScanner {
    let rows: UnsafePointer<mm_rows>
    let row: UnsafeMutablePointer<mm_row>
    let base: UnsafePointer<UInt8>
    let end: Int
    let separators: UInt64
    let lineEnds: UInt64
    /// Up to here may be searched before `poll` is asked.
    var limit: Int

    /// What stands behind a field.
    enum Border { case separator, lineEnd, neither }

    /// Where a field ends, what stands there, and where the next field or row starts.
    struct Stop {
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
        _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int, _ poll: (Int) -> Bool
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
        _ field: UnsafeMutablePointer<mm_text_field>, _ type: UInt8, _ state: inout mm_row,
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
    private func set(_ field: UnsafeMutablePointer<mm_text_field>, _ number: Numeral) -> Bool {
        let wanted = field.pointee.type & UInt8(MM_TEXT_TYPE)
        if number.isFloat && wanted == UInt8(MM_TEXT_INTEGER) { return false }
        field.pointee.kind = UInt8(number.isFloat ? MM_FIELD_FLOAT : MM_FIELD_INTEGER)
        field.pointee.value = number.value
        return true
    }

    @inline(__always)
    private mutating func takeQuoted(
        _ field: UnsafeMutablePointer<mm_text_field>, _ isNumber: Bool, _ state: inout mm_row,
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
}
