internal import CMemoryMap
internal import Glibc

/// The range that a system call applied to, in bytes of the buffer. Rounding to whole pages can make `offset`
/// negative for a slice and `offset + length` larger than the buffer.
public struct PageRange: Equatable, Sendable {
    public let offset: Int
    public let length: Int
}

extension MappedBytes {
    /// Gives the kernel advice about the use of a range: madvise(2).
    ///
    /// The range is rounded outward to whole pages, except for advice that destroys data (`dontNeed` on
    /// private or anonymous memory, `free`, `remove`): then a range that is not whole pages is an error,
    /// because rounding would destroy adjacent data.
    ///
    /// - Returns: The range in effect.
    /// - Throws: `systemCall` (`EINVAL`: the advice does not suit this mapping), `offsetOutOfRange`,
    ///   `lengthOutOfRange`, `closed`, `lost`.
    @discardableResult
    public func advise(
        _ advice: Advice, _ offset: Int = 0, _ length: Int? = nil
    ) throws(MapError) -> PageRange {
        try advise(advice, offset, length) { _ in true }
    }

    /// `advise` that can be stopped if the kernel walks the pages of a long range.
    ///
    /// - Parameter shouldContinue: Called with the number of bytes done; returns false to stop. Completed steps are not
    ///   undone.
    /// - Throws: As `advise`, and `interrupted`.
    @discardableResult
    package func advise(
        _ advice: Advice, _ offset: Int = 0, _ length: Int? = nil, shouldContinue: ShouldContinue
    ) throws(MapError) -> PageRange {
        guard let number = CInt(exactly: advice.rawValue) else {
            throw MapError(.madvise, errno: EINVAL, "advice %1 is not known", advice.rawValue)
        }
        let (current, pages) = try wholePages(offset, length)
        let slot = current.region.slot.pointee
        let flags = MapFlags(rawValue: slot.flags)
        let destroys = advice.destroysData(shared: flags.isShared, anonymous: slot.kind == MM_ANONYMOUS)
        if destroys && pages.extent > 0 {
            try current.checkWhole(pages, removesFromFile: advice == .remove && slot.kind != MM_ANONYMOUS)
        }
        // An empty range has no address; the kernel then only checks the advice.
        do throws(MapError) {
            if let start = pages.start, advice.walksPages {
                try current.walk(start, pages.extent, advice, number, shouldContinue)
            } else {
                try systemAdvise(pages.start, pages.extent, number)
            }
        } catch {
            throw current.hint(error, advice)
        }
        try current.checkIntact()
        return pages.range
    }

