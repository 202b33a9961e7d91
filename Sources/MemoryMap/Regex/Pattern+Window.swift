internal import CMemoryMap
internal import CPCRE2
internal import Glibc

// PCRE2 gets no pointer into memory that others can write or that ends at a hole, unless it reads each byte
// once and none outside. Otherwise it gets private copies of parts of the subject, with zeros around them,
// and reports itself that a match has read up to the end of one: see PCRE2_PARTIAL_HARD in pcre2partial(3).
//
// A pattern with the `u` flag sees valid UTF-8 only: fragments of the subject, between bytes that are not.
// They are those of PCRE2's interpreter under PCRE2_MATCH_INVALID_UTF, whose machine code for that, in 10.47,
// finds other matches and can crash, as with \X{1,2}+\W.

/// A pattern that needs copies keeps memory for one of this many bytes: enough for short subjects.
let smallWindow = 1 << 10

/// Zeros on both sides of a copy: PCRE2 may read the rest of a character there.
private let padding = 32

/// The visible part of a subject: all of it in place, or a copy of a part.
struct PatternWindow {
    private let pattern: PatternPointer
    private let subject: UnsafeRawBufferPointer
    private var isCopied = false
    /// The visible part starts and ends here in the subject, in bytes.
    private(set) var lower = 0
    private(set) var upper: Int
    /// Whether a match may read past the visible part.
    private var isOpen = false
    /// Whether the byte at `upper` is not UTF-8.
    private(set) var endsFragment = false
    /// Whether bytes that are not UTF-8 limit the visible part at its start.
    private var startsFragment = false
    /// The start of a search that was to start inside a character. No lookbehind reads before it.
    private var floor: Int?
    /// Whether the whole subject is visible, for a pattern whose fragments do not suffice
    /// (`mm_pattern.whole`).
    private(set) var isWhole = false
    /// The copy: where it starts and ends in the subject. None if `copied` is less than 0.
    private var base = 0
    private var copied = -1
    /// The byte at `base`.
    private var start: UnsafePointer<UInt8>
    private var capacity = 0
    /// The pattern's own memory, if this thread may use it.
    private var small: UnsafeMutablePointer<UInt8>?
    private var memory: UnsafeMutablePointer<UInt8>?
    /// The least that the next copy holds after the start of the search, in bytes.
    private(set) var least = 1

    /// - Parameter isShared: Whether other threads use the pattern too.
    init(_ pattern: PatternPointer, _ subject: UnsafeRawBufferPointer, isShared: Bool = false) {
        self.init(inPlace: subject, pattern)
        isCopied = pattern.pointee.is_copied
        if isCopied { (upper, small) = (-1, isShared ? nil : pattern.pointee.window) }
    }

    /// For a pattern that needs no copy. The compiler sees that there is none, and leaves out the code that
    /// makes them.
    @inline(__always)
    init(inPlace subject: UnsafeRawBufferPointer, _ pattern: PatternPointer) {
        self.pattern = pattern
        self.subject = subject
        start = subject.bindMemory(to: UInt8.self).baseAddress ?? noBytes
        upper = subject.count
    }

    /// For a copy of this many bytes. Nil without memory.
    static func makeMemory(_ capacity: Int) -> UnsafeMutablePointer<UInt8>? {
        let memory = malloc(capacity &+ 2 &* padding)?.assumingMemoryBound(to: UInt8.self)
        memory?.update(repeating: 0, count: padding)
        return memory
    }

    /// Frees the memory.
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

    /// Whether the subject continues after the visible part.
    @inline(__always)
    private var isCut: Bool { upper < subject.count }

    // MARK: Where a search goes

    /// Starts a search. One that is to start inside a character starts after it.
    ///
    /// - Throws: `interrupted`.
    @inline(__always)
    mutating func begin(_ from: inout Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        if isCopied && pattern.pointee.is_utf { try beginInCopies(&from, shouldContinue) }
    }

    @inline(never)
    private mutating func beginInCopies(_ from: inout Int, _ shouldContinue: ShouldContinue) throws(MapError)
    {
        if isWhole { drop() }
        if floor != nil { upper = -1 }
        (floor, isWhole) = (nil, false)
        let place = try skipInside(from, shouldContinue)
        if place != from { (from, floor, upper) = (place, place, -1) }
    }

    /// The first offset, from one on, whose byte does not continue a character.
    private func skipInside(_ from: Int, _ shouldContinue: ShouldContinue) throws(MapError) -> Int {
        var place = from
        while place < subject.count, subject[place] & 0xc0 == 0x80 {
            place &+= 1
            if place & 0xfffff == 0, !shouldContinue(place) { throw MapError(.interrupted) }
        }
        return place
    }

