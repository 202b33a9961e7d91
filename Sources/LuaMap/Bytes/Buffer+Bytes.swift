internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Copying and filling bytes.

/// `b:string([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_string(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let (current, range) = try about(2) { () throws(MapError) in try bytes.readable(offset, length) }
        if range.count >= LM_LARGE {
            // Read the pages from disk here, where Ctrl-C can interrupt it, and not while Lua copies.
            let monitor = try Monitor(L)
            _ = try current.touch(
                offset, range.count, stride: pageSize, shouldContinue: monitor.shouldContinue)
        }
        outcome.pointee.bytes = range.baseAddress?.assumingMemoryBound(to: UInt8.self)
        outcome.pointee.count = range.count
        outcome.pointee.source = current.region
        return CInt(LM_BYTES)
    }
}

/// `b:copy(offset, source [, from [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_copy(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let offset = try arguments.integer(2)
        let (source, origin) = try arguments.source(3)
        let (from, wanted) = try arguments.range(4)
        let length = try about(4) { () throws(MapError) in
            try checkedLength(offset: from, length: wanted, count: source.count)
        }
        let part = UnsafeRawBufferPointer(rebasing: source[from..<from &+ length])
        let monitor = try Monitor(L, total: length)
        do throws(MapError) {
            try bytes.copy(at: offset, from: part, shouldContinue: monitor.shouldContinue)
        } catch {
            throw error.kind == .lengthOutOfRange
                ? MapError(
                    "%1 bytes do not fit at offset %2", argument: 3, length, offset)
                : MapError(error, argument: 2)
        }
        try origin.checkIntact()
        lua_pushinteger(L, lua_Integer(length))
        return 1
    }
}

/// `b:fill(value [, offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_fill(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(3)
        let monitor = try Monitor(L, total: length ?? bytes.count &- offset)
        if let pattern = arguments.string(2) {
            guard pattern.count > 0 else { throw MapError("the string must not be empty", argument: 2) }
            try about(3) { () throws(MapError) in
                try bytes.fill(repeating: pattern, offset, length, shouldContinue: monitor.shouldContinue)
            }
        } else {
            guard lua_type(L, 2) == LUA_TNUMBER else {
                throw MapError(type: "byte or string", argument: 2)
            }
            let value = try arguments.byte(2)
            try about(3) { () throws(MapError) in
                try bytes.fill(value, offset, length, shouldContinue: monitor.shouldContinue)
            }
        }
        return 0
    }
}
