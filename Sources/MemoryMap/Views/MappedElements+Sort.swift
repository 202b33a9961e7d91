internal import CMemoryMap
internal import Glibc
internal import Kernels

extension MappedElements {
    /// Sorts the elements where they are, from the least to the greatest, NaNs last.
    ///
    /// What interrupts it leaves all elements there, in some order. Elements of one or two bytes are
    /// counted, and then written in one go that is not interrupted.
    ///
    /// - Throws: `closed`, `lost`, `notWritable`, `interrupted`; `misuse` where the elements overlap, or
    ///   where someone else changes them meanwhile.
    package func sort(poll: Poll) throws(MapError) {
        let part = try writable()
        let memory = ElementMemory(part)
        if memory.count < 2 { return }
        var isUnchanged = true
        switch memory.size {
        case 1: try memory.sortByCounting(part, UInt8.self, poll)
        case 2: try memory.sortByCounting(part, UInt16.self, poll)
        case 4: isUnchanged = try memory.sortInPlace(UInt32.self, poll)
        default: isUnchanged = try memory.sortInPlace(UInt64.self, poll)
        }
        try part.checkIntact()
        if !isUnchanged { throw MapError(.misuse, "the elements were changed while they were being sorted") }
    }

    /// How many different values there are; all NaNs are one, and so are the zeros. Elements of more than
    /// two bytes are copied for it.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; a failed `mmap` where there is not the
    ///   memory for a copy.
    package func uniqueCount(poll: Poll) throws(MapError) -> Int {
        let part = try readable()
        let memory = ElementMemory(part)
        let count: Int
        switch memory.size {
        case 1: count = try memory.counts(UInt8.self, poll).count { $0 > 0 }
        case 2: count = try memory.counts(UInt16.self, poll).count { $0 > 0 }
        case 4: count = try memory.uniqueCount(part, UInt32.self, poll)
        default: count = try memory.uniqueCount(part, UInt64.self, poll)
        }
        try part.checkIntact()
        return count
    }
}

/// Keys without gaps.
private struct KeyArray<Key: FixedWidthInteger & UnsignedInteger>: KeyPlaces {
    let keys: UnsafeMutablePointer<Key>

    @inline(__always)
    func key(_ index: Int) -> Key { keys[index] }

    @inline(__always)
    func setKey(_ key: Key, _ index: Int) { keys[index] = key }
}

/// Elements, seen as their keys.
private struct ElementKeys<Key: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>: KeyPlaces {
    let base: UnsafeMutableRawPointer
    let stride: Int
    let isSwapped: Bool
    let element: Element

    init(_ memory: ElementMemory) {
        (base, stride) = (memory.base, memory.stride)
        (isSwapped, element) = (memory.isSwapped, memory.element)
    }

    @inline(__always)
    func key(_ index: Int) -> Key {
        let word = base.loadUnaligned(fromByteOffset: index &* stride, as: Key.self)
        return MemoryMap.key(isSwapped ? word.byteSwapped : word, element)
    }

    @inline(__always)
    func setKey(_ key: Key, _ index: Int) {
        let word = bits(key, element)
        base.storeBytes(of: isSwapped ? word.byteSwapped : word, toByteOffset: index &* stride, as: Key.self)
    }
}

extension ElementMemory {
    /// Returns false where someone else changed the elements.
    fileprivate func sortInPlace<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ poll: Poll
    ) throws(MapError) -> Bool {
        try DigitSort(places: ElementKeys<Word>(self)).sort(0..<count, poll: poll) == .done
    }

    /// How often each key of one or two bytes occurs.
    fileprivate func counts<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ poll: Poll
    ) throws(MapError) -> [Int] {
        try requireHeap((threadCount &+ 1) &* MemoryLayout<Int>.stride &<< Word.bitWidth)
        var totals = [Int](repeating: 0, count: 1 &<< Word.bitWidth)
        // Each piece has its own counters, so it should have many more elements than counters.
        let pieces = Pieces(count, blocks: max(512, totals.count / 32), of: Self.blockCount)
        try withLock { (lock) throws(MapError) in
            try totals.withUnsafeMutableBufferPointer { (totals) throws(MapError) in
                guard let start = totals.baseAddress else { return }
                let number = totals.count
                try pieces.forEach(poll: poll) { _, range in
                    withCounters(number, start, lock) { own in
                        forEachBlock(range) { block in
                            for i in 0..<block.count {
                                let word = block.start.loadUnaligned(fromByteOffset: i &* size, as: Word.self)
                                own[Int(truncatingIfNeeded: MemoryMap.key(word, element))] &+= 1
                            }
                            return true
                        }
                    }
                    return true
                }
            }
        }
        return totals
    }

    fileprivate func sortByCounting<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ poll: Poll
    ) throws(MapError) {
        var ends = try counts(Word.self, poll)
        // Zeros in place of lost pages are not what is to be written.
        try part.checkIntact()
        for key in 1..<ends.count { ends[key] &+= ends[key &- 1] }
        let places = ElementKeys<Word>(self)
        try pieces.forEach(poll: { _ in true }) { _, range in
            var key = firstIndex(ends, above: range.lowerBound)
            for i in range {
                while ends[key] <= i { key &+= 1 }
                places.setKey(Word(truncatingIfNeeded: key), i)
            }
            return true
        }
    }

    fileprivate func uniqueCount<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ poll: Poll
    ) throws(MapError) -> Int {
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: size)
        let noMemory = MapError(
            .mmap, errno: ENOMEM, "there is no memory to sort a copy of %1 elements in", count)
        if isOverflow { throw noMemory }
        try takeMemory(.mmap, bytes)
        defer { mm_budget_give(bytes) }
        guard let scratch = malloc(max(bytes, 1)) else { throw noMemory }
        defer { free(scratch) }
        let keys = scratch.bindMemory(to: Word.self, capacity: count)
        let infinity = MemoryMap.key(
            Word.bitWidth == 32
                ? Word(truncatingIfNeeded: 0x7f80_0000) : Word(truncatingIfNeeded: 0x7ff0_0000_0000_0000),
            element)
        try pieces.forEach(poll: poll) { _, range in
            gather(range.lowerBound, range.count, keys + range.lowerBound)
            for i in range {
                let word = keys[i]
                let key = MemoryMap.key(element.isFloat && word << 1 == 0 ? 0 : word, element)
                // What is above infinity is NaN.
                keys[i] = element.isFloat && key > infinity ? Word.max : key
            }
            return true
        }
        try part.checkIntact()
        _ = try DigitSort(places: KeyArray(keys: keys)).sort(0..<count, poll: poll)
        let changes = try pieces.map(poll: poll) { range in
            var changes = 0
            for i in range where i > 0 { changes &+= keys[i] == keys[i &- 1] ? 0 : 1 }
            return changes
        }
        return changes.reduce(min(count, 1), &+)
    }
}

/// The index of the first number that is greater than `limit`. The numbers are sorted, and one is greater.
private func firstIndex(_ numbers: [Int], above limit: Int) -> Int {
    var (low, high) = (0, numbers.count &- 1)
    while low < high {
        let middle = (low &+ high) / 2
        if numbers[middle] > limit { high = middle } else { low = middle &+ 1 }
    }
    return low
}
