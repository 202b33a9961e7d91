package import CSimdjson
internal import Glibc

/// Makes the nodes of JSON values: all of the grammar is checked, no value is computed.
package struct JSONReader {
    /// The value and all that is in it, in the order of the text. A key is a node before its value.
    package private(set) var nodes: UnsafeMutablePointer<sj_node>
    package private(set) var count = 0
    private let memory: Memory

    /// Arrays and objects in each other.
    package static var maximumDepth: Int { 1024 }

    package init() throws(TableError) {
        memory = try Memory(4096)
        nodes = memory.bound(to: sj_node.self)
    }

    /// Reads the value that begins with a token.
    ///
    /// - Parameters:
    ///   - text: Private memory, in which `index` found the tokens, without a fault.
    ///   - end: The value's text is before it.
    ///   - token: The number of the first token; afterward, of the one after the value.
    package mutating func read(
        _ text: UnsafePointer<UInt8>, end: Int, _ index: JSONIndex, _ token: inout Int
    ) throws(TableError) -> JSONFault? {
        try reserve(index, token, end)
        var scan = JSONScan(
            text: text, end: end, positions: index.positions, tokens: index.count, token: token, nodes: nodes)
        let fault = scan.run()
        (token, count) = (scan.token, scan.count)
        return fault
    }

    /// Room for a node for each token, as each makes at most one.
    @inline(__always)
    private mutating func reserve(_ index: JSONIndex, _ token: Int, _ end: Int) throws(TableError) {
        if (index.count &- token) &* MemoryLayout<sj_node>.stride <= memory.capacity { return }
        // Those before `end`: of a block of many lines these are few.
        var (low, high) = (token, index.count)
        while low < high {
            let middle = low &+ (high &- low) / 2
            if Int(index.positions[middle]) < end { low = middle &+ 1 } else { high = middle }
        }
        // At least for a block of usual size, so that there is no search for each line.
        try memory.reserve(
            max(low &- token, min(index.count &- token, 1 << 16)) &* MemoryLayout<sj_node>.stride)
        nodes = memory.bound(to: sj_node.self)
    }
}

private struct JSONScan {
    let text: UnsafePointer<UInt8>
    let end: Int
    let positions: UnsafePointer<UInt32>
    let tokens: Int
    var token: Int
    let nodes: UnsafeMutablePointer<sj_node>
    var count = 0

    /// The position of a token; `end` if it is not before it.
    @inline(__always)
    private func position(_ token: Int) -> Int { token < tokens ? min(Int(positions[token]), end) : end }

    /// The end of the token that begins at `start`, without the white space before the next one.
    @inline(__always)
    private func stop(_ start: Int, next: Int) -> Int {
        var stop = next
        while stop > start &+ 1 && isSpace(text[stop &- 1]) { stop &-= 1 }
        return stop
    }

    @inline(__always)
    private mutating func add(_ kind: sj_kind, _ start: Int, _ length: Int) {
        nodes[count] = sj_node(
            start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: length),
            next: UInt32(truncatingIfNeeded: count &+ 1), kind: kind)
        count &+= 1
    }

    /// Reads the value that begins with the next token.
    mutating func run() -> JSONFault? {
        /// The innermost array or object; -1 for none. While it is open, its `next` is the one around it.
        var open = -1
        var depth = 0
        var isKey = false
        while true {
            var place = position(token)
            if place >= end { return JSONFault(.incomplete, end) }
            if isKey {
                guard text[place] == UInt8(ascii: "\"") else { return JSONFault(.key, place) }
                if let fault = string(place) { return fault }
                place = position(token)
                if place >= end { return JSONFault(.incomplete, end) }
                guard text[place] == UInt8(ascii: ":") else { return JSONFault(.colon, place) }
                token &+= 1
                place = position(token)
                if place >= end { return JSONFault(.incomplete, end) }
            }
            let byte = text[place]
            switch byte {
            case UInt8(ascii: "\""):
                if let fault = string(place) { return fault }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if depth == JSONReader.maximumDepth { return JSONFault(.depth, place) }
                depth &+= 1
                let isObject = byte == UInt8(ascii: "{")
                add(isObject ? SJ_OBJECT : SJ_ARRAY, place, 0)
                nodes[count &- 1].next = UInt32(truncatingIfNeeded: open)
                open = count &- 1
                token &+= 1
                let next = position(token)
                if next >= end { return JSONFault(.incomplete, end) }
                if text[next] != byte &+ 2 {
                    isKey = isObject
                    continue
                }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                token &+= 1
                let stop = stop(place, next: position(token))
                guard let kind = numberKind(text + place, stop &- place) else {
                    return JSONFault(.number, place)
                }
                add(kind, place, stop &- place)
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
                token &+= 1
                let length = stop(place, next: position(token)) &- place
                if length == 4 && memcmp(text + place, "true", 4) == 0 {
                    add(SJ_TRUE, place, length)
                } else if length == 5 && memcmp(text + place, "false", 5) == 0 {
                    add(SJ_FALSE, place, length)
                } else if length == 4 && memcmp(text + place, "null", 4) == 0 {
                    add(SJ_NULL, place, length)
                } else {
                    return JSONFault(.word, place)
                }
            default:
                return JSONFault(.value, place)
            }
            // After a value, or at the end of an empty array or object.
            while true {
                if open < 0 { return nil }
                place = position(token)
                if place >= end { return JSONFault(.incomplete, end) }
                let byte = text[place]
                let isObject = nodes[open].kind == SJ_OBJECT
                if byte == UInt8(ascii: ",") {
                    token &+= 1
                    isKey = isObject
                    break
                }
                guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    return JSONFault(isObject ? .objectEnd : .arrayEnd, place)
                }
                token &+= 1
                depth &-= 1
                let around = Int32(bitPattern: nodes[open].next)
                nodes[open].next = UInt32(truncatingIfNeeded: count)
                nodes[open].count = UInt32(truncatingIfNeeded: place &+ 1) &- nodes[open].start
                open = Int(around)
            }
        }
    }

    /// The string that begins with the quote at `place`.
    @inline(__always)
    private mutating func string(_ place: Int) -> JSONFault? {
        token &+= 1
        let quote = stop(place, next: position(token)) &- 1
        // simdjson takes what directly follows a string for a token of its own.
        if quote <= place || text[quote] != UInt8(ascii: "\"") { return JSONFault(.unclosed, place) }
        let start = place &+ 1
        if !hasByte(text + start, quote &- start, UInt8(ascii: "\\")) {
            add(SJ_STRING, start, quote &- start)
            return nil
        }
        if let wrong = wrongEscape(text + start, quote &- start) { return JSONFault(.escape, start &+ wrong) }
        add(SJ_ESCAPED, start, quote &- start)
        return nil
    }
}

@inline(__always)
private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 10 || byte == 13 || byte == 9 }

/// Whether a short text has a byte. Eight bytes at once, since a call of memchr(3) for each string would take longer.
@inline(__always)
private func hasByte(_ text: UnsafePointer<UInt8>, _ count: Int, _ byte: UInt8) -> Bool {
    if count > 64 { return memchr(text, Int32(byte), count) != nil }
    let ones: UInt64 = 0x0101_0101_0101_0101
    let wanted = UInt64(byte) &* ones
    var marks: UInt64 = 0
    var place = 0
    while count &- place >= 8 {
        let word = UnsafeRawPointer(text + place).loadUnaligned(as: UInt64.self) ^ wanted
        marks |= (word &- ones) & ~word & 0x8080_8080_8080_8080
        place &+= 8
    }
    while place < count {
        if text[place] == byte { return true }
        place &+= 1
    }
    return marks != 0
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
