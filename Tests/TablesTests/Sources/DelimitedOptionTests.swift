import CMemoryMap
import Glibc
import MemoryMap
import Testing

@testable import Tables

/// Random numbers that are the same each time.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 2 &+ 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

@Suite("Delimited text: options, pieces, filters")
struct DelimitedOptionTests {
    private func randomFormat(_ random: inout TestRandom) -> DelimitedFormat {
        let separators: [[UInt8]] = [[44], [44], [59], [9], [58, 58], Array("ab".utf8), [44, 32]]
        var format = DelimitedFormat(separator: separators.randomElement(using: &random) ?? [44])
        switch Int.random(in: 0..<10, using: &random) {
        case 0: format.merges = true
        case 1: format.isLazy = true
        case 2: format.escape = 92
        case 3: format.quote = nil
        case 4: format.quote = 39
        case 5: (format.escape, format.isLazy) = (92, true)
        default: break
        }
        if Bool.random(using: &random) {
            format.comment = [[35], [35, 33]].randomElement(using: &random) ?? []
        }
        format.skipsBlank = Bool.random(using: &random)
        if Bool.random(using: &random) {
            format.nulls = [[[97]], [[], [98, 98]], []].randomElement(using: &random) ?? []
        }
        format.bad = [.error, .null, .skip].randomElement(using: &random) ?? .error
        return format
    }

    private func randomText(_ random: inout TestRandom, _ format: DelimitedFormat) -> [UInt8] {
        // Mostly well formed, so that reading goes on for a while.
        var text: [UInt8] = []
        let quote = format.quote ?? 34
        let marks = [format.separator, [quote], [quote, quote], [10], [13, 10], [92], [35], [97], [13]]
        if Int.random(in: 0..<8, using: &random) == 0 { text += [0xEF, 0xBB, 0xBF] }
        for _ in 0..<Int.random(in: 0..<12, using: &random) {
            for field in 0..<2 {
                if field > 0 { text += format.separator }
                switch Int.random(in: 0..<24, using: &random) {
                case 0..<8:
                    text += [UInt8](repeating: 97, count: Int.random(in: 0..<12, using: &random))
                case 8..<14:
                    text.append(quote)
                    for _ in 0..<Int.random(in: 0..<5, using: &random) {
                        let mark = marks.randomElement(using: &random) ?? []
                        text +=
                            mark == [quote]
                            ? [format.escape ?? quote, quote] : mark == [92] ? [92, 92] : mark
                    }
                    text.append(quote)
                case 14: text += marks.randomElement(using: &random) ?? []
                default: text += [98, 98]
                }
            }
            text += Int.random(in: 0..<4, using: &random) == 0 ? [13, 10] : [10]
            if Int.random(in: 0..<10, using: &random) == 0 { text += [35, 33, 34, 10] }
            if Int.random(in: 0..<10, using: &random) == 0 { text.append(10) }
        }
        if Bool.random(using: &random), !text.isEmpty { text.removeLast() }
        return text
    }

    @Test("Random options on random text, in blocks of any size, whole and in pieces", arguments: 0..<8)
    func random(_ seed: Int) throws {
        var random = TestRandom(UInt64(seed))
        let buffer = try TestBuffer(pageSize)
        let run = Run { _ in true }
        for _ in 0..<1500 {
            let format = randomFormat(&random)
            let text = randomText(&random, format)
            let file = try buffer.file(text)
            let names = [ColumnRequest([97], .string), ColumnRequest([98], .string)]
            let source = try DelimitedSource([file], format, names, run)
            source.blockSize = Int.random(in: 1..<60, using: &random)
            let (rows, error) = readStrings(source)
            let expected = DelimitedReference(text, format).table(columns: 2)
            let shown = "\(String(decoding: text, as: UTF8.self).debugDescription) \(format)"
            guard rows == expected.rows, (error == nil) == (expected.errorAt == nil) else {
                Issue.record("\(shown): \(rows) \(message(error)), expected \(expected)")
                return
            }
            #expect(source.skipped == expected.skipped, "\(shown)")
            if let place = expected.errorAt {
                let line = text[..<place].count { $0 == 10 } + 1
                #expect(message(error).hasPrefix("buffer: line \(line), offset \(place)"), "\(shown)")
                continue
            }
            let count = Int.random(in: 1..<6, using: &random)
            var pieces: [[[UInt8]?]] = []
            for k in 1...count { pieces += readStrings(try source.piece(k, of: count)).rows }
            #expect(pieces == expected.rows, "\(shown)")
            let value: [UInt8] = [98, 98]
            let filter = Predicate(column: 1, .compare(.equal, .string(value)))
            let some = readStrings(source, wanted: [true, false], filters: [filter]).rows
            #expect(some == expected.rows.filter { $0[1] == value }.map { [$0[0], nil] }, "\(shown)")
        }
    }