    /// Gives advice for which the kernel walks the pages, in steps.
    private func walk(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ advice: Advice, _ number: CInt,
        _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        // `MADV_COLLAPSE` continues after a page that it cannot collapse, so the steps continue too.
        var failure: MapError?
        try inSteps(
            start, extent, step: max(stepExtent, region.slot.pointee.page), shouldContinue: shouldContinue
        ) {
            (start, extent) throws(MapError) in
            do throws(MapError) { try systemAdvise(start, extent, number) } catch {
                if advice != .collapse { throw error }
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Writes changes of a range to the file: msync(2), rounded outward to whole pages.
    ///
    /// - Parameters:
    ///   - blocking: Waits until the data is on the disk (`MS_SYNC`); false is `MS_ASYNC`, which since
    ///     Linux 2.6.19 does nothing, because dirty pages are tracked anyway.
    ///   - invalidate: Adds `MS_INVALIDATE`.
    /// - Returns: The range in effect.
    /// - Throws: `systemCall` (`EIO`, `EBUSY`: locked pages cannot be invalidated),
    ///   `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`.
    @discardableResult
    public func sync(
        _ offset: Int = 0, _ length: Int? = nil, blocking: Bool = false, invalidate: Bool = false
    ) throws(MapError) -> PageRange {
        try sync(offset, length, blocking: blocking, invalidate: invalidate, path: nil) { _ in true }
    }

    /// `sync` that checks the size of the file first, if its path is known: msync(2) reports no error for
    /// pages past the end of a truncated file.
    ///
    /// - Parameter shouldContinue: Called with the number of bytes done; returns false to stop.
    /// - Throws: As `sync`, `interrupted`, and `systemCall` with `EFAULT` if bytes of the range are gone.
    package func sync(
        _ offset: Int, _ length: Int?, blocking: Bool, invalidate: Bool, path: UnsafePointer<CChar>?,
        shouldContinue: ShouldContinue
    ) throws(MapError) -> PageRange {
        let (current, pages) = try wholePages(offset, length)
        let flags = (blocking ? MS_SYNC : MS_ASYNC) | (invalidate ? MS_INVALIDATE : 0)
        if let start = pages.start {
            if let path { try current.checkFileReaches(pages.end, path, .msync) }
            // Larger steps, because each one may flush the cache of the disk.
            do {
                try inSteps(start, pages.extent, step: 4 &* stepExtent, shouldContinue: shouldContinue) {
                    (start, extent) throws(MapError) in try systemSync(start, extent, CInt(flags))
                }
            } catch {
                throw error.errno == EBUSY
                    ? error.hinting("a locked page cannot be invalidated; unlock it first") : error
            }
        }
        try current.checkIntact()
        return pages.range
    }

    /// Throws if the file, still at its path, now ends before `end`, an offset in the mapping that it reached
    /// when it was mapped.
    private func checkFileReaches(
        _ end: Int, _ path: UnsafePointer<CChar>, _ call: SystemCall
    ) throws(MapError) {
        guard let size = fileSize(at: path) else { return }
        let slot = region.slot.pointee
        let reached = min(Int(slot.file_offset) &+ end, Int(slot.file_size))
        if size < reached {
            throw MapError(
                call, errno: EFAULT,
                "the file had %1 bytes when it was mapped and has %2 now: the rest is gone; remap() maps it again",
                Int(slot.file_size), size)
        }
    }

    /// The current size of the mapped file in bytes; nil if the file is no longer at the path, or the process
    /// may not read its status. Reveals nothing about another file at the path.
    ///
    /// - Parameter usesKept: Whether the descriptor that a mapping of a file in memory keeps will do.
    package func fileSize(at path: UnsafePointer<CChar>, usesKept: Bool = true) -> Int? {
        fileStatus(at: path, usesKept: usesKept).map { Int($0.st_size) }
    }

    /// The size of the mapped file and when it was last written, in seconds and nanoseconds; nil as for `fileSize`.
    package func fileStamp(at path: UnsafePointer<CChar>) -> [Int]? {
        fileStatus(at: path, usesKept: true).map {
            [Int($0.st_size), $0.st_mtim.tv_sec, $0.st_mtim.tv_nsec]
        }
    }

    private func fileStatus(at path: UnsafePointer<CChar>, usesKept: Bool) -> stat? {
        let slot = region.slot
        guard slot.pointee.kind == MM_FILE, (try? requireHeap()) != nil else { return nil }
        let kept = usesKept ? slot.kept : nil
        let status = kept.flatMap { try? systemStatus($0) } ?? systemStatus(of: path)
        guard let status, slot.isFile(status) else { return nil }
        return status
    }

    /// Locks a range in memory: mlock(2), rounded outward to whole pages.
    ///
    /// - Throws: `systemCall` (`ENOMEM`, `EPERM`: over `RLIMIT_MEMLOCK`), and as `sync`.
    public func lock(_ offset: Int = 0, _ length: Int? = nil) throws(MapError) {
        try lock(offset, length, path: nil) { _ in true }
    }

    /// `lock` that can be stopped. After a failure it checks the size of the file, if its path is known:
    /// mlock(2) has the same error for a limit and for pages past the end of the file.
    ///
    /// - Parameter shouldContinue: Called with the number of bytes done; returns false to stop.
    /// - Throws: As `lock`, `interrupted`, and `systemCall` with `EFAULT` if bytes of the range are gone.
    ///   After an error, pages that were not locked before are unlocked.
    package func lock(
        _ offset: Int, _ length: Int?, path: UnsafePointer<CChar>?, shouldContinue: ShouldContinue
    ) throws(MapError) {
        let (current, pages) = try wholePages(offset, length)
        if let start = pages.start {
            let before = try current.lockedParts(start, pages.extent, shouldContinue)
            do { try current.lock(start, pages.extent, shouldContinue) } catch {
                var problem = error
                if let path, error.kind == .systemCall {
                    do { try current.checkFileReaches(pages.end, path, .mlock) } catch { problem = error }
                }
                // Root has no lock limit. For root, ENOMEM means that a mapping must be split, but there are
                // too many mappings.
                let isLimit = (problem.errno == ENOMEM || problem.errno == EPERM) && geteuid() != 0
                // The kernel leaves pages that it could not read in marked as locked. Unlocking them should
                // not fail.
                if !isLimit { unlockRange(start, pages.extent, but: before) }
                throw problem.errno == ENOMEM && problem.call == .mlock && !isLimit
                    ? problem.hinting(
                        "a mapping would have to be split, and the process is at its limit of mappings (vm.max_map_count)"
                    )
                    : problem.errno == EFAULT ? hintMissingPage(problem) : problem.namingLockLimit
            }
            current.noteLock(pages, true)
        }
        try current.checkIntact()
    }

    /// Locks a long range without reading it, and then populates it in steps.
    private func lock(_ start: UnsafeMutableRawPointer, _ extent: Int, _ shouldContinue: ShouldContinue)
        throws(MapError)
    {
        guard extent >= longExtent else { return try systemLock(start, extent) }
        try systemLock(start, extent, onFault: true)
        let slot = region.slot.pointee
        let isShared = MapFlags(rawValue: slot.flags).isShared
        do throws(MapError) {
            try MemoryMap.populate(
                start, extent, slot.page, writing: slot.protection & PROT_WRITE != 0 && !isShared,
                shouldContinue)
        } catch  where error.errno == EINVAL {
            // Before Linux 5.14, and in device memory, pages are locked when they are first accessed.
        }
    }

    /// The locked parts of a range, in the order of their addresses. Only proc_pid_smaps(5) reports them, and
    /// it is read only if there may be some.
    private func lockedParts(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> [Range<UInt>] {
        var parts: [Range<UInt>] = []
        guard region.slot.pointee.may_be_locked else { return parts }
        let whole = UInt(bitPattern: start)..<UInt(bitPattern: start) &+ UInt(extent)
        var part = UInt(0)..<0
        var isStopped = false
        // If it cannot be read, for example without /proc, no locked part is known.
        try? eachLine(of: "/proc/self/smaps") { line in
            if let entry = MapsEntry(line) {
                isStopped = !shouldContinue(0)
                if isStopped || entry.start >= whole.upperBound { return false }
                part = entry.part(in: whole)
            } else if !part.isEmpty, firstRange(ofFlag: " lo", in: line)?.isEmpty == false {
                parts.append(part)
            }
            return true
        }
        if isStopped { throw MapError(.interrupted) }
        return parts
    }

    /// Records whether the end of the mapping is locked.
    private func noteLock(_ pages: WholePages, _ isLocked: Bool) {
        let slot = region.slot
        let first = Int(UInt(bitPattern: pages.start) &- slot.pointee.start)
        let end = first &+ pages.extent
        if isLocked {
            slot.pointee.may_be_locked = true
            if end >= min(Int(slot.pointee.extent), slot.pointee.locked_from) {
                slot.pointee.locked_from = min(first, slot.pointee.locked_from)
            }
        } else if end > slot.pointee.locked_from {
            slot.pointee.locked_from = end < Int(slot.pointee.extent) ? end : .max
        }
    }

    /// Unlocks a range: munlock(2).
    ///
    /// - Throws: As `sync`.
    public func unlock(_ offset: Int = 0, _ length: Int? = nil) throws(MapError) {
        let (current, pages) = try wholePages(offset, length)
        if let start = pages.start {
            try systemUnlock(start, pages.extent)
            current.noteLock(pages, false)
        }
        try current.checkIntact()
    }
}

/// Unlocks what is outside the parts, and locks the parts with mlock(2) again: a long lock has changed them
/// to `MLOCK_ONFAULT`.
private func unlockRange(_ start: UnsafeMutableRawPointer, _ extent: Int, but parts: [Range<UInt>]) {
    let end = UInt(bitPattern: start) &+ UInt(extent)
    var place = UInt(bitPattern: start)
    for part in parts + [end..<end] {
        if place < part.lowerBound, let gap = UnsafeMutableRawPointer(bitPattern: place) {
            try? systemUnlock(gap, Int(part.lowerBound &- place))
        }
        if !part.isEmpty, let kept = UnsafeMutableRawPointer(bitPattern: part.lowerBound) {
            try? systemLock(kept, Int(part.upperBound &- part.lowerBound))
        }
        place = part.upperBound
    }
}

/// Names the possible causes of a failure to read pages in, for which madvise(2) has only one error.
func hintMissingPage(_ error: MapError) -> MapError {
    error.hinting("a page of the range is past the end of the file, or could not be read")
}

/// Whole pages of a mapping.
struct WholePages {
    /// Nil for an empty range.
    let start: UnsafeMutableRawPointer?
    let extent: Int
    let range: PageRange
    /// The requested range in bytes, from the first byte of the mapping.
    let first: Int
    let end: Int
}

extension MappedBytes {
    func wholePages(
        _ offset: Int, _ length: Int?
    ) throws(MapError) -> (current: MappedBytes, pages: WholePages) {
        var current = self
        try current.refresh()
        let count = try checkedLength(offset: offset, length: length, count: current.region.length)
        let slot = current.region.slot.pointee
        let first = current.region.offset &+ offset
        guard count > 0, let base = slot.base else {
            // An empty range has no pages, so nothing is rounded.
            return (
                current,
                WholePages(
                    start: nil, extent: 0, range: PageRange(offset: offset, length: 0), first: first,
                    end: first)
            )
        }
        let low = (slot.pagePadding &+ first).roundedDown(toPage: slot.page)
        let high = min(
            (slot.pagePadding &+ first &+ count).roundedUp(toPage: slot.page) ?? Int(slot.extent),
            Int(slot.extent))
        return (
            current,
            WholePages(
                start: UnsafeMutableRawPointer(base) - slot.pagePadding + low, extent: high &- low,
                range: PageRange(
                    offset: low &- slot.pagePadding &- current.region.offset, length: high &- low),
                first: first, end: first &+ count)
        )
    }

    /// Throws if a range is not whole pages. The ends of the mapping count as ends of pages: no data is past
    /// them, except in a file.
    private func checkWhole(_ pages: WholePages, removesFromFile: Bool) throws(MapError) {
        let slot = region.slot.pointee
        let page = slot.page
        let startsWhole =
            (slot.pagePadding &+ pages.first) % page == 0 || (pages.first == 0 && !removesFromFile)
        let endsWhole =
            (slot.pagePadding &+ pages.end) % page == 0 || (pages.end == slot.length && !removesFromFile)
        if startsWhole && endsWhole { return }
        throw MapError(
            .madvise, errno: EINVAL,
            "this advice discards data, so the range must be whole pages of %1 bytes: bytes %2 to %3 of the mapping are not",
            page, pages.first, pages.end)
    }

    private func hint(_ error: MapError, _ advice: Advice) -> MapError {
        if error.errno == EFAULT { return hintMissingPage(error) }
        guard error.errno == EINVAL else { return error }
        if !advice.isKnown {
            return error.hinting("advice %1 is not known to the running kernel", advice.rawValue)
        }
        return error.hinting("advice %1 does not apply to this kind of mapping", advice.rawValue)
    }
}
