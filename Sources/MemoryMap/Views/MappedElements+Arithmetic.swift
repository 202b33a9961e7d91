internal import CMemoryMap
package import Vectors

/// The second operand of an operation on elements.
package enum Operand {
    case number(Number)
    case elements(MappedElements)
}

extension MappedElements {
    /// The sum of the products of the elements of two views; exact if both contain integers.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; `misuse` if the counts differ or the exact
    ///   sum has more than 128 bits. With `isWrapping` a longer sum is no error, and its lowest 128 bits are
    ///   the result.
    package func dot(
        _ other: MappedElements, isWrapping: Bool = false, shouldContinue: ShouldContinue
    ) throws(MapError) -> Summary.Sum {
        let (part, otherPart) = (try readable(), try other.readable())
        guard part.count == otherPart.count else {
            throw MapError(.misuse, "the views have %1 and %2 elements", part.count, otherPart.count)
        }
        let (a, b) = (ElementMemory(part), ElementMemory(otherPart))
        let result =
            a.element.isFloat || b.element.isFloat
            ? Summary.Sum.float(try a.floatDot(b, shouldContinue))
            : .exact(try a.exactDot(b, isWrapping, shouldContinue))
        try part.checkIntact()
        try otherPart.checkIntact()
        return result
    }

    /// `target[i] = self[i] op operand`, element by element. The target may be one of the operands.
    ///
    /// For a target of floats, views of its own type are combined in that type, and other operands in double
    /// precision. A target of integers accepts integers of its own type; a number may be any integer. All
    /// results are checked before any is written: one that does not fit is an error. With `isWrapping` it is
    /// truncated to the target's width instead.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `notWritable`, `interrupted`; `misuse` if counts or types
    ///   do not match, or if the target overlaps an operand but is not the same; `valueOutOfRange`.
    package func combine(
        _ operation: Operation, _ operand: Operand, into target: MappedElements, isWrapping: Bool,
        shouldContinue: ShouldContinue
    ) throws(MapError) {
        let source = try readable()
        let result = try target.writable()
        guard source.count == result.count else {
            throw MapError(.misuse, "the views have %1 and %2 elements", source.count, result.count)
        }
        try result.requireApart(source)
        var other: MappedElements?
        var scalar = Number.integer(0)
        switch operand {
        case .number(let number): scalar = number
        case .elements(let elements):
            let part = try elements.readable()
            guard part.count == result.count else {
                throw MapError(.misuse, "the views have %1 and %2 elements", result.count, part.count)
            }
            try result.requireApart(part)
            other = part
        }
        let bytes = result.bytes
        do {
            if result.type.isFloat {
                try combineFloats(operation, source, other, scalar, result) {
                    shouldContinue($0) && bytes.isIntact
                }
            } else {
                try combineIntegers(operation, source, other, scalar, result, isWrapping) {
                    shouldContinue($0) && bytes.isIntact
                }
            }
        } catch { throw bytes.cause(error) }
        try source.checkIntact()
        if let other { try other.checkIntact() }
        try result.checkIntact()
    }

    /// Throws if these elements and others share bytes but are not the same: then results would depend on the
    /// order of writing. Columns of the same records share no bytes.
    func requireApart(_ other: MappedElements) throws(MapError) {
        guard let mine = elements.region.base.map({ UInt(bitPattern: $0) }),
            let its = other.elements.region.base.map({ UInt(bitPattern: $0) })
        else { return }
        let isOutside =
            mine &+ UInt(elements.region.length) <= its || its &+ UInt(other.elements.region.length) <= mine
        if isOutside { return }
        if stride == other.stride {
            if mine == its && type.byteCount == other.type.byteCount { return }
            let step = UInt(stride)
            let ahead = its >= mine ? (its &- mine) % step : (step &- (mine &- its) % step) % step
            if ahead >= UInt(type.byteCount) && step &- ahead >= UInt(other.type.byteCount) { return }
        }
        throw MapError(.misuse, "the target shares bytes with a source: copy the source first")
    }

    private func combineFloats(
        _ operation: Operation, _ source: MappedElements, _ other: MappedElements?, _ scalar: Number,
        _ result: MappedElements, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let (a, target) = (ElementMemory(source), ElementMemory(result))
        let b = other.map { ElementMemory($0) }
        let value: Double =
            switch scalar {
            case .integer(let x): Double(x)
            case .float(let x): x
            }
        let isOneType = a.element == target.element && (b.map { $0.element == target.element } ?? true)
        // A number is not rounded to f32 before the operation, so it needs doubles. Floats of 16 bits are
        // computed as doubles.
        if isOneType, target.element == .f64 || target.element == .f32 && b != nil {
            try a.combine(operation, b, value.bitPattern, target, shouldContinue)
        } else {
            try a.combineAsDoubles(operation, b, value, target, shouldContinue)
        }
    }