    @Test("A line of 12 MB of doubled quotes is searched once")
    func quotes() throws {
        let quotes = [UInt8](repeating: 34, count: 12_000_000)
        let text = Array("a,b\n\"".utf8) + quotes + Array("\",q\nz,y\n".utf8)
        let test = try TestFile(text)
        let file = try TextFile(path: test.path)
        let source = try DelimitedSource([file], DelimitedFormat(separator: [44]), nil, Run { _ in true })
        let (rows, error) = readStrings(source)
        #expect(error == nil && rows.count == 2)
        #expect(rows.first?[0] == [UInt8](repeating: 34, count: 6_000_000))
        #expect(rows.last == [[122], [121]])
    }

    @Test("Rows of 12 MB, with and without quotes, blocks in between")
    func long() throws {
        let long = [UInt8](repeating: 120, count: 12_000_000)
        var text: [UInt8] = Array("a,b\n".utf8)
        for i in 0..<300_000 {
            text += Array("\(i),v\(i)\n".utf8)
            if i == 1000 { text += [34] + long + Array("\n\"\"\n\",q\n".utf8) }
            if i == 2000 { text += long + Array(",p\n".utf8) }
        }
        let test = try TestFile(text)
        let file = try TextFile(path: test.path)
        let source = try DelimitedSource([file], DelimitedFormat(separator: [44]), nil, Run { _ in true })
        #expect(source.columns.map(\.type) == [.string, .string])
        let rows = readStrings(source).rows
        #expect(rows.count == 300_002)
        #expect(rows[1001][0]?.count == 12_000_003)
        #expect(rows[1001][1] == [113])
        #expect(rows[2002][0]?.count == 12_000_000)
        #expect(rows.last?[1] == Array("v299999".utf8))
    }

