internal import CMemoryMap
internal import Glibc
internal import Vectors

// Different values, and the removal of adjacent equal ones.

extension MappedElements {
    /// The number of different values. All NaNs count as one value, and so do the two zeros. Elements of more
    /// than two bytes are copied to sort them.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; `systemCall` if there is no memory for a
    ///   copy.
    package func uniqueCount(shouldContinue: ShouldContinue) throws(MapError) -> Int {
        let part = try readable()
        let memory = ElementMemory(part)
        let count: Int
        switch memory.size {
        case 1: count = try memory.counts(UInt8.self, shouldContinue).count { $0 > 0 }
        case 2: count = memory.uniqueCount(try memory.counts(UInt16.self, shouldContinue), UInt16.self)
        case 4: count = try memory.uniqueCount(part, UInt32.self, shouldContinue)
        default: count = try memory.uniqueCount(part, UInt64.self, shouldContinue)
        }
        try part.checkIntact()
        return count
    }

    /// Keeps the first of adjacent equal elements. The two zeros are equal, and so are all NaNs.
    ///
    /// - Returns: The number of elements left, at the beginning. The elements after them are undefined; after
    ///   an interruption, all elements are.
    /// - Throws: `closed`, `lost`, `notWritable`, `misuse` where the elements overlap, `interrupted`.
    package func removeDuplicates(shouldContinue: ShouldContinue) throws(MapError) -> Int {
        let part = try writable()
        let memory = ElementMemory(part)
        let left: Int
        switch memory.size {
        case 1: left = try memory.removeDuplicates(UInt8.self, part, shouldContinue)
        case 2: left = try memory.removeDuplicates(UInt16.self, part, shouldContinue)
        case 4: left = try memory.removeDuplicates(UInt32.self, part, shouldContinue)
        default: left = try memory.removeDuplicates(UInt64.self, part, shouldContinue)
        }
        try part.checkIntact()
        return left
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

extension ElementMemory {
    /// The number of different keys that were counted, with both zeros as one key, and all NaNs as one.
    fileprivate func uniqueCount<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ counts: [Int], _: Word.Type
    ) -> Int {
        let order = SortOrder<Word>(element, isDescending: false)
        var before: Word?
        var unique = 0
        for key in counts.indices where counts[key] > 0 {
            let equal = order.equalKey(order.bits(Word(truncatingIfNeeded: key)))
            if equal != before { unique &+= 1 }
            before = equal
        }
        return unique
    }

    fileprivate func uniqueCount<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: MappedElements, _: Word.Type, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: size)
        let noMemory = MapError(
            .mmap, errno: ENOMEM, "not enough memory to sort a copy of %1 elements", count)
        if isOverflow { throw noMemory }
        try takeMemory(.mmap, bytes)
        defer { mm_budget_give(bytes) }
        guard let scratch = malloc(max(bytes, 1)) else { throw noMemory }
        defer { free(scratch) }
        let keys = scratch.bindMemory(to: Word.self, capacity: count)
        let order = SortOrder<Word>(element, isDescending: false)
        try pieces.forEach(shouldContinue: shouldContinue) { _, range in
            gather(range.lowerBound, range.count, keys + range.lowerBound)
            for i in range { keys[i] = order.equalKey(keys[i]) }
            return true
        }
        try part.checkIntact()
        _ = try InPlaceRadixSort(places: KeyArray(keys: keys)).sort(0..<count, shouldContinue: shouldContinue)
        let changes = try pieces.map(shouldContinue: shouldContinue) { range in
            var changes = 0
            for i in range where i > 0 { changes &+= keys[i] == keys[i &- 1] ? 0 : 1 }
            return changes
        }
        return changes.reduce(min(count, 1), &+)
    }

    fileprivate func removeDuplicates<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ part: MappedElements, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        let order = SortOrder<Word>(element, isDescending: false)
        let bytes = part.bytes
        var left = 0
        var before: Word?
        var i = 0
        while i < count {
            let end = min(count, i &+ 1 << 16)
            while i < end {
                let word = place(i).loadUnaligned(as: Word.self)
                let key = order.equalKey(isSwapped ? word.byteSwapped : word)
                if key != before {
                    if left != i { place(left).storeBytes(of: word, as: Word.self) }
                    left &+= 1
                    before = key
                }
                i &+= 1
            }
            if !bytes.isIntact { throw bytes.lossError() }
            if !shouldContinue(i) { throw MapError(.interrupted) }
        }
        return left
    }
}
