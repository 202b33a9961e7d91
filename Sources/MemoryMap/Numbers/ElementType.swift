internal import CMemoryMap

/// The type of a number in memory: `u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64`, in a byte order.
public struct ElementType: Hashable, Sendable {
    /// `MM_U8` … of mm_elements.h, with `MM_SWAPPED` if the bytes are not in the machine's order.
    package let code: Int32

    package init(code: Int32) { self.code = code }

    /// The type for a code from another process; nil if the code is not valid.
    package init?(checking code: Int64) {
        guard let code = Int32(exactly: code), code & ~Int32(15 | MM_SWAPPED) == 0, code & 15 <= MM_BF16
        else {
            return nil
        }
        self.code = code
        if isSwapped && byteCount == 1 { return nil }
    }

    private init(_ code: Int) { self.code = Int32(truncatingIfNeeded: code) }

    public static let uint8 = ElementType(MM_U8)
    public static let int8 = ElementType(MM_I8)
    public static let uint16 = ElementType(MM_U16)
    public static let int16 = ElementType(MM_I16)
    public static let uint32 = ElementType(MM_U32)
    public static let int32 = ElementType(MM_I32)
    public static let uint64 = ElementType(MM_U64)
    public static let int64 = ElementType(MM_I64)
    /// binary16 of IEEE 754.
    public static let float16 = ElementType(MM_F16)
    /// The upper half of a binary32.
    public static let bfloat16 = ElementType(MM_BF16)
    public static let float32 = ElementType(MM_F32)
    public static let float64 = ElementType(MM_F64)

    /// The same type, least significant byte first.
    public var littleEndian: ElementType { ordered(isSwapped: Self.isBigEndianMachine) }

    /// The same type, most significant byte first.
    public var bigEndian: ElementType { ordered(isSwapped: !Self.isBigEndianMachine) }

    /// The bytes of one element: 1, 2, 4 or 8.
    public var byteCount: Int { mm_element_size(code) }

    public var isFloat: Bool { code & Int32(MM_FLOAT) != 0 }

    /// Whether the byte order is not the machine's.
    public var isSwapped: Bool { code & Int32(MM_SWAPPED) != 0 }

    /// The type without its byte order.
    package var kind: Int32 { code & 15 }

    private static var isBigEndianMachine: Bool { 1.bigEndian == 1 }

    private func ordered(isSwapped: Bool) -> ElementType {
        // A byte has no order.
        ElementType(code: isSwapped && byteCount > 1 ? kind | Int32(MM_SWAPPED) : kind)
    }

    /// The type with a name: `"u32"` in the machine's byte order, `"u32le"`, `"u32be"`; nil if there is none.
    public init?(_ name: String) {
        var name = name
        guard let type = name.withUTF8({ ElementType(name: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = type
    }

    /// The type whose name these bytes are, or nil. Allocates nothing.
    package init?(name: UnsafeRawBufferPointer) {
        // A leading zero byte would not change the number that the bytes form.
        guard name.count >= 2, name.count <= 6, name[0] != 0 else { return nil }
        var bytes: UInt64 = 0
        for byte in name { bytes = bytes &<< 8 | UInt64(byte) }
        // "le" and "be"
        let order = bytes & 0xffff
        let isOrdered = name.count >= 4 && (order == 0x6c65 || order == 0x6265)
        let code: Int
        switch isOrdered ? bytes &>> 16 : bytes {
        case 0x75_38: code = MM_U8
        case 0x69_38: code = MM_I8
        case 0x75_31_36: code = MM_U16
        case 0x69_31_36: code = MM_I16
        case 0x75_33_32: code = MM_U32
        case 0x69_33_32: code = MM_I32
        case 0x75_36_34: code = MM_U64
        case 0x69_36_34: code = MM_I64
        case 0x66_31_36: code = MM_F16
        case 0x62_66_31_36: code = MM_BF16
        case 0x66_33_32: code = MM_F32
        case 0x66_36_34: code = MM_F64
        default: return nil
        }
        let type = ElementType(code)
        self = !isOrdered ? type : order == 0x6c65 ? type.littleEndian : type.bigEndian
    }

    /// The name, followed by the byte order if it has one: `"u8"`, `"u32le"`, `"f64be"`.
    package var name: StaticString {
        switch code {
        case Int32(MM_U8): return "u8"
        case Int32(MM_I8): return "i8"
        default: break
        }
        return (self == littleEndian) ? littleEndianName : bigEndianName
    }

    private var littleEndianName: StaticString {
        switch kind {
        case Int32(MM_U16): "u16le"
        case Int32(MM_I16): "i16le"
        case Int32(MM_U32): "u32le"
        case Int32(MM_I32): "i32le"
        case Int32(MM_U64): "u64le"
        case Int32(MM_I64): "i64le"
        case Int32(MM_F16): "f16le"
        case Int32(MM_BF16): "bf16le"
        case Int32(MM_F32): "f32le"
        default: "f64le"
        }
    }

    private var bigEndianName: StaticString {
        switch kind {
        case Int32(MM_U16): "u16be"
        case Int32(MM_I16): "i16be"
        case Int32(MM_U32): "u32be"
        case Int32(MM_I32): "i32be"
        case Int32(MM_U64): "u64be"
        case Int32(MM_I64): "i64be"
        case Int32(MM_F16): "f16be"
        case Int32(MM_BF16): "bf16be"
        case Int32(MM_F32): "f32be"
        default: "f64be"
        }
    }
}

extension ElementType: CustomStringConvertible {
    public var description: String { String(describing: name) }
}