    @Test("Files one after the other, each with its header, whose columns may be in any order")
    func files() throws {
        let files = [
            try TestFile(Array("a,b\n1,x\n2,y\n".utf8)), try TestFile(Array("\u{FEFF}b,c,a\nz,,3".utf8)),
            try TestFile(Array("a,b\n".utf8)),
        ]
        let mapped = try files.map { try TextFile(path: $0.path) }
        defer { withExtendedLifetime(files) {} }
        let run = Run { _ in true }
        let source = try DelimitedSource(mapped, DelimitedFormat(separator: [44]), nil, run)
        #expect(source.columns.map(\.type) == [.integer, .string])
        let stream = try source.open(run, wanted: [true, true], filters: [])
        var seen: [String] = []
        while let piece = try stream.pull() {
            while let batch = try piece.cursor.pull() {
                for row in 0..<batch.count {
                    let text = batch.vectors[1]?.texts[row].buffer
                    seen.append(
                        "\(batch.vectors[0]?.integers[row] ?? 0)"
                            + String(decoding: text ?? .init(start: nil, count: 0), as: UTF8.self))
                }
            }
        }
        #expect(seen == ["1x", "2y", "3z"])
        let last = try TestFile(Array("a,d\n".utf8))
        let other = try TextFile(path: last.path)
        let error = #expect(throws: TableError.self) {
            _ = try DelimitedSource(mapped + [other], DelimitedFormat(separator: [44]), nil, run)
        }
        #expect(message(error).contains("no column 'b' in the header, which has 'a', 'd'"))
    }

    @Test("What is wrong with a header, and how to go on")
    func headers() throws {
        let buffer = try TestBuffer(pageSize)
        let run = Run { _ in true }
        func complaint(_ text: String, _ requests: [ColumnRequest]?, header: Bool? = nil) throws -> String {
            var format = DelimitedFormat(separator: [44])
            format.hasHeader = header
            let file = try buffer.file(Array(text.utf8))
            do throws(TableError) {
                _ = try DelimitedSource([file], format, requests, run)
            } catch { return message(error) }
            return ""
        }
        #expect(try complaint("", nil).contains("no header"))
        #expect(try complaint("a,b,a\n1,2,3\n", nil).contains("the column 'a' twice"))
        #expect(try complaint("a,b,a\n1,2,3\n", [ColumnRequest([97])], header: true).contains("'a' twice"))
        #expect(try complaint("a,b,a\n1,2,3\n", [ColumnRequest([98])], header: true) == "")
        #expect(
            try complaint("a,b\n", [ColumnRequest([97]), ColumnRequest([97])]).contains("'a' is there twice"))
        #expect(try complaint("a,\"b\n", nil).contains("a quote in the wrong place"))
        #expect(try complaint("a,,\n1,2,3\n", nil) == "")
    }

    @Test("A value that does not fit names the file, the line, the offset, and the first such row")
    func badValue() throws {
        let run = Run { _ in true }
        let file = try TestFile(Array("a,b\n1,2\n\n3,x\ny,4\n".utf8))
        let requests = [ColumnRequest([97], .number), ColumnRequest([98], .number)]
        for bad in [BadValues.error, .null, .skip] {
            var format = DelimitedFormat(separator: [44])
            (format.hasHeader, format.skipsBlank, format.bad) = (true, true, bad)
            let source = try DelimitedSource([try TextFile(path: file.path)], format, requests, run)
            let stream = try source.open(run, wanted: [true, true], filters: [])
            let cursor = try #require(try stream.pull()).cursor
            let batch = try #require(try cursor.pull())
            switch bad {
            case .error:
                #expect(batch.count == 1)
                let error = #expect(throws: TableError.self) { _ = try cursor.pull() }
                let place =
                    String(decoding: file.path, as: UTF8.self)
                    + ": line 4, offset 9, column 'b': 'x' is not a number"
                #expect(message(error).hasPrefix(place))
            case .null:
                #expect(batch.count == 3)
                #expect((0..<3).map { batch.vectors[1]?.isNull($0) ?? false } == [false, true, false])
            case .skip:
                #expect(batch.count == 1)
                #expect(try cursor.pull() == nil)
            }
        }
    }

    @Test("A file that is cut while it is read is an error, and so is one that was cut within its last page")
    func cut() throws {
        let run = Run { _ in true }
        var text: [UInt8] = []
        for i in 0..<2_000_000 { text += Array("\(i % 10),x\n".utf8) }
        for rest in [100_000, text.count - 40] {
            let test = try TestFile(text)
            let path = String(decoding: test.path, as: UTF8.self)
            let names = [ColumnRequest([97], .string), ColumnRequest([98], .string)]
            let source = try DelimitedSource(
                [try TextFile(path: test.path)], DelimitedFormat(separator: [44]), names, run)
            let stream = try source.open(run, wanted: [true, true], filters: [])
            var error: TableError?
            do throws(TableError) {
                while let piece = try stream.pull() {
                    while let batch = try piece.cursor.pull() {
                        if batch.count > 0 { truncate(path, rest) }
                    }
                }
            } catch let failure { error = failure }
            guard case .map(let cause, _) = error else {
                Issue.record("\(message(error))")
                continue
            }
            #expect(cause.kind == .lost)
        }
    }

    @Test("A file that is written meanwhile gives some rows or an error, and nothing worse")
    func written() throws {
        let run = Run { _ in true }
        var text: [UInt8] = []
        for i in 0..<200_000 { text += Array("\(i % 10),\"x\"\n".utf8) }
        let test = try TestFile(text)
        let map = try MappedRegion.open(String(decoding: test.path, as: UTF8.self), .readWrite)
        let base = try #require(map.region.base)
        let writer = try Writer(base, text.count)
        defer { writer.end() }
        for _ in 0..<4 {
            let names = [ColumnRequest([97], .number), ColumnRequest([98], .string)]
            var format = DelimitedFormat(separator: [44])
            format.bad = .skip
            let source = try DelimitedSource([try TextFile(path: test.path)], format, names, run)
            source.blockSize = 100_000
            let stream = try source.open(run, wanted: [true, true], filters: [])
            while let piece = try stream.pull() {
                while let batch = try piece.cursor.pull() {
                    for row in 0..<batch.count { _ = batch.vectors[1]?.texts[row].buffer.reduce(0, &+) }
                }
            }
        }
    }
}

/// A thread that writes marks all over a text.
private final class Writer: @unchecked Sendable {
    private let base: UnsafeMutablePointer<UInt8>
    private let count: Int
    private let isDone = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
    private var thread = pthread_t()

    init(_ base: UnsafeMutablePointer<UInt8>, _ count: Int) throws {
        (self.base, self.count) = (base, count)
        isDone.initialize(to: false)
        let me = Unmanaged.passUnretained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Writer>.fromOpaque(context).takeUnretainedValue().write() }
                return nil
            }, me)
        try #require(code == 0)
    }

    private func write() {
        var random = TestRandom(7)
        let marks: [UInt8] = [34, 44, 10, 13, 49, 120]
        while !UnsafeMutableRawPointer(isDone).load(as: Bool.self) {
            base[Int.random(in: 0..<count, using: &random)] = marks.randomElement(using: &random) ?? 0
            usleep(1)
        }
    }

    func end() {
        isDone.pointee = true
        pthread_join(thread, nil)
    }
}
