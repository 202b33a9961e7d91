internal import CMemoryMap
internal import Vectors

/// The result of `stats`.
public struct Summary: Sendable {
    public enum Sum: Sendable {
        /// The exact sum of integers.
        case exact(Int128)
        case float(Double)
    }

    /// The number of elements without those that were skipped.
    public var count: Int
    public var sum: Sum
    /// The number of NaNs that were skipped.
    public var skipped = 0
    /// Nil if there are no elements; NaN if one of them is NaN.
    public var least: Number?
    public var greatest: Number?

    /// Nil if there are no elements.
    public var mean: Double? {
        if count == 0 { return nil }
        switch sum {
        case .exact(let sum): return Double(sum) / Double(count)
        case .float(let sum): return sum / Double(count)
        }
    }
}

extension MappedElements {
    /// The sum: exact for integers, pairwise in double precision for floats, so that the result depends
    /// neither on the number of threads nor on the processor. A NaN makes it NaN.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    public func sum() throws(MapError) -> Summary.Sum { try summary(extremes: false) { _ in true }.sum }

    /// Count, sum, least and greatest element in one pass. If a float is NaN, the extremes are NaN.
    ///
    /// - Throws: As `sum`.
    public func summary() throws(MapError) -> Summary { try summary(extremes: true) { _ in true } }

    /// As above; without `extremes` the least and greatest element may be missing. With `skippingNaN` they
    /// are of the other elements.
    package func summary(extremes: Bool, skippingNaN: Bool = false, shouldContinue: ShouldContinue)
        throws(MapError) -> Summary
    {
        let part = try readable()
        let memory = ElementMemory(part)
        if memory.count == 0 {
            return Summary(count: 0, sum: memory.element.isFloat ? .float(0) : .exact(0))
        }
        let summary =
            memory.element.isFloat
            ? try memory.floatSummary(skippingNaN, shouldContinue)
            : try memory.integerSummary(extremes: extremes, shouldContinue)
        try part.checkIntact()
        return summary
    }

    /// The variance of a whole population: the mean of the squared distances from the mean. With `missing` =
    /// 1, the estimate from a sample. Nil if there are no more than `missing` elements.
    ///
    /// - Throws: As `sum`.
    public func variance(missing: Int = 0) throws(MapError) -> Double? {
        try variance(missing: missing) { _ in true }
    }

    package func variance(
        missing: Int, skippingNaN: Bool = false, shouldContinue: ShouldContinue
    ) throws(MapError) -> Double? {
        let summary = try summary(extremes: false, skippingNaN: skippingNaN, shouldContinue: shouldContinue)
        guard let mean = summary.mean, missing < summary.count else { return nil }
        let part = try readable()
        let memory = ElementMemory(part)
        let count = Double(summary.count)
        var center: ElementMemory.Center = .float(mean)
        if memory.size == 8, case .exact(let sum) = summary.sum {
            // Doubles cannot distinguish large integers, but they can distinguish their distances from an
            // integer near the mean.
            center = .integer(UInt64(truncatingIfNeeded: sum / Int128(summary.count)))
        }
        while true {
            let (sum, squares) = try memory.deviations(from: center, skippingNaN, shouldContinue)
            try part.checkIntact()
            // Correct the difference between the center and the mean.
            let excess = sum * sum / count
            let total = squares - excess
            // If the difference is too large for that, compute again from the mean.
            if case .float(let value) = center, value == mean, excess > squares / 16 || !excess.isFinite {
                let next = mean + sum / count
                if next != mean && next.isFinite {
                    center = .float(next)
                    continue
                }
            }
            // Not max(0, total): that is 0 if the total is NaN.
            return (total < 0 ? 0 : total) / (count - Double(missing))
        }
    }
}

extension Summary {
    fileprivate init(count: Int, sum: Sum) {
        self.init(count: count, sum: sum, skipped: 0, least: nil, greatest: nil)
    }
}

