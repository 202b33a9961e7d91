internal import CMemoryMap
internal import Glibc

/// An item that is sorted by its key, and by nothing else that it contains.
protocol RadixItem: BitwiseCopyable {
    associatedtype Key: FixedWidthInteger & UnsignedInteger
    var key: Key { get }
}

/// The source and the target of items. Both are called on any thread.
protocol RadixPlaces {
    associatedtype Item: RadixItem
    func load(_ index: Int) -> Item
    func store(_ item: Item, _ index: Int)
}

/// A stable sort through a copy.
///
/// A sample of the keys determines how to split their range into buckets of about equal size. All items are
/// moved to their buckets in the copy, on all threads. Each bucket fits into the cache of a processor; it is
/// sorted and written to its place.
struct RadixSort<Places: RadixPlaces> {
    typealias Item = Places.Item

    enum Outcome {
        case done
        /// There is no memory for a copy. Nothing was stored.
        case noRoom
        /// The items have changed since they were counted: other code writes them. Nothing was stored.
        case changed
    }

    let places: Places
    let count: Int

    private static var buckets: Int { 256 }

    /// - Parameters:
    ///   - isRestoring: Whether source and target are the same: then, if the work is stopped, all items are
    ///     there again, in some order.
    ///   - shouldContinue: See `ParallelRanges.forEach`. Called again before the first item is stored.
    /// - Throws: `interrupted`.
    func sort(isRestoring: Bool, shouldContinue: ShouldContinue) throws(MapError) -> Outcome {
        guard count > 0 else { return .done }
        guard let scratch = WorkMemory(Item.self, count) else { return .noRoom }
        defer { scratch.free() }
        let copy = scratch.base.bindMemory(to: Item.self, capacity: count)
        // The memory for the counts of the pieces stays small for any number of items.
        let pieces = ParallelRanges(count, grain: max(1 << 17, count / 256))
        try requireHeap((pieces.number &+ 2) &* Self.buckets &* MemoryLayout<Int>.stride &+ 1 << 20)
        // The start of the part of each piece in each bucket, bucket by bucket, and the end.
        var starts = [Int](repeating: 0, count: pieces.number &* Self.buckets &+ 1)
        var isUnchanged = true
        try starts.withUnsafeMutableBufferPointer { (starts) throws(MapError) in
            guard let starts = starts.baseAddress else { return }
            isUnchanged = try distribute(copy, pieces, starts, shouldContinue)
        }
        if !isUnchanged { return .changed }
        if !shouldContinue(count / 2) { throw MapError(.interrupted) }
        var ends = [Int](repeating: 0, count: Self.buckets &+ 1)
        for bucket in ends.indices { ends[bucket] = starts[bucket &* pieces.number] }
        return try finish(copy, ends, isRestoring, shouldContinue)
    }

    /// Moves all items to their buckets.
    ///
    /// - Returns: Whether the parts of the buckets were filled as they were counted.
    private func distribute(
        _ copy: UnsafeMutablePointer<Item>, _ pieces: ParallelRanges, _ starts: UnsafeMutablePointer<Int>,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Bool {
        guard let map = BucketMap(places, count) else { throw .noHeap }
        defer { map.free() }
        let (number, size, count) = (pieces.number, Self.buckets, self.count)
        try pieces.forEach(shouldContinue: { shouldContinue($0 / 4) }) { piece, range in
            withHeads { heads in
                for i in range { heads[map.bucket(places.load(i).key)] &+= 1 }
                for bucket in 0..<size { starts[bucket &* number &+ piece] = heads[bucket] }
            }
            return true
        }
        var next = 0
        for i in 0...number &* size { (starts[i], next) = (next, next &+ starts[i]) }
        let parts = try pieces.map(shouldContinue: { shouldContinue((count &+ $0) / 4) }) { range in
            let piece = range.lowerBound / pieces.grain
            var isFilled = true
            withHeads { heads in
                for bucket in 0..<size { heads[bucket] = starts[bucket &* number &+ piece] }
                for i in range {
                    let item = places.load(i)
                    let bucket = map.bucket(item.key)
                    let place = heads[bucket]
                    heads[bucket] = place &+ 1
                    // If other code writes meanwhile, a bucket may get too many items.
                    if place < count { copy[place] = item }
                }
                for bucket in 0..<size {
                    isFilled = isFilled && heads[bucket] == starts[bucket &* number &+ piece &+ 1]
                }
            }
            return isFilled
        }
        return parts.allSatisfy { $0 }
    }

    private func withHeads(_ body: (UnsafeMutablePointer<Int>) -> Void) {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: Self.buckets) { heads in
            heads.initialize(repeating: 0)
            if let start = heads.baseAddress { body(start) }
        }
    }

