internal import CMemoryMap
internal import Glibc
internal import Vectors

extension MappedElements {
    /// Quantiles: the values below which given parts of the elements are, with linear interpolation. The
    /// elements do not change.
    ///
    /// - Parameters:
    ///   - parts: 0 to 1 each.
    ///   - skippingNaN: Whether to skip NaNs; otherwise one NaN makes all results NaN.
    /// - Returns: As many; nil of no elements, or of nothing but NaNs where these are skipped.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    package func quantiles(
        _ parts: [Double], skippingNaN: Bool = false, shouldContinue: ShouldContinue
    ) throws(MapError) -> [Double]? {
        try select(skippingNaN: skippingNaN, shouldContinue: shouldContinue) { count in
            parts.map { Rank(Double(count &- 1) * $0, count) }
        }.map { $0.map { $0.rank.value(between: $0.low, $0.high) } }
    }

    /// The middle value, or the mean of the two middle values.
    ///
    /// - Throws: As `quantiles`.
    package func median(skippingNaN: Bool = false, shouldContinue: ShouldContinue) throws(MapError) -> Double?
    {
        let found = try select(skippingNaN: skippingNaN, shouldContinue: shouldContinue) { count in
            [Rank(index: (count &- 1) / 2, weight: count % 2 == 0 ? 0.5 : 0)]
        }
        guard let (low, high, rank) = found?.first else { return nil }
        if rank.weight == 0 { return low }
        let sum = low + high
        return sum.isFinite || !low.isFinite || !high.isFinite ? sum / 2 : low / 2 + high / 2
    }

    private typealias Found = (low: Double, high: Double, rank: Rank)

    private func select(
        skippingNaN: Bool, shouldContinue: ShouldContinue, _ ranks: (_ count: Int) -> [Rank]
    ) throws(MapError) -> [Found]? {
        let part = try readable()
        let memory = ElementMemory(part)
        let found: [Found]?
        switch memory.size {
        case 1: found = try memory.selectByCounting(UInt8.self, type, skippingNaN, shouldContinue, ranks)
        case 2: found = try memory.selectByCounting(UInt16.self, type, skippingNaN, shouldContinue, ranks)
        case 4: found = try memory.select(UInt32.self, type, skippingNaN, shouldContinue, ranks)
        default: found = try memory.select(UInt64.self, type, skippingNaN, shouldContinue, ranks)
        }
        try part.checkIntact()
        return found
    }
}

/// A place among sorted elements.
package struct Rank {
    package let index: Int
    /// The weight of the next element, below 1; 0 if it does not count.
    package let weight: Double

    init(index: Int, weight: Double) { (self.index, self.weight) = (index, weight) }

    package init(_ place: Double, _ count: Int) {
        let floor = place.rounded(.down)
        index = max(0, min(count &- 1, Int(floor)))
        weight = index < count &- 1 ? place - floor : 0
    }

    /// As in NumPy, except that an infinite neighbor makes it infinite and not NaN.
    package func value(between low: Double, _ high: Double) -> Double {
        if weight == 0 || low == high { return low }
        if !low.isFinite || !high.isFinite { return low + high }
        let difference = high - low
        if !difference.isFinite { return low * (1 - weight) + high * weight }
        return weight < 0.5 ? low + difference * weight : high - difference * (1 - weight)
    }
}

extension ElementMemory {
    /// The number for a key.
    private func number<Word: FixedWidthInteger & UnsignedInteger>(_ key: Word, _ type: ElementType) -> Double
    {
        let bits = MemoryMap.bits(key, element)
        if element.isFloat { return type.float(UInt64(truncatingIfNeeded: bits)) }
        if !element.isSigned { return Double(bits) }
        let unused = Int64(64 &- Word.bitWidth)
        return Double((Int64(truncatingIfNeeded: bits) &<< unused) &>> unused)
    }

    /// The number of elements to choose from; nil if a NaN determines the result.
    private func chosen(_ nans: Int, _ skippingNaN: Bool) -> Int? {
        nans == 0 || skippingNaN ? count &- nans : nil
    }