extension ElementMemory {
    fileprivate func integerSummary(extremes: Bool, _ shouldContinue: ShouldContinue) throws(MapError)
        -> Summary
    {
        let active = activeVectors
        // Sum and extremes of a block together, while it is in the cache.
        let parts = try pieces.map(shouldContinue: shouldContinue) { range in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4) { results in
                var sum: Int128 = 0
                var least: UInt64?
                var greatest: UInt64 = 0
                guard let start = results.baseAddress else { return (sum, least, greatest) }
                forEachBlock(range, isWhole: !extremes) { block in
                    active.sum(code, block.start, block.count, start)
                    sum &+= Int128(truncatingIfNeeded: start[1]) << 64 | Int128(start[0])
                    if extremes {
                        active.extremes(code, block.start, block.count, start + 2)
                        if least.map({ isLess(start[2], $0) }) ?? true { least = start[2] }
                        if block.index == range.lowerBound || isLess(greatest, start[3]) {
                            greatest = start[3]
                        }
                    }
                    return true
                }
                return (sum, least, greatest)
            }
        }
        var result = Summary(count: count, sum: .exact(0))
        var total: Int128 = 0
        var bounds: (UInt64, UInt64)?
        for (sum, least, greatest) in parts {
            total &+= sum
            guard let least else { continue }
            guard let known = bounds else {
                bounds = (least, greatest)
                continue
            }
            bounds = (
                isLess(least, known.0) ? least : known.0, isLess(known.1, greatest) ? greatest : known.1
            )
        }
        result.sum = .exact(total)
        if let bounds {
            result.least = .integer(Int64(bitPattern: bounds.0))
            result.greatest = .integer(Int64(bitPattern: bounds.1))
        }
        return result
    }

    /// Compares integers of this type, as 64 bits.
    private func isLess(_ a: UInt64, _ b: UInt64) -> Bool {
        element.isSigned ? Int64(bitPattern: a) < Int64(bitPattern: b) : a < b
    }

    /// The origin of distances: an integer for integers of 64 bits.
    enum Center {
        case float(Double)
        case integer(UInt64)
    }

    /// The sum of the distances from a number, and of their squares.
    fileprivate func deviations(
        from center: Center, _ skippingNaN: Bool, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> (sum: Double, squares: Double) {
        let deviations = activeVectors.deviations
        let sums = try pieces.map(shouldContinue: shouldContinue) { range in
            var sum = PairwiseSum()
            var squares = PairwiseSum()
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 2) { results in
                guard let start = results.baseAddress else { return }
                func add(_ doubles: UnsafePointer<Double>, _ count: Int, _ mean: Double) {
                    deviations(doubles, count, mean, start)
                    sum.add(start[0])
                    squares.add(start[1])
                }
                switch center {
                case .float(let mean):
                    forEachDoubles(range, skippingNaN: skippingNaN) { doubles, count, _ in
                        add(doubles, count, mean)
                    }
                case .integer(let center): forEachDistance(range, center) { add($0, $1, 0) }
                }
            }
            return (sum.total, squares.total)
        }
        var sum = PairwiseSum()
        var squares = PairwiseSum()
        for (piece, pieceSquares) in sums {
            sum.add(piece)
            squares.add(pieceSquares)
        }
        return (sum.total, squares.total)
    }

    /// As `forEachDoubles`, with the distances from an integer. For integers of 64 bits.
    private func forEachDistance(
        _ range: Range<Int>, _ center: UInt64, _ body: (UnsafePointer<Double>, _ count: Int) -> Void
    ) {
        let middle = key(center, element)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.blockCount) { doubles in
            guard let start = doubles.baseAddress else { return }
            forEachBlock(range) { block in
                for i in 0..<block.count {
                    let word = block.start.loadUnaligned(fromByteOffset: i &* 8, as: UInt64.self)
                    let place = key(word, element)
                    start[i] = place >= middle ? Double(place &- middle) : -Double(middle &- place)
                }
                body(start, block.count)
                return true
            }
        }
    }

    fileprivate func floatSummary(_ skippingNaN: Bool, _ shouldContinue: ShouldContinue) throws(MapError)
        -> Summary
    {
        let active = activeVectors
        let parts = try pieces.map(shouldContinue: shouldContinue) { range in
            var sum = PairwiseSum()
            var least = Double.infinity
            var greatest = -Double.infinity
            var counted = 0
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 3) { results in
                guard let start = results.baseAddress else { return }
                func add(_ doubles: UnsafeRawPointer, _ count: Int) {
                    active.summary(doubles, count, start)
                    sum.add(start[0])
                    least = min(least, start[1])
                    greatest = max(greatest, start[2])
                    counted &+= count
                }
                if element == .f64 && !skippingNaN {
                    forEachBlock(range) {
                        add($0.start, $0.count)
                        return true
                    }
                } else {
                    forEachDoubles(range, skippingNaN: skippingNaN) { doubles, count, _ in add(doubles, count)
                    }
                }
            }
            return (sum.total, least, greatest, counted)
        }
        var sum = PairwiseSum()
        var least = Double.infinity
        var greatest = -Double.infinity
        var counted = 0
        for (pieceSum, pieceLeast, pieceGreatest, pieceCount) in parts {
            sum.add(pieceSum)
            counted &+= pieceCount
            least = min(least, pieceLeast)
            greatest = max(greatest, pieceGreatest)
        }
        let total = sum.total
        if counted == 0 {
            var nothing = Summary(count: 0, sum: .float(0))
            nothing.skipped = count
            return nothing
        }
        // A NaN makes the sum NaN, but so do infinities of both signs: search for a NaN.
        if total.isNaN && !skippingNaN {
            // If all elements were NaN there are no extremes, even if another process has changed some
            // meanwhile.
            let hasNaN = least > greatest ? true : try firstNaN(shouldContinue) != nil
            if hasNaN { (least, greatest) = (.nan, .nan) }
        }
        return Summary(
            count: counted, sum: .float(total), skipped: count &- counted, least: .float(least),
            greatest: .float(greatest))
    }

    /// The index of the first NaN. Only for floats.
    func firstNaN(_ shouldContinue: ShouldContinue) throws(MapError) -> Int? {
        try pieces.first(shouldContinue: shouldContinue) { range in
            var found: Int?
            forEachDoubles(range) { doubles, count, index in
                if found != nil { return }
                for i in 0..<count where doubles[i].isNaN {
                    found = index &+ i
                    return
                }
            }
            return found
        }
    }
}
