package import CSimdjson
package import MemoryMap

/// A JSON value in a private copy of its text, with its nodes; strings are without escapes.
package final class JSONValue {
    /// Zeros follow it.
    package let text: UnsafeMutablePointer<UInt8>
    package let nodes: UnsafePointer<sj_node>
    package let count: Int
    private let memory: Memory
    private let reader: JSONReader

    /// Where the first value in a text is, white space left out. What follows it is not looked at.
    ///
    /// - Parameters:
    ///   - bytes: May be in a mapping that others write: each byte is read once.
    ///   - shouldContinue: Asked from time to time.
    /// - Throws: `interrupted`.
    package static func range(
        in bytes: UnsafeRawBufferPointer, shouldContinue: () -> Bool
    ) throws(MapError) -> Range<Int> {
        var scan = JSONExtent()
        var place = 0
        while place < bytes.count {
            let end = min(bytes.count, place &+ (4 << 20))
            if let found = scan.scan(bytes, place, end) { return found }
            place = end
            if !shouldContinue() { throw MapError(.interrupted) }
        }
        return (scan.start ?? bytes.count)..<bytes.count
    }

    /// Reads a value.
    ///
    /// - Parameters:
    ///   - bytes: The value and nothing else. They are copied.
    ///   - poll: Called from time to time; throws to stop.
    /// - Returns: Nil if the bytes are no JSON; then `fault` says why.
    package init?(
        _ bytes: UnsafeRawBufferPointer, fault: inout JSONFault?, isIntact: () throws(MapError) -> Void,
        poll: () throws(MapError) -> Void = {}
    ) throws(TableError) {
        let padding = 64
        memory = try Memory(bytes.count &+ padding)
        text = memory.bound(to: UInt8.self)
        let raw = UnsafeMutableRawBufferPointer(start: text, count: bytes.count &+ padding)
        var place = 0
        while place < bytes.count {
            let end = min(bytes.count, place &+ 4 << 20)
            UnsafeMutableRawBufferPointer(rebasing: raw[place..<end]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[place..<end]))
            place = end
            try mapped { () throws(MapError) in try poll() }
        }
        (text + bytes.count).update(repeating: 0, count: padding)
        try mapped { () throws(MapError) in try isIntact() }
        let index = try JSONIndex()
        var reader = try JSONReader()
        fault = try JSONValue.read(text, bytes.count, index, &reader) { () throws(TableError) in
            try mapped { () throws(MapError) in try poll() }
        }
        self.reader = reader
        (nodes, count) = (UnsafePointer(reader.nodes), reader.count)
        if fault != nil { return nil }
        for i in 0..<count where reader.nodes[i].kind == SJ_ESCAPED {
            if i & 0xFFFF == 0 { try mapped { () throws(MapError) in try poll() } }
            let string = text + Int(reader.nodes[i].start)
            let length = try unescape(string, Int(reader.nodes[i].count), string) { () throws(TableError) in
                try mapped { () throws(MapError) in try poll() }
            }
            reader.nodes[i].count = UInt32(truncatingIfNeeded: length)
            reader.nodes[i].kind = SJ_STRING
        }
    }

    private static func read(
        _ text: UnsafePointer<UInt8>, _ count: Int, _ index: JSONIndex, _ reader: inout JSONReader,
        poll: () throws(TableError) -> Void
    ) throws(TableError) -> JSONFault? {
        guard try index.find(text, count) else { return JSONFault(in: text, count) }
        try poll()
        if index.count == 0 { return JSONFault(.empty, 0) }
        var token = 0
        if let fault = try reader.read(text, end: count, index, &token, poll: poll) { return fault }
        return token < index.count ? JSONFault(.rest, Int(index.positions[token])) : nil
    }
}

/// A search for the end of a value, in steps.
private struct JSONExtent {
    /// Of the value.
    private(set) var start: Int?
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isPlain = false

    /// Reads on; the value's place if it ends before `end`.
    mutating func scan(_ bytes: UnsafeRawBufferPointer, _ from: Int, _ end: Int) -> Range<Int>? {
        var place = from
        while place < end {
            let byte = bytes[place]
            place &+= 1
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    if let start, depth == 0 { return start..<place }
                }
                continue
            }
            switch byte {
            case 9, 10, 13, 32:
                if let start, isPlain { return start..<place &- 1 }
                continue
            case UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "}"),
                UInt8(ascii: "]"),
                UInt8(ascii: ","), UInt8(ascii: ":"):
                if let start, isPlain { return start..<place &- 1 }
            default:
                if start == nil { (start, isPlain) = (place &- 1, true) }
                continue
            }
            let first = start ?? place &- 1
            start = first
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth &-= 1
                if depth <= 0 { return first..<place }
            default: if depth == 0 { return first..<place }
            }
        }
        return nil
    }
}
