import MemoryMap
import Testing

@testable import Tables

/// Strings as texts of a batch, each between bytes that do not belong to it.
///
/// A class, which the texts are valid as long as: see `forEach`.
final class Texts {
    let list: [Text]
    private let memory: Arena

    func forEach(_ body: (Text) throws -> Void) rethrows {
        try withExtendedLifetime(self) { for text in list { try body(text) } }
    }

    init(_ strings: [[UInt8]]) throws {
        memory = Arena()
        var list: [Text] = []
        for string in strings {
            let place = try memory.allocate(string.count + 2)
            place[0] = UInt8(ascii: "7")
            place[string.count + 1] = UInt8(ascii: "7")
            for (i, byte) in string.enumerated() { place[i + 1] = byte }
            list.append(Text(place + 1, string.count))
        }
        self.list = list
    }

    convenience init(_ strings: [String]) throws { try self.init(strings.map { Array($0.utf8) }) }
}

/// A vector with values as the parser left them.
struct Parsed {
    let vector: Vector
    /// The first bad row.
    let bad: Int?
    var skipped: [UInt8]
    private let batch: Batch
    private let texts: Texts

    init(_ parser: ValueParser, _ texts: Texts, quoted: [UInt8]? = nil) throws {
        self.texts = texts
        batch = Batch(columns: 1)
        var vector = try batch.room(0, parser.column.type)
        var skipped = [UInt8](repeating: 0, count: texts.list.count)
        // What is there before does not count.
        vector.nulls?.update(repeating: 1, count: Batch.capacity)
        bad = try skipped.withUnsafeMutableBufferPointer { skipped in
            try texts.list.withUnsafeBufferPointer { list in
                guard let start = list.baseAddress else { return nil }
                return try parser.parse(
                    start, quoted: quoted, count: list.count, into: &vector, skipped: skipped.baseAddress)
            }
        }
        self.skipped = skipped
        self.vector = vector
    }

    func nulls(_ count: Int) -> [Bool] { (0..<count).map { vector.isNull($0) } }
}

func column(_ type: ColumnType, _ format: String? = nil) -> Column {
    Column(Array("c".utf8), type, format: format.map { Array($0.utf8) })
}

/// The value of one text under a parser; nil if it is none.
func value(_ string: String, _ parser: ValueParser) throws -> UInt64? {
    let parsed = try Parsed(parser, Texts([string]))
    return parsed.bad == nil && !parsed.vector.isNull(0) ? parsed.vector.words[0] : nil
}

struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
