internal import CMemoryMap

/// A regular expression that needs no backtracking, as most for logs: `^` and then bytes, classes with `+`, `*`, `?`,
/// `{n,m}`, and groups without these. No byte of a class that repeats can be the one after it, so that there is one way to
/// match at most.
struct PlainPattern: Sendable {
    /// Bytes of a class one after the other, and what follows them.
    fileprivate struct Step: BitwiseCopyable {
        /// The bytes that are not of the class, where two ranges tell.
        var stops = mm_ranges()
        var hasStops = false
        /// The bytes of the class, where two ranges do not tell.
        var set = ByteSet()
        /// How many bytes. 0 and 0: there is no class.
        var least = 0
        var most = 0
        /// Where the offsets before and after the bytes go.
        var before: Int
        var after: Int
        /// Up to 8 bytes that follow, and ones for their bits.
        var literal: UInt64 = 0
        var literalMask: UInt64 = 0
        var literalCount = 0
    }

    private var steps: [Step] = []
    private var isToEnd = false
    /// Where offsets go that nobody wants, after those of the groups.
    private let nowhere: Int

    /// Nil where PCRE2 is needed.
    ///
    /// - Parameter groups: The numbers of those whose offsets are wanted.
    init?(_ pattern: [UInt8], groups: [Int]) {
        var parser = Parser(pattern)
        guard let (elements, isToEnd) = parser.parse(), parser.areSettled(elements, isToEnd) else {
            return nil
        }
        self.isToEnd = isToEnd
        nowhere = 2 * groups.count
        for element in elements { add(element, groups) }
    }

    private mutating func add(_ element: Element, _ groups: [Int]) {
        switch element {
        case .mark(let group, let isEnd):
            guard let index = groups.firstIndex(of: group) else { return }
            let slot = 2 * index + (isEnd ? 1 : 0)
            if let last = steps.indices.last, steps[last].literalCount == 0, steps[last].after == nowhere {
                steps[last].after = slot
            } else {
                steps.append(Step(before: slot, after: nowhere))
            }
        case .bytes(let set, let least, let most, _):
            if let byte = set.only, least == 1, most == 1 {
                if steps.isEmpty || steps[steps.count - 1].literalCount == 8 { addStep() }
                let last = steps.count - 1
                steps[last].literal |= UInt64(byte) << UInt64(8 * steps[last].literalCount)
                steps[last].literalMask |= 0xFF << UInt64(8 * steps[last].literalCount)
                steps[last].literalCount += 1
                return
            }
            // A mark may be before the first bytes.
            let isFree =
                steps.last.map { $0.most == 0 && $0.after == nowhere && $0.literalCount == 0 } ?? false
            if !isFree { addStep() }
            let step = steps.count - 1
            (steps[step].least, steps[step].most, steps[step].set) = (least, most, set)
            let ranges = set.inverted.ranges
            if ranges.count <= 2 {
                // No range at all is not possible here: see `areSettled`.
                let (a, b) = (ranges.first ?? 0...0, ranges.last ?? 0...0)
                steps[step].hasStops = true
                steps[step].stops = mm_make_ranges(
                    a.lowerBound, a.upperBound - a.lowerBound, b.lowerBound, b.upperBound - b.lowerBound)
            }
        }
    }

    private mutating func addStep() { steps.append(Step(before: nowhere, after: nowhere)) }

    /// Whether a line matches.
    ///
    /// - Parameters:
    ///   - line: Each byte decides once at most: others may write it.
    ///   - offsets: Two for each group of `init`: its start and its end. One more is overwritten.
    func matches(
        _ line: UnsafePointer<UInt8>, _ count: Int, _ offsets: UnsafeMutablePointer<Int>
    ) -> Bool {
        var place = 0
        for step in steps {
            offsets[step.before] = place
            if step.most > 0 {
                var length = 0
                while length < count &- place, step.set.contains(line[place &+ length]) { length &+= 1 }
                if length < step.least { return false }
                place &+= min(length, step.most)
            }
            offsets[step.after] = place
            if step.literalCount > count &- place { return false }
            for i in 0..<step.literalCount {
                let byte = UInt8(truncatingIfNeeded: step.literal &>> UInt64(8 &* i))
                if line[place &+ i] != byte { return false }
            }
            place &+= step.literalCount
        }
        return !isToEnd || place == count
    }

