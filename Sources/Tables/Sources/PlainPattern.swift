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
