internal import CMemoryMap

/// Numbers as text. All functions write from a place on, where there is room for `room` bytes, and return the end.
enum NumberText {
    /// Bytes that any number may need, with a word after it that is written but does not count.
    static var room: Int { 48 }

    @inline(__always)
    static func write(_ value: Int64, _ place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        place[0] = UInt8(ascii: "-")
        return write(value.magnitude, value < 0 ? place + 1 : place)
    }

    @inline(__always)
    static func write(_ value: UInt64, _ place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        if value < 100_000_000 { return writeShort(value, place) }
        return writeLong(value, place)
    }

    @inline(never)
    private static func writeLong(
        _ value: UInt64, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let high = value / 100_000_000
        let next = high < 100_000_000 ? writeShort(high, place) : writeLong(high, place)
        store(digits(value % 100_000_000) | zeros, next)
        return next + 8
    }

    /// Up to eight digits.
    @inline(__always)
    private static func writeShort(
        _ value: UInt64, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let all = digits(value)
        // The last digit is always there.
        let unused = (all | 1 &<< 56).trailingZeroBitCount & ~7
        store((all | zeros) &>> UInt64(truncatingIfNeeded: unused), place)
        return place + (8 &- unused &>> 3)
    }

    private static var zeros: UInt64 { 0x3030_3030_3030_3030 }

    @inline(__always)
    private static func store(_ word: UInt64, _ place: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(place).storeBytes(of: word.littleEndian, as: UInt64.self)
    }

    /// The eight digits of a number below 10^8, the first in the lowest byte.
    @inline(__always)
    private static func digits(_ value: UInt64) -> UInt64 {
        let fours = value / 10_000 | (value % 10_000) &<< 32
        let hundreds = ((fours &* 10_486) &>> 20) & 0x0000_007f_0000_007f
        let pairs = hundreds | (fours &- hundreds &* 100) &<< 16
        let tens = ((pairs &* 103) &>> 10) & 0x000f_000f_000f_000f
        return tens | (pairs &- tens &* 10) &<< 8
    }

    /// Exactly two digits of a number below 100.
    @inline(__always)
    static func writeTwo(_ value: Int, _ place: UnsafeMutablePointer<UInt8>) {
        let tens = (value &* 103) &>> 10
        place[0] = UInt8(truncatingIfNeeded: 48 &+ tens)
        place[1] = UInt8(truncatingIfNeeded: 48 &+ value &- tens &* 10)
    }

    /// Exactly `count` digits, 1 to 16, of a number that has no more.
    @inline(__always)
    static func write(
        _ value: UInt64, digits count: Int, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var place = place
        var (value, count) = (value, count)
        if count > 8 {
            place = write(value / 100_000_000, digits: count &- 8, upTo8: place)
            (value, count) = (value % 100_000_000, 8)
        }
        return write(value, digits: count, upTo8: place)
    }

    @inline(__always)
    private static func write(
        _ value: UInt64, digits count: Int, upTo8 place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let unused = UInt64(truncatingIfNeeded: 64 &- count &* 8)
        store((digits(value) | zeros) &>> unused, place)
        return place + count
    }

    /// The shortest digits that read back equal, with a point or an exponent: `12.5`, `3.0`, `1e-05`, `NaN`, `-inf`.
    @inline(__always)
    static func write(_ value: Double, _ place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        place[0] = UInt8(ascii: "-")
        let magnitude = value.magnitude
        let start = value.sign == .minus ? place + 1 : place
        guard magnitude < 1e15 else { return writeShortest(value, place) }
        let whole = magnitude.rounded(.towardZero)
        if whole == magnitude {
            let end = write(UInt64(magnitude), start)
            end[0] = UInt8(ascii: ".")
            end[1] = UInt8(ascii: "0")
            return end + 2
        }
        // Most numbers of people have few decimals. A quotient of exact numbers is rounded once, as strtod(3) rounds.
        if magnitude >= 1e-4 {
            for decimals in 1...4 {
                let power = mm_power_of_ten(decimals)
                let scaled = (magnitude * power).rounded()
                if scaled < 1e15 && scaled / power == magnitude {
                    return writeFixed(UInt64(whole), UInt64(scaled), decimals, UInt64(power), start)
                }
            }
        }
        return writeDecimals(value, place)
    }

