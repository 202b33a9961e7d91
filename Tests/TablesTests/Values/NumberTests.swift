import Glibc
import Testing

@testable import Tables

@Suite("Numbers of tables")
struct NumberTests {
    let number = try? ValueParser(column(.number))

    @Test("A number is the float that is nearest to its digits, as strtod(3) finds it")
    func nearest() throws {
        let parser = try ValueParser(column(.number))
        var random = Random(state: 1)
        var strings: [String] = []
        for _ in 0..<2000 {
            let digits = Int.random(in: 1...25, using: &random)
            var text = (0..<digits).map { _ in String(Int.random(in: 0...9, using: &random)) }.joined()
            if Bool.random(using: &random) {
                let place = text.index(text.startIndex, offsetBy: Int.random(in: 0...digits, using: &random))
                text.insert(".", at: place)
            }
            if Int.random(in: 0...3, using: &random) == 0 {
                text += "e\(Int.random(in: -330...310, using: &random))"
            }
            strings.append((Bool.random(using: &random) ? "-" : "") + text)
        }
        let parsed = try Parsed(parser, Texts(strings))
        #expect(parsed.bad == nil)
        for (i, string) in strings.enumerated() {
            // An integer has no sign of zero.
            let expected = strtod(string, nil)
            let isZero = expected == 0 && !string.contains(".") && !string.contains("e")
            #expect(parsed.vector.words[i] == (isZero ? 0 : expected).bitPattern, "\(string)")
        }
    }

