internal import CMemoryMap
internal import Glibc

extension MappedBytes {
    /// Changes the protection of the whole mapping: mprotect(2).
    ///
    /// - Throws: `misuse` for a slice; `systemCall` (`EACCES`), `closed`, `lost`.
    package func protect(_ protection: Protection) throws(MapError) {
        var current = self
        try current.refresh()
        guard current.region.isWhole else {
            throw MapError(.misuse, "protection belongs to the whole mapping, not to a slice")
        }
        let slot = current.region.slot
        if let start = UnsafeMutableRawPointer(bitPattern: slot.pointee.start) {
            try slot.becomeOwn(protection)
            do { try systemProtect(start, slot.pointee.extent, protection.rawValue) } catch {
                throw error.errno == EACCES
                    ? error.hinting(
                        "the file was not opened for writing; a shared mapping becomes writable only in mode \"r+\""
                    ) : error
            }
        }
        slot.pointee.protection = protection.rawValue
    }

    /// Resizes the mapping, and its file if it has one: mremap(2).
    ///
    /// - Parameters:
    ///   - size: In bytes. At least 1 for anonymous memory.
    ///   - path: The file, which must still be the one that is mapped; nil for anonymous memory.
    ///   - isSparse: Whether a file grows by a hole, without space.
    /// - Throws: `misuse` for a slice, a private mapping of a file, shared anonymous memory that would grow,
    ///   or a mapping that ends before its file does; `systemCall` (`ENOSPC`, `ENOMEM` …); `closed`, `lost`.
    ///   After an error the mapping and the file are unchanged.
    package func resize(
        _ size: Int, path: UnsafePointer<CChar>?, isSparse: Bool = false,
        shouldContinue: ShouldContinue = { _ in true }
    ) throws(MapError) {
        var current = self
        try current.refresh()
        guard current.region.isWhole else {
            throw MapError(.misuse, "a slice cannot be resized, only its mapping")
        }
        guard size >= 0 else {
            throw MapError(.misuse, "size %1 is out of range: it must not be negative", size)
        }
        let slot = current.region.slot
        if slot.pointee.kind == MM_ANONYMOUS {
            try slot.resizeAnonymous(size, shouldContinue)
        } else {
            try slot.resizeFile(size, path, isSparse, shouldContinue)
        }
    }
}

extension UnsafeMutablePointer<mm_slot> {
    /// Counts a private mapping as memory of the process before it may be written to; for good, as the pages stay.
    fileprivate func becomeOwn(_ protection: Protection) throws(MapError) {
        let extent = Int(pointee.extent)
        guard !pointee.is_own, Account(protection, MapFlags(rawValue: pointee.flags)) == .memory else {
            return
        }
        try takeMemory(.mprotect, extent)
        mm_mapped_give(extent)
        pointee.is_own = true
    }

    fileprivate func resizeAnonymous(_ size: Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        guard size > 0 else {
            throw MapError(.misuse, "size %1 is out of range: anonymous memory has at least 1 byte", size)
        }
        let isShared = MapFlags(rawValue: pointee.flags).isShared
        if isShared && size > pointee.length {
            throw MapError(
                .misuse, "shared anonymous memory cannot grow: its size is fixed when it is created")
        }
        let old = pointee.length
        // Other processes may share pages that are cut off, so those stay allocated, and counted in the
        // budget.
        let memory = isShared ? try lastingMemory() : nil
        let extent = Int(pointee.extent)
        if pointee.start == 0 { return try moveFile(to: size, -1, shouldContinue) }
        try move(to: size, shouldContinue)
        if let memory { mm_memory_leave(memory, extent &- Int(pointee.extent)) }
        clearTail(from: min(old, size))
    }

    /// Zeroes the rest of the page after `end` in private memory. As in a file, bytes that were cut off must
    /// not come back when the memory grows again.
    private func clearTail(from end: Int) {
        guard !MapFlags(rawValue: pointee.flags).isShared, pointee.protection & PROT_WRITE != 0,
            let base = pointee.base
        else { return }
        let used = pointee.pagePadding &+ end
        guard let next = used.roundedUp(toPage: pointee.page) else { return }
        memset(base + end, 0, min(next, Int(pointee.extent)) &- used)
    }

    fileprivate func resizeFile(
        _ size: Int, _ path: UnsafePointer<CChar>?, _ isSparse: Bool, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        guard MapFlags(rawValue: pointee.flags).isShared else {
            throw MapError(.misuse, "a private mapping of a file cannot be resized: its file must not change")
        }
        // A mapping without write access must not change its file.
        guard pointee.protection & PROT_WRITE != 0 else { throw .notWritable }
        guard pointee.kind == MM_FILE, path != nil || kept != nil else {
            throw MapError(.misuse, "only the mapping of a regular file with a known path can be resized")
        }
        guard size <= Int.max &- Int(pointee.file_offset) else {
            throw MapError(.ftruncate, errno: EFBIG, "no file is that large")
        }
        let descriptor = try reopen(path)
        defer { systemClose(descriptor) }
        let old = Int(try systemStatus(descriptor).st_size)
        let mappedEnd = Int(pointee.file_offset) &+ pointee.length
        let end = Int(pointee.file_offset) &+ size
        let former = pointee.length
        let shrinks = size < former
        if shrinks && old > mappedEnd {
            throw MapError(
                .misuse, "the mapping ends %1 bytes before its file does: shrinking would cut them off",
                old &- mappedEnd)
        }
        if end > old {
            _ = try growFile(descriptor, from: old, to: end, isSparse: isSparse, shouldContinue)
        }
        do { try moveFile(to: size, descriptor, shouldContinue) } catch {
            if end > old { try systemTruncate(descriptor, to: old) }
            throw error
        }
        if shrinks && end < old {
            // This fails if the file has a seal, for example.
            do { try systemTruncate(descriptor, to: end) } catch {
                try moveFile(to: former, descriptor, shouldContinue)
                throw error
            }
        }
        pointee.file_size = Int64(shrinks ? min(end, old) : max(end, old))
    }

