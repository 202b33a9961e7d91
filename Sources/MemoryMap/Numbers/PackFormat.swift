package import CMemoryMap

/// Reads a format string of `string.pack` item by item: section 6.4.2 of the Lua manual, with the
/// messages of Lua's own reader.
package struct PackFormat {
    package enum Kind {
        case signed, unsigned, float, double
        /// `c`: bytes of a fixed length.
        case characters
        /// `s`: bytes, preceded by their length.
        case string
        /// `z`: bytes with a terminating zero.
        case zeroTerminated
        /// `x`: one byte of zero.
        case padding
        /// `X` and the options that only configure: no bytes except padding for the alignment.
        case nothing
    }

    package struct Item {
        package let kind: Kind
        /// In bytes; for `string`, the size of the length.
        package let size: Int
        /// Bytes to skip before the item, for the alignment.
        package var padding = 0
    }

    package var state: mm_format

    package init(_ state: mm_format) { self.state = state }

    /// - Parameter format: Ends with a zero byte and must outlive the reader.
    package init(format: UnsafePointer<CChar>) {
        self.state = mm_format(next: format, alignment: 1, isLittle: 1.littleEndian == 1)
    }

    package var isLittle: Bool { state.isLittle }

    /// The next item, or nil at the end.
    ///
    /// - Parameter position: The start of the item without padding, in bytes from the origin of the
    ///   alignment.
    /// - Throws: `misuse`: the format is malformed.
    package mutating func next(at position: Int) throws(MapError) -> Item? {
        guard let option = take() else { return nil }
        var item = try item(option)
        var alignment = item.size
        if option == UInt8(ascii: "X") {
            guard let following = take() else { throw .badAlignment }
            let aligned = try self.item(following)
            alignment = aligned.size
            if aligned.kind == .characters || alignment == 0 { throw .badAlignment }
        }
        if alignment <= 1 || item.kind == .characters { return item }
        alignment = min(alignment, Int(state.alignment))
        guard alignment & (alignment &- 1) == 0 else {
            throw MapError(.misuse, "format asks for alignment not power of 2")
        }
        item.padding = (0 &- position) & (alignment &- 1)
        return item
    }

    private mutating func item(_ option: UInt8) throws(MapError) -> Item {
        switch option {
        case UInt8(ascii: "b"): return Item(kind: .signed, size: 1)
        case UInt8(ascii: "B"): return Item(kind: .unsigned, size: 1)
        case UInt8(ascii: "h"): return Item(kind: .signed, size: MemoryLayout<CShort>.size)
        case UInt8(ascii: "H"): return Item(kind: .unsigned, size: MemoryLayout<CShort>.size)
        case UInt8(ascii: "l"): return Item(kind: .signed, size: MemoryLayout<CLong>.size)
        case UInt8(ascii: "L"): return Item(kind: .unsigned, size: MemoryLayout<CLong>.size)
        case UInt8(ascii: "j"): return Item(kind: .signed, size: 8)
        case UInt8(ascii: "J"): return Item(kind: .unsigned, size: 8)
        case UInt8(ascii: "T"): return Item(kind: .unsigned, size: MemoryLayout<Int>.size)
        case UInt8(ascii: "f"): return Item(kind: .float, size: 4)
        case UInt8(ascii: "d"), UInt8(ascii: "n"): return Item(kind: .double, size: 8)
        case UInt8(ascii: "i"): return Item(kind: .signed, size: try size(default: MemoryLayout<CInt>.size))
        case UInt8(ascii: "I"): return Item(kind: .unsigned, size: try size(default: MemoryLayout<CInt>.size))
        case UInt8(ascii: "s"): return Item(kind: .string, size: try size(default: MemoryLayout<Int>.size))
        case UInt8(ascii: "c"):
            guard let size = number() else {
                throw MapError(.misuse, "missing size for format option 'c'")
            }
            return Item(kind: .characters, size: size)
        case UInt8(ascii: "z"): return Item(kind: .zeroTerminated, size: 0)
        case UInt8(ascii: "x"): return Item(kind: .padding, size: 1)
        case UInt8(ascii: "X"), UInt8(ascii: " "): break
        case UInt8(ascii: "<"): state.isLittle = true
        case UInt8(ascii: ">"): state.isLittle = false
        case UInt8(ascii: "="): state.isLittle = 1.littleEndian == 1
        case UInt8(ascii: "!"): state.alignment = Int32(truncatingIfNeeded: try size(default: 8))
        default: throw MapError(.misuse, "invalid format option '%c'", Int(option))
        }
        return Item(kind: .nothing, size: 0)
    }

    /// The next character, or nil at the end.
    private mutating func take() -> UInt8? {
        guard let next = state.next, next.pointee != 0 else { return nil }
        state.next = next + 1
        return UInt8(bitPattern: next.pointee)
    }

    /// The next number, if there is one. Like Lua's reader it stops before the number exceeds an `int`.
    private mutating func number() -> Int? {
        var result: Int?
        while let next = state.next, next.pointee >= 0x30, next.pointee <= 0x39 {
            let value = result ?? 0
            if value > (Int(Int32.max) &- 9) / 10 { break }
            result = value &* 10 &+ Int(next.pointee) &- 0x30
            state.next = next + 1
        }
        return result
    }

    /// The size of an integer: the next number, or a default.
    private mutating func size(default size: Int) throws(MapError) -> Int {
        let size = number() ?? size
        guard size >= 1, size <= 16 else {
            throw MapError(.misuse, "integral size (%1) out of limits [1,16]", size)
        }
        return size
    }
}

