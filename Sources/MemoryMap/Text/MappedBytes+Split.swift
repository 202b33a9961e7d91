package import CMemoryMap

// Pieces of about equal length that begin and end where lines do.

extension MappedBytes {
    /// Where the i-th of n pieces ends: at the first separator's end at or behind `i / n` of the bytes.
    ///
    /// The pieces' lines are the lines of the whole.
    ///
    /// - Parameters:
    ///   - i: `1 ... n`.
    ///   - n: `1 ... 1,000,000`.
    ///   - start: Where the piece begins, which is where the one before it ends.
    ///   - poll: Asked every 16 MiB; false stops the search.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`, `offsetOutOfRange`.
    package func endOfPiece(
        _ i: Int, of n: Int, from start: Int, separator: mm_separator, poll: (_ done: Int) -> Bool
    ) throws(MapError) -> Int {
        let (current, whole) = try readable(0, nil)
        if i >= n || n <= 0 { return whole.count }
        // i times the length would overflow; i times a remainder, which is below n, does not.
        let goal = whole.count / n &* i &+ whole.count % n &* i / n
        if goal <= start { return start }
        // Where separators may overlap each other, only those count that a walk from the start meets.
        let near = max(start, goal &- Int(separator.count))
        var walk = try mm_lines(
            current, separator.overlapsItself ? start : near, nil, separator: separator)
        var line = mm_line()
        while try walk.find(&line, poll: poll) {
            if line.next >= goal { return line.next }
            walk.position = line.next
        }
        return whole.count
    }

    /// Makes every doubled quote a single one, in place, and returns how many bytes are left.
    package static func undouble(_ bytes: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var kept = 0
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            bytes[kept] = byte
            kept &+= 1
            place &+= byte == UInt8(ascii: "\"") ? 2 : 1
        }
        return kept
    }
}

extension mm_separator {
    /// Whether an end of it is also its beginning, as of `aa` and `abab`.
    fileprivate var overlapsItself: Bool {
        withUnsafeBytes(of: bytes) { all in
            let bytes = all.prefix(Int(count))
            return (1..<max(1, bytes.count)).contains { step in
                bytes.dropFirst(step).elementsEqual(bytes.dropLast(step))
            }
        }
    }
}