    fileprivate func selectByCounting<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ type: ElementType, _ skippingNaN: Bool, _ shouldContinue: ShouldContinue,
        _ ranks: (Int) -> [Rank]
    ) throws(MapError) -> [(low: Double, high: Double, rank: Rank)]? {
        if count == 0 { return nil }
        var ends = try counts(Word.self, shouldContinue)
        let numbers = Int(SortOrder<Word>(element, isDescending: false).top) &+ 1
        for key in ends.indices.dropFirst() { ends[key] &+= ends[key &- 1] }
        guard let chosen = chosen(count &- ends[numbers &- 1], skippingNaN) else {
            return ranks(count).map { (.nan, .nan, $0) }
        }
        if chosen == 0 { return nil }
        return ranks(chosen).map { rank in
            func value(_ index: Int) -> Double {
                // There may be fewer if other code writes meanwhile.
                let key = ends.firstIndex { $0 > index } ?? 0
                return number(Word(truncatingIfNeeded: key), type)
            }
            return (value(rank.index), rank.weight == 0 ? 0 : value(rank.index &+ 1), rank)
        }
    }

    fileprivate func select<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable & RadixItem>(
        _: Word.Type, _ type: ElementType, _ skippingNaN: Bool, _ shouldContinue: ShouldContinue,
        _ ranks: (Int) -> [Rank]
    ) throws(MapError) -> [(low: Double, high: Double, rank: Rank)]? where Word.Key == Word {
        if count == 0 { return nil }
        let selection = Selection<Word>(memory: self)
        let isStrict = element.isFloat && !skippingNaN
        let nans = element.isFloat && skippingNaN ? try selection.countNaN(shouldContinue) : 0
        if count == nans { return nil }
        let wanted = ranks(count &- nans)
        // For many quantiles sorting is faster, if there is the memory.
        if wanted.count > 8, let sorted = try selection.sorted(shouldContinue) {
            defer { sorted.scratch.free() }
            if isStrict, sorted.keys[count &- 1] > selection.top { return wanted.map { (.nan, .nan, $0) } }
            return wanted.map { rank in
                let low = number(sorted.keys[rank.index], type)
                return (low, rank.weight == 0 ? low : number(sorted.keys[rank.index &+ 1], type), rank)
            }
        }
        var found: [(low: Double, high: Double, rank: Rank)] = []
        for rank in wanted {
            guard
                let (low, high) = try selection.keys(
                    rank.index, hasNext: rank.weight != 0, count &- nans, isStrict: isStrict, shouldContinue)
            else { return wanted.map { (.nan, .nan, $0) } }
            found.append((number(low, type), number(high, type), rank))
        }
        return found
    }
}

/// Keys without gaps.
private struct KeyMemory<Key: FixedWidthInteger & UnsignedInteger & RadixItem>: RadixPlaces, KeyPlaces
where Key.Key == Key {
    let keys: UnsafeMutablePointer<Key>

    @inline(__always)
    func load(_ index: Int) -> Key { keys[index] }
    @inline(__always)
    func store(_ item: Key, _ index: Int) { keys[index] = item }
    @inline(__always)
    func key(_ index: Int) -> Key { keys[index] }
    @inline(__always)
    func setKey(_ key: Key, _ index: Int) { keys[index] = key }

    func sort(_ count: Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        if count > 1 << 12,
            try RadixSort(places: self, count: count).sort(isRestoring: false, shouldContinue: shouldContinue)
                == .done
        {
            return
        }
        _ = try InPlaceRadixSort(places: self).sort(0..<count, shouldContinue: shouldContinue)
    }
}

