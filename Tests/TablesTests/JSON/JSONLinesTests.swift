import CMemoryMap
import Glibc
import MemoryMap
import Testing

@testable import Tables

/// JSON lines in memory that ends with them, or in a file.
final class JSONSample {
    private let map: MappedRegion
    let file: TextFile
    private let path: [UInt8]?

    init(_ bytes: [UInt8], inFile: Bool = false) throws {
        map = try MappedRegion.anonymous(max(bytes.count, 1))
        if inFile {
            var name = "/tmp/json-XXXXXX".utf8CString.map { $0 }
            let descriptor = mkstemp(&name)
            var done = 0
            while done < bytes.count {
                done += max(
                    0,
                    bytes.withUnsafeBytes {
                        write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
                    })
            }
            close(descriptor)
            let path = name.dropLast().map { UInt8(bitPattern: $0) }
            self.path = path
            file = try TextFile(path: path)
        } else {
            let place = map.count - bytes.count
            if let base = map.region.base { (base + place).update(from: bytes, count: bytes.count) }
            path = nil
            file = TextFile(try map.bytes.slice(place, bytes.count).region)
        }
    }

    convenience init(_ text: String, inFile: Bool = false) throws {
        try self.init(Array(text.utf8), inFile: inFile)
    }

    deinit { if let path { unlink(String(decoding: path, as: UTF8.self)) } }
}

/// A table as text: the columns, and the rows.
private func show(_ value: Value?) -> String {
    switch value {
    case nil: "-"
    case .string(let bytes)?: "'" + String(decoding: bytes, as: UTF8.self) + "'"
    case .number(let number)?: "\(number)"
    case .integer(let integer)?: "\(integer)"
    case .u64(let integer)?: "\(integer)u"
    case .boolean(let truth)?: "\(truth)"
    }
}

private func request(_ text: String) -> ColumnRequest {
    let words = text.split(separator: " ")
    let type = words.count > 1 ? ColumnType.allCases.first { "\($0.name)" == words[1] } : nil
    return ColumnRequest(name(String(words[0])), type)
}

private func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch TableError.data(let bytes) {
        return String(decoding: bytes, as: UTF8.self)
    } catch { return "\(error)" }
}

/// The columns and rows of JSON lines.
private func read(
    _ text: String, _ columns: [String]? = nil, bad: BadValues = .error, nulls: [[UInt8]] = [[]]
) throws -> (columns: [String], rows: [String]) {
    let sample = try JSONSample(text)
    let source = try JSONLinesSource([sample.file], columns?.map(request), nulls: nulls, bad: bad, .plain)
    return (
        source.columns.map { String(decoding: $0.name, as: UTF8.self) + " \($0.type.name)" },
        try Table(source).values().map { $0.map(show).joined(separator: " ") }
    )
}

