internal import CMemoryMap

/// A number as Lua reads it: `0x1p4`, ` 1e3 `, 400 digits.
enum LuaNumeral {
    case integer(Int64)
    case float(Double)

    /// The number in a string with a zero byte at its end; nil if it is none.
    ///
    /// The rules are those of lua_stringtonumber(3): blanks around, an integer in hexadecimal digits wraps around, one in
    /// decimal digits that does not fit is a float, and floats are those of strtod(3) in the locale "C", but no `nan` and
    /// no `inf`.
    ///
    /// - Parameter text: Private memory: it is read more than once.
    init?(_ text: UnsafePointer<CChar>, count: Int) {
        let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
        if let integer = LuaNumeral.integer(bytes) {
            guard integer.end == count else { return nil }
            self = .integer(integer.value)
            return
        }
        for i in 0..<count where bytes[i] | 0x20 == UInt8(ascii: "n") { return nil }
        var stop: UnsafeMutablePointer<CChar>?
        let value = mm_strtod(text, &stop)
        guard let stop else { return nil }
        var end = UnsafePointer(stop) - text
        if end == 0 { return nil }
        while isBlank(bytes[end]) { end &+= 1 }
        guard end == count else { return nil }
        self = .float(value)
    }

    /// The integer, and where the string ends; nil for what is no integer or does not fit.
    private static func integer(_ bytes: UnsafePointer<UInt8>) -> (value: Int64, end: Int)? {
        var place = 0
        while isBlank(bytes[place]) { place &+= 1 }
        let isNegative = bytes[place] == UInt8(ascii: "-")
        if isNegative || bytes[place] == UInt8(ascii: "+") { place &+= 1 }
        var value: UInt64 = 0
        var isEmpty = true
        if bytes[place] == UInt8(ascii: "0") && bytes[place &+ 1] | 0x20 == UInt8(ascii: "x") {
            place &+= 2
            while let digit = hexadecimal(bytes[place]) {
                value = value &* 16 &+ UInt64(digit)
                (place, isEmpty) = (place &+ 1, false)
            }
        } else {
            let limit = UInt64(Int64.max) &+ (isNegative ? 1 : 0)
            while bytes[place] &- 48 <= 9 {
                let digit = UInt64(bytes[place] &- 48)
                if value > limit / 10 || value &* 10 &+ digit > limit { return nil }
                value = value &* 10 &+ digit
                (place, isEmpty) = (place &+ 1, false)
            }
        }
        while isBlank(bytes[place]) { place &+= 1 }
        if isEmpty || bytes[place] != 0 { return nil }
        let integer = Int64(bitPattern: value)
        return (isNegative ? 0 &- integer : integer, place)
    }
}

@inline(__always)
func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte &- 9 <= 4 }

@inline(__always)
private func hexadecimal(_ byte: UInt8) -> UInt8? {
    if byte &- 48 <= 9 { return byte &- 48 }
    let letter = (byte | 0x20) &- 97
    return letter <= 5 ? letter &+ 10 : nil
}
