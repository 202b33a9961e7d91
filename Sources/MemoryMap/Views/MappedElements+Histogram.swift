internal import CMemoryMap
internal import Glibc
internal import Vectors

extension MappedElements {
    /// Counts the elements in bins of equal width. A bin includes its lower edge and excludes its upper edge;
    /// the last bin includes both. Elements outside the range and NaN are not counted.
    ///
    /// - Parameters:
    ///   - bins: A counter for each bin of the scale, to which the counts are added.
    /// - Throws: `systemCall` (`ENOMEM`), `closed`, `lost`, `notReadable`, `interrupted`.
    package func histogram(
        _ bins: UnsafeMutableBufferPointer<Int64>, _ scale: HistogramScale, shouldContinue: ShouldContinue
    ) throws(MapError) {
        let part = try readable()
        let memory = ElementMemory(part)
        guard let totals = bins.baseAddress, memory.count > 0 else { return }
        // Each piece has its own counters, so it should have many more elements than there are bins.
        let blocks = max(64, bins.count / 256)
        let pieces = ParallelRanges(memory.count, blocks: blocks, of: ElementMemory.blockCount)
        let (bytes, isOverflow) = (min(threadCount, pieces.number) &* MemoryLayout<Int64>.stride)
            .multipliedReportingOverflow(by: bins.count)
        if isOverflow { throw MapError(.mmap, errno: ENOMEM) }
        try requireHeap(bytes)
        try takeMemory(.mmap, bytes)
        defer { mm_budget_give(bytes) }
        try withLock { (lock) throws(MapError) in
            try pieces.forEach(shouldContinue: shouldContinue) { _, piece in
                withCounters(bins.count, totals, lock) { own in
                    switch scale {
                    case .floats(let edges): memory.count(piece, edges, own)
                    case .integers(let edges): memory.count(piece, edges, own)
                    }
                }
                return true
            }
        }
        try part.checkIntact()
    }

    /// A scale from the least to the greatest element; if they are equal, with a margin of about half a unit
    /// on both sides; from 0 to 1 if there are no elements.
    ///
    /// - Throws: As `summary`; `misuse` if an element is infinite or NaN.
    package func histogramScale(_ bins: Int, shouldContinue: ShouldContinue) throws(MapError)
        -> HistogramScale
    {
        let summary = try summary(extremes: true, shouldContinue: shouldContinue)
        guard let least = summary.least, let greatest = summary.greatest else {
            return .floats(Edges(0, 1, bins))
        }
        if let edges = ExactEdges(least, greatest, bins, type) {
            return .integers(edges.width > 0 ? edges : edges.widened)
        }
        if let scale = try histogramScale(bins, least, greatest) { return scale }
        let low = double(least)
        guard low == double(greatest) else {
            throw MapError(.misuse, "the elements have no finite range: give lo and hi")
        }
        // Half a unit may be too small to change the number.
        let margin = max(0.5, low.ulp)
        return try HistogramScale.floats(Edges(low - margin, low + margin, bins)).checked()
    }

    /// A scale between two numbers; nil if they are not finite and in order.
    ///
    /// - Throws: `misuse` if there are too few different edges between them.
    package func histogramScale(
        _ bins: Int, _ low: Number, _ high: Number
    ) throws(MapError) -> HistogramScale? {
        if let edges = ExactEdges(low, high, bins, type), edges.width > 0 {
            return .integers(edges)
        }
        let (low, high) = (double(low), double(high))
        guard low < high && (high - low).isFinite else { return nil }
        return try HistogramScale.floats(Edges(low, high, bins)).checked()
    }

    /// A number as a double; for elements of `u64`, a negative integer is one of 2^63 or more.
    private func double(_ number: Number) -> Double {
        switch number {
        case .float(let value): value
        case .integer(let value):
            type.kind == Int32(MM_U64) ? Double(UInt64(bitPattern: value)) : Double(value)
        }
    }
}

/// The mapping of elements to the bins of a histogram.
package enum HistogramScale {
    case floats(Edges)
    /// For integers that doubles cannot distinguish.
    case integers(ExactEdges)

    /// Throws if two edges are the same number: then the counts at these edges are meaningless.
    func checked() throws(MapError) -> HistogramScale {
        guard case .floats(let edges) = self, let bin = edges.firstEmpty else { return self }
        throw MapError(
            .misuse, "too many bins: no number is between the edges of bin %1 of %2", bin &+ 1, edges.bins)
    }
}

extension ElementMemory {
    fileprivate func count(_ range: Range<Int>, _ edges: Edges, _ bins: UnsafeMutablePointer<Int64>) {
        forEachDoubles(range) { doubles, count, _ in
            for i in 0..<count {
                if let bin = edges.bin(of: doubles[i]) { bins[bin] &+= 1 }
            }
        }
    }

    fileprivate func count(_ range: Range<Int>, _ edges: ExactEdges, _ bins: UnsafeMutablePointer<Int64>) {
        forEachBlock(range) { block in
            for i in 0..<block.count {
                let word = block.start.loadUnaligned(fromByteOffset: i &* 8, as: UInt64.self)
                if let bin = edges.bin(of: key(word, element)) { bins[bin] &+= 1 }
            }
            return true
        }
    }
}