    private func combineIntegers(
        _ operation: Operation, _ source: MappedElements, _ other: MappedElements?, _ scalar: Number,
        _ result: MappedElements, _ isWrapping: Bool, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        guard operation != .divide else {
            throw MapError(.misuse, "only floats can be divided: use a view of floats as the target")
        }
        guard source.type.kind == result.type.kind, (other?.type.kind ?? result.type.kind) == result.type.kind
        else {
            throw MapError(.misuse, "views of integers must have the same type; v:copy converts")
        }
        let (a, target) = (ElementMemory(source), ElementMemory(result))
        let b = other.map { ElementMemory($0) }
        let value: Int128
        switch scalar {
        case .integer(let x): value = Int128(x)
        case .float(let x):
            guard let integer = Int128(exactly: x), integer.magnitude < 1 << 64 else {
                throw result.type.misfit(scalar)
            }
            value = integer
        }
        if !isWrapping {
            if let b {
                if let (x, y) = try a.firstMisfit(operation, b, result.type, shouldContinue) {
                    throw result.type.misfit(exactly: operation.exactly(x, y) ?? Int128.max)
                }
            } else {
                // Every operation with a number is monotonic, so checking the extremes is enough.
                let summary = try source.summary(extremes: true, shouldContinue: shouldContinue)
                for extreme in [summary.least, summary.greatest] {
                    guard case .integer(let bits)? = extreme else { continue }
                    let x = result.type.exactly(bits)
                    guard let y = operation.exactly(x, value), result.type.integers.contains(y) else {
                        throw result.type.misfit(exactly: operation.exactly(x, value) ?? Int128.max)
                    }
                }
            }
        }
        try a.combine(operation, b, UInt64(truncatingIfNeeded: value), target, shouldContinue)
    }
}

extension Operation {
    /// The result, or nil if 128 bits are not enough.
    fileprivate func exactly(_ x: Int128, _ y: Int128) -> Int128? {
        let (result, isOverflow): (Int128, Bool)
        switch self {
        case .add: (result, isOverflow) = x.addingReportingOverflow(y)
        case .subtract: (result, isOverflow) = x.subtractingReportingOverflow(y)
        case .multiply: (result, isOverflow) = x.multipliedReportingOverflow(by: y)
        case .minimum: (result, isOverflow) = (min(x, y), false)
        case .maximum: (result, isOverflow) = (max(x, y), false)
        case .divide: return nil
        }
        return isOverflow ? nil : result
    }
}

extension ElementType {
    /// The integer that 64 bits of an element represent.
    fileprivate func exactly(_ bits: Int64) -> Int128 {
        kind == Int32(MM_U64) ? Int128(UInt64(bitPattern: bits)) : Int128(bits)
    }

    fileprivate func misfit(exactly value: Int128) -> MapError {
        Int64(exactly: value).map { misfit(.integer($0)) } ?? misfit(.float(Double(value)))
    }
}

extension ElementMemory {
    /// Calls `body` for blocks of these and other elements at the same indexes.
    fileprivate func forEachPair(
        _ other: ElementMemory, _ range: Range<Int>,
        _ body: (_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int, _ index: Int) -> Bool
    ) {
        withUnsafeTemporaryAllocation(byteCount: Self.blockCount &* other.size, alignment: 64) { scratch in
            guard let start = scratch.baseAddress else { return }
            forEachBlock(range) { block in
                if other.isPlain {
                    return body(block.start, other.place(block.index), block.count, block.index)
                }
                other.gather(block.index, block.count, start)
                return body(block.start, start, block.count, block.index)
            }
        }
    }