    /// Where the search goes on after the visible part, which ends a fragment: at the next fragment that is
    /// not empty. Past the end of the subject if there is none.
    ///
    /// - Throws: As `show`.
    mutating func nextFragment(_ wanted: Int, _ shouldContinue: ShouldContinue) throws(MapError) -> Int {
        floor = nil
        var from = upper
        var steps = 0
        repeat {
            steps &+= 1
            if steps & 0xfff == 0, !shouldContinue(from) { throw MapError(.interrupted) }
            from = try skipInside(from &+ 1, shouldContinue)
            if from >= subject.count { return subject.count &+ 1 }
            try show(from, wanted, shouldContinue)
        } while endsFragment && upper == from
        return pattern.pointee.begins_lines ? try nextLine(from, wanted, shouldContinue) : from
    }

    /// The start of the next line after an offset, or the end of the fragment or subject.
    ///
    /// - Throws: As `show`.
    mutating func nextLine(_ offset: Int, _ wanted: Int, _ shouldContinue: ShouldContinue) throws(MapError)
        -> Int
    {
        var from = offset
        while true {
            let end = min(upper &- from, 1 << 24) &+ from
            if from < end {
                let first = start + (from &- base)
                if let found = memchr(first, CInt(UInt8(ascii: "\n")), end &- from) {
                    return from &+ (UnsafeRawPointer(found) - UnsafeRawPointer(first)) &+ 1
                }
                from = end
            }
            if from == upper {
                if !isOpen { return from }
                drop()
                try show(from, wanted, shouldContinue)
            }
            if !shouldContinue(from) { throw MapError(.interrupted) }
        }
    }

    /// Makes the whole subject visible to `mm_pattern.whole`, if the pattern has one and a fragment is not
    /// enough. Then the search starts again.
    @inline(__always)
    mutating func becomesWhole() -> Bool {
        guard endsFragment || startsFragment, !isWhole, pattern.pointee.whole != nil else { return false }
        isWhole = true
        drop()
        return true
    }

    // MARK: What it sees

    /// Makes visible what a search from an offset reads.
    ///
    /// - Parameter wanted: How much of what follows the offset is worth a copy, in bytes.
    /// - Throws: `systemCall` without memory; `interrupted`.
    @inline(__always)
    mutating func show(_ from: Int, _ wanted: Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        if isCopied && !holds(from) { try copy(from, wanted, shouldContinue) }
    }

    @inline(never)
    private mutating func copy(_ from: Int, _ wanted: Int, _ shouldContinue: ShouldContinue) throws(MapError)
    {
        if isInCopy(from) {
            setEnds(from)
            if holds(from) { return }
        }
        // A little more, as the first bytes may be inside a character.
        var before = pattern.pointee.lookbehind
        var ahead = max(least, 8, min(max(wanted, pattern.pointee.first_copy), pattern.pointee.most_copy))
        if isWhole { ahead = subject.count }
        // If everything before the start is copied each time, the next copy is due when there is twice as
        // much.
        if before >= from { ahead = max(ahead, from) }
        repeat {
            let first = before < from &- 3 ? from &- before &- 3 : 0
            try fill(first, to: ahead < subject.count &- from ? from &+ ahead : subject.count, shouldContinue)
            setEnds(from)
            if before < from { before &*= 2 }
            ahead &*= 2
        } while !holds(from)
        least = 1
    }

    /// Discards the copy.
    mutating func drop() { (upper, copied) = (-1, -1) }

    /// The same, with more after an offset.
    mutating func grow(_ from: Int) {
        least = 2 &* (copied &- from)
        drop()
    }

    private func holds(_ from: Int) -> Bool {
        guard from >= lower, from < upper || from == upper && (!isCut || endsFragment) else { return false }
        return reaches(from, lower, isStart: startsFragment)
    }

    /// Whether the copy may hold what a search from an offset reads.
    private func isInCopy(_ from: Int) -> Bool {
        let end = copied == subject.count ? copied &+ 1 : copied
        guard from >= base, from < end, pattern.pointee.is_utf else { return false }
        return reaches(from, base, isStart: floor.map { $0 >= base } ?? false)
    }

    /// Whether no lookbehind from an offset reads before the start of a part.
    private func reaches(_ from: Int, _ first: Int, isStart: Bool) -> Bool {
        first == 0 || isStart || startOfFlags(from) &- first >= pattern.pointee.lookbehind
    }

    /// The start of a sequence of regional indicators. Two of them are one character for `\X`, so the start
    /// of the sequence determines the pairs.
    private func startOfFlags(_ from: Int) -> Int {
        guard pattern.pointee.has_clusters else { return from }
        var place = from &- base
        while place >= 4, start[place &- 4] == 0xf0, start[place &- 3] == 0x9f, start[place &- 2] == 0x87,
            start[place &- 1] >= 0xa6
        { place &-= 4 }
        return base &+ place
    }

    private mutating func fill(_ first: Int, to end: Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        drop()
        base = first
        let count = end &- base
        let target = try makeRoom(count)
        if let source = subject.baseAddress { try move(target, source + base, count, shouldContinue) }
        (target + count).update(repeating: 0, count: padding)
        copied = end
    }

