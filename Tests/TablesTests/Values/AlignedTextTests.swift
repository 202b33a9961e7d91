import Testing

@testable import Tables

@Suite("Rows for people")
struct AlignedTextTests {
    private func text(
        _ columns: [(String, ColumnType)], _ rows: [[Value?]], width: Int? = nil, isUnicode: Bool = true,
        total: Int? = nil, hasMore: Bool = false
    ) throws -> String {
        let columns = columns.map { Column(Array($0.0.utf8), $0.1) }
        let source = RowsSource(columns, rows, pieceSize: 1000, batchSize: 1000)
        let stream = try source.open(.plain, wanted: columns.map { _ in true }, filters: [])
        let piece = try stream.pull()
        let batch = try piece?.cursor.pull()
        let empty = Batch(columns: columns.count)
        if batch == nil {
            for (i, column) in columns.enumerated() { empty.vectors[i] = try empty.room(i, column.type) }
        }
        let aligned = AlignedText(columns, width: width, isUnicode: isUnicode)
        return String(
            decoding: try aligned.bytes(batch ?? empty, total: total, hasMore: hasMore), as: UTF8.self)
    }

    private func value(_ string: String) -> Value { .string(Array(string.utf8)) }

    @Test("Numbers are aligned at the decimal point, strings at the left")
    func alignment() throws {
        #expect(
            try text(
                [("city", .string), ("temp", .number), ("n", .integer), ("ok", .boolean), ("day", .time)],
                [
                    [value("Hamburg"), .number(12), .integer(5), .boolean(true), .number(0)],
                    [value("Bulawayo"), .number(-8.925), .integer(-1234), .boolean(false), .number(86400.5)],
                    [nil, nil, nil, nil, nil],
                    [value("x"), .number(1e20), .integer(0), .boolean(true), .number(1)],
                ], total: 4) == """
                    city        temp        n  ok       day
                    string    number  integer  boolean  time
                    Hamburg   12.0          5  true     1970-01-01T00:00:00Z
                    Bulawayo  -8.925    -1234  false    1970-01-02T00:00:00.500Z
                    null        null     null  null     null
                    x          1e+20        0  true     1970-01-01T00:00:01Z
                    4 rows
                    """)
    }

    @Test("Strings that look like null, or like nothing, are in quotes")
    func quotes() throws {
        let found = try text(
            [("a", .string)],
            [
                [nil], [value("null")], [value("")], [value(" x")], [value("x ")], [value("\"null\"")],
                [value("nulls")],
            ])
        #expect(
            found.split(separator: "\n", omittingEmptySubsequences: false).dropFirst(2).map(String.init)
                == ["null", "\"null\"", "\"\"", "\" x\"", "\"x \"", "\"\"null\"\"", "nulls", "7 rows"])
    }

    @Test("The number of rows, where it is known")
    func footer() throws {
        let rows: [[Value?]] = [[.integer(1)], [.integer(2)]]
        func last(_ total: Int?, _ hasMore: Bool = false, _ isUnicode: Bool = true) throws -> String {
            let lines = try text(
                [("a", .integer)], rows, isUnicode: isUnicode, total: total, hasMore: hasMore)
            return lines.split(separator: "\n").last.map(String.init) ?? ""
        }
        #expect(try last(2) == "2 rows")
        #expect(try last(nil) == "2 rows")
        #expect(try last(nil, true) == "… more rows")
        #expect(try last(1000, true) == "… 998 more, 1000 rows in all")
        #expect(try last(3, true, false) == "... 1 more, 3 rows in all")
        #expect(try text([("a", .integer)], [], total: 0) == "      a\ninteger\n0 rows")
        #expect(try text([("a", .string)], [[value("x")]], total: 1) == "a\nstring\nx\n1 row")
        #expect(try text([], [], total: 0) == "0 rows")
    }

    @Test("Controls and what is no UTF-8 are shown as codes")
    func unsafe() throws {
        let strings: [[UInt8]] = [
            [27, 91, 51, 49, 109], [10], [0], [0xff, 97], [0xc3], [127], Array("é\u{85}".utf8),
        ]
        let lines = try text([("a\u{1b}", .string)], strings.map { [.string($0)] })
            .split(separator: "\n").map(String.init)
        #expect(
            lines == [
                "a\\x1b", "string", "\\x1b[31m", "\\x0a", "\\x00", "\\xffa", "\\xc3", "\\x7f", "é\\xc2\\x85",
                "7 rows",
            ])
    }

    @Test("Wide characters and accents take the columns of a terminal")
    func wide() throws {
        #expect(
            try text(
                [("城市", .string), ("b", .string)],
                [[value("東京"), value("x")], [value("e\u{301}"), value("y")], [value("plain"), value("z")]])
                    == """
                    城市    b
                    string  string
                    東京    x
                    é       y
                    plain   z
                    3 rows
                    """)
    }

    /// Columns of a text in which only these characters are wide.
    private func columns(_ line: some StringProtocol) -> Int {
        line.unicodeScalars.reduce(0) { $0 + ($1 == "東" || $1 == "京" ? 2 : 1) }
    }

    @Test("No line is wider than the terminal; numbers are not cut", arguments: [true, false])
    func widths(_ isUnicode: Bool) throws {
        let long = String(repeating: "東京ab", count: 20)
        let names: [(String, ColumnType)] = [
            ("a long name of a column of strings", .string), ("n", .number), ("another long name", .integer),
            ("s", .string),
            ("t", .time),
        ]
        let rows: [[Value?]] = [
            [value(long), .number(123_456.789), .integer(42), value("short"), .number(0)],
            [value("x"), .number(-1), .integer(.min), value(long), nil],
        ]
        for width in 20...160 {
            let lines = try text(names, rows, width: width, isUnicode: isUnicode, total: 2).split(
                separator: "\n")
            for line in lines { #expect(columns(line) <= width, "\(width): \(line)") }
            let dots = isUnicode ? "…" : "..."
            #expect(lines[2].contains(dots))
            if !isUnicode { #expect(lines.allSatisfy { !$0.contains("…") }) }
            if width >= 30 { #expect(lines[2].contains("123456.789"), "\(width)") }
            if width >= 60 { #expect(lines[3].contains("-9223372036854775808")) }
            // All columns are there, or those that are not are named.
            let isComplete = lines[0].contains("  t")
            #expect(isComplete || lines[lines.count - 1].hasPrefix("\(dots) "), "\(width)")
        }
        let whole = try text(names, rows, total: 2).split(separator: "\n")
        #expect(whole[2].hasPrefix(long + " "))
    }

    @Test("Columns that do not fit are named")
    func missing() throws {
        let names = (1...12).map { ("column\($0)", ColumnType.integer) }
        let rows: [[Value?]] = [names.indices.map { .integer(Int64($0) * 1_000_000) }]
        let lines = try text(names, rows, width: 60, total: 1).split(separator: "\n").map(String.init)
        #expect(lines[3] == "1 row")
        #expect(lines[4].hasPrefix("… 6 more columns: column7, column8"))
        #expect(lines[4].hasSuffix("…"))
    }
}
