internal import CMemoryMap
internal import Glibc

/// A part of a mapping and the number of its pages that were in memory.
package struct ResidencyEntry {
    fileprivate var slot: UnsafeMutablePointer<mm_slot>
    fileprivate var generation: UInt64
    fileprivate var device: UInt64
    fileprivate var inode: UInt64
    /// The offset in the file, in bytes; the address for anonymous memory.
    fileprivate var start: UInt
    fileprivate var end: UInt
    /// The part, in bytes of the mapping.
    fileprivate var offset = 0
    fileprivate var length = 0
    fileprivate var resident = 0
}

/// Counts the pages of all mappings that come into memory between two moments. A page in several mappings
/// counts once.
package struct ResidencyCount {
    private let entries: UnsafeMutableBufferPointer<ResidencyEntry>
    private var count = 0

    /// The number of entries that `init` needs.
    package static func capacity() -> Int { Int(mm_slots_in_use()) }

    /// - Parameters:
    ///   - entries: Uninitialized memory of the caller that outlives this value.
    ///   - shouldContinue: Called from time to time; returns false to stop.
    /// - Throws: `interrupted`.
    package init(
        _ entries: UnsafeMutableBufferPointer<ResidencyEntry>, shouldContinue: ShouldContinue = { _ in true }
    ) throws(MapError) {
        self.entries = entries
        collect()
        share()
        for index in 0..<count {
            self.entries[index].resident = try residency(self.entries[index], shouldContinue) ?? 0
        }
    }

    private mutating func collect() {
        var index = 0
        while count < entries.count, let slot = mm_slot_at(index) {
            index &+= 1
            let info = slot.pointee
            guard info.start != 0, !info.residency_hidden else { continue }
            let isFile = info.kind != MM_ANONYMOUS
            let start =
                isFile ? UInt(bitPattern: Int(info.file_offset)) : info.start &+ UInt(info.pagePadding)
            entries.initializeElement(
                at: count,
                to: ResidencyEntry(
                    slot: slot, generation: info.generation, device: info.device, inode: info.inode,
                    start: start, end: start &+ UInt(info.length)))
            count &+= 1
        }
    }

    /// Assigns each byte of a file to one mapping only.
    private mutating func share() {
        var used = UnsafeMutableBufferPointer(rebasing: entries[0..<count])
        used.sort {
            ($0.device, $0.inode, $0.start, $0.end) < ($1.device, $1.inode, $1.start, $1.end)
        }
        var reached: UInt = 0
        for index in 0..<count {
            let entry = used[index]
            let isFirst =
                index == 0 || used[index &- 1].device != entry.device || used[index &- 1].inode != entry.inode
            let start = isFirst ? entry.start : max(entry.start, min(reached, entry.end))
            reached = isFirst ? entry.end : max(reached, entry.end)
            used[index].offset = Int(start &- entry.start)
            used[index].length = Int(entry.end &- start)
        }
    }

    /// Nil for a mapping that was closed, lost, or shrunk meanwhile.
    private func residency(_ entry: ResidencyEntry, _ shouldContinue: ShouldContinue) throws(MapError) -> Int?
    {
        let region = mm_region(whole: entry.slot)
        guard entry.length > 0, region.generation == entry.generation else { return nil }
        do {
            return try MappedBytes(region).residency(
                entry.offset, entry.length, shouldContinue: shouldContinue
            ).resident
        } catch {
            if error.kind == .interrupted { throw error }
            return nil
        }
    }

    /// The increase in pages since `init`, in mappings that existed then and still exist.
    ///
    /// - Throws: `interrupted`.
    package func growth(shouldContinue: ShouldContinue = { _ in true }) throws(MapError) -> Int {
        var sum = 0
        for index in 0..<count {
            if let now = try residency(entries[index], shouldContinue) {
                sum &+= now &- entries[index].resident
            }
        }
        return sum
    }
}

/// The resident memory of this process in bytes, from /proc/self/statm; 0 if that cannot be read.
package func residentSize() -> Int {
    guard let descriptor = try? systemOpen(process: "/proc/self/statm") else { return 0 }
    defer { systemClose(descriptor) }
    return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
        guard let count = try? systemRead(descriptor, buffer) else { return 0 }
        var field = 0
        var pages = 0
        for byte in buffer[0..<count] {
            if byte == UInt8(ascii: " ") { field &+= 1 }
            guard field == 1, byte >= UInt8(ascii: "0") else { continue }
            pages = pages &* 10 &+ Int(byte &- UInt8(ascii: "0"))
        }
        return pages &* pageSize
    }
}
