import Testing

@testable import Tables

@Suite("Types from values")
struct InferenceTests {
    @Test(
        "The narrowest type of all",
        arguments: [
            ([], .string), ([""], .string), (["", "1"], .integer), (["1", "-2", "+3", " 4 "], .integer),
            (["007"], .integer),
            (["9223372036854775807", "-9223372036854775808"], .integer), (["9223372036854775808"], .u64),
            (["9223372036854775808", "5"], .u64), (["18446744073709551615"], .u64),
            (["9223372036854775808", "-1"], .number),
            (["18446744073709551616"], .string), (["123456789012345678901234567890", "1"], .string),
            (["123456789012345678901234567890", "1.5"], .number), (["-9223372036854775809"], .number),
            (["1", "2.5"], .number),
            (["1e3"], .number), (["1E-3", "-.5", "5."], .number), (["0x10"], .string), (["1", "x"], .string),
            (["nan"], .string), (["NaN"], .string), (["inf", "-inf"], .string), (["NaN", "1"], .number),
            (["2.5", "-inf"], .number), (["NaN", "x"], .string), (["true", "inf"], .string),
            (["1e"], .string), (["."], .string), (["-"], .string), (["e5"], .string), (["1.5.2"], .string),
            (["1 2"], .string),
            (["true", "false"], .boolean), (["TRUE", "False", ""], .boolean), (["true", "1"], .string),
            (["yes"], .string),
            (["2024-01-02"], .time), (["2024-01-02T03:04:05Z", "2024-02-29 10:00"], .time),
            (["2023-02-29"], .string),
            (["2024-01-02", "5"], .string), (["20240102"], .integer), (["a", "1", "true"], .string),
            (["1.", "2"], .number),
        ] as [([String], ColumnType)])
    func types(_ strings: [String], _ expected: ColumnType) throws {
        for reversed in [false, true] {
            var inference = TypeInference()
            try Texts(reversed ? strings.reversed() : strings).forEach { inference.note($0) }
            #expect(inference.type == expected)
        }
    }

    @Test("Null texts and another decimal point")
    func options() throws {
        var inference = TypeInference(decimal: UInt8(ascii: ","), nulls: [[], Array("NA".utf8)])
        try Texts(["NA", "1,5", "", "2"]).forEach { inference.note($0) }
        #expect(inference.type == .number)
        try Texts(["1.5"]).forEach { inference.note($0) }
        #expect(inference.type == .string)
        var strict = TypeInference(nulls: [])
        try Texts(["1", ""]).forEach { strict.note($0) }
        #expect(strict.type == .string)
    }

    @Test("What was found can be parsed")
    func parsed() throws {
        var random = Random(state: 4)
        let samples = [
            "1", "-5", "2.5", "1e3", "true", "FALSE", "2024-01-02", "18446744073709551615",
            "99999999999999999999", "x", "",
            " 7", "-9223372036854775809", ".5", "2024-01-02T03:04Z",
        ]
        for _ in 0..<3000 {
            let count = Int.random(in: 1...3, using: &random)
            let strings = (0..<count).compactMap { _ in samples.randomElement(using: &random) }
            var inference = TypeInference()
            let texts = try Texts(strings)
            texts.forEach { inference.note($0) }
            #expect(try Parsed(ValueParser(column(inference.type)), texts).bad == nil, "\(strings)")
        }
    }
}
