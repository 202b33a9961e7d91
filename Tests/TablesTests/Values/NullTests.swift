import Testing

@testable import Tables

@Suite("Nulls and bad values of tables")
struct NullTests {
    private func bytes(_ strings: [String]) -> [[UInt8]] { strings.map { Array($0.utf8) } }

    @Test("Null texts, also such that look like values, under each type")
    func nulls() throws {
        let samples: [(ColumnType, [String], [String])] = [
            (.number, ["1", "", "NA", "-999", "2.5", "-", "-99", "7"], ["", "NA", "-999", "-"]),
            (.integer, ["1", "", "N/A", "0", "2"], ["", "N/A", "0"]),
            (.u64, ["1", "0", ""], ["", "0"]),
            (.boolean, ["true", "false", "", "FALSE"], ["", "false"]),
            (.time, ["2024-01-01", "0000-00-00", ""], ["", "0000-00-00"]),
            (.string, ["a", "", "NULL", "b", "NULLs"], ["", "NULL"]),
        ]
        for (type, strings, list) in samples {
            let parsed = try Parsed(ValueParser(column(type), nulls: bytes(list)), Texts(strings))
            #expect(parsed.bad == nil, "\(type.name)")
            for (i, string) in strings.enumerated() {
                #expect(parsed.vector.isNull(i) == list.contains(string), "\(type.name) \(string)")
                guard list.contains(string) else { continue }
                if type == .string {
                    #expect(parsed.vector.texts[i].count == 0)
                } else {
                    #expect(parsed.vector.words[i] == 0)
                }
            }
        }
    }

    @Test("A null text that is a time by the format")
    func names() throws {
        let parser = try ValueParser(column(.time, "%b"), nulls: bytes(["Jan"]))
        #expect(try Parsed(parser, Texts(["Feb", "Jan", "jan"])).nulls(3) == [false, true, false])
    }

    @Test("Without nulls there are no marks; without null texts the empty text is bad")
    func none() throws {
        #expect(try Parsed(ValueParser(column(.integer)), Texts(["1", "2"])).vector.nulls == nil)
        #expect(try Parsed(ValueParser(column(.string)), Texts(["1", "2"])).vector.nulls == nil)
        #expect(try Parsed(ValueParser(column(.integer), nulls: []), Texts(["1", ""])).bad == 1)
        let strings = try Parsed(ValueParser(column(.string), nulls: []), Texts(["1", ""]))
        #expect(strings.bad == nil && strings.vector.nulls == nil)
    }

    @Test("A string in quotes is not null; a number in quotes may be")
    func quoted() throws {
        let texts = try Texts(["", "", "NA", "NA"])
        let list = bytes(["", "NA"])
        let strings = try Parsed(ValueParser(column(.string), nulls: list), texts, quoted: [0, 1, 1, 0])
        #expect(strings.nulls(4) == [true, false, false, true])
        #expect(strings.vector.texts[2].count == 2 && strings.vector.texts[3].count == 0)
        let numbers = try Parsed(ValueParser(column(.number), nulls: list), texts, quoted: [0, 1, 1, 0])
        #expect(numbers.nulls(4) == [true, true, true, true])
    }

    @Test("Strings are parsed in their own vector too")
    func own() throws {
        let texts = try Texts(["a", "", "NA", "b"])
        let batch = Batch(columns: 1)
        var vector = try batch.room(0, .string)
        for (i, text) in texts.list.enumerated() { vector.texts[i] = text }
        let parser = try ValueParser(column(.string), nulls: bytes(["NA"]))
        #expect(try parser.parse(vector.texts, count: 4, into: &vector) == nil)
        #expect((0..<4).map { vector.isNull($0) } == [false, false, true, false])
        withExtendedLifetime((texts, batch)) { #expect(vector.texts[3].start[0] == UInt8(ascii: "b")) }
    }

    @Test("Bad values are errors, null, or skipped, at every place of a batch")
    func bad() throws {
        for type in [ColumnType.number, .integer, .u64, .boolean, .time] {
            let good = type == .boolean ? "true" : type == .time ? "2024-02-29" : "12"
            for place in 0..<9 {
                var strings = [String](repeating: good, count: 9)
                strings[place] = "x"
                strings[(place + 3) % 9] = ""
                let texts = try Texts(strings)
                #expect(try Parsed(ValueParser(column(type)), texts).bad == place)
                let null = try Parsed(ValueParser(column(type), bad: .null), texts)
                let skip = try Parsed(ValueParser(column(type), bad: .skip), texts)
                #expect(null.bad == nil && skip.bad == nil)
                let expected = strings.map { $0 != good }
                #expect(null.nulls(9) == expected && skip.nulls(9) == expected)
                #expect(null.skipped == [UInt8](repeating: 0, count: 9))
                #expect(skip.skipped == strings.map { $0 == "x" ? 1 : 0 })
            }
        }
    }

    @Test(
        "Booleans",
        arguments: [
            ("true", true), ("false", false), ("TRUE", true), ("False", false), (" true ", true), ("1", nil),
            ("0", nil),
            ("yes", nil), ("truee", nil), ("tru", nil), ("t", nil), ("fals", nil), ("true false", nil),
        ] as [(String, Bool?)])
    func booleans(_ text: String, _ expected: Bool?) throws {
        #expect(try value(text, ValueParser(column(.boolean))).map { $0 == 1 } == expected)
    }

    @Test("A complaint says what to write")
    func complaints() throws {
        func complaint(_ type: ColumnType, _ text: String, _ format: String? = nil) throws -> String {
            let parser = try ValueParser(column(type, format))
            var message = ""
            try Texts([text]).forEach { message = String(decoding: try parser.complaint($0), as: UTF8.self) }
            return message
        }
        #expect(
            try complaint(.integer, "1.5")
                == "column 'c': '1.5' is not an integer (give the column the type 'number', or use bad = \"nil\" or \"skip\")"
        )
        #expect(
            try complaint(.number, "abc").contains("'abc' is not a number (give the column the type 'string'")
        )
        #expect(try complaint(.u64, "-1").contains("'-1' is not a u64"))
        #expect(try complaint(.boolean, "1").contains("is not a boolean, true or false"))
        #expect(try complaint(.time, "x").contains("is not a time in ISO 8601"))
        #expect(try complaint(.time, "x", "%d/%m").contains("is not a time of the format '%d/%m'"))
        let long = String(repeating: "y", count: 300)
        #expect(try complaint(.number, long).contains("'\(long.prefix(40))...' is not"))
    }

    @Test("Values before a bad one are not null, unless they are")
    func beforeBadValues() throws {
        for first in ["7", ""] {
            let parsed = try Parsed(ValueParser(column(.integer)), Texts([first, "8", "x"]))
            #expect(parsed.bad == 2)
            #expect(parsed.nulls(2) == [first == "", false])
        }
    }
}
