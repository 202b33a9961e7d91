internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// `b:lines`. The code of an iterator's step must contain no trap instruction; scripts/check-traps checks it.

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

/// Errors of a range name no argument, because the range comes from the options.
func range<T>(_ body: () throws(MapError) -> T) throws(MapError) -> T {
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
