internal import CMemoryMap
internal import Vectors

extension MappedElements {
    /// `self[i] = source[order[i]]`. Nothing is written unless every index is one of the source and every number fits.
    ///
    /// - Parameters:
    ///   - order: As many integers as there are elements here.
    ///   - source: Of any type; numbers are converted as by `copy`.
    /// - Throws: `misuse` if counts differ, the order contains floats, or the target shares memory with the
    ///   source or the order; `valueOutOfRange` (its second value is the place in the order); `closed`,
    ///   `lost`, `notReadable`, `notWritable`, `interrupted`.
    package func gather(_ order: MappedElements, _ source: MappedElements, shouldContinue: ShouldContinue)
        throws(MapError)
    {
        let (target, indexes, from) = (try writable(), try order.readable(), try source.readable())
        try indexes.requireIndexes(count: target.count)
        try target.bytes.requireApart(indexes.bytes)
        try target.bytes.requireApart(from.bytes)
        let bytes = target.bytes
        let places = ElementMemory(indexes)
        let conversion = Conversion(from: from.type, to: target.type, isSaturating: false)
        let isCopy = from.type.kind == target.type.kind
        let (reader, writer) = (ElementMemory(from), ElementMemory(target))
        let codes = (from.elements.type, target.elements.type)
        // Two passes: errors must be found before anything is written.
        for isWriting in [false, true] {
            let isChecked = isCopy || conversion.alwaysFits || isWriting
            let failure: Int?
            do throws(MapError) {
                failure = try places.pieces.first(shouldContinue: { shouldContinue($0 / 2) && bytes.isIntact }
                ) { range in
                    var failure: Int?
                    places.forEachIndex(range, reader.count) { i, index in
                        if index == nil { failure = i }
                        guard let index, !isChecked || isWriting else { return failure == nil }
                        if isWriting && isCopy {
                            writer.copy(i, reader, index)
                            return true
                        }
                        let bits = mm_load_number(
                            reader.place(index).assumingMemoryBound(to: UInt8.self), codes.0)
                        guard let converted = conversion.converted(bits) else {
                            failure = i
                            return false
                        }
                        if isWriting {
                            mm_store_number(
                                writer.place(i).assumingMemoryBound(to: UInt8.self), codes.1, converted)
                        }
                        return true
                    }
                    return failure
                }
            } catch { throw bytes.cause(error) }
            try indexes.checkIntact()
            try from.checkIntact()
            if let failure { throw try misfit(failure, indexes, from, conversion) }
        }
        try target.checkIntact()
    }

    /// Throws if these are not `count` integers.
    func requireIndexes(count: Int) throws(MapError) {
        guard !type.isFloat else {
            throw MapError(.misuse, "the elements of an order must be integers, not floats")
        }
        guard self.count == count else {
            throw MapError(.misuse, "the order has %1 elements, the target %2", self.count, count)
        }
    }

    /// The error at a place of the order.
    private func misfit(
        _ place: Int, _ indexes: MappedElements, _ from: MappedElements, _ conversion: Conversion
    ) throws(MapError) -> MapError {
        let number = try indexes.load(at: place)
        if case .integer(let index) = number, index >= 0, index < from.count {
            guard let source = try from.slice(Int(index), 1).elements.region.base else {
                return MapError(.closed)
            }
            return conversion.misfit(mm_load_number(source, from.elements.type), place)
        }
        return indexOutOfRange(number, place, from.count)
    }
}

/// An index in an order that is out of range for the source.
func indexOutOfRange(_ number: Number, _ place: Int, _ count: Int) -> MapError {
    guard case .integer(let index) = number else { return MapError(.closed) }
    return count == 0
        ? MapError(.valueOutOfRange, "index %1 is out of range: the source is empty", Int(index), place)
        : MapError(.valueOutOfRange, "index %1 is out of range (0 to %3)", Int(index), place, count &- 1)
}

extension MappedBytes {
    /// Throws if these bytes, which are written, overlap bytes that are read.
    func requireApart(_ other: MappedBytes) throws(MapError) {
        guard region.length > 0, other.region.length > 0, let mine = region.base, let its = other.region.base,
            mine < its + other.region.length, its < mine + region.length
        else { return }
        throw MapError(.misuse, "the target shares memory with a source: copy the source first")
    }
}

extension ElementMemory {
    /// Calls `body` with the places of a range and the indexes there, until it returns false. The index is
    /// nil if it is not below `count`.
    func forEachIndex(_ range: Range<Int>, _ count: Int, _ body: (_ place: Int, _ index: Int?) -> Bool) {
        switch element {
        case .u8: forEachIndex(range, count, UInt8.self, body)
        case .i8: forEachIndex(range, count, Int8.self, body)
        case .u16: forEachIndex(range, count, UInt16.self, body)
        case .i16: forEachIndex(range, count, Int16.self, body)
        case .u32: forEachIndex(range, count, UInt32.self, body)
        case .i32: forEachIndex(range, count, Int32.self, body)
        case .i64: forEachIndex(range, count, Int64.self, body)
        default: forEachIndex(range, count, UInt64.self, body)
        }
    }

    @inline(__always)
    private func forEachIndex<Word: FixedWidthInteger & BitwiseCopyable>(
        _ range: Range<Int>, _ count: Int, _: Word.Type, _ body: (_ place: Int, _ index: Int?) -> Bool
    ) {
        let limit = UInt64(bitPattern: Int64(count))
        forEachBlock(range) { block in
            var i = 0
            while i < block.count {
                let word = block.start.loadUnaligned(
                    fromByteOffset: i &* MemoryLayout<Word>.stride, as: Word.self)
                let index = UInt64(truncatingIfNeeded: Int64(truncatingIfNeeded: word))
                // A negative index is above all counts.
                if !body(block.index &+ i, index < limit ? Int(truncatingIfNeeded: index) : nil) {
                    return false
                }
                i &+= 1
            }
            return true
        }
    }

    /// Copies an element of the same type, in any byte order.
    @inline(__always)
    func copy(_ i: Int, _ source: ElementMemory, _ index: Int) {
        let isTurned = isSwapped != source.isSwapped
        let (from, to) = (source.place(index), place(i))
        switch size {
        case 1: to.storeBytes(of: from.load(as: UInt8.self), as: UInt8.self)
        case 2:
            let word = from.loadUnaligned(as: UInt16.self)
            to.storeBytes(of: isTurned ? word.byteSwapped : word, as: UInt16.self)
        case 4:
            let word = from.loadUnaligned(as: UInt32.self)
            to.storeBytes(of: isTurned ? word.byteSwapped : word, as: UInt32.self)
        default:
            let word = from.loadUnaligned(as: UInt64.self)
            to.storeBytes(of: isTurned ? word.byteSwapped : word, as: UInt64.self)
        }
    }
}
