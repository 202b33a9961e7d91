// UTF-8 as PCRE2 judges it: RFC 3629, without surrogates and overlong forms.

/// How many bytes at the start are valid, and whether the character that follows them is valid but for its missing end.
package func validUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> (count: Int, isCut: Bool) {
    var place = 0
    while true {
        place = skipASCII(bytes, place)
        guard place < bytes.count else { return (place, false) }
        let character = UTF8Character(bytes[place])
        guard character.length > 0 else { return (place, false) }
        let available = min(character.length, bytes.count &- place)
        for distance in 1..<max(available, 1) {
            let byte = bytes[place &+ distance]
            let isValid = distance == 1 ? character.second.contains(byte) : byte & 0xc0 == 0x80
            if !isValid { return (place, false) }
        }
        if available < character.length { return (place, true) }
        place &+= character.length
    }
}

/// The form of the characters that begin with a byte.
private struct UTF8Character {
    /// In bytes; 0 if none begins with it.
    let length: Int
    /// The range of the second byte.
    let second: ClosedRange<UInt8>

    @inline(__always)
    init(_ first: UInt8) {
        switch first {
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: (length, second) = (first < 0x80 ? 1 : 0, 0x80...0xbf)
        }
    }
}

/// The offset of the first byte, from one on, that is not ASCII.
@inline(__always)
private func skipASCII(_ bytes: UnsafeBufferPointer<UInt8>, _ from: Int) -> Int {
    var place = from
    let raw = UnsafeRawBufferPointer(bytes)
    while place &+ 16 <= raw.count {
        let words = raw.loadUnaligned(fromByteOffset: place, as: SIMD2<UInt64>.self)
        if (words[0] | words[1]) & 0x8080_8080_8080_8080 != 0 { break }
        place &+= 16
    }
    while place < bytes.count, bytes[place] < 0x80 { place &+= 1 }
    return place
}
