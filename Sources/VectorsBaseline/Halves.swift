// Floats of 16 bits. They are computed with as binary32, which holds all of them.

/// f16, binary16 of IEEE 754.
struct Half: Comparable, BitwiseCopyable {
    var bits: UInt16

    @inline(__always)
    var value: Float {
        #if F16C
            return Float(Float16(bitPattern: bits))
        #else
            let sign = UInt32(truncatingIfNeeded: bits & 0x8000) &<< 16
            let magnitude = UInt32(truncatingIfNeeded: bits & 0x7fff) &<< 13
            // 2^112 is the difference of the biases; a product brings subnormal ones in order too.
            let scaled = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
            let special: UInt32 = 0x7f80_0000 | magnitude | (magnitude & 0x007f_e000 == 0 ? 0 : 0x0040_0000)
            return Float(bitPattern: (magnitude >= 0x0f80_0000 ? special : scaled) | sign)
        #endif
    }

    /// The nearest to a float, of two the even one.
    @inline(__always)
    init(_ x: Float) {
        #if F16C
            bits = Float16(x).bitPattern
        #else
            let sign = x.bitPattern & 0x8000_0000
            let magnitude = x.bitPattern ^ sign
            // In the sum of a number below 2^-14 and a half, the last bit is worth 2^-24, as in a subnormal f16.
            let small = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
            let normal = (magnitude &- 0x3800_0000 &+ 0x0fff &+ (magnitude &>> 13 & 1)) &>> 13
            let special: UInt32 =
                magnitude > 0x7f80_0000 ? 0x7e00 | (magnitude &>> 13 & 0x03ff) : 0x7c00
            let result =
                magnitude >= 0x4780_0000 ? special : magnitude < 0x3880_0000 ? small : normal
            bits = UInt16(truncatingIfNeeded: result | sign &>> 16)
        #endif
    }

    // All of them: what the protocol makes of the first two is wrong for NaN.
    @inline(__always)
    static func == (a: Half, b: Half) -> Bool { a.value == b.value }
    @inline(__always)
    static func < (a: Half, b: Half) -> Bool { a.value < b.value }
    @inline(__always)
    static func <= (a: Half, b: Half) -> Bool { a.value <= b.value }
    @inline(__always)
    static func > (a: Half, b: Half) -> Bool { a.value > b.value }
    @inline(__always)
    static func >= (a: Half, b: Half) -> Bool { a.value >= b.value }
}

/// bf16, the upper half of a binary32.
struct Brain: Comparable, BitwiseCopyable {
    var bits: UInt16

    @inline(__always)
    var value: Float { Float(bitPattern: UInt32(truncatingIfNeeded: bits) &<< 16) }

    /// The nearest to a float, of two the even one.
    @inline(__always)
    init(_ x: Float) {
        let all = x.bitPattern
        let isNaN = all & 0x7fff_ffff > 0x7f80_0000
        let rounded = isNaN ? all | 0x0040_0000 : all &+ 0x7fff &+ (all &>> 16 & 1)
        bits = UInt16(truncatingIfNeeded: rounded &>> 16)
    }

    @inline(__always)
    static func == (a: Brain, b: Brain) -> Bool { a.value == b.value }
    @inline(__always)
    static func < (a: Brain, b: Brain) -> Bool { a.value < b.value }
    @inline(__always)
    static func <= (a: Brain, b: Brain) -> Bool { a.value <= b.value }
    @inline(__always)
    static func > (a: Brain, b: Brain) -> Bool { a.value > b.value }
    @inline(__always)
    static func >= (a: Brain, b: Brain) -> Bool { a.value >= b.value }
}

/// A double as a float that is rounded once more: toward zero, and the last bit is set where anything was cut off. So
/// two roundings come to what one would.
@inline(__always)
func oddly(_ x: Double) -> Float {
    let nearest = Float(x)
    let back = Double(nearest)
    let isTooFar: UInt32 = back.magnitude > x.magnitude ? 1 : 0
    let isInexact: UInt32 = back == x ? 0 : 1
    return Float(bitPattern: (nearest.bitPattern &- isTooFar) | isInexact)
}
