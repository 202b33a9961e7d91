import Glibc
import Testing

@testable import Tables

@Suite("Numbers and times as text")
struct NumberTextTests {
    private func text(
        _ write: (UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8>
    ) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.room + 8) { room in
            guard let start = room.baseAddress else { return "" }
            room.initialize(repeating: 0xa5)
            let end = write(start)
            // Nothing is written past the room.
            for i in NumberText.room..<NumberText.room + 8 { #expect(room[i] == 0xa5) }
            return String(decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self)
        }
    }

    @Test("Integers: all of up to five digits, neighbors of powers of ten, and random ones")
    func integers() {
        var numbers = Array(UInt64(0)...20_000) + stride(from: 20_000, to: 100_000, by: 7)
        var power: UInt64 = 1
        for _ in 0..<20 {
            for more in -1...1 { numbers.append(power &+ UInt64(bitPattern: Int64(more))) }
            power &*= 10
        }
        var random = Random(state: 3)
        for bits in 0..<64 { for _ in 0..<50 { numbers.append(random.next() >> UInt64(bits)) } }
        numbers += [.max, UInt64(Int64.max), UInt64(Int64.max) + 1]
        for number in numbers {
            #expect(text { NumberText.write(number, $0) } == String(number))
            let signed = Int64(bitPattern: number)
            #expect(text { NumberText.write(signed, $0) } == String(signed))
        }
    }

    private func check(_ value: Double) {
        let found = text { NumberText.write(value, $0) }
        let expected = value.description
        if found != expected { Issue.record("\(found), not \(expected)") }
        if strtod(found, nil).bitPattern != value.bitPattern { Issue.record("\(found) reads back otherwise") }
    }

    @Test("Decimals of people: all of up to four digits with up to five decimals")
    func decimals() {
        for decimals in 0...5 {
            let scale = pow(10, Double(decimals))
            for number in stride(from: 0, to: 10_000, by: decimals > 3 ? 3 : 1) {
                check(Double(number) / scale)
                check(-Double(number) / scale)
            }
        }
    }

