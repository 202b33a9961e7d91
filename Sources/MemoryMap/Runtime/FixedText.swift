internal import CMemoryMap
internal import Glibc

/// Text in a buffer of fixed size. Bytes that do not fit are dropped. Allocates nothing.
package struct FixedText {
    let buffer: UnsafeMutableBufferPointer<UInt8>
    package private(set) var count = 0

    package init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    package mutating func put(_ byte: UInt8) {
        if count >= buffer.count { return }
        buffer[count] = byte
        count &+= 1
    }

    package mutating func text(_ text: StaticString) {
        for i in 0..<text.utf8CodeUnitCount { put(text.utf8Start[i]) }
    }

    package mutating func string(_ text: UnsafePointer<CChar>?) {
        guard let text else { return }
        for i in 0..<strlen(text) { put(UInt8(bitPattern: text[i])) }
    }

    /// Appends untrusted text. Bytes that are unsafe for a terminal appear as `\xNN`, see mm_shown.h.
    ///
    /// - Parameter quoting: Whether to escape quotes and backslashes with a backslash.
    package mutating func shown(_ bytes: UnsafePointer<CChar>, count: Int, quoting: Bool = false) {
        var place = 0
        while place < count {
            let end = place &+ Int(mm_shown(bytes + place, count &- place))
            if end == place {
                let byte = UInt8(bitPattern: bytes[place])
                text("\\x")
                digits(UInt(byte >> 4), radix: 16)
                digits(UInt(byte & 15), radix: 16)
                place &+= 1
            }
            while place < end {
                let byte = UInt8(bitPattern: bytes[place])
                if quoting, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text("\\") }
                put(byte)
                place &+= 1
            }
        }
    }

    package mutating func decimal(_ number: Int) {
        if number < 0 { text("-") }
        digits(number.magnitude, radix: 10)
    }

    package mutating func hexadecimal(_ number: UInt) {
        text("0x")
        digits(number, radix: 16)
    }

    package mutating func digits(_ number: UInt, radix: UInt) {
        var unit: UInt = 1
        while number / unit >= radix { unit &*= radix }
        while unit > 0 {
            let digit = UInt8(truncatingIfNeeded: number / unit % radix)
            put(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ digit &- 10)
            unit /= radix
        }
    }

    /// Appends a size in bytes in human-readable form: `48 KiB`, `1.5 MiB`.
    package mutating func size(_ bytes: Int) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MM_SIZE_TEXT)) { digits in
            guard let start = digits.baseAddress else { return }
            mm_format_size(UInt64(max(bytes, 0)), start)
            string(start)
        }
    }
}
