internal import CMemoryMap
internal import Glibc

/// What became of the pages of a file that were to leave the page cache. Nil where the kernel does not
/// tell this caller.
package struct Eviction: Equatable, Sendable {
    package var evicted: Int?
    package var stayed: Int?
}

/// Drops the pages of a file from the page cache, after writing those that are dirty:
/// posix_fadvise(2) with `POSIX_FADV_DONTNEED`.
///
/// A page that is mapped stays, so every mapping of this process lets go of it first; no byte changes
/// by that. What stays is locked, in use by another process, a file's on tmpfs, which is nowhere else,
/// or part of a larger block of pages that could not go as a whole.
///
/// - Parameter poll: Asked now and then; false stops, and what has gone stays so.
/// - Throws: `systemCall` of open(2), fdatasync(2) or posix_fadvise(2); `misuse` for what is no file; `interrupted`.
package func evictFile(_ path: UnsafePointer<CChar>, poll: Poll = { _ in true }) throws(MapError) -> Eviction
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
    return try evict(descriptor, status, 0..<extent, poll)
}

extension MappedBytes {
    /// `evictFile` for the pages of the file under this range, rounded outward to whole pages.
    package func evict(poll: Poll = { _ in true }) throws(MapError) -> Eviction {
        let (current, pages) = try wholePages(0, nil)
        if pages.extent == 0 { return Eviction(evicted: 0, stayed: 0) }
        let descriptor = try current.openFile(for: .posix_fadvise)
        defer { systemClose(descriptor) }
        let place = current.filePlace(pages)
        return try MemoryMap.evict(
            descriptor, try systemStatus(descriptor), place..<place &+ pages.extent, poll)
    }

    /// Takes the file's pages of a part of the file out of this process's page table. Private copies stay.
    fileprivate func letGo(_ part: Range<Int>, _ poll: Poll) throws(MapError) {
        let slot = region.slot.pointee
        let origin = Int(slot.file_offset) &- slot.slack
        guard let start = UnsafeMutableRawPointer(bitPattern: slot.start) else { return }
        let first = max(part.lowerBound &- origin, 0)
        let end = min(part.upperBound &- origin, Int(slot.extent))
        guard first < end else { return }
        if !isPrivateFile {
            try dropEntries(start + first, end &- first, poll)
            return
        }
        let count = Int(slot.extent) / pageSize
        guard let words = calloc(PageBits.words(for: count), 8) else { return }
        defer { free(words) }
        let diverged = PageBits(words.assumingMemoryBound(to: UInt64.self), count: count)
        // A page of which it is not known whether it is a private copy has to stay.
        do { try divergedPages(0, nil, into: diverged, poll: poll) } catch {
            if error.kind == .interrupted { throw error }
            return
        }
        var page = first / pageSize
        while page < end / pageSize {
            let copies = diverged.run(from: page) ?? count..<count
            let stop = min(copies.lowerBound, end / pageSize)
            if stop > page {
                try dropEntries(start + page &* pageSize, (stop &- page) &* pageSize, poll)
            }
            page = max(copies.upperBound, stop)
        }
    }

    /// Takes pages out of the page table, except locked ones. The kernel stops at the first of those, so
    /// the parts of a mapping are then asked for one by one.
    private func dropEntries(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ poll: Poll
    ) throws(MapError) {
        do {
            try inSteps(start, extent, poll: poll) { (start, extent) throws(MapError) in
                try systemAdvise(start, extent, MADV_DONTNEED)
            }
            return
        } catch { if error.kind == .interrupted { throw error } }
        let first = UInt(bitPattern: start)
        let end = first &+ UInt(extent)
        // What cannot be dropped, or not be found, is counted as what has stayed.
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
    _ descriptor: Descriptor, _ status: stat, _ part: Range<Int>, _ poll: Poll
) throws(MapError) -> Eviction {
    guard !part.isEmpty else { return Eviction(evicted: 0, stayed: 0) }
    let before = try cachedPages(descriptor, part, poll)
    try flush(descriptor, part, poll)
    var index = 0
    while let slot = mm_slot_at(index) {
        index &+= 1
        guard slot.pointee.start != 0, slot.pointee.kind != MM_ANONYMOUS,
            slot.pointee.device == UInt64(status.st_dev), slot.pointee.inode == UInt64(status.st_ino)
        else { continue }
        try MappedBytes(mm_region(whole: slot)).letGo(part, poll)
    }
    // Pages that were written to through a mapping are known to be dirty only when it lets go.
    try flush(descriptor, part, poll)
    try systemForget(descriptor, part.lowerBound, part.count)
    guard let before, var after = try cachedPages(descriptor, part, poll) else { return Eviction() }
    // A page that another processor has just been busy with is left alone the first time.
    for _ in 0..<2 where after > 0 {
        try systemForget(descriptor, part.lowerBound, part.count)
        after = try cachedPages(descriptor, part, poll) ?? after
    }
    return Eviction(evicted: max(before &- after, 0), stayed: after)
}

/// Writes what is dirty: the part in steps that can be stopped, and then, for the disk's own memory, all of the file.
private func flush(_ descriptor: Descriptor, _ part: Range<Int>, _ poll: Poll) throws(MapError) {
    var done = 0
    while part.count >= longExtent, done < part.count {
        let count = min(4 &* stepExtent, part.count &- done)
        // A file system that cannot do this writes all below.
        do { try systemWriteOut(descriptor, part.lowerBound &+ done, count) } catch { break }
        done &+= count
        if !poll(done) { throw MapError(.interrupted) }
    }
    try systemFlush(descriptor)
}

/// The pages of a file that are in memory, or nil where the kernel does not tell.
private func cachedPages(
    _ descriptor: Descriptor, _ part: Range<Int>, _ poll: Poll
) throws(MapError) -> Int? {
    do throws(MapError) {
        do throws(MapError) {
            return try CacheState.of(descriptor, part.lowerBound, part.count, poll: poll).cached
        } catch {
            if error.kind == .interrupted { throw error }
        }
        let region = try mapRegion(
            length: part.count, protection: .read, flags: .shared, descriptor: descriptor,
            offset: part.lowerBound)
        defer { unmapRegion(region) }
        return try MappedBytes(region).residency(0, nil, poll: poll).resident
    } catch {
        if error.kind == .interrupted { throw error }
        return nil
    }
}
