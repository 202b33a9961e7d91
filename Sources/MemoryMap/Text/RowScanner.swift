internal import CMemoryMap

/// Which options a scanner has: each kind is compiled by itself, so that plain rows do not pay for options.
protocol RowKind {
    /// Fields may be in quotes.
    static var isQuoted: Bool { get }
    /// All options are looked up in `mm_rows`; `isQuoted` is one of them.
    static var isSpecial: Bool { get }
}

enum PlainRows: RowKind {
    static var isQuoted: Bool { false }
    static var isSpecial: Bool { false }
}

/// Quotes as in RFC 4180; the byte may be another one.
enum QuotedRows: RowKind {
    static var isQuoted: Bool { true }
    static var isSpecial: Bool { false }
}

enum SpecialRows: RowKind {
    static var isQuoted: Bool { true }
    static var isSpecial: Bool { true }
}

/// The scan of one row, from `row.position` on.
///
/// All of it is inlined into its two users: one polls, the other gives up after a window. Another process may
/// change the bytes at any moment, so no bound depends on a byte that is read twice.
struct RowScanner<Kind: RowKind> {
    let rows: UnsafePointer<mm_rows>
    let row: UnsafeMutablePointer<mm_row>
    let base: UnsafePointer<UInt8>
    let end: Int
    let separators: UInt64
    let lineEnds: UInt64
    /// The quote where one in a plain field is an error, else the separator again.
    let quotes: UInt64
    /// `shouldContinue` is asked before any search past this.
    var limit: Int
    /// Of the 64 bytes from `window` on, which may be a separator, a line's end or a quote, and which a line's end. None
    /// if fewer than 64 are below `limit`.
    var marked = mm_marks()
    var window: Int

    /// What is after a field.
    enum Border { case separator, lineEnd, neither, quote }

