import Glibc
import Testing

@testable import Tables

@Suite("Rows as CSV, TSV, and JSON lines")
struct RowTextTests {
    private func columns(_ types: [(String, ColumnType)]) -> [Column] {
        types.map { Column(Array($0.0.utf8), $0.1) }
    }

    /// The text of rows, header first.
    private func text(_ format: RowText.Format, _ columns: [Column], _ rows: [[Value?]]) throws -> [UInt8] {
        let text = try RowText(format, columns)
        var list = try List<UInt8>(capacity: 1)
        try text.appendHeader(to: &list)
        let source = RowsSource(columns, rows, pieceSize: 100, batchSize: 60)
        let stream = try source.open(.plain, wanted: columns.map { _ in true }, filters: [])
        while let piece = try stream.pull() {
            while let batch = try piece.cursor.pull() {
                if let misfit = try text.append(batch, to: &list) {
                    throw text.complaint(misfit, row: misfit.row)
                }
            }
        }
        return Array(UnsafeBufferPointer(start: list.base, count: list.count))
    }

    private func string(_ format: RowText.Format, _ columns: [Column], _ rows: [[Value?]]) throws -> String {
        String(decoding: try text(format, columns, rows), as: UTF8.self)
    }

    private func value(_ string: String) -> Value { .string(Array(string.utf8)) }

    /// Fields by RFC 4180; nil for an empty one without quotes.
    private func fields(_ text: [UInt8], _ separator: UInt8) -> [[[UInt8]?]] {
        var rows: [[[UInt8]?]] = []
        var (row, field, isQuoted, isOpen): ([[UInt8]?], [UInt8], Bool, Bool) = ([], [], false, false)
        var i = 0
        while i < text.count {
            let byte = text[i]
            if isOpen {
                if byte != 34 {
                    field.append(byte)
                } else if i + 1 < text.count, text[i + 1] == 34 {
                    field.append(34)
                    i += 1
                } else {
                    isOpen = false
                }
            } else if byte == 34 {
                if !field.isEmpty { Issue.record("a quote inside a field") }
                (isOpen, isQuoted) = (true, true)
            } else if byte == separator || byte == 10 {
                row.append(field.isEmpty && !isQuoted ? nil : field)
                (field, isQuoted) = ([], false)
                if byte == 10 {
                    rows.append(row)
                    row = []
                }
            } else {
                if isQuoted || byte == 13 { Issue.record("a byte after a quote, or a bare CR") }
                field.append(byte)
            }
            i += 1
        }
        if !row.isEmpty || !field.isEmpty || isOpen { Issue.record("an incomplete row") }
        return rows
    }

