internal import CMemoryMap

extension MappedBytes {
    /// A view of this memory as numbers of one type.
    ///
    /// - Parameters:
    ///   - type: The type of each number.
    ///   - offset: The start of the first number in bytes, `0 ... count`; any alignment.
    ///   - count: In elements; nil means as many as fit. A remainder smaller than an element is ignored.
    ///   - stride: The distance between elements in bytes, at least 1; nil means without gaps. Elements
    ///     overlap if the stride is less than their size; they can only be read then.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `misuse` for the stride, `closed`, `lost`.
    public func elements(
        _ type: ElementType, _ offset: Int = 0, count: Int? = nil, stride: Int? = nil
    ) throws(MapError) -> MappedElements {
        var current = self
        try current.refresh()
        let rest = try checkedLength(offset: offset, length: nil, count: current.region.length)
        let size = type.byteCount
        let stride = stride ?? size
        guard stride >= 1 else {
            throw MapError(.misuse, "stride %1 is out of range: it is at least 1", stride)
        }
        let most = rest < size ? 0 : (rest &- size) / stride &+ 1
        let wanted = count ?? most
        guard wanted >= 0, wanted <= most else {
            throw MapError(
                .lengthOutOfRange, "count %1 is out of range (0 to %2 at offset %3)", wanted, most, offset)
        }
        let length = wanted == 0 ? 0 : (wanted &- 1) &* stride &+ size
        let part = try current.slice(offset, length)
        return MappedElements(
            mm_elements(
                region: part.region, count: wanted, stride: stride, type: type.code))
    }

    /// Reads one number.
    ///
    /// - Parameter offset: The start of the number, in bytes; all of it must be inside the buffer.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`, `notReadable`.
    public func load(_ type: ElementType, at offset: Int) throws(MapError) -> Number {
        let (current, place) = try self.place(of: type.byteCount, at: offset)
        var region = current.region
        guard mm_is_readable(&region) else { throw .notReadable }
        let bits = mm_load_number(place, type.code)
        try current.checkIntact()
        return Number(bits: bits, type)
    }

    /// Writes one number.
    ///
    /// - Throws: `offsetOutOfRange`, `valueOutOfRange`, `closed`, `lost`, `notWritable`.
    public func store(_ value: Number, as type: ElementType, at offset: Int) throws(MapError) {
        try store(bits: try type.bits(of: value), as: type, at: offset)
    }

    /// Writes bits that `ElementType.bits` returned.
    package func store(bits: UInt64, as type: ElementType, at offset: Int) throws(MapError) {
        let (current, place) = try self.place(of: type.byteCount, at: offset)
        var region = current.region
        guard mm_is_writable(&region) else { throw .notWritable }
        mm_store_number(place, type.code, bits)
        try current.checkIntact()
    }

    /// Reads an integer of 1 to 8 bytes.
    package func loadInteger(
        at offset: Int, _ size: Int, isLittle: Bool, isSigned: Bool
    ) throws(MapError) -> Int64 {
        let (current, place) = try self.place(of: size, at: offset)
        var region = current.region
        guard mm_is_readable(&region) else { throw .notReadable }
        let value = MemoryMap.loadInteger(place, size, isLittle: isLittle, isSigned: isSigned)
        try current.checkIntact()
        return value ?? 0
    }

    /// Writes an integer as 1 to 8 bytes, truncated to that size.
    package func storeInteger(
        _ value: Int64, at offset: Int, _ size: Int, isLittle: Bool, isSigned: Bool
    ) throws(MapError) {
        let (current, place) = try self.place(of: size, at: offset)
        var region = current.region
        guard mm_is_writable(&region) else { throw .notWritable }
        MemoryMap.storeInteger(value, place, size, isLittle: isLittle, isSigned: isSigned)
        try current.checkIntact()
    }

    /// Updates the handle, and returns it and the address of `size` bytes at an offset.
    package func place(
        of size: Int, at offset: Int
    ) throws(MapError) -> (bytes: MappedBytes, place: UnsafeMutablePointer<UInt8>) {
        var current = self
        try current.refresh()
        let count = current.region.length
        guard offset >= 0, size <= count, offset <= count &- size, let base = current.region.base else {
            if size > count {
                throw MapError(
                    .offsetOutOfRange, "offset %1 is out of range: the buffer has %2 bytes and %3 are needed",
                    offset, count, size)
            }
            throw MapError(
                .offsetOutOfRange, "offset %1 is out of range (0 to %2 for %3 bytes)", offset, count &- size,
                size)
        }
        return (current, base.advanced(by: offset))
    }
}
