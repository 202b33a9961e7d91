import CSimdjson
import Foundation
import Testing

@testable import Tables

/// A document between bytes that do not belong to it, and what was read of it.
struct JSONDocument {
    let nodes: [sj_node]
    let fault: JSONFault?
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        let index = try JSONIndex()
        var reader = try JSONReader()
        // Of exactly the size that may be read, so that the address sanitizer sees what is read outside; backslashes
        // follow, so that one that is taken for the text's own is seen.
        let text = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + 8)
        defer { text.deallocate() }
        text.update(repeating: UInt8(ascii: "\\"), count: bytes.count + 8)
        text.update(from: bytes, count: bytes.count)
        var found: [sj_node] = []
        var fault: JSONFault?
        if try !index.find(text, bytes.count) {
            fault = JSONFault(in: text, bytes.count)
        } else if index.count == 0 {
            fault = JSONFault(.empty, 0)
        } else {
            var token = 0
            fault = try reader.read(text, end: bytes.count, index, &token)
            if fault == nil && token < index.count { fault = JSONFault(.rest, Int(index.positions[token])) }
            found = Array(UnsafeBufferPointer(start: reader.nodes, count: reader.count))
        }
        self.fault = fault
        nodes = fault == nil ? found : []
    }

    init(_ text: String) throws { try self.init(Array(text.utf8)) }

    /// The value as the recorded documents write it.
    var value: String { fault == nil ? value(0) : "reject" }

    private func value(_ node: Int) -> String {
        let here = nodes[node]
        let text = bytes[Int(here.start)..<Int(here.start + here.count)]
        var parts: [String] = []
        var next = node + 1
        switch here.kind {
        case SJ_NULL: return "n"
        case SJ_TRUE: return "t"
        case SJ_FALSE: return "f"
        case SJ_INTEGER:
            return "i" + (text.elementsEqual("-0".utf8) ? "0" : String(decoding: text, as: UTF8.self))
        case SJ_FLOAT:
            let bits = strtod(String(decoding: text, as: UTF8.self), nil).bitPattern
            return "d" + hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) })
        case SJ_STRING, SJ_ESCAPED: return "s" + hexadecimal(string(here))
        case SJ_ARRAY:
            while next < Int(here.next) {
                parts.append(value(next))
                next = Int(nodes[next].next)
            }
            return "[" + parts.joined(separator: " ") + "]"
        default:
            var last: [[UInt8]: String] = [:]
            while next < Int(here.next) {
                last[string(nodes[next])] = value(next + 1)
                next = Int(nodes[next + 1].next)
            }
            for key in last.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                parts.append("s" + hexadecimal(key) + " " + (last[key] ?? ""))
            }
            return "{" + parts.joined(separator: " ") + "}"
        }
    }

    private func string(_ node: sj_node) -> [UInt8] {
        let text = Array(bytes[Int(node.start)..<Int(node.start + node.count)])
        if node.kind == SJ_STRING { return text }
        var target = [UInt8](repeating: 0, count: text.count)
        let count = unescape(text, text.count, &target) {}
        return Array(target.prefix(count))
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

@Suite("JSON text")
struct JSONReaderTests {
    @Test("Documents are read, and refused, as by Python's json", arguments: [false, true])
    func recorded(inSpace: Bool) throws {
        let path = #filePath.replacingOccurrences(of: "JSONReaderTests.swift", with: "recorded.txt")
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        var (accepted, refused) = (0, 0)
        for line in lines {
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
            var document: [UInt8] = []
            var characters = Array(parts[0].utf8)[...]
            while let byte = characters.popFirst() {
                if byte == UInt8(ascii: "%") {
                    document.append(
                        UInt8(String(decoding: characters.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                    characters = characters.dropFirst(2)
                } else {
                    document.append(byte)
                }
            }
            // At another place within the blocks that simdjson reads.
            if inSpace {
                document = Array(repeating: 32, count: 61) + document + Array(repeating: 32, count: 70)
            }
            let expected = String(parts[1])
            #expect(try JSONDocument(document).value == expected, "\(parts[0])")
            if expected == "reject" { refused += 1 } else { accepted += 1 }
        }
        #expect(accepted > 300 && refused > 300)
    }

    @Test(
        "A fault has its kind and its place",
        arguments: [
            ("", .empty, 0), ("  ", .empty, 0), ("{", .incomplete, 1), ("[1, 2", .incomplete, 5),
            ("{\"a\":", .incomplete, 5), ("{\"a\"", .incomplete, 4), ("[x]", .value, 1), ("[1,]", .value, 3),
            ("{1:2}", .key, 1), ("{\"a\":1,}", .key, 7), ("{\"a\" 1}", .colon, 5),
            ("{\"a\":1 \"b\"}", .objectEnd, 7),
            ("{\"a\":1]", .objectEnd, 6), ("[1 2]", .arrayEnd, 3), ("[1}", .arrayEnd, 2),
            ("[01]", .number, 1),
            ("[1.]", .number, 1), ("[-]", .number, 1), ("[1e400x]", .number, 1), ("[nul]", .word, 1),
            ("[truee]", .word, 1), ("[\"\\x\"]", .escape, 2), ("[\"ab\\ud800\"]", .escape, 4),
            ("[\"a\u{1}\"]", .control, 3), ("[\"a\n\"]", .control, 3), ("[\"abc", .unclosed, 1),
            ("[\"a\\\"]", .unclosed, 1),
            ("[\"a\"b]", .arrayEnd, 4), ("1 2", .rest, 2), ("{}x", .rest, 2),
        ] as [(String, JSONFault.Kind, Int)])
    func faults(text: String, kind: JSONFault.Kind, offset: Int) throws {
        #expect(try JSONDocument(text).fault == JSONFault(kind, offset))
    }

    @Test("Bytes that are no UTF-8 are refused, with their place")
    func encoding() throws {
        for bytes in [
            [0xFF], [0xC0, 0xAF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ] as [[UInt8]] {
            for position in [0, 1, 30, 62, 63, 64, 127, 128, 200] {
                let before = [UInt8](repeating: UInt8(ascii: "a"), count: position)
                let document = Array("[\"".utf8) + before + bytes + Array("\"]".utf8)
                #expect(try JSONDocument(document).fault == JSONFault(.encoding, position + 2))
            }
        }
    }

    @Test("1024 levels are read, one more is refused, and so are 10,000")
    func depth() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text: (Int) -> String = {
                String(repeating: open, count: $0) + "1" + String(repeating: close, count: $0)
            }
            #expect(try JSONDocument(text(1024)).fault == nil)
            #expect(try JSONDocument(text(1025)).fault == JSONFault(.depth, 1024 * open.utf8.count))
            #expect(try JSONDocument(text(10_000)).fault?.kind == .depth)
            #expect(try JSONDocument(String(repeating: open, count: 10_000)).fault?.kind == .depth)
        }
    }

    @Test("Texts of all lengths up to two of simdjson's blocks, closed and cut short")
    func lengths() throws {
        for count in 0...300 {
            let string = String(repeating: "x", count: count)
            #expect(try JSONDocument("\"\(string)\"").value == "s" + String(repeating: "78", count: count))
            #expect(try JSONDocument("\"\(string)").fault == JSONFault(.unclosed, 0))
            #expect(
                try JSONDocument("[\"\(string)\\n\"]").value == "[s" + String(repeating: "78", count: count)
                    + "0a]")
            let list = Array(repeating: "1", count: count + 1).joined(separator: ",")
            #expect(try JSONDocument("[\(list)]").nodes.count == count + 2)
            #expect(try JSONDocument("[\(list)").fault?.kind == .incomplete)
        }
    }

    @Test("Random documents, whole and damaged, are read as by a reader of another kind")
    func random() throws {
        var random = Generator(state: 13)
        var (accepted, refused) = (0, 0)
        for _ in 0..<3000 {
            var document = Array(JSONMaker.document(&random).utf8)
            for _ in 0..<(random.next() % 3) {
                let place = Int(random.next() % UInt64(document.count + 1))
                let pieces = ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "1", "x", "\n", " ", "\u{E9}"]
                let end = min(document.count, place + Int(random.next() % 2))
                document.replaceSubrange(place..<end, with: pieces[Int(random.next() % 14)].utf8)
            }
            var reference = JSONReference(document)
            let expected = reference.read()
            #expect(
                try JSONDocument(document).value == expected, "\(String(decoding: document, as: UTF8.self))")
            if expected == "reject" { refused += 1 } else { accepted += 1 }
        }
        #expect(accepted > 500 && refused > 500)
    }
}

