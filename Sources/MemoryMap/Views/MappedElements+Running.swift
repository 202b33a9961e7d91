internal import CMemoryMap
internal import Vectors

/// The operation on each window of neighbors.
package enum RollingOperation {
    case sum, mean, least, greatest
}

/// The operations `cumsum`, `diff`, and `rolling`.
package enum RunningOperation {
    case sums
    case differences
    case rolling(RollingOperation, Int)

    /// The type of the results: 64 bits.
    package func resultType(_ type: ElementType) -> ElementType {
        if type.isFloat { return .float64 }
        switch self {
        case .rolling(.mean, _): return .float64
        case .differences: return .int64
        case .sums, .rolling: return type.kind & 1 == 0 ? .uint64 : .int64
        }
    }

    /// The number of results.
    ///
    /// - Throws: `valueOutOfRange` if there are too few elements for a window.
    package func resultCount(_ count: Int) throws(MapError) -> Int {
        switch self {
        case .sums: return count
        case .differences: return max(0, count &- 1)
        case .rolling(_, let size):
            guard size >= 1, size <= count else {
                throw count == 0
                    ? MapError(.valueOutOfRange, "value %1 is out of range: the view is empty", size)
                    : MapError(.valueOutOfRange, "value %1 is out of range (1 to %2)", size, count)
            }
            return count &- size &+ 1
        }
    }

    /// Elements at a time that go into a result.
    fileprivate var reach: Int {
        switch self {
        case .sums: 1
        case .differences: 2
        case .rolling(_, let size): size
        }
    }
}

extension MappedElements {
    /// Computes results that depend on each element and those before it.
    ///
    /// One thread goes from the first element to the last. Integers are exact; floats are added in double
    /// precision, in their order. The sum of a window is computed only from the elements in it, so elements
    /// that left it cause no rounding error.
    ///
    /// - Parameter target: As many elements as there are results, of any type that has room for them. Of sums it may be
    ///   these elements themselves; else it shares no memory with them. Nothing is written unless all results fit.
    /// - Throws: `misuse` where counts do not go together or memory is shared; `valueOutOfRange` (its second value is the
    ///   index of the result); `closed`, `lost`, `notReadable`, `notWritable`, `interrupted`; a failed `mmap` where there
    ///   is no memory for a window.
    package func run(
        _ operation: RunningOperation, into target: MappedElements, shouldContinue: ShouldContinue
    ) throws(MapError) {
        let (from, to) = (try readable(), try target.writable())
        let count = try operation.resultCount(from.count)
        guard to.count == count else {
            throw MapError(.misuse, "the target has %1 elements, and there are %2 results", to.count, count)
        }
        if case .sums = operation { try to.requireApart(from) } else { try to.bytes.requireApart(from.bytes) }
        if count == 0 { return }
        let conversion = Conversion(from: operation.resultType(type), to: to.type, isSaturating: false)
        let bytes = to.bytes
        // Results of integers may not fit either.
        let isChecked = type.isFloat && conversion.alwaysFits
        for isWriting in isChecked ? [true] : [false, true] {
            let base = to.elements.region.base
            let outcome: RunningOutcome
            do throws(MapError) {
                outcome = try ElementMemory(from).run(operation) { index, results, count in
                    for i in 0..<count {
                        guard let converted = conversion.converted(results[i]) else {
                            return .misfit(index &+ i, results[i])
                        }
                        results[i] = converted
                    }
                    if isWriting, let base {
                        mm_store_numbers(
                            base + index &* to.stride, to.stride, count, to.elements.type, results)
                    }
                    let done = isChecked || isWriting ? index &+ count : (index &+ count) / 2
                    return shouldContinue(done) && bytes.isIntact ? .done : .stopped
                }
            } catch { throw bytes.cause(error) }
            try from.checkIntact()
            switch outcome {
            case .done: break
            case .stopped: throw bytes.cause(MapError(.interrupted))
            case .misfit(let index, let bits): throw conversion.misfit(bits, index)
            case .overflow(let index):
                throw MapError(
                    .valueOutOfRange,
                    conversion.from == .uint64
                        ? "the result does not fit into an unsigned 64-bit integer"
                        : "the result does not fit into a signed 64-bit integer",
                    0, index)
            }
        }
        try to.checkIntact()
    }
}

private enum RunningOutcome {
    case done, stopped
    case misfit(Int, UInt64)
    case overflow(Int)
}

/// Receives results from an index on.
private typealias Sink = (_ index: Int, _ results: UnsafeMutablePointer<UInt64>, _ count: Int) ->
    RunningOutcome

/// The type in which results are computed.
private protocol RunningNumber {
    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func loaded(_ bits: UInt64, isUnsigned: Bool) -> Self
    /// 64 bits of the result type, or nil.
    func bits(isUnsigned: Bool) -> UInt64?
    func divided(by count: Int) -> Double
    func least(_ other: Self) -> Self
    func greatest(_ other: Self) -> Self
}

extension Double: RunningNumber {
    fileprivate static func loaded(_ bits: UInt64, isUnsigned: Bool) -> Double { Double(bitPattern: bits) }
    fileprivate func bits(isUnsigned: Bool) -> UInt64? { bitPattern }
    fileprivate func divided(by count: Int) -> Double { self / Double(count) }
    // A NaN wins.
    fileprivate func least(_ other: Double) -> Double { other < self || other.isNaN ? other : self }
    fileprivate func greatest(_ other: Double) -> Double { other > self || other.isNaN ? other : self }
}

