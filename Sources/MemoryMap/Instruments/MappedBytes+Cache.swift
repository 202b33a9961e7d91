internal import CMemoryMap
internal import Glibc

/// The state of a range of a file in the page cache, in pages; see cachestat(2).
package struct CacheState: Sendable {
    package var cached = 0
    package var dirty = 0
    package var writeback = 0
    /// Pages that were in the cache and were evicted.
    package var evicted = 0
    /// Evicted pages that would still be in the cache with more memory, as the kernel estimates.
    package var recentlyEvicted = 0

    init(_ state: mm_cache_state) {
        cached = Int(truncatingIfNeeded: state.cached)
        dirty = Int(truncatingIfNeeded: state.dirty)
        writeback = Int(truncatingIfNeeded: state.writeback)
        evicted = Int(truncatingIfNeeded: state.evicted)
        recentlyEvicted = Int(truncatingIfNeeded: state.recently_evicted)
    }
}

extension MappedBytes {
    /// The state of the mapped file in the page cache, for a range that is rounded outward to whole pages:
    /// cachestat(2). It includes pages that are still being read.
    ///
    /// - Throws: `systemCall`: `EOPNOTSUPP` if the pages do not belong to a file or cannot be counted,
    ///   `ENOSYS` before Linux 6.5, `EPERM` for a file that the process neither owns nor may write, errors of
    ///   open(2). `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`.
    package func cacheState(
        _ offset: Int = 0, _ length: Int? = nil, shouldContinue: ShouldContinue = { _ in true }
    ) throws(MapError) -> CacheState {
        let (current, pages) = try wholePages(offset, length)
        guard pages.extent > 0 else { return CacheState(mm_cache_state()) }
        let descriptor = try current.openFile(for: .cachestat)
        defer { systemClose(descriptor) }
        return try CacheState.of(
            descriptor, current.filePlace(pages), pages.extent, shouldContinue: shouldContinue)
    }

    /// The offset of pages of the mapping in its file, in bytes.
    func filePlace(_ pages: WholePages) -> Int {
        let slot = region.slot.pointee
        let distance = UInt(bitPattern: pages.start) &- slot.start
        return Int(slot.file_offset) &- slot.pagePadding &+ Int(distance)
    }
}

extension CacheState {
    /// - Parameter shouldContinue: Called with the number of bytes done; returns false to stop.
    static func of(
        _ descriptor: Descriptor, _ offset: Int, _ length: Int, shouldContinue: ShouldContinue = { _ in true }
    ) throws(MapError) -> CacheState {
        if mm_cache_kind_of(descriptor) == MM_CACHE_STACKED {
            throw MapError(
                .cachestat, errno: EOPNOTSUPP,
                "the file is on overlayfs: its pages belong to a file below, which cachestat(2) does not see")
        }
        do throws(MapError) {
            var sum = mm_cache_state()
            var done = 0
            while done < length {
                let part = min(length &- done, longExtent)
                let state = try systemCacheState(descriptor, offset &+ done, part)
                sum.cached &+= state.cached
                sum.dirty &+= state.dirty
                sum.writeback &+= state.writeback
                sum.evicted &+= state.evicted
                sum.recently_evicted &+= state.recently_evicted
                done &+= part
                if done < length && !shouldContinue(done) { throw MapError(.interrupted) }
            }
            return CacheState(sum)
        } catch {
            switch error.errno {
            case ENOSYS: throw error.hinting("the kernel has cachestat(2) since Linux 6.5")
            case EPERM:
                throw error.hinting(
                    "the kernel reports this only to the owner of the file and to those who may write it")
            case EOPNOTSUPP: throw error.hinting("the kernel does not count the pages of hugetlbfs")
            default: throw error
            }
        }
    }
}

// Reading pages into memory.
extension MappedBytes {
    /// Reads one byte every `stride` bytes of a range.
    ///
    /// - Parameters:
    ///   - stride: In bytes, at least 1; the caller checks it.
    ///   - shouldContinue: Called with the number of bytes read so far; returns false to stop.
    /// - Returns: The number of bytes read.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `notReadable`, `closed`, `lost`, `interrupted`.
    package func touch(
        _ offset: Int, _ length: Int?, stride: Int, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> Int {
        var (current, range) = try readable(offset, length)
        var place = 0
        var touched = 0
        while place < range.count {
            if mm_load_byte(&current.region, UInt64(offset &+ place)) < 0 { throw current.lossError() }
            touched &+= 1
            // A page from a disk can take milliseconds.
            if touched & 1023 == 0 && !shouldContinue(touched) { throw MapError(.interrupted) }
            let (next, overflow) = place.addingReportingOverflow(stride)
            if overflow { break }
            place = next
        }
        return touched
    }

    /// Reads in all pages of a range, rounded outward to whole pages, and adds them to the page table:
    /// `MADV_POPULATE_READ` or `MADV_POPULATE_WRITE` of madvise(2).
    ///
    /// - Parameters:
    ///   - writing: Whether to act as if each page were written: private pages are copied, shared pages
    ///     become dirty.
    ///   - shouldContinue: Called with the number of bytes done so far; returns false to stop.
    /// - Returns: The range in effect.
    /// - Throws: `systemCall`: `EINVAL` before Linux 5.14, `EFAULT` past the end of the file,
    ///   `ENOMEM`, `EHWPOISON`. `notWritable`, `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`,
    ///   `interrupted`.
    package func populate(
        _ offset: Int, _ length: Int?, writing: Bool, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> PageRange {
        var (current, pages) = try wholePages(offset, length)
        guard writing ? mm_is_writable(&current.region) : mm_is_readable(&current.region) else {
            throw writing ? .notWritable : .notReadable
        }
        if let start = pages.start {
            do {
                try MemoryMap.populate(
                    start, pages.extent, current.region.slot.pointee.page, writing: writing, shouldContinue)
            } catch { throw current.hintPopulate(error) }
        }
        try current.checkIntact()
        return pages.range
    }

    private func hintPopulate(_ error: MapError) -> MapError {
        switch error.errno {
        case EINVAL: error.hinting("this needs Linux 5.14, and device memory has no such pages")
        case EFAULT: hintMissingPage(error)
        default: error
        }
    }
}