    /// Sorts the buckets and stores them.
    private func finish(
        _ copy: UnsafeMutablePointer<Item>, _ ends: [Int], _ isRestoring: Bool,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Outcome {
        let threads = min(threadCount, Self.buckets)
        // Large buckets, which would keep one thread busy to the end, come first, with the spare memory of
        // all threads.
        let large = count / threads
        let sizes = (0..<Self.buckets).map { ends[$0 &+ 1] &- ends[$0] }
        let room = sizes.filter { $0 <= large }.max() ?? 0
        guard let spare = WorkMemory(Item.self, max(sizes.max() ?? 0, room &* threads)) else {
            return .noRoom
        }
        defer { spare.free() }
        let spares = spare.base.bindMemory(to: Item.self, capacity: max(1, room &* threads))
        var isDone = [Bool](repeating: false, count: Self.buckets)
        var free = Array(0..<threads)
        do throws(MapError) {
            for bucket in 0..<Self.buckets where sizes[bucket] > large {
                BucketSort(places: places).sort(copy + ends[bucket], spares, sizes[bucket], ends[bucket])
                isDone[bucket] = true
                if !shouldContinue(count / 2) { throw MapError(.interrupted) }
            }
            try withLock { (lock) throws(MapError) in
                try isDone.withUnsafeMutableBufferPointer { (isDone) throws(MapError) in
                    try free.withUnsafeMutableBufferPointer { (free) throws(MapError) in
                        try finish(copy, ends, isDone, free, spares, room, lock, shouldContinue)
                    }
                }
            }
        } catch {
            if isRestoring {
                for bucket in 0..<Self.buckets where !isDone[bucket] {
                    for i in ends[bucket]..<ends[bucket &+ 1] { places.store(copy[i], i) }
                }
            }
            throw error
        }
        return .done
    }

    /// - Parameters:
    ///   - free: The spare places that no thread uses.
    ///   - room: The number of items in a spare place.
    private func finish(
        _ copy: UnsafeMutablePointer<Item>, _ ends: [Int], _ isDone: UnsafeMutableBufferPointer<Bool>,
        _ free: UnsafeMutableBufferPointer<Int>, _ spares: UnsafeMutablePointer<Item>, _ room: Int,
        _ lock: UnsafeMutablePointer<pthread_mutex_t>, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        var left = free.count
        let share = count / Self.buckets
        try withUnsafeMutablePointer(to: &left) { (left) throws(MapError) in
            try ParallelRanges(Self.buckets, grain: 1).forEach(shouldContinue: {
                shouldContinue(count / 2 &+ $0 &* share / 2)
            }) {
                bucket, _ in
                if isDone[bucket] { return true }
                pthread_mutex_lock(lock)
                left.pointee &-= 1
                let place = free[left.pointee]
                pthread_mutex_unlock(lock)
                let start = ends[bucket]
                BucketSort(places: places).sort(
                    copy + start, spares + place &* room, ends[bucket &+ 1] &- start, start)
                isDone[bucket] = true
                pthread_mutex_lock(lock)
                free[left.pointee] = place
                left.pointee &+= 1
                pthread_mutex_unlock(lock)
                return true
            }
        }
    }
}

/// The bucket of a key, one of 256. Greater keys are in the same bucket or a later one.
private struct BucketMap<Key: FixedWidthInteger & UnsignedInteger> {
    private let low: Key
    private let range: Key
    private let shift: Key
    private let table: UnsafeMutablePointer<UInt8>