extension Number {
    /// The number as 64 bits of an integer type, if it is a value of that type.
    fileprivate func bits(_ element: Element) -> UInt64? {
        switch self {
        case .integer(let value): UInt64(bitPattern: value)
        case .float(let value):
            element.isSigned ? Int64(exactly: value).map(UInt64.init(bitPattern:)) : UInt64(exactly: value)
        }
    }
}

/// The edges of bins of equal width between integers of 64 bits, without rounding: the lower edge of bin `i`
/// is `low + i * (high - low) / bins`.
package struct ExactEdges {
    package let bins: Int
    /// The lower edge, as the key of the value (see `key`).
    package let low: UInt64
    /// The distance from the lower to the upper edge.
    package let width: UInt64
    package let isSigned: Bool

    /// Nil if doubles are exact too.
    init?(_ low: Number, _ high: Number, _ bins: Int, _ type: ElementType) {
        guard let element = Element.numbered(type.kind), element == .u64 || element == .i64,
            let low = low.bits(element), let high = high.bits(element)
        else { return nil }
        let most: UInt64 = 1 &<< 53
        let isExact = { (bits: UInt64) in
            element.isSigned ? Int64(bitPattern: bits).magnitude <= most : bits <= most
        }
        if isExact(low), isExact(high) { return nil }
        let (first, last) = (key(low, element), key(high, element))
        if first > last { return nil }
        self.bins = bins
        self.low = first
        width = last &- first
        isSigned = element.isSigned
    }

    package init(bins: Int, low: UInt64, width: UInt64, isSigned: Bool) {
        (self.bins, self.low, self.width, self.isSigned) = (bins, low, width, isSigned)
    }

    /// One more on both sides, within the range of the type.
    fileprivate var widened: ExactEdges {
        let first = max(low, 1) &- 1
        return ExactEdges(
            bins: bins, low: first, width: min(low, .max &- 1) &+ 1 &- first, isSigned: isSigned)
    }

    /// The least integer in a bin, as 64 bits; after the last bin, the upper edge.
    package func edge(_ bin: Int) -> Int64 {
        let (quotient, rest) = (UInt128(bin) &* UInt128(width)).quotientAndRemainder(
            dividingBy: UInt128(bins))
        let place = low &+ UInt64(truncatingIfNeeded: quotient) &+ (rest == 0 ? 0 : 1)
        return Int64(bitPattern: isSigned ? place ^ 1 &<< 63 : place)
    }

    func bin(of place: UInt64) -> Int? {
        guard place >= low, place &- low <= width else { return nil }
        let (upper, lower) = (place &- low).multipliedFullWidth(by: UInt64(truncatingIfNeeded: bins))
        // Usually 64 bits are enough, and their division is much faster.
        let bin =
            upper == 0
            ? Int(truncatingIfNeeded: lower / width)
            : Int(truncatingIfNeeded: (UInt128(upper) &<< 64 | UInt128(lower)) / UInt128(width))
        return min(bin, bins &- 1)
    }
}

/// The edges of bins of equal width.
package struct Edges {
    package let low: Double
    package let high: Double
    package let bins: Int
    private let width: Double
    private let perUnit: Double
    /// The width of a range that is too small to have a finite inverse, so that elements are divided by it
    /// first; otherwise 1.
    private let part: Double

    package init(_ low: Double, _ high: Double, _ bins: Int) {
        self.low = low
        self.high = high
        self.bins = bins
        width = (high - low) / Double(bins)
        part = (Double(bins) / (high - low)).isFinite ? 1 : high - low
        perUnit = Double(bins) / ((high - low) / part)
    }

    /// The lower edge of a bin, which is the upper edge of the previous bin.
    @inline(__always)
    package func edge(_ bin: Int) -> Double { bin == bins ? high : low + Double(bin) * width }

    /// The first bin whose edges are the same number, or in the wrong order.
    fileprivate var firstEmpty: Int? {
        // With bins this wide, no edge is rounded to the value of the next.
        if width > 4 * max(low.magnitude, high.magnitude).ulp { return nil }
        return (0..<bins).first { edge($0) >= edge($0 &+ 1) }
    }

    @inline(__always)
    func bin(of x: Double) -> Int? {
        guard x >= low, x <= high else { return nil }
        let guess = (part == 1 ? x - low : (x - low) / part) * perUnit
        var bin = guess < Double(bins) ? Int(guess) : bins &- 1
        // The product is rounded: the edges decide.
        if x < edge(bin), bin > 0 { bin &-= 1 } else if x >= edge(bin &+ 1), bin < bins &- 1 { bin &+= 1 }
        return bin
    }
}

/// Calls `body` with its own counters, and adds them to the totals under the lock. Without memory for
/// counters, `body` gets the totals themselves, and the lock is held all the time.
func withCounters<Count: FixedWidthInteger>(
    _ number: Int, _ totals: UnsafeMutablePointer<Count>, _ lock: UnsafeMutablePointer<pthread_mutex_t>,
    _ body: (UnsafeMutablePointer<Count>) -> Void
) {
    guard let memory = calloc(number, MemoryLayout<Count>.stride) else {
        pthread_mutex_lock(lock)
        body(totals)
        pthread_mutex_unlock(lock)
        return
    }
    let own = memory.bindMemory(to: Count.self, capacity: number)
    body(own)
    pthread_mutex_lock(lock)
    for i in 0..<number { totals[i] &+= own[i] }
    pthread_mutex_unlock(lock)
    free(memory)
}
