internal import MemoryMap

/// A quantile, linear between the two nearest values as NumPy's; NaN if a value is.
///
/// - Parameters:
///   - values: One at least. Their order is changed.
///   - q: 0 to 1.
func quantile(_ values: UnsafeMutablePointer<Double>, count: Int, q: Double) -> Double {
    quantile(values, count: count, q: q, poll: {})
}

/// The same, for many values.
///
/// - Parameter poll: Called from time to time.
func quantile<Failure: Error>(
    _ values: UnsafeMutablePointer<Double>, count: Int, q: Double, poll: () throws(Failure) -> Void
) throws(Failure) -> Double {
    var nans = 0
    for i in 0..<count { nans &+= values[i].isNaN ? 1 : 0 }
    if nans > 0 { return .nan }
    let rank = Rank(Double(count &- 1) * q, count)
    let end = try select(values, count, rank.index, poll)
    let low = values[rank.index]
    if rank.weight == 0 { return low }
    let next = rank.index &+ 1
    var high = values[next]
    if next >= end {
        for i in next..<count { high = values[i] < high ? values[i] : high }
    }
    return rank.value(between: low, high)
}

/// Puts few values in order.
@inline(__always)
private func sort(_ values: UnsafeMutablePointer<Double>, _ count: Int) {
    for i in 1..<max(count, 1) {
        let value = values[i]
        var place = i
        while place > 0, values[place &- 1] > value {
            values[place] = values[place &- 1]
            place &-= 1
        }
        values[place] = value
    }
}

/// Moves the value that is at `index` in sorted order to that place, smaller ones before it and larger ones after it.
///
/// Numbers only. Quickselect; the number of passes over all values is bounded by the bits of a float.
///
/// - Returns: Up to where the values from `index` on are in order.
private func select<Failure: Error>(
    _ values: UnsafeMutablePointer<Double>, _ count: Int, _ index: Int, _ poll: () throws(Failure) -> Void
) throws(Failure) -> Int {
    var (low, high) = (0, count)
    /// Passes that may leave more than half of the values.
    var patience = 8
    while high &- low > 24 {
        let former = high &- low
        let pivot = patience > 0 ? guess(values, low, high, index) : middle(values, low, high)
        var cut = try partition(values, low, high, poll) { $0 < pivot }
        if index < cut {
            high = cut
        } else {
            // Nothing is below the pivot: those equal to it are next.
            if cut == low {
                cut = try partition(values, low, high, poll) { $0 <= pivot }
                if index < cut { return cut }
            }
            low = cut
        }
        if high &- low > former / 2 { patience &-= 1 }
    }
    sort(values + low, high &- low)
    return high
}

/// A value near the one that is looked for: of a sample in order, the one at the same part of it.
private func guess(_ values: UnsafeMutablePointer<Double>, _ low: Int, _ high: Int, _ index: Int) -> Double {
    let count = high &- low
    let size = count < 500 ? 7 : count < 20_000 ? 15 : 63
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: 64) { sample in
        guard let start = sample.baseAddress else { return values[low] }
        // Steps that no regular pattern of data has.
        let step = max(1, count / size)
        for i in 0..<size { start[i] = values[low &+ min(count &- 1, i &* step &+ (i &* 7919) % step)] }
        let place = Int(Double(index &- low) / Double(count) * Double(size))
        sort(start, size)
        return start[max(0, min(size &- 1, place))]
    }
}

/// The middle, by bits, of the least and the greatest value.
private func middle(_ values: UnsafeMutablePointer<Double>, _ low: Int, _ high: Int) -> Double {
    var (least, greatest) = (values[low], values[low])
    for i in low..<high {
        least = min(least, values[i])
        greatest = max(greatest, values[i])
    }
    /// Integers in the order of the floats.
    func key(_ value: Double) -> Int64 {
        let bits = Int64(bitPattern: value.bitPattern)
        return bits < 0 ? Int64.min &- bits : bits
    }
    // Rounded up where it can be, so that the values below it are some.
    let (a, b) = (key(least + 0), key(greatest + 0))
    let key = (a & b) &+ (a ^ b) &>> 1 &+ ((a ^ b) & 1)
    return Double(bitPattern: UInt64(bitPattern: key < 0 ? Int64.min &- key : key))
}

/// Moves the values for which `isBefore` is true to the front, and returns the end of these.
@inline(__always)
private func partition<Failure: Error>(
    _ values: UnsafeMutablePointer<Double>, _ low: Int, _ high: Int, _ poll: () throws(Failure) -> Void,
    _ isBefore: (Double) -> Bool
) throws(Failure) -> Int {
    var end = low
    var start = low
    while start < high {
        let stop = min(high, start &+ 1 << 16)
        // No branch: which way it goes is as good as random.
        for i in start..<stop {
            let value = values[i]
            values[i] = values[end]
            values[end] = value
            end &+= isBefore(value) ? 1 : 0
        }
        start = stop
        if start < high { try poll() }
    }
    return end
}