    /// The number of upper bits that index the table, which stays in the first-level cache.
    private static var bits: Int { 14 }

    /// Nil if there is no memory.
    init?<Places: RadixPlaces>(_ places: Places, _ count: Int) where Places.Item.Key == Key {
        let size = 1 << Self.bits
        let most = min(count, 1 << 15)
        let step = count / most
        guard let memory = malloc(size &* (MemoryLayout<Int32>.stride &+ 1)) else { return nil }
        let counts = memory.bindMemory(to: Int32.self, capacity: size)
        let table = UnsafeMutableRawPointer(counts + size).bindMemory(to: UInt8.self, capacity: size)
        counts.initialize(repeating: 0, count: size)
        var (low, high) = (Key.max, Key.min)
        for i in 0..<most {
            let key = places.load(i &* step).key
            (low, high) = (min(low, key), max(high, key))
        }
        // Another process may write between the two reads.
        let range = high >= low ? high &- low : 0
        let shift = max(0, Key.bitWidth &- range.leadingZeroBitCount &- Self.bits)
        for i in 0..<most {
            let key = places.load(i &* step).key
            counts[Self.place(key, low, range, Key(truncatingIfNeeded: shift))] &+= 1
        }
        var before = 0
        for i in 0..<size {
            table[i] = UInt8(truncatingIfNeeded: min(255, before &* 256 / most))
            before &+= Int(counts[i])
        }
        self.low = low
        self.range = range
        self.shift = Key(truncatingIfNeeded: shift)
        self.table = table
        self.memory = memory
    }

    private let memory: UnsafeMutableRawPointer

    func free() { Glibc.free(memory) }

    @inline(__always)
    private static func place(_ key: Key, _ low: Key, _ range: Key, _ shift: Key) -> Int {
        Int(truncatingIfNeeded: min(key > low ? key &- low : 0, range) &>> shift)
    }

    @inline(__always)
    func bucket(_ key: Key) -> Int { Int(table[Self.place(key, low, range, shift)]) }
}

/// Sorts items that fit into a cache and stores them.
private struct BucketSort<Places: RadixPlaces> {
    typealias Item = Places.Item
    typealias Key = Item.Key

    let places: Places

    /// - Parameters:
    ///   - items: They are reordered.
    ///   - spare: Memory for as many items.
    ///   - place: The place of the first item.
    func sort(
        _ items: UnsafeMutablePointer<Item>, _ spare: UnsafeMutablePointer<Item>, _ count: Int, _ place: Int
    ) {
        if count <= 32 {
            insert(items, count)
            for i in 0..<count { places.store(items[i], place &+ i) }
            return
        }
        var (low, high) = (Key.max, Key.min)
        for i in 0..<count {
            let key = items[i].key
            low = min(low, key)
            high = max(high, key)
        }
        let bits = Key.bitWidth &- (high &- low).leadingZeroBitCount
        if bits == 0 {
            for i in 0..<count { places.store(items[i], place &+ i) }
        } else if bits <= 30 && count >= 1024 {
            sortByDigits(items, spare, count, place, low, bits)
        } else {
            // Few enough of a digit to be sorted by insertion, if the keys are spread evenly.
            let most = Int.bitWidth &- count.leadingZeroBitCount &- 4
            split(items, spare, count, place, low, bits, min(bits, max(2, min(11, most))))
        }
    }

