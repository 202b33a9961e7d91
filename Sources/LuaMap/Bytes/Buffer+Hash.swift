internal import CLua
internal import CLuaMap
internal import MemoryMap

// Checksums and digests of a range.

/// Reads the arguments `([offset [, length]])` and runs a hash on the range.
@inline(__always)
private func hash(
    _ L: LuaState, _ outcome: Outcome,
    _ hash: (MappedBytes, Int, Int?, (Int) -> Bool) throws(MapError) -> Void
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = try Monitor(L, total: length ?? bytes.count &- offset)
        try about(2) { () throws(MapError) in try hash(bytes, offset, length) { monitor.shouldContinue($0) } }
        return 1
    }
}

/// `b:crc32([offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_crc32(_ L: LuaState, _ outcome: Outcome) -> CInt {
    hash(L, outcome) { (bytes, offset, length, shouldContinue) throws(MapError) in
        lua_pushinteger(L, lua_Integer(try bytes.crc32(offset, length, shouldContinue: shouldContinue)))
    }
}

/// `b:xxh3([offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_xxh3(_ L: LuaState, _ outcome: Outcome) -> CInt {
    hash(L, outcome) { (bytes, offset, length, shouldContinue) throws(MapError) in
        lua_pushinteger(
            L, lua_Integer(bitPattern: try bytes.xxh3(offset, length, shouldContinue: shouldContinue)))
    }
}

/// `b:sha256([offset [, length]])`, as 32 bytes. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_sha256(_ L: LuaState, _ outcome: Outcome, _ digest: UnsafeMutablePointer<UInt8>) -> CInt {
    hash(L, outcome) { (bytes, offset, length, shouldContinue) throws(MapError) in
        try bytes.sha256(offset, length, into: digest, shouldContinue: shouldContinue)
    }
}
