internal import Glibc
internal import Kernels

extension MappedElements {
    /// Counts the elements in bins of equal width. A bin takes what is not below its lower edge and below
    /// its upper one; the last takes its upper edge too. What is outside, and NaN, is not counted.
    ///
    /// - Parameters:
    ///   - bins: A number of counters, at least one; they are added to.
    ///   - range: The outer edges, finite and in order. See `edge`.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    package func histogram(
        _ bins: UnsafeMutableBufferPointer<Int64>, _ range: (low: Double, high: Double), poll: Poll
    ) throws(MapError) {
        let part = try readable()
        let memory = ElementMemory(part)
        let scale = Edges(range.low, range.high, bins.count)
        guard let totals = bins.baseAddress, memory.count > 0 else { return }
        var lock = pthread_mutex_t()
        pthread_mutex_init(&lock, nil)
        defer { pthread_mutex_destroy(&lock) }
        try withUnsafeMutablePointer(to: &lock) { (lock) throws(MapError) in
            // A piece has counters of its own: it is to have many more elements than there are bins.
            let blocks = max(64, bins.count / 256)
            try Pieces(memory.count, blocks: blocks, of: ElementMemory.blockCount).forEach(poll: poll) {
                _, piece in
                let own = UnsafeMutablePointer<Int64>.allocate(capacity: bins.count)
                own.initialize(repeating: 0, count: bins.count)
                memory.forEachDoubles(piece) { doubles, count, _ in
                    for i in 0..<count {
                        if let bin = scale.bin(of: doubles[i]) { own[bin] &+= 1 }
                    }
                }
                pthread_mutex_lock(lock)
                for i in 0..<bins.count { totals[i] &+= own[i] }
                pthread_mutex_unlock(lock)
                own.deallocate()
                return true
            }
        }
        try part.checkIntact()
    }

    /// The outer edges of a histogram that counts everything: the least and the greatest element, half
    /// a unit more on both sides where they are the same; 0 and 1 for no elements.
    ///
    /// - Throws: As `summary`; `misuse` where an element is infinite or NaN.
    package func histogramRange(poll: Poll) throws(MapError) -> (low: Double, high: Double) {
        let summary = try summary(extremes: true, poll: poll)
        guard let least = summary.least, let greatest = summary.greatest else { return (0, 1) }
        let (low, high) = (double(least), double(greatest))
        guard (high - low).isFinite else {
            throw MapError(.misuse, "the elements have no finite range: give the histogram one")
        }
        if low < high { return (low, high) }
        // Half a unit may be too little to be seen.
        let margin = max(0.5, low.ulp)
        return (low - margin, high + margin)
    }

    /// An extreme of these elements as a double.
    private func double(_ number: Number) -> Double {
        switch number {
        case .float(let value): value
        case .integer(let value): type == type.unsigned64 ? Double(UInt64(bitPattern: value)) : Double(value)
        }
    }
}

extension ElementType {
    /// `u64` in this type's byte order.
    fileprivate var unsigned64: ElementType {
        isSwapped ? ElementType.uint64.swapped : .uint64
    }

    private var swapped: ElementType { self == littleEndian ? bigEndian : littleEndian }
}

/// The edges of bins of equal width.
package struct Edges {
    package let low: Double
    package let high: Double
    package let bins: Int
    private let width: Double
    private let perUnit: Double

    package init(_ low: Double, _ high: Double, _ bins: Int) {
        self.low = low
        self.high = high
        self.bins = bins
        width = (high - low) / Double(bins)
        perUnit = Double(bins) / (high - low)
    }

    /// The lower edge of a bin, and the upper one of the bin before it.
    @inline(__always)
    package func edge(_ bin: Int) -> Double { bin == bins ? high : low + Double(bin) * width }

    @inline(__always)
    func bin(of x: Double) -> Int? {
        guard x >= low, x <= high else { return nil }
        let guess = (x - low) * perUnit
        var bin = guess < Double(bins) ? Int(guess) : bins &- 1
        // The product is rounded: the edges decide.
        if x < edge(bin), bin > 0 { bin &-= 1 } else if x >= edge(bin &+ 1), bin < bins &- 1 { bin &+= 1 }
        return bin
    }
}
