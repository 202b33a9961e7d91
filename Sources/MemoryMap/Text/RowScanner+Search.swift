internal import CMemoryMap
internal import Glibc

extension RowScanner {
    /// The first occurrence of a byte from `start` on, or the end of the range; nil if `shouldContinue` stopped the
    /// search.
    @inline(__always)
    mutating func first(_ byte: UInt8, from start: Int, _ shouldContinue: (Int) -> Bool) -> Int? {
        var place = start
        while true {
            if place < limit, let found = memchr(base + place, CInt(byte), limit &- place) {
                return UnsafeRawPointer(found) - UnsafeRawPointer(base)
            }
            if limit >= end { return end }
            place = max(place, limit)
            if !shouldContinue(place) { return nil }
            limit = min(end, place &+ scanWindow)
        }
    }

    /// The first of a byte in memory that has been searched; nil for none.
    @inline(__always)
    func memoryFirst(_ byte: UInt8, from start: Int, to stop: Int) -> Int? {
        guard start < stop, let found = memchr(base + start, CInt(byte), stop &- start) else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }

    /// Goes on after the line's end, whatever is in front of it, and returns the offset of that; nil where `shouldContinue` stopped
    /// the search.
    @inline(__always)
    mutating func passLine(_ position: inout Int, _ shouldContinue: (Int) -> Bool) -> Int? {
        var place = position
        while true {
            // Most lines end within the window.
            let passed = place &- window
            let marks = passed < 64 ? marked.third &>> UInt64(truncatingIfNeeded: passed) : 0
            let found: Int
            if marks != 0 {
                found = place &+ marks.trailingZeroBitCount
            } else if let far = first(rows.pointee.line.bytes.0, from: place, shouldContinue) {
                found = far
            } else {
                return nil
            }
            position = end
            if found >= end { return end }
            if isLineEnd(found) {
                position = found &+ Int(rows.pointee.line.count)
                return found
            }
            place = found &+ 1
        }
    }

    /// The end of the field that begins at a place; nil where `shouldContinue` stopped the search.
    @inline(__always)
    mutating func fieldEnd(from start: Int, _ shouldContinue: (Int) -> Bool) -> Stop? {
        var place = start
        while true {
            place = candidate(from: place)
            if place < limit {
                var stop = border(at: place)
                if stop.border == .neither {
                    if Kind.isQuoted && quotes != separators
                        && base[place] == UInt8(truncatingIfNeeded: quotes)
                    {
                        stop.border = .quote
                        return stop
                    }
                    place &+= 1
                    continue
                }
                if stop.border == .lineEnd && rows.pointee.takes_return && place > start
                    && base[place &- 1] == carriageReturn
                {
                    stop.end = place &- 1
                }
                return stop
            }
            if limit >= end { return Stop(end: end, border: .lineEnd, next: end) }
            if !shouldContinue(place) { return nil }
            limit = min(end, place &+ scanWindow)
        }
    }

    /// The next place below `limit` where a separator, a line's end or a quote may be, or `limit`.
    @inline(__always)
    mutating func candidate(from start: Int) -> Int {
        var place = start
        let passed = place &- window
        if passed < 64 {
            let marks = marked.all &>> UInt64(truncatingIfNeeded: passed)
            if marks != 0 { return place &+ marks.trailingZeroBitCount }
            if window &+ 64 <= limit { place = window &+ 64 }
        }
        while place &+ 64 <= limit {
            mark(from: place)
            if marked.all != 0 { return place &+ marked.all.trailingZeroBitCount }
            place &+= 64
        }
        while place < limit {
            let byte = base[place]
            if byte == UInt8(truncatingIfNeeded: separators) || byte == UInt8(truncatingIfNeeded: lineEnds)
                || Kind.isQuoted && byte == UInt8(truncatingIfNeeded: quotes)
            {
                return place
            }
            place &+= 1
        }
        return place
    }

    /// Moves the window.
    @inline(__always)
    mutating func mark(from place: Int) {
        window = place
        marked = mm_find_marks(
            base + place, UInt8(truncatingIfNeeded: separators),
            UInt8(truncatingIfNeeded: Kind.isQuoted ? quotes : separators),
            UInt8(truncatingIfNeeded: lineEnds))
    }

    @inline(__always)
    func border(at place: Int) -> Stop {
        if place >= end { return Stop(end: end, border: .lineEnd, next: end) }
        let byte = base[place]
        if byte == UInt8(truncatingIfNeeded: separators)
            && mm_separator_follows(mm_field_separator(rows), base + place, end &- place)
        {
            return Stop(end: place, border: .separator, next: place &+ Int(rows.pointee.separator.count))
        }
        if byte == UInt8(truncatingIfNeeded: lineEnds) && isLineEnd(place) {
            return Stop(end: place, border: .lineEnd, next: place &+ Int(rows.pointee.line.count))
        }
        if byte == carriageReturn && rows.pointee.takes_return && place &+ 1 < end
            && base[place &+ 1] == UInt8(ascii: "\n")
        {
            return Stop(end: place, border: .lineEnd, next: place &+ 2)
        }
        return Stop(end: place, border: .neither, next: place)
    }

    @inline(__always)
    func isLineEnd(_ place: Int) -> Bool {
        mm_separator_follows(mm_row_separator(rows), base + place, end &- place)
    }

    /// The lowest bit that is set is the highest bit of the first byte of the word that may begin a separator or a line's
    /// end; 0 where there is none.
    @inline(__always)
    func marks(_ word: UInt64) -> UInt64 {
        zeroBytes(word ^ separators) | zeroBytes(word ^ lineEnds)
    }

    /// Eight bytes, the first in the lowest bits.
    @inline(__always)
    func word(_ place: Int) -> UInt64 { mm_load_word(base + place) }
}

var carriageReturn: UInt8 { UInt8(ascii: "\r") }

/// A word of eight times the same byte.
@inline(__always)
func everyByte(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// Sets the highest bit of each zero byte. The bit may also be set in bytes above a zero byte.
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
    (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}
