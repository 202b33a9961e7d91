internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Access to one number: `get` and `set`, and the accessors of Node's Buffer.

/// `b:get(type, offset)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_get(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = try arguments.elementType(2)
        let offset = try arguments.integer(3)
        push(try about(3) { () throws(MapError) in try bytes.load(type, at: offset) }, L)
        return 1
    }
}

/// `b:set(type, offset, value)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_set(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = try arguments.elementType(2)
        let offset = try arguments.integer(3)
        let value = try arguments.bits(4, type)
        try about(3) { () throws(MapError) in try bytes.store(bits: value, as: type, at: offset) }
        return 0
    }
}

/// `b:readUInt32LE([offset])` and its like. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_read(_ L: LuaState, _ outcome: Outcome, _ type: Int32) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let offset = try arguments.integer(2, default: 0)
        let type = ElementType(code: type)
        push(try about(2) { () throws(MapError) in try bytes.load(type, at: offset) }, L)
        return 1
    }
}

/// `b:writeUInt32LE(value [, offset])` and its like: the offset after the written bytes. As in Node, a float
/// that is too large for 32 bits is written as infinity. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_write(_ L: LuaState, _ outcome: Outcome, _ type: Int32) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = ElementType(code: type)
        let value: UInt64
        if type.isFloat {
            guard lua_type(L, 2) == LUA_TNUMBER else { throw MapError(type: "number", argument: 2) }
            value = lua_tonumberx(L, 2, nil).bitPattern
        } else {
            value = try arguments.bits(2, type)
        }
        let offset = try arguments.integer(3, default: 0)
        try about(3) { () throws(MapError) in try bytes.store(bits: value, as: type, at: offset) }
        lua_pushinteger(L, lua_Integer(offset &+ type.byteCount))
        return 1
    }
}

extension Arguments {
    /// The number at an argument, as bits for mm_store_number.
    func bits(_ index: Int32, _ type: ElementType) throws(MapError) -> UInt64 {
        guard let number = number(index) else { throw MapError(type: "number", argument: index) }
        return try about(index) { () throws(MapError) in try type.bits(of: number) }
    }

    /// The `byteLength` of Node's accessors, 1 to 8. Node's limit is 6, because its numbers have 53 bits.
    fileprivate func byteLength(_ index: Int32) throws(MapError) -> Int {
        let length = try integer(index)
        guard length >= 1, length <= 8 else {
            throw MapError("byte length %1 is out of range (1 to 8)", argument: index, length)
        }
        return length
    }
}

extension ElementType {
    fileprivate var isLittle: Bool { self == littleEndian }
}

/// `b:readUIntLE(offset, byteLength)` and its like. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_read_bytes(_ L: LuaState, _ outcome: Outcome, _ type: Int32) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let offset = try arguments.integer(2)
        let length = try arguments.byteLength(3)
        let type = ElementType(code: type)
        let value = try about(2) { () throws(MapError) in
            try bytes.loadInteger(at: offset, length, isLittle: type.isLittle, isSigned: type.isSigned)
        }
        lua_pushinteger(L, value)
        return 1
    }
}

/// `b:writeUIntLE(value, offset, byteLength)` and its like: the offset after the written bytes.
/// [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_write_bytes(_ L: LuaState, _ outcome: Outcome, _ type: Int32) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = ElementType(code: type)
        let value = try arguments.integer(2, orUnsigned: !type.isSigned && lua_tointegerx(L, 4, nil) == 8)
        let offset = try arguments.integer(3)
        let length = try arguments.byteLength(4)
        guard fits(Int64(value), length, isSigned: type.isSigned) else {
            throw MapError(
                type.isSigned
                    ? "value %1 is out of range for a signed integer of %2 bytes"
                    : "value %1 is out of range for an unsigned integer of %2 bytes",
                argument: 2, value, length)
        }
        try about(3) { () throws(MapError) in
            try bytes.storeInteger(
                Int64(value), at: offset, length, isLittle: type.isLittle, isSigned: type.isSigned)
        }
        lua_pushinteger(L, lua_Integer(offset &+ length))
        return 1
    }
}
