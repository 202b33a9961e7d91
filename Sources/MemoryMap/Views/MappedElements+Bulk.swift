internal import CMemoryMap
internal import Glibc

/// The number of elements in a piece for a thread.
private let grain = 1 << 16

/// The number of elements to convert at a time: their bits stay in the first-level cache.
private let chunk = 512

extension MappedElements {
    /// Reads the bits of elements from an index on, in the form of mm_load_number.
    ///
    /// - Throws: As `readable`.
    package func loadBits(_ index: Int, into bits: UnsafeMutableBufferPointer<UInt64>) throws(MapError) {
        let part = try readable(index, bits.count)
        if let target = bits.baseAddress, let place = part.elements.region.base {
            mm_load_numbers(place, part.stride, bits.count, elements.type, target)
        }
        try part.checkIntact()
    }

    /// Writes one number into elements.
    ///
    /// - Parameters:
    ///   - index: `0 ... count`.
    ///   - count: In elements; nil means to the end.
    ///   - shouldContinue: See `ParallelRanges.forEach`.
    /// - Throws: `valueOutOfRange`, as `writable`, `interrupted`.
    package func fill(
        _ value: Number, _ index: Int, _ count: Int?, shouldContinue: (Int) -> Bool
    ) throws(MapError) {
        let part = try writable(index, count)
        let bits = try type.bits(of: value)
        guard let base = part.elements.region.base else { return }
        let (stride, code) = (part.stride, elements.type)
        do {
            try ParallelRanges(part.count, grain: grain).forEach(shouldContinue: {
                shouldContinue($0) && part.bytes.isIntact
            }) {
                _, range in
                withUnsafeTemporaryAllocation(of: UInt64.self, capacity: chunk) { buffer in
                    guard let row = buffer.baseAddress else { return }
                    row.initialize(repeating: bits, count: chunk)
                    forEachChunk(range) { start, count in
                        mm_store_numbers(base + start &* stride, stride, count, code, row)
                        return true
                    }
                }
                return true
            }
        } catch { throw part.bytes.cause(error) }
        try part.checkIntact()
    }

    /// Writes one number into elements.
    ///
    /// - Parameters:
    ///   - index: `0 ... count`.
    ///   - count: In elements; nil means to the end.
    /// - Throws: `valueOutOfRange`, `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notWritable`,
    ///   `misuse` if the elements overlap.
    public func fill(_ value: Number, _ index: Int = 0, _ count: Int? = nil) throws(MapError) {
        try fill(value, index, count, shouldContinue: { _ in true })
    }

    /// Copies elements of any type, converting them. Source and target may share memory.
    ///
    /// A number that does not fit is an error, and nothing is written then. An integer type accepts floats
    /// with an exact integer value; a float type accepts every integer and rounds it. With `saturating` the
    /// nearest number that fits is written instead: fractions are rounded, a half to the even integer, and
    /// NaN becomes 0.
    ///
    /// - Parameters:
    ///   - source: All of its elements are copied.
    ///   - index: The index of the first copy, `0 ... count - source.count`.
    /// - Throws: `valueOutOfRange` (its second value is the element's index in the source),
    ///   `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`, `notWritable`, `misuse` if
    ///   the elements overlap.
    public func copy(
        from source: MappedElements, at index: Int = 0, saturating: Bool = false
    ) throws(MapError) {
        try copy(from: source, at: index, saturating: saturating, shouldContinue: { _ in true })
    }

