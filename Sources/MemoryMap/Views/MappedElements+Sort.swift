internal import CMemoryMap
internal import Glibc
internal import Vectors

extension MappedElements {
    /// Sorts the elements in place, in ascending or descending order, NaNs last.
    ///
    /// If there is memory for a copy of the elements, it uses one and is faster. If it is interrupted, all
    /// elements are still there, in some order. Elements of one or two bytes are counted and then written,
    /// which cannot be interrupted.
    ///
    /// - Throws: `closed`, `lost`, `notWritable`, `interrupted`; `misuse` if the elements overlap, or if
    ///   other code changes them meanwhile.
    package func sort(isDescending: Bool = false, shouldContinue: ShouldContinue) throws(MapError) {
        let part = try writable()
        let memory = ElementMemory(part)
        if memory.count < 2 { return }
        var isUnchanged = true
        switch memory.size {
        case 1: try memory.sortByCounting(part, isDescending, UInt8.self, shouldContinue)
        case 2: try memory.sortByCounting(part, isDescending, UInt16.self, shouldContinue)
        case 4: isUnchanged = try memory.sortWords(part, isDescending, UInt32.self, shouldContinue)
        default: isUnchanged = try memory.sortWords(part, isDescending, UInt64.self, shouldContinue)
        }
        try part.checkIntact()
        if !isUnchanged { throw .elementsChanged }
    }
}

extension MapError {
    static var elementsChanged: MapError {
        MapError(.misuse, "the elements were changed while they were being sorted")
    }
}

extension UInt32: RadixItem {
    var key: UInt32 { self }
}

extension UInt64: RadixItem {
    var key: UInt64 { self }
}

/// The keys of elements in memory.
private struct ElementKeys<Key: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>: KeyPlaces {
    let base: UnsafeMutableRawPointer
    let stride: Int
    let isSwapped: Bool
    let order: SortOrder<Key>

    init(_ memory: ElementMemory, isDescending: Bool) {
        (base, stride, isSwapped) = (memory.base, memory.stride, memory.isSwapped)
        order = SortOrder(memory.element, isDescending: isDescending)
    }

    @inline(__always)
    func key(_ index: Int) -> Key {
        let word = base.loadUnaligned(fromByteOffset: index &* stride, as: Key.self)
        return order.key(isSwapped ? word.byteSwapped : word)
    }

    @inline(__always)
    func setKey(_ key: Key, _ index: Int) {
        let word = order.bits(key)
        base.storeBytes(of: isSwapped ? word.byteSwapped : word, toByteOffset: index &* stride, as: Key.self)
    }
}

extension ElementKeys: RadixPlaces where Key: RadixItem {
    @inline(__always)
    func load(_ index: Int) -> Key { key(index) }

    @inline(__always)
    func store(_ item: Key, _ index: Int) { setKey(item, index) }
}

extension ElementMemory {
    /// Returns false if other code changed the elements.
    fileprivate func sortWords<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable & RadixItem>(
        _ part: MappedElements, _ isDescending: Bool, _: Word.Type, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Bool {
        let places = ElementKeys<Word>(self, isDescending: isDescending)
        let bytes = part.bytes
        if count > 1 << 14 {
            let outcome: RadixSort<ElementKeys<Word>>.Outcome
            do {
                outcome = try RadixSort(places: places, count: count).sort(
                    isRestoring: true, shouldContinue: { shouldContinue($0) && bytes.isIntact })
            } catch { throw bytes.cause(error) }
            if outcome != .noRoom { return outcome == .done }
        }
        return try InPlaceRadixSort(places: places).sort(0..<count, shouldContinue: shouldContinue) == .done
    }

    /// The number of occurrences of each key of one or two bytes.
    func counts<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> [Int] {
        try requireHeap((threadCount &+ 1) &* MemoryLayout<Int>.stride &<< Word.bitWidth)
        var totals = [Int](repeating: 0, count: 1 &<< Word.bitWidth)
        // Each piece has its own counters, so it should have many more elements than counters.
        let pieces = ParallelRanges(count, blocks: max(512, totals.count / 32), of: Self.blockCount)
        try withLock { (lock) throws(MapError) in
            try totals.withUnsafeMutableBufferPointer { (totals) throws(MapError) in
                guard let start = totals.baseAddress else { return }
                let number = totals.count
                try pieces.forEach(shouldContinue: shouldContinue) { _, range in
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
        _ part: MappedElements, _ isDescending: Bool, _: Word.Type, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let counts = try counts(Word.self, shouldContinue)
        // If pages were lost, zeros were counted, which must not be written.
        try part.checkIntact()
        let order = SortOrder<Word>(element, isDescending: isDescending)
        let places = ElementKeys<Word>(self, isDescending: isDescending)
        // The end of the elements with a key, counted in this order.
        var ends = counts
        var end = 0
        for key in ends.indices {
            end &+= counts[Int(order.turned(Word(truncatingIfNeeded: key)))]
            ends[key] = end
        }
        try pieces.forEach(shouldContinue: { _ in true }) { _, range in
            var key = firstIndex(ends, above: range.lowerBound)
            for i in range {
                while ends[key] <= i { key &+= 1 }
                places.setKey(Word(truncatingIfNeeded: key), i)
            }
            return true
        }
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
