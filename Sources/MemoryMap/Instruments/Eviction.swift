internal import CMemoryMap
internal import Glibc

/// The result of an eviction, in pages of the file. Nil if the kernel does not tell this process.
package struct Eviction: Equatable, Sendable {
    package var evicted: Int?
    package var stayed: Int?
}

/// Drops the pages of a file from the page cache, after writing those that are dirty:
/// posix_fadvise(2) with `POSIX_FADV_DONTNEED`.
///
/// A mapped page stays in the cache, so the pages are first removed from this process's page table; that
/// changes no data. A page stays if it is locked, in use by another process, on tmpfs (where the cache is the
/// file), or part of a large block of pages that cannot be evicted as a whole.
///
/// - Parameter shouldContinue: Called from time to time; returns false to stop. Evicted pages stay evicted.
/// - Throws: `systemCall` of open(2), fdatasync(2) or posix_fadvise(2); `misuse` if it is no regular file or
///   block device; `interrupted`.
package func evictFile(_ path: UnsafePointer<CChar>, shouldContinue: ShouldContinue = { _ in true })
    throws(MapError) -> Eviction
{
    let descriptor = try systemOpen(path, O_RDONLY)
    defer { systemClose(descriptor) }
    let status = try systemStatus(descriptor)
    guard status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFBLK else {
        throw MapError(.misuse, "only the pages of a regular file or a block device can be evicted")
    }
    guard let extent = try systemEnd(descriptor).roundedUp(toPage: pageSize) else {
        throw MapError(.misuse, "the file is too large")
    }
    return try evict(descriptor, status, 0..<extent, shouldContinue)
}

extension MappedBytes {
    /// `evictFile` for the mapped part of the file, rounded outward to whole pages.
    package func evict(shouldContinue: ShouldContinue = { _ in true }) throws(MapError) -> Eviction {
        let (current, pages) = try wholePages(0, nil)
        if pages.extent == 0 { return Eviction(evicted: 0, stayed: 0) }
        let descriptor = try current.openFile(for: .posix_fadvise)
        defer { systemClose(descriptor) }
        let place = current.filePlace(pages)
        return try MemoryMap.evict(
            descriptor, try systemStatus(descriptor), place..<place &+ pages.extent, shouldContinue)
    }

    /// Removes the pages of a part of the file from this process's page table. Private copies stay.
    fileprivate func letGo(_ part: Range<Int>, _ shouldContinue: ShouldContinue) throws(MapError) {
        let slot = region.slot.pointee
        let origin = Int(slot.file_offset) &- slot.pagePadding
        guard let start = UnsafeMutableRawPointer(bitPattern: slot.start) else { return }
        let first = max(part.lowerBound &- origin, 0)
        let end = min(part.upperBound &- origin, Int(slot.extent))
        guard first < end else { return }
        if !isPrivateFile {
            try dropEntries(start + first, end &- first, shouldContinue)
            return
        }
        let count = Int(slot.extent) / pageSize
        guard let words = calloc(PageBits.words(for: count), 8) else { return }
        defer { free(words) }
        let diverged = PageBits(words.assumingMemoryBound(to: UInt64.self), count: count)
        // If private copies cannot be told from other pages, all pages must stay.
        do { try divergedPages(0, nil, into: diverged, shouldContinue: shouldContinue) } catch {
            if error.kind == .interrupted { throw error }
            return
        }
        var page = first / pageSize
        while page < end / pageSize {
            let copies = diverged.run(from: page) ?? count..<count
            let stop = min(copies.lowerBound, end / pageSize)
            if stop > page {
                try dropEntries(start + page &* pageSize, (stop &- page) &* pageSize, shouldContinue)
            }
            page = max(copies.upperBound, stop)
        }
    }

    /// Removes pages from the page table, except locked ones. madvise(2) stops at the first locked part of a
    /// mapping, so each part then gets a call of its own.
    private func dropEntries(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        do {
            try inSteps(start, extent, shouldContinue: shouldContinue) { (start, extent) throws(MapError) in
                try systemAdvise(start, extent, MADV_DONTNEED)
            }
            return
        } catch { if error.kind == .interrupted { throw error } }
        let first = UInt(bitPattern: start)
        let end = first &+ UInt(extent)
        // Parts that cannot be dropped or found count as pages that stayed.
        try? eachLine(of: "/proc/self/maps") { line in
            guard let entry = MapsEntry(line), entry.start < end, first < entry.end else { return true }
            let from = max(entry.start, first)
            try? systemAdvise(
                UnsafeMutableRawPointer(bitPattern: from), Int(min(entry.end, end) &- from), MADV_DONTNEED)
            return true
        }
    }
}

private func evict(
    _ descriptor: Descriptor, _ status: stat, _ part: Range<Int>, _ shouldContinue: ShouldContinue
) throws(MapError) -> Eviction {
    guard !part.isEmpty else { return Eviction(evicted: 0, stayed: 0) }
    let before = try cachedPages(descriptor, part, shouldContinue)
    try flush(descriptor, part, shouldContinue)
    var index = 0
    while let slot = mm_slot_at(index) {
        index &+= 1
        guard slot.pointee.start != 0, slot.pointee.kind != MM_ANONYMOUS,
            slot.pointee.device == UInt64(status.st_dev), slot.pointee.inode == UInt64(status.st_ino)
        else { continue }
        try MappedBytes(mm_region(whole: slot)).letGo(part, shouldContinue)
    }
    // The kernel may notice only at the removal from the page table that a page was written through a
    // mapping.
    try flush(descriptor, part, shouldContinue)
    try systemForget(descriptor, part.lowerBound, part.count)
    guard let before, var after = try cachedPages(descriptor, part, shouldContinue) else { return Eviction() }
    // The first call leaves pages that another processor has just used.
    for _ in 0..<2 where after > 0 {
        try systemForget(descriptor, part.lowerBound, part.count)
        after = try cachedPages(descriptor, part, shouldContinue) ?? after
    }
    return Eviction(evicted: max(before &- after, 0), stayed: after)
}

/// Writes dirty pages: those of the part in steps that can be stopped, then those of the whole file with
/// fdatasync(2), which also flushes the cache of the disk.
private func flush(_ descriptor: Descriptor, _ part: Range<Int>, _ shouldContinue: ShouldContinue)
    throws(MapError)
{
    var done = 0
    while part.count >= longExtent, done < part.count {
        let count = min(4 &* stepExtent, part.count &- done)
        // If the file system does not support this, fdatasync(2) writes everything.
        do { try systemWriteOut(descriptor, part.lowerBound &+ done, count) } catch { break }
        done &+= count
        if !shouldContinue(done) { throw MapError(.interrupted) }
    }
    try systemFlush(descriptor)
}

/// The number of pages of a file that are in memory, or nil if the kernel does not tell this process.
private func cachedPages(
    _ descriptor: Descriptor, _ part: Range<Int>, _ shouldContinue: ShouldContinue
) throws(MapError) -> Int? {
    do throws(MapError) {
        do throws(MapError) {
            return try CacheState.of(descriptor, part.lowerBound, part.count, shouldContinue: shouldContinue)
                .cached
        } catch {
            if error.kind == .interrupted { throw error }
        }
        let region = try mapRegion(
            length: part.count, protection: .read, flags: .shared, descriptor: descriptor,
            offset: part.lowerBound)
        defer { unmapRegion(region) }
        return try MappedBytes(region).residency(0, nil, shouldContinue: shouldContinue).resident
    } catch {
        if error.kind == .interrupted { throw error }
        return nil
    }
}