    /// Opens the file again for writing. A mapping of a file with a path keeps no descriptor, so the path is
    /// opened, and the file is compared with the mapped one.
    private func reopen(_ path: UnsafePointer<CChar>?) throws(MapError) -> CInt {
        if let kept { return try systemDuplicate(kept) }
        guard let path else { throw MapError(.open, errno: ENOENT) }
        let descriptor: CInt
        do { descriptor = try systemOpen(path, O_RDWR) } catch {
            throw error.hinting("the mapped file must be opened again by its path to change its size")
        }
        do {
            let status = try systemStatus(descriptor)
            if isFile(status) { return descriptor }
        } catch {
            systemClose(descriptor)
            throw error
        }
        systemClose(descriptor)
        throw MapError(.open, errno: ESTALE, "the path now names another file than the one that is mapped")
    }

    private func moveFile(to size: Int, _ descriptor: CInt, _ shouldContinue: ShouldContinue) throws(MapError)
    {
        if size == 0 {
            let start = UnsafeMutableRawPointer(bitPattern: pointee.start)
            let extent = pointee.extent
            let spare = try reservedSlot()
            spare.pointee.is_own = pointee.is_own
            mm_slot_withdraw(self)
            spare.unmap(start, extent)
            (pointee.base, pointee.length, pointee.pagePadding) = (nil, 0, 0)
            mm_slot_publish(self, nil, 0)
        } else if pointee.start == 0 {
            let pagePadding = Int(pointee.file_offset) & (pointee.page &- 1)
            guard let extent = (pagePadding &+ size).roundedUp(toPage: pointee.page) else {
                throw MapError(.mmap, errno: ENOMEM)
            }
            let start = try mapPages(
                extent, Protection(rawValue: pointee.protection), MapFlags(rawValue: pointee.flags),
                descriptor, Int(pointee.file_offset) &- pagePadding, page: pointee.page, account,
                shouldContinue: shouldContinue)
            pointee.pagePadding = pagePadding
            settle(start, extent, size)
        } else {
            try move(to: size, shouldContinue)
        }
    }

    /// mremap(2). The slot is withdrawn from the fault guard meanwhile: its signal handler must not act on
    /// addresses that were returned to the kernel.
    private func move(to size: Int, _ shouldContinue: ShouldContinue) throws(MapError) {
        let (needed, overflow) = size.addingReportingOverflow(pointee.pagePadding)
        guard !overflow, let extent = needed.roundedUp(toPage: pointee.page),
            let start = UnsafeMutableRawPointer(bitPattern: pointee.start)
        else { throw MapError(.mremap, errno: ENOMEM, "size %1 is larger than the address space", size) }
        let old = Int(pointee.extent)
        let length = pointee.length
        // If the end of the mapping is locked, mremap(2) would read in all new pages at once. After mlock2(2)
        // on fault it reads in none, and `bringIn` does it in steps.
        let isLong = extent &- old >= longExtent && pointee.locked_from < old
        if isLong {
            do { try systemLock(start, old, onFault: true) } catch { throw error.namingLockLimit }
        }
        try move(start, from: old, to: extent, size)
        if extent < old && pointee.locked_from >= extent { pointee.locked_from = .max }
        guard isLong, let start = UnsafeMutableRawPointer(bitPattern: pointee.start) else { return }
        do {
            try bringIn(
                start + old, extent &- old, pointee.page, Protection(rawValue: pointee.protection),
                MapFlags(rawValue: pointee.flags), shouldContinue)
        } catch {
            try move(start, from: extent, to: old, length)
            throw error
        }
    }

    private func move(
        _ start: UnsafeMutableRawPointer, from old: Int, to extent: Int, _ size: Int
    ) throws(MapError) {
        mm_slot_withdraw(self)
        do { settle(try systemRemap(start, from: old, to: extent, account), extent, size) } catch {
            settle(start, old, pointee.length)
            throw error
        }
    }

    func settle(_ start: UnsafeMutableRawPointer, _ extent: Int, _ size: Int) {
        pointee.base = (start + pointee.pagePadding).assumingMemoryBound(to: UInt8.self)
        pointee.length = size
        mm_slot_publish(self, start, extent)
    }
}

extension MappedRegion {
    /// Resizes anonymous memory, which may move. Handles on the bytes stay valid.
    ///
    /// - Parameter size: In bytes, at least 1.
    /// - Throws: `misuse`, `systemCall` (`ENOMEM`), `closed`, `lost`.
    public func resize(_ size: Int) throws(MapError) {
        try bytes.resize(size, path: nil)
    }

    /// Resizes the mapping of a file, and the file with it.
    ///
    /// - Parameters:
    ///   - size: In bytes.
    ///   - path: The file, which must still be the one that is mapped.
    /// - Throws: `misuse`, `systemCall` (`ENOSPC`, `ENOMEM` …), `closed`, `lost`. After an error the mapping
    ///   and the file are unchanged.
    public func resize(_ size: Int, path: String) throws(MapError) {
        let bytes = self.bytes
        let result = path.withCString { pointer -> Result<Void, MapError> in
            do throws(MapError) { return .success(try bytes.resize(size, path: pointer)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
