internal import CMemoryMap
package import Vectors

/// Called from time to time with the number of elements or bytes done; returns false to stop.
package typealias ShouldContinue = (_ done: Int) -> Bool

/// Elements without gaps, in the machine's byte order: the input of vector code.
package struct Block {
    package let start: UnsafeRawPointer
    package let count: Int
    /// The index of its first element.
    package let index: Int
}

/// The memory of elements, for use in loops.
package struct ElementMemory: @unchecked Sendable {
    package let element: Element
    /// Must not be read if `count` is 0.
    package let base: UnsafeMutableRawPointer
    package let count: Int
    package let stride: Int
    package let isSwapped: Bool

    package init(_ elements: MappedElements) {
        element = Element.numbered(elements.type.kind) ?? .u8
        base = elements.elements.region.base.map { UnsafeMutableRawPointer($0) } ?? noMemory
        count = elements.count
        stride = elements.stride
        isSwapped = elements.type.isSwapped
    }

    package var code: Int32 { element.rawValue }
    package var size: Int { element.size }

    /// Whether the elements are a block without copying.
    package var isPlain: Bool { stride == size && !isSwapped }

    /// The number of elements in a gathered block. The block and its conversion to doubles fit into the
    /// first-level cache. Floats are summed block by block, so this number is part of the definition of a
    /// sum.
    package static let blockCount = 2048

    /// Ranges for threads: each is a whole number of blocks, with at least 1 MiB of elements.
    package var pieces: ParallelRanges {
        ParallelRanges(count, blocks: (1 &<< 20) / (size &* Self.blockCount), of: Self.blockCount)
    }

    package func place(_ index: Int) -> UnsafeMutableRawPointer { base + index &* stride }

    /// Calls `body` for blocks of the elements in a range, in order, until it returns false.
    ///
    /// - Parameter isWhole: Whether a range that needs no gathering may come as one block.
    package func forEachBlock(_ range: Range<Int>, isWhole: Bool = false, _ body: (Block) -> Bool) {
        if isPlain {
            let most = isWhole ? max(range.count, 1) : Self.blockCount
            var i = range.lowerBound
            while i < range.upperBound {
                let count = min(most, range.upperBound &- i)
                if !body(Block(start: place(i), count: count, index: i)) { return }
                i &+= count
            }
            return
        }
        withUnsafeTemporaryAllocation(byteCount: Self.blockCount &* size, alignment: 64) { scratch in
            guard let start = scratch.baseAddress else { return }
            var i = range.lowerBound
            while i < range.upperBound {
                let count = min(Self.blockCount, range.upperBound &- i)
                gather(i, count, start)
                if !body(Block(start: start, count: count, index: i)) { return }
                i &+= count
            }
        }
    }

    /// As `forEachBlock`, with the elements as doubles. With `skippingNaN` only the numbers in a block are
    /// passed, and the index is that of the block.
    package func forEachDoubles(
        _ range: Range<Int>, skippingNaN: Bool = false,
        _ body: (UnsafePointer<Double>, _ count: Int, _ index: Int) -> Void
    ) {
        let convert = activeVectors.convert
        withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.blockCount) { doubles in
            guard let start = doubles.baseAddress else { return }
            forEachBlock(range) { block in
                convert(code, block.start, block.count, start)
                var count = block.count
                if skippingNaN {
                    count = 0
                    for i in 0..<block.count {
                        let value = start[i]
                        start[count] = value
                        count &+= value == value ? 1 : 0
                    }
                }
                body(start, count, block.index)
                return true
            }
        }
    }

    /// Copies elements to a block, without gaps and in the machine's byte order.
    package func gather(_ index: Int, _ count: Int, _ target: UnsafeMutableRawPointer) {
        if isPlain { return target.copyMemory(from: place(index), byteCount: count &* size) }
        switch size {
        case 1: gather(index, count, target, UInt8.self)
        case 2: gather(index, count, target, UInt16.self)
        case 4: gather(index, count, target, UInt32.self)
        default: gather(index, count, target, UInt64.self)
        }
    }

    private func gather<Word: FixedWidthInteger & BitwiseCopyable>(
        _ index: Int, _ count: Int, _ target: UnsafeMutableRawPointer, _: Word.Type
    ) {
        var source = UnsafeRawPointer(place(index))
        for i in 0..<count {
            let word = source.loadUnaligned(as: Word.self)
            target.storeBytes(
                of: isSwapped ? word.byteSwapped : word, toByteOffset: i &* MemoryLayout<Word>.size,
                as: Word.self)
            source += stride
        }
    }

    /// Copies a block back to the elements.
    package func scatter(_ index: Int, _ count: Int, _ source: UnsafeRawPointer) {
        if isPlain { return place(index).copyMemory(from: source, byteCount: count &* size) }
        switch size {
        case 1: scatter(index, count, source, UInt8.self)
        case 2: scatter(index, count, source, UInt16.self)
        case 4: scatter(index, count, source, UInt32.self)
        default: scatter(index, count, source, UInt64.self)
        }
    }

    private func scatter<Word: FixedWidthInteger & BitwiseCopyable>(
        _ index: Int, _ count: Int, _ source: UnsafeRawPointer, _: Word.Type
    ) {
        var target = place(index)
        for i in 0..<count {
            let word = source.loadUnaligned(fromByteOffset: i &* MemoryLayout<Word>.size, as: Word.self)
            target.storeBytes(of: isSwapped ? word.byteSwapped : word, as: Word.self)
            target += stride
        }
    }
}

/// An address for empty memory.
private var noMemory: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped }

extension ParallelRanges {
    /// Ranges of a whole number of blocks, at least `blocks` of them.
    init(_ count: Int, blocks: Int, of size: Int) {
        let rough = ParallelRanges(count, grain: max(1, blocks) &* size)
        self.init(count, grain: (rough.grain &+ size &- 1) / size &* size)
    }
}

/// A pairwise sum of doubles, computed as they arrive, like the digits of a binary counter. The error grows
/// with the logarithm of their number, and the order of additions is always the same.
package struct PairwiseSum {
    private var levels = [Double](repeating: 0, count: 0)
    private var count = 0

    package init() { levels.reserveCapacity(24) }

    package mutating func add(_ value: Double) {
        var value = value
        var level = 0
        while count &>> level & 1 == 1 {
            value = levels[level] + value
            level &+= 1
        }
        if level == levels.count { levels.append(value) } else { levels[level] = value }
        count &+= 1
    }

    package var total: Double {
        var total = 0.0
        for level in levels.indices where count &>> level & 1 == 1 { total = levels[level] + total }
        return total
    }
}
