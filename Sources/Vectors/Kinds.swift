// Types of the vector code's numeric arguments. All functions are inlined: the linker could keep a shared one that is
// compiled for another processor.

/// The type of a number in memory.
public enum Element: Int32, Sendable, CaseIterable {
    case u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, f16, bf16

    /// In bytes.
    @inlinable @inline(__always)
    public var size: Int {
        switch self {
        case .u8, .i8: 1
        case .u16, .i16, .f16, .bf16: 2
        case .u32, .i32, .f32: 4
        case .u64, .i64, .f64: 8
        }
    }

    @inlinable @inline(__always)
    public var isFloat: Bool { rawValue >= Element.f32.rawValue }

    @inlinable @inline(__always)
    public var isSigned: Bool { self == .i8 || self == .i16 || self == .i32 || self == .i64 || isFloat }

    @inlinable @inline(__always)
    public static func numbered(_ code: Int32) -> Element? {
        switch code {
        case 0: .u8
        case 1: .i8
        case 2: .u16
        case 3: .i16
        case 4: .u32
        case 5: .i32
        case 6: .u64
        case 7: .i64
        case 8: .f32
        case 9: .f64
        case 10: .f16
        case 11: .bf16
        default: nil
        }
    }
}

/// A comparison of an element with a value.
public enum Comparison: Int32, Sendable, CaseIterable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

    @inlinable @inline(__always)
    public static func numbered(_ code: Int32) -> Comparison? {
        switch code {
        case 0: .equal
        case 1: .notEqual
        case 2: .less
        case 3: .lessOrEqual
        case 4: .greater
        case 5: .greaterOrEqual
        default: nil
        }
    }
}

/// An operation on two elements. Integers wrap around; `divide` is for floats only.
public enum Operation: Int32, Sendable, CaseIterable {
    case add, subtract, multiply, divide, minimum, maximum

    @inlinable @inline(__always)
    public static func numbered(_ code: Int32) -> Operation? {
        switch code {
        case 0: .add
        case 1: .subtract
        case 2: .multiply
        case 3: .divide
        case 4: .minimum
        case 5: .maximum
        default: nil
        }
    }
}