/// Finds keys by their rank. If other code changes the elements meanwhile, the search still ends, but its
/// result is meaningless.
private struct Selection<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable & RadixItem>
where Word.Key == Word {
    let memory: ElementMemory
    /// The greatest key that is not one of NaN.
    let top: Word

    init(memory: ElementMemory) {
        self.memory = memory
        top = SortOrder<Word>(memory.element, isDescending: false).top
    }

    /// All keys, sorted; nil if there is no memory for them.
    func sorted(_ shouldContinue: ShouldContinue) throws(MapError) -> (
        keys: UnsafeMutablePointer<Word>, scratch: WorkMemory
    )? {
        guard let scratch = WorkMemory(Word.self, memory.count) else { return nil }
        let keys = scratch.base.bindMemory(to: Word.self, capacity: memory.count)
        do throws(MapError) {
            try memory.pieces.forEach(shouldContinue: { shouldContinue($0 / 4) }) { _, range in
                memory.gather(range.lowerBound, range.count, keys + range.lowerBound)
                for i in range { keys[i] = MemoryMap.key(keys[i], memory.element) }
                return true
            }
            try KeyMemory(keys: keys).sort(memory.count, shouldContinue)
        } catch {
            scratch.free()
            throw error
        }
        return (keys, scratch)
    }

    func countNaN(_ shouldContinue: ShouldContinue) throws(MapError) -> Int {
        try memory.pieces.map(shouldContinue: shouldContinue) { range in
            var nans = 0
            memory.forEachBlock(range) { block in
                for i in 0..<block.count { nans &+= key(block, i) > top ? 1 : 0 }
                return true
            }
            return nans
        }.reduce(0, &+)
    }

    @inline(__always)
    private func key(_ block: Block, _ i: Int) -> Word {
        MemoryMap.key(
            block.start.loadUnaligned(fromByteOffset: i &* MemoryLayout<Word>.stride, as: Word.self),
            memory.element)
    }

    /// The keys at a rank and, with `hasNext`, at the next one, among `count` keys up to `top`. Nil if
    /// `isStrict` and there is a NaN.
    func keys(
        _ rank: Int, hasNext: Bool, _ count: Int, isStrict: Bool, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> (Word, Word)? {
        let last = hasNext ? rank &+ 1 : rank
        // A sample gives a range that probably contains these keys, and few enough keys to sort.
        if count > 1 << 12, let (low, high) = try guess(rank, count, shouldContinue),
            let found = try collect(low, high, memory.count / 16 &+ 1 << 12, shouldContinue)
        {
            defer { found.scratch.free() }
            if isStrict && found.nans > 0 { return nil }
            if found.below <= rank, last < found.below &+ found.inside, found.isComplete {
                try KeyMemory(keys: found.keys).sort(found.inside, shouldContinue)
                return (found.keys[rank &- found.below], found.keys[last &- found.below])
            }
        }
        guard let first = try key(at: rank, isStrict: isStrict, shouldContinue) else { return nil }
        guard hasNext, let next = try key(at: last, isStrict: isStrict, shouldContinue) else {
            return (first, first)
        }
        return (first, next)
    }

    /// The range of keys that probably contains the key of a rank and its neighbors.
    private func guess(_ rank: Int, _ count: Int, _ shouldContinue: ShouldContinue) throws(MapError) -> (
        Word, Word
    )? {
        let size = min(memory.count / 4, 1 << 15)
        guard let scratch = WorkMemory(Word.self, size) else { return nil }
        defer { scratch.free() }
        let sample = scratch.base.bindMemory(to: Word.self, capacity: size)
        let step = memory.count / size
        var seen = 0
        var random: UInt64 = 1
        for i in 0..<size {
            // Each element can be a page fault that reads ahead: milliseconds.
            if i & 63 == 0 && !shouldContinue(0) { throw MapError(.interrupted) }
            // Not at regular distances, because numbers may repeat at regular distances.
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let place = i &* step &+ Int(truncatingIfNeeded: random &>> 33) % step
            var word: Word = 0
            withUnsafeMutableBytes(of: &word) { bytes in
                if let start = bytes.baseAddress { memory.gather(place, 1, start) }
            }
            let key = MemoryMap.key(word, memory.element)
            if key > top { continue }
            sample[seen] = key
            seen &+= 1
        }
        if seen < 2 { return nil }
        try KeyMemory(keys: sample).sort(seen, shouldContinue)
        let middle = Double(rank) / Double(count) * Double(seen)
        // Four times the standard deviation of a rank, and a little more for the ends.
        let part = Double(rank) / Double(count)
        let margin = 4 * (Double(seen) * part * (1 - part)).squareRoot() + 2
        let (from, to) = (middle - margin, middle + margin)
        return (
            from < 0 ? 0 : sample[Int(from)], to >= Double(seen) ? top : sample[Int(to)]
        )
    }

    private struct Collected {
        let scratch: WorkMemory
        let keys: UnsafeMutablePointer<Word>
        /// The numbers of keys below, in between, and above `top`.
        var below = 0
        var inside = 0
        var nans = 0
        /// Whether there was memory for all.
        var isComplete: Bool
    }

    /// The keys from `low` to `high`, up to a number of them; nil if there is no memory for them.
    private func collect(_ low: Word, _ high: Word, _ most: Int, _ shouldContinue: ShouldContinue)
        throws(MapError) -> Collected?
    {
        guard let scratch = WorkMemory(Word.self, most) else { return nil }
        let keys = scratch.base.bindMemory(to: Word.self, capacity: most)
        let width = high >= low ? high &- low : 0
        var filled = 0
        do throws(MapError) {
            let counts = try withLock { (lock) throws(MapError) in
                try withUnsafeMutablePointer(to: &filled) { (filled) throws(MapError) in
                    try memory.pieces.map(shouldContinue: { shouldContinue($0 / 2) }) { range in
                        withUnsafeTemporaryAllocation(of: Word.self, capacity: ElementMemory.blockCount) {
                            own in
                            var (below, inside, nans) = (0, 0, 0)
                            guard let own = own.baseAddress else { return (below, inside, nans) }
                            memory.forEachBlock(range) { block in
                                var found = 0
                                for i in 0..<block.count {
                                    let key = key(block, i)
                                    below &+= key < low ? 1 : 0
                                    nans &+= key > top ? 1 : 0
                                    own[found] = key
                                    found &+= key &- low <= width ? 1 : 0
                                }
                                if found == 0 { return true }
                                inside &+= found
                                pthread_mutex_lock(lock)
                                let place = filled.pointee
                                filled.pointee &+= found
                                pthread_mutex_unlock(lock)
                                if place <= most &- found {
                                    memcpy(keys + place, own, found &* MemoryLayout<Word>.stride)
                                }
                                return true
                            }
                            return (below, inside, nans)
                        }
                    }
                }
            }
            var result = Collected(scratch: scratch, keys: keys, isComplete: filled <= most)
            for (below, inside, nans) in counts {
                result.below &+= below
                result.inside &+= inside
                result.nans &+= nans
            }
            return result
        } catch {
            scratch.free()
            throw error
        }
    }

    /// The key of a rank; nil where `isStrict` and a NaN was seen. At each look at all keys, its range becomes narrower by
    /// as many bits as there are counters for: this ends, whatever the keys.
    private func key(at rank: Int, isStrict: Bool, _ shouldContinue: ShouldContinue) throws(MapError) -> Word?
    {
        let size = 1 << 12
        try requireHeap((threadCount &+ 2) &* size &* MemoryLayout<Int>.stride)
        var (low, high) = (Word.min, top)
        while true {
            let shift = Word(
                truncatingIfNeeded: max(0, Word.bitWidth &- (high &- low).leadingZeroBitCount &- 12))
            // After the counters: the number of keys below, and the number of NaNs.
            var counts = [Int](repeating: 0, count: size &+ 2)
            let (from, width) = (low, high &- low)
            try withLock { (lock) throws(MapError) in
                try counts.withUnsafeMutableBufferPointer { (counts) throws(MapError) in
                    guard let totals = counts.baseAddress else { return }
                    try memory.pieces.forEach(shouldContinue: { shouldContinue($0 / 2) }) { _, range in
                        withCounters(size &+ 2, totals, lock) { own in
                            memory.forEachBlock(range) { block in
                                for i in 0..<block.count {
                                    let key = key(block, i)
                                    own[size] &+= key < from ? 1 : 0
                                    own[size &+ 1] &+= key > top ? 1 : 0
                                    if key &- from <= width {
                                        own[Int(truncatingIfNeeded: (key &- from) &>> shift)] &+= 1
                                    }
                                }
                                return true
                            }
                        }
                        return true
                    }
                }
            }
            if isStrict && counts[size &+ 1] > 0 { return nil }
            var before = counts[size]
            var place = 0
            while place < size &- 1, before &+ counts[place] <= rank {
                before &+= counts[place]
                place &+= 1
            }
            let start = Word(truncatingIfNeeded: place) &<< shift
            // Past the last one if other code has changed the elements since.
            low = from &+ min(start, width)
            if shift == 0 { return low }
            high = low &+ min((1 &<< shift) &- 1, width &- min(start, width))
        }
    }
}
