/// A set of registers, 0 to 255.
struct RegisterSet: Hashable, Sequence {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init() {}
    init(_ range: Range<Int>) { for register in range { insert(register) } }

    static func == (a: RegisterSet, b: RegisterSet) -> Bool { a.words == b.words }
    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    private subscript(word: Int) -> UInt64 {
        get {
            switch word {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        }
        set {
            switch word {
            case 0: words.0 = newValue
            case 1: words.1 = newValue
            case 2: words.2 = newValue
            default: words.3 = newValue
            }
        }
    }

    /// Registers after the last one are left out.
    mutating func insert(_ register: Int) {
        if register < 256 { self[register >> 6] |= 1 << UInt64(register & 63) }
    }
    func contains(_ register: Int) -> Bool {
        register < 256 && self[register >> 6] >> UInt64(register & 63) & 1 != 0
    }
    mutating func formUnion(_ other: RegisterSet) { for word in 0..<4 { self[word] |= other[word] } }
    mutating func subtract(_ other: RegisterSet) { for word in 0..<4 { self[word] &= ~other[word] } }

    /// The highest register, or -1.
    var highest: Int {
        for word in (0..<4).reversed() where self[word] != 0 {
            return word * 64 + 63 - self[word].leadingZeroBitCount
        }
        return -1
    }

    func makeIterator() -> some IteratorProtocol<Int> { (0..<256).lazy.filter(contains).makeIterator() }
}
