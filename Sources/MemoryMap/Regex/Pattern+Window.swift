internal import CMemoryMap
internal import CPCRE2
internal import Glibc

// PCRE2 gets no pointer into memory that others can write or that ends in front of a hole, unless it reads each byte
// once and none outside. Else it gets private copies of parts of the subject, with zeros around them, and says itself
// where a match has looked at the end of one: see PCRE2_PARTIAL_HARD in pcre2partial(3).

/// A pattern that needs copies keeps memory for one of so many bytes: short subjects need no other.
let smallWindow = 1 << 10

/// Zeros on both sides of a copy: PCRE2 looks there for the rest of a character.
private let padding = 32

/// What PCRE2 sees of a subject: all of it in place, or a copy of a part.
struct PatternWindow {
    private let pattern: PatternPointer
    private let subject: UnsafeRawBufferPointer
    private var isCopied = false
    /// Where the part starts and ends in the subject, in bytes.
    private(set) var lower = 0
    private(set) var upper: Int
    /// Whether a match may look at what is behind the part.
    private var isOpen = false
    /// The byte at `lower`.
    private var start: UnsafePointer<UInt8>
    private var capacity = 0
    /// The pattern's own memory, where this thread may use it.
    private var small: UnsafeMutablePointer<UInt8>?
    private var memory: UnsafeMutablePointer<UInt8>?
    /// Whether the byte at `upper` continues a character, though there is none. No match starts there, but an empty one
    /// would if the search did.
    private var endsInside = false
    /// Where the copy ended before it was shortened.
    private var copied = 0
    /// How much the next copy holds at least behind the start of the search, in bytes.
    private(set) var least = 1

    /// - Parameter isShared: Other threads use the pattern too.
    init(_ pattern: PatternPointer, _ subject: UnsafeRawBufferPointer, isShared: Bool = false) {
        self.init(inPlace: subject, pattern)
        isCopied = pattern.pointee.is_copied
        if isCopied { (upper, small) = (-1, isShared ? nil : pattern.pointee.window) }
    }

    /// For a pattern that needs no copy. The compiler sees that there is none, and leaves out what makes them.
    @inline(__always)
    init(inPlace subject: UnsafeRawBufferPointer, _ pattern: PatternPointer) {
        self.pattern = pattern
        self.subject = subject
        start = subject.bindMemory(to: UInt8.self).baseAddress ?? noBytes
        upper = subject.count
    }

    /// For a copy of so many bytes. Nil where memory ran out.
    static func makeMemory(_ capacity: Int) -> UnsafeMutablePointer<UInt8>? {
        let memory = malloc(capacity &+ 2 &* padding)?.assumingMemoryBound(to: UInt8.self)
        memory?.update(repeating: 0, count: padding)
        return memory
    }

    /// Gives the memory back.
    @inline(__always)
    mutating func close() {
        if memory != nil { release() }
    }

    @inline(never)
    private mutating func release() {
        free(memory)
        mm_budget_give(capacity)
        (memory, capacity) = (nil, 0)
    }

    /// Whether the subject goes on behind what is seen of it.
    @inline(__always)
    private var isCut: Bool { upper < subject.count }

    /// Makes visible what a search from an offset looks at.
    ///
    /// - Parameter wanted: How much of what is behind the offset is worth a copy, in bytes.
    /// - Throws: `systemCall` where there is no memory; `interrupted`.
    @inline(__always)
    mutating func show(_ from: Int, _ wanted: Int, _ poll: Poll) throws(MapError) {
        if isCopied && !holds(from) { try copy(from, wanted, poll) }
    }

    @inline(never)
    private mutating func copy(_ from: Int, _ wanted: Int, _ poll: Poll) throws(MapError) {
        var behind = pattern.pointee.lookbehind
        var ahead = max(least, min(max(wanted, pattern.pointee.first_copy), pattern.pointee.most_copy))
        // The interpreter takes what is no UTF-8 for the end of the subject, too, when it looks for a part too short.
        if pattern.pointee.is_utf && !pattern.pointee.is_machine_code { ahead = subject.count }
        // Where all in front is copied each time, the next copy is only due when there is twice as much.
        if behind >= from { ahead = max(ahead, from) }
        repeat {
            lower = behind < from ? from &- behind : 0
            try fill(from, to: ahead < subject.count &- from ? from &+ ahead : subject.count, poll)
            if behind < from { behind &*= 2 }
            ahead &*= 2
        } while !holds(from)
        least = 1
    }

    /// Lets the next copy begin anew.
    mutating func drop() { upper = -1 }

    /// The same, with more behind an offset.
    mutating func grow(_ from: Int) {
        least = 2 &* (copied &- from)
        drop()
    }

    /// How the search goes on at an offset behind its start.
    @inline(__always)
    func optionsToStart(_ offset: Int) -> UInt32 {
        endsInside && offset == upper ? PCRE2_NOTEMPTY_ATSTART : 0
    }

    private func holds(_ from: Int) -> Bool {
        guard from >= lower, from < upper || from == upper && !isCut else { return false }
        return lower == 0 || startOfFlags(from) &- lower >= pattern.pointee.lookbehind
    }

