internal import CMemoryMap
internal import Glibc

/// The state of each page of a range in the page table of this process: /proc/self/pagemap, see
/// proc_pid_pagemap(5).
package struct PageTable {
    /// In memory.
    package var present: PageBits
    package var swapped: PageBits
    /// Belongs to a file, or is shared anonymous memory.
    package var file: PageBits
    /// In no other page table.
    package var exclusive: PageBits
    /// Written since the last reset through /proc/PID/clear_refs; empty if the kernel does not record that.
    package var softDirty: PageBits
    /// A private copy that is no longer the file's page.
    package var diverged: PageBits

    package init(
        present: PageBits, swapped: PageBits, file: PageBits, exclusive: PageBits, softDirty: PageBits,
        diverged: PageBits
    ) {
        (self.present, self.swapped, self.file) = (present, swapped, file)
        (self.exclusive, self.softDirty, self.diverged) = (exclusive, softDirty, diverged)
    }
}

/// The bits of an entry of /proc/self/pagemap.
private enum Entry {
    static let softDirty: UInt64 = 1 << 55
    static let exclusive: UInt64 = 1 << 56
    static let file: UInt64 = 1 << 61
    static let swapped: UInt64 = 1 << 62
    static let present: UInt64 = 1 << 63
}

extension MappedBytes {
    /// Reads the page table of a range, rounded outward to whole pages.
    ///
    /// - Parameters:
    ///   - table: Empty sets for the number of pages of `pageSpan`.
    ///   - shouldContinue: Called with the number of pages done so far; returns false to stop.
    /// - Throws: `systemCall` of open(2), `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `misuse`
    ///   if the number of pages has changed, `interrupted`.
    package func pageTable(
        _ offset: Int, _ length: Int?, into table: PageTable, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) {
        try eachPageEntry(offset, length, count: table.present.count, shouldContinue: shouldContinue) {
            entry, page, isDiverged in
            if entry & Entry.present != 0 { table.present.insert(page) }
            if entry & Entry.swapped != 0 { table.swapped.insert(page) }
            if entry & Entry.file != 0 { table.file.insert(page) }
            if entry & Entry.exclusive != 0 { table.exclusive.insert(page) }
            if entry & Entry.softDirty != 0 { table.softDirty.insert(page) }
            if isDiverged { table.diverged.insert(page) }
        }
    }

    /// Finds the pages of a private mapping of a file that were written and are private copies now. Finds
    /// none in other mappings.
    package func divergedPages(
        _ offset: Int, _ length: Int?, into bits: PageBits, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) {
        guard try refreshed().isPrivateFile else { return }
        try eachPageEntry(offset, length, count: bits.count, shouldContinue: shouldContinue) {
            _, page, isDiverged in
            if isDiverged { bits.insert(page) }
        }
    }

    /// Whether writing makes private copies of a file's pages.
    package var isPrivateFile: Bool {
        region.slot.pointee.kind != MM_ANONYMOUS && !MapFlags(rawValue: region.slot.pointee.flags).isShared
    }

    private func refreshed() throws(MapError) -> MappedBytes {
        var current = self
        try current.refresh()
        return current
    }

    fileprivate func eachPageEntry(
        _ offset: Int, _ length: Int?, count: Int, shouldContinue: (_ done: Int) -> Bool,
        _ body: (_ entry: UInt64, _ page: Int, _ isDiverged: Bool) -> Void
    ) throws(MapError) {
        let (current, pages) = try wholePages(offset, length)
        guard pages.extent / pageSize == count else {
            throw MapError(.misuse, "the mapping was resized meanwhile")
        }
        guard let start = pages.start else { return }
        let descriptor = try systemOpen(process: "/proc/self/pagemap")
        defer { systemClose(descriptor) }
        let first = Int(bitPattern: start) / pageSize
        let isPrivateFile = current.isPrivateFile
        var entries: InlineArray<4096, UInt64> = .init(repeating: 0)
        var done = 0
        while done < count {
            let wanted = min(4096, count &- done)
            let got = try withUnsafeMutableBytes(of: &entries) { raw throws(MapError) -> Int in
                try systemRead(
                    descriptor, UnsafeMutableRawBufferPointer(rebasing: raw[0..<wanted &* 8]),
                    at: (first &+ done) &* 8) / 8
            }
            guard got > 0, got <= wanted else {
                throw MapError(.read, errno: EIO, "/proc/self/pagemap ended before the mapping did")
            }
            for index in 0..<got {
                let entry = entries[index]
                if entry == 0 { continue }
                let isInUse = entry & (Entry.present | Entry.swapped) != 0
                body(entry, done &+ index, isPrivateFile && isInUse && entry & Entry.file == 0)
            }
            done &+= got
            if !shouldContinue(done) { throw MapError(.interrupted) }
        }
        try current.checkIntact()
    }
}

/// Whether the kernel records which pages are written (`CONFIG_MEM_SOFT_DIRTY`). Writes to a page to find
/// out.
package func keepsSoftDirty() -> Bool {
    guard let map = try? MappedRegion.anonymous(pageSize), (try? map.bytes.store(1, at: 0)) != nil
    else { return false }
    var isMarked = false
    try? map.bytes.eachPageEntry(0, nil, count: 1, shouldContinue: { _ in true }) { entry, _, _ in
        isMarked = entry & Entry.softDirty != 0
    }
    return isMarked
}
