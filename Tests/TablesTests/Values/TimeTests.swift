import Glibc
import Testing

@testable import Tables

@Suite("Times of tables")
struct TimeTests {
    /// Dates of all days of the years, counted one by one.
    private func days(_ first: Int, _ last: Int, _ body: (Int, Int, Int) throws -> Void) rethrows {
        for year in first...last {
            let isLeap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
            for (month, length) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].enumerated()
            {
                for day in 1...length { try body(year, month + 1, day) }
            }
        }
    }

    private func padded(_ number: Int, _ digits: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    @Test("Every day of the years 0 to 9999 is a day after the one before; 1970-01-01 is 0")
    func all() {
        // 1 January 0 in Python: date.toordinal counts from 1 January 1, and year 0 is a leap year.
        var expected = -719_162 - 366
        days(0, 9999) { year, month, day in
            let found = Calendar.days(year, month, day)
            let date = Calendar.date(expected)
            if found != expected || date.year != year || date.month != month || date.day != day {
                Issue.record("\(year)-\(month)-\(day): \(found), not \(expected)")
            }
            expected += 1
        }
        #expect(Calendar.days(1970, 1, 1) == 0)
        #expect(expected == 2_932_897)
    }

    @Test("Times one after the other are what each is alone", arguments: 0..<4)
    func inOrder(_ seed: Int) throws {
        var random = TestRandom(UInt64(seed))
        let formats: [String?] = [
            nil, "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%H:%M:%S %j %Y", "%d%H%M%S%m%Y",
            "%Y-%m-%dT%H:%M:%S.%f",
            "%H %M %S", "%s %H:%M:%S", "%I:%M:%S %p %H %Y-%m-%d", "%H:%M:%S %H %Y-%m-%d", "%Y-%m-%d %H:%M",
            "%c %H:%M:%S",
        ]
        for format in formats {
            guard let parser = try? ValueParser(column(.time, format), bad: .null) else { continue }
            var texts: [String] = []
            var day = "2024-02-29"
            for _ in 0..<400 {
                func two(_ limit: Int) -> String {
                    let number = Int.random(in: 0..<limit, using: &random)
                    // Now and then a digit is missing, or is none.
                    switch Int.random(in: 0..<30, using: &random) {
                    case 0: return "\(number)"
                    case 1: return " " + padded(number % 10, 1)
                    case 2: return "x" + padded(number % 10, 1)
                    default: return padded(number, 2)
                    }
                }
                if Int.random(in: 0..<8, using: &random) == 0 {
                    day =
                        "2024-0\(Int.random(in: 1..<9, using: &random))-1\(Int.random(in: 0..<9, using: &random))"
                }
                let (hour, minute, second) = (two(25), two(61), two(61))
                let clock = "\(hour):\(minute):\(second)"
                let zone = ["", "Z", "+0100", " -02:30", ".5", ".250Z"].randomElement(using: &random) ?? ""
                switch format {
                case nil:
                    texts.append("\(day)\(["T", " "].randomElement(using: &random) ?? "")\(clock)\(zone)")
                case "%d/%b/%Y:%H:%M:%S %z": texts.append("\(day.suffix(2))/Feb/2024:\(clock) +0100")
                case "%Y-%m-%d %H:%M:%S": texts.append(" \(day) \(clock) ")
                case "%H:%M:%S %j %Y": texts.append("\(clock) 1\(day.suffix(1)) 2023")
                case "%d%H%M%S%m%Y": texts.append("1\(second.suffix(1))\(hour)\(minute)\(second)022024")
                case "%Y-%m-%dT%H:%M:%S.%f": texts.append("\(day)T\(clock).5")
                case "%H %M %S": texts.append("\(hour) \(minute) \(second)")
                case "%s %H:%M:%S": texts.append("86400 \(clock)")
                case "%I:%M:%S %p %H %Y-%m-%d": texts.append("\(clock) pm \(two(25)) \(day)")
                case "%H:%M:%S %H %Y-%m-%d": texts.append("\(clock) \(two(25)) \(day)")
                default: texts.append("\(day) \(hour):\(minute)")
                }
            }
            let parsed = try Parsed(parser, Texts(texts))
            var values = 0
            for (row, text) in texts.enumerated() {
                let alone = try value(text, parser)
                let found = parsed.vector.isNull(row) ? nil : parsed.vector.words[row]
                if found != alone { Issue.record("\(format ?? "ISO 8601"): \(text)") }
                if alone != nil { values += 1 }
            }
            #expect(values > 100, "\(format ?? "ISO 8601")")
        }
    }

    @Test("Every day of the years 1600 to 2400, as ISO 8601 and by formats")
    func texts() throws {
        let formats = ["%d/%b/%Y", "%Y %j", "%m-%d-%Y"]
        let parsers = try [ValueParser(column(.time))] + formats.map { try ValueParser(column(.time, $0)) }
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        var expected = -135_140
        var (isos, others): ([String], [[String]]) = ([], [[], [], []])
        var ordinal = 0
        var failures = 0
        func check() throws {
            for (parser, strings) in zip(parsers, [isos] + others) {
                let parsed = try Parsed(parser, Texts(strings))
                if parsed.bad != nil { failures += 1 }
                for i in strings.indices
                where parsed.vector.doubles[i] != Double((expected - strings.count + i) * 86400) {
                    failures += 1
                }
            }
            (isos, others) = ([], [[], [], []])
        }
        try days(1600, 2400) { year, month, day in
            ordinal = month == 1 && day == 1 ? 1 : ordinal + 1
            isos.append("\(year)-\(padded(month, 2))-\(padded(day, 2))")
            others[0].append("\(padded(day, 2))/\(names[month - 1])/\(year)")
            others[1].append("\(year) \(padded(ordinal, 3))")
            others[2].append("\(month)-\(day)-\(year)")
            expected += 1
            if isos.count == 1000 { try check() }
        }
        try check()
        #expect(failures == 0)
    }

    @Test(
        "ISO 8601",
        arguments: [
            ("2024-01-02", 1_704_153_600), ("2024-01-02T03:04:05Z", 1_704_164_645),
            ("2024-01-02 03:04:05", 1_704_164_645),
            ("2024-01-02t03:04z", 1_704_164_640), ("2024-01-02T03", 1_704_164_400),
            ("2024-01-02T03:04:05.25Z", 1_704_164_645.25),
            ("2024-01-02T03:04:05,5+01:00", 1_704_161_045.5), ("2024-01-02T03:04:05-0130", 1_704_170_045),
            ("2024-01-02T03:04:05+05", 1_704_146_645), ("2024-01-02T03:04:05 +05:30", 1_704_144_845),
            (" 2024-01-02 ", 1_704_153_600), ("1969-12-31T23:59:59.5Z", -0.5),
            ("1970-01-01T00:00:00.1Z", 0.1),
            ("2024-02-29", 1_709_164_800), ("2000-02-29", 951_782_400), ("1600-02-29", -11_670_998_400),
            ("0000-01-01", -62_167_219_200), ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("2024-01-02T03:04:05.123456789Z", 1_704_164_645.123456789),
            ("2024-01-02T23:59:59+23:59", 1_704_153_659),
            ("2023-02-29", nil), ("1900-02-29", nil), ("2024-13-01", nil), ("2024-00-01", nil),
            ("2024-01-00", nil),
            ("2024-01-32", nil), ("2024-04-31", nil), ("2024-01-02T24:00:00", nil),
            ("2024-01-02T23:60:00", nil),
            ("2024-01-02T23:59:60", nil), ("2024-01-02T", nil), ("2024-01-02T3:04:05", nil),
            ("2024-1-2", nil),
            ("20240102", nil), ("2024-01-02T03:04:05+24:00", nil), ("2024-01-02T03:04:05+01:60", nil),
            ("2024-01-02T03:04:05.Z", nil), ("2024-01-02T03:04:05Zx", nil), ("2024-01-02Z", nil),
            ("2024-01-02T03:04:05+1", nil),
            ("2024-01-02T03:04:05+01:", nil), ("2024-01-02x", nil), ("-2024-01-02", nil),
            ("12024-01-02", nil), ("2024-01", nil),
            ("now", nil), ("2024-01-02T03:04:05+", nil), ("2024-01-02T03:04:", nil),
            ("2024-01-02  03:04", nil),
        ] as [(String, Double?)])
    func iso(_ text: String, _ expected: Double?) throws {
        #expect(try value(text, ValueParser(column(.time))).map { Double(bitPattern: $0) } == expected)
    }

    @Test(
        "Formats",
        arguments: [
            ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2024:03:04:05 +0100", 1_704_161_045),
            ("%d/%b/%Y:%H:%M:%S %z", "2/january/2024:3:4:5 +01:00", 1_704_161_045),
            ("%d/%b/%Y:%H:%M:%S %z", "02/Foo/2024:03:04:05 +0100", nil),
            ("%d/%b/%Y:%H:%M:%S %z", "30/Feb/2024:03:04:05 +0100", nil),
            ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2024:03:04:05", nil),
            ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2024:03:04:05 +0100 ", 1_704_161_045),
            ("%d/%b/%Y:%H:%M:%S %z", "02/Jan/2024:03:04:05 +0100x", nil),
            ("%a, %d %b %Y %T %Z", "Tue, 02 Jan 2024 03:04:05 GMT", 1_704_164_645),
            ("%A %d %B %Y", "Wednesday 18 september 2024", 1_726_617_600),
            ("%A %d %B %Y", "Wednesdays 18 september 2024", nil), ("%d %B %Y", "1 Sept 2024", nil),
            ("%D %R", "01/02/24 03:04", 1_704_164_640),
            ("%F %T.%f", "2024-01-02 03:04:05.125", 1_704_164_645.125),
            ("%I:%M %p %Y", "12:30 AM 1970", 1800), ("%I:%M %p %Y", "12:30 pm 1970", 45_000),
            ("%I:%M%p", "01:00PM", 46_800), ("%I", "13", nil), ("%I", "0", nil), ("%I%p", "1xm", nil),
            ("%I%p", "1pn", nil),
            ("%H:%M", "00:10", 600), ("%s", "1704164645", 1_704_164_645),
            ("%s.%f", "1704164645.5", 1_704_164_645.5),
            ("%s", "-5", -5), ("%s", "x", nil), ("%Y%m%d%H%M%S", "20240102030405", 1_704_164_645),
            ("%%%y", "%69", -31_536_000),
            ("%y", "68", 3_092_601_600), ("%y", "99", 915_148_800), ("%Y-%j", "2024-366", 1_735_603_200),
            ("%Y-%j", "2023-366", nil), ("%Y-%j", "2023-0", nil), ("%d.%m.%Y", "31.4.2024", nil),
            ("%d.%m.%Y", "31.04.2024", nil),
            ("%d%n%m%t%Y", "1  2 2024", 1_706_745_600), ("%e %k", " 5  7", 370_800), ("%H", "24", nil),
            ("%S", "60", nil),
            ("%f", "", nil), ("%f", "5", 0.5), ("%H%z", "1Z", 3600), ("%H %Z", "1 CET", nil),
            ("%H %Z", "1 utc", 3600), ("%h", "ma", nil),
        ] as [(String, String, Double?)])
    func formats(_ format: String, _ text: String, _ expected: Double?) throws {
        let parser = try ValueParser(column(.time, format), nulls: [])
        #expect(try value(text, parser).map { Double(bitPattern: $0) } == expected)
    }

    @Test("A directive that is not known", arguments: ["%Q", "%", "%Y%q", "%U", "%é"])
    func unknown(_ format: String) throws {
        do {
            _ = try ValueParser(column(.time, format))
            Issue.record("no error")
        } catch TableError.data(let message) {
            let text = String(decoding: message, as: UTF8.self)
            #expect(text.hasPrefix("time format '\(format)': '%") && text.contains("is not one of %Y"))
        }
    }

    @Test("Random times with microseconds are what timegm(3) says, rounded once")
    func random() throws {
        var random = Random(state: 7)
        let parser = try ValueParser(column(.time))
        for _ in 0..<200 {
            var strings: [String] = []
            var expected: [Double] = []
            for _ in 0..<100 {
                var parts = tm()
                let year = Int.random(in: 1...9999, using: &random)
                parts.tm_year = Int32(year - 1900)
                parts.tm_mon = Int32.random(in: 0...11, using: &random)
                parts.tm_mday = Int32.random(in: 1...28, using: &random)
                parts.tm_hour = Int32.random(in: 0...23, using: &random)
                parts.tm_min = Int32.random(in: 0...59, using: &random)
                parts.tm_sec = Int32.random(in: 0...59, using: &random)
                let micro = Int.random(in: 0...999_999, using: &random)
                let (mon, day, h, m, s) = (
                    parts.tm_mon, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec
                )
                let offset = Int.random(in: -1439...1439, using: &random)
                let zone =
                    padded(offset.magnitude.quotient(60), 2) + ":" + padded(offset.magnitude.rest(60), 2)
                strings.append(
                    padded(year, 4) + "-" + padded(Int(mon) + 1, 2) + "-" + padded(Int(day), 2) + "T"
                        + padded(Int(h), 2) + ":" + padded(Int(m), 2) + ":" + padded(Int(s), 2) + "."
                        + padded(micro, 6) + (offset < 0 ? "-" : "+") + zone)
                // 80 bits: strtod(3) rounds the exact sum once.
                let total = Int128(timegm(&parts) - offset * 60) * 1_000_000 + Int128(micro)
                expected.append(strtod("\(total)e-6", nil))
            }
            let parsed = try Parsed(parser, Texts(strings))
            #expect(parsed.bad == nil)
            for i in strings.indices { #expect(parsed.vector.doubles[i] == expected[i], "\(strings[i])") }
        }
    }
}

extension UInt {
    fileprivate func quotient(_ other: UInt) -> Int { Int(self / other) }
    fileprivate func rest(_ other: UInt) -> Int { Int(self % other) }
}