extension Int128: RunningNumber {
    fileprivate static func loaded(_ bits: UInt64, isUnsigned: Bool) -> Int128 {
        isUnsigned ? Int128(bits) : Int128(Int64(bitPattern: bits))
    }
    fileprivate func bits(isUnsigned: Bool) -> UInt64? {
        isUnsigned ? UInt64(exactly: self) : Int64(exactly: self).map { UInt64(bitPattern: $0) }
    }
    fileprivate func divided(by count: Int) -> Double { Double(self) / Double(count) }
    fileprivate func least(_ other: Int128) -> Int128 { other < self ? other : self }
    fileprivate func greatest(_ other: Int128) -> Int128 { other > self ? other : self }
}

extension ElementMemory {
    private var fullCode: Int32 { code | (isSwapped ? Int32(MM_SWAPPED) : 0) }

    fileprivate func run(_ operation: RunningOperation, _ sink: Sink) throws(MapError) -> RunningOutcome {
        element.isFloat
            ? try run(operation, Double.self, sink) : try run(operation, Int128.self, sink)
    }

    private func run<T: RunningNumber>(
        _ operation: RunningOperation, _: T.Type, _ sink: Sink
    ) throws(MapError) -> RunningOutcome {
        let isUnsigned = !element.isSigned
        switch operation {
        case .sums:
            var sum: T?
            return forEachRun(0, T.self, sink, isUnsigned) { x in
                let next = sum.map { $0 + x } ?? x
                sum = next
                return next.bits(isUnsigned: isUnsigned)
            }
        case .differences:
            var before = first(T.self)
            return forEachRun(1, T.self, sink, isUnsigned) { x in
                let difference = x - before
                before = x
                return difference.bits(isUnsigned: false)
            }
        case .rolling(let operation, let size):
            return try rolling(operation, size, T.self, sink)
        }
    }

    private func first<T: RunningNumber>(_: T.Type) -> T {
        T.loaded(
            mm_load_number(base.assumingMemoryBound(to: UInt8.self), fullCode), isUnsigned: !element.isSigned)
    }

    /// Calls `body` for the elements from an index on, and passes its results to the sink.
    private func forEachRun<T: RunningNumber>(
        _ start: Int, _: T.Type, _ sink: Sink, _ isUnsigned: Bool, _ body: (T) -> UInt64?
    ) -> RunningOutcome {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.blockCount) { row in
            guard let row = row.baseAddress else { return .stopped }
            var i = start
            while i < count {
                let size = min(Self.blockCount, count &- i)
                mm_load_numbers(place(i).assumingMemoryBound(to: UInt8.self), stride, size, fullCode, row)
                for k in 0..<size {
                    guard let bits = body(T.loaded(row[k], isUnsigned: isUnsigned)) else {
                        return .overflow(i &- start &+ k)
                    }
                    row[k] = bits
                }
                let outcome = sink(i &- start, row, size)
                guard case .done = outcome else { return outcome }
                i &+= size
            }
            return .done
        }
    }

    /// Each window reaches from one stretch of `size` elements into the next: it is the end of the one, which is known from
    /// there backward, and the beginning of the other, which grows.
    private func rolling<T: RunningNumber>(
        _ operation: RollingOperation, _ size: Int, _: T.Type, _ sink: Sink
    ) throws(MapError) -> RunningOutcome {
        let isUnsigned = !element.isSigned
        let scratch = try WorkMemory.required(T.self, size)
        defer { scratch.free() }
        // At each index, the result of all elements of the stretch from there on.
        let ends = scratch.base.bindMemory(to: T.self, capacity: size)
        func joined(_ a: T, _ b: T) -> T {
            switch operation {
            case .sum, .mean: a + b
            case .least: a.least(b)
            case .greatest: a.greatest(b)
            }
        }
        func result(_ value: T) -> UInt64? {
            if operation == .mean { return value.divided(by: size).bitPattern }
            return value.bits(isUnsigned: isUnsigned)
        }
        let results = count &- size &+ 1
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.blockCount) { row in
            guard let row = row.baseAddress else { return .stopped }
            var start = 0
            while start < results {
                load(start, size, ends, row, isUnsigned)
                var back = size &- 1
                while back > 0 {
                    ends[back &- 1] = joined(ends[back &- 1], ends[back])
                    back &-= 1
                }
                // The window at `start` is the whole stretch; the others contain more and more of the next
                // one.
                var (k, beginning) = (0, Optional<T>.none)
                let windows = min(size, results &- start)
                while k < windows {
                    let number = min(Self.blockCount, windows &- k)
                    for j in 0..<number {
                        let window = k &+ j
                        if window > 0 {
                            let place = place(start &+ size &+ window &- 1).assumingMemoryBound(
                                to: UInt8.self)
                            let x = T.loaded(mm_load_number(place, fullCode), isUnsigned: isUnsigned)
                            beginning = beginning.map { joined($0, x) } ?? x
                        }
                        let value = beginning.map { joined(ends[window], $0) } ?? ends[window]
                        guard let bits = result(value) else { return .overflow(start &+ window) }
                        row[j] = bits
                    }
                    let outcome = sink(start &+ k, row, number)
                    guard case .done = outcome else { return outcome }
                    k &+= number
                }
                start &+= size
            }
            return .done
        }
    }

    /// Elements as numbers.
    private func load<T: RunningNumber>(
        _ start: Int, _ size: Int, _ target: UnsafeMutablePointer<T>, _ row: UnsafeMutablePointer<UInt64>,
        _ isUnsigned: Bool
    ) {
        var done = 0
        while done < size {
            let number = min(Self.blockCount, size &- done)
            mm_load_numbers(
                place(start &+ done).assumingMemoryBound(to: UInt8.self), stride, number, fullCode, row)
            for k in 0..<number {
                (target + done + k).initialize(to: T.loaded(row[k], isUnsigned: isUnsigned))
            }
            done &+= number
        }
    }
}