    @inline(__always)
    private static func writeFixed(
        _ whole: UInt64, _ scaled: UInt64, _ decimals: Int, _ power: UInt64,
        _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let point = write(whole, place)
        point[0] = UInt8(ascii: ".")
        return write(scaled &- whole &* power, digits: decimals, point + 1)
    }

    /// A number below 10^15 that is not whole.
    @inline(never)
    private static func writeDecimals(
        _ value: Double, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let magnitude = value.magnitude
        if magnitude < 0.1 { return writeShortest(value, place) }
        // 15 digits tell floats apart, so that these, without zeros at the end, are the shortest if they read back.
        var decimals = 15
        while decimals > 0, magnitude >= mm_power_of_ten(15 &- decimals) { decimals &-= 1 }
        let power = mm_power_of_ten(decimals)
        let scaled = (magnitude * power).rounded()
        if scaled / power != magnitude || scaled >= 1e15 { return writeShortest(value, place) }
        var number = UInt64(scaled)
        while number % 10 == 0 && decimals > 1 { (number, decimals) = (number / 10, decimals &- 1) }
        place[0] = UInt8(ascii: "-")
        return writeFixed(
            UInt64(magnitude), number, decimals, UInt64(mm_power_of_ten(decimals)),
            value.sign == .minus ? place + 1 : place)
    }

    /// For people: rounded to 14 digits where it has more, as Lua's `print` does, if it needs no exponent.
    static func writeRounded(
        _ value: Double, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let magnitude = value.magnitude
        guard magnitude >= 0.1, magnitude < 1e14 else { return write(value, place) }
        var decimals = 14
        while decimals > 0, magnitude >= mm_power_of_ten(14 &- decimals) { decimals &-= 1 }
        var number = UInt64((magnitude * mm_power_of_ten(decimals)).rounded())
        // A whole number has a decimal too.
        if decimals == 0 { (number, decimals) = (number &* 10, 1) }
        while number % 10 == 0 && decimals > 1 { (number, decimals) = (number / 10, decimals &- 1) }
        let power = UInt64(mm_power_of_ten(decimals))
        place[0] = UInt8(ascii: "-")
        return writeFixed(number / power, number, decimals, power, value.sign == .minus ? place + 1 : place)
    }

    /// Any number.
    @inline(never)
    private static func writeShortest(
        _ value: Double, _ place: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var text = value.isNaN ? "NaN" : value.description
        return text.withUTF8 { bytes in
            // 24 bytes at most.
            let count = min(bytes.count, room)
            for i in 0..<count { place[i] = bytes[i] }
            return place + count
        }
    }
}

/// Times as text.
enum TimeISO {
    /// ISO 8601 in UTC, `2024-01-02T03:04:05Z`, with three or six decimals where there are some. What is in no year from 0
    /// to 9999 is written as a number.
    @inline(__always)
    static func write(_ time: Double, _ place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        // Seconds from the year 0 to the end of 9999.
        guard time >= -62_167_219_200, time < 253_402_300_800 else { return NumberText.write(time, place) }
        let floor = time.rounded(.down)
        var seconds = Int(floor)
        var micro = Int(((time - floor) * 1e6).rounded(.toNearestOrEven))
        if micro >= 1_000_000 { (seconds, micro) = (seconds &+ 1, 0) }
        let shifted = seconds &+ 62_167_219_200
        if shifted >= 315_569_520_000 { return NumberText.write(time, place) }
        let date = Calendar.date(shifted / 86400 &- 719_528)
        let second = shifted % 86400
        NumberText.writeTwo(date.year / 100, place)
        NumberText.writeTwo(date.year % 100, place + 2)
        place[4] = UInt8(ascii: "-")
        NumberText.writeTwo(date.month, place + 5)
        place[7] = UInt8(ascii: "-")
        NumberText.writeTwo(date.day, place + 8)
        place[10] = UInt8(ascii: "T")
        NumberText.writeTwo(second / 3600, place + 11)
        place[13] = UInt8(ascii: ":")
        NumberText.writeTwo(second % 3600 / 60, place + 14)
        place[16] = UInt8(ascii: ":")
        NumberText.writeTwo(second % 60, place + 17)
        var end = place + 19
        if micro != 0 {
            end[0] = UInt8(ascii: ".")
            let isMilli = micro % 1000 == 0
            end = NumberText.write(
                UInt64(truncatingIfNeeded: isMilli ? micro / 1000 : micro), digits: isMilli ? 3 : 6, end + 1)
        }
        end[0] = UInt8(ascii: "Z")
        return end + 1
    }
}
