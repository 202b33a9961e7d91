internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Searching and comparing bytes.

/// Reads the arguments `(needle [, offset [, length]])` and runs a search. [-0, +0, –] uses no slots; never
/// raises.
@inline(__always)
private func search<Answer>(
    _ L: LuaState,
    _ find: (MappedBytes, UnsafeRawBufferPointer, Int, Int?, Monitor) throws(MapError) -> Answer
) throws(MapError) -> Answer {
    let arguments = Arguments(L)
    let bytes = try arguments.bytes(1)
    let (needle, origin) = try arguments.source(2)
    let (offset, length) = try arguments.range(3)
    let monitor = try Monitor(L, total: length ?? bytes.count &- offset)
    let answer = try about(3) { () throws(MapError) in
        try find(bytes, needle, offset, length, monitor)
    }
    try origin.checkIntact()
    return answer
}

/// `b:find(needle [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_find(_ L: LuaState, _ outcome: Outcome) -> CInt {
    if pushNearbyPlace(L) { return 1 }
    return respond(outcome) { () throws(MapError) in
        let place = try search(L) { (bytes, needle, offset, length, monitor) throws(MapError) in
            try bytes.find(needle, offset, length, shouldContinue: monitor.shouldContinue)
        }
        push(place, L)
        return 1
    }
}

/// The fast path of `find`: searches the first 64 KiB without a monitor and threads, for scripts that search
/// line by line. False, with nothing pushed, if that is not enough. [-0, +1, –] uses one slot; never raises.
private func pushNearbyPlace(_ L: LuaState) -> Bool {
    let most = nearbySize
    var count = 0
    guard let buffer = lm_buffer_at(L, 1), let needle = lm_string_at(L, 2, &count), count > 0 else {
        return false
    }
    let size = buffer.pointee.region.length
    let offset =
        lua_isinteger(L, 3) != 0 ? Int(lua_tointegerx(L, 3, nil)) : lua_type(L, 3) <= LUA_TNIL ? 0 : -1
    guard mm_is_current(&buffer.pointee.region), mm_is_readable(&buffer.pointee.region),
        let base = buffer.pointee.region.base, offset >= 0, offset <= size
    else { return false }
    let rest = size &- offset
    let length =
        lua_isinteger(L, 4) != 0 ? Int(lua_tointegerx(L, 4, nil)) : lua_type(L, 4) <= LUA_TNIL ? rest : -1
    guard length >= 0, length <= rest else { return false }
    let place = findNearby(base + offset, min(length, most), needle, count)
    guard mm_was_intact(&buffer.pointee.region), place >= 0 || length <= most else { return false }
    push(place < 0 ? nil : offset &+ place, L)
    return true
}

/// `b:rfind(needle [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_rfind(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let place = try search(L) { (bytes, needle, offset, length, monitor) throws(MapError) in
            try bytes.findLast(needle, offset, length, shouldContinue: monitor.shouldContinue)
        }
        push(place, L)
        return 1
    }
}

/// `b:count(needle [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_count(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        if let needle = Arguments(L).string(2), needle.count == 0 {
            throw MapError("the string must not be empty", argument: 2)
        }
        let number = try search(L) { (bytes, needle, offset, length, monitor) throws(MapError) in
            try bytes.count(of: needle, offset, length, shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(number))
        return 1
    }
}

/// Reads the argument `other` and runs a comparison.
@inline(__always)
private func comparison<Answer>(
    _ L: LuaState, _ compare: (MappedBytes, UnsafeRawBufferPointer, Monitor) throws(MapError) -> Answer
) throws(MapError) -> Answer {
    let arguments = Arguments(L)
    let bytes = try arguments.bytes(1)
    let (other, origin) = try arguments.source(2)
    let monitor = try Monitor(L, total: min(bytes.count, other.count))
    let answer = try compare(bytes, other, monitor)
    try origin.checkIntact()
    return answer
}

/// `b:compare(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_compare(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let order = try comparison(L) { (bytes, other, monitor) throws(MapError) in
            try bytes.compare(other, shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(order))
        return 1
    }
}

/// `b:equals(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_equals(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let isEqual = try comparison(L) { (bytes, other, monitor) throws(MapError) -> Bool in
            // Compare the lengths first: if they differ, no byte needs to be read.
            let (current, range) = try bytes.readable(0, nil)
            return range.count == other.count
                ? try current.mismatch(other, shouldContinue: monitor.shouldContinue) == nil : false
        }
        lua_pushboolean(L, isEqual ? 1 : 0)
        return 1
    }
}

/// `b:mismatch(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_mismatch(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let place = try comparison(L) { (bytes, other, monitor) throws(MapError) in
            try bytes.mismatch(other, shouldContinue: monitor.shouldContinue)
        }
        push(place, L)
        return 1
    }
}
