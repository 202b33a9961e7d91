// Strings with backslashes.

@inline(__always)
private func hexadecimal(_ text: UnsafePointer<UInt8>) -> UInt32? {
    var value: UInt32 = 0
    for place in 0..<4 {
        let byte = text[place]
        let letter = (byte | 0x20) &- 97
        guard byte &- 48 <= 9 || letter <= 5 else { return nil }
        value = value &<< 4 | UInt32(byte &- 48 <= 9 ? byte &- 48 : letter &+ 10)
    }
    return value
}

/// What the escape at the start of a text stands for, and its length; nil if there is none.
private func escape(_ text: UnsafePointer<UInt8>, _ count: Int) -> (scalar: UInt32, length: Int)? {
    if count < 2 { return nil }
    switch text[1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return (UInt32(text[1]), 2)
    case UInt8(ascii: "b"): return (8, 2)
    case UInt8(ascii: "f"): return (12, 2)
    case UInt8(ascii: "n"): return (10, 2)
    case UInt8(ascii: "r"): return (13, 2)
    case UInt8(ascii: "t"): return (9, 2)
    case UInt8(ascii: "u"):
        guard count >= 6, let first = hexadecimal(text + 2), first & 0xFC00 != 0xDC00 else { return nil }
        if first & 0xFC00 != 0xD800 { return (first, 6) }
        guard count >= 12, text[6] == UInt8(ascii: "\\"), text[7] == UInt8(ascii: "u"),
            let second = hexadecimal(text + 8), second & 0xFC00 == 0xDC00
        else { return nil }
        return (0x10000 &+ (first & 0x3FF) &<< 10 &+ (second & 0x3FF), 12)
    default: return nil
    }
}

/// Bytes that are read between calls of `poll`.
private var step: Int { 4 << 20 }

/// The place of the first escape that is none; nil if all are good.
///
/// - Parameter poll: Called from time to time; throws to stop.
func wrongEscape(
    _ text: UnsafePointer<UInt8>, _ count: Int, poll: () throws(TableError) -> Void
) throws(TableError) -> Int? {
    var place = 0
    while place < count {
        let stop = min(count, place &+ step)
        while place < stop {
            if text[place] != UInt8(ascii: "\\") {
                place &+= 1
            } else if let found = escape(text + place, count &- place) {
                place &+= found.length
            } else {
                return place
            }
        }
        if place < count { try poll() }
    }
    return nil
}

/// Writes what a string with escapes stands for, and returns the number of bytes, which is less than `count`.
///
/// - Parameters:
///   - text: Without the quotes; checked by `wrongEscape`.
///   - target: Room for `count` bytes; may be `text` itself.
///   - poll: Called from time to time; throws to stop.
package func unescape<Failure>(
    _ text: UnsafePointer<UInt8>, _ count: Int, _ target: UnsafeMutablePointer<UInt8>,
    poll: () throws(Failure) -> Void
) throws(Failure) -> Int {
    var (place, written) = (0, 0)
    while place < count {
        let stop = min(count, place &+ step)
        unescape(text, count, target, &place, &written, stop)
        if place < count { try poll() }
    }
    return written
}

@inline(__always)
private func unescape(
    _ text: UnsafePointer<UInt8>, _ count: Int, _ target: UnsafeMutablePointer<UInt8>, _ place: inout Int,
    _ written: inout Int, _ stop: Int
) {
    while place < stop {
        guard text[place] == UInt8(ascii: "\\"), let found = escape(text + place, count &- place) else {
            target[written] = text[place]
            (place, written) = (place &+ 1, written &+ 1)
            continue
        }
        place &+= found.length
        let scalar = found.scalar
        if scalar < 0x80 {
            target[written] = UInt8(truncatingIfNeeded: scalar)
            written &+= 1
            continue
        }
        let more = scalar < 0x800 ? 1 : scalar < 0x10000 ? 2 : 3
        let lead: UInt32 = more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0
        target[written] = UInt8(truncatingIfNeeded: lead | scalar &>> UInt32(6 &* more))
        for i in 1...more {
            target[written &+ i] = UInt8(
                truncatingIfNeeded: 0x80 | scalar &>> UInt32(6 &* (more &- i)) & 0x3F)
        }
        written &+= more &+ 1
    }
}
