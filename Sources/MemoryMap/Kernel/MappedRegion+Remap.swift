internal import CMemoryMap
internal import Glibc

extension MappedBytes {
    /// Replaces the mapping with the file that is now at the path, at its current size. A lost mapping is
    /// usable again. Handles stay valid, as after `resize`.
    ///
    /// A mapping that reached the end of its file then reaches the new end. Another mapping keeps its length,
    /// unless the file is shorter.
    ///
    /// - Throws: `misuse` for a slice and for anonymous memory, `offsetOutOfRange` if the file now ends
    ///   before the mapping's offset, `systemCall`, `closed`. After an error nothing has changed.
    package func remap(path: UnsafePointer<CChar>?, shouldContinue: ShouldContinue = { _ in true })
        throws(MapError)
    {
        var region = region
        if mm_is_closed(&region) { throw MapError(.closed) }
        guard region.isWhole else {
            throw MapError(.misuse, "a slice cannot be mapped again, only its mapping")
        }
        let slot = region.slot
        guard slot.pointee.kind == MM_FILE, path != nil || slot.kept != nil else {
            throw MapError(
                .misuse, "only the mapping of a regular file with a known path can be mapped again")
        }
        let isWritten =
            slot.pointee.protection & PROT_WRITE != 0 && MapFlags(rawValue: slot.pointee.flags).isShared
        if let kept = slot.kept { return try slot.replace(with: kept, shouldContinue: shouldContinue) }
        guard let path else { return }
        let descriptor = try systemOpen(path, isWritten ? O_RDWR : O_RDONLY)
        defer { systemClose(descriptor) }
        try slot.replace(with: descriptor, shouldContinue: shouldContinue)
    }
}

extension MappedRegion {
    /// Maps the file again at its current size: after other processes changed its size, or after `lost`.
    /// Handles on the bytes stay valid.
    ///
    /// - Parameter path: The file.
    /// - Throws: `misuse`, `offsetOutOfRange`, `systemCall`, `closed`.
    public func remap(path: String) throws(MapError) {
        let bytes = self.bytes
        let result = path.withCString { pointer -> Result<Void, MapError> in
            do throws(MapError) { return .success(try bytes.remap(path: pointer)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

extension UnsafeMutablePointer<mm_slot> {
    fileprivate func replace(with descriptor: CInt, shouldContinue: ShouldContinue) throws(MapError) {
        let status = try systemStatus(descriptor)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw MapError(.open, errno: ESTALE, "the path no longer names a regular file")
        }
        let size = Int(status.st_size)
        let offset = Int(pointee.file_offset)
        guard offset <= size else {
            throw MapError(
                .offsetOutOfRange, "the mapping starts at offset %1 and the file now has %2 bytes", offset,
                size)
        }
        let reachedEnd = offset &+ pointee.length >= Int(pointee.file_size)
        let length = reachedEnd ? size &- offset : min(pointee.length, size &- offset)
        let pagePadding = length == 0 ? 0 : offset & (pointee.page &- 1)
        guard let extent = (pagePadding &+ length).roundedUp(toPage: pointee.page) else {
            throw MapError(.mmap, errno: ENOMEM)
        }
        let spare = try reservedSlot()
        var start: UnsafeMutableRawPointer?
        if length > 0 {
            do {
                start = try mapPages(
                    extent, Protection(rawValue: pointee.protection), MapFlags(rawValue: pointee.flags),
                    descriptor, offset &- pagePadding, page: pointee.page, account,
                    shouldContinue: shouldContinue)
            } catch {
                mm_slot_retire(spare)
                throw error
            }
        }
        // The new mapping is complete before the old one is removed: nothing can fail from here on.
        let old = UnsafeMutableRawPointer(bitPattern: pointee.start)
        let oldExtent = pointee.extent
        mm_slot_withdraw(self)
        spare.pointee.is_own = pointee.is_own
        spare.unmap(old, oldExtent)
        pointee.pagePadding = pagePadding
        pointee.locked_from = MapFlags(rawValue: pointee.flags).contains(.locked) ? 0 : .max
        describe(status, descriptor)
        if let start {
            settle(start, extent, length)
        } else {
            (pointee.base, pointee.length) = (nil, 0)
            mm_slot_publish(self, nil, 0)
        }
    }
}
