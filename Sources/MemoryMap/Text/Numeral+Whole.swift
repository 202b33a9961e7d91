extension UInt64 {
    /// The magnitude of the integer that a numeral of Lua is exactly: `12.0`, `1.5e3`, `0x1p4`. nil if it has a fraction
    /// or does not fit. No float is made on the way, which would round `0.99999999999999999999`.
    ///
    /// - Parameter text: A numeral of Lua; of anything else the result is undefined.
    fileprivate init?(magnitude text: UnsafeRawBufferPointer, isNegative: inout Bool) {
        var (base, exponentBase, bits): (UInt128, UInt128, Int) = (10, 10, 1)
        var magnitude: UInt128 = 0
        // Zeros that are not in the magnitude yet, and the power of ten or two that the magnitude is to be multiplied with.
        var (zeros, exponent) = (0, 0)
        var isFraction = false
        var place = 0
        scan: while place < text.count {
            let byte = text[place]
            place &+= 1
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "-"):
                isNegative = true
                continue
            case UInt8(ascii: "."):
                isFraction = true
                continue
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                (base, exponentBase, bits) = (16, 2, 4)
                continue
            case UInt8(ascii: "p"), UInt8(ascii: "P"): break scan
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                if base == 10 { break scan }
                digit = 14
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- 48
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                digit = (byte | 0x20) &- 87
            default: continue
            }
            if isFraction { exponent &-= bits }
            if digit == 0 {
                if magnitude != 0 { zeros &+= 1 }
                continue
            }
            while zeros > 0 {
                guard magnitude.multiply(by: base) else { return nil }
                zeros &-= 1
            }
            guard magnitude.multiply(by: base) else { return nil }
            magnitude &+= UInt128(digit)
        }
        if magnitude == 0 {
            self = 0
            return
        }
        exponent = exponent &+ zeros &* bits &+ exponentAt(place, text)
        // The last digit is not zero, so that a power of ten below zero leaves a fraction.
        while exponent < 0 && exponentBase == 2 && magnitude & 1 == 0 {
            magnitude &>>= 1
            exponent &+= 1
        }
        if exponent < 0 { return nil }
        while exponent > 0 {
            guard magnitude.multiply(by: exponentBase) else { return nil }
            exponent &-= 1
        }
        self.init(exactly: magnitude)
    }

    /// The integer that a numeral of Lua is exactly; nil for one that is none of 0 to 2^64 - 1.
    package init?(whole text: UnsafeRawBufferPointer) {
        var isNegative = false
        guard let value = UInt64(magnitude: text, isNegative: &isNegative), !isNegative || value == 0 else {
            return nil
        }
        self = value
    }
}

extension Int64 {
    /// The integer that a numeral of Lua is exactly; nil for one that has a fraction or does not fit.
    package init?(whole text: UnsafeRawBufferPointer) {
        var isNegative = false
        guard let value = UInt64(magnitude: text, isNegative: &isNegative),
            value <= UInt64(Int64.max) &+ (isNegative ? 1 : 0)
        else { return nil }
        self.init(bitPattern: isNegative ? 0 &- value : value)
    }
}

extension UInt128 {
    /// False for a number that is far from one of 64 bits.
    @inline(__always)
    fileprivate mutating func multiply(by base: UInt128) -> Bool {
        if self >> 100 != 0 { return false }
        self = self &* base
        return true
    }
}

/// The number in digits from a place on, which may have a sign; very large ones are bounded.
private func exponentAt(_ start: Int, _ text: UnsafeRawBufferPointer) -> Int {
    var (value, isNegative) = (0, false)
    for byte in text[start...] {
        if byte == UInt8(ascii: "-") { isNegative = true }
        if byte &- 48 <= 9 && value < 1 << 56 { value = value &* 10 &+ Int(byte &- 48) }
    }
    return isNegative ? 0 &- value : value
}
