internal import CMemoryMap
internal import Glibc

/// The numbers of pages of a range that are in memory and that are not.
public struct Residency: Equatable, Sendable {
    public var resident: Int
    public var absent: Int
}

extension MappedBytes {
    /// Counts the pages of a range that are in memory: mincore(2), rounded outward to whole pages.
    ///
    /// - Throws: `systemCall` with `EPERM` if the kernel would report all pages as resident: since Linux 5.2
    ///   its answer is true only for a process that owns the file or may write it. `offsetOutOfRange`,
    ///   `lengthOutOfRange`, `closed`, `lost`.
    public func residency(_ offset: Int = 0, _ length: Int? = nil) throws(MapError) -> Residency {
        try residency(offset, length) { _ in true }
    }

    /// `residency` that can be stopped.
    ///
    /// - Parameter shouldContinue: Called with the number of pages done so far; returns false to stop.
    /// - Throws: As `residency`, and `interrupted`.
    package func residency(
        _ offset: Int, _ length: Int?, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Residency {
        if let counted = try residencyByCache(offset, length, shouldContinue: shouldContinue) {
            return counted
        }
        var resident = 0
        let pages = try eachResidency(offset, length, shouldContinue: shouldContinue) { bytes, _ in
            var sum = 0
            for byte in bytes { sum &+= Int(byte & 1) }
            resident &+= sum
            return sum
        }
        return Residency(resident: resident, absent: pages &- resident)
    }

    /// The same with cachestat(2), which visits only the pages in the cache. Nil if it may disagree with
    /// mincore(2) for longer than the time to read a page: only cachestat(2) counts pages that are still
    /// being read.
    private func residencyByCache(
        _ offset: Int, _ length: Int?, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Residency? {
        let (current, pages) = try wholePages(offset, length)
        if current.region.slot.pointee.residency_hidden { throw .residencyHidden }
        var gaps = CacheGaps(current, pages)
        defer { gaps.close() }
        guard let resident = try gaps.pages(of: pages.extent, shouldContinue: shouldContinue) else {
            return nil
        }
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

    /// Finds the pages of a range that are in memory.
    ///
    /// - Parameters:
    ///   - bits: One bit for each page of `pageSpan`, all 0.
    ///   - shouldContinue: Called with the number of pages done so far; returns false to stop.
    /// - Throws: As `residency`; `misuse` if the number of pages has changed.
    package func residency(
        _ offset: Int, _ length: Int?, into bits: PageBits, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) {
        guard try wholePages(offset, length).pages.extent / pageSize == bits.count else {
            throw MapError(.misuse, "the mapping was resized meanwhile")
        }
        try eachResidency(offset, length, shouldContinue: shouldContinue) { bytes, first in
            bits.insert(bytes, at: first)
        }
    }

    /// Calls mincore(2) for a range in pieces, and skips long parts without a page in memory.
    ///
    /// - Parameter body: Receives one byte for each page and the number of the first page, a multiple of 64;
    ///   returns the number of pages in memory.
    /// - Returns: The number of pages in the range.
    @discardableResult
    private func eachResidency(
        _ offset: Int, _ length: Int?, shouldContinue: (_ done: Int) -> Bool,
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
            if !shouldContinue(done / pageSize) { throw MapError(.interrupted) }
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

/// Finds long parts of a mapping without pages in the page cache, or counts the cached pages. One
/// cachestat(2) call does what mincore(2) does page by page. Does nothing for small mappings.
///
/// The two calls agree on parts without pages: a page of a shared mapping is in memory only if it is in the
/// cache. Other counts may differ, because cachestat(2) includes pages that are still being read.
private struct CacheGaps {
    /// -1 if the two may disagree, or the mapping is small.
    private var descriptor: Descriptor = -1
    /// The offset of the first page in the file, in bytes.
    private var origin = 0
    private var isMemory = false
    /// The size of the next cachestat(2) request in bytes; 0 while mincore(2) finds pages.
    private var window = CacheGaps.smallest

    private static let smallest = 64 << 20
    /// The largest request. Pages after a gap are visited twice, within a range of this size at most.
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
            Int(slot.file_offset) &- slot.pagePadding
            &+ (UnsafeMutableRawPointer(bitPattern: slot.start).map { start in
                (pages.start ?? start) - start
            } ?? 0)
    }

    /// The number of bytes from `place` on without pages in memory; 0 if that is not known.
    mutating func length(at place: Int, of extent: Int) -> Int {
        while descriptor >= 0 && window > 0 {
            let length = min(window, extent &- place)
            guard let state = try? systemCacheState(descriptor, origin &+ place, length) else {
                close()
                return 0
            }
            // Pages that tmpfs has swapped out may still be in memory, in the swap cache.
            if state.cached == 0 && !(isMemory && state.evicted > 0) {
                window = min(window << 1, CacheGaps.largest)
                return length
            }
            window = window > CacheGaps.smallest ? CacheGaps.smallest : 0
        }
        return 0
    }

    /// The number of pages in the cache; nil if it may differ from the number of pages in memory.
    func pages(of extent: Int, shouldContinue: (_ done: Int) -> Bool) throws(MapError) -> Int? {
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
            if !shouldContinue(done / pageSize) { throw MapError(.interrupted) }
        }
        return cached
    }

    /// Receives the number of pages that mincore(2) found. If there were none, cachestat(2) is asked about
    /// the next part.
    mutating func note(_ resident: Int) {
        window = resident == 0 ? CacheGaps.smallest : 0
    }

    mutating func close() {
        if descriptor >= 0 { systemClose(descriptor) }
        descriptor = -1
    }
}