    /// Matches several lines, and returns a bit for each, from the lowest on, of which 1 stands for a match.
    ///
    /// - Parameters:
    ///   - lines: Each byte decides once at most: others may write it.
    ///   - number: At most `lines.most`.
    func matches(_ lines: PlainLines, _ number: Int) -> UInt64 {
        lines.places.update(repeating: 0, count: number)
        var failed: UInt64 = 0
        for index in steps.indices {
            if steps[index].most > 0 {
                failed |= pass(steps[index], lines, number, hasClass: true)
            } else {
                failed |= pass(steps[index], lines, number, hasClass: false)
            }
        }
        if isToEnd {
            for line in 0..<number where lines.places[line] != lines.counts[line] {
                failed |= 1 &<< UInt64(line)
            }
        }
        return ~failed & UInt64.max >> UInt64(64 &- number)
    }

    /// A step for all lines, before the next one: the way through a line is a chain of loads of which each waits for the
    /// one before, and those of several lines are under way at once.
    ///
    /// - Returns: The lines that fail. They go on from their first byte, for no use.
    @inline(__always)
    private func pass(_ step: Step, _ lines: PlainLines, _ number: Int, hasClass: Bool) -> UInt64 {
        var failed: UInt64 = 0
        let (starts, counts, places) = (lines.starts, lines.counts, lines.places)
        let (before, after) = (lines.offsets(step.before), lines.offsets(step.after))
        for line in 0..<number {
            let (start, count, place) = (starts[line], counts[line], places[line])
            before[line] = place
            var length = 0
            var isWrong = false
            if hasClass {
                length = run(step, start + place, count &- place)
                isWrong = length < step.least
                length = min(length, step.most)
            }
            let stop = place &+ length
            after[line] = stop
            let word = UnsafeRawPointer(start + stop).loadUnaligned(as: UInt64.self).littleEndian
            let next = stop &+ step.literalCount
            isWrong = isWrong || next > count || (word ^ step.literal) & step.literalMask != 0
            if isWrong { failed |= 1 &<< UInt64(line) }
            places[line] = isWrong ? 0 : next
        }
        return failed
    }

    /// How many bytes of a class are at the start of a text after which 16 bytes can be read.
    @inline(__always)
    private func run(_ step: Step, _ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var place = 0
        if step.hasStops {
            return withUnsafePointer(to: step.stops) { stops in
                repeat {
                    let marks = mm_find_ranges(text + place, stops)
                    if marks != 0 { return min(place &+ marks.trailingZeroBitCount, count) }
                    place &+= 16
                } while place < count
                return count
            }
        }
        while place < count, step.set.contains(text[place]) { place &+= 1 }
        return place
    }
}

/// Lines that are matched together, and where their groups are.
struct PlainLines {
    static var most: Int { 64 }
    private let memory: Memory
    private let slots: Int

    /// - Parameter groups: Of the pattern's `init`.
    init(groups: Int) throws(TableError) {
        slots = 2 &* groups &+ 1
        memory = try Memory((3 &+ slots) &* PlainLines.most &* MemoryLayout<Int>.stride)
    }

    private func column<Value>(_ index: Int, _ type: Value.Type) -> UnsafeMutablePointer<Value> {
        memory.bound(to: type) + index &* PlainLines.most
    }

    /// The first byte of each line, after which `count` + 16 bytes can be read.
    var starts: UnsafeMutablePointer<UnsafePointer<UInt8>> { column(0, UnsafePointer<UInt8>.self) }
    /// Bytes of each line.
    var counts: UnsafeMutablePointer<Int> { column(1, Int.self) }
    /// How far each line was matched.
    fileprivate var places: UnsafeMutablePointer<Int> { column(2, Int.self) }
    /// The offset of each line at the start of a group of `init` (2 × its index), or at its end (one more).
    func offsets(_ slot: Int) -> UnsafeMutablePointer<Int> { column(3 &+ slot, Int.self) }
}

