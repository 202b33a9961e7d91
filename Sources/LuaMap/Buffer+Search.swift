internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Searching and comparing bytes.

/// The arguments `(needle [, offset [, length]])`, handed to a search.
@inline(__always)
private func search(
    _ L: LuaState, _ call: Call,
    _ find: (MappedBytes, UnsafeRawBufferPointer, Int, Int?) throws(MapError) -> Int?
) -> CInt {
    respond(call) { () throws(Failure) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (needle, origin) = try arguments.source(2)
        let offset = try arguments.integer(3, default: 0)
        let length = try arguments.optionalInteger(4)
        let place = try about(3) { () throws(MapError) in try find(bytes, needle, offset, length) }
        try origin.checkIntact()
        push(place, L)
        return 1
    }
}

/// `b:find(needle [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_find(_ L: LuaState, _ call: Call) -> CInt {
    search(L, call) { (bytes, needle, offset, length) throws(MapError) in
        try bytes.find(needle, offset, length)
    }
}

/// `b:rfind(needle [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_rfind(_ L: LuaState, _ call: Call) -> CInt {
    search(L, call) { (bytes, needle, offset, length) throws(MapError) in
        try bytes.findLast(needle, offset, length)
    }
}

/// The argument `other`, handed to a comparison.
@inline(__always)
private func comparison<Answer>(
    _ L: LuaState, _ compare: (MappedBytes, UnsafeRawBufferPointer) throws(MapError) -> Answer
) throws(Failure) -> Answer {
    let arguments = Arguments(L)
    let bytes = try arguments.bytes(1)
    let (other, origin) = try arguments.source(2)
    let answer = try about(0) { () throws(MapError) in try compare(bytes, other) }
    try origin.checkIntact()
    return answer
}

/// `b:compare(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_compare(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let order = try comparison(L) { (bytes, other) throws(MapError) in try bytes.compare(other) }
        lua_pushinteger(L, lua_Integer(order))
        return 1
    }
}

/// `b:equals(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_equals(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let isEqual = try comparison(L) { (bytes, other) throws(MapError) -> Bool in
            // The lengths first: with different ones no byte need be read.
            let (current, range) = try bytes.readable(0, nil)
            return range.count == other.count ? try current.compare(other) == 0 : false
        }
        lua_pushboolean(L, isEqual ? 1 : 0)
        return 1
    }
}

/// `b:mismatch(other)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_mismatch(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        push(try comparison(L) { (bytes, other) throws(MapError) in try bytes.mismatch(other) }, L)
        return 1
    }
}