    private func insert(_ items: UnsafeMutablePointer<Item>, _ count: Int) {
        var i = 1
        while i < count {
            let item = items[i]
            let key = item.key
            var place = i
            while place > 0, items[place &- 1].key > key {
                items[place] = items[place &- 1]
                place &-= 1
            }
            items[place] = item
            i &+= 1
        }
    }

    /// Sorts by one, two, or three digits, from the lowest on.
    private func sortByDigits(
        _ items: UnsafeMutablePointer<Item>, _ spare: UnsafeMutablePointer<Item>, _ count: Int, _ place: Int,
        _ low: Key, _ bits: Int
    ) {
        let passes = (bits &+ 9) / 10
        let width = (bits &+ passes &- 1) / passes
        let size = 1 &<< width
        let mask = Key(truncatingIfNeeded: size &- 1)
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 3 &* size) { memory in
            guard let heads = memory.baseAddress else { return }
            memory.initialize(repeating: 0)
            let (one, two) = (Key(truncatingIfNeeded: width), Key(truncatingIfNeeded: 2 &* width))
            switch passes {
            case 1: for i in 0..<count { heads[Int(truncatingIfNeeded: items[i].key &- low)] &+= 1 }
            case 2:
                for i in 0..<count {
                    let key = items[i].key &- low
                    heads[Int(truncatingIfNeeded: key & mask)] &+= 1
                    heads[size &+ Int(truncatingIfNeeded: key &>> one)] &+= 1
                }
            default:
                for i in 0..<count {
                    let key = items[i].key &- low
                    heads[Int(truncatingIfNeeded: key & mask)] &+= 1
                    heads[size &+ Int(truncatingIfNeeded: key &>> one & mask)] &+= 1
                    heads[2 &* size &+ Int(truncatingIfNeeded: key &>> two)] &+= 1
                }
            }
            for pass in 0..<passes {
                var next = 0
                for i in pass &* size..<(pass &+ 1) &* size { (heads[i], next) = (next, next &+ heads[i]) }
            }
            var (from, to) = (items, spare)
            for pass in 0..<passes &- 1 {
                let shift = Key(truncatingIfNeeded: pass &* width)
                let heads = heads + pass &* size
                for i in 0..<count {
                    let item = from[i]
                    let digit = Int(truncatingIfNeeded: (item.key &- low) &>> shift & mask)
                    to[heads[digit]] = item
                    heads[digit] &+= 1
                }
                (from, to) = (to, from)
            }
            let shift = Key(truncatingIfNeeded: (passes &- 1) &* width)
            let last = heads + (passes &- 1) &* size
            for i in 0..<count {
                let item = from[i]
                let digit = Int(truncatingIfNeeded: (item.key &- low) &>> shift)
                places.store(item, place &+ last[digit])
                last[digit] &+= 1
            }
        }
    }

    /// Sorts by the highest digit, and then each part by itself.
    private func split(
        _ items: UnsafeMutablePointer<Item>, _ spare: UnsafeMutablePointer<Item>, _ count: Int, _ place: Int,
        _ low: Key, _ bits: Int, _ width: Int
    ) {
        let shift = Key(truncatingIfNeeded: bits &- width)
        let size = 1 &<< width
        withUnsafeTemporaryAllocation(of: Int.self, capacity: size) { memory in
            guard let heads = memory.baseAddress else { return }
            memory.initialize(repeating: 0)
            for i in 0..<count { heads[Int(truncatingIfNeeded: (items[i].key &- low) &>> shift)] &+= 1 }
            var next = 0
            for i in 0..<size { (heads[i], next) = (next, next &+ heads[i]) }
            for i in 0..<count {
                let item = items[i]
                let digit = Int(truncatingIfNeeded: (item.key &- low) &>> shift)
                spare[heads[digit]] = item
                heads[digit] &+= 1
            }
            var start = 0
            for i in 0..<size {
                let end = heads[i]
                if end > start { sort(spare + start, items + start, end &- start, place &+ start) }
                start = end
            }
        }
    }
}
