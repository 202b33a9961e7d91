internal import CMemoryMap
internal import Glibc

/// A field that records are sorted by.
package struct SortField: Sendable {
    package enum Value: Sendable {
        case number(ElementType)
        /// This many bytes, compared as unsigned bytes.
        case characters(Int)
    }

    package let value: Value
    /// In the record, in bytes.
    package let offset: Int
    package let isDescending: Bool

    package init(_ value: Value, at offset: Int, isDescending: Bool = false) {
        (self.value, self.offset, self.isDescending) = (value, offset, isDescending)
    }

    /// The field as numbers, the most significant first: bytes have the order of the big-endian integers that
    /// they form.
    fileprivate var columns: [(type: ElementType, offset: Int)] {
        guard case .characters(let count) = value else {
            guard case .number(let type) = value else { return [] }
            return [(type, offset)]
        }
        var columns: [(type: ElementType, offset: Int)] = []
        var place = 0
        for type in [ElementType.uint64, .uint32, .uint16, .uint8] {
            while place &+ type.byteCount <= count {
                columns.append((type.bigEndian, offset &+ place))
                place &+= type.byteCount
            }
        }
        return columns
    }
}

extension MappedRecords {
    /// Sorts the records in place; equal records keep their order. NaN comes last.
    ///
    /// It needs memory for an order, and uses a copy of the records if there is memory for one. After an
    /// interruption all records are still there, in some order.
    ///
    /// - Parameter fields: The most significant field first. Each must be inside a record.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`, `notReadable`, `notWritable`, `interrupted`;
    ///   `systemCall` if there is not enough memory; `misuse` if other code changes the records meanwhile.
    package func sort(_ fields: [SortField], shouldContinue: ShouldContinue) throws(MapError) {
        let (target, base) = try writable()
        if count < 2 || fields.isEmpty { return }
        let scratch = try WorkMemory.required(UInt64.self, count)
        defer { scratch.free() }
        let order = scratch.base.bindMemory(to: UInt64.self, capacity: count)
        // The sorts are stable, so the most significant field is sorted last.
        var isOrdered = false
        for field in fields.reversed() {
            for (type, offset) in field.columns.reversed() {
                try target.column(type, at: offset).argsort(
                    into: order, isDescending: field.isDescending, isOrdered: isOrdered,
                    shouldContinue: { shouldContinue($0 / 2) })
                isOrdered = true
            }
        }
        let bytes = MappedBytes(target.records.region)
        do throws(MapError) {
            let halfway: ShouldContinue = { [count] in shouldContinue((count &+ $0) / 2) && bytes.isIntact }
            if let copy = WorkMemory(UInt8.self, size &* count) {
                defer { copy.free() }
                try permute(base, order, copy.base, halfway)
            } else {
                try permuteInPlace(base, order, halfway)
            }
        } catch { throw bytes.cause(error) }
        try bytes.checkIntact()
    }

    /// `self[i] = source[order[i]]`. Nothing is written unless every index is one of the source.
    ///
    /// - Parameters:
    ///   - order: As many integers as there are records here.
    ///   - source: Records of the same size.
    /// - Throws: As `MappedElements.gather`.
    package func gather(_ order: MappedElements, _ source: MappedRecords, shouldContinue: ShouldContinue)
        throws(MapError)
    {
        let (target, to) = try writable()
        var from = source
        try from.refresh()
        guard mm_is_readable(&from.records.region) else { throw .notReadable }
        guard size == from.size else {
            throw MapError(.misuse, "the records differ in size (%1 and %2 bytes)", size, from.size)
        }
        let indexes = try order.readable()
        try indexes.requireIndexes(count: count)
        let (bytes, origin) = (MappedBytes(target.records.region), MappedBytes(from.records.region))
        try bytes.requireApart(indexes.bytes)
        try bytes.requireApart(origin)
        let places = ElementMemory(indexes)
        let (size, stride, fromStride, fromCount) = (self.size, self.stride, from.stride, from.count)
        let read = from.records.region.base.map { UnsafeRawPointer($0) }
        for isWriting in [false, true] {
            let failure: Int?
            do throws(MapError) {
                failure = try places.pieces.first(shouldContinue: { shouldContinue($0 / 2) && bytes.isIntact }
                ) { range in
                    var failure: Int?
                    places.forEachIndex(range, fromCount) { i, index in
                        guard let index, let read else {
                            failure = i
                            return false
                        }
                        if isWriting { memcpy(to + i &* stride, read + index &* fromStride, size) }
                        return true
                    }
                    return failure
                }
            } catch { throw bytes.cause(error) }
            try indexes.checkIntact()
            try origin.checkIntact()
            if let failure { throw indexOutOfRange(try indexes.load(at: failure), failure, fromCount) }
        }
        try bytes.checkIntact()
    }

    /// The updated and writable records, and the address of the first one.
    private func writable() throws(MapError) -> (records: MappedRecords, base: UnsafeMutableRawPointer) {
        var current = self
        try current.refresh()
        guard mm_is_writable(&current.records.region) else { throw .notWritable }
        guard let base = current.records.region.base else { throw MapError(.closed) }
        return (current, UnsafeMutableRawPointer(base))
    }

    /// Moves all records to their places through a copy. Writing them back is not interrupted.
    private func permute(
        _ base: UnsafeMutableRawPointer, _ order: UnsafeMutablePointer<UInt64>,
        _ copy: UnsafeMutableRawPointer, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let (size, stride) = (self.size, self.stride)
        let pieces = ParallelRanges(count, grain: max(1, (1 << 20) / size))
        try pieces.forEach(shouldContinue: shouldContinue) { _, range in
            for i in range {
                memcpy(copy + i &* size, base + Int(truncatingIfNeeded: order[i]) &* stride, size)
            }
            return true
        }
        // If pages were lost, zeros were read, which must not be written.
        try MappedBytes(records.region).checkIntact()
        try pieces.forEach(shouldContinue: { _ in true }) { _, range in
            if stride == size {
                memcpy(base + range.lowerBound &* size, copy + range.lowerBound &* size, range.count &* size)
                return true
            }
            for i in range { memcpy(base + i &* stride, copy + i &* size, size) }
            return true
        }
    }

    /// The same with memory for one record: follows the cycles of the permutation. An entry of the order is
    /// set to its own index once its record is in place.
    private func permuteInPlace(
        _ base: UnsafeMutableRawPointer, _ order: UnsafeMutablePointer<UInt64>,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        guard let hand = malloc(size) else { throw .noHeap }
        defer { free(hand) }
        let often = 1 << 16
        var moved = 0
        for start in 0..<count {
            if Int(truncatingIfNeeded: order[start]) == start { continue }
            memcpy(hand, base + start &* stride, size)
            var hole = start
            while true {
                let from = Int(truncatingIfNeeded: order[hole])
                order[hole] = UInt64(truncatingIfNeeded: hole)
                moved &+= 1
                let isStopped = moved & (often &- 1) == 0 && !shouldContinue(moved)
                if from == start || isStopped {
                    memcpy(base + hole &* stride, hand, size)
                    if isStopped { throw MapError(.interrupted) }
                    break
                }
                memcpy(base + hole &* stride, base + from &* stride, size)
                hole = from
            }
        }
    }
}