extension MapError {
    fileprivate static var badAlignment: MapError {
        MapError(.misuse, "invalid next option for option 'X'")
    }
}

// Integers of any size.

/// Reads an integer of `size` bytes (1 to 16), sign-extended if it is signed. Nil if it needs more than 64
/// bits.
package func loadInteger(
    _ place: UnsafePointer<UInt8>, _ size: Int, isLittle: Bool, isSigned: Bool
) -> Int64? {
    var bits: UInt64 = 0
    let low = min(size, 8)
    var i = low
    while i > 0 {
        i &-= 1
        bits = bits &<< 8 | UInt64(place[isLittle ? i : size &- 1 &- i])
    }
    if size < 8 {
        let unused = UInt64(64 &- 8 &* size)
        return isSigned ? Int64(bitPattern: bits &<< unused) &>> Int64(unused) : Int64(bitPattern: bits)
    }
    let rest: UInt8 = isSigned && Int64(bitPattern: bits) < 0 ? 0xff : 0
    i = low
    while i < size {
        if place[isLittle ? i : size &- 1 &- i] != rest { return nil }
        i &+= 1
    }
    return Int64(bitPattern: bits)
}

/// Writes an integer as `size` bytes (1 to 16), truncated or sign-extended.
package func storeInteger(
    _ value: Int64, _ place: UnsafeMutablePointer<UInt8>, _ size: Int, isLittle: Bool, isSigned: Bool
) {
    var bits = UInt64(bitPattern: value)
    let rest: UInt64 = isSigned && value < 0 ? 0xff &<< 56 : 0
    var i = 0
    while i < size {
        place[isLittle ? i : size &- 1 &- i] = UInt8(truncatingIfNeeded: bits)
        bits = bits &>> 8 | rest
        i &+= 1
    }
}

/// Whether an integer can be written as `size` bytes (1 to 16). Every `Int64` fits 8 or more bytes, a
/// negative one with its bits if the type is unsigned.
package func fits(_ value: Int64, _ size: Int, isSigned: Bool) -> Bool {
    if size >= 8 { return true }
    let unused = Int64(64 &- 8 &* size)
    return isSigned
        ? (value &<< unused) &>> unused == value
        : UInt64(bitPattern: value) &>> UInt64(64 &- unused) == 0
}
