internal import Glibc

extension MappedBytes {
    /// The offset of the first byte that differs from `other`, or nil where both are equal. Where one
    /// is the beginning of the other, the length of the shorter.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`.
    public func mismatch(_ other: UnsafeRawBufferPointer) throws(MapError) -> Int? {
        let (current, bytes) = try readable(0, nil)
        let place = firstDifference(bytes, other)
        try current.checkIntact()
        return place
    }

    /// Bytes compared as unsigned numbers, then lengths: below 0, 0 or above 0.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`.
    public func compare(_ other: UnsafeRawBufferPointer) throws(MapError) -> Int {
        let (current, bytes) = try readable(0, nil)
        var order = 0
        if let left = bytes.baseAddress, let right = other.baseAddress {
            order = Int(memcmp(left, right, min(bytes.count, other.count)))
        }
        try current.checkIntact()
        if order == 0 { order = bytes.count &- other.count }
        return order.signum()
    }
}

private func firstDifference(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int? {
    let count = min(left.count, right.count)
    var place = 0
    if let first = left.baseAddress, let second = right.baseAddress {
        // memcmp(3) finds the block at the speed of memory, the loop the byte inside it.
        let block = 4096
        while place < count {
            let step = min(block, count &- place)
            if memcmp(first + place, second + place, step) != 0 { break }
            place &+= step
        }
        while place < count
            && first.load(fromByteOffset: place, as: UInt8.self)
                == second.load(fromByteOffset: place, as: UInt8.self)
        {
            place &+= 1
        }
    }
    return place < count || left.count != right.count ? place : nil
}