    /// As above. `shouldContinue`: see `ParallelRanges.forEach`.
    package func copy(
        from source: MappedElements, at index: Int, saturating: Bool, shouldContinue: (Int) -> Bool
    ) throws(MapError) {
        let from = try source.readable()
        let to = try writable(index, from.count)
        guard let read = from.elements.region.base, let write = to.elements.region.base, from.count > 0 else {
            return
        }
        let conversion = Conversion(from: from.type, to: type, isSaturating: saturating)
        if from.type.kind == type.kind, from.type == type, from.stride == type.byteCount,
            to.stride == type.byteCount
        {
            do {
                try move(write, read, from.elements.region.length) {
                    shouldContinue($0 / type.byteCount) && to.bytes.isIntact
                }
            } catch { throw to.bytes.cause(error) }
        } else {
            try from.check(conversion, shouldContinue)
            let isShared =
                read < write + to.elements.region.length && write < read + from.elements.region.length
            if isShared {
                try convertAside(conversion, from, to, shouldContinue)
            } else {
                let (readStride, writeStride, codes) = (
                    from.stride, to.stride, (from.elements.type, to.elements.type)
                )
                do {
                    try ParallelRanges(from.count, grain: grain).forEach(shouldContinue: {
                        shouldContinue($0) && to.bytes.isIntact
                    }) {
                        _, range in
                        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: chunk) { buffer in
                            guard let row = buffer.baseAddress else { return }
                            forEachChunk(range) { start, count in
                                mm_load_numbers(read + start &* readStride, readStride, count, codes.0, row)
                                conversion.convert(row, count)
                                mm_store_numbers(
                                    write + start &* writeStride, writeStride, count, codes.1, row)
                                return true
                            }
                        }
                        return true
                    }
                } catch { throw to.bytes.cause(error) }
            }
        }
        try from.checkIntact()
        try to.checkIntact()
    }

    /// Throws if an element cannot be converted.
    private func check(_ conversion: Conversion, _ shouldContinue: (Int) -> Bool) throws(MapError) {
        guard !conversion.alwaysFits, let base = elements.region.base else { return }
        let (stride, code) = (self.stride, elements.type)
        let misfits = try ParallelRanges(count, grain: grain).map(shouldContinue: shouldContinue) {
            range -> (Int, UInt64)? in
            var misfit: (Int, UInt64)?
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: chunk) { buffer in
                guard let row = buffer.baseAddress else { return }
                forEachChunk(range) { start, count in
                    mm_load_numbers(base + start &* stride, stride, count, code, row)
                    var i = 0
                    while i < count {
                        if conversion.converted(row[i]) == nil {
                            misfit = (start &+ i, row[i])
                            return false
                        }
                        i &+= 1
                    }
                    return true
                }
            }
            return misfit
        }
        for case let (index, bits)? in misfits {
            try checkIntact()
            throw conversion.misfit(bits, index)
        }
    }

    /// Converts elements in shared memory: reads everything before it writes anything.
    private func convertAside(
        _ conversion: Conversion, _ from: MappedElements, _ to: MappedElements,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        guard let read = from.elements.region.base, let write = to.elements.region.base else { return }
        let (size, overflow) = from.count.multipliedReportingOverflow(by: 8)
        let noRoom = MapError(
            .misuse, "source and target overlap, and there is not enough memory for a copy of %1 elements",
            from.count)
        if overflow { throw noRoom }
        try takeMemory(.mmap, size)
        defer { mm_budget_give(size) }
        guard let memory = malloc(size) else { throw noRoom }
        defer { free(memory) }
        let row = memory.bindMemory(to: UInt64.self, capacity: from.count)
        let pieces = ParallelRanges(from.count, grain: grain)
        for piece in 0..<pieces.number {
            let range = pieces.range(piece)
            let part = row + range.lowerBound
            mm_load_numbers(
                read + range.lowerBound &* from.stride, from.stride, range.count, from.elements.type, part)
            conversion.convert(part, range.count)
            if !shouldContinue(range.upperBound) { throw MapError(.interrupted) }
        }
        // Not interrupted, because partly written elements would be useless.
        mm_store_numbers(write, to.stride, from.count, to.elements.type, row)
    }
}

/// Splits a range into chunks; `body` returns false to stop.
@inline(__always)
private func forEachChunk(_ range: Range<Int>, _ body: (_ start: Int, _ count: Int) -> Bool) {
    var start = range.lowerBound
    while start < range.upperBound {
        let count = min(chunk, range.upperBound &- start)
        if !body(start, count) { return }
        start &+= count
    }
}
