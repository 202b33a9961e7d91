import MemoryMap
import Testing

@testable import Tables

@Suite("Text by lines")
struct LinesTests {
    private let run = Run { _ in true }

    @Test("Lines in blocks of any size and in pieces, with comments and blank lines", arguments: 0..<4)
    func plain(_ seed: Int) throws {
        var random = TestRandom(UInt64(seed))
        let buffer = try TestBuffer(pageSize)
        for _ in 0..<500 {
            var format = DelimitedFormat(separator: [])
            if Bool.random(using: &random) { format.comment = [97, 98] }
            format.skipsBlank = Bool.random(using: &random)
            format.hasHeader = Bool.random(using: &random)
            let marks: [UInt8] = [97, 98, 13, 10, 10, 34]
            let text: [UInt8] = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                marks.randomElement(using: &random) ?? 10
            }
            var lines: [[UInt8]] = text.split(separator: 10, omittingEmptySubsequences: false).map {
                Array($0)
            }
            // The last line has no newline, so nothing is taken from it.
            let last = lines.removeLast()
            lines = lines.map { (line: [UInt8]) -> [UInt8] in line.last == 13 ? Array(line.dropLast()) : line
            }
            if !last.isEmpty { lines.append(last) }
            if format.hasHeader == true { lines = Array(lines.dropFirst()) }
            lines = lines.filter {
                !(format.skipsBlank && $0.isEmpty)
                    && !(!format.comment.isEmpty && $0.starts(with: format.comment))
            }
            let expected: [[[UInt8]?]] = lines.map { [$0.isEmpty ? nil : $0] }
            let source = try LinesSource([try buffer.file(text)], format, nil, nil, run)
            source.blockSize = Int.random(in: 1..<20, using: &random)
            #expect(readStrings(source).rows == expected, "\(text)")
            let count = Int.random(in: 1..<5, using: &random)
            var pieces: [[[UInt8]?]] = []
            for k in 1...count { pieces += readStrings(try source.piece(k, of: count)).rows }
            #expect(pieces == expected, "\(text)")
        }
    }

    @Test(
        "The groups of a pattern, in place and in copies", arguments: [PatternOptions(), .unicode],
        [BadValues.error, .null, .skip])
    func groups(_ options: PatternOptions, _ bad: BadValues) throws {
        var random = TestRandom(3)
        let buffer = try TestBuffer(4 * pageSize)
        let source = "^(?<name>[a-z]+)(?:=(?<value>[0-9]*))?(?:;(?<rest>.*))?$"
        let pattern = try LinePattern([UInt8](source.utf8), options)
        #expect(pattern.groups.map { String(decoding: $0.name, as: UTF8.self) } == ["name", "value", "rest"])
        for _ in 0..<200 {
            var text = ""
            var expected: [[[UInt8]?]] = []
            var (skipped, line, offset) = (0, 0, 0)
            var firstBad: (line: Int, offset: Int)?
            for _ in 0..<Int.random(in: 0..<30, using: &random) {
                line += 1
                offset = text.utf8.count
                if Int.random(in: 0..<12, using: &random) == 0 {
                    text += "!\n"
                    skipped += 1
                    if firstBad == nil { firstBad = (line, offset) }
                    if bad == .null { expected.append([nil, nil]) }
                    continue
                }
                let name = ["a", "bcd"].randomElement(using: &random) ?? ""
                let value = [nil, "", "12", "7"].randomElement(using: &random) ?? nil
                text +=
                    name + (value.map { "=\($0)" } ?? "")
                    + ["\n", ";x\r\n"][Int.random(in: 0..<2, using: &random)]
                if bad == .error && firstBad != nil { continue }
                expected.append([value.flatMap { $0.isEmpty ? nil : Array($0.utf8) }, Array(name.utf8)])
            }
            var format = DelimitedFormat(separator: [])
            format.bad = bad
            let requests = [
                ColumnRequest(Array("value".utf8), .string), ColumnRequest(Array("name".utf8), .string),
            ]
            let table = try LinesSource([try buffer.file(Array(text.utf8))], format, pattern, requests, run)
            table.blockSize = Int.random(in: 1..<50, using: &random)
            let (rows, error) = readStrings(table)
            #expect(rows == expected)
            #expect(table.skipped == (bad == .skip ? skipped : 0))
            guard bad == .error, let firstBad else { continue }
            #expect(
                message(error).hasPrefix(
                    "buffer: line \(firstBad.line), offset \(firstBad.offset): the pattern does not match '!'"
                ))
        }
    }

    @Test("Types are given, or those of the first lines; wrong columns and patterns are errors")
    func types() throws {
        let buffer = try TestBuffer(pageSize)
        let file = try buffer.file(Array("10 x 2024-01-01\n20 y 2024-01-02\n".utf8))
        let format = DelimitedFormat(separator: [])
        let pattern = try LinePattern(Array("(?<n>\\d+) (?<s>\\w) (?<t>.*)".utf8))
        #expect(
            try LinesSource([file], format, pattern, nil, run).columns.map(\.type) == [
                .integer, .string, .time,
            ])
        let requests = [ColumnRequest([110], .number)]
        #expect(try LinesSource([file], format, pattern, requests, run).columns.map(\.type) == [.number])
        #expect(throws: TableError.self) {
            try LinesSource([file], format, pattern, [ColumnRequest([120])], run)
        }
        #expect(throws: TableError.self) { try LinesSource([file], format, nil, [ColumnRequest([120])], run) }
        #expect(throws: TableError.self) { try LinePattern(Array("(a".utf8)) }
        #expect(throws: TableError.self) { try LinePattern(Array("(a)".utf8)) }
    }
}
