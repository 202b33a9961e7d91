internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// `b:unpack` and `b:pack`: string.unpack and string.pack in place.

/// `b:unpack(format [, offset])` up to the next string. Returns LM_BYTES for it: the trampoline pushes the
/// string and calls again. [-0, +n, –] makes room for what it pushes; never raises.
@implementation @c
func lm_buffer_unpack(_ L: LuaState, _ outcome: Outcome, _ progress: UnsafeMutablePointer<lm_unpacking>)
    -> CInt
{
    if !progress.pointee.started, let buffer = lm_buffer_at(L, 1),
        let format = lm_string_at(L, 2, &progress.pointee.consumed)
    {
        let results = unpackNumbers(L, buffer, format, progress)
        if results > 0 { return results }
    }
    return unpackMany(L, outcome, progress)
}

/// The common case: numbers without alignment. At any other item it stores its progress and returns 0.
/// [-0, +n, –] uses no more slots than Lua guarantees; never raises.
@inline(__always)
private func unpackNumbers(
    _ L: LuaState, _ buffer: BufferPointer, _ format: UnsafePointer<CChar>,
    _ progress: UnsafeMutablePointer<lm_unpacking>
) -> CInt {
    var position: UInt64 = 0
    if lua_isinteger(L, 3) != 0 {
        position = UInt64(bitPattern: lua_tointegerx(L, 3, nil))
    } else if lua_type(L, 3) > LUA_TNIL {
        return 0
    }
    let length = UInt64(truncatingIfNeeded: buffer.pointee.region.length)
    guard position <= length, mm_is_current(&buffer.pointee.region), mm_is_readable(&buffer.pointee.region),
        let base = buffer.pointee.region.base
    else { return 0 }
    let native: Int32 = 0
    let other = Int32(MM_SWAPPED)
    var order = native
    var item = format
    var results: CInt = 0
    while results < 16 {
        var next = item + 1
        var type: Int32
        switch item.pointee {
        case 0:
            lua_pushinteger(L, lua_Integer(bitPattern: position))
            return results &+ 1
        case 0x3c:
            type = -1  // <
            order = 1.littleEndian == 1 ? native : other
        case 0x3e:
            type = -1  // >
            order = 1.littleEndian == 1 ? other : native
        case 0x3d:
            type = -1  // =
            order = native
        case 0x42: type = Int32(MM_U8)  // B
        case 0x62: type = Int32(MM_I8)
        case 0x48: type = Int32(MM_U16)  // H
        case 0x68: type = Int32(MM_I16)
        case 0x49: type = Int32(MM_U32)  // I
        case 0x69: type = Int32(MM_I32)
        case 0x4a: type = Int32(MM_U64)  // J
        case 0x6a: type = Int32(MM_I64)
        case 0x66: type = Int32(MM_F32)  // f
        case 0x64, 0x6e: type = Int32(MM_F64)  // d n
        default: type = -2
        }
        if type < 0 {
            if type < -1 { break }
            item = next
            continue
        }
        let digit = next.pointee
        // Only I and i may have a size; a digit after another letter is an error.
        if digit >= 0x30 && digit <= 0x39 {
            if type & ~1 != Int32(MM_U32) { break }
            switch digit {
            case 0x31: type = type & 1
            case 0x32: type = Int32(MM_U16) | type & 1
            case 0x34: break
            case 0x38: type = Int32(MM_U64) | type & 1
            default: type = -1
            }
            next += 1
            if type < 0 || next.pointee >= 0x30 && next.pointee <= 0x39 { break }
        }
        let size = UInt64(truncatingIfNeeded: mm_element_size(type))
        if size > length &- position { break }
        // One byte has no byte order.
        if size > 1 { type |= order }
        let bits = mm_load_number(base + Int(truncatingIfNeeded: position), type)
        if !mm_was_intact(&buffer.pointee.region) { break }
        push(bits, type, L)
        results &+= 1
        position &+= size
        item = next
    }
    progress.pointee = lm_unpacking(
        started: true, isLittle: (order == native) == (1.littleEndian == 1), alignment: 1, results: results,
        consumed: item - format, position: Int64(bitPattern: position))
    return 0
}

@inline(never)
private func unpackMany(_ L: LuaState, _ outcome: Outcome, _ progress: UnsafeMutablePointer<lm_unpacking>)
    -> CInt
{
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        if !progress.pointee.started {
            progress.pointee = lm_unpacking(
                started: true, isLittle: 1.littleEndian == 1, alignment: 1, results: 0, consumed: 0,
                position: Int64(try arguments.integer(3, default: 0)))
        }
        let (format, start) = try arguments.packFormat(2, progress.pointee)
        let offset = Int(progress.pointee.position)
        let (current, rest) = try about(3) { () throws(MapError) in try bytes.readable(offset, nil) }
        var reader = Unpacker(
            bytes: rest, offset: offset, format: format, state: L, results: progress.pointee.results)
        let string = try reader.run()
        progress.pointee.position = Int64(offset &+ reader.position)
        progress.pointee.isLittle = reader.format.state.isLittle
        progress.pointee.alignment = reader.format.state.alignment
        progress.pointee.consumed = reader.format.state.next.map { $0 - start } ?? 0
        progress.pointee.results = reader.results
        if let string {
            progress.pointee.results &+= 1
            outcome.pointee.bytes = string.baseAddress?.assumingMemoryBound(to: UInt8.self)
            outcome.pointee.count = string.count
            outcome.pointee.source = current.region
            return CInt(LM_BYTES)
        }
        try current.checkIntact()
        lua_pushinteger(L, lua_Integer(progress.pointee.position))
        return CInt(reader.results &+ 1)
    }
}

