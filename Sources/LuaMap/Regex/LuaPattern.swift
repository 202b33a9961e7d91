internal import Glibc

/// A Lua pattern (section 6.4.1 of the Lua manual), translated to PCRE2's syntax.
///
/// The pattern is parsed as in lstrlib.c, also where the manual is silent: a `]` in `[]x]`, a `-` in
/// `[%a-z]`, a `*` after `)`. Lua raises an error in a pattern only when a match reaches it. So the
/// translation has a callout there, and a match that reaches it ends with Lua's message.
struct LuaPattern {
    private(set) var text: [UInt8] = []
    private(set) var captures = 0
    /// A bit for each capture that is a position capture, `()`.
    private(set) var positions: UInt32 = 0
    private(set) var isAnchored = false
    /// The error in the pattern, as a template and its value for `%1`.
    private(set) var mistake: (message: StaticString, value: Int)?

    private let source: UnsafeRawBufferPointer
    private var place = 0
    /// The captures that are still open, innermost last.
    private var open: [Int] = []
    /// The pairs of `%b` so far.
    private var balances: [(UInt8, UInt8)] = []

    private static let mostCaptures = 32
    private static let escape = UInt8(ascii: "%")

    init(_ source: UnsafeRawBufferPointer) {
        self.source = source
        if self[0] == UInt8(ascii: "^") { (isAnchored, place) = (true, 1) }
        while place < source.count, mistake == nil { translateItem() }
        if mistake == nil, !open.isEmpty { mark("unfinished capture") }
        for _ in open { add(")") }
        defineBalances()
    }

    /// A byte of the pattern; after the last one a zero, as in Lua.
    private subscript(place: Int) -> UInt8 { place < source.count ? source[place] : 0 }

    private mutating func add(_ text: StaticString) { text.withUTF8Buffer { self.text += $0 } }

    private mutating func add(byte: UInt8) {
        add("\\x")
        for digit in [byte >> 4, byte & 15] {
            text.append(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ (digit &- 10))
        }
    }

    private mutating func add(number: Int) { text += String(number).utf8 }

    private mutating func mark(_ message: StaticString, _ value: Int = 0) {
        mistake = (message, value)
        add("(?C1)")
    }

    private mutating func translateItem() {
        switch self[place] {
        case UInt8(ascii: "("): openCapture()
        case UInt8(ascii: ")"): closeCapture()
        case UInt8(ascii: "$") where place == source.count &- 1:
            add("\\z")
            place &+= 1
        case LuaPattern.escape:
            switch self[place &+ 1] {
            case UInt8(ascii: "b"): translateBalance()
            case UInt8(ascii: "f"): translateFrontier()
            case UInt8(ascii: "0")...UInt8(ascii: "9"): translateBackReference()
            default: translateSingle()
            }
        default: translateSingle()
        }
    }

    private mutating func openCapture() {
        guard captures < LuaPattern.mostCaptures else { return mark("too many captures") }
        if self[place &+ 1] == UInt8(ascii: ")") {
            positions |= 1 << UInt32(truncatingIfNeeded: captures)
            add("()")
            place &+= 2
        } else {
            open.append(captures)
            add("(")
            place &+= 1
        }
        captures &+= 1
    }

    private mutating func closeCapture() {
        guard open.popLast() != nil else { return mark("invalid pattern capture") }
        add(")")
        place &+= 1
    }

    private mutating func translateBackReference() {
        let capture = Int(self[place &+ 1]) &- Int(UInt8(ascii: "1"))
        guard capture >= 0, capture < captures, !open.contains(capture) else {
            return mark("invalid capture index %%%1", capture &+ 1)
        }
        if positions >> UInt32(truncatingIfNeeded: capture) & 1 != 0 {
            // A position capture has no text, so a reference to it never matches.
            add("(?!)")
        } else {
            add("\\g{")
            add(number: capture &+ 1)
            add("}")
        }
        place &+= 2
    }

    private mutating func translateBalance() {
        guard place &+ 3 < source.count else {
            return mark("malformed pattern (missing arguments to '%b')")
        }
        let pair = (self[place &+ 2], self[place &+ 3])
        place &+= 4
        if pair.0 == pair.1 {
            add(byte: pair.0)
            add("[^")
            add(byte: pair.0)
            add("]*+")
            add(byte: pair.0)
            return
        }
        let number = balances.firstIndex { $0 == pair } ?? balances.count
        if number == balances.count { balances.append(pair) }
        add("(?&b")
        add(number: number)
        add(")")
    }

    /// Adds the groups for `%b` after the pattern, so that the captures keep their numbers.
    private mutating func defineBalances() {
        for (number, (first, last)) in balances.enumerated() {
            add("(?(DEFINE)(?<b")
            add(number: number)
            add(">")
            add(byte: first)
            add("(?:[^")
            add(byte: first)
            add(byte: last)
            add("]++|(?&b")
            add(number: number)
            add("))*+")
            add(byte: last)
            add("))")
        }
    }

    /// `%f[set]`: the bytes before and after the subject count as zero.
    private mutating func translateFrontier() {
        let start = place &+ 2
        guard self[start] == UInt8(ascii: "[") else { return mark("missing '[' after '%%f' in pattern") }
        guard let end = endOfClass(start) else { return }
        var set = LuaSet { isInBrackets($0, start, end &- 1) }
        let hasZero = set.contains(0)
        add(hasZero ? "(?<=" : "(?<!")
        if hasZero { set.invert() }
        add(set)
        add(hasZero ? ")(?!" : ")(?=")
        add(set)
        add(")")
        place = end
    }

