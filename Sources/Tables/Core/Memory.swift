internal import CMemoryMap
internal import Glibc
internal import MemoryMap

/// Memory that is counted in the budget and can grow. What is new is not initialized.
///
/// From `large` on it is in large pages, where the kernel has them: much of this memory is used at scattered places, and
/// the kernel fills a large page with zeros in a fifth of the time of as many small ones. Not below: in a virtual machine
/// small pages are often those that were used a moment ago, and large ones have to come from the host, which takes longer.
package final class Memory {
    package private(set) var base: UnsafeMutableRawPointer
    /// Bytes.
    package private(set) var capacity: Int

    private static var large: Int { 8 << 20 }
    /// Sizes from `large` on are multiples: Linux aligns such mappings.
    private static var largePage: Int { 2 << 20 }

    /// - Parameter isZero: Whether all bytes are 0.
    /// - Throws: `systemCall` with `ENOMEM`: over the limit, or no memory left.
    package init(_ bytes: Int, isZero: Bool = false) throws(TableError) {
        let bytes = Memory.size(max(bytes, 16))
        guard mm_budget_take(bytes) else { throw Memory.shortage(bytes) }
        guard let base = Memory.allocate(bytes) else {
            mm_budget_give(bytes)
            throw Memory.shortage(bytes)
        }
        (self.base, self.capacity) = (base, bytes)
        // Not calloc(3): where a page is read before it is written, the kernel maps a page of zeros first and then has all
        // processors forget it.
        if isZero { memset(base, 0, bytes) }
    }

    deinit {
        Memory.free(base, capacity)
        mm_budget_give(capacity)
    }

    private static func size(_ bytes: Int) -> Int {
        // More than the address space has stays what it is, and is refused.
        if bytes < large || bytes > 1 << 60 { return bytes }
        return (bytes &+ largePage &- 1) & ~(largePage &- 1)
    }

    private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        if bytes < large { return malloc(bytes) }
        let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { return nil }
        madvise(base, bytes, MADV_HUGEPAGE)
        return base
    }

    private static func free(_ base: UnsafeMutableRawPointer, _ bytes: Int) {
        if bytes < large { Glibc.free(base) } else { munmap(base, bytes) }
    }

    /// Makes room for so many bytes in all, at least twice what there was. Pointers into the memory are invalid then.
    @inline(__always)
    package func reserve(_ bytes: Int) throws(TableError) {
        if bytes > capacity { try grow(bytes) }
    }

    @inline(never)
    private func grow(_ bytes: Int) throws(TableError) {
        let wanted = Memory.size(max(bytes, capacity &* 2))
        guard mm_budget_take(wanted &- capacity) else { throw Memory.shortage(wanted) }
        guard let moved = reallocate(wanted) else {
            mm_budget_give(wanted &- capacity)
            throw Memory.shortage(wanted)
        }
        (base, capacity) = (moved, wanted)
    }

    private func reallocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        if bytes < Memory.large { return realloc(base, bytes) }
        if capacity >= Memory.large {
            let moved = mm_mremap(base, capacity, bytes)
            return moved == MAP_FAILED ? nil : moved
        }
        guard let moved = Memory.allocate(bytes) else { return nil }
        memcpy(moved, base, capacity)
        Glibc.free(base)
        return moved
    }

    private static func shortage(_ bytes: Int) -> TableError {
        do { try requireRoom(bytes) } catch { return .map(error, path: nil) }
        return TableError(MapError(.mmap, errno: ENOMEM, "no memory is left for %1 bytes of a table", bytes))
    }

    @inline(__always)
    package func bound<Value>(to _: Value.Type) -> UnsafeMutablePointer<Value> {
        base.assumingMemoryBound(to: Value.self)
    }
}

/// A list of plain values that grows, in counted memory.
package struct List<Value: BitwiseCopyable> {
    package let memory: Memory
    package private(set) var count = 0

    package init(capacity: Int = 16) throws(TableError) {
        memory = try Memory(max(capacity, 1) &* MemoryLayout<Value>.stride)
    }

    /// Valid until the next `append` or `extend`.
    @inline(__always)
    package var base: UnsafeMutablePointer<Value> { memory.bound(to: Value.self) }

    @inline(__always)
    package subscript(i: Int) -> Value {
        get { base[i] }
        nonmutating set { base[i] = newValue }
    }

    @inline(__always)
    package mutating func append(_ value: Value) throws(TableError) {
        try memory.reserve((count &+ 1) &* MemoryLayout<Value>.stride)
        base[count] = value
        count &+= 1
    }

    /// Adds `more` values, which are not initialized, and returns the place of the first.
    @inline(__always)
    package mutating func extend(_ more: Int) throws(TableError) -> UnsafeMutablePointer<Value> {
        try memory.reserve((count &+ more) &* MemoryLayout<Value>.stride)
        count &+= more
        return base + (count &- more)
    }

    package mutating func removeAll() { count = 0 }
    package mutating func truncate(_ count: Int) { self.count = min(count, self.count) }
}

/// Memory for the bytes of strings, which do not move. Released as a whole.
package final class Arena {
    private var blocks: [Memory] = []
    private var used = 0
    /// Bytes that new blocks have, at least.
    private let step: Int

    package init(step: Int = 64 << 10) { self.step = step }

    /// Bytes of memory in use.
    var capacity: Int { blocks.reduce(0) { $0 &+ $1.capacity } }

    /// Room for so many bytes.
    @inline(__always)
    package func allocate(_ bytes: Int) throws(TableError) -> UnsafeMutablePointer<UInt8> {
        if let last = blocks.last, bytes <= last.capacity &- used {
            used &+= bytes
            return last.bound(to: UInt8.self) + (used &- bytes)
        }
        return try allocateBlock(bytes)
    }

    @inline(never)
    private func allocateBlock(_ bytes: Int) throws(TableError) -> UnsafeMutablePointer<UInt8> {
        // Larger blocks for more strings: few blocks, and at most a quarter of the memory unused.
        let block = try Memory(max(bytes, step, min(blocks.count &* step, 4 << 20)))
        blocks.append(block)
        used = bytes
        return block.bound(to: UInt8.self)
    }

    /// A copy of a string.
    @inline(__always)
    package func copy(_ text: Text) throws(TableError) -> Text {
        let place = try allocate(text.count)
        place.update(from: text.start, count: text.count)
        return Text(place, text.count)
    }

    /// Takes over the strings of another.
    package func adopt(_ other: Arena) {
        // In front, so that the last block stays the one with room.
        blocks.insert(contentsOf: other.blocks, at: 0)
        other.blocks = []
        other.used = 0
    }

    /// Forgets all strings; keeps a block.
    package func removeAll() {
        if blocks.count > 1 { blocks.removeSubrange(1...) }
        used = 0
    }
}
