/// Storage of keys: unsigned integers that determine the order of the elements.
protocol KeyPlaces {
    associatedtype Key: FixedWidthInteger & UnsignedInteger
    func key(_ index: Int) -> Key
    func setKey(_ key: Key, _ index: Int)
}

/// Sorts keys in place, by eight bits at a time from the highest on. Each key moves to the bucket for its
/// bits and replaces a key there, which moves next ("American flag sort").
///
/// Whenever it stops, no key has been lost or duplicated. It needs little memory, and its steps do not depend
/// on the number of threads.
struct InPlaceRadixSort<Places: KeyPlaces> {
    let places: Places

    enum Outcome {
        case done, stopped
        /// The keys have changed since they were counted: other code writes them, or the pages are gone.
        case changed
    }

    /// The largest number of keys that one thread sorts as a whole.
    private static var few: Int { 1 << 18 }

    private typealias Counts = UnsafeMutablePointer<Int>

    /// - Parameters:
    ///   - shouldContinue: See `ParallelRanges.forEach`.
    func sort(_ range: Range<Int>, shouldContinue: ShouldContinue) throws(MapError) -> Outcome {
        let different = try differences(range, shouldContinue)
        if different == 0 { return .done }
        let top = max(0, Places.Key.bitWidth &- different.leadingZeroBitCount &- 8)
        // Large ranges are split here, and all threads sort the parts.
        var large = [(range: range, shift: top)]
        var parts: [(range: Range<Int>, shift: Int)] = []
        var taken = 0
        while let part = large.popLast() {
            if part.range.count <= Self.few {
                parts.append(part)
                continue
            }
            let outcome = withCounts { counts, ends in
                let outcome = distribute(part.range, part.shift, counts, ends) {
                    shouldContinue((taken &+ $0) / 4)
                }
                if outcome != .done || part.shift == 0 { return outcome }
                var start = part.range.lowerBound
                for digit in 0..<256 {
                    let bucket = start..<ends[digit]
                    start = ends[digit]
                    if bucket.count > 1 { large.append((bucket, max(0, part.shift &- 8))) }
                }
                return .done
            }
            if outcome == .stopped { throw MapError(.interrupted) }
            if outcome == .changed { return .changed }
            taken = min(range.count, taken &+ part.range.count)
        }
        return try sort(parts, range.count, shouldContinue)
    }

    private func sort(
        _ parts: [(range: Range<Int>, shift: Int)], _ count: Int, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Outcome {
        // For the progress bar, this is three quarters of the work.
        let share = Double(count) / Double(max(parts.count, 1))
        let pieces = ParallelRanges(parts.count, grain: 1)
        let outcomes = try pieces.map(shouldContinue: {
            shouldContinue(count / 4 &+ Int(Double($0) * share * 0.75))
        }) { piece in
            var outcome = Outcome.done
            for i in piece where outcome == .done { outcome = sortFew(parts[i].range, parts[i].shift) }
            return outcome
        }
        return outcomes.contains(.changed) ? .changed : .done
    }

    /// The bits that differ between keys.
    private func differences(_ range: Range<Int>, _ shouldContinue: ShouldContinue) throws(MapError)
        -> Places.Key
    {
        guard range.count > 1 else { return 0 }
        let first = places.key(range.lowerBound)
        let pieces = ParallelRanges(range.count, grain: Self.few)
        return try pieces.map(shouldContinue: { shouldContinue($0 &>> 8) }) { piece in
            var different: Places.Key = 0
            for i in piece { different |= places.key(range.lowerBound &+ i) ^ first }
            return different
        }.reduce(0, |)
    }

    private func withCounts(_ body: (_ counts: Counts, _ ends: Counts) -> Outcome) -> Outcome {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 512) { memory in
            guard let start = memory.baseAddress else { return .stopped }
            start.initialize(repeating: 0, count: 512)
            return body(start, start + 256)
        }
    }

    @inline(__always)
    private func digit(_ key: Places.Key, _ shift: Int) -> Int {
        Int(truncatingIfNeeded: key &>> Places.Key(truncatingIfNeeded: shift)) & 255
    }

    /// Sorts the keys of a range by eight of their bits.
    ///
    /// - Parameters:
    ///   - heads: 256 zeros.
    ///   - ends: Set to the end of the keys with each digit.
    ///   - shouldContinue: Called from time to time with the number of keys done; returns false to stop.
    @inline(__always)
    private func distribute(
        _ range: Range<Int>, _ shift: Int, _ heads: Counts, _ ends: Counts, _ shouldContinue: (Int) -> Bool
    ) -> Outcome {
        let often = 1 << 18
        var i = range.lowerBound
        while i < range.upperBound {
            let end = min(range.upperBound, i &+ often)
            while i < end {
                heads[digit(places.key(i), shift)] &+= 1
                i &+= 1
            }
            if !shouldContinue((i &- range.lowerBound) / 4) { return .stopped }
        }
        var next = range.lowerBound
        var isSingle = false
        for value in 0..<256 {
            isSingle = isSingle || heads[value] == range.count
            (heads[value], next) = (next, next &+ heads[value])
            ends[value] = next
        }
        if isSingle { return .done }
        var moved = 0
        for value in 0..<256 {
            while heads[value] < ends[value] {
                let hole = heads[value]
                var hand = places.key(hole)
                while true {
                    let belongs = digit(hand, shift)
                    if belongs == value { break }
                    let place = heads[belongs]
                    guard place < ends[belongs] else {
                        places.setKey(hand, hole)
                        return .changed
                    }
                    let other = places.key(place)
                    places.setKey(hand, place)
                    heads[belongs] = place &+ 1
                    hand = other
                    moved &+= 1
                    if moved & (often &- 1) == 0, !shouldContinue(range.count / 4 &+ moved / 4 &* 3) {
                        places.setKey(hand, hole)
                        return .stopped
                    }
                }
                places.setKey(hand, hole)
                heads[value] = hole &+ 1
            }
        }
        return .done
    }

    private func sortFew(_ range: Range<Int>, _ shift: Int) -> Outcome {
        if range.count <= 48 {
            insert(range)
            return .done
        }
        return withCounts { counts, ends in
            let outcome = distribute(range, shift, counts, ends) { _ in true }
            if outcome != .done || shift == 0 { return outcome }
            var start = range.lowerBound
            for digit in 0..<256 {
                let bucket = start..<ends[digit]
                start = ends[digit]
                if bucket.count < 2 { continue }
                let outcome = sortFew(bucket, max(0, shift &- 8))
                if outcome != .done { return outcome }
            }
            return .done
        }
    }

    private func insert(_ range: Range<Int>) {
        var i = range.lowerBound &+ 1
        while i < range.upperBound {
            let key = places.key(i)
            var place = i
            while place > range.lowerBound {
                let before = places.key(place &- 1)
                if before <= key { break }
                places.setKey(before, place)
                place &-= 1
            }
            if place != i { places.setKey(key, place) }
            i &+= 1
        }
    }
}
