internal import CMemoryMap
package import Vectors

/// A condition on elements, with a value of their own type.
package enum Condition {
    case never
    case always
    /// The value's bits as in memory, in the machine's byte order.
    case compares(Comparison, UInt64)

    /// The condition for elements of a type to compare with a number as in mathematics: 3 is less than 3.5 in
    /// every type, and no element of `u8` equals 256. A NaN is unequal to everything.
    package init(_ comparison: Comparison, _ number: Number, _ type: ElementType) {
        guard let (bits, order) = nearest(number, type) else {
            self = comparison == .notEqual ? .always : .never
            return
        }
        switch (order, comparison) {
        case (0, _): self = .compares(comparison, bits)
        case (_, .equal): self = .never
        case (_, .notEqual): self = .always
        // The number is between this value and the next one above it …
        case (-1, .less), (-1, .lessOrEqual): self = .compares(.lessOrEqual, bits)
        case (-1, _): self = .compares(.greater, bits)
        // … or below it.
        case (_, .less), (_, .lessOrEqual): self = .compares(.less, bits)
        default: self = .compares(.greaterOrEqual, bits)
        }
    }
}

/// The bits of a value of the type next to a number, with no value of the type strictly between them, and how
/// it compares with the number: -1, 0, or 1. Nil for NaN.
private func nearest(_ number: Number, _ type: ElementType) -> (bits: UInt64, order: Int)? {
    switch (number, type.isFloat) {
    case (.integer(let x), true):
        let bits = type.floatBits(Double(x))
        let value = type.float(bits)
        // Only f16 cannot represent the magnitude of all 64-bit integers.
        return (bits, value.isFinite ? order(Int128(value), Int128(x)) : value > 0 ? 1 : -1)
    case (.float(let x), true):
        if x.isNaN { return nil }
        let bits = type.floatBits(x)
        return (bits, order(type.float(bits), x))
    case (.integer(let x), false):
        // A negative integer is a u64 of 2^63 or more.
        return clamped(type.kind == Int32(MM_U64) ? Int128(UInt64(bitPattern: x)) : Int128(x), type)
    case (.float(let x), false):
        if x.isNaN { return nil }
        if type.kind == Int32(MM_U64), x < 0, let integer = Int64(exactly: x) {
            return nearest(.integer(integer), type)
        }
        let floor = x.rounded(.down)
        let limited = max(-0x1p70, min(0x1p70, floor))
        let (bits, order) = clamped(Int128(limited), type)
        return (bits, order == 0 && floor < x ? -1 : order)
    }
}

private func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a > b ? 1 : 0 }

private func clamped(_ x: Int128, _ type: ElementType) -> (bits: UInt64, order: Int) {
    let range = type.integers
    let value = max(range.lowerBound, min(range.upperBound, x))
    return (UInt64(truncatingIfNeeded: value), order(value, x))
}

extension ElementType {
    /// The range of an integer type.
    package var integers: ClosedRange<Int128> {
        let bits = Int128(byteCount &* 8)
        let isSigned = kind & 1 == 1
        return isSigned ? -(1 << (bits - 1))...(1 << (bits - 1)) - 1 : 0...(1 << bits) - 1
    }
}

extension MappedElements {
    /// The number of elements that compare with a number in the given way.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`.
    package func count(_ comparison: Comparison, _ number: Number, shouldContinue: ShouldContinue)
        throws(MapError) -> Int
    {
        let part = try readable()
        let memory = ElementMemory(part)
        switch Condition(comparison, number, type) {
        case .never: return 0
        case .always: return memory.count
        case .compares(let comparison, var bits):
            let countWhere = activeVectors.countWhere
            let counts = try withUnsafeBytes(of: &bits) { (value) throws(MapError) -> [Int] in
                guard let value = value.baseAddress else { return [] }
                return try memory.pieces.map(shouldContinue: shouldContinue) { range in
                    var count = 0
                    memory.forEachBlock(range, isWhole: true) { block in
                        count &+= countWhere(
                            memory.code, comparison.rawValue, block.start, block.count, value)
                        return true
                    }
                    return count
                }
            }
            try part.checkIntact()
            return counts.reduce(0, &+)
        }
    }

    /// The index of the first element from an index on that compares with a number in the given way.
    ///
    /// - Throws: As `count`, and `offsetOutOfRange`.
    package func find(
        _ comparison: Comparison, _ number: Number, from: Int, shouldContinue: ShouldContinue
    ) throws(MapError) -> Int? {
        let part = try readable(from)
        let memory = ElementMemory(part)
        let place: Int?
        switch Condition(comparison, number, type) {
        case .never: place = nil
        case .always: place = memory.count > 0 ? 0 : nil
        case .compares(let comparison, let bits): place = try memory.find(comparison, bits, shouldContinue)
        }
        try part.checkIntact()
        guard let place else { return nil }
        return from &+ place
    }

    /// The index of the first least or greatest element, or of the first NaN if there is one and NaNs are not
    /// skipped.
    ///
    /// - Returns: Nil if there are no elements.
    /// - Throws: As `count`; `misuse` if other code changes the elements meanwhile.
    package func place(
        ofGreatest isGreatest: Bool, skippingNaN: Bool = false, shouldContinue: ShouldContinue
    ) throws(MapError) -> Int? {
        let summary = try summary(extremes: true, skippingNaN: skippingNaN, shouldContinue: shouldContinue)
        let part = try readable()
        let memory = ElementMemory(part)
        let place: Int?
        switch isGreatest ? summary.greatest : summary.least {
        case nil: return nil
        case .float(let value)? where value.isNaN: place = try memory.firstNaN(shouldContinue)
        case .float(let value)?:
            place = try memory.find(.equal, type.floatBits(value), shouldContinue)
        case .integer(let value)?: place = try memory.find(.equal, UInt64(bitPattern: value), shouldContinue)
        }
        try part.checkIntact()
        if place == nil {
            throw MapError(.misuse, "the elements were changed while they were being searched")
        }
        return place
    }
}

extension ElementMemory {
    fileprivate func find(_ comparison: Comparison, _ bits: UInt64, _ shouldContinue: ShouldContinue)
        throws(MapError) -> Int?
    {
        let findWhere = activeVectors.findWhere
        var bits = bits
        return try withUnsafeBytes(of: &bits) { (value) throws(MapError) -> Int? in
            guard let value = value.baseAddress else { return nil }
            func scan(_ range: Range<Int>) -> Int? {
                var found: Int?
                forEachBlock(range, isWhole: true) { block in
                    let place = findWhere(code, comparison.rawValue, block.start, block.count, value)
                    if place != Vectors.none { found = block.index &+ place }
                    return place == Vectors.none
                }
                return found
            }
            // Search the first block without other threads: many searches end there.
            let head = min(count, Self.blockCount)
            if let place = scan(0..<head) { return place }
            return try pieces.first(shouldContinue: shouldContinue, scan)
        }
    }
}
