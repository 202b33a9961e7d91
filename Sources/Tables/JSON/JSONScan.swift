internal import CSimdjson
internal import Glibc

/// What is made of JSON text while it is read.
protocol JSONSink {
    /// The length of a key, without escapes, that is expected next and stands at a place; -1 if there is none.
    ///
    /// - Parameter room: Bytes of the text from there on; eight more can be read.
    func expectedKey(_ start: Int, room: Int) -> Int
    /// The key was that one, and its value follows.
    mutating func takeExpectedKey()
    /// A key, whose value follows: a string.
    mutating func key(_ start: Int, _ length: Int, _ kind: sj_kind) throws(TableError)
    /// Anything but an array or an object; a string without its quotes.
    mutating func value(_ start: Int, _ length: Int, _ kind: sj_kind)
    /// An array or an object begins.
    mutating func begin(_ start: Int, _ kind: sj_kind)
    /// The innermost one ends before `end`. Whether the one around it is an object.
    mutating func finish(_ end: Int) -> Bool
    /// Called from time to time; throws to stop.
    func poll() throws(TableError)
}

/// Reads a JSON value: all of the grammar is checked, no number or string is computed.
struct JSONScan<Sink: JSONSink> {
    private let text: UnsafePointer<UInt8>
    private let end: Int
    private let positions: UnsafePointer<UInt32>
    /// The number of the next token.
    private(set) var token: Int
    private(set) var sink: Sink

    /// - Parameters:
    ///   - text: Private memory, in which `index` found the tokens, without a fault; eight bytes after it can be read.
    ///   - end: The value's text is before it.
    ///   - token: The number of the first token, of which there is one.
    @inline(__always)
    init(_ text: UnsafePointer<UInt8>, end: Int, _ index: JSONIndex, token: Int, _ sink: Sink) {
        (self.text, self.end, positions) = (text, end, index.positions)
        (self.token, self.sink) = (token, sink)
    }

    /// The position of the next token; `end` or more if there is none before it.
    @inline(__always)
    private var next: Int { Int(positions[token]) }

    /// The end of the token that begins at `start`, without the white space before the next one.
    @inline(__always)
    private func stop(_ start: Int) -> Int {
        var stop = min(next, end)
        while stop > start &+ 1 && isSpace(text[stop &- 1]) { stop &-= 1 }
        return stop
    }

    /// Reads the value that begins with the next token.
    @inline(__always)
    mutating func run() throws(TableError) -> JSONFault? {
        var depth = 0
        var nextPoll = token &+ 1 << 16
        // Whether the innermost array or object is an object, and whether a key is next.
        var (isObject, isKey) = (false, false)
        while true {
            var place = next
            if place >= end { return JSONFault(.incomplete, end) }
            if isKey {
                guard text[place] == UInt8(ascii: "\"") else { return JSONFault(.key, place) }
                // In most rows the keys are those of the row before: then no other string needs to be looked for.
                let expected = sink.expectedKey(place &+ 1, room: end &- place &- 1)
                let colon = place &+ expected &+ 2
                if expected >= 0, colon < end, Int(positions[token &+ 1]) == colon,
                    text[colon &- 1] == UInt8(ascii: "\""), text[colon] == UInt8(ascii: ":")
                {
                    token &+= 1
                    sink.takeExpectedKey()
                } else if let fault = try takeKey(place) {
                    return fault
                }
                token &+= 1
                place = next
                if place >= end { return JSONFault(.incomplete, end) }
            }
            let byte = text[place]
            switch byte {
            case UInt8(ascii: "\""):
                let (length, kind, fault) = try string(place)
                if let fault { return fault }
                sink.value(place &+ 1, length, kind)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                token &+= 1
                let stop = stop(place)
                guard let kind = numberKind(text + place, stop &- place) else {
                    return JSONFault(.number, place)
                }
                sink.value(place, stop &- place, kind)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if depth == JSONReader.maximumDepth { return JSONFault(.depth, place) }
                depth &+= 1
                isObject = byte == UInt8(ascii: "{")
                sink.begin(place, isObject ? SJ_OBJECT : SJ_ARRAY)
                token &+= 1
                let first = next
                if first >= end { return JSONFault(.incomplete, end) }
                if text[first] != byte &+ 2 {
                    isKey = isObject
                    continue
                }
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
                token &+= 1
                let length = stop(place) &- place
                guard let kind = wordKind(text + place, length) else { return JSONFault(.word, place) }
                sink.value(place, length, kind)
            default:
                return JSONFault(.value, place)
            }
            // After a value, or at the end of an empty array or object.
            while true {
                if depth == 0 { return nil }
                let place = next
                if place >= end { return JSONFault(.incomplete, end) }
                let byte = text[place]
                if byte == UInt8(ascii: ",") {
                    token &+= 1
                    if token >= nextPoll {
                        nextPoll = token &+ 1 << 16
                        try sink.poll()
                    }
                    isKey = isObject
                    break
                }
                guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    return JSONFault(isObject ? .objectEnd : .arrayEnd, place)
                }
                token &+= 1
                depth &-= 1
                isObject = sink.finish(place &+ 1)
            }
        }
    }

    /// Reads the key that begins with the quote at `place`; the colon after it is then next.
    @inline(__always)
    private mutating func takeKey(_ place: Int) throws(TableError) -> JSONFault? {
        let (length, kind, fault) = try string(place)
        if let fault { return fault }
        let colon = next
        if colon >= end { return JSONFault(.incomplete, end) }
        guard text[colon] == UInt8(ascii: ":") else { return JSONFault(.colon, colon) }
        try sink.key(place &+ 1, length, kind)
        return nil
    }

    /// The string that begins with the quote at `place`: its length, and whether it has escapes.
    @inline(__always)
    private mutating func string(
        _ place: Int
    ) throws(TableError) -> (length: Int, kind: sj_kind, fault: JSONFault?) {
        token &+= 1
        let quote = stop(place) &- 1
        // simdjson takes what directly follows a string for a token of its own.
        if quote <= place || text[quote] != UInt8(ascii: "\"") {
            return (0, SJ_STRING, JSONFault(.unclosed, place))
        }
        let (start, length) = (place &+ 1, quote &- place &- 1)
        if !hasEscape(text + start, length) { return (length, SJ_STRING, nil) }
        let wrong = try wrongEscape(text + start, length) { () throws(TableError) in try sink.poll() }
        return (length, SJ_ESCAPED, wrong.map { JSONFault(.escape, start &+ $0) })
    }
}

