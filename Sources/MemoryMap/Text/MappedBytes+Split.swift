package import CMemoryMap
internal import Glibc

// Ranges of about equal length that are whole lines.

/// Where a buffer may be cut.
package struct Cuts: Sendable {
    /// What ends a line.
    package var separator: mm_separator
    /// Line ends between two of these are not places to cut; nil for none.
    package var quote: UInt8?
    /// Between quotes, a quote or an escape after it is a plain byte.
    package var escape: UInt8

    package init(separator: mm_separator, quote: UInt8? = nil, escape: UInt8? = nil) {
        self.separator = separator
        self.quote = quote
        self.escape = escape ?? quote ?? 0
    }
}

extension MappedBytes {
    /// The end of the i-th of n pieces: that of the first line which ends at or after `i / n` of the bytes.
    ///
    /// The lines of the pieces are the lines of the buffer.
    ///
    /// - Parameters:
    ///   - i: `1 ... n`.
    ///   - n: `1 ... 1,000,000`.
    ///   - start: The end of the piece before it.
    ///   - shouldContinue: Called every 16 MiB; returns false to stop.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`, `offsetOutOfRange`.
    package func endOfPiece(
        _ i: Int, of n: Int, from start: Int, _ cuts: Cuts, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int {
        let (current, whole) = try readable(0, nil)
        if i >= n || n <= 0 { return whole.count }
        // i times the length may overflow; i times a remainder, which is below n, does not.
        let goal = whole.count / n &* i &+ whole.count % n &* i / n
        if goal <= start { return start }
        // If separators can overlap each other, only those count that an iteration from the start finds.
        let near = cuts.separator.overlapsItself ? start : max(start, goal &- Int(cuts.separator.count))
        if let quote = cuts.quote {
            return try current.endOfRow(goal, from: start, near, quote, cuts, shouldContinue)
        }
        return try current.endOfLine(goal, near, whole.count, cuts, shouldContinue) ?? whole.count
    }

    /// The end of the first line in a range which ends at or after `goal`; nil for none.
    private func endOfLine(
        _ goal: Int, _ start: Int, _ stop: Int, _ cuts: Cuts, _ shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int? {
        var walk = try mm_lines(self, start, stop &- start, separator: cuts.separator)
        var line = mm_line()
        while try walk.find(&line, shouldContinue: shouldContinue) {
            // The last one may have no separator.
            if line.next >= goal && line.start &+ line.length < line.next { return line.next }
            walk.position = line.next
        }
        return nil
    }

    /// The end of the first row which ends at or after `goal`.
    ///
    /// - Parameters:
    ///   - start: The start of a row.
    ///   - near: No separator that ends at or after `goal` begins before this.
    private func endOfRow(
        _ goal: Int, from start: Int, _ near: Int, _ quote: UInt8, _ cuts: Cuts,
        _ shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int {
        var place = start
        if cuts.escape == quote {
            // A quote is doubled within quotes: their number tells whether a place is inside.
            let quotes = try withUnsafeBytes(of: quote) { (needle) throws(MapError) in
                try count(of: needle, start, near &- start, shouldContinue: shouldContinue)
            }
            place = quotes & 1 == 0 ? near : try endOfQuotes(near, quote, quote, shouldContinue)
        }
        while place < region.length {
            let opening = try next(quote, place, nil, shouldContinue) ?? region.length
            let first = cuts.separator.overlapsItself ? place : max(place, min(near, opening))
            if let end = try endOfLine(goal, first, opening, cuts, shouldContinue) { return end }
            if opening >= region.length { break }
            place = try endOfQuotes(opening &+ 1, quote, cuts.escape, shouldContinue)
        }
        return region.length
    }

    private func next(
        _ byte: UInt8, _ offset: Int, _ length: Int?, _ shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int? {
        try withUnsafeBytes(of: byte) { (needle) throws(MapError) in
            try find(needle, offset, length, shouldContinue: shouldContinue)
        }
    }

    /// The offset after the quote that closes, from a place inside of quotes on.
    private func endOfQuotes(
        _ start: Int, _ quote: UInt8, _ escape: UInt8, _ shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int {
        var place = start
        while place < region.length {
            guard let closing = try next(quote, place, nil, shouldContinue) else { break }
            guard escape != quote, let mark = try next(escape, place, closing &- place, shouldContinue) else {
                return closing &+ 1
            }
            place = mark &+ (try isQuoteOrEscape(mark &+ 1, quote, escape) ? 2 : 1)
        }
        return region.length
    }

    private func isQuoteOrEscape(_ place: Int, _ quote: UInt8, _ escape: UInt8) throws(MapError) -> Bool {
        guard place < region.length else { return false }
        let byte = try load(at: place)
        return byte == quote || byte == escape
    }

    /// Takes the escapes of quotes away, in place, and returns the number of bytes that are left.
    package static func undouble(
        _ bytes: UnsafeMutableBufferPointer<UInt8>, quote: UInt8, escape: UInt8
    ) -> Int {
        var kept = 0
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            place &+= 1
            if byte == escape && place < bytes.count && (bytes[place] == quote || bytes[place] == escape) {
                bytes[kept] = bytes[place]
                place &+= 1
            } else {
                bytes[kept] = byte
            }
            kept &+= 1
        }
        return kept
    }
}

extension mm_separator {
    /// Whether it ends with its own beginning, as `aa` and `abab` do.
    package var overlapsItself: Bool {
        withUnsafeBytes(of: bytes) { all in
            let bytes = all.prefix(Int(count))
            return (1..<max(1, bytes.count)).contains { step in
                bytes.dropFirst(step).elementsEqual(bytes.dropLast(step))
            }
        }
    }
}
