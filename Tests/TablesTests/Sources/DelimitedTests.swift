import CMemoryMap
import Glibc
import MemoryMap
import Testing

@testable import Tables

/// Reads all rows of string columns, and the error that ends the reading.
func readStrings(
    _ source: Source, wanted: [Bool]? = nil, filters: [Predicate] = []
) -> (rows: [[[UInt8]?]], error: TableError?) {
    var rows: [[[UInt8]?]] = []
    do throws(TableError) {
        let wanted = wanted ?? source.columns.map { _ in true }
        let stream = try source.open(Run { _ in true }, wanted: wanted, filters: filters)
        while let piece = try stream.pull() {
            while let batch = try piece.cursor.pull() {
                for row in 0..<batch.count {
                    rows.append(
                        batch.vectors.map { vector in
                            guard let vector, !vector.isNull(row) else { return nil }
                            return [UInt8](vector.texts[row].buffer)
                        })
                }
            }
        }
    } catch { return (rows, error) }
    return (rows, nil)
}

func message(_ error: TableError?) -> String {
    switch error {
    case .data(let bytes): String(decoding: bytes, as: UTF8.self)
    case .map(let error, let path): String(decoding: path ?? [], as: UTF8.self) + ": \(error)"
    case nil: ""
    default: "?"
    }
}

/// A file of a test's that is gone afterward.
final class TestFile {
    let path: [UInt8]
    init(_ bytes: [UInt8], suffix: String = "") throws {
        var name = [CChar]("/tmp/tables-XXXXXX\(suffix)".utf8CString)
        let descriptor = mkstemps(&name, CInt(suffix.utf8.count))
        path = name.dropLast().map { UInt8(bitPattern: $0) }
        var done = 0
        bytes.withUnsafeBytes { all in
            while done < all.count, let start = all.baseAddress {
                done += max(0, write(descriptor, start + done, all.count - done))
            }
        }
        close(descriptor)
    }

    deinit { unlink(String(decoding: path, as: UTF8.self)) }
}

/// A buffer that ends where its memory does.
final class TestBuffer {
    let map: MappedRegion
    init(_ capacity: Int) throws { map = try MappedRegion.anonymous(capacity) }

    func file(_ bytes: [UInt8]) throws -> TextFile {
        let place = map.count - bytes.count
        if let base = map.region.base { (base + place).update(from: bytes, count: bytes.count) }
        return TextFile(try map.bytes.slice(place, bytes.count).region)
    }
}

@Suite("Delimited text")
struct DelimitedTests {
    /// All texts over an alphabet, up to a length.
    private func each(_ alphabet: [UInt8], upTo length: Int, _ body: ([UInt8]) throws -> Void) rethrows {
        for length in 0...length {
            var digits = [Int](repeating: 0, count: length)
            while true {
                try body(digits.map { alphabet[$0] })
                var i = 0
                while i < length {
                    digits[i] += 1
                    if digits[i] < alphabet.count { break }
                    digits[i] = 0
                    i += 1
                }
                if i == length { break }
            }
        }
    }

    private func check(_ text: [UInt8], _ format: DelimitedFormat, _ buffer: TestBuffer, columns: Int = 2)
        throws
    {
        let names = (0..<columns).map { ColumnRequest([UInt8(97 + $0)], .string) }
        let source = try DelimitedSource([try buffer.file(text)], format, names, Run { _ in true })
        let (rows, error) = readStrings(source)
        let expected = DelimitedReference(text, format).table(columns: columns)
        let shown = String(decoding: text, as: UTF8.self)
        guard rows == expected.rows, (error == nil) == (expected.errorAt == nil) else {
            Issue.record("\(shown.debugDescription): \(rows) \(message(error)), expected \(expected)")
            return
        }
        if let place = expected.errorAt {
            let line = text[..<place].count { $0 == 10 } + 1
            #expect(
                message(error).hasPrefix("buffer: line \(line), offset \(place)"), "\(shown.debugDescription)"
            )
        }
        #expect(source.skipped == expected.skipped, "\(shown.debugDescription)")
    }

    #if DEBUG
        private let length = 5
    #else
        private let length = 7
    #endif

    @Test("All short texts, with each way to take bad rows", arguments: [BadValues.error, .null, .skip])
    func allShort(_ bad: BadValues) throws {
        let buffer = try TestBuffer(pageSize)
        var format = DelimitedFormat(separator: [44])
        format.bad = bad
        try each([97, 44, 34, 10, 13], upTo: length) { try check($0, format, buffer) }
    }

    @Test("Rows with fields of all lengths, in quotes and not", arguments: 0..<4)
    func long(_ seed: Int) throws {
        var random = TestRandom(UInt64(seed))
        let buffer = try TestBuffer(pageSize)
        var format = DelimitedFormat(separator: [44])
        if seed == 3 { format.quote = nil }
        for _ in 0..<600 {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 1..<12, using: &random) {
                for field in 0..<2 {
                    let length = [3, 20, 64, 130].randomElement(using: &random) ?? 0
                    let isQuoted = seed != 3 && Int.random(in: 0..<3, using: &random) == 0
                    let bytes: [UInt8] = isQuoted ? [97, 98, 44, 10, 13] : [97, 98, 195]
                    if isQuoted { text.append(34) }
                    for _ in 0..<Int.random(in: 0..<length, using: &random) {
                        text.append(bytes.randomElement(using: &random) ?? 97)
                        if isQuoted && Int.random(in: 0..<20, using: &random) == 0 { text += [34, 34] }
                    }
                    if isQuoted { text.append(34) }
                    if field == 0 { text.append(44) }
                }
                text += Int.random(in: 0..<4, using: &random) == 0 ? [13, 10] : [10]
            }
            if Bool.random(using: &random) { text.removeLast() }
            // Now and then a byte that does not fit.
            if Int.random(in: 0..<4, using: &random) == 0 {
                text[Int.random(in: text.indices, using: &random)] =
                    [34, 44, 10, 13].randomElement(using: &random) ?? 34
            }
            try check(Array(text.prefix(pageSize)), format, buffer)
        }
    }
}

extension DelimitedTests {
    @Test("A header names the columns, and the first rows tell their types")
    func header() throws {
        let buffer = try TestBuffer(pageSize)
        let text =
            "name,i,u,x,b,t,none,\"a \"\"q\"\"\"\n"
            + "Z,-1,18446744073709551615,1.5,true,2024-02-29T12:00:00Z,,7\n\"\",2,3,4,FALSE,2024-01-01,,x\n"
        let file = try buffer.file([UInt8](text.utf8))
        let source = try DelimitedSource([file], DelimitedFormat(separator: [44]), nil, Run { _ in true })
        #expect(
            source.columns.map(\.type) == [
                .string, .integer, .u64, .number, .boolean, .time, .string, .string,
            ])
        #expect(source.columns.map { String(decoding: $0.name, as: UTF8.self) }.last == "a \"q\"")
        let stream = try source.open(Run { _ in true }, wanted: source.columns.map { _ in true }, filters: [])
        let batch = try #require(try stream.pull()?.cursor.pull())
        #expect(batch.count == 2)
        #expect(batch.vectors[1]?.integers[0] == -1)
        #expect(batch.vectors[2]?.words[0] == UInt64.max)
        #expect(batch.vectors[5]?.doubles[0] == 1_709_208_000)
        #expect(batch.vectors[0]?.isNull(1) == false)
        #expect(batch.vectors[6]?.isNull(1) == true)
    }
}