    /// Two letters of a flag are one character for `\X`: which two depends on the first of them all.
    private func startOfFlags(_ from: Int) -> Int {
        guard pattern.pointee.has_clusters else { return from }
        var place = from &- lower
        while place >= 4, start[place &- 4] == 0xf0, start[place &- 3] == 0x9f, start[place &- 2] == 0x87,
            start[place &- 1] >= 0xa6
        { place &-= 4 }
        return lower &+ place
    }

    private mutating func fill(_ from: Int, to end: Int, _ poll: Poll) throws(MapError) {
        upper = -1
        let count = end &- lower
        let target = try makeRoom(count)
        if let source = subject.baseAddress { try move(target, source + lower, count, poll) }
        (upper, copied, endsInside) = (end, end, false)
        if isCut && pattern.pointee.is_utf { leaveCharacter(from) }
        if isCut { leaveReturns(from) }
        isOpen = isCut && !(pattern.pointee.is_within_line && leavesLine(from))
        (target + (upper &- lower)).update(repeating: 0, count: padding)
    }

    /// Ends the part where a character starts, or what is none: after a fourth byte that continues one, none does.
    private mutating func leaveCharacter(_ from: Int) {
        let end = upper
        repeat { upper &-= 1 } while upper > from && upper > end &- 4 && isInside(upper)
        endsInside = upper > from && isInside(upper)
        if endsInside { upper = end &- 1 }
    }

    /// Ends the part in front of carriage returns: a repeated `\R` takes one at the end for all there is, and asks no more.
    private mutating func leaveReturns(_ from: Int) {
        while upper > from, start[upper &- 1 &- lower] == UInt8(ascii: "\r") {
            upper &-= 1
            endsInside = false
        }
    }

    /// Lets the line go that does not end here, if it is not the first: no match looks at the next one.
    private mutating func leavesLine(_ from: Int) -> Bool {
        guard let last = mm_find_last(start + (from &- lower), CInt(UInt8(ascii: "\n")), upper &- from) else {
            return false
        }
        upper = lower &+ (last - UnsafeRawPointer(start)) &+ 1
        return true
    }

    private mutating func makeRoom(_ count: Int) throws(MapError) -> UnsafeMutablePointer<UInt8> {
        if let memory, count <= capacity { return memory + padding }
        if let small, count <= smallWindow {
            start = UnsafePointer(small + padding)
            return small + padding
        }
        close()
        try takeMemory(.mmap, count)
        guard let fresh = PatternWindow.makeMemory(count) else {
            mm_budget_give(count)
            throw .noHeap
        }
        (memory, capacity, start) = (fresh, count, UnsafePointer(fresh + padding))
        return fresh + padding
    }

    /// Whether the byte at an offset continues a character.
    private func isInside(_ offset: Int) -> Bool { start[offset &- lower] & 0xc0 == 0x80 }

    /// The last offset of a part, of about `slice` offsets where a match may start, all below `end`.
    @inline(__always)
    func last(_ from: Int, _ slice: Int, _ end: Int) -> Int {
        let end = isCut ? min(upper, end) : end
        guard pattern.pointee.is_divisible, slice < end &- from else { return end &- 1 }
        return min(endOfCharacter(from &+ slice &- 1), end &- 1)
    }

    private func endOfCharacter(_ offset: Int) -> Int {
        var last = offset
        // The next part must not begin inside a character.
        while pattern.pointee.is_utf, last < upper &- 1, isInside(last &+ 1) { last &+= 1 }
        return last
    }

    /// pcre2_match(3) from an offset on; the offsets of a match are those in the subject.
    ///
    /// - Parameter last: The last offset where a match may start. Machine code that steps over what is no UTF-8 steps
    ///   over its limit too.
    @inline(__always)
    func match(_ from: Int, _ last: Int, _ options: UInt32) -> CInt {
        let code = mm_match(pattern, start, upper &- lower, from &- lower, options | partial)
        return code > 0 && isCopied ? translate(code, last) : code
    }

    private func translate(_ code: CInt, _ last: Int) -> CInt {
        if lower &+ pcre2_get_startchar_8(pattern.pointee.data) > last {
            return CInt(PCRE2_ERROR_NOMATCH)
        }
        guard lower > 0, let offsets = pattern.pointee.offsets else { return code }
        for place in 0..<2 &* Int(pcre2_get_ovector_count_8(pattern.pointee.data)) where offsets[place] >= 0 {
            offsets[place] &+= lower
        }
        return code
    }

    /// The same for any thread, with a match context of its own and offsets in what is visible.
    func match(_ from: Int, _ data: OpaquePointer?, _ context: OpaquePointer?) -> CInt {
        pcre2_jit_match_8(
            pattern.pointee.code, start, upper &- lower, from &- lower, partial, data, context)
    }

    @inline(__always)
    private var partial: UInt32 { isOpen ? PCRE2_PARTIAL_HARD : 0 }
}

private nonisolated(unsafe) let noBytes = UnsafePointer(UnsafeMutablePointer<UInt8>.allocate(capacity: 1))
