internal import CMemoryMap
internal import Glibc

/// A range that a system call worked on, in bytes of the buffer it was asked for. Rounding to whole
/// pages can make `offset` negative for a slice and `offset + length` larger than the buffer.
public struct PageRange: Equatable, Sendable {
    public let offset: Int
    public let length: Int
}

extension MappedBytes {
    /// Tells the kernel how a range is going to be used: madvise(2).
    ///
    /// The range is rounded outward to whole pages, except for advice that takes data away
    /// (`dontNeed` on private or anonymous memory, `free`, `remove`): there a range that is not whole
    /// pages is refused, because rounding would wipe neighbors.
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

    /// `advise` that can be stopped where the kernel would go through the pages of a long range.
    ///
    /// - Parameter poll: Asked with the number of bytes done; false stops, and what is done stays so.
    /// - Throws: As `advise`, and `interrupted`.
    @discardableResult
    package func advise(
        _ advice: Advice, _ offset: Int = 0, _ length: Int? = nil, poll: Poll
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
        // An empty range has no address to give; the kernel then looks at the advice alone.
        do throws(MapError) {
            if let start = pages.start, advice.walksPages {
                try current.walk(start, pages.extent, advice, number, poll)
            } else {
                try systemAdvise(pages.start, pages.extent, number)
            }
        } catch {
            throw current.hint(error, advice)
        }
        try current.checkIntact()
        return pages.range
    }

