internal import CMemoryMap
internal import Glibc

/// How many pages of a range are in memory.
public struct Residency: Equatable, Sendable {
    public var resident: Int
    public var absent: Int
}

extension MappedBytes {
    /// Counts the pages of a range that are in memory: mincore(2), rounded outward to whole pages.
    ///
    /// - Throws: `systemCall` with `EPERM` where the kernel would answer "all": since Linux 5.2 it
    ///   tells the truth only to a caller who owns the file or may write it. `offsetOutOfRange`,
    ///   `lengthOutOfRange`, `closed`, `lost`.
    public func residency(_ offset: Int = 0, _ length: Int? = nil) throws(MapError) -> Residency {
        try residency(offset, length) { _ in true }
    }

    /// `residency` that can be stopped.
    ///
    /// - Parameter poll: Asked with the number of pages done so far; false stops.
    /// - Throws: As `residency`, and `interrupted`.
    package func residency(
        _ offset: Int, _ length: Int?, poll: (_ done: Int) -> Bool
    ) throws(MapError) -> Residency {
        if let counted = try residencyByCache(offset, length, poll: poll) { return counted }
        var resident = 0
        let pages = try eachResidency(offset, length, poll: poll) { bytes, _ in
            var sum = 0
            for byte in bytes { sum &+= Int(byte & 1) }
            resident &+= sum
            return sum
        }
        return Residency(resident: resident, absent: pages &- resident)
    }

    /// The same by cachestat(2), which looks at what is there and not at every page; nil where the two may disagree
    /// for longer than it takes to read a page: only the cache counts those that are just being read.
    private func residencyByCache(
        _ offset: Int, _ length: Int?, poll: (_ done: Int) -> Bool
    ) throws(MapError) -> Residency? {
        let (current, pages) = try wholePages(offset, length)
        if current.region.slot.pointee.residency_hidden { throw .residencyHidden }
        var gaps = CacheGaps(current, pages)
        defer { gaps.close() }
        guard let resident = try gaps.pages(of: pages.extent, poll: poll) else { return nil }
        try current.checkIntact()
        return Residency(resident: resident, absent: pages.extent / pageSize &- resident)
    }

    /// The whole pages of `pageSize` bytes that a range touches, in bytes of the buffer, and their number.
    package func pageSpan(
        _ offset: Int, _ length: Int?
    ) throws(MapError) -> (range: PageRange, count: Int) {
        let pages = try wholePages(offset, length).pages
        return (pages.range, pages.extent / pageSize)
    }

    /// Which pages of a range are in memory.
    ///
    /// - Parameters:
    ///   - bits: For as many pages as `pageSpan` says; they are 0.
    ///   - poll: Asked with the number of pages done so far; false stops.
    /// - Throws: As `residency`; `misuse` where the number of pages is no longer what it was.
    package func residency(
        _ offset: Int, _ length: Int?, into bits: PageBits, poll: (_ done: Int) -> Bool
    ) throws(MapError) {
        guard try wholePages(offset, length).pages.extent / pageSize == bits.count else {
            throw MapError(.misuse, "the mapping was resized meanwhile")
        }
        try eachResidency(offset, length, poll: poll) { bytes, first in bits.insert(bytes, at: first) }
    }

    /// Asks for the pages of a range in pieces, leaving out those of which none is in memory.
    ///
    /// - Parameter body: Takes one byte for each page and the number of the first page, a multiple of 64;
    ///   returns how many of them are in memory.
    /// - Returns: The number of pages in all.
    @discardableResult
    private func eachResidency(
        _ offset: Int, _ length: Int?, poll: (_ done: Int) -> Bool,
        _ body: (_ bytes: UnsafeBufferPointer<UInt8>, _ first: Int) -> Int
    ) throws(MapError) -> Int {
        let (current, pages) = try wholePages(offset, length)
        if current.region.slot.pointee.residency_hidden { throw .residencyHidden }
        guard let start = pages.start else { return 0 }
        let step = 16384
        var vector: InlineArray<16384, UInt8> = .init(repeating: 0)
        var gaps = CacheGaps(current, pages)
        defer { gaps.close() }
        var done = 0
        while done < pages.extent {
            let gap = gaps.length(at: done, of: pages.extent)
            if gap > 0 {
                done &+= gap
            } else {
                let extent = min(pages.extent &- done, step &* pageSize)
                let resident = try withUnsafeMutableBytes(of: &vector) { raw throws(MapError) -> Int in
                    let bytes = raw.bindMemory(to: UInt8.self)
                    guard let first = bytes.baseAddress else { return 0 }
                    try systemResidency(start + done, extent, first)
                    return body(
                        UnsafeBufferPointer(start: first, count: extent / pageSize), done / pageSize)
                }
                gaps.note(resident)
                done &+= extent
            }
            if !poll(done / pageSize) { throw MapError(.interrupted) }
        }
        try current.checkIntact()
        return pages.extent / pageSize
    }
}