/// Makes documents.
enum JSONMaker {
    static func string(_ random: inout Generator) -> String {
        let pieces = [
            "a", "bc", " ", ",", ":", "{", "]", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\u{E9}",
            "\u{20AC}", "\u{1F600}",
        ]
        let count = [0, 1, 3, 8, 30][Int(random.next() % 5)]
        return "\"" + (0..<count).map { _ in pieces[Int(random.next() % 15)] }.joined() + "\""
    }

    static func document(_ random: inout Generator, depth: Int = 0) -> String {
        let space = ["", "", "", " ", "\n", " \t"][Int(random.next() % 6)]
        let text: String
        switch random.next() % (depth < 5 ? 8 : 5) {
        case 0: text = ["null", "true", "false"][Int(random.next() % 3)]
        case 1: text = "\(Int64(bitPattern: random.next()) >> Int64(random.next() % 64))"
        case 2: text = "\(Double(Int64(bitPattern: random.next())) / 1024)"
        case 3, 4: text = string(&random)
        case 5, 6:
            let count = random.next() % 5
            var items: [String] = []
            for _ in 0..<count { items.append(document(&random, depth: depth + 1)) }
            text = "[" + items.joined(separator: ",") + "]"
        default:
            var items: [String] = []
            for _ in 0..<(random.next() % 6) {
                let key = ["\"a\"", "\"b\"", "\"\\u0061\"", "\"key\"", "\"\"", "\"a.b\""][
                    Int(random.next() % 6)]
                items.append(space + key + space + ":" + document(&random, depth: depth + 1))
            }
            text = "{" + items.joined(separator: ",") + space + "}"
        }
        return space + text + space
    }
}

