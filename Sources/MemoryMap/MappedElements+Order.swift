internal import CMemoryMap
internal import Glibc
internal import Kernels

// Order: numbers as everyone knows, the two zeros alike but -0 first where it is sorted, and NaN behind
// all others.

/// A place of an element's value in the order, as an unsigned integer of its width.
@inline(__always)
private func key<Word: FixedWidthInteger & UnsignedInteger>(_ bits: Word, _ element: Element) -> Word {
    let sign: Word = 1 << Word(Word.bitWidth - 1)
    if !element.isFloat { return element.isSigned ? bits ^ sign : bits }
    let infinity: Word = Word.bitWidth == 32 ? 0x7f80_0000 : 0x7ff0_0000_0000_0000
    // All NaNs get behind, whatever their sign.
    if bits & ~sign > infinity { return bits | sign }
    return bits & sign == 0 ? bits | sign : ~bits
}

@inline(__always)
private func bits<Word: FixedWidthInteger & UnsignedInteger>(_ key: Word, _ element: Element) -> Word {
    let sign: Word = 1 << Word(Word.bitWidth - 1)
    if !element.isFloat { return element.isSigned ? key ^ sign : key }
    return key & sign == 0 ? ~key : key ^ sign
}

extension MappedElements {
    /// Whether no element is less than the one before it.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    package func isSorted(poll: Poll) throws(MapError) -> Bool {
        let part = try readable()
        let memory = ElementMemory(part)
        let place: Int?
        switch memory.size {
        case 1: place = try memory.firstDescent(UInt8.self, poll)
        case 2: place = try memory.firstDescent(UInt16.self, poll)
        case 4: place = try memory.firstDescent(UInt32.self, poll)
        default: place = try memory.firstDescent(UInt64.self, poll)
        }
        try part.checkIntact()
        return place == nil
    }

    /// Sorts the elements in place, from the least to the greatest, NaNs last.
    ///
    /// They are copied into memory, sorted there and written back, so it takes twice their size; what
    /// goes wrong before that leaves them as they were.
    ///
    /// - Throws: `closed`, `lost`, `notWritable`, `misuse` where the elements overlap, `interrupted`; a
    ///   failed `mmap` where there is not the memory.
    package func sort(poll: Poll) throws(MapError) {
        let part = try writable()
        let memory = ElementMemory(part)
        if memory.count < 2 { return }
        switch memory.size {
        case 1: try memory.sort(part, UInt8.self, poll)
        case 2: try memory.sort(part, UInt16.self, poll)
        case 4: try memory.sort(part, UInt32.self, poll)
        default: try memory.sort(part, UInt64.self, poll)
        }
        try part.checkIntact()
    }

    /// How many different values there are; all NaNs are one, and so are the zeros.
    ///
    /// - Throws: As `sort`, but for reading.
    package func uniqueCount(poll: Poll) throws(MapError) -> Int {
        let part = try readable()
        let memory = ElementMemory(part)
        let count: Int
        switch memory.size {
        case 1: count = try memory.uniqueCount(part, UInt8.self, poll)
        case 2: count = try memory.uniqueCount(part, UInt16.self, poll)
        case 4: count = try memory.uniqueCount(part, UInt32.self, poll)
        default: count = try memory.uniqueCount(part, UInt64.self, poll)
        }
        try part.checkIntact()
        return count
    }

    /// In sorted elements the index of the first that is not less than a number or, `isUpper`, that is
    /// greater; `count` where there is none. In others some index.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`; `misuse` for NaN.
    package func bound(_ number: Number, isUpper: Bool) throws(MapError) -> Int {
        if case .float(let value) = number, value.isNaN {
            throw MapError(.misuse, "NaN has no place in an order")
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
    /// The key of one element, with the zeros alike.
    fileprivate func key(at index: Int) -> UInt64 {
        var word: UInt64 = 0
        withUnsafeMutableBytes(of: &word) { bytes in
            if let start = bytes.baseAddress { gather(index, 1, start) }
        }
        return keyed(word)
    }

    fileprivate func keyed(_ bits: UInt64) -> UInt64 {
        switch size {
        case 1: return UInt64(MemoryMap.key(UInt8(truncatingIfNeeded: bits), element))
        case 2: return UInt64(MemoryMap.key(UInt16(truncatingIfNeeded: bits), element))
        case 4:
            let word = UInt32(truncatingIfNeeded: bits)
            return UInt64(MemoryMap.key(element.isFloat && word == 1 << 31 ? 0 : word, element))
        default: return MemoryMap.key(element.isFloat && bits == 1 << 63 ? 0 : bits, element)
        }
    }

    fileprivate func firstDescent<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ poll: Poll
    ) throws(MapError) -> Int? {
        try Pieces(max(0, count &- 1), blocks: 64, of: Self.blockCount).first(poll: poll) { range in
            var found: Int?
            var before: Word?
            // With the element behind the range, which the next piece begins with.
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

    /// The keys of all elements, sorted: in the first half of the memory given to `body`.
    private func withSortedKeys<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ poll: Poll, isZeroOne: Bool,
        _ body: (UnsafeMutablePointer<Word>) throws(MapError) -> Void
    ) throws(MapError) {
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: 2 &* size)
        let noMemory = MapError(.mmap, errno: ENOMEM, "there is no memory to sort %1 elements in", count)
        if isOverflow { throw noMemory }
        try takeMemory(.mmap, bytes)
        defer { mm_budget_give(bytes) }
        guard let scratch = malloc(max(bytes, 1)) else { throw noMemory }
        defer { free(scratch) }
        let keys = scratch.bindMemory(to: Word.self, capacity: 2 &* count)
        try pieces.forEach(poll: poll) { _, range in
            gather(range.lowerBound, range.count, keys + range.lowerBound)
            for i in range {
                let word = keys[i]
                keys[i] = MemoryMap.key(isZeroOne && element.isFloat && word << 1 == 0 ? 0 : word, element)
            }
            return true
        }
        try part.checkIntact()
        try radixSort(keys, keys + count, count, poll)
        try body(keys)
    }

    fileprivate func sort<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ poll: Poll
    ) throws(MapError) {
        try withSortedKeys(part, Word.self, poll, isZeroOne: false) { (keys) throws(MapError) in
            try pieces.forEach(poll: { _ in true }) { _, range in
                for i in range { keys[i] = bits(keys[i], element) }
                scatter(range.lowerBound, range.count, keys + range.lowerBound)
                return true
            }
        }
    }

    fileprivate func uniqueCount<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ poll: Poll
    ) throws(MapError) -> Int {
        var unique = 0
        let infinity = MemoryMap.key(
            Word.bitWidth == 32
                ? Word(truncatingIfNeeded: 0x7f80_0000) : Word(truncatingIfNeeded: 0x7ff0_0000_0000_0000),
            element)
        try withSortedKeys(part, Word.self, poll, isZeroOne: true) { keys in
            var before: Word?
            for i in 0..<count {
                // What is above infinity is NaN.
                let key = element.isFloat && keys[i] > infinity ? Word.max : keys[i]
                if before != key { unique &+= 1 }
                before = key
            }
        }
        return unique
    }
}