    /// Chooses the visible part of the copy for a search from an offset.
    private mutating func setEnds(_ from: Int) {
        (lower, upper, startsFragment, endsFragment) = (base, copied, false, false)
        if pattern.pointee.is_utf, !isWhole { findFragment(from) }
        if isCut, !endsFragment { leaveReturns(from) }
        isOpen = isCut && !endsFragment && !(pattern.pointee.is_within_line && leavesLine(from))
    }

    /// Moves the end of the part before carriage returns: a repeated `\R` accepts one at the end as complete,
    /// and does not report a partial match.
    private mutating func leaveReturns(_ from: Int) {
        while upper > from, start[upper &- 1 &- base] == UInt8(ascii: "\r") { upper &-= 1 }
    }

    /// Excludes an incomplete last line, unless it is the first: no match reads the next one.
    private mutating func leavesLine(_ from: Int) -> Bool {
        guard upper > from,
            let last = mm_find_last(start + (from &- base), CInt(UInt8(ascii: "\n")), upper &- from)
        else { return false }
        upper = base &+ (last - UnsafeRawPointer(start)) &+ 1
        return true
    }

    /// Finds the valid UTF-8 around an offset, whose byte does not continue a character.
    private mutating func findFragment(_ from: Int) {
        var first = base
        if let floor, floor >= base { (first, startsFragment) = (floor, true) }
        while first < from, isInside(first) { first &+= 1 }
        // More than three such bytes end no character; nor do those at the start of the subject.
        if first > base, base == 0 || first &- base > 3 { startsFragment = true }
        while true {
            let bytes = UnsafeBufferPointer(start: start + (first &- base), count: copied &- first)
            let valid = validUTF8(bytes)
            upper = first &+ valid.count
            // The last character may only be cut.
            endsFragment = upper < copied && !(valid.isCut && copied < subject.count)
            if upper >= from || !endsFragment { break }
            (first, startsFragment) = (upper &+ 1, true)
            while first < from, isInside(first) { first &+= 1 }
        }
        lower = first
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
    private func isInside(_ offset: Int) -> Bool { start[offset &- base] & 0xc0 == 0x80 }

    /// The last offset of a part of a search, of about `slice` offsets where a match may start, all before
    /// `end`.
    @inline(__always)
    func last(_ from: Int, _ slice: Int, _ end: Int) -> Int {
        let end = isCut ? min(endsFragment ? upper &+ 1 : upper, end) : end
        guard pattern.pointee.is_divisible, slice < end &- from else { return end &- 1 }
        return min(endOfCharacter(from &+ slice &- 1), end &- 1)
    }

    private func endOfCharacter(_ offset: Int) -> Int {
        var last = offset
        // The next part must not begin inside a character.
        while pattern.pointee.is_utf, last < upper &- 1, isInside(last &+ 1) { last &+= 1 }
        return last
    }

    // MARK: The match

    /// pcre2_match(3) from an offset; the offsets of a match are those in the subject.
    @inline(__always)
    func match(_ from: Int, _ options: UInt32) -> CInt {
        if !isCopied { return mm_match(pattern, start, upper, from, options) }
        let part = start + (lower &- base)
        let code =
            isWhole
            ? pcre2_match_8(
                pattern.pointee.whole, part, upper &- lower, from &- lower, options | PCRE2_NO_JIT,
                pattern.pointee.data, pattern.pointee.context)
            : mm_match(pattern, part, upper &- lower, from &- lower, options | ends)
        return code > 0 ? translate(code) : code
    }

    private func translate(_ code: CInt) -> CInt {
        guard lower > 0, let offsets = pattern.pointee.offsets else { return code }
        for place in 0..<2 &* Int(pcre2_get_ovector_count_8(pattern.pointee.data)) where offsets[place] >= 0 {
            offsets[place] &+= lower
        }
        return code
    }

    /// The same for any thread, with a match context of its own and offsets in the visible part.
    func match(_ from: Int, _ data: OpaquePointer?, _ context: OpaquePointer?) -> CInt {
        pcre2_jit_match_8(
            pattern.pointee.code, start + (lower &- base), upper &- lower, from &- lower, ends, data, context)
    }

    /// The options that say what the ends of the visible part are. The end of a fragment is not that of a
    /// line.
    @inline(__always)
    private var ends: UInt32 {
        if isOpen { return PCRE2_PARTIAL_HARD | notAtStart }
        return endsFragment ? PCRE2_NOTEOL | notAtStart : notAtStart
    }

    /// A fragment may start after the subject, and then not a line.
    @inline(__always)
    private var notAtStart: UInt32 { pattern.pointee.is_utf && lower > 0 ? PCRE2_NOTBOL : 0 }
}

private nonisolated(unsafe) let noBytes = UnsafePointer(UnsafeMutablePointer<UInt8>.allocate(capacity: 1))