private struct Unpacker {
    /// The bytes from the offset to the end of the buffer.
    let bytes: UnsafeRawBufferPointer
    /// The offset of `bytes` in the buffer: alignment counts from the buffer's start.
    let offset: Int
    var format: PackFormat
    let state: LuaState
    /// The position in `bytes`.
    var position = 0
    var results: Int32

    /// Pushes numbers up to the end of the format, or to the next string, whose bytes it returns.
    mutating func run() throws(MapError) -> UnsafeRawBufferPointer? {
        while let item = try next() {
            guard let base = bytes.baseAddress else { throw tooShort() }
            if item.kind == .nothing || item.kind == .padding {
                position &+= item.size
                continue
            }
            guard lua_checkstack(state, 4) != 0 else {
                throw MapError(misuse: "stack overflow (too many results)")
            }
            let place = (base + position).assumingMemoryBound(to: UInt8.self)
            position &+= item.size
            switch item.kind {
            case .signed, .unsigned:
                lua_pushinteger(state, try integer(place, item))
            case .float, .double:
                let swapped = format.isLittle != (1.littleEndian == 1) ? Int32(MM_SWAPPED) : 0
                let type = (item.kind == .float ? Int32(MM_F32) : Int32(MM_F64)) | swapped
                push(mm_load_number(place, type), type, state)
            case .characters:
                return UnsafeRawBufferPointer(start: place, count: item.size)
            case .string:
                return try take(try integer(place, item))
            case .zeroTerminated:
                return try takeToZero()
            case .padding, .nothing:
                continue
            }
            results &+= 1
        }
        return nil
    }

    /// The next item. Skips its padding, and checks that all its bytes are in range.
    private mutating func next() throws(MapError) -> PackFormat.Item? {
        let place = offset &+ position
        guard let item = try about(2, { () throws(MapError) in try format.next(at: place) }) else {
            return nil
        }
        // Padding and size are less than 2^31, so the sum does not overflow.
        guard item.padding &+ item.size <= bytes.count &- position else { throw tooShort() }
        position &+= item.padding
        return item
    }

    private func integer(_ place: UnsafePointer<UInt8>, _ item: PackFormat.Item) throws(MapError) -> Int64 {
        let value = loadInteger(
            place, item.size, isLittle: format.isLittle, isSigned: item.kind == .signed)
        guard let value else {
            throw MapError(misuse: "%1-byte integer does not fit into Lua Integer", item.size)
        }
        return value
    }

    /// The next `count` bytes. `count` is an unsigned number in 64 bits: a negative one is too large.
    private mutating func take(_ count: Int64) throws(MapError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= bytes.count &- position else { throw tooShort() }
        let string = UnsafeRawBufferPointer(start: bytes.baseAddress.map { $0 + position }, count: Int(count))
        position &+= Int(count)
        return string
    }

    private mutating func takeToZero() throws(MapError) -> UnsafeRawBufferPointer {
        let rest = UnsafeRawBufferPointer(
            start: bytes.baseAddress.map { $0 + position }, count: bytes.count &- position)
        guard let length = firstZero(rest) else {
            throw MapError("unfinished string for format 'z'", argument: 2)
        }
        position &+= length &+ 1
        return UnsafeRawBufferPointer(start: rest.baseAddress, count: length)
    }

    private func tooShort() -> MapError {
        MapError(
            "buffer too short: %1 bytes are left at offset %2", argument: 2, bytes.count &- position,
            offset &+ position)
    }
}

/// `b:pack(format, offset, …)`. [-0, +1, –] uses one slot; never raises. Writes nothing unless all values
/// fit. Returns LM_CONVERT for a number in the place of a string: the trampoline converts it to a string, as
/// string.pack does, and calls again.
@implementation @c
func lm_buffer_pack(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let format = try arguments.packFormat(2)
        let offset = try arguments.integer(3)
        let (current, rest) = try about(3) { () throws(MapError) in try bytes.writable(offset, nil) }
        var trial = Packer(
            count: rest.count, offset: offset, format: format, state: L, target: nil)
        if try !trial.run() {
            outcome.pointee.argument = trial.argument
            return CInt(LM_CONVERT)
        }
        guard let base = rest.baseAddress else {
            lua_pushinteger(L, lua_Integer(offset))
            return 1
        }
        var writer = Packer(
            count: rest.count, offset: offset, format: format, state: L,
            target: base.assumingMemoryBound(to: UInt8.self))
        _ = try writer.run()
        try current.checkIntact()
        lua_pushinteger(L, lua_Integer(offset &+ writer.position))
        return 1
    }
}

extension Arguments {
    fileprivate func packFormat(_ index: Int32) throws(MapError) -> PackFormat {
        var count = 0
        guard let format = lm_string_at(state, index, &count) else {
            throw MapError(type: "string", argument: index)
        }
        return PackFormat(format: format)
    }

    /// The rest of the format of an unpack in progress, and the format's beginning.
    fileprivate func packFormat(
        _ index: Int32, _ progress: lm_unpacking
    ) throws(MapError) -> (PackFormat, UnsafePointer<CChar>) {
        var count = 0
        guard let format = lm_string_at(state, index, &count), progress.consumed <= count else {
            throw MapError(type: "string", argument: index)
        }
        let place = mm_format(
            next: format + progress.consumed, alignment: progress.alignment, isLittle: progress.isLittle)
        return (PackFormat(place), format)
    }
}
