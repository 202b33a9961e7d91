internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The hot path: `b[i]`, `b[i] = v`, `#b`, and the look-up of methods. These bodies must contain no trap
// instruction, no reference counting, and no call of the Swift runtime; scripts/check-traps checks their
// machine code.

/// `b[key]`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_index(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let buffer = lm_buffer_at(L, 1) else { return notABuffer(outcome) }
    // lua_tointegerx gets no success flag: a variable whose address is taken would cost a stack canary.
    if lua_isinteger(L, 2) != 0 {
        let index = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
        if mm_is_readable(&buffer.pointee.region) {
            let value = mm_load_byte(&buffer.pointee.region, index)
            if value >= 0 {
                lua_pushinteger(L, lua_Integer(value))
                return 1
            }
        }
    } else if lua_type(L, 2) == LUA_TSTRING && lua_type(L, CInt(LM_UPVALUE_1)) == LUA_TTABLE {
        // debug.setupvalue can replace the upvalue, so its type is checked.
        lua_pushvalue(L, 2)
        if lua_rawget(L, CInt(LM_UPVALUE_1)) == LUA_TNIL { lm_note_missing(L) }
        return 1
    }
    return slowIndex(L, outcome, buffer)
}

/// `b[key] = value`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_newindex(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let buffer = lm_buffer_at(L, 1) else { return notABuffer(outcome) }
    if lua_isinteger(L, 2) != 0 && lua_isinteger(L, 3) != 0 {
        let index = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
        let value = lua_tointegerx(L, 3, nil)
        if value & ~255 == 0
            && mm_store_byte(&buffer.pointee.region, index, UInt8(truncatingIfNeeded: value))
        {
            return 0
        }
    }
    return slowNewIndex(L, outcome, buffer)
}

/// `#b`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_len(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let buffer = lm_buffer_at(L, 1) else { return notABuffer(outcome) }
    if mm_is_current(&buffer.pointee.region) {
        lua_pushinteger(L, lua_Integer(truncatingIfNeeded: buffer.pointee.region.length))
        return 1
    }
    return slowLength(L, outcome, buffer)
}

// The slow path: the handle is not current and needs an update, or the access is an error.

@inline(never)
private func notABuffer(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(type: "mmap.buffer", argument: 1))
    return CInt(LM_FAILED)
}

/// Updates the buffer's own handle, so that the next access takes the hot path again.
private func catchUp(_ buffer: BufferPointer) throws(MapError) -> MappedBytes {
    var bytes = MappedBytes(buffer.pointee.region)
    try bytes.refresh()
    buffer.pointee.region = bytes.region
    return bytes
}

private func index(_ L: LuaState) throws(MapError) -> Int {
    try Arguments(L).index(
        orElse: "a buffer's index is an integer or the name of a method",
        "a buffer's index must have an exact integer value")
}

@inline(never)
private func slowIndex(_ L: LuaState, _ outcome: Outcome, _ buffer: BufferPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try catchUp(buffer)
        let index = try index(L)
        let value = try bytes.load(at: index)
        lua_pushinteger(L, lua_Integer(value))
        return 1
    }
}

@inline(never)
private func slowNewIndex(_ L: LuaState, _ outcome: Outcome, _ buffer: BufferPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try catchUp(buffer)
        if lua_type(L, 2) == LUA_TSTRING { throw MapError(misuse: "a buffer has no fields to assign to") }
        let index = try index(L)
        guard lua_type(L, 3) == LUA_TNUMBER else {
            throw MapError(misuse: "a byte is an integer (0 to 255)")
        }
        var isInteger: CInt = 0
        let value = Int(lua_tointegerx(L, 3, &isInteger))
        guard isInteger != 0 else { throw MapError(misuse: "a byte must have an exact integer value") }
        guard let byte = UInt8(exactly: value) else {
            throw MapError(misuse: "value %1 is out of range (0 to 255)", value)
        }
        try bytes.store(byte, at: index)
        return 0
    }
}

@inline(never)
private func slowLength(_ L: LuaState, _ outcome: Outcome, _ buffer: BufferPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        lua_pushinteger(L, lua_Integer(try catchUp(buffer).region.length))
        return 1
    }
}