    /// The end of a field, what is there, and the start of the next field or row.
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
        let isStrict = rows.pointee.quoted && !rows.pointee.lazy
        self.quotes = isStrict ? everyByte(rows.pointee.quote) : separators
        self.limit = min(rows.pointee.end, row.pointee.position &+ scanWindow)
        self.window = row.pointee.position
        if window &+ 64 <= limit { mark(from: window) }
    }

    @inline(__always)
    var isQuoted: Bool { Kind.isSpecial ? rows.pointee.quoted : Kind.isQuoted }

    @inline(__always)
    var quote: UInt8 { rows.pointee.quote }

    @inline(__always)
    var point: UInt8 { Kind.isSpecial ? rows.pointee.point : UInt8(ascii: ".") }

    /// Fills `found` and returns the number of its fields, or a negative `ScanStatus`.
    @inline(__always)
    mutating func scan(
        _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int, _ shouldContinue: (Int) -> Bool
    ) -> Int32 {
        // In place: a copy at the end would wait for the stores of its halves.
        let state = row
        let types = Int(rows.pointee.count)
        var count = 0
        var status = ScanStatus.found
        if state.pointee.column == 0 && !state.pointee.ended {
            status = begin(&state.pointee, shouldContinue)
        }
        while status == .found {
            if types > 0 ? state.pointee.column >= types : state.pointee.ended {
                if !state.pointee.ended { status = passRest(&state.pointee, shouldContinue) }
                (state.pointee.ended, state.pointee.complete) = (true, true)
                break
            }
            if count >= room { break }
            let type = mm_type_of_column(rows, state.pointee.column)
            let field = found + count
            if state.pointee.ended {
                if type & UInt8(MM_TEXT_OPTIONAL) == 0 && type != UInt8(MM_TEXT_SKIP) {
                    status = .tooFewFields
                    break
                }
                field.pointee.kind = UInt8(MM_FIELD_ABSENT)
            } else {
                status = take(field, type, &state.pointee, shouldContinue)
                if status != .found { break }
            }
            state.pointee.column &+= 1
            if type != UInt8(MM_TEXT_SKIP) { count &+= 1 }
        }
        return status == .found ? Int32(truncatingIfNeeded: count) : status.rawValue
    }

    /// Reads the field at the position of `state`.
    @inline(__always)
    private mutating func take(
        _ field: UnsafeMutablePointer<mm_text_field>, _ type: UInt8, _ state: inout mm_row,
        _ shouldContinue: (Int) -> Bool
    ) -> ScanStatus {
        if Kind.isSpecial && rows.pointee.merges && !passSeparators(&state, shouldContinue) { return .far }
        let start = state.position
        let wanted = type & UInt8(MM_TEXT_TYPE)
        var isNumber = wanted != UInt8(MM_TEXT_STRING) && wanted != UInt8(MM_TEXT_SKIP)
        field.pointee.type = type
        field.pointee.column = UInt32(truncatingIfNeeded: state.column &+ 1)
        field.pointee.quoted = false
        field.pointee.kind = UInt8(isNumber ? MM_FIELD_NUMERAL : MM_FIELD_STRING)
        if Kind.isSpecial && rows.pointee.optional_text && type & UInt8(MM_TEXT_OPTIONAL) != 0 {
            isNumber = false
        }
        if isQuoted && start < end && base[start] == quote {
            return takeQuoted(field, isNumber, &state, shouldContinue)
        }
        if isNumber {
            var number = Numeral(at: start)
            if start &+ 8 <= end {
                let word = self.word(start)
                number = Numeral(word, upTo: marks(word), at: start, point: point)
            }
            if number.stop == start { number = Numeral(base, start, min(end, start &+ 64), point: point) }
            let stop = border(at: number.stop)
            if number.stop > start && (stop.border == .separator || stop.border == .lineEnd)
                && set(field, number)
            {
                settle(&state, stop)
                return .found
            }
        }
        guard let stop = fieldEnd(from: start, shouldContinue) else { return .far }
        if Kind.isQuoted && stop.border == .quote { return bareQuote(&state, stop, shouldContinue) }
        field.pointee.start = start
        field.pointee.length = stop.end &- start
        settle(&state, stop)
        return .found
    }

    /// Goes on after a field.
    @inline(__always)
    private func settle(_ state: inout mm_row, _ stop: Stop) {
        state.position = stop.next
        if stop.border == .lineEnd { (state.ended, state.finish) = (true, stop.end) }
    }

    @inline(__always)
    private func set(_ field: UnsafeMutablePointer<mm_text_field>, _ number: Numeral) -> Bool {
        let wanted = field.pointee.type & UInt8(MM_TEXT_TYPE)
        if wanted != UInt8(MM_TEXT_NUMBER) {
            if number.isFloat { return false }
            if wanted == UInt8(MM_TEXT_U64) && number.value < 0 { return false }
        }
        field.pointee.kind = UInt8(number.isFloat ? MM_FIELD_FLOAT : MM_FIELD_INTEGER)
        field.pointee.value = number.value
        return true
    }

    @inline(__always)
    private mutating func takeQuoted(
        _ field: UnsafeMutablePointer<mm_text_field>, _ isNumber: Bool, _ state: inout mm_row,
        _ shouldContinue: (Int) -> Bool
    ) -> ScanStatus {
        let start = state.position &+ 1
        var isEscaped = false
        var stop = Stop(end: start, border: .neither, next: start)
        let status = closingQuote(&stop, &isEscaped, shouldContinue)
        if status != .found {
            state.position = stop.next
            return status
        }
        let length = stop.end &- start
        field.pointee.quoted = true
        // A row's end is after the quote.
        settle(&state, Stop(end: stop.end &+ 1, border: stop.border, next: stop.next))
        if isNumber && !isEscaped {
            let number = Numeral(base, start, stop.end, point: point)
            if number.stop > start && number.stop == stop.end && set(field, number) { return .found }
        }
        field.pointee.start = start
        field.pointee.length = length
        if isEscaped && field.pointee.kind == UInt8(MM_FIELD_STRING) {
            field.pointee.kind = UInt8(MM_FIELD_DOUBLED)
        }
        return .found
    }

    /// Finds the quote that closes the field whose bytes begin at `stop.end`.
    @inline(__always)
    private mutating func closingQuote(
        _ stop: inout Stop, _ isEscaped: inout Bool, _ shouldContinue: (Int) -> Bool
    ) -> ScanStatus {
        let quote = self.quote
        let escape = Kind.isSpecial ? rows.pointee.escape : quote
        var place = stop.end
        // The first quote at or after `place`, where that is known.
        var found = -1
        while true {
            if found < place {
                guard let next = first(quote, from: place, shouldContinue) else { return .far }
                found = next
            }
            if Kind.isSpecial && escape != quote,
                let mark = memoryFirst(escape, from: place, to: min(found, limit))
            {
                place = mark &+ 1
                if place < end && (base[place] == quote || base[place] == escape) {
                    isEscaped = true
                    place &+= 1
                }
                continue
            }
            if found >= end {
                stop.next = end
                return .unclosedQuote
            }
            if escape == quote && found &+ 1 < end && base[found &+ 1] == quote {
                isEscaped = true
                place = found &+ 2
                continue
            }
            stop = border(at: found &+ 1)
            stop.end = found
            if stop.border != .neither { return .found }
            if Kind.isSpecial && rows.pointee.lazy {
                place = found &+ 1
                continue
            }
            stop.next = found &+ 1
            return passLine(&stop.next, shouldContinue) == nil ? .far : .strayByte
        }
    }

    /// Passes over blank rows, comments and the header, and starts the row.
    @inline(__always)
    private mutating func begin(_ state: inout mm_row, _ shouldContinue: (Int) -> Bool) -> ScanStatus {
        var isHeader = rows.pointee.header
        if isHeader || rows.pointee.skips_blank || rows.pointee.comment.count > 0 {
            while true {
                if state.position >= end { return .end }
                let stop = border(at: state.position)
                if rows.pointee.skips_blank && stop.border == .lineEnd {
                    state.position = stop.next
                } else if mm_is_comment(rows, base + state.position, end &- state.position) {
                    if passLine(&state.position, shouldContinue) == nil { return .far }
                } else if isHeader {
                    state.start = state.position
                    let status = passRest(&state, shouldContinue)
                    if status != .found { return status }
                    (state.ended, state.column, isHeader) = (false, 0, false)
                } else {
                    break
                }
                if state.position > limit {
                    if !shouldContinue(state.position) { return .far }
                    limit = min(end, state.position &+ scanWindow)
                }
            }
        }
        state.start = state.position
        return .found
    }

    /// Passes over the separators at the state's position; false where `shouldContinue` stopped it.
    @inline(__always)
    private mutating func passSeparators(_ state: inout mm_row, _ shouldContinue: (Int) -> Bool) -> Bool {
        while state.position < end {
            let stop = border(at: state.position)
            if stop.border != .separator { break }
            state.position = stop.next
            if state.position > limit {
                if !shouldContinue(state.position) { return false }
                limit = min(end, state.position &+ scanWindow)
            }
        }
        return true
    }

    /// A quote in a field that has none at its start; goes on after the line.
    @inline(__always)
    private mutating func bareQuote(
        _ state: inout mm_row, _ stop: Stop, _ shouldContinue: (Int) -> Bool
    ) -> ScanStatus {
        state.position = stop.next
        return passLine(&state.position, shouldContinue) == nil ? .far : .bareQuote
    }

    /// Skips the rest of a row, from the start of a field on.
    @inline(__always)
    private mutating func passRest(_ state: inout mm_row, _ shouldContinue: (Int) -> Bool) -> ScanStatus {
        if !isQuoted {
            guard let finish = passLine(&state.position, shouldContinue) else { return .far }
            let isReturn =
                rows.pointee.takes_return && finish > state.start && finish < end
                && base[finish &- 1] == carriageReturn
            state.finish = isReturn ? finish &- 1 : finish
            return .found
        }
        while true {
            if Kind.isSpecial && rows.pointee.merges && !passSeparators(&state, shouldContinue) {
                return .far
            }
            var stop = Stop(end: state.position &+ 1, border: .neither, next: state.position)
            if state.position < end && base[state.position] == quote {
                var isEscaped = false
                let status = closingQuote(&stop, &isEscaped, shouldContinue)
                if status != .found {
                    state.position = stop.next
                    return status
                }
                stop.end &+= 1
            } else {
                guard let found = fieldEnd(from: state.position, shouldContinue) else { return .far }
                stop = found
                if stop.border == .quote { return bareQuote(&state, stop, shouldContinue) }
            }
            settle(&state, stop)
            if stop.border == .lineEnd { return .found }
            state.column &+= 1
        }
    }
}