@Suite("JSON lines")
struct JSONLinesTests {
    @Test("Columns and types come from the first rows; nested objects are paths, arrays their text")
    func inferred() throws {
        let table = try read(
            """
            {"id": 1, "http": {"status": 200, "path": "/a", "ok": true}, "tags": ["x", 1], "x": 1.5, "n": null}

            {"id": 2, "x": 2, "http": {"status": 404, "extra": {"deep": "d\\u00e9"}}, "when": "2024-01-02T03:04:05Z"}\r
               \t
            {"id": 3, "big": 18446744073709551615, "huge": 123456789012345678901, "mixed": "a", "empty": {}}
            {"mixed": 5, "when": null}
            """)
        #expect(
            table.columns == [
                "id integer", "http.status integer", "http.path string", "http.ok boolean",
                "http.extra.deep string",
                "tags string", "x number", "n string", "when time", "big u64", "huge number", "mixed string",
                "empty string",
            ])
        #expect(
            table.rows == [
                "1 200 '/a' true - '[\"x\", 1]' 1.5 - - - - - -",
                "2 404 - - 'dé' - 2.0 - 1704164645.0 - - - -",
                "3 - - - - - - - - 18446744073709551615u 1.2345678901234568e+20 'a' '{}'",
                "- - - - - - - - - - - '5' -",
            ])
    }

    @Test("A path is the longest key that is there, and of equal keys the last counts")
    func paths() throws {
        let columns = ["a.b.c string"]
        for (row, value) in [
            ("{\"a\":{\"b\":{\"c\":1}}}", "'1'"), ("{\"a\":{\"b.c\":2}}", "'2'"),
            ("{\"a.b\":{\"c\":3}}", "'3'"),
            ("{\"a.b.c\":4}", "'4'"), ("{\"a.b.c\":4,\"a\":{\"b.c\":2},\"a.b\":{\"c\":3}}", "'4'"),
            ("{\"a\":{\"b.c\":2,\"b\":{\"c\":1}},\"a.b\":{\"c\":3}}", "'3'"),
            ("{\"a\":{\"b\":{\"c\":1},\"b.c\":2}}", "'2'"), ("{\"a.b.c\":null,\"a\":{\"b.c\":2}}", "-"),
            ("{\"a\":{\"b\":5}}", "-"), ("{\"a\":[{\"b.c\":1}]}", "-"),
            ("{\"a\":{\"b\":{\"c\":1}},\"a\":{\"x\":2}}", "-"),
            ("{\"a\":{\"b\":{\"c\":1}},\"a\":5}", "-"), ("{\"a\":{\"b\":{\"c\":1},\"b\":{\"c\":7}}}", "'7'"),
            ("{\"a\":{\"b\":{\"c\":1},\"b\":{}}}", "-"), ("{\"a\":{\"b\":{\"c\":1,\"c\":2}}}", "'2'"),
            ("{\"\\u0061\":{\"b\":{\"\\u0063\":8}}}", "'8'"),
            ("{\"a.b.c\":4,\"a\":{\"b.c\":2},\"a\":1}", "'4'"),
        ] {
            // Between other rows, since the order of keys is remembered.
            let table = try read(
                "{\"a\":{\"b\":{\"c\":0}}}\n\(row)\n{\"a\":{\"b\":{\"c\":0}}}\n\(row)", columns)
            #expect(table.rows == ["'0'", value, "'0'", value], "\(row)")
        }
        let many = try read(
            "{\"a\":1,\"a.b\":2,\"c\":{\"d\":3},\"c.d\":4,\"\":5,\".\":6,\"e\":{\"\":7}}", nil)
        #expect(
            many.columns == [
                "a integer", "a.b integer", "c.d integer", " integer", ". integer", "e. integer",
            ])
        #expect(many.rows == ["1 2 4 5 6 7"])
    }

    @Test("Many columns, with keys of equal lengths and in another order in each row")
    func manyColumns() throws {
        var random = Generator(state: 5)
        let keys = (0..<300).map { "key\($0 % 3 == 0 ? "" : "x")\(100 + $0)" }
        var (text, expected) = ("", [String]())
        for row in 0..<50 {
            var values = [Int?](repeating: nil, count: 300)
            let order = Array(0..<300).shuffled(using: &random).prefix(Int(random.next() % 300))
            text += "{\"other\":0," + order.map { "\"\(keys[$0])\":\($0 * row)" }.joined(separator: ",")
            text += (order.isEmpty ? "" : ",") + "\"last\":[]}\n"
            for i in order { values[i] = i * row }
            expected.append(values.map { $0.map { "\($0)" } ?? "-" }.joined(separator: " "))
        }
        #expect(try read(text, keys.map { $0 + " integer" }).rows == expected)
    }

    @Test("Keys of all lengths, in the same order or another, with escapes, twice, and at several depths")
    func keys() throws {
        var random = Generator(state: 7)
        let all = (0..<40).map { String(repeating: "k", count: $0 % 20) + ["", "a"][$0 / 20] + "\($0)" }
        let keys = all + ["q\\\"uote", "\\u006b\\u006b7"]
        let inner = [all[0], all[9], all[17], all[30], "none"]
        // "kk7" is a key with escapes too.
        let columns =
            all.filter { $0.count % 3 != 1 && $0 != all[5] } + ["kk7"] + inner.map { all[5] + "." + $0 }
        var (text, expected) = ("", [String]())
        var order = Array(keys.indices)
        for row in 0..<300 {
            // In most rows the same keys in the same order.
            if random.next() % 4 == 0 { order = Array(keys.indices).shuffled(using: &random) }
            var values: [String: Int] = [:]
            var parts: [String] = []
            for key in order where random.next() % 16 != 0 {
                let value = row * 100 + key
                if key == 5 {
                    // The object may come twice: the last one counts.
                    for _ in 0...Int(random.next() % 2) {
                        for name in inner { values[all[5] + "." + name] = nil }
                        var own: [String] = []
                        for name in inner where random.next() % 4 != 0 {
                            values[all[5] + "." + name] = value + own.count
                            own.append("\"\(name)\": \(value + own.count)")
                        }
                        parts.append("\"\(all[5])\":{\(own.joined(separator: " , "))}")
                    }
                    values[all[5]] = nil
                } else if key % 7 == 3 {
                    // Where it is no column's.
                    parts.append("\"\(keys[key])\":\(value)")
                    parts.append("\"x\(keys[key])\":[{\"\(all[5])\":{\"none\":1}}, [], \"\\\\\", {}]")
                    values[keys[key] == "\\u006b\\u006b7" ? "kk7" : keys[key]] = value
                } else {
                    parts.append("\"\(keys[key])\":\(value)")
                    values[keys[key] == "\\u006b\\u006b7" ? "kk7" : keys[key]] = value
                }
            }
            text += "{" + parts.joined(separator: ",") + "}\n"
            expected.append(columns.map { values[$0].map { "\($0)" } ?? "-" }.joined(separator: " "))
        }
        let rows = try read(text, columns.map { $0 + " integer" }).rows
        #expect(rows.count == expected.count)
        for (row, wanted) in zip(rows, expected) { #expect(row == wanted) }
    }

    @Test("Values that do not fit are errors, nulls, or rows that are left out")
    func misfits() throws {
        for (type, value, shown, advice) in [
            ("integer", "\"5\"", "a string, \"5\"", "string"), ("integer", "1.5", "a number, 1.5", "number"),
            ("integer", "9223372036854775808", "a number, 9223372036854775808", "number"),
            ("u64", "-1", "a number, -1", "number"),
            ("u64", "18446744073709551616", "a number, 18446744073709551616", "number"),
            ("number", "true", "a boolean, true", "string"), ("number", "[1]", "an array, [1]", "string"),
            ("number", "{\"b\": 1}", "an object, {\"b\": 1}", "string"),
            ("number", "1e400", "a number, 1e400", "string"),
            (
                "number", String(repeating: "1", count: 400),
                "a number, " + String(repeating: "1", count: 40) + "...", "string"
            ),
            ("boolean", "0", "a number, 0", "number"),
            ("boolean", "\"true\"", "a string, \"true\"", "string"),
            ("time", "\"soon\"", "a string, \"soon\"", "string"),
            ("time", "1700000000", "a number, 1700000000", "number"),
            ("time", "\"so\\u006fn\"", "a string, \"so\\u006fn\"", "string"),
        ] {
            let good =
                [
                    "integer": "7", "u64": "7", "number": "7", "boolean": "true",
                    "time": "\"1970-01-01T00:00:07Z\"",
                ][type] ?? ""
            let goodShown =
                ["integer": "7", "u64": "7u", "number": "7.0", "boolean": "true", "time": "7.0"][type] ?? ""
            let text = "{\"a\":\(good)}\n\n{\"x\":1, \"a\":\(value)}\n{\"a\":null}\n{}\n{\"a\":\(good)}\n"
            let place = text.utf8.count - "\(value)}\n{\"a\":null}\n{}\n{\"a\":\(good)}\n".utf8.count
            let problem = message { _ = try read(text, ["a \(type)"]) }
            #expect(
                problem
                    == "buffer: line 3, offset \(place), column 'a' is \(type), and here is \(shown); write \"a \(advice)\", or bad = \"nil\" or \"skip\""
            )
            #expect(try read(text, ["a \(type)"], bad: .null).rows == [goodShown, "-", "-", "-", goodShown])
            #expect(try read(text, ["a \(type)"], bad: .skip).rows == [goodShown, "-", "-", goodShown])
            // Where the column is not read the row fits.
            #expect(try read(text, ["x integer"]).rows == ["-", "1", "-", "-", "-"])
        }
    }

    @Test("A column of strings takes any value, and the words for null are not among its strings")
    func strings() throws {
        let text = """
            {"a":"s"} \n{"a":""}\n{"a":"NA"}\n{"a":1.50}\n{"a":[1, {"b":"\\u0041"}]}\n{"a":{"b":null}}\n{"a":true}\n{"a":null}
            """
        let expected = [
            "'s'", "''", "'NA'", "'1.50'", "'[1, {\"b\":\"\\u0041\"}]'", "'{\"b\":null}'", "'true'", "-",
        ]
        #expect(try read(text, ["a string"], nulls: [[], name("NA")]).rows == expected)
        let numbers = "{\"a\":1}\n{\"a\":\"NA\"}\n{\"a\":\"\"}\n{\"a\":-9}\n"
        #expect(
            try read(numbers, ["a number"], nulls: [[], name("NA"), name("-9")]).rows == [
                "1.0", "-", "-", "-",
            ])
        #expect(
            message { _ = try read(numbers, ["a number"]) }.contains(
                "line 2, offset 13, column 'a' is number"))
    }

    @Test("A line that is no JSON object names file, line and offset, and the rows before it are read")
    func badLines() throws {
        for (line, problem, offset) in [
            ("{\"a\":1", "the text ends before the value does", 6),
            ("{\"a\":", "the text ends before the value does", 5),
            ("{\"a\":\"x", "a string is not closed", 5), ("{\"a\":1}}", "a second value", 7),
            ("{\"a\":1} {\"a\":2}", "a second value", 8),
            ("[1]", "JSON lines have an object in each line", 0), ("12", "JSON lines have an object", 0),
            ("a,b", "no value begins", 0),
            ("{\"a\":1e}", "no JSON number", 5), ("{\"a\":\"\\q\"}", "an unknown escape", 6),
            ("{\"a\":\"\u{1}\"}", "a control character", 6),
            (
                String(repeating: "[", count: 10_000), "arrays and objects are nested more than 1024 levels",
                1024
            ),
            (
                "{\"a\":" + String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
                    + "}", "arrays and objects are nested more than 1024 levels", 1028
            ),
            ("{\"b\":[1,2}", "',' or ']' is missing", 9), ("}", "no value begins", 0),
            ("\"", "a string is not closed", 0),
        ] {
            for before in [0, 1, 3, 2048, 3000] {
                let good = (0..<before).map { "{\"a\":\($0)}\n" }.joined()
                let text = good + "\n" + line + "\n{\"a\":-1}\n{\"a\":-2}"
                let sample = try JSONSample(text)
                let source = try JSONLinesSource([sample.file], [request("a integer")], .plain)
                let stream = try source.open(.plain, wanted: [true], filters: [])
                var seen = 0
                let failure = message {
                    while let piece = try stream.pull() {
                        while let batch = try piece.cursor.pull() { seen += batch.count }
                    }
                }
                let place = good.utf8.count + 1 + offset
                #expect(
                    failure.hasPrefix("buffer: line \(before + 2), offset \(place), \(problem)"), "\(failure)"
                )
                #expect(seen == before)
                let rows = (0..<before).map { "\($0)" }
                #expect(try read(text, ["a integer"], bad: .skip).rows == rows + ["-1", "-2"])
                #expect(try read(text, ["a integer"], bad: .null).rows == rows + ["-", "-1", "-2"])
            }
        }
        var bytes = Array("{\"a\":1}\n{\"a\":\"".utf8)
        bytes += [0xFF] + Array("\"}\n{\"a\":2}".utf8)
        let sample = try JSONSample(bytes)
        let source = try JSONLinesSource([sample.file], [request("a string")], .plain)
        #expect(message { _ = try Table(source).values() }.hasPrefix("buffer: line 2, offset 14, no UTF-8"))
    }

    @Test("Rows that are left out are counted, each once, and anew for each run")
    func skipped() throws {
        let text =
            "{\"a\":1,\"b\":1}\n{\"a\":\"x\",\"b\":\"x\"}\nno\n[]\n{\"a\":2,\"b\":\"x\"}\n{\"a\":3,\"b\":3}\n"
        let sample = try JSONSample(text)
        let columns = [request("a integer"), request("b integer")]
        let source = try JSONLinesSource([sample.file], columns, bad: .skip, .plain)
        for _ in 0..<2 {
            #expect(try Table(source).values().map { $0.map(show) } == [["1", "1"], ["3", "3"]])
            #expect(source.skipped == 4)
        }
        let filtered = Table(source).filtered(Predicate(column: 0, .compare(.greater, .integer(1))))
        #expect(try filtered.values().map { $0.map(show) } == [["3", "3"]])
        #expect(source.skipped == 4)
    }

    @Test("Columns that are not asked for are not there, and filters leave out what a slow reading does")
    func filters() throws {
        var random = Generator(state: 99)
        var (text, rows) = ("", [(Int?, String?, Bool?)]())
        for _ in 0..<9000 {
            let row = (
                random.next() % 5 == 0 ? nil : Int(random.next() % 10),
                random.next() % 5 == 0 ? nil : "s\(random.next() % 4)\\\"",
                random.next() % 5 == 0 ? nil : random.next() % 2 == 0
            )
            var parts: [String] = []
            if let value = row.0 { parts.append("\"a\":{\"i\":\(value)}") }
            if let value = row.1 { parts.append("\"s\":\"\(value)\"") }
            if let value = row.2 { parts.append("\"b\":\(value)") }
            text += "{" + parts.shuffled(using: &random).joined(separator: ",") + "}\n"
            rows.append(row)
        }
        let sample = try JSONSample(text)
        let source = try JSONLinesSource(
            [sample.file], ["a.i integer", "s string", "b boolean"].map(request), .plain)
        let ones = try ValueSet(.integer) { (insert) throws(TableError) in
            for value in [1, 7] as [Int64] { try insert(.integer(value)) }
        }
        let predicates = [
            Predicate(column: 0, .compare(.greaterOrEqual, .integer(4))),
            Predicate(column: 1, .compare(.equal, .string(name("s1\"")))),
            Predicate(column: 2, .isNull), Predicate(column: 2, .compare(.equal, .boolean(true))),
            Predicate(column: 0, .among(ones)),
        ]
        let passes: [((Int?, String?, Bool?)) -> Bool] = [
            { $0.0.map { $0 >= 4 } ?? false }, { $0.1 == "s1\\\"" }, { $0.2 == nil }, { $0.2 == true },
            { $0.0 == 1 || $0.0 == 7 },
        ]
        for chosen in 0..<32 {
            let used = (0..<5).filter { chosen & 1 << $0 != 0 }
            for wanted in [[true, true, true], [false, true, false], [false, false, false]] {
                let stream = try source.open(.plain, wanted: wanted, filters: used.map { predicates[$0] })
                let expected = rows.filter { row in used.allSatisfy { passes[$0](row) } }
                var found = 0
                while let piece = try stream.pull() {
                    while let batch = try piece.cursor.pull() {
                        #expect(batch.vectors.map { $0 != nil } == wanted)
                        for row in 0..<batch.count {
                            let expected = expected[found + row]
                            if let vector = batch.vectors[1] {
                                let text =
                                    vector.isNull(row)
                                    ? nil : String(decoding: vector.texts[row].buffer, as: UTF8.self)
                                if text != expected.1?.replacing("\\\"", with: "\"") {
                                    Issue.record("row \(found + row)")
                                }
                            }
                            if let vector = batch.vectors[0] {
                                let value = vector.isNull(row) ? nil : Int(vector.integers[row])
                                if value != expected.0 { Issue.record("row \(found + row)") }
                            }
                        }
                        found += batch.count
                    }
                }
                #expect(found == expected.count)
            }
        }
    }

    @Test("Long rows, rows of all lengths around a window, and a last row without a newline")
    func longRows() throws {
        var (text, expected) = ("", [String]())
        for length in [
            10 << 20, 0, 64 << 10, (64 << 10) - 9, 512 << 10, (512 << 10) - 11, 5 << 20, 1, 700_000, 3,
        ] {
            text += "{\"a\":\"" + String(repeating: "é", count: length / 2) + "\",\"b\":\(length)}\n"
            expected.append("\(length) \(length / 2)")
        }
        for text in [text, String(text.dropLast())] {
            let sample = try JSONSample(text, inFile: true)
            let source = try JSONLinesSource([sample.file], nil, .plain)
            let rows = try Table(source).values().map { row -> String in
                guard case .string(let bytes)? = row[0] else { return "" }
                return show(row[1]) + " \(bytes.count / 2)"
            }
            #expect(rows == expected)
        }
    }

    @Test("Pieces are all rows, each once, and several files are one table")
    func pieces() throws {
        let lines = (0..<20_000).map { "{\"a\":\($0),\"s\":\"\(String(repeating: "x", count: $0 % 37))\"}\n" }
        let first = try JSONSample(lines.prefix(7000).joined(), inFile: true)
        let second = try JSONSample("\u{FEFF}" + lines.dropFirst(7000).joined())
        let nothing = try JSONSample("")
        let files = [first.file, nothing.file, second.file]
        let whole = try JSONLinesSource(files, [request("a integer")], .plain)
        let all = try Table(whole).values().map { $0.map(show).joined() }
        #expect(all == (0..<20_000).map { "\($0)" })
        for n in [1, 2, 3, 7, 50] {
            var rows: [String] = []
            for k in 1...n {
                rows += try Table(try whole.piece(k, of: n)).values().map { $0.map(show).joined() }
            }
            #expect(rows == all)
        }
    }

    @Test("What making a table says of files that are none, and of columns that are not there")
    func making() throws {
        #expect(
            message { _ = try read("a,b\n1,2\n") }.hasPrefix(
                "buffer: line 1, offset 0, no value begins with this byte"))
        #expect(
            message { _ = try read("[\n{\"a\":1}\n") }.hasPrefix("buffer: line 1, offset 1, the text ends"))
        #expect(
            message { _ = try read("{\"a\":1,\"b\":{\"c\":2}}\n", ["a", "b.d"]) }
                == "columns: 'b.d' is in none of the first 1 rows; give its type, as in \"b.d string\", or one of these: a, b.c"
        )
        #expect(
            message { _ = try read("{\"a\":1}\n", ["a integer", "a string"]) }.contains("two columns 'a'"))
        let keys = (0..<5000).map { "\"k\($0)\":1" }.joined(separator: ",")
        #expect(message { _ = try read("{\(keys)}\n") }.contains("more than 4096 keys"))
        #expect(try read("").columns == [] && read("\n \n").rows == [])
        #expect(try read("{}\n{}\n", ["a integer"]).rows == ["-", "-"])
        #expect(try read("{\"a\":1,\"b\":\"2024-05-06\"}", ["b", "a"]).columns == ["b time", "a integer"])
    }

    @Test("A file that is cut short meanwhile is an error")
    func cutShort() throws {
        let sample = try JSONSample((0..<200_000).map { "{\"a\":\($0)}\n" }.joined(), inFile: true)
        let source = try JSONLinesSource([sample.file], nil, .plain)
        let stream = try source.open(.plain, wanted: [true], filters: [])
        let piece = try #require(try stream.pull())
        _ = try piece.cursor.pull()
        #expect(truncate(String(decoding: sample.file.path ?? [], as: UTF8.self), 100) == 0)
        #expect(throws: TableError.self) { while let _ = try piece.cursor.pull() {} }
    }
}