    @Test("All numbers of one digit, two, or three, with a sign and a point at each place")
    func short() throws {
        let parser = try ValueParser(column(.number))
        let characters = Array("-+.0159e x".utf8)
        var strings: [[UInt8]] = characters.map { [$0] }
        var last = strings
        for _ in 0..<3 {
            last = last.flatMap { text in characters.map { text + [$0] } }
            strings += last
        }
        for string in strings {
            let text = String(decoding: string, as: UTF8.self)
            let parsed = try Parsed(parser, Texts([string]))
            let expected = reference(text)
            #expect((parsed.bad == nil) == (expected != nil), "\(text)")
            if let expected { #expect(parsed.vector.doubles[0] == expected, "\(text)") }
        }
    }

    /// What Lua reads, said once more: blanks around, a sign, digits.
    private func reference(_ text: String) -> Double? {
        let trimmed = text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
        var rest = Substring(String(trimmed))
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        var magnitude: Double
        if rest.hasPrefix("0x") {
            rest = rest.dropFirst(2)
            let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count <= 2, !rest.isEmpty, rest != ".",
                rest.allSatisfy({ $0.isHexDigit || $0 == "." })
            else { return nil }
            magnitude = Double(Int(parts[0].isEmpty ? "0" : parts[0], radix: 16) ?? -1)
            if parts.count == 2, !parts[1].isEmpty {
                let scale = pow(16, Double(parts[1].count))
                magnitude += Double(Int(parts[1], radix: 16) ?? -1) / scale
            }
        } else {
            let parts = rest.split(separator: "e", omittingEmptySubsequences: false)
            guard parts.count <= 2, let mantissa = parts.first, mantissa.contains(where: \.isNumber),
                mantissa.allSatisfy({ $0.isNumber || $0 == "." }), mantissa.filter({ $0 == "." }).count <= 1
            else { return nil }
            var exponent = 0
            if parts.count == 2 {
                guard let power = Int(parts[1]) else { return nil }
                exponent = power
            }
            magnitude = strtod("\(mantissa)e\(exponent)", nil)
        }
        return isNegative ? -magnitude : magnitude
    }

    @Test(
        "Numerals of Lua",
        arguments: [
            ("0x10", 16), ("0xA", 10), ("-0xff", -255), ("0x.8", 0.5), ("0x1p4", 16), ("0x1.8P1", 3),
            ("0xffffffffffffffff", -1), ("0x1ffffffffffffffff", -1), (" 12 ", 12), ("\t1e3\n", 1000),
            ("+5", 5),
            (".5", 0.5), ("5.", 5), ("5.e1", 50), ("1e400", .infinity), ("-1e400", -.infinity), ("1e-400", 0),
            ("9223372036854775807", 0x1p63), ("9223372036854775808", 0x1p63),
            ("18446744073709551616", 0x1p64),
            ("9007199254740993", 9007199254740992), ("0.30000000000000004", 0.1 + 0.2),
            ("0000000000000000000000000000001", 1), ("1E5", 1e5), ("1e+5", 1e5), ("inf", .infinity),
            ("-inf", -.infinity), ("NaN", .nan),
        ] as [(String, Double)])
    func numerals(_ text: String, _ expected: Double) throws {
        let bits = try value(text, ValueParser(column(.number)))
        #expect(bits == expected.bitPattern)
    }

    @Test(
        "No numbers",
        arguments: [
            "x", "nan", "Inf", "+inf", "-NaN", "Infinity", "NaN ", "in", "-in", "1x", "1 2", "0x", "0xg",
            "e5", "1e", "1e+", "--1",
            "+-1", "- 1",
            ".", "-", "+", "1.2.3", "1,5", "1\u{0}", "\u{0}", "0x1p", "1e5.5", "½", " ", "1_000", "1d5",
            "0b1",
        ])
    func none(_ text: String) throws {
        for type in [ColumnType.number, .integer, .u64] {
            #expect(try value(text, ValueParser(column(type))) == nil, "\(type.name)")
        }
    }

    @Test("Numbers of 400 digits, and of 100,000")
    func long() throws {
        for digits in [400, 100_000] {
            let text = String(repeating: "7", count: digits)
            for string in [
                text, "0.\(text)", "\(text)e-\(digits)", String(repeating: "0", count: digits) + "12",
            ] {
                let bits = try value(string, ValueParser(column(.number)))
                #expect(bits == strtod(string, nil).bitPattern)
            }
            #expect(try value(text, ValueParser(column(.integer))) == nil)
            #expect(try value(text + "x", ValueParser(column(.number))) == nil)
        }
    }

    @Test(
        "Integers",
        arguments: [
            ("0", 0), ("-1", -1), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("1e3", 1000),
            ("3.0", 3), ("1e18", 1_000_000_000_000_000_000), ("0x7f", 127), ("0xffffffffffffffff", -1),
            ("-0", 0),
            ("123456789012345678", 123_456_789_012_345_678),
            ("1234567890123456789", 1_234_567_890_123_456_789),
            ("12345678", 12_345_678), ("-0012", -12), (" 7", 7), ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("1.5", nil), ("1e19", nil), ("1e-1", nil),
            ("99999999999999999999", nil),
            // These are no integers, or others, after rounding to a float. Python's fractions.Fraction says so.
            ("1234567890123456789.0", 1_234_567_890_123_456_789), ("0.99999999999999999999", nil),
            ("9007199254740991e3", 9_007_199_254_740_991_000), ("9223372036854775807.0", .max),
            ("9223372036854775807.5", nil), ("-9223372036854775808.0", .min), ("-9223372036854775808.5", nil),
            ("-9223372036854775809.0", nil), ("-9.223372036854775809e18", nil), ("1e-400", nil), ("0e400", 0),
            ("-9223372036854775808000e-3", .min), ("922337203685477580700e-2", .max),
            ("0.0e-99999999999999999999", 0),
            ("1e-99999999999999999999", nil), ("1e99999999999999999999", nil),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("0x7fffffffffffffff.0", .max), ("0x7fffffffffffffff.8", nil), ("0x1p62", 1 << 62),
            ("0x1p63", nil),
            ("-0x1p63", .min), ("0x.8p1", 1), ("0x.8", nil), ("0x1p-1", nil),
            ("0x20000000000001p1", 1 << 54 | 2),
            ("0x3fffffffffffffff8p-3", Int64.max), ("0x3fffffffffffffffcp-3", nil), ("0x10p-4", 1),
        ] as [(String, Int64?)])
    func integers(_ text: String, _ expected: Int64?) throws {
        #expect(try value(text, ValueParser(column(.integer))).map { Int64(bitPattern: $0) } == expected)
    }

    @Test(
        "Unsigned integers",
        arguments: [
            ("0", 0), ("18446744073709551615", .max), ("9223372036854775808", 1 << 63),
            ("0xffffffffffffffff", .max),
            ("1e3", 1000), (" 12 ", 12), ("+3", 3), ("-1", nil), ("18446744073709551616", nil), ("1.5", nil),
            ("-0x1", nil), ("1e19", 10_000_000_000_000_000_000), ("0x1ffffffffffffffff", nil),
            ("18446744073709551615.0", .max), ("18446744073709551615.5", nil), ("-0", 0), ("-0.0", 0),
            ("0x1p63", 1 << 63), ("0x1p64", nil), ("1844674407370955161.6e1", nil), ("-1e3", nil),
            ("1844674407370955161.5e1", .max), ("-0x10000000000000000", nil), ("1.0e-1", nil),
        ] as [(String, UInt64?)])
    func unsigned(_ text: String, _ expected: UInt64?) throws {
        #expect(try value(text, ValueParser(column(.u64))) == expected)
    }

    /// The digits of the integer that a decimal numeral is, by moving the point in its text; nil for a fraction.
    private func wholeDigits(_ numeral: String) -> String? {
        let parts = numeral.drop { $0 == "-" }.split(separator: "e")
        let sides = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var (whole, fraction) = (String(sides[0]), sides.count > 1 ? String(sides[1]) : "")
        for _ in 0..<abs(Int(parts.count > 1 ? parts[1] : "0") ?? 0) {
            if parts[1].hasPrefix("-") {
                fraction = (whole.popLast().map(String.init) ?? "0") + fraction
            } else {
                whole.append(fraction.isEmpty ? "0" : fraction.removeFirst())
            }
        }
        if fraction.contains(where: { $0 != "0" }) { return nil }
        let digits = String(whole.drop { $0 == "0" })
        return digits.isEmpty ? "0" : digits
    }

    @Test(
        "Integers with points and exponents are exact, or are none: a point at each place, exponents, each digit changed"
    )
    func exactIntegers() throws {
        let (signed, unsigned) = (try ValueParser(column(.integer)), try ValueParser(column(.u64)))
        var (count, whole) = (0, 0)
        for digits in [
            "0", "1", "10", "9007199254740993", "4503599627370497500", "9223372036854775807",
            "9223372036854775808", "9223372036854775809", "18446744073709551615", "18446744073709551616",
            "99999999999999999999", "1000000000000000000000",
        ] {
            for place in 0...digits.count {
                for exponent in -25...25 {
                    for sign in ["", "-"] {
                        var text = digits
                        text.insert(".", at: text.index(text.startIndex, offsetBy: place))
                        text = sign + text + "e\(exponent)"
                        let expected = wholeDigits(text)
                        let isZero = expected == "0"
                        let int = expected.flatMap { Int64(sign + $0) }
                        let word = expected.flatMap { sign == "" || isZero ? UInt64($0) : nil }
                        let (found, foundWord) = (try value(text, signed), try value(text, unsigned))
                        if found != int.map({ UInt64(bitPattern: $0) }) || foundWord != word {
                            Issue.record(
                                "\(text): \(String(describing: found)), \(String(describing: foundWord))")
                        }
                        (count, whole) = (count + 1, whole + (int == nil ? 0 : 1))
                    }
                }
            }
        }
        #expect(count > 15_000 && whole > 500)
    }

    @Test("Another decimal point")
    func point() throws {
        let parser = try ValueParser(column(.number), decimal: UInt8(ascii: ","))
        for (text, expected) in [
            ("1,5", 1.5), ("-12,25", -12.25), ("12", 12), ("1e3", 1000),
            ("123456,789012345", 123456.789012345),
            ("1.5", nil), ("1,5,5", nil), ("0,1234567890123456789", 0.1234567890123456789), ("1.234,5", nil),
        ] as [(String, Double?)] {
            #expect(try value(text, parser) == expected?.bitPattern, "\(text)")
        }
    }

    @Test("Texts at the end of a page whose next page cannot be read")
    func pages() throws {
        let page = 4096
        let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let base = try #require(memory)
        defer { munmap(base, 2 * page) }
        #expect(mprotect(base + page, page, PROT_NONE) == 0)
        let parser = try ValueParser(column(.number))
        let batch = Batch(columns: 1)
        for text in [
            "1", "-1", "1.5", "-12.3", "1234567", "12345678", "1e5", "x", "0.1234567890123456789", "",
        ] {
            let bytes = Array(text.utf8)
            let start = (base + page - bytes.count).assumingMemoryBound(to: UInt8.self)
            for (i, byte) in bytes.enumerated() { start[i] = byte }
            var vector = try batch.room(0, .number)
            let texts = [Text(UnsafePointer(start), bytes.count)]
            let bad = try parser.parse(texts, count: 1, into: &vector)
            #expect((bad == nil) == (text != "x"))
            if bad != nil { continue }
            #expect(vector.doubles[0] == strtod(text, nil))
            #expect(vector.isNull(0) == (text == ""))
        }
    }
}
