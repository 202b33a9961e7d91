internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Lines and fields. The code of an iterator's step must contain no trap instruction; scripts/check-traps
// checks it.

/// `b:lines([options])`: checks the range. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_lines_start(_ L: LuaState, _ outcome: Outcome, _ lines: UnsafeMutablePointer<lm_lines>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let options = lines.pointee
        lines.pointee.walk = try range { () throws(MapError) in
            try mm_lines(
                bytes, Int(options.offset), options.has_length ? Int(options.length) : nil,
                separator: options.walk.separator)
        }
        return 0
    }
}

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

/// Errors of a range name no argument, because the range comes from the options.
private func range<T>(_ body: () throws(MapError) -> T) throws(MapError) -> T {
    try about(0, body)
}

/// A step of `b:lines()`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_lines_find(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_lines>,
    _ line: UnsafeMutablePointer<mm_line>
) -> CInt {
    switch walk.pointee.find(line) {
    case .found: return 1
    case .end: return 0
    default: return slowLine(L, outcome, walk, line)
    }
}

@inline(never)
private func slowLine(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_lines>,
    _ line: UnsafeMutablePointer<mm_line>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = try Monitor(L)
        return try walk.pointee.find(line, shouldContinue: { monitor.shouldContinue($0) }) ? 1 : 0
    }
}

/// A step of `b:lines { reverse = true }`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_lines_find_last(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_lines>,
    _ line: UnsafeMutablePointer<mm_line>
) -> CInt {
    switch walk.pointee.findLast(line) {
    case .found: 1
    case .end: 0
    default:
        respond(outcome) { () throws(MapError) in
            let monitor = try Monitor(L)
            return try walk.pointee.findLast(line, shouldContinue: { monitor.shouldContinue($0) }) ? 1 : 0
        }
    }
}

/// Whether lines cannot be found from the end. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_overlaps_itself(_ separator: UnsafePointer<mm_separator>) -> Bool {
    separator.pointee.overlapsItself
}

/// Checks the file at the end of a walk. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_text_end(
    _ L: LuaState, _ outcome: Outcome, _ region: UnsafePointer<mm_region>, _ end: Int,
    _ path: UnsafePointer<CChar>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        if mm_is_closed(region) { return 0 }
        try MappedBytes(region.pointee).checkReached(end, path: path)
        return 0
    }
}

/// The offset of a text in a line. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_lines_place(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_lines>, _ line: UnsafePointer<mm_line>,
    _ text: UnsafePointer<CChar>, _ count: Int
) -> Int64 {
    let line = line.pointee
    if count > 0, line.length <= nearbySize, let base = walk.pointee.region.base {
        let place = findNearby(base + line.start, line.length, text, count)
        if mm_was_intact(&walk.pointee.region) {
            return place < 0 ? Int64(LM_NOWHERE) : Int64(line.start &+ place)
        }
    }
    return slowPlace(L, outcome, walk, line, UnsafeRawBufferPointer(start: text, count: count))
}

@inline(never)
private func slowPlace(
    _ L: LuaState, _ outcome: Outcome, _ walk: UnsafeMutablePointer<mm_lines>, _ line: mm_line,
    _ text: UnsafeRawBufferPointer
) -> Int64 {
    var place = Int64(LM_NOWHERE)
    let code = respond(outcome) { () throws(MapError) in
        let monitor = try Monitor(L)
        let bytes = MappedBytes(walk.pointee.region)
        let found = try bytes.find(text, line.start, line.length, shouldContinue: monitor.shouldContinue)
        place = found.map { Int64($0) } ?? Int64(LM_NOWHERE)
        return 0
    }
    return code < 0 ? Int64(LM_PLACE_FAILED) : place
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

/// `b:split(n [, separator or options])`: the end of a piece. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_split_end(
    _ L: LuaState, _ outcome: Outcome, _ i: Int64, _ n: Int64, _ from: Int64, _ cuts: UnsafePointer<lm_cuts>
) -> Int64 {
    var end: Int64 = 0
    let code = respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let monitor = try Monitor(L)
        let cuts = Cuts(
            separator: cuts.pointee.separator, quote: cuts.pointee.csv ? cuts.pointee.quote : nil,
            escape: cuts.pointee.escape)
        end = Int64(
            try bytes.endOfPiece(Int(i), of: Int(n), from: Int(from), cuts) { monitor.shouldContinue($0) })
        return 0
    }
    return code < 0 ? Int64(code) : end
}