/// Some of the 256 bytes.
private struct ByteSet: Equatable {
    private var words = SIMD4<UInt64>()

    init() {}
    init(_ bytes: some Sequence<UInt8>) { for byte in bytes { insert(byte) } }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] & 1 &<< UInt64(byte & 63) != 0 }
    mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

    var inverted: ByteSet {
        var set = ByteSet()
        set.words = ~words
        return set
    }
    func union(_ other: ByteSet) -> ByteSet {
        var set = self
        set.words |= other.words
        return set
    }
    func meets(_ other: ByteSet) -> Bool { words & other.words != SIMD4<UInt64>() }

    /// The byte, if it is one.
    var only: UInt8? {
        let ranges = ranges
        return ranges.count == 1 && ranges[0].count == 1 ? ranges[0].lowerBound : nil
    }

    var ranges: [ClosedRange<UInt8>] {
        var ranges: [ClosedRange<UInt8>] = []
        for byte in UInt8.min...UInt8.max where contains(byte) {
            if let last = ranges.last, last.upperBound == byte - 1 {
                ranges[ranges.count - 1] = last.lowerBound...byte
            } else {
                ranges.append(byte...byte)
            }
        }
        return ranges
    }

    /// That of a letter after a backslash, as PCRE2 has it without the flag "u".
    init?(escape letter: UInt8) {
        switch letter | 0x20 {
        case UInt8(ascii: "d"): self.init(48...57)
        case UInt8(ascii: "s"): self.init([9, 10, 11, 12, 13, 32])
        case UInt8(ascii: "w"):
            self.init([UInt8](48...57) + [UInt8](65...90) + [UInt8](97...122) + [UInt8(ascii: "_")])
        default: return nil
        }
        if letter & 0x20 == 0 { self = inverted }
    }
}

private enum Element {
    /// The start or the end of a group.
    case mark(group: Int, isEnd: Bool)
    case bytes(ByteSet, least: Int, most: Int, isLazy: Bool)
}

/// Reads a pattern, as far as it is one of those.
private struct Parser {
    private let pattern: [UInt8]
    private var place = 0
    private var elements: [Element] = []

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    private var next: UInt8? { place < pattern.count ? pattern[place] : nil }

    private mutating func take(_ text: StaticString) -> Bool {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard pattern[place...].starts(with: bytes) else { return false }
        place += bytes.count
        return true
    }

    mutating func parse() -> (elements: [Element], isToEnd: Bool)? {
        guard take("^") else { return nil }
        /// The groups that are open; nil for one without a number.
        var open: [Int?] = []
        var groups = 0
        while let byte = next {
            if byte == UInt8(ascii: "$") {
                place += 1
                return next == nil && open.isEmpty ? (elements, true) : nil
            }
            if byte == UInt8(ascii: "(") {
                place += 1
                if take("?:") {
                    open.append(nil)
                    continue
                }
                guard takeName() else { return nil }
                groups += 1
                open.append(groups)
                elements.append(.mark(group: groups, isEnd: false))
                continue
            }
            if byte == UInt8(ascii: ")") {
                place += 1
                guard let group = open.popLast() else { return nil }
                if let group { elements.append(.mark(group: group, isEnd: true)) }
                // A group that repeats.
                if let next, "*+?{".utf8.contains(next) { return nil }
                continue
            }
            guard let set = takeSet(), let (least, most, isLazy) = takeCount() else { return nil }
            elements.append(.bytes(set, least: least, most: most, isLazy: isLazy))
        }
        return open.isEmpty ? (elements, false) : nil
    }

