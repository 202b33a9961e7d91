internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// `b:fields`. The code of an iterator's step must contain no trap instruction; scripts/check-traps checks it.

/// `b:fields(…)`: checks the range. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_fields_start(_ L: LuaState, _ outcome: Outcome, _ fields: UnsafeMutablePointer<lm_fields>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let options = fields
        try range { () throws(MapError) in
            try options.pointee.walk.start(
                bytes, Int(options.pointee.offset),
                options.pointee.has_length ? Int(options.pointee.length) : nil)
        }
        mm_settle_rows(&options.pointee.walk)
        return 0
    }
}

/// The next fields of a row of `b:fields(…)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_row_scan(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_rows>,
    _ row: UnsafeMutablePointer<mm_row>,
    _ found: UnsafeMutablePointer<mm_text_field>, _ room: CInt
) -> CInt {
    let count = walk.pointee.scan(row, found, Int(room))
    if count >= 0 { return count }
    return slowRow(L, outcome, walk, row, found, Int(room))
}

@inline(never)
private func slowRow(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_rows>,
    _ row: UnsafeMutablePointer<mm_row>,
    _ found: UnsafeMutablePointer<mm_text_field>, _ room: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = try Monitor(L)
        let count = try walk.pointee.scan(row, found, room, shouldContinue: { monitor.shouldContinue($0) })
        switch ScanStatus(rawValue: count) {
        case .end: return CInt(LM_ROW_END)
        case .unclosedQuote: return CInt(LM_UNCLOSED_QUOTE)
        case .strayByte: return CInt(LM_STRAY_BYTE)
        case .tooFewFields: return CInt(LM_TOO_FEW_FIELDS)
        case .bareQuote: return CInt(LM_BARE_QUOTE)
        default: return count
        }
    }
}

/// The number of a row's line. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_row_line(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_rows>, _ offset: Int
) -> Int64 {
    var number: Int64 = 0
    let code = respond(outcome) { () throws(MapError) in
        let monitor = Monitor(frugal: L)
        number = Int64(try walk.pointee.lineNumber(at: offset) { monitor.shouldContinue($0) })
        return 0
    }
    return code < 0 ? Int64(code) : number
}

/// Removes the escapes of a field. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_undouble(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ quote: UInt8, _ escape: UInt8) -> Int {
    MappedBytes.undouble(
        UnsafeMutableBufferPointer(start: bytes, count: count), quote: quote, escape: escape)
}

/// A field of the type `u64`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_u64(_ text: UnsafePointer<CChar>, _ count: Int, _ value: UnsafeMutablePointer<UInt64>) -> Bool {
    guard let number = UInt64(numeral: UnsafeRawBufferPointer(start: text, count: count)) else {
        return false
    }
    value.pointee = number
    return true
}

/// A numeral of a field of the type `integer` or `u64`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_whole(
    _ text: UnsafePointer<CChar>, _ count: Int, _ is_unsigned: Bool, _ value: UnsafeMutablePointer<UInt64>
) -> Bool {
    let bytes = UnsafeRawBufferPointer(start: text, count: count)
    let whole = is_unsigned ? UInt64(whole: bytes) : Int64(whole: bytes).map { UInt64(bitPattern: $0) }
    guard let whole else { return false }
    value.pointee = whole
    return true
}