extension MapError {
    static var residencyHidden: MapError {
        MapError(
            .mincore, errno: EPERM,
            "since Linux 5.2 the kernel reports every page of a file as resident to a caller who neither owns it nor may write it"
        )
    }
}

/// Finds long parts of a mapping with nothing in the page cache, or counts what is there, at once, with
/// cachestat(2), where mincore(2) would look page by page. Small mappings are left to mincore(2).
///
/// "Nothing" is where the two agree for certain: a page of a shared mapping is in memory only as a page
/// of the cache. Their numbers need not agree: the cache counts pages that are still being read too.
private struct CacheGaps {
    /// -1 where the two may disagree, or where it is not worth the while.
    private var descriptor: Descriptor = -1
    /// In the file, of the pages' first byte.
    private var origin = 0
    private var isMemory = false
    /// How much to ask for next, in bytes; 0 while pages are being found.
    private var window = CacheGaps.smallest

    private static let smallest = 64 << 20
    /// Pages after a gap are counted twice; this is how far.
    private static let largest = 1 << 30

    init(_ bytes: MappedBytes, _ pages: WholePages) {
        let slot = bytes.region.slot.pointee
        guard pages.extent >= CacheGaps.smallest, slot.kind == MM_FILE, slot.page == pageSize,
            MapFlags(rawValue: slot.flags).isShared,
            let descriptor = try? bytes.openFile(for: .cachestat)
        else { return }
        let kind = mm_cache_kind_of(descriptor)
        guard kind == MM_CACHE_BACKED || kind == MM_CACHE_MEMORY else {
            systemClose(descriptor)
            return
        }
        self.descriptor = descriptor
        isMemory = kind == MM_CACHE_MEMORY
        origin =
            Int(slot.file_offset) &- slot.slack
            &+ (UnsafeMutableRawPointer(bitPattern: slot.start).map { start in
                (pages.start ?? start) - start
            } ?? 0)
    }

    /// How many bytes from a place on have nothing in memory; 0 where that is not known.
    mutating func length(at place: Int, of extent: Int) -> Int {
        while descriptor >= 0 && window > 0 {
            let length = min(window, extent &- place)
            guard let state = try? systemCacheState(descriptor, origin &+ place, length) else {
                close()
                return 0
            }
            // What tmpfs has swapped out may be in memory all the same.
            if state.cached == 0 && !(isMemory && state.evicted > 0) {
                window = min(window << 1, CacheGaps.largest)
                return length
            }
            window = window > CacheGaps.smallest ? CacheGaps.smallest : 0
        }
        return 0
    }

    /// How many pages of all are in the cache; nil where that says nothing about what is in memory.
    func pages(of extent: Int, poll: (_ done: Int) -> Bool) throws(MapError) -> Int? {
        guard descriptor >= 0 else { return nil }
        var done = 0
        var cached = 0
        while done < extent {
            let length = min(CacheGaps.largest, extent &- done)
            guard let state = try? systemCacheState(descriptor, origin &+ done, length),
                !(isMemory && state.evicted > 0)
            else { return nil }
            cached &+= Int(truncatingIfNeeded: state.cached)
            done &+= length
            if !poll(done / pageSize) { throw MapError(.interrupted) }
        }
        return cached
    }

    /// Hears how many pages mincore(2) has found where nothing was known.
    mutating func note(_ resident: Int) {
        window = resident == 0 ? CacheGaps.smallest : 0
    }

    mutating func close() {
        if descriptor >= 0 { systemClose(descriptor) }
        descriptor = -1
    }
}
