internal import CMemoryMap
internal import Glibc

extension MappedBytes {
    /// The offset of the first place where the bytes of `needle` stand inside a range.
    ///
    /// - Parameters:
    ///   - needle: Any bytes; an empty needle is found at the range's start.
    ///   - offset: Where the range starts, in bytes.
    ///   - length: The bytes of the range; nil means to the end.
    /// - Returns: In bytes from the start of this buffer, or nil.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`.
    public func find(
        _ needle: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> Int? {
        let (current, haystack) = try readable(offset, length)
        let place = firstPlace(of: needle, in: haystack)
        try current.checkIntact()
        guard let place else { return nil }
        return offset &+ place
    }

    /// The offset of the last place where the bytes of `needle` stand inside a range.
    ///
    /// - Returns: In bytes from the start of this buffer, or nil. An empty needle is found at the
    ///   range's end.
    /// - Throws: As `find(_:_:_:)`.
    public func findLast(
        _ needle: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> Int? {
        let (current, haystack) = try readable(offset, length)
        let place = lastPlace(of: needle, in: haystack)
        try current.checkIntact()
        guard let place else { return nil }
        return offset &+ place
    }
}

private func firstPlace(of needle: UnsafeRawBufferPointer, in haystack: UnsafeRawBufferPointer) -> Int? {
    guard needle.count > 0, let sought = needle.baseAddress else { return 0 }
    guard let start = haystack.baseAddress,
        let found = mm_find(start, haystack.count, sought, needle.count)
    else { return nil }
    return found - start
}

/// From the back: memrchr(3) jumps to the next place of the needle's first byte.
private func lastPlace(of needle: UnsafeRawBufferPointer, in haystack: UnsafeRawBufferPointer) -> Int? {
    guard needle.count > 0, let sought = needle.baseAddress, let first = needle.first else {
        return haystack.count
    }
    guard let start = haystack.baseAddress, needle.count <= haystack.count else { return nil }
    var candidates = haystack.count &- needle.count &+ 1
    while candidates > 0, let found = mm_find_last(start, CInt(first), candidates) {
        if memcmp(found, sought, needle.count) == 0 { return found - start }
        candidates = found - start
    }
    return nil
}

/// Where the first zero byte is, or nil.
package func firstZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress, let found = memchr(start, 0, bytes.count) else { return nil }
    return UnsafeRawPointer(found) - start
}