    /// Gives advice for which the kernel goes through the pages.
    private func walk(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ advice: Advice, _ number: CInt, _ poll: Poll
    ) throws(MapError) {
        // As the kernel goes on where it could not collapse something, so do the steps.
        var failure: MapError?
        try inSteps(start, extent, step: max(stepExtent, region.slot.pointee.page), poll: poll) {
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

    /// `sync` that looks at the file first where its path is known: msync(2) says nothing of pages that
    /// are past the end of a file that was cut short.
    ///
    /// - Parameter poll: Asked with the number of bytes done; false stops.
    /// - Throws: As `sync`, `interrupted`, and `systemCall` with `EFAULT` where bytes of the range are gone.
    package func sync(
        _ offset: Int, _ length: Int?, blocking: Bool, invalidate: Bool, path: UnsafePointer<CChar>?,
        poll: Poll
    ) throws(MapError) -> PageRange {
        let (current, pages) = try wholePages(offset, length)
        let flags = (blocking ? MS_SYNC : MS_ASYNC) | (invalidate ? MS_INVALIDATE : 0)
        if let start = pages.start {
            if let path { try current.checkFileReaches(pages.end, path, .msync) }
            // Larger steps: a disk may be told to empty its cache at the end of each.
            do {
                try inSteps(start, pages.extent, step: 4 &* stepExtent, poll: poll) {
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

    /// Throws where the file, if it is still at its path, ends before a byte of the mapping that it
    /// reached when it was mapped.
    private func checkFileReaches(
        _ end: Int, _ path: UnsafePointer<CChar>, _ call: SystemCall
    ) throws(MapError) {
        guard let size = fileSize(at: path) else { return }
        let slot = region.slot.pointee
        let reached = min(Int(slot.file_offset) &+ end, Int(slot.file_size))
        if size < reached {
            throw MapError(
                call, errno: EFAULT,
                "the file had %1 bytes when it was mapped and has %2 now: what was after them is gone; remap() maps it again",
                Int(slot.file_size), size)
        }
    }

    /// The size of the mapped file now, in bytes; nil where it is not at the path any more, or this process may not know.
    /// Of another file that is there now nothing is told.
    package func fileSize(at path: UnsafePointer<CChar>) -> Int? {
        let slot = region.slot
        guard slot.pointee.kind == MM_FILE, (try? requireHeap()) != nil else { return nil }
        let status = slot.kept.flatMap { try? systemStatus($0) } ?? systemStatus(of: path)
        guard let status, slot.isFile(status) else { return nil }
        return Int(status.st_size)
    }

    /// Keeps a range in memory: mlock(2), rounded outward to whole pages.
    ///
    /// - Throws: `systemCall` (`ENOMEM`, `EPERM`: over `RLIMIT_MEMLOCK`), and as `sync`.
    public func lock(_ offset: Int = 0, _ length: Int? = nil) throws(MapError) {
        try lock(offset, length, path: nil) { _ in true }
    }

    /// `lock` that can be stopped, and looks at the file after a failure where its path is known: mlock(2) has one code
    /// for a limit that is reached and for pages that are past the end of the file.
    ///
    /// - Parameter poll: Asked with the number of bytes done; false stops.
    /// - Throws: As `lock`, `interrupted`, and `systemCall` with `EFAULT` where bytes of the range are gone. What was not
    ///   locked before is unlocked then.
    package func lock(
        _ offset: Int, _ length: Int?, path: UnsafePointer<CChar>?, poll: Poll
    ) throws(MapError) {
        let (current, pages) = try wholePages(offset, length)
        if let start = pages.start {
            let before = try current.lockedParts(start, pages.extent, poll)
            do { try current.lock(start, pages.extent, poll) } catch {
                var problem = error
                if let path, error.kind == .systemCall {
                    do { try current.checkFileReaches(pages.end, path, .mlock) } catch { problem = error }
                }
                // Who may lock as much as he likes needs a mapping more for a part of one.
                let isLimit = (problem.errno == ENOMEM || problem.errno == EPERM) && geteuid() != 0
                // The kernel leaves what it could not bring in marked as locked. It has no reason to refuse this.
                if !isLimit { unlockRange(start, pages.extent, but: before) }
                throw problem.errno == ENOMEM && problem.call == .mlock && !isLimit
                    ? problem.hinting(
                        "a mapping would have to be split, and there may be no more (vm.max_map_count)")
                    : problem.errno == EFAULT ? hintMissingPage(problem) : problem.namingLockLimit
            }
            current.noteLock(pages, true)
        }
        try current.checkIntact()
    }

    /// A long range is locked first, and then brought in step by step.
    private func lock(_ start: UnsafeMutableRawPointer, _ extent: Int, _ poll: Poll) throws(MapError) {
        guard extent >= longExtent else { return try systemLock(start, extent) }
        try systemLock(start, extent, onFault: true)
        let slot = region.slot.pointee
        let isShared = MapFlags(rawValue: slot.flags).isShared
        do throws(MapError) {
            try MemoryMap.populate(
                start, extent, slot.page, writing: slot.protection & PROT_WRITE != 0 && !isShared, poll)
        } catch  where error.errno == EINVAL {
            // Before Linux 5.14, and in memory of a device, pages are locked when they come.
        }
    }

    /// The parts of whole pages that are locked, in the order of their addresses: proc_pid_smaps(5) alone tells. It is
    /// asked only where there may be some.
    private func lockedParts(
        _ start: UnsafeMutableRawPointer, _ extent: Int, _ poll: Poll
    ) throws(MapError) -> [Range<UInt>] {
        var parts: [Range<UInt>] = []
        guard region.slot.pointee.may_be_locked else { return parts }
        let whole = UInt(bitPattern: start)..<UInt(bitPattern: start) &+ UInt(extent)
        var entry: Range<UInt>?
        var isStopped = false
        // Where it cannot be asked, as without /proc, nothing is known.
        try? eachLine(of: "/proc/self/smaps") { line in
            if let next = MapsEntry(line) {
                isStopped = !poll(0)
                if isStopped || next.start >= whole.upperBound { return false }
                let (first, end) = (max(next.start, whole.lowerBound), min(next.end, whole.upperBound))
                entry = first < end ? first..<end : nil
            } else if let entry, isLocked(line) {
                parts.append(entry)
            }
            return true
        }
        if isStopped { throw MapError(.interrupted) }
        return parts
    }

    /// Keeps in mind whether the end of the mapping is locked.
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

    /// Takes `lock` back: munlock(2).
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

/// Whether a line of proc_pid_smaps(5) is that of the flags, and says that the pages are locked.
private func isLocked(_ line: UnsafeRawBufferPointer) -> Bool {
    let name: StaticString = "VmFlags:"
    guard let start = line.baseAddress, line.count >= name.utf8CodeUnitCount,
        memcmp(start, name.utf8Start, name.utf8CodeUnitCount) == 0
    else { return false }
    return mm_find(start, line.count, " lo", 3) != nil
}

/// Unlocks what is in none of the parts, and locks them as they were: a long lock has made them locks of pages that are
/// still to come.
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

/// What madvise(2) has no code of its own for, where it is to read pages in.
func hintMissingPage(_ error: MapError) -> MapError {
    error.hinting("a page of the range is past the end of the file, or could not be read")
}

/// Whole pages of a mapping.
struct WholePages {
    /// Nil where there are none: an empty range.
    let start: UnsafeMutableRawPointer?
    let extent: Int
    let range: PageRange
    /// The user's range inside the mapping, in bytes from the mapping's first byte.
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
        let low = (slot.slack &+ first).roundedDown(toPage: slot.page)
        let high = min(
            (slot.slack &+ first &+ count).roundedUp(toPage: slot.page) ?? Int(slot.extent), Int(slot.extent))
        return (
            current,
            WholePages(
                start: UnsafeMutableRawPointer(base) - slot.slack + low, extent: high &- low,
                range: PageRange(
                    offset: low &- slot.slack &- current.region.offset, length: high &- low),
                first: first, end: first &+ count)
        )
    }

    /// Refuses a range that is not whole pages. An end of the mapping counts as one of a page: what
    /// is after it belongs to nobody, unless it is a file's.
    private func checkWhole(_ pages: WholePages, removesFromFile: Bool) throws(MapError) {
        let slot = region.slot.pointee
        let page = slot.page
        let startsWhole =
            (slot.slack &+ pages.first) % page == 0 || (pages.first == 0 && !removesFromFile)
        let endsWhole =
            (slot.slack &+ pages.end) % page == 0 || (pages.end == slot.length && !removesFromFile)
        if startsWhole && endsWhole { return }
        throw MapError(
            .madvise, errno: EINVAL,
            "this advice takes data away, so the range must be whole pages of %1 bytes: bytes %2 to %3 of the mapping are not",
            page, pages.first, pages.end)
    }

    private func hint(_ error: MapError, _ advice: Advice) -> MapError {
        if error.errno == EFAULT { return hintMissingPage(error) }
        guard error.errno == EINVAL else { return error }
        if !advice.isKnown {
            return error.hinting("advice %1 is not known to the running kernel", advice.rawValue)
        }
        return error.hinting("advice %1 does not suit this kind of mapping", advice.rawValue)
    }
}