    /// The name of a group, if it has one; false for what else may come after the bracket.
    private mutating func takeName() -> Bool {
        let end: UInt8
        if take("?<") || take("?P<") {
            end = UInt8(ascii: ">")
        } else if take("?'") {
            end = UInt8(ascii: "'")
        } else {
            return next != UInt8(ascii: "?") && next != UInt8(ascii: "*")
        }
        let start = place
        let letters = ByteSet(escape: UInt8(ascii: "w"))
        while let byte = next, letters?.contains(byte) == true { place += 1 }
        guard place > start, next == end else { return false }
        place += 1
        return true
    }

    private mutating func takeSet() -> ByteSet? {
        guard let byte = next else { return nil }
        place += 1
        switch byte {
        case UInt8(ascii: "["): return takeClass()
        case UInt8(ascii: "."): return ByteSet([10]).inverted
        case UInt8(ascii: "\\"): return takeEscape()
        case UInt8(ascii: "^"), UInt8(ascii: "|"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"),
            UInt8(ascii: "{"), 0:
            return nil
        default: return ByteSet([byte])
        }
    }

    /// What comes after a backslash: the name of a class, or a byte that is no letter and no digit.
    private mutating func takeEscape() -> ByteSet? {
        guard let byte = next, byte < 128 else { return nil }
        place += 1
        if let set = ByteSet(escape: byte) { return set }
        return ByteSet(escape: UInt8(ascii: "w"))?.contains(byte) == true || byte < 33 ? nil : ByteSet([byte])
    }

    private mutating func takeClass() -> ByteSet? {
        let isInverted = take("^")
        var set = ByteSet()
        let start = place
        while let byte = next, byte != UInt8(ascii: "]") || place == start {
            place += 1
            var member = ByteSet([byte])
            if byte == UInt8(ascii: "\\") {
                guard let escaped = takeEscape() else { return nil }
                member = escaped
            } else if byte == UInt8(ascii: "[") {
                // It may begin the name of a class, as in [[:alpha:]].
                return nil
            }
            if next == UInt8(ascii: "-"), place + 1 < pattern.count, pattern[place + 1] != UInt8(ascii: "]") {
                // A range of plain bytes.
                let last = pattern[place + 1]
                guard byte != UInt8(ascii: "\\"), last != UInt8(ascii: "\\"), last != UInt8(ascii: "["),
                    byte <= last
                else { return nil }
                place += 2
                member = ByteSet(byte...last)
            }
            set = set.union(member)
        }
        guard take("]") else { return nil }
        return isInverted ? set.inverted : set
    }

    private mutating func takeCount() -> (least: Int, most: Int, isLazy: Bool)? {
        var (least, most) = (1, 1)
        if take("+") {
            most = Int.max
        } else if take("*") {
            (least, most) = (0, Int.max)
        } else if take("?") {
            least = 0
        } else if take("{") {
            guard let first = takeNumber() else { return nil }
            (least, most) = (first, first)
            if take(",") {
                most = Int.max
                if next != UInt8(ascii: "}") {
                    guard let last = takeNumber(), last >= first else { return nil }
                    most = last
                }
            }
            guard take("}"), most > 0 else { return nil }
        } else {
            return (1, 1, false)
        }
        if take("?") { return (least, most, true) }
        _ = take("+")
        return (least, most, false)
    }

    private mutating func takeNumber() -> Int? {
        var value = 0
        let start = place
        while let byte = next, byte &- 48 <= 9, place - start < 4 {
            value = value * 10 + Int(byte - 48)
            place += 1
        }
        return place > start ? value : nil
    }

    /// Whether there is one way to match at most: what repeats ends at the first byte that is none of its class.
    func areSettled(_ elements: [Element], _ isToEnd: Bool) -> Bool {
        /// What may come after an element; whether the pattern may end there.
        var follow = ByteSet()
        var isLast = true
        for element in elements.reversed() {
            guard case .bytes(let set, let least, let most, let isLazy) = element else { continue }
            if set == ByteSet() || set.inverted == ByteSet() { return false }
            if least != most && (set.meets(follow) || isLazy && isLast && !isToEnd) { return false }
            if least > 0 { (follow, isLast) = (set, false) } else { follow = follow.union(set) }
        }
        return true
    }
}
