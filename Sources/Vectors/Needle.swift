/// Bytes to search for, and two of them to compare first.
public struct Needle {
    /// At least one byte. The caller keeps the memory alive.
    public let start: UnsafeRawPointer
    public let count: Int
    /// Offsets of the two bytes that are probably the rarest; equal if the needle has one byte.
    public let first: Int
    public let second: Int

    /// For short subjects, where choosing rare bytes takes longer than the search: uses the first and the last byte.
    public init(endsOf start: UnsafeRawPointer, _ count: Int) {
        self.start = start
        self.count = count
        first = 0
        second = count &- 1
    }

    public init(_ start: UnsafeRawPointer, _ count: Int) {
        self.start = start
        self.count = count
        var best = 0
        var next = count > 1 ? count &- 1 : 0
        // The ends are good enough: only the first 256 bytes of a long needle are candidates.
        for i in 0..<min(count, 256) where i != best && i != next {
            let rank = commonness(start.load(fromByteOffset: i, as: UInt8.self))
            let worst = commonness(start.load(fromByteOffset: best, as: UInt8.self))
            let other = commonness(start.load(fromByteOffset: next, as: UInt8.self))
            if worst >= other {
                if rank < worst { best = i }
            } else if rank < other {
                next = i
            }
        }
        first = min(best, next)
        second = max(best, next)
    }
}

/// The approximate frequency of a byte in text, program code and numbers: 0 is rare.
private func commonness(_ byte: UInt8) -> Int {
    switch byte {
    case 0x20, 0x00: 9
    case UInt8(ascii: "e"), UInt8(ascii: "t"), UInt8(ascii: "a"), UInt8(ascii: "o"), UInt8(ascii: "i"): 8
    case UInt8(ascii: "n"), UInt8(ascii: "s"), UInt8(ascii: "r"), UInt8(ascii: "0"), UInt8(ascii: "1"), 0x0a:
        7
    case UInt8(ascii: "l"), UInt8(ascii: "d"), UInt8(ascii: "h"), UInt8(ascii: "c"), UInt8(ascii: "u"): 6
    case UInt8(ascii: "2")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ","), 0xff: 5
    case UInt8(ascii: "a")...UInt8(ascii: "z"): 4
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: ";"),
        UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "\""):
        3
    case 0x21...0x7e: 2
    case 0x80...0xfe: 1
    default: 0
    }
}
