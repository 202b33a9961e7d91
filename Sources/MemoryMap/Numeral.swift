internal import CMemoryMap

/// A plain decimal number: `-12`, `3.25`, `1e-3`.
///
/// Only those are read here whose value is exact or rounded once, which gives the same float as
/// strtod(3): up to 18 digits and, with a point or an exponent, a mantissa below 2^53 and a power of ten
/// that a float holds exactly. Everything else that Lua takes for a number is left to Lua.
struct Numeral {
    var isFloat = false
    /// The integer, or the bits of the float.
    var value: Int64 = 0
    /// Where the number ends; equal to its start where there is none.
    var stop: Int

    /// The number at `start`.
    ///
    /// - Parameter end: Bytes from here on are not read.
    @inline(__always)
    init(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) {
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
        if place < end && base[place] == UInt8(ascii: ".") {
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
            guard let (power, behind) = Numeral.exponent(base, place &+ 1, end) else { return }
            isFloat = true
            exponent &+= power
            place = behind
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

    /// The number behind an `e`, and where it ends.
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