/// Sorts unsigned integers by their bytes, the lowest first. `other` is as large as `keys`.
private func radixSort<Word: FixedWidthInteger & UnsignedInteger>(
    _ keys: UnsafeMutablePointer<Word>, _ other: UnsafeMutablePointer<Word>, _ count: Int, _ poll: Poll
) throws(MapError) {
    let digits = Word.bitWidth / 8
    var (source, target) = (keys, other)
    let isCompleted: Bool = withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { places in
        for digit in 0..<digits {
            let shift = Word(truncatingIfNeeded: digit &* 8)
            for i in 0..<256 { places[i] = 0 }
            for i in 0..<count { places[Int(truncatingIfNeeded: (source[i] &>> shift) & 255)] &+= 1 }
            // A byte that is the same in all is in order.
            if places.contains(count) { continue }
            var place = 0
            for i in 0..<256 { (places[i], place) = (place, place &+ places[i]) }
            var i = 0
            while i < count {
                // Often enough for Ctrl-C.
                if !poll(i &+ count &* digit) { return false }
                let end = min(count, i &+ 1 << 22)
                while i < end {
                    let key = source[i]
                    let bucket = Int(truncatingIfNeeded: (key &>> shift) & 255)
                    target[places[bucket]] = key
                    places[bucket] &+= 1
                    i &+= 1
                }
            }
            (source, target) = (target, source)
        }
        return true
    }
    if !isCompleted { throw MapError(.interrupted) }
    if source != keys { keys.update(from: source, count: count) }
}
