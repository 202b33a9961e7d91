internal import CPCRE2

// Whether matches stay within a line. Then a search may be cut at newlines, and the parts done at the
// same time. "No" is always a right answer: so everything that is not common is refused unread.

/// Whether it is certain that what a pattern consumes has no newline in it, and that it looks at no text
/// but what it consumes and its neighbors.
func staysWithinLine(_ source: UnsafeRawBufferPointer, _ options: PatternOptions) -> Bool {
    if options.contains(.extended) { return false }
    var reader = PatternReader(source, options)
    while let byte = reader.read() {
        guard reader.isWithinLine(byte) else { return false }
    }
    return true
}

private let newline = UInt8(ascii: "\n")

private struct PatternReader {
    private let source: UnsafeRawBufferPointer
    private let options: PatternOptions
    private var place = 0

    init(_ source: UnsafeRawBufferPointer, _ options: PatternOptions) {
        self.source = source
        self.options = options
    }

    mutating func read() -> UInt8? {
        guard place < source.count else { return nil }
        defer { place &+= 1 }
        return source[place]
    }

    /// The byte after those that were read, or 0.
    private func peek(_ distance: Int = 0) -> UInt8 {
        place &+ distance < source.count ? source[place &+ distance] : 0
    }

    /// Reads the rest of what begins with a byte.
    mutating func isWithinLine(_ byte: UInt8) -> Bool {
        switch byte {
        case newline: false
        case UInt8(ascii: "."): !options.contains(.dotMatchesAll)
        case UInt8(ascii: "^"), UInt8(ascii: "$"): options.contains(.multiline)
        case UInt8(ascii: "("): readGroup()
        case UInt8(ascii: "["): readClass()
        case UInt8(ascii: "\\"): readEscape(of: "dwShtbB")
        default: true
        }
    }

    /// `(…` and `(?:…`, but not what looks ahead, sets options, or begins with a verb.
    private mutating func readGroup() -> Bool {
        if peek() == UInt8(ascii: "*") { return false }
        if peek() != UInt8(ascii: "?") { return true }
        guard peek(1) == UInt8(ascii: ":") else { return false }
        place &+= 2
        return true
    }

    /// An escape that stands for one of the classes named, or for a punctuation character itself.
    private mutating func readEscape(of classes: StaticString) -> Bool {
        guard let byte = read() else { return false }
        return isPunctuation(byte) || contains(classes, byte)
    }

    /// `[…]`: without a newline, or `[^…]` with one. Only simple ones.
    private mutating func readClass() -> Bool {
        let isNegated = peek() == UInt8(ascii: "^")
        if isNegated { place &+= 1 }
        var hasNewline = false
        var isFirst = true
        while let byte = read() {
            if byte == UInt8(ascii: "]"), !isFirst { return hasNewline == isNegated }
            isFirst = false
            switch byte {
            case UInt8(ascii: "["): return false
            case newline: hasNewline = true
            case UInt8(ascii: "\\"):
                if contains("ns", peek()) {
                    hasNewline = true
                    place &+= 1
                } else if !readEscape(of: "dwSht") {
                    return false
                }
                // Not the start of a range: that of \t-z holds a newline.
                if peek() == UInt8(ascii: "-"), peek(1) != UInt8(ascii: "]") { return false }
            case UInt8(ascii: "-"):
                // A range that may hold a newline begins with a control character.
                if isPlain(peek()) { continue }
                if peek() != UInt8(ascii: "]") { return false }
            default:
                if byte < UInt8(ascii: " ") { return false }
            }
        }
        return false
    }

    private func isPlain(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || isLetter(byte)
    }
}

private func isLetter(_ byte: UInt8) -> Bool {
    byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
}

private func isPunctuation(_ byte: UInt8) -> Bool {
    byte > UInt8(ascii: " ") && byte < 0x7f && !isLetter(byte)
        && !(byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
}

private func contains(_ letters: StaticString, _ letter: UInt8) -> Bool {
    letters.withUTF8Buffer { $0.contains(letter) }
}
