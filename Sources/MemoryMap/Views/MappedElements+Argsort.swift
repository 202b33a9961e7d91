internal import CMemoryMap
internal import Glibc
internal import Vectors

/// A key of 32 bits in the upper bits, the index of its element in the lower bits.
private struct PackedItem: RadixItem {
    let bits: UInt64

    @inline(__always)
    var key: UInt32 { UInt32(truncatingIfNeeded: bits &>> 32) }
}

/// A key, and the index of its element.
private struct IndexedItem: RadixItem {
    let key: UInt64
    let index: UInt64
}

/// The keys of the elements in their current order.
private struct Keys<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable> {
    let base: UnsafeMutableRawPointer
    let stride: Int
    let isSwapped: Bool
    let order: SortOrder<Word>
    /// Indexes, which are replaced by the sorted ones.
    let indexes: UnsafeMutablePointer<UInt64>
    /// Whether the indexes differ from the original order of the elements.
    let isOrdered: Bool

    init(
        _ memory: ElementMemory, isDescending: Bool, _ indexes: UnsafeMutablePointer<UInt64>, isOrdered: Bool
    ) {
        (base, stride, isSwapped) = (memory.base, memory.stride, memory.isSwapped)
        order = SortOrder(memory.element, isDescending: isDescending)
        (self.indexes, self.isOrdered) = (indexes, isOrdered)
    }

    @inline(__always)
    func index(_ place: Int) -> Int {
        isOrdered ? Int(truncatingIfNeeded: indexes[place]) : place
    }

    @inline(__always)
    func key(_ index: Int) -> Word {
        let word = base.loadUnaligned(fromByteOffset: index &* stride, as: Word.self)
        return order.equalKey(isSwapped ? word.byteSwapped : word)
    }
}

private struct PackedKeys<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>: RadixPlaces {
    let keys: Keys<Word>

    @inline(__always)
    func load(_ place: Int) -> PackedItem {
        let index = keys.index(place)
        return PackedItem(
            bits: UInt64(truncatingIfNeeded: keys.key(index)) &<< 32 | UInt64(truncatingIfNeeded: index))
    }

    @inline(__always)
    func store(_ item: PackedItem, _ place: Int) { keys.indexes[place] = item.bits & 0xffff_ffff }
}

private struct IndexedKeys<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>: RadixPlaces {
    let keys: Keys<Word>

    @inline(__always)
    func load(_ place: Int) -> IndexedItem {
        let index = keys.index(place)
        return IndexedItem(
            key: UInt64(truncatingIfNeeded: keys.key(index)), index: UInt64(truncatingIfNeeded: index))
    }

    @inline(__always)
    func store(_ item: IndexedItem, _ place: Int) { keys.indexes[place] = item.index }
}

extension MappedElements {
    /// The indexes of the elements in ascending or descending order, NaNs last. Equal elements keep their
    /// order.
    ///
    /// - Parameters:
    ///   - order: Receives an index for each element.
    ///   - isOrdered: Whether `order` already contains indexes: then equal elements keep that order.
    /// - Throws: `closed`, `lost`, `notReadable`, `interrupted`; `systemCall` if there is not enough memory.
    package func argsort(
        into order: UnsafeMutablePointer<UInt64>, isDescending: Bool, isOrdered: Bool = false,
        shouldContinue: ShouldContinue
    ) throws(MapError) {
        let part = try readable()
        let memory = ElementMemory(part)
        switch memory.size {
        case 1: try memory.argsort(UInt8.self, order, isDescending, isOrdered, part, shouldContinue)
        case 2: try memory.argsort(UInt16.self, order, isDescending, isOrdered, part, shouldContinue)
        case 4: try memory.argsort(UInt32.self, order, isDescending, isOrdered, part, shouldContinue)
        default: try memory.argsort(UInt64.self, order, isDescending, isOrdered, part, shouldContinue)
        }
    }
}

extension ElementMemory {
    fileprivate func argsort<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _: Word.Type, _ indexes: UnsafeMutablePointer<UInt64>, _ isDescending: Bool, _ isOrdered: Bool,
        _ part: MappedElements, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let keys = Keys<Word>(self, isDescending: isDescending, indexes, isOrdered: isOrdered)
        if Word.bitWidth <= 32, count <= Int(UInt32.max) {
            try sortIndexes(PackedKeys(keys: keys), part, shouldContinue)
        } else {
            try sortIndexes(IndexedKeys(keys: keys), part, shouldContinue)
        }
    }

    private func sortIndexes(
        _ places: some RadixPlaces, _ part: MappedElements, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        let bytes = part.bytes
        do throws(MapError) {
            let outcome = try RadixSort(places: places, count: count).sort(
                isRestoring: false, shouldContinue: { shouldContinue($0) && bytes.isIntact })
            try part.checkIntact()
            switch outcome {
            case .done: return
            case .noRoom: throw noRoomForOrder(count)
            case .changed: throw .elementsChanged
            }
        } catch { throw bytes.cause(error) }
    }
}

/// The error if there is no memory for an order.
func noRoomForOrder(_ count: Int) -> MapError {
    do throws(MapError) { try requireRoom(count &* MemoryLayout<IndexedItem>.stride) } catch { return error }
    return MapError(.mmap, errno: ENOMEM, "not enough memory to sort %1 elements", count)
}
