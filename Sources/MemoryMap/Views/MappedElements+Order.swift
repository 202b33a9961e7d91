internal import CMemoryMap
internal import Glibc
internal import Vectors

// The order of elements: numbers by value, NaN after all numbers. The two zeros are equal, but a sort puts -0
// first.

extension Element {
    /// The bits of infinity, of a float type of that width.
    @inline(__always)
    func infinity<Word: FixedWidthInteger & UnsignedInteger>(_: Word.Type) -> Word {
        switch Word.bitWidth {
        case 16: Word(truncatingIfNeeded: self == .f16 ? 0x7c00 : 0x7f80)
        case 32: Word(truncatingIfNeeded: 0x7f80_0000)
        default: Word(truncatingIfNeeded: 0x7ff0_0000_0000_0000)
        }
    }
}

/// The key of an element: an unsigned integer of its width, in the order of the values.
@inline(__always)
func key<Word: FixedWidthInteger & UnsignedInteger>(_ bits: Word, _ element: Element) -> Word {
    let sign: Word = 1 << Word(Word.bitWidth - 1)
    if !element.isFloat { return element.isSigned ? bits ^ sign : bits }
    // All NaNs come last, regardless of their sign.
    if bits & ~sign > element.infinity(Word.self) { return bits | sign }
    return bits & sign == 0 ? bits | sign : ~bits
}

@inline(__always)
func bits<Word: FixedWidthInteger & UnsignedInteger>(_ key: Word, _ element: Element) -> Word {
    let sign: Word = 1 << Word(Word.bitWidth - 1)
    if !element.isFloat { return element.isSigned ? key ^ sign : key }
    return key & sign == 0 ? ~key : key ^ sign
}

/// The direction of a sort.
struct SortOrder<Word: FixedWidthInteger & UnsignedInteger> {
    let element: Element
    let isDescending: Bool
    /// The greatest key that is not one of NaN.
    let top: Word

    init(_ element: Element, isDescending: Bool) {
        (self.element, self.isDescending) = (element, isDescending)
        top = element.isFloat ? MemoryMap.key(element.infinity(Word.self), element) : .max
    }

    /// The key in this order: NaN comes last in both. It is its own inverse.
    @inline(__always)
    func turned(_ key: Word) -> Word { isDescending && key <= top ? top &- key : key }

    /// The key of an element's bits. Different bits have different keys, except NaNs.
    @inline(__always)
    func key(_ bits: Word) -> Word { turned(MemoryMap.key(bits, element)) }

    @inline(__always)
    func bits(_ key: Word) -> Word { MemoryMap.bits(turned(key), element) }

    /// One key for all equal values: both zeros, and all NaNs.
    @inline(__always)
    func equalKey(_ bits: Word) -> Word {
        if !element.isFloat { return key(bits) }
        let key = MemoryMap.key(bits << 1 == 0 ? 0 : bits, element)
        return key > top ? .max : turned(key)
    }
}

extension MappedElements {
    /// Whether no element is less than the one before it.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    package func isSorted(shouldContinue: ShouldContinue) throws(MapError) -> Bool {
        let part = try readable()
        let memory = ElementMemory(part)
        let place: Int?
        switch memory.size {
        case 1: place = try memory.firstDescent(UInt8.self, shouldContinue)
        case 2: place = try memory.firstDescent(UInt16.self, shouldContinue)
        case 4: place = try memory.firstDescent(UInt32.self, shouldContinue)
        default: place = try memory.firstDescent(UInt64.self, shouldContinue)
        }
        try part.checkIntact()
        return place == nil
    }

    /// In sorted elements, the index of the first element that is not less than a number or, with `isUpper`,
    /// that is greater; `count` if there is none. In unsorted elements, some index.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`; `misuse` for NaN.
    package func bound(_ number: Number, isUpper: Bool) throws(MapError) -> Int {
        if case .float(let value) = number, value.isNaN {
            throw MapError(.misuse, "NaN cannot be ordered")
        }
        let part = try readable()
        let memory = ElementMemory(part)
        let condition = Condition(isUpper ? .lessOrEqual : .less, number, type)
        var (low, high) = (0, memory.count)
        guard case .compares(let comparison, let bits) = condition else {
            return low
        }
        let value = memory.keyed(bits)
        while low < high {
            let middle = low &+ (high &- low) / 2
            let key = memory.key(at: middle)
            if comparison == .less ? key < value : key <= value { low = middle &+ 1 } else { high = middle }
        }
        try part.checkIntact()
        return low
    }
}

extension ElementMemory {
    /// The key of one element, the same for both zeros.
    fileprivate func key(at index: Int) -> UInt64 {
        var word: UInt64 = 0
        withUnsafeMutableBytes(of: &word) { bytes in
            if let start = bytes.baseAddress { gather(index, 1, start) }
        }
        return keyed(word)
    }

    fileprivate func keyed(_ bits: UInt64) -> UInt64 {
        switch size {
        case 1: equalKey(UInt8(truncatingIfNeeded: bits))
        case 2: equalKey(UInt16(truncatingIfNeeded: bits))
        case 4: equalKey(UInt32(truncatingIfNeeded: bits))
        default: equalKey(bits)
        }
    }

    private func equalKey<Word: FixedWidthInteger & UnsignedInteger>(_ bits: Word) -> UInt64 {
        UInt64(SortOrder<Word>(element, isDescending: false).equalKey(bits))
    }

    fileprivate func firstDescent<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int? {
        try ParallelRanges(max(0, count &- 1), blocks: 64, of: Self.blockCount).first(
            shouldContinue: shouldContinue
        ) { range in
            var found: Int?
            var before: Word?
            // With the element after the range, which is the first of the next piece.
            forEachBlock(range.lowerBound..<range.upperBound &+ 1) { block in
                for i in 0..<block.count {
                    let word = block.start.loadUnaligned(fromByteOffset: i &* size, as: Word.self)
                    let isZero = element.isFloat && word << 1 == 0
                    let key = MemoryMap.key(isZero ? 0 : word, element)
                    if let before, key < before {
                        found = block.index &+ i
                        return false
                    }
                    before = key
                }
                return true
            }
            return found
        }
    }
}