    @Test("Floats: the shortest digits that read back equal")
    func floats() {
        var random = Random(state: 5)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            if value.isFinite { check(value) }
            check(Double.random(in: -1e6...1e6, using: &random))
            check(Double.random(in: 0...1, using: &random))
            let digits = Int.random(in: 1...17, using: &random)
            let number = Double(random.next() % UInt64(pow(10, Double(digits))))
            check(number / pow(10, Double(Int.random(in: 0...22, using: &random))))
        }
        for exponent in -330...308 {
            let value = strtod("1e\(exponent)", nil)
            for near in [value, value.nextUp, value.nextDown, value * 9.999] where near.isFinite {
                check(near)
            }
        }
        for value in [
            0, -0.0, 1e15, 1e15 - 0.5, 999_999_999_999_999, 0x1p53, 0x1p53 - 1, 0x1p54, 0.1, 0.0001, 0.3,
            0.1 + 0.2,
        ] {
            check(value)
        }
        #expect(text { NumberText.write(Double.nan, $0) } == "NaN")
        #expect(text { NumberText.write(-Double.nan, $0) } == "NaN")
        #expect(text { NumberText.write(Double.infinity, $0) } == "inf")
        #expect(text { NumberText.write(-Double.infinity, $0) } == "-inf")
    }

    @Test("Floats for people are rounded to 14 digits")
    func rounded() {
        for (value, expected) in [
            (0.1 + 0.2, "0.3"), (1.0 / 3, "0.33333333333333"), (2.0 / 3, "0.66666666666667"),
            (-12.30000000000001, "-12.3"),
            (9.99999999999999999, "10.0"), (99.999999999999999, "100.0"),
            (12_345_678.123456789, "12345678.123457"),
            (0, "0.0"), (99_999_999_999_999.5, "100000000000000.0"), (12, "12.0"), (1e20, "1e+20"),
            (.infinity, "inf"),
            (0.1, "0.1"), (1e13 + 0.5, "10000000000001.0"),
        ] as [(Double, String)] {
            #expect(text { NumberText.writeRounded(value, $0) } == expected)
        }
        var random = Random(state: 6)
        for _ in 0..<5000 {
            let value = Double.random(in: -1e6...1e6, using: &random)
            let found = strtod(text { NumberText.writeRounded(value, $0) }, nil)
            #expect((found - value).magnitude <= value.magnitude * 1e-13)
        }
    }

    @Test("Times are what gmtime(3) and strftime(3) make of them, and read back equal")
    func times() throws {
        var random = Random(state: 8)
        var values = (-135_140..<157_430).map { Double($0 * 86400) }
        for _ in 0..<20_000 {
            values.append(Double(Int.random(in: -62_167_219_200..<253_402_300_800, using: &random)))
        }
        values += [-62_167_219_200, 253_402_300_799, -1, 0, 1]
        for value in values {
            var seconds = time_t(value)
            var parts = tm()
            gmtime_r(&seconds, &parts)
            var expected = [CChar](repeating: 0, count: 64)
            let count = strftime(&expected, 64, "%m-%dT%H:%M:%SZ", &parts)
            var year = String(parts.tm_year + 1900)
            year = String(repeating: "0", count: 4 - year.count) + year
            let rest = String(decoding: expected.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let found = text { TimeISO.write(value, $0) }
            if found != "\(year)-\(rest)" { Issue.record("\(found), not \(year)-\(rest)") }
        }
    }

    @Test(
        "Fractions of seconds",
        arguments: [
            (0.5, "1970-01-01T00:00:00.500Z"), (-0.5, "1969-12-31T23:59:59.500Z"),
            (0.000001, "1970-01-01T00:00:00.000001Z"),
            (0.0000001, "1970-01-01T00:00:00Z"), (0.9999999, "1970-01-01T00:00:01Z"),
            (59.9999999, "1970-01-01T00:01:00Z"),
            (1_704_164_645.125, "2024-01-02T03:04:05.125Z"),
            (1_704_164_645.123456, "2024-01-02T03:04:05.123456Z"),
            (-62_167_219_200.5, "-62167219200.5"), (253_402_300_800, "253402300800.0"), (.nan, "NaN"),
            (.infinity, "inf"),
            (253_402_300_799.99999999, "253402300800.0"), (1e300, "1e+300"),
        ] as [(Double, String)])
    func fractions(_ value: Double, _ expected: String) {
        #expect(text { TimeISO.write(value, $0) } == expected)
    }

    @Test("Random times with microseconds read back equal")
    func microseconds() throws {
        var random = Random(state: 9)
        var values: [Double] = []
        for _ in 0..<2000 {
            let total = Int.random(in: -11_676_096_000_000_000...13_569_465_600_000_000, using: &random)
            values.append(Double(total) / 1e6)
        }
        let texts = values.map { value in text { TimeISO.write(value, $0) } }
        let parsed = try Parsed(ValueParser(column(.time)), Texts(texts))
        #expect(parsed.bad == nil)
        for (i, value) in values.enumerated() { #expect(parsed.vector.doubles[i] == value, "\(texts[i])") }
    }

    @Test("Times are rounded down to the start of their hour, day, month, and year")
    func truncation() {
        var random = Random(state: 10)
        for _ in 0..<20_000 {
            let value = Double.random(in: -62_000_000_000...253_000_000_000, using: &random)
            var seconds = time_t(value.rounded(.down))
            var parts = tm()
            gmtime_r(&seconds, &parts)
            (parts.tm_sec, parts.tm_min) = (0, 0)
            #expect(truncated(value, to: .hour) == Double(timegm(&parts)))
            parts.tm_hour = 0
            #expect(truncated(value, to: .day) == Double(timegm(&parts)))
            parts.tm_mday = 1
            #expect(truncated(value, to: .month) == Double(timegm(&parts)))
            parts.tm_mon = 0
            #expect(truncated(value, to: .year) == Double(timegm(&parts)))
        }
        for unit in [TimeUnit.hour, .day, .month, .year] {
            #expect(truncated(0, to: unit) == 0 && truncated(.infinity, to: unit) == .infinity)
            #expect(truncated(.nan, to: unit).isNaN && truncated(1e18, to: unit) == 1e18)
        }
        // The float before an hour.
        #expect(truncated((3600.0 * 1e6).nextDown, to: .hour) == 3600 * 1e6 - 3600)
        #expect(truncated(-0.25, to: .day) == -86400)
        // Before the year 0.
        #expect(truncated(-70_000_000_000, to: .year) == Double(Calendar.days(-249, 1, 1) * 86400))
    }
}