    fileprivate func floatDot(_ other: ElementMemory, _ shouldContinue: ShouldContinue) throws(MapError)
        -> Double
    {
        let active = activeVectors
        let sums = try pieces(with: other).map(shouldContinue: shouldContinue) { range in
            var sum = PairwiseSum()
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 &* Self.blockCount) { doubles in
                guard let first = doubles.baseAddress else { return }
                let second = first + Self.blockCount
                forEachPair(other, range) { a, b, count, _ in
                    active.convert(code, a, count, first)
                    active.convert(other.code, b, count, second)
                    sum.add(active.dot(first, second, count))
                    return true
                }
            }
            return sum.total
        }
        var sum = PairwiseSum()
        for piece in sums { sum.add(piece) }
        return sum.total
    }

    /// The same pieces regardless of the order of the two views.
    private func pieces(with other: ElementMemory) -> ParallelRanges {
        size <= other.size ? pieces : other.pieces
    }

    fileprivate func exactDot(
        _ other: ElementMemory, _ isWrapping: Bool, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int128 {
        let active = activeVectors
        let isNarrow = element == other.element && size < 8
        let sums = try pieces(with: other).map(shouldContinue: shouldContinue) { range -> Int128? in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2) { results -> Int128? in
                var sum: Int128 = 0
                var isOverflow = false
                guard let start = results.baseAddress else { return nil }
                forEachPair(other, range) { a, b, count, _ in
                    if isNarrow {
                        active.dotExact(code, a, b, count, start)
                        sum &+= Int128(truncatingIfNeeded: start[1]) << 64 | Int128(start[0])
                        return true
                    }
                    for i in 0..<count {
                        let (product, isTooWide) = exactly(a, i).multipliedReportingOverflow(
                            by: other.exactly(b, i))
                        let (next, isTooMuch) = sum.addingReportingOverflow(product)
                        isOverflow = isOverflow || isTooWide || isTooMuch
                        sum = next
                    }
                    return isWrapping || !isOverflow
                }
                return isOverflow && !isWrapping ? nil : sum
            }
        }
        var total: Int128 = 0
        for sum in sums {
            guard let sum, case let (next, isOverflow) = total.addingReportingOverflow(sum),
                isWrapping || !isOverflow
            else {
                throw MapError(.misuse, "the sum of the products has more than 128 bits")
            }
            total = next
        }
        return total
    }

    /// The integer at an index of a block.
    @inline(__always)
    private func exactly(_ block: UnsafeRawPointer, _ i: Int) -> Int128 {
        let p = block + i &* size
        switch element {
        case .u8: return Int128(p.load(as: UInt8.self))
        case .i8: return Int128(p.load(as: Int8.self))
        case .u16: return Int128(p.loadUnaligned(as: UInt16.self))
        case .i16: return Int128(p.loadUnaligned(as: Int16.self))
        case .u32: return Int128(p.loadUnaligned(as: UInt32.self))
        case .i32: return Int128(p.loadUnaligned(as: Int32.self))
        case .u64: return Int128(p.loadUnaligned(as: UInt64.self))
        default: return Int128(p.loadUnaligned(as: Int64.self))
        }
    }

    /// The first pair whose result does not fit a type.
    fileprivate func firstMisfit(
        _ operation: Operation, _ other: ElementMemory, _ type: ElementType, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> (Int128, Int128)? {
        if operation == .minimum || operation == .maximum { return nil }
        let limits = type.integers
        let place = try pieces.first(shouldContinue: shouldContinue) { range in
            var found: Int?
            forEachPair(other, range) { a, b, count, index in
                for i in 0..<count {
                    if let result = operation.exactly(exactly(a, i), other.exactly(b, i)),
                        result >= limits.lowerBound, result <= limits.upperBound
                    {
                        continue
                    }
                    found = index &+ i
                    return false
                }
                return true
            }
            return found
        }
        guard let place else { return nil }
        var pair: (Int128, Int128)?
        forEachPair(other, place..<place &+ 1) { a, b, _, _ in
            pair = (exactly(a, 0), other.exactly(b, 0))
            return true
        }
        return pair
    }

    /// Combines operands of one type. Without `b`, the scalar's bits are the second operand.
    fileprivate func combine(
        _ operation: Operation, _ b: ElementMemory?, _ scalar: UInt64, _ target: ElementMemory,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let combine = activeVectors.combine
        try target.pieces.forEach(shouldContinue: shouldContinue) { _, range in
            withUnsafeTemporaryAllocation(byteCount: 8 &+ Self.blockCount &* size, alignment: 64) { scratch in
                guard let start = scratch.baseAddress else { return }
                let operand = start + Self.blockCount &* size
                operand.storeBytes(of: scalar, as: UInt64.self)
                func write(
                    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int, _ index: Int, _ isScalar: Bool
                ) {
                    if target.isPlain {
                        combine(code, operation.rawValue, target.place(index), a, b, count, isScalar)
                    } else {
                        combine(code, operation.rawValue, start, a, b, count, isScalar)
                        target.scatter(index, count, start)
                    }
                }
                if let b {
                    forEachPair(b, range) { first, second, count, index in
                        write(first, second, count, index, false)
                        return true
                    }
                } else {
                    forEachBlock(range) { block in
                        write(block.start, operand, block.count, block.index, true)
                        return true
                    }
                }
            }
            return true
        }
    }

    /// Combines operands of any type into floats.
    fileprivate func combineAsDoubles(
        _ operation: Operation, _ b: ElementMemory?, _ scalar: Double, _ target: ElementMemory,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let active = activeVectors
        try target.pieces.forEach(shouldContinue: shouldContinue) { _, range in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 3 &* Self.blockCount) { doubles in
                guard let first = doubles.baseAddress else { return }
                let second = first + Self.blockCount
                let narrow = second + Self.blockCount
                func write(_ count: Int, _ index: Int, _ isScalar: Bool) {
                    active.combine(
                        Element.f64.rawValue, operation.rawValue, first, first, second, count, isScalar)
                    if target.element == .f64 { return target.scatter(index, count, first) }
                    active.narrow(target.code, first, count, narrow)
                    target.scatter(index, count, narrow)
                }
                if let b {
                    forEachPair(b, range) { x, y, count, index in
                        active.convert(code, x, count, first)
                        active.convert(b.code, y, count, second)
                        write(count, index, false)
                        return true
                    }
                } else {
                    second[0] = scalar
                    forEachBlock(range) { block in
                        active.convert(code, block.start, block.count, first)
                        write(block.count, block.index, true)
                        return true
                    }
                }
            }
            return true
        }
    }
}
