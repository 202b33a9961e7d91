internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

/// Writes the arguments of `b:pack` by its format, or only checks that they fit.
struct Packer {
    /// The number of bytes from the offset to the end of the buffer.
    let count: Int
    /// The offset in the buffer: alignment counts from the buffer's start, as in string.unpack.
    let offset: Int
    var format: PackFormat
    let state: LuaState
    /// The byte at the offset; nil to write nothing.
    let target: UnsafeMutablePointer<UInt8>?
    /// The position, counted from the offset.
    var position = 0
    /// The number of the current argument.
    var argument: Int32 = 4

    /// Returns false if `argument` is a number that must be converted to a string first.
    mutating func run() throws(MapError) -> Bool {
        while let item = try next() {
            switch item.kind {
            case .nothing: continue
            case .padding: zero(1)
            case .signed, .unsigned: try integer(item)
            case .float, .double: try float(item)
            case .characters, .string, .zeroTerminated:
                if lua_type(state, argument) == LUA_TNUMBER { return false }
                try string(item)
            }
            if item.kind != .padding { argument &+= 1 }
        }
        return true
    }

    private mutating func next() throws(MapError) -> PackFormat.Item? {
        let place = offset &+ position
        guard let item = try about(2, { () throws(MapError) in try format.next(at: place) }) else {
            return nil
        }
        guard item.padding &+ item.size <= count &- position else { throw tooShort() }
        zero(item.padding)
        return item
    }

    private func tooShort() -> MapError {
        MapError(
            "buffer too short: %1 bytes are left at offset %2", argument: 2, count &- position,
            offset &+ position)
    }

    private mutating func zero(_ length: Int) {
        if let target, length > 0 { (target + position).update(repeating: 0, count: length) }
        position &+= length
    }

    /// Writes an integer. Accepts a string that is a number, as string.pack does.
    private mutating func integer(_ item: PackFormat.Item) throws(MapError) {
        var isInteger: CInt = 0
        let value = lua_tointegerx(state, argument, &isInteger)
        guard isInteger != 0 else {
            throw lua_isnumber(state, argument) != 0
                ? MapError("number has no integer representation", argument: argument)
                : MapError(type: "number", argument: argument)
        }
        let isSigned = item.kind == .signed
        guard fits(value, item.size, isSigned: isSigned) else {
            throw MapError(isSigned ? "integer overflow" : "unsigned overflow", argument: argument)
        }
        put(value, item.size, isSigned: isSigned)
    }

    private mutating func put(_ value: Int64, _ size: Int, isSigned: Bool) {
        if let target {
            storeInteger(
                value, target + position, size, isLittle: format.isLittle, isSigned: isSigned)
        }
        position &+= size
    }

    private mutating func float(_ item: PackFormat.Item) throws(MapError) {
        var isNumber: CInt = 0
        let value = lua_tonumberx(state, argument, &isNumber)
        guard isNumber != 0 else { throw MapError(type: "number", argument: argument) }
        if let target {
            let swapped = format.isLittle != (1.littleEndian == 1) ? Int32(MM_SWAPPED) : 0
            let type = (item.kind == .float ? Int32(MM_F32) : Int32(MM_F64)) | swapped
            mm_store_number(target + position, type, value.bitPattern)
        }
        position &+= item.size
    }

    private mutating func string(_ item: PackFormat.Item) throws(MapError) {
        guard let bytes = Arguments(state).string(argument) else {
            throw MapError(type: "string", argument: argument)
        }
        switch item.kind {
        case .characters:
            guard bytes.count <= item.size else {
                throw MapError("string longer than given size", argument: argument)
            }
            try put(bytes)
            zero(item.size &- bytes.count)
        case .string:
            guard item.size >= 8 || fits(Int64(bytes.count), item.size, isSigned: false) else {
                throw MapError("string length does not fit in given size", argument: argument)
            }
            put(Int64(bytes.count), item.size, isSigned: false)
            try put(bytes)
        default:
            guard firstZero(bytes) == nil else {
                throw MapError("string contains zeros", argument: argument)
            }
            try put(bytes)
            guard position < count else { throw tooShort() }
            zero(1)
        }
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) throws(MapError) {
        guard bytes.count <= count &- position else { throw tooShort() }
        if let target, let from = bytes.baseAddress {
            UnsafeMutableRawPointer(target + position).copyMemory(from: from, byteCount: bytes.count)
        }
        position &+= bytes.count
    }
}