    @Test("Each type in each format")
    func types() throws {
        let columns = columns([
            ("s", .string), ("n", .number), ("i", .integer), ("u", .u64), ("b", .boolean), ("t", .time),
        ])
        let rows: [[Value?]] = [
            [value("a"), .number(1.5), .integer(-7), .u64(.max), .boolean(true), .number(1_704_164_645)],
            [nil, nil, nil, nil, nil, nil],
            [value(""), .number(.nan), .integer(.min), .u64(0), .boolean(false), .number(-0.5)],
            [value("x,y"), .number(-.infinity), .integer(0), .u64(1), .boolean(true), .number(.nan)],
        ]
        #expect(
            try string(.separated(by: 44), columns, rows) == """
                s,n,i,u,b,t
                a,1.5,-7,18446744073709551615,true,2024-01-02T03:04:05Z
                ,,,,,
                "",NaN,-9223372036854775808,0,false,1969-12-31T23:59:59.500Z
                "x,y",-inf,0,1,true,NaN

                """)
        #expect(
            try string(.separated(by: 9), columns, rows).hasPrefix(
                "s\tn\ti\tu\tb\tt\na\t1.5\t-7\t18446744073709551615\ttrue\t2024-01-02T03:04:05Z\n\t\t\t\t\t\n\"\"\tNaN"
            ))
        #expect(try string(.separated(by: 9), columns, rows).contains("\nx,y\t-inf"))
        #expect(
            try string(.jsonLines, columns, rows) == """
                {"s":"a","n":1.5,"i":-7,"u":18446744073709551615,"b":true,"t":"2024-01-02T03:04:05Z"}
                {"s":null,"n":null,"i":null,"u":null,"b":null,"t":null}
                {"s":"","n":null,"i":-9223372036854775808,"u":0,"b":false,"t":"1969-12-31T23:59:59.500Z"}
                {"s":"x,y","n":null,"i":0,"u":1,"b":true,"t":null}

                """)
    }

    @Test("No rows, and one column whose nulls are blank lines, as polars and DuckDB write and read them")
    func few() throws {
        #expect(try string(.separated(by: 44), columns([("a", .string), ("b", .integer)]), []) == "a,b\n")
        #expect(try string(.jsonLines, columns([("a", .string)]), []) == "")
        #expect(
            try string(.separated(by: 44), columns([("a", .string)]), [[nil], [value("")], [value("x")]])
                == "a\n\n\"\"\nx\n")
        #expect(
            try string(.separated(by: 44), columns([("a", .integer)]), [[nil], [.integer(1)]])
                == "a\n\n1\n")
    }

    @Test("Names that need quotes or escapes")
    func names() throws {
        let columns = columns([
            ("\u{feff}a", .integer), ("b\"c", .integer), ("", .integer), ("d,e\n", .integer),
        ])
        #expect(
            try string(.separated(by: 44), columns, [[.integer(1), nil, nil, nil]])
                == "\"\u{feff}a\",\"b\"\"c\",\"\",\"d,e\n\"\n1,,,\n")
        #expect(
            try string(.jsonLines, columns, [[.integer(1), nil, nil, nil]])
                == "{\"\u{feff}a\":1,\"b\\\"c\":null,\"\":null,\"d,e\\n\":null}\n")
    }

    /// Strings of all lengths to 40 with a special byte at each place, alone and in pairs, and long ones.
    private var strings: [[UInt8]] {
        var strings: [[UInt8]] = [[]]
        for length in 1...40 {
            let plain = (0..<length).map { UInt8(97 + $0 % 26) }
            strings.append(plain)
            for place in 0..<length {
                for byte in [44, 9, 34, 10, 13, 92, 0, 127, 31, 39, 59] as [UInt8] {
                    var text = plain
                    text[place] = byte
                    strings.append(text)
                    text[length - 1 - place] = 34
                    strings.append(text)
                }
            }
        }
        for length in [4095, 4096, 4097, 10_000] {
            strings.append([UInt8](repeating: 34, count: length))
            strings.append([UInt8](repeating: 120, count: length))
            strings.append([UInt8](repeating: 120, count: length) + [1])
        }
        for byte in UInt8.min...UInt8.max { strings.append([byte]) }
        return strings
    }

    @Test(
        "Strings with separators, quotes, and line ends read back equal", arguments: [44, 9, 59] as [UInt8])
    func separated(_ separator: UInt8) throws {
        let strings = strings
        let columns = columns([("a", .string), ("b", .string)])
        let rows: [[Value?]] = strings.enumerated().map {
            [$0.offset % 5 == 0 ? nil : .string($0.element), .string($0.element)]
        }
        let found = fields(try text(.separated(by: separator), columns, rows), separator)
        #expect(found.count == strings.count + 1)
        for (i, string) in strings.enumerated() {
            #expect(found[i + 1] == [i % 5 == 0 ? nil : string, string], "\(string)")
        }
    }

    /// The members of an object of strings, numbers and null, by RFC 8259.
    private func members(_ line: [Unicode.Scalar]) -> [String: String?] {
        var rest = line[...]
        func take(_ scalar: Unicode.Scalar) {
            if rest.popFirst() != scalar { Issue.record("\(scalar) expected in \(line)") }
        }
        func string() -> String {
            take("\"")
            var result = String.UnicodeScalarView()
            while let scalar = rest.popFirst(), scalar != "\"" {
                if scalar.value < 32 { Issue.record("a control character") }
                if scalar != "\\" {
                    result.append(scalar)
                    continue
                }
                let escape = rest.popFirst() ?? " "
                if escape == "u" {
                    let code = UInt32(rest.prefix(4).map { String($0) }.joined(), radix: 16)
                    result.append(code.flatMap { Unicode.Scalar($0) } ?? "?")
                    rest = rest.dropFirst(4)
                } else {
                    let plain: [Unicode.Scalar: Unicode.Scalar] = [
                        "n": "\n", "t": "\t", "r": "\r", "b": "\u{8}", "f": "\u{c}", "\"": "\"", "\\": "\\",
                    ]
                    result.append(plain[escape] ?? "?")
                }
            }
            return String(result)
        }
        var found: [String: String?] = [:]
        take("{")
        while true {
            let key = string()
            take(":")
            if rest.first == "\"" {
                found[key] = .some(string())
            } else {
                let word = rest.prefix { $0 != "," && $0 != "}" }
                rest = rest.dropFirst(word.count)
                found[key] =
                    word.elementsEqual("null".unicodeScalars)
                    ? .some(nil) : .some(word.map { String($0) }.joined())
            }
            if rest.first == "}" { break }
            take(",")
        }
        return found
    }

    @Test("Strings in JSON lines read back equal; one that is no UTF-8 is an error with its place")
    func json() throws {
        var strings = strings.filter { $0.count < 5000 }
        let bytes: [UInt8] = [
            0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1,
            0xf4, 0xf5, 0xff,
        ]
        var last: [[UInt8]] = [[]]
        for _ in 0..<3 {
            last = last.flatMap { text in bytes.map { text + [$0] } }
            strings += last
        }
        // The same with a long text before, and whole characters.
        strings += last.filter { $0[0] >= 0xf0 }.map { [UInt8](repeating: 120, count: 30) + $0 }
        for lead in [0xf0, 0xf4] as [UInt8] {
            for second in [0x8f, 0x90, 0xa0] as [UInt8] { strings.append([lead, second, 0x80, 0xbf, 0x41]) }
        }
        strings += ["grüße, 世界 😀 \u{ffff} \u{10ffff} é", "\u{2028}"].map { Array($0.utf8) }
        let all = columns([("k", .string)])
        let good = strings.filter { String(validating: $0, as: UTF8.self) != nil }
        #expect(good.count > 100 && good.count < strings.count - 1000)
        let found = try string(.jsonLines, all, good.map { [.string($0)] })
            .unicodeScalars.split(separator: "\n")
        #expect(found.count == good.count)
        for (line, string) in zip(found, good) {
            let read = members(Array(line))["k"] ?? nil
            if read.map({ Array($0.utf8) }) != string { Issue.record("\(string): \(String(line))") }
        }
        for string in strings where String(validating: string, as: UTF8.self) == nil {
            // The longest start that is UTF-8.
            var valid = 0
            for end in string.indices where String(validating: string[..<end], as: UTF8.self) != nil {
                valid = end
            }
            let rows: [[Value?]] = [[value("x")], [nil], [.string(string)], [.string(string)]]
            let error = try #require(throws: TableError.self) { try text(.jsonLines, all, rows) }
            let wanted = "column 'k', row 2: the string is no UTF-8 from its byte \(valid) on, and JSON is"
            guard case .data(let message) = error, message.starts(with: wanted.utf8) else {
                Issue.record("\(string), \(valid): \(error)")
                return
            }
        }
        #expect(throws: TableError.self) { try text(.jsonLines, [Column([0x61, 0xff], .string)], []) }
        // CSV has them all.
        #expect(throws: Never.self) { try text(.separated(by: 44), all, strings.map { [.string($0)] }) }
    }

    @Test("Random tables read back equal")
    func random() throws {
        var random = Random(state: 11)
        let columns = columns([("s", .string), ("n", .number), ("i", .integer), ("u", .u64), ("t", .time)])
        let letters = Array("abc,;\"\n\r\t\\ 0".utf8)
        func maybe(_ value: @autoclosure () -> Value) -> Value? {
            Int.random(in: 0...9, using: &random) == 0 ? nil : value()
        }
        var rows: [[Value?]] = []
        for _ in 0..<500 {
            let length = Int.random(in: 0...30, using: &random)
            let text = (0..<length).map { _ in letters[Int(random.next() % UInt64(letters.count))] }
            let number = Double(bitPattern: random.next())
            rows.append([
                maybe(.string(text)), maybe(.number(number.isFinite ? number : 1)),
                maybe(.integer(Int64(bitPattern: random.next() >> (random.next() % 64)))),
                maybe(.u64(random.next() >> (random.next() % 64))),
                maybe(.number(Double(Int.random(in: -10_000_000_000...10_000_000_000, using: &random)) / 4)),
            ])
        }
        let found = fields(try text(.separated(by: 44), columns, rows), 44).dropFirst()
        #expect(found.count == rows.count)
        for (row, read) in zip(rows, found) {
            for (index, value) in row.enumerated() {
                guard let value else {
                    #expect(read[index] == nil)
                    continue
                }
                if case .string(let bytes) = value {
                    #expect(read[index] == bytes)
                    continue
                }
                let parsed = try Parsed(ValueParser(columns[index]), Texts([read[index] ?? []]))
                #expect(parsed.bad == nil)
                switch value {
                case .number(let number): #expect(parsed.vector.doubles[0].bitPattern == number.bitPattern)
                case .integer(let integer): #expect(parsed.vector.integers[0] == integer)
                case .u64(let integer): #expect(parsed.vector.words[0] == integer)
                default: Issue.record("no such value")
                }
            }
        }
    }

    @Test("A long string")
    func large() throws {
        let string = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 % 89 == 0 ? 34 : 65 + $0 % 23) }
        let columns = columns([("s", .string), ("i", .integer)])
        let rows: [[Value?]] = [[.string(string), .integer(1)], [nil, .integer(2)]]
        let csv = try text(.separated(by: 44), columns, rows)
        let quotes = string.filter { $0 == 34 }.count
        #expect(csv.count == 4 + string.count + quotes + 2 + 3 + 3)
        #expect(Array(csv.suffix(7)) == Array("\",1\n,2\n".utf8))
        #expect(csv[5..<1000].elementsEqual(string.flatMap { $0 == 34 ? [34, 34] : [$0] }[0..<995]))
        let json = try text(.jsonLines, columns, rows)
        #expect(json.count == 6 + string.count + quotes + 1 + 7 + 1 + 16 + 1)
    }
}
