internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

/// The arguments of a call from Lua, read without converting and without raising.
///
/// Every function here is [-0, +0, –]: it uses no stack slots and never raises.
struct Arguments {
    let state: LuaState

    @inline(__always)
    init(_ state: LuaState) { self.state = state }

    /// The buffer at an argument.
    @inline(__always)
    func buffer(_ index: Int32) throws(MapError) -> BufferPointer {
        guard let buffer = lm_buffer_at(state, index) else {
            throw MapError(type: "mmap.buffer", argument: index)
        }
        return buffer
    }

    /// The bytes of the buffer at an argument.
    @inline(__always)
    func bytes(_ index: Int32) throws(MapError) -> MappedBytes {
        MappedBytes(try buffer(index).pointee.region)
    }

    func isAbsent(_ index: Int32) -> Bool { lua_type(state, index) <= LUA_TNIL }

    /// An integer, or a float with an exact integer value; never a string.
    func integer(_ index: Int32) throws(MapError) -> Int {
        guard lua_type(state, index) == LUA_TNUMBER else { throw MapError(type: "number", argument: index) }
        var isInteger: CInt = 0
        let value = lua_tointegerx(state, index, &isInteger)
        guard isInteger != 0 else {
            throw MapError("number has no integer representation", argument: index)
        }
        return Int(value)
    }

    /// As `integer`. If `orUnsigned`, also accepts a float from 2^63 on, and returns the integer with the
    /// bits of that unsigned 64-bit value.
    func integer(_ index: Int32, orUnsigned: Bool) throws(MapError) -> Int {
        if orUnsigned, lua_type(state, index) == LUA_TNUMBER, lua_isinteger(state, index) == 0,
            let value = UInt64(exactly: lua_tonumberx(state, index, nil))
        {
            return Int(bitPattern: UInt(value))
        }
        return try integer(index)
    }

    func integer(_ index: Int32, default value: Int) throws(MapError) -> Int {
        isAbsent(index) ? value : try integer(index)
    }

    func optionalInteger(_ index: Int32) throws(MapError) -> Int? {
        isAbsent(index) ? nil : try integer(index)
    }

    /// The index in `object[index]`. Its errors name no argument, because the script wrote none.
    func index(orElse notNumber: StaticString, _ notInteger: StaticString) throws(MapError) -> Int {
        guard lua_type(state, 2) == LUA_TNUMBER else { throw MapError(misuse: notNumber) }
        var isInteger: CInt = 0
        let index = lua_tointegerx(state, 2, &isInteger)
        guard isInteger != 0 else { throw MapError(misuse: notInteger) }
        return Int(index)
    }

    /// An offset, 0 if absent, and at the next argument a length, nil if absent.
    func range(_ first: Int32) throws(MapError) -> (offset: Int, length: Int?) {
        (try integer(first, default: 0), try optionalInteger(first &+ 1))
    }

    func boolean(_ index: Int32, default value: Bool) throws(MapError) -> Bool {
        if isAbsent(index) { return value }
        guard lua_type(state, index) == LUA_TBOOLEAN else { throw MapError(type: "boolean", argument: index) }
        return lua_toboolean(state, index) != 0
    }

    /// A byte, `0 ... 255`.
    func byte(_ index: Int32) throws(MapError) -> UInt8 {
        let value = try integer(index)
        guard let byte = UInt8(exactly: value) else {
            throw MapError("value %1 is out of range (0 to 255)", argument: index, value)
        }
        return byte
    }

    /// The bytes of the string at an argument, or nil if it is not a string.
    func string(_ index: Int32) -> UnsafeRawBufferPointer? {
        var count = 0
        guard let start = lm_string_at(state, index, &count) else { return nil }
        return UnsafeRawBufferPointer(start: start, count: count)
    }

    /// The bytes of a string or of a whole buffer. `origin` is the buffer; call its `checkIntact` after the
    /// use of the bytes, because its mapping may have been lost meanwhile.
    func source(_ index: Int32) throws(MapError) -> (bytes: UnsafeRawBufferPointer, origin: MappedBytes?) {
        if let bytes = string(index) { return (bytes, nil) }
        guard let buffer = lm_buffer_at(state, index) else {
            throw MapError(type: "string or mmap.buffer", argument: index)
        }
        let (origin, bytes) = try MappedBytes(buffer.pointee.region).readable(0, nil)
        return (bytes, origin)
    }
}

extension MappedBytes? {
    /// Throws if the mapping of a source was lost while it was read.
    func checkIntact() throws(MapError) {
        guard let self else { return }
        try self.checkIntact()
    }
}

/// Pushes an offset, or nil. [-0, +1, –] uses one slot; never raises.
func push(_ offset: Int?, _ state: LuaState) {
    if let offset { lua_pushinteger(state, lua_Integer(offset)) } else { lua_pushnil(state) }
}

/// Pushes two integers. [-0, +2, –] uses two slots; never raises.
func push(_ first: Int, _ second: Int, _ state: LuaState) -> CInt {
    lua_pushinteger(state, lua_Integer(first))
    lua_pushinteger(state, lua_Integer(second))
    return 2
}
