internal import CMemoryMap
internal import Glibc
internal import Vectors

extension MappedBytes {
    /// The offset of the first occurrence of `needle` in a range.
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
        try find(needle, offset, length) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func find(
        _ needle: UnsafeRawBufferPointer, _ offset: Int, _ length: Int?, shouldContinue: (Int) -> Bool
    ) throws(MapError) -> Int? {
        try search(needle, offset, length) { (haystack) throws(MapError) in
            try haystack.firstPlace(shouldContinue)
        }
    }

    /// The offset of the last occurrence of `needle` in a range.
    ///
    /// - Returns: In bytes from the start of this buffer, or nil. An empty needle is found at the
    ///   range's end.
    /// - Throws: As `find(_:_:_:)`.
    public func findLast(
        _ needle: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> Int? {
        try findLast(needle, offset, length) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func findLast(
        _ needle: UnsafeRawBufferPointer, _ offset: Int, _ length: Int?, shouldContinue: (Int) -> Bool
    ) throws(MapError) -> Int? {
        try search(needle, offset, length) { (haystack) throws(MapError) in
            try haystack.lastPlace(shouldContinue)
        }
    }

    private func search(
        _ needle: UnsafeRawBufferPointer, _ offset: Int, _ length: Int?,
        _ place: (Haystack) throws(MapError) -> Int?
    ) throws(MapError) -> Int? {
        let (current, range) = try readable(offset, length)
        let result = try place(Haystack(range, needle))
        try current.checkIntact()
        guard let result else { return nil }
        return offset &+ result
    }

    /// Counts the occurrences of `needle` in a range, from its start and without overlap: "aa" occurs twice
    /// in "aaaaa".
    ///
    /// - Parameter needle: At least one byte.
    /// - Throws: As `find(_:_:_:)`; `misuse` for an empty needle.
    public func count(
        of needle: UnsafeRawBufferPointer, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> Int {
        try count(of: needle, offset, length) { _ in true }
    }

    /// As above. `shouldContinue` is called from time to time with the number of bytes done; it returns false to stop.
    package func count(
        of needle: UnsafeRawBufferPointer, _ offset: Int, _ length: Int?, shouldContinue: (Int) -> Bool
    ) throws(MapError) -> Int {
        guard needle.count > 0 else { throw MapError(.misuse, "the string must not be empty") }
        let (current, range) = try readable(offset, length)
        let result = try Haystack(range, needle).count(shouldContinue)
        try current.checkIntact()
        return result
    }
}

/// The number of bytes to search before other threads help and `shouldContinue` is called: most searches end there.
package var nearbySize: Int { 1 << 16 }

/// The first position of a needle in readable memory, or -1. For sizes so small that the search needs no
/// other threads and no way to stop it.
///
/// - Parameter sought: The needle's bytes, one or more.
package func findNearby(
    _ start: UnsafePointer<UInt8>, _ size: Int, _ sought: UnsafePointer<CChar>, _ count: Int
) -> Int {
    let positions = size &- count &+ 1
    if positions <= 0 { return Vectors.none }
    if count == 1 {
        guard let found = memchr(start, CInt(sought[0]), size) else { return Vectors.none }
        return UnsafeRawPointer(found) - UnsafeRawPointer(start)
    }
    var needle = positions <= 512 ? Needle(endsOf: sought, count) : Needle(sought, count)
    return withUnsafePointer(to: &needle) { firstPlace(of: $0, start, positions) }
}

/// A range of bytes and the needle to find in it.
private struct Haystack {
    let start: UnsafeRawPointer
    let size: Int
    let needle: UnsafeRawBufferPointer
    /// The number of possible positions of the needle. 0 or less if it is longer than the range.
    let positions: Int

    /// The size of a piece for a thread, about 50 µs of work. Each piece reads the bytes of the needle, so a
    /// piece is not smaller than the needle.
    var grain: Int { max(1 << 20, needle.count) }

    init(_ range: UnsafeRawBufferPointer, _ needle: UnsafeRawBufferPointer) {
        // The address of an empty range is never read.
        start = range.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        size = range.count
        self.needle = needle
        positions = range.count &- needle.count &+ 1
    }

    func firstPlace(_ shouldContinue: (Int) -> Bool) throws(MapError) -> Int? {
        guard let sought = needle.baseAddress, needle.count > 0 else { return 0 }
        if positions <= 0 { return nil }
        let head = min(positions, nearbySize)
        if needle.count == 1 {
            let byte = CInt(sought.load(as: UInt8.self))
            // memchr(3) of the C library is fast enough.
            func scan(_ range: Range<Int>) -> Int? {
                memchr(start + range.lowerBound, byte, range.count).map { UnsafeRawPointer($0) - start }
            }
            if let place = scan(0..<head) { return place }
            return try rest(head, shouldContinue, scan)
        }
        var prepared = Needle(sought, needle.count)
        return try withUnsafePointer(to: &prepared) { (prepared) throws(MapError) -> Int? in
            func scan(_ range: Range<Int>) -> Int? {
                let place = MemoryMap.firstPlace(of: prepared, start + range.lowerBound, range.count)
                return place == Vectors.none ? nil : range.lowerBound &+ place
            }
            if let place = scan(0..<head) { return place }
            return try rest(head, shouldContinue, scan)
        }
    }

    /// Scans the positions after the head, on several threads.
    private func rest(
        _ head: Int, _ shouldContinue: (Int) -> Bool, _ scan: (Range<Int>) -> Int?
    ) throws(MapError) -> Int? {
        try ParallelRanges(positions &- head, grain: grain).first(shouldContinue: shouldContinue) { range in
            scan(range.lowerBound &+ head..<range.upperBound &+ head)
        }
    }

    /// Searches backward: the first piece is the last one of the range.
    func lastPlace(_ shouldContinue: (Int) -> Bool) throws(MapError) -> Int? {
        guard let sought = needle.baseAddress, needle.count > 0 else { return size }
        if positions <= 0 { return nil }
        if needle.count == 1 {
            let byte = CInt(sought.load(as: UInt8.self))
            return try fromBack(shouldContinue) { range in
                mm_find_last(start + range.lowerBound, byte, range.count).map { $0 - start }
            }
        }
        var prepared = Needle(sought, needle.count)
        return try withUnsafePointer(to: &prepared) { (prepared) throws(MapError) -> Int? in
            try fromBack(shouldContinue) { range in
                let place = MemoryMap.lastPlace(of: prepared, start + range.lowerBound, range.count)
                return place == Vectors.none ? nil : range.lowerBound &+ place
            }
        }
    }

    private func fromBack(_ shouldContinue: (Int) -> Bool, _ scan: (Range<Int>) -> Int?) throws(MapError)
        -> Int?
    {
        let tail = min(positions, nearbySize)
        let others = positions &- tail
        if let place = scan(others..<positions) { return place }
        return try ParallelRanges(others, grain: grain).first(shouldContinue: shouldContinue) { range in
            scan(others &- range.upperBound..<others &- range.lowerBound)
        }
    }

    func count(_ shouldContinue: (Int) -> Bool) throws(MapError) -> Int {
        guard let sought = needle.baseAddress, positions > 0 else { return 0 }
        if needle.count == 1 {
            let byte = sought.load(as: UInt8.self)
            let countByte = activeVectors.countByte
            return try ParallelRanges(size, grain: grain).map(shouldContinue: shouldContinue) { range in
                countByte(start + range.lowerBound, range.count, byte)
            }.reduce(0, &+)
        }
        var prepared = Needle(sought, needle.count)
        return try withUnsafePointer(to: &prepared) { (prepared) throws(MapError) -> Int in
            try count(prepared, shouldContinue)
        }
    }

    /// Counts each piece as if no occurrence extended into it from the previous piece. Then, in order, it
    /// counts those pieces again where one does and overlaps a counted occurrence.
    private func count(_ prepared: UnsafePointer<Needle>, _ shouldContinue: (Int) -> Bool) throws(MapError)
        -> Int
    {
        let pieces = ParallelRanges(positions, grain: grain)
        func count(_ range: Range<Int>, from: Int) -> (count: Int, next: Int) {
            var next = from
            let count = countPlaces(of: prepared, start + range.lowerBound, range.count, &next)
            return (count, next)
        }
        let counts = try pieces.map(shouldContinue: shouldContinue) { count($0, from: 0) }
        var total = 0
        var covered = 0
        for (piece, alone) in counts.enumerated() {
            let range = pieces.range(piece)
            if covered >= range.count {
                covered &-= range.count
            } else if covered == 0
                || MemoryMap.firstPlace(of: prepared, start + range.lowerBound, covered) == Vectors.none
            {
                total &+= alone.count
                covered = alone.next
            } else {
                let again = count(range, from: covered)
                total &+= again.count
                covered = again.next
                if !shouldContinue(range.upperBound) { throw MapError(.interrupted) }
            }
        }
        return total
    }
}

/// The offset of the first zero byte, or nil.
package func firstZero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress, let found = memchr(start, 0, bytes.count) else { return nil }
    return UnsafeRawPointer(found) - start
}
