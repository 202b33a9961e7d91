internal import Glibc

extension MappedBytes {
    /// Copies bytes into the mapping. Source and destination may overlap.
    ///
    /// - Parameters:
    ///   - offset: Where to write, in bytes; `source.count` bytes must fit behind it.
    ///   - source: What to write.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notWritable`.
    public func copy(at offset: Int, from source: UnsafeRawBufferPointer) throws(MapError) {
        let (current, target) = try writable(offset, source.count)
        if source.count == 0 { return }
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        memmove(to, from, source.count)
        try current.checkIntact()
    }

    /// Copies bytes from another mapping, or from another place of this one.
    ///
    /// - Returns: The number of bytes copied.
    /// - Throws: As `copy(at:from:)`, and the same of the source's range.
    @discardableResult
    public func copy(
        at offset: Int, from source: MappedBytes, _ start: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> Int {
        let (origin, bytes) = try source.readable(start, length)
        try copy(at: offset, from: bytes)
        try origin.checkIntact()
        return bytes.count
    }

    /// Copies bytes out of the mapping.
    ///
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`. After
    ///   `lost` the contents of `target` mean nothing.
    public func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws(MapError) {
        let (current, bytes) = try readable(offset, target.count)
        if let to = target.baseAddress, let from = bytes.baseAddress { memmove(to, from, bytes.count) }
        try current.checkIntact()
    }

    /// Sets every byte of a range to one value.
    ///
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notWritable`.
    public func fill(_ value: UInt8, _ offset: Int = 0, _ length: Int? = nil) throws(MapError) {
        let (current, target) = try writable(offset, length)
        if let start = target.baseAddress { memset(start, CInt(value), target.count) }
        try current.checkIntact()
    }

    /// Fills a range with a pattern that repeats from the range's start; the last one may be cut off.
    ///
    /// - Parameter pattern: At least one byte; may lie in the same mapping.
    /// - Throws: As `fill(_:_:_:)`; `misuse` for an empty pattern.
    public func fill(
        repeating pattern: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) {
        let (current, target) = try writable(offset, length)
        guard pattern.count > 0, let from = pattern.baseAddress else {
            throw MapError(.misuse, "the pattern is empty")
        }
        guard let start = target.baseAddress, target.count > 0 else { return }
        // What is filled already is the source of the next, twice as long copy.
        var filled = min(pattern.count, target.count)
        memmove(start, from, filled)
        while filled < target.count {
            let next = min(filled, target.count &- filled)
            memcpy(start + filled, start, next)
            filled &+= next
        }
        try current.checkIntact()
    }
}
