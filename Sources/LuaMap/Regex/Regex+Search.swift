internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Searches with a pattern. No pointer into a subject outlives a return to Lua: results go there as integers,
// and each step checks the buffer again.

extension Arguments {
    /// The subject at an index, and the start of the search in it.
    fileprivate func subject(
        _ search: UnsafeMutablePointer<lm_search>
    ) throws(MapError) -> (bytes: UnsafeRawBufferPointer, origin: MappedBytes?) {
        let (bytes, origin) = try source(search.pointee.subject)
        if search.pointee.argument > 0 {
            let offset = try integer(search.pointee.argument, default: 0)
            _ = try about(search.pointee.argument) { () throws(MapError) in
                try checkedLength(offset: offset, length: nil, count: bytes.count)
            }
            search.pointee.from = Int64(offset)
        }
        return (bytes, origin)
    }
}

/// Checks the arguments of a search and finds its start. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_start(_ L: LuaState, _ outcome: Outcome, _ search: UnsafeMutablePointer<lm_search>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        _ = try arguments.regex(search.pointee.regex)
        _ = try arguments.subject(search)
        return 0
    }
}

/// Searches, and pushes two integers for the match and for each capture: its offset and its length; -1 and -1
/// for a capture that is not part of the match; an offset and -1 for a position capture. Returns the number
/// of pairs, 0 for no match, or LM_BYTES if the result is a single string. Stores in `search` where the next
/// search starts. [-0, +2n, –] uses 2n slots, which it makes sure of; never raises.
@implementation @c
func lm_regex_search(_ L: LuaState, _ outcome: Outcome, _ search: UnsafeMutablePointer<lm_search>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let regex = try arguments.regex(search.pointee.regex)
        let (subject, origin) = try arguments.subject(search)
        // A buffer may have become shorter between two steps.
        guard search.pointee.from <= subject.count else { return 0 }
        let matcher = PatternSearch(lm_regex_pattern(regex), subject, origin)
        var monitor = Monitor(frugal: L)
        switch try about(0, { () throws(MapError) in try find(matcher, search, &monitor) }) {
        case .none: return 0
        case .found:
            if let code = single(matcher, regex, search.pointee.how, outcome) { return code }
            return try push(matcher, regex, L)
        case .marked:
            outcome.fill(MapError(misuse: ""))
            outcome.pointee.text = regex.pointee.mistake
            outcome.pointee.values.0 = regex.pointee.mistaken
            return CInt(LM_FAILED)
        }
    }
}

private func find(
    _ matcher: PatternSearch, _ search: UnsafeMutablePointer<lm_search>, _ monitor: inout Monitor
) throws(MapError) -> PatternResult {
    let from = Int(search.pointee.from)
    let how = search.pointee.how
    var result = try matcher.next(
        from: from, skipsEmpty: how & Int32(LM_SKIP_EMPTY) != 0,
        shouldContinue: { monitor.shouldContinue($0) })
    guard case .found = result else { return result }
    if how & Int32(LM_LUA) == 0 {
        let (start, skipsEmpty) = matcher.following(from)
        search.pointee.from = Int64(start)
        search.pointee.how = skipsEmpty ? how | Int32(LM_SKIP_EMPTY) : how & ~Int32(LM_SKIP_EMPTY)
        return result
    }
    // Lua's gmatch accepts no match that ends where the one before ended, and tries no other one that starts
    // there.
    if how & Int32(LM_AFTER_MATCH) != 0, matcher.offsets[1] == from {
        if from == matcher.subject.count { return .none }
        result = try matcher.next(from: from &+ 1, shouldContinue: { monitor.shouldContinue($0) })
    }
    search.pointee.from = Int64(matcher.offsets[1])
    search.pointee.how = how | Int32(LM_AFTER_MATCH)
    return result
}

/// The bytes of a result that is one string, for the trampoline to push.
private func single(_ matcher: PatternSearch, _ regex: RegexPointer, _ how: Int32, _ outcome: Outcome)
    -> CInt?
{
    let captures = Int(regex.pointee.captures)
    guard captures < 2, regex.pointee.positions == 0, how & Int32(LM_PLACE | LM_OFFSETS) == 0 else {
        return nil
    }
    let start = matcher.offsets[2 &* captures]
    let end = matcher.offsets[2 &* captures &+ 1]
    guard start >= 0, start <= end else { return nil }
    outcome.pointee.bytes = matcher.subject.baseAddress?.advanced(by: start).assumingMemoryBound(
        to: UInt8.self)
    outcome.pointee.count = end &- start
    if let origin = matcher.origin {
        outcome.pointee.source = origin.region
    } else {
        // A string cannot be lost: a region with the closed slot and its stamp always counts as intact.
        var nothing = outcome.pointee.source
        nothing.slot = mm_closed_slot()
        nothing.stamp = nothing.slot.pointee.stamp
        outcome.pointee.source = nothing
    }
    return CInt(LM_BYTES)
}

/// [-0, +2n, –] uses 2n slots, which it makes sure of; never raises.
private func push(_ matcher: PatternSearch, _ regex: RegexPointer, _ L: LuaState) throws(MapError) -> CInt {
    let pairs = CInt(truncatingIfNeeded: regex.pointee.captures) &+ 1
    guard lua_checkstack(L, 2 &* pairs) != 0 else {
        throw MapError(misuse: "stack overflow (too many captures)")
    }
    for group in 0..<pairs {
        let start = matcher.offsets[2 &* Int(group)]
        let end = matcher.offsets[2 &* Int(group) &+ 1]
        let isPlace =
            group > 0 && group <= 32
            && regex.pointee.positions >> UInt32(truncatingIfNeeded: group &- 1) & 1 != 0
        lua_pushinteger(L, start <= end ? lua_Integer(start) : -1)
        lua_pushinteger(L, isPlace || start < 0 || start > end ? -1 : lua_Integer(end &- start))
    }
    return pairs
}

/// A part of a buffer, for the trampoline to push as a string. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_capture(
    _ L: LuaState, _ outcome: Outcome, _ subject: CInt, _ offset: Int64, _ length: Int64
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(subject)
        let (current, range) = try bytes.readable(Int(offset), Int(length))
        outcome.pointee.bytes = range.baseAddress?.assumingMemoryBound(to: UInt8.self)
        outcome.pointee.count = range.count
        outcome.pointee.source = current.region
        return CInt(LM_BYTES)
    }
}

/// `re:count(b [, offset])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_regex_count(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let regex = try arguments.regex(1)
        var search = lm_search()
        (search.subject, search.argument) = (2, 3)
        let (subject, origin) = try arguments.subject(&search)
        let matcher = PatternSearch(lm_regex_pattern(regex), subject, origin)
        let monitor = try Monitor(L)
        let count = try matcher.count(from: Int(search.from), shouldContinue: { monitor.shouldContinue($0) })
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// The number of bytes of a subject after an offset; LM_NO_REST if the subject is shorter. [-0, +0, –] uses
/// no slots; never raises.
@implementation @c
func lm_regex_rest(_ L: LuaState, _ outcome: Outcome, _ subject: CInt, _ offset: Int64) -> Int64 {
    var rest = Int64(LM_NO_REST)
    let code = respond(outcome) { () throws(MapError) in
        let (bytes, _) = try Arguments(L).source(subject)
        if offset >= 0, offset <= bytes.count { rest = Int64(bytes.count) &- offset }
        return 0
    }
    return code < 0 ? Int64(code) : rest
}
