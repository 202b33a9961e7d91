internal import CMemoryMap

/// A number that is read from memory or written to it, in any type.
///
/// A `u64` of 2^63 and more is the negative integer with the same bits, as in Lua.
public enum Number: Hashable, Sendable {
    case integer(Int64)
    case float(Double)

    /// The number for the result of mm_load_number.
    @inline(__always)
    package init(bits: UInt64, _ type: ElementType) {
        self = type.isFloat ? .float(Double(bitPattern: bits)) : .integer(Int64(bitPattern: bits))
    }
}

extension ElementType {
    /// The bits that mm_store_number writes for a number.
    ///
    /// A float type accepts every integer, rounded to the nearest float. An integer type accepts floats with
    /// an exact integer value. Every `Int64` fits `u64`, a negative one with its bits; so do integral floats
    /// below 2^64. A finite number that would be infinite as a float type does not fit.
    ///
    /// - Throws: `valueOutOfRange`.
    package func bits(of number: Number) throws(MapError) -> UInt64 {
        let bits: UInt64
        switch (number, isFloat) {
        case (.integer(let value), false): bits = UInt64(bitPattern: value)
        case (.integer(let value), true): bits = Double(value).bitPattern
        case (.float(let value), true): bits = value.bitPattern
        case (.float(let value), false): bits = try integerBits(of: value)
        }
        guard mm_fits(code, bits) else { throw misfit(number) }
        return bits
    }

    private func integerBits(of value: Double) throws(MapError) -> UInt64 {
        if let integer = Int64(exactly: value) { return UInt64(bitPattern: integer) }
        if kind == Int32(MM_U64), let integer = UInt64(exactly: value) { return integer }
        throw misfit(.float(value))
    }

    /// The bits that mm_store_number writes for the nearest number that fits: a fraction is rounded to the
    /// nearest integer (a half to the even one), NaN becomes 0 in an integer type, and a negative number 0 in
    /// `u64`.
    package func saturatedBits(of number: Number) -> UInt64 {
        switch (number, isFloat) {
        case (.integer(let value), false): return saturated(value)
        case (.integer(let value), true): return saturatedFloat(Double(value)).bitPattern
        case (.float(let value), true): return saturatedFloat(value).bitPattern
        case (.float(let value), false): return saturated(value.rounded(.toNearestOrEven))
        }
    }

    private func saturatedFloat(_ value: Double) -> Double {
        let limit: Double
        switch kind {
        case Int32(MM_F16): limit = 65_504
        case Int32(MM_BF16): limit = 0x1.fep127
        case Int32(MM_F32): limit = Double(Float.greatestFiniteMagnitude)
        default: return value
        }
        return value.isFinite ? max(-limit, min(limit, value)) : value
    }

    /// The bits in memory of the float of this type nearest to a number, in the machine's byte order.
    func floatBits(_ value: Double) -> UInt64 {
        switch kind {
        case Int32(MM_F16): UInt64(mm_narrow_half(value.bitPattern))
        case Int32(MM_BF16): UInt64(mm_narrow_brain(value.bitPattern))
        case Int32(MM_F32): UInt64(Float(value).bitPattern)
        default: value.bitPattern
        }
    }

    /// The float for these bits in memory.
    func float(_ bits: UInt64) -> Double {
        switch kind {
        case Int32(MM_F16): Double(bitPattern: mm_widen_half(UInt16(truncatingIfNeeded: bits)))
        case Int32(MM_BF16): Double(bitPattern: mm_widen_brain(UInt16(truncatingIfNeeded: bits)))
        case Int32(MM_F32): Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        default: Double(bitPattern: bits)
        }
    }

    private func saturated(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: max(limits.lowerBound, min(limits.upperBound, value)))
    }

    private func saturated(_ value: Double) -> UInt64 {
        if value.isNaN { return 0 }
        if kind == Int32(MM_U64) {
            return UInt64(exactly: value) ?? (value < 0 ? 0 : UInt64.max)
        }
        return saturated(Int64(exactly: value) ?? (value < 0 ? Int64.min : Int64.max))
    }

    /// The range of this integer type, as far as it fits `Int64`.
    private var limits: ClosedRange<Int64> {
        switch kind {
        case Int32(MM_U8): 0...255
        case Int32(MM_I8): -128...127
        case Int32(MM_U16): 0...65_535
        case Int32(MM_I16): -32_768...32_767
        case Int32(MM_U32): 0...4_294_967_295
        case Int32(MM_I32): -2_147_483_648...2_147_483_647
        case Int32(MM_U64): 0...Int64.max
        default: Int64.min...Int64.max
        }
    }

    /// The error for a number that does not fit this type, with the number and the valid range.
    package func misfit(_ number: Number) -> MapError {
        switch number {
        case .integer(let value) where isFloat: return misfit(.float(Double(value)))
        case .integer(let value): return MapError(.valueOutOfRange, integerMisfit, Int(value))
        case .float(let value):
            let bits = Int(bitPattern: UInt(value.bitPattern))
            if isFloat || value.rounded() == value { return MapError(.valueOutOfRange, floatMisfit, bits) }
            return MapError(.valueOutOfRange, "value %f has no integer representation", bits)
        }
    }

    private var integerMisfit: StaticString {
        switch kind {
        case Int32(MM_U8): "value %1 is out of range for u8 (0 to 255)"
        case Int32(MM_I8): "value %1 is out of range for i8 (-128 to 127)"
        case Int32(MM_U16): "value %1 is out of range for u16 (0 to 65535)"
        case Int32(MM_I16): "value %1 is out of range for i16 (-32768 to 32767)"
        case Int32(MM_U32): "value %1 is out of range for u32 (0 to 4294967295)"
        case Int32(MM_I32): "value %1 is out of range for i32 (-2147483648 to 2147483647)"
        case Int32(MM_U64): "value %1 is out of range for u64 (0 to 18446744073709551615)"
        default: "value %1 is out of range for i64 (-9223372036854775808 to 9223372036854775807)"
        }
    }

    private var floatMisfit: StaticString {
        switch kind {
        case Int32(MM_U8): "value %f is out of range for u8 (0 to 255)"
        case Int32(MM_I8): "value %f is out of range for i8 (-128 to 127)"
        case Int32(MM_U16): "value %f is out of range for u16 (0 to 65535)"
        case Int32(MM_I16): "value %f is out of range for i16 (-32768 to 32767)"
        case Int32(MM_U32): "value %f is out of range for u32 (0 to 4294967295)"
        case Int32(MM_I32): "value %f is out of range for i32 (-2147483648 to 2147483647)"
        case Int32(MM_U64): "value %f is out of range for u64 (0 to 18446744073709551615)"
        case Int32(MM_I64): "value %f is out of range for i64 (-9223372036854775808 to 9223372036854775807)"
        case Int32(MM_F16): "value %f is out of range for f16 (-65504 to 65504)"
        case Int32(MM_BF16): "value %f is out of range for bf16 (-3.3895313892516e+38 to 3.3895313892516e+38)"
        default: "value %f is out of range for f32 (-3.4028234663853e+38 to 3.4028234663853e+38)"
        }
    }
}
