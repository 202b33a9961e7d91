internal import CMemoryMap

/// What a text is read as.
package enum NumeralKind: UInt8, Sendable {
    /// The bits of a float.
    case number
    /// An `Int64`.
    case integer
    /// A `UInt64`.
    case u64
}

/// A text: its first byte and its length in bytes.
package typealias NumeralText = (start: UnsafePointer<UInt8>, count: Int)

/// Reads texts as plain decimal numbers, as far as each is one; see `Numeral`.
///
/// The texts may be in a mapping that others write. One call reads many, because no call across modules is inlined.
///
/// - Parameter values: Gets a value for each text that was read.
/// - Returns: How many were read. The text there, if there is one, is not a plain number of the kind.
package func readPlainNumerals(
    _ texts: UnsafePointer<NumeralText>, count: Int, into values: UnsafeMutablePointer<UInt64>,
    as kind: NumeralKind, point: UInt8
) -> Int {
    switch kind {
    case .number: read(texts, count, values, .number, point)
    case .integer: read(texts, count, values, .integer, point)
    case .u64: read(texts, count, values, .u64, point)
    }
}

@inline(__always)
private func read(
    _ texts: UnsafePointer<NumeralText>, _ count: Int, _ values: UnsafeMutablePointer<UInt64>,
    _ kind: NumeralKind, _ point: UInt8
) -> Int {
    for row in 0..<count {
        let (start, length) = texts[row]
        let number: Numeral
        if UInt(bitPattern: length &- 1) < 7 {
            let end = UInt64(1) &<< UInt64(truncatingIfNeeded: length &* 8)
            number = Numeral(firstWord(start, length), upTo: end, at: 0, point: point)
        } else {
            number = Numeral(start, 0, length, point: point)
        }
        if number.stop != length || length == 0 { return row }
        switch kind {
        case .number:
            values[row] =
                number.isFloat
                ? UInt64(bitPattern: number.value) : Double(number.value).bitPattern
        case .integer:
            if number.isFloat { return row }
            values[row] = UInt64(bitPattern: number.value)
        case .u64:
            if number.isFloat || number.value < 0 { return row }
            values[row] = UInt64(bitPattern: number.value)
        }
    }
    return count
}

/// The bytes at `start`, the first in the lowest bits; those after the first `count`, 1 to 7, may be any.
@inline(__always)
private func firstWord(_ start: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    // Bytes of the same page can be read as well as the first.
    if UInt(bitPattern: start) & 4095 <= 4088 { return mm_load_word_of_page(start) }
    var word: UInt64 = 0
    for i in 0..<count { word |= UInt64(start[i]) &<< UInt64(truncatingIfNeeded: i &* 8) }
    return word
}