    private mutating func translateSingle() {
        guard let end = endOfClass(place) else { return }
        switch self[place] {
        case UInt8(ascii: "."): add(".")
        case LuaPattern.escape: add(LuaSet { isInClass($0, self[place &+ 1]) })
        case UInt8(ascii: "["): add(LuaSet { isInBrackets($0, place, end &- 1) })
        default: add(byte: self[place])
        }
        place = end
        switch self[end] {
        case UInt8(ascii: "*"): add("*")
        case UInt8(ascii: "+"): add("+")
        case UInt8(ascii: "?"): add("?")
        case UInt8(ascii: "-"): add("*?")
        default: return
        }
        place &+= 1
    }

    private mutating func add(_ set: LuaSet) {
        if set.isFull { return add(".") }
        if let byte = set.onlyByte { return add(byte: byte) }
        // PCRE2 has a fast search for the end of a run of "all but this byte".
        var inverse = set
        inverse.invert()
        add(inverse.onlyByte == nil ? "[" : "[^")
        let listed = inverse.onlyByte == nil ? set : inverse
        if listed.isEmpty { add("^\\x00-\\xff") }
        listed.forEachRange { first, last in
            add(byte: first)
            if first == last { return }
            add("-")
            add(byte: last)
        }
        add("]")
    }

    // The functions below correspond to classEnd, matchbracketclass, and match_class of lstrlib.c.

    private mutating func endOfClass(_ start: Int) -> Int? {
        var end = start &+ 1
        if self[start] == LuaPattern.escape {
            if end == source.count {
                mark("malformed pattern (ends with '%')")
                return nil
            }
            return end &+ 1
        }
        guard self[start] == UInt8(ascii: "[") else { return end }
        if self[end] == UInt8(ascii: "^") { end &+= 1 }
        repeat {
            if end >= source.count {
                mark("malformed pattern (missing ']')")
                return nil
            }
            end &+= self[end] == LuaPattern.escape && end &+ 1 < source.count ? 2 : 1
        } while self[end] != UInt8(ascii: "]")
        return end &+ 1
    }

    private func isInBrackets(_ byte: UInt8, _ start: Int, _ end: Int) -> Bool {
        var place = start &+ 1
        let isPositive = self[place] != UInt8(ascii: "^")
        if isPositive { place &-= 1 }
        while true {
            place &+= 1
            if place >= end { return !isPositive }
            if self[place] == LuaPattern.escape {
                place &+= 1
                if isInClass(byte, self[place]) { return isPositive }
            } else if self[place &+ 1] == UInt8(ascii: "-"), place &+ 2 < end {
                place &+= 2
                if self[place &- 2] <= byte && byte <= self[place] { return isPositive }
            } else if self[place] == byte {
                return isPositive
            }
        }
    }

    private func isInClass(_ byte: UInt8, _ letter: UInt8) -> Bool {
        let character = CInt(byte)
        let answer: CInt
        switch UInt8(truncatingIfNeeded: tolower(CInt(letter))) {
        case UInt8(ascii: "a"): answer = isalpha(character)
        case UInt8(ascii: "c"): answer = iscntrl(character)
        case UInt8(ascii: "d"): answer = isdigit(character)
        case UInt8(ascii: "g"): answer = isgraph(character)
        case UInt8(ascii: "l"): answer = islower(character)
        case UInt8(ascii: "p"): answer = ispunct(character)
        case UInt8(ascii: "s"): answer = isspace(character)
        case UInt8(ascii: "u"): answer = isupper(character)
        case UInt8(ascii: "w"): answer = isalnum(character)
        case UInt8(ascii: "x"): answer = isxdigit(character)
        // No longer in the manual, still in lstrlib.c.
        case UInt8(ascii: "z"): answer = byte == 0 ? 1 : 0
        default: return letter == byte
        }
        return islower(CInt(letter)) != 0 ? answer != 0 : answer == 0
    }
}

/// A set of bytes.
private struct LuaSet {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init(_ isMember: (UInt8) -> Bool) {
        for byte in UInt8(0)...255 where isMember(byte) {
            let bit = UInt64(1) << UInt64(byte & 63)
            switch byte >> 6 {
            case 0: words.0 |= bit
            case 1: words.1 |= bit
            case 2: words.2 |= bit
            default: words.3 |= bit
            }
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        let word =
            switch byte >> 6 {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        return word >> UInt64(byte & 63) & 1 != 0
    }

    mutating func invert() { words = (~words.0, ~words.1, ~words.2, ~words.3) }

    private var count: Int {
        words.0.nonzeroBitCount &+ words.1.nonzeroBitCount &+ words.2.nonzeroBitCount
            &+ words.3.nonzeroBitCount
    }
    var isFull: Bool { count == 256 }
    var isEmpty: Bool { count == 0 }
    var onlyByte: UInt8? { count == 1 ? (UInt8(0)...255).first(where: contains) : nil }

    /// Calls `body` with the first and the last byte of each run of members.
    func forEachRange(_ body: (UInt8, UInt8) -> Void) {
        var first: Int?
        for byte in 0...256 {
            let isMember = byte < 256 && contains(UInt8(truncatingIfNeeded: byte))
            if isMember, first == nil { first = byte }
            if !isMember, let start = first {
                body(UInt8(truncatingIfNeeded: start), UInt8(truncatingIfNeeded: byte &- 1))
                first = nil
            }
        }
    }
}
