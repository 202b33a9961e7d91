extension PlainPattern {
    /// Some of the 256 bytes.
    struct ByteSet: Equatable {
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

    enum Element {
        /// The start or the end of a group.
        case mark(group: Int, isEnd: Bool)
        case bytes(ByteSet, least: Int, most: Int, isLazy: Bool)
    }

    /// Reads a pattern, as far as it is one of those.
    struct Parser {
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
            case UInt8(ascii: "^"), UInt8(ascii: "|"), UInt8(ascii: "*"), UInt8(ascii: "+"),
                UInt8(ascii: "?"),
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
            return ByteSet(escape: UInt8(ascii: "w"))?.contains(byte) == true || byte < 33
                ? nil : ByteSet([byte])
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
                if next == UInt8(ascii: "-"), place + 1 < pattern.count,
                    pattern[place + 1] != UInt8(ascii: "]")
                {
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
}
