internal import CMemoryMap

/// A plain decimal number: `-12`, `3.25`, `1e-3`.
///
/// Only numbers are read here whose value is exact or rounded once, which gives the same float as strtod(3):
/// up to 18 digits and, with a point or an exponent, a mantissa below 2^53 and a power of ten that a float
/// holds exactly. All other numerals of Lua are left to Lua.
struct Numeral {
    var isFloat = false
    /// The integer, or the bits of the float.
    var value: Int64 = 0
    /// The end of the number; equal to its start where there is none.
    var stop: Int

    /// No number.
    @inline(__always)
    init(at start: Int) { stop = start }

    /// The number at `start`.
    ///
    /// - Parameters:
    ///   - end: Bytes from here on are not read.
    ///   - point: The decimal point.
    @inline(__always)
    init(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, point: UInt8) {
        stop = start
        var place = start
        let isNegative = place < end && base[place] == UInt8(ascii: "-")
        if isNegative { place &+= 1 }
        var mantissa: UInt64 = 0
        let first = place
        while place < end {
            let digit = base[place] &- 48
            if digit > 9 { break }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            place &+= 1
        }
        var digits = place &- first
        var exponent = 0
        if place < end && base[place] == point {
            isFloat = true
            place &+= 1
            let fraction = place
            while place < end {
                let digit = base[place] &- 48
                if digit > 9 { break }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                place &+= 1
            }
            exponent = fraction &- place
            digits &-= exponent
        }
        if digits == 0 || digits > 18 { return }
        if place < end && base[place] | 0x20 == UInt8(ascii: "e") {
            guard let (power, after) = Numeral.exponent(base, place &+ 1, end) else { return }
            isFloat = true
            exponent &+= power
            place = after
        }
        if !isFloat {
            value = isNegative ? 0 &- Int64(bitPattern: mantissa) : Int64(bitPattern: mantissa)
        } else {
            guard mantissa <= 1 << 53, exponent >= -22, exponent <= 22 else { return }
            let whole = Double(mantissa)
            let magnitude =
                exponent < 0
                ? whole / mm_power_of_ten(0 &- exponent) : whole * mm_power_of_ten(exponent)
            value = Int64(bitPattern: (isNegative ? -magnitude : magnitude).bitPattern)
        }
        stop = place
    }

    /// The number in the first bytes of a word, if it has at most seven: digits with an optional minus and an
    /// optional point. Has no branch for each digit, because the lengths of numbers are hard to predict.
    ///
    /// - Parameters:
    ///   - word: The eight bytes at `start`, the first in the lowest bits.
    ///   - marks: The lowest bit that is set is in the byte after the number.
    ///   - point: The decimal point.
    @inline(__always)
    init(_ word: UInt64, upTo marks: UInt64, at start: Int, point: UInt8) {
        stop = start
        if marks == 0 { return }
        var bits = UInt64(truncatingIfNeeded: marks.trailingZeroBitCount & ~7)
        let length = Int(truncatingIfNeeded: bits &>> 3)
        let isNegative = word & 0xff == UInt64(UInt8(ascii: "-"))
        let sign: UInt64 = isNegative ? 8 : 0
        var text = word &>> sign
        bits = bits &- sign
        // A false mark of a point can only be above the real point, never below it.
        let points = zeroBytes(text ^ everyByte(point)) & ((1 &<< bits) &- 1)
        var fraction = 0
        if points != 0 {
            let below = UInt64(truncatingIfNeeded: points.trailingZeroBitCount & ~7)
            let mask: UInt64 = (1 &<< below) &- 1
            text = text & mask | text &>> 8 & ~mask
            bits = bits &- 8
            fraction = Int(truncatingIfNeeded: (bits &- below) &>> 3)
            isFloat = true
        }
        // 1 to 7 digits, padded with leading zeros to eight.
        if bits &- 8 > 48 { return }
        let digits = text &<< (64 &- bits) | everyByte(UInt8(ascii: "0")) &>> bits
        let high: UInt64 = 0xF0F0_F0F0_F0F0_F0F0
        let areDigits = digits & high | ((digits &+ 0x0606_0606_0606_0606) & high) &>> 4
        if areDigits != 0x3333_3333_3333_3333 { return }
        let pairs = ((digits & 0x0F0F_0F0F_0F0F_0F0F) &* 2561) &>> 8
        let fours = ((pairs & 0x00FF_00FF_00FF_00FF) &* 6_553_601) &>> 16
        let whole = Int64(bitPattern: ((fours & 0x0000_FFFF_0000_FFFF) &* 42_949_672_960_001) &>> 32)
        if isFloat {
            let magnitude = Double(whole) / mm_power_of_ten(fraction)
            value = Int64(bitPattern: (isNegative ? -magnitude : magnitude).bitPattern)
        } else {
            value = isNegative ? 0 &- whole : whole
        }
        stop = start &+ length
    }

    /// The number after an `e`, and its end.
    @inline(__always)
    private static func exponent(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) -> (power: Int, stop: Int)? {
        var place = start
        let isNegative = place < end && base[place] == UInt8(ascii: "-")
        if isNegative || (place < end && base[place] == UInt8(ascii: "+")) { place &+= 1 }
        var power = 0
        let first = place
        while place < end && place &- first < 4 {
            let digit = base[place] &- 48
            if digit > 9 { break }
            power = power &* 10 &+ Int(digit)
            place &+= 1
        }
        return place == first ? nil : (isNegative ? 0 &- power : power, place)
    }
}

extension UInt64 {
    /// A number in decimal digits, or in hexadecimal ones after `0x`, with blanks around; nil for anything
    /// else, also for a number that does not fit.
    package init?(numeral text: UnsafeRawBufferPointer) {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || $0 >= 9 && $0 <= 13 }
        guard var place = text.firstIndex(where: { !isBlank($0) }),
            let last = text.lastIndex(where: { !isBlank($0) })
        else { return nil }
        if text[place] == UInt8(ascii: "+") { place &+= 1 }
        var base: UInt64 = 10
        if place < last && text[place] == UInt8(ascii: "0") && text[place &+ 1] | 0x20 == UInt8(ascii: "x") {
            base = 16
            place &+= 2
        }
        if place > last { return nil }
        self = 0
        while place <= last {
            let byte = text[place]
            let digit = byte &- 48 <= 9 ? byte &- 48 : (byte | 0x20) &- 97 <= 5 ? (byte | 0x20) &- 87 : 255
            guard UInt64(digit) < base else { return nil }
            let (shifted, isLarge) = multipliedReportingOverflow(by: base)
            let (sum, isLarger) = shifted.addingReportingOverflow(UInt64(digit))
            if isLarge || isLarger { return nil }
            self = sum
            place &+= 1
        }
    }
}
