internal import Glibc

extension MappedBytes {
    /// The offset of the first byte that differs from `other`, or nil if both are equal. If one is the
    /// beginning of the other, the length of the shorter one.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`.
    public func mismatch(_ other: UnsafeRawBufferPointer) throws(MapError) -> Int? {
        try mismatch(other) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func mismatch(_ other: UnsafeRawBufferPointer, shouldContinue: ShouldContinue) throws(MapError)
        -> Int?
    {
        let (current, bytes) = try readable(0, nil)
        let place = try firstDifference(bytes, other, shouldContinue)
        try current.checkIntact()
        return place ?? (bytes.count == other.count ? nil : min(bytes.count, other.count))
    }

    /// Compares the bytes as unsigned numbers, then the lengths: -1, 0, or 1.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`.
    public func compare(_ other: UnsafeRawBufferPointer) throws(MapError) -> Int {
        try compare(other) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func compare(_ other: UnsafeRawBufferPointer, shouldContinue: ShouldContinue) throws(MapError)
        -> Int
    {
        let (current, bytes) = try readable(0, nil)
        var order = bytes.count &- other.count
        var start = 0
        while let place = try firstDifference(bytes, other, from: start, shouldContinue) {
            let difference = Int(bytes[place]) &- Int(other[place])
            if difference != 0 {
                order = difference
                break
            }
            // Another process has changed the bytes, and they are equal now.
            start = place &+ 1
        }
        try current.checkIntact()
        return order.signum()
    }
}

/// The offset of the first difference from `start` on, up to the end of the shorter range.
private func firstDifference(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, from start: Int = 0,
    _ shouldContinue: ShouldContinue
) throws(MapError) -> Int? {
    guard let first = left.baseAddress, let second = right.baseAddress else { return nil }
    return try ParallelRanges(min(left.count, right.count) &- start, grain: 1 << 20).first(
        shouldContinue: shouldContinue
    ) { range in
        // memcmp(3) finds the block at the speed of memory; the loop finds the byte in the block.
        let block = 4096
        var place = start &+ range.lowerBound
        let end = start &+ range.upperBound
        while place < end {
            let step = min(block, end &- place)
            if memcmp(first + place, second + place, step) != 0 { break }
            place &+= step
        }
        while place < end {
            if first.load(fromByteOffset: place, as: UInt8.self)
                != second.load(fromByteOffset: place, as: UInt8.self)
            {
                return place
            }
            place &+= 1
        }
        return nil
    }
}