/// Whether a text is `true`, `false` or `null`.
@inline(__always)
private func wordKind(_ text: UnsafePointer<UInt8>, _ length: Int) -> sj_kind? {
    let word = UnsafeRawPointer(text).loadUnaligned(as: UInt32.self).littleEndian
    if length == 4 { return word == 0x6575_7274 ? SJ_TRUE : word == 0x6C6C_756E ? SJ_NULL : nil }
    return length == 5 && word == 0x736C_6166 && text[4] == UInt8(ascii: "e") ? SJ_FALSE : nil
}

@inline(__always)
private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 10 || byte == 13 || byte == 9 }

/// Whether a string has a backslash. Eight bytes at once, since a call of memchr(3) for each would take longer.
///
/// - Parameter text: Eight bytes after it can be read.
@inline(__always)
private func hasEscape(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    if count > 64 { return memchr(text, CInt(UInt8(ascii: "\\")), count) != nil }
    let ones: UInt64 = 0x0101_0101_0101_0101
    var marks: UInt64 = 0
    var place = 0
    while true {
        let word = UnsafeRawPointer(text + place).loadUnaligned(as: UInt64.self) ^ 0x5C &* ones
        let found = (word &- ones) & ~word & 0x8080_8080_8080_8080
        let rest = count &- place
        if rest <= 8 { return marks | found & ~(UInt64.max &<< UInt64(rest &* 8) &* (rest < 8 ? 1 : 0)) != 0 }
        marks |= found
        place &+= 8
    }
}

/// Whether a text is an integer or a float of JSON; nil if it is no number.
@inline(__always)
private func numberKind(_ text: UnsafePointer<UInt8>, _ count: Int) -> sj_kind? {
    var place = text[0] == UInt8(ascii: "-") ? 1 : 0
    let first = place
    while place < count && text[place] &- 48 <= 9 { place &+= 1 }
    if place == first || text[first] == UInt8(ascii: "0") && place > first &+ 1 { return nil }
    if place == count { return SJ_INTEGER }
    if text[place] == UInt8(ascii: ".") {
        place &+= 1
        let fraction = place
        while place < count && text[place] &- 48 <= 9 { place &+= 1 }
        if place == fraction { return nil }
    }
    if place < count && text[place] | 0x20 == UInt8(ascii: "e") {
        place &+= 1
        if place < count && (text[place] == UInt8(ascii: "+") || text[place] == UInt8(ascii: "-")) {
            place &+= 1
        }
        let digits = place
        while place < count && text[place] &- 48 <= 9 { place &+= 1 }
        if place == digits { return nil }
    }
    return place == count ? SJ_FLOAT : nil
}
