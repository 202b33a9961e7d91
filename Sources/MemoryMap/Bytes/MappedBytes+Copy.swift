internal import Glibc

/// Bytes that a thread writes at a time.
private let grain = 1 << 22

/// memmove(3), on several threads for large sizes.
///
/// - Throws: `interrupted` if `shouldContinue` returned false.
func move(
    _ to: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, _ count: Int, _ shouldContinue: ShouldContinue
) throws(MapError) {
    if count <= grain {
        memmove(to, from, count)
        return
    }
    let target = UnsafeRawPointer(to)
    if target + count <= from || from + count <= target {
        try ParallelRanges(count, grain: grain).forEach(shouldContinue: shouldContinue) { _, range in
            memcpy(to + range.lowerBound, from + range.lowerBound, range.count)
            return true
        }
        return
    }
    // They overlap: begin at the end where no byte is overwritten before it is read.
    var done = 0
    while done < count {
        let next = min(grain, count &- done)
        let place = target < from ? done : count &- done &- next
        memmove(to + place, from + place, next)
        done &+= next
        if !shouldContinue(done) { throw MapError(.interrupted) }
    }
}

extension MappedBytes {
    /// Copies bytes into the mapping. Source and destination may overlap.
    ///
    /// - Parameters:
    ///   - offset: Where to write, in bytes; `source.count` bytes must fit there.
    ///   - source: What to write.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notWritable`.
    public func copy(at offset: Int, from source: UnsafeRawBufferPointer) throws(MapError) {
        try copy(at: offset, from: source) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func copy(at offset: Int, from source: UnsafeRawBufferPointer, shouldContinue: ShouldContinue)
        throws(MapError)
    {
        let (current, target) = try writable(offset, source.count)
        if source.count == 0 { return }
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        do { try move(to, from, source.count) { shouldContinue($0) && current.isIntact } } catch {
            throw current.cause(error)
        }
        try current.checkIntact()
    }

    /// Copies bytes from another mapping, or from another place of this one.
    ///
    /// - Returns: The number of bytes copied.
    /// - Throws: As `copy(at:from:)`, and the same errors for the source's range.
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
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`. After `lost` the
    ///   contents of `target` are undefined.
    public func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws(MapError) {
        let (current, bytes) = try readable(offset, target.count)
        if let to = target.baseAddress, let from = bytes.baseAddress { memmove(to, from, bytes.count) }
        try current.checkIntact()
    }

    /// Sets every byte of a range to one value.
    ///
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notWritable`.
    public func fill(_ value: UInt8, _ offset: Int = 0, _ length: Int? = nil) throws(MapError) {
        try fill(value, offset, length) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func fill(_ value: UInt8, _ offset: Int, _ length: Int?, shouldContinue: ShouldContinue)
        throws(MapError)
    {
        let (current, target) = try writable(offset, length)
        if let start = target.baseAddress {
            do {
                try ParallelRanges(target.count, grain: grain).forEach(shouldContinue: {
                    shouldContinue($0) && current.isIntact
                }) {
                    _, range in
                    memset(start + range.lowerBound, CInt(value), range.count)
                    return true
                }
            } catch { throw current.cause(error) }
        }
        try current.checkIntact()
    }

    /// Fills a range with copies of a pattern, from the start of the range; the last copy may be cut off.
    ///
    /// - Parameter pattern: At least one byte; may lie in the same mapping.
    /// - Throws: As `fill(_:_:_:)`; `misuse` for an empty pattern.
    public func fill(
        repeating pattern: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) {
        try fill(repeating: pattern, offset, length) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func fill(
        repeating pattern: UnsafeRawBufferPointer, _ offset: Int, _ length: Int?,
        shouldContinue: ShouldContinue
    ) throws(MapError) {
        let (current, target) = try writable(offset, length)
        guard pattern.count > 0, let from = pattern.baseAddress else {
            throw MapError(.misuse, "the string must not be empty")
        }
        guard let start = target.baseAddress, target.count > 0 else { return }
        // The filled part is the source of the next copy, so its length doubles each time.
        var filled = min(pattern.count, target.count)
        memmove(start, from, filled)
        while filled < target.count, filled < grain {
            let next = min(filled, target.count &- filled)
            memcpy(start + filled, start, next)
            filled &+= next
        }
        do {
            try ParallelRanges(target.count &- filled, grain: grain).forEach(shouldContinue: {
                shouldContinue($0) && current.isIntact
            }) {
                _, range in
                var place = range.lowerBound
                while place < range.upperBound {
                    let phase = place % filled
                    let next = min(filled &- phase, range.upperBound &- place)
                    memcpy(start + filled + place, start + phase, next)
                    place &+= next
                }
                return true
            }
        } catch { throw current.cause(error) }
        try current.checkIntact()
    }
}
