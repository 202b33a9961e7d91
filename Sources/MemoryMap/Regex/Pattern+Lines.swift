internal import CPCRE2

// Checks whether matches stay within a line. Then a search can be split at newlines, and the parts run in
// parallel. False is always a correct answer, so it is the answer for all uncommon syntax.

/// Whether the text that a pattern consumes certainly contains no newline, and the pattern tests no other
/// text except the adjacent characters.
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

    /// The next byte, or one at a distance from it; 0 past the end.
    private func peek(_ distance: Int = 0) -> UInt8 {
        place &+ distance < source.count ? source[place &+ distance] : 0
    }

    /// Reads the rest of an item that begins with `byte`; false if it may match a newline.
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

    /// Accepts `(…` and `(?:…`, but no assertion, option setting, or verb.
    private mutating func readGroup() -> Bool {
        if peek() == UInt8(ascii: "*") { return false }
        if peek() != UInt8(ascii: "?") { return true }
        guard peek(1) == UInt8(ascii: ":") else { return false }
        place &+= 2
        return true
    }

    /// Accepts an escape for one of `classes`, or for a punctuation character.
    private mutating func readEscape(of classes: StaticString) -> Bool {
        guard let byte = read() else { return false }
        return isPunctuation(byte) || contains(classes, byte)
    }

    /// Accepts a simple `[…]` without a newline, or `[^…]` with one.
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
                // Must not start a range: \t-z contains a newline.
                if peek() == UInt8(ascii: "-"), peek(1) != UInt8(ascii: "]") { return false }
            case UInt8(ascii: "-"):
                // Only a range that begins with a control character can contain a newline.
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