/// JSON by recursive descent, byte by byte, by RFC 8259.
struct JSONReference {
    private let text: [UInt8]
    private var place = 0
    private struct Refusal: Error {}

    init(_ text: [UInt8]) { self.text = text }

    mutating func read() -> String {
        guard String(validating: text, as: UTF8.self) != nil else { return "reject" }
        do {
            let result = try value()
            skipSpace()
            return place == text.count ? result : "reject"
        } catch { return "reject" }
    }

    private var next: UInt8? { place < text.count ? text[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 32 || byte == 9 || byte == 10 || byte == 13 { place += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        place += 1
        return true
    }

    private mutating func value() throws -> String {
        skipSpace()
        if take("{") {
            var last: [[UInt8]: String] = [:]
            skipSpace()
            if !take("}") {
                repeat {
                    skipSpace()
                    let key = try string()
                    skipSpace()
                    guard take(":") else { throw Refusal() }
                    last[key] = try value()
                    skipSpace()
                } while take(",")
                guard take("}") else { throw Refusal() }
            }
            let keys = last.keys.sorted { $0.lexicographicallyPrecedes($1) }
            return "{" + keys.map { "s" + hexadecimal($0) + " " + (last[$0] ?? "") }.joined(separator: " ")
                + "}"
        }
        if take("[") {
            var items: [String] = []
            skipSpace()
            if !take("]") {
                repeat {
                    items.append(try value())
                    skipSpace()
                } while take(",")
                guard take("]") else { throw Refusal() }
            }
            return "[" + items.joined(separator: " ") + "]"
        }
        if next == UInt8(ascii: "\"") { return "s" + hexadecimal(try string()) }
        for (word, result) in [("null", "n"), ("true", "t"), ("false", "f")]
        where text[place...].starts(with: word.utf8) {
            place += word.utf8.count
            return result
        }
        return try number()
    }

    private mutating func digits() throws -> Int {
        let start = place
        while let byte = next, byte >= 48, byte <= 57 { place += 1 }
        if place == start { throw Refusal() }
        return place - start
    }

    private mutating func number() throws -> String {
        let start = place
        _ = take("-")
        let first = next
        if try digits() > 1 && first == 48 { throw Refusal() }
        var isFloat = false
        if take(".") {
            isFloat = true
            _ = try digits()
        }
        if take("e") || take("E") {
            isFloat = true
            if !take("+") { _ = take("-") }
            _ = try digits()
        }
        let number = String(decoding: text[start..<place], as: UTF8.self)
        if !isFloat { return "i" + (number == "-0" ? "0" : number) }
        let bits = (Double(number) ?? .nan).bitPattern
        return "d" + hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) })
    }

    private mutating func unit() throws -> UInt32 {
        guard place + 4 <= text.count else { throw Refusal() }
        let digits = text[place..<place + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Refusal() }
        place += 4
        return value
    }

    private mutating func string() throws -> [UInt8] {
        guard take("\"") else { throw Refusal() }
        var result: [UInt8] = []
        while true {
            guard let byte = next, byte >= 32 else { throw Refusal() }
            place += 1
            if byte == UInt8(ascii: "\"") { return result }
            if byte != UInt8(ascii: "\\") {
                result.append(byte)
                continue
            }
            guard let code = next else { throw Refusal() }
            place += 1
            let plain: [Character: UInt8] = [
                "\"": 34, "\\": 92, "/": 47, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9,
            ]
            if let byte = plain[Character(Unicode.Scalar(code))] {
                result.append(byte)
                continue
            }
            guard code == UInt8(ascii: "u") else { throw Refusal() }
            var scalar = try unit()
            if scalar >= 0xD800 && scalar < 0xDC00 {
                guard take("\\"), take("u") else { throw Refusal() }
                let low = try unit()
                guard low >= 0xDC00 && low < 0xE000 else { throw Refusal() }
                scalar = 0x10000 + (scalar - 0xD800) * 1024 + (low - 0xDC00)
            }
            guard let character = Unicode.Scalar(scalar) else { throw Refusal() }
            result += Array(String(Character(character)).utf8)
        }
    }
}
