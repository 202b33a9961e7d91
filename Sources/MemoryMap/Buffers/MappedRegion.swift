package import CMemoryMap
internal import Glibc

/// The owner of a memory mapping: when its lifetime ends, the memory is unmapped.
///
/// ```swift
/// let map = try MappedRegion.open("data.bin", .readWrite)
/// try map.bytes.store(7, at: 0)
/// try map.bytes.sync(blocking: true)
/// ```
///
/// `bytes` is a handle on the memory that can be copied and kept; after unmapping, it throws
/// `MapError.Kind.closed`. A thread must not unmap or resize while another thread accesses the memory. See
/// mmap(2).
public struct MappedRegion: ~Copyable, @unchecked Sendable {
    package var region: mm_region

    package init(adopting region: mm_region) { self.region = region }

    deinit { unmapRegion(region) }

    /// All bytes of the mapping, from the requested offset on.
    ///
    /// The handle does not keep the mapping alive. In `MappedRegion.open(path).bytes` no variable holds the
    /// region, so every use of the result throws `closed`.
    public var bytes: MappedBytes { MappedBytes(region) }

    /// The number of bytes.
    public var count: Int { bytes.count }

    /// Zeroed memory that belongs to no file: `MAP_ANONYMOUS`.
    ///
    /// - Parameters:
    ///   - size: In bytes, at least 1.
    ///   - shared: Whether child processes share the memory; otherwise they get a private copy.
    /// - Throws: `systemCall` (`EINVAL`, `ENOMEM`).
    public static func anonymous(_ size: Int, shared: Bool = false) throws(MapError) -> MappedRegion {
        MappedRegion(
            adopting: try mapRegion(
                length: size, protection: [.read, .write],
                flags: [.anonymous, shared ? .shared : .private], descriptor: -1, offset: 0))
    }

    /// Maps an open file. The descriptor may be closed afterwards.
    ///
    /// - Parameters:
    ///   - size: In bytes, at least 1. May exceed the end of the file, as in mmap(2); reading there throws
    ///     `lost`.
    ///   - protection: The access to the pages.
    ///   - flags: Shared or private; `fixed` and `growsDown` are errors.
    ///   - descriptor: The file, open for reading; also for writing if the mapping is shared and writable.
    ///   - offset: In bytes, a multiple of the page size.
    /// - Throws: `systemCall` (`EACCES`, `EBADF`, `EINVAL`, `ENODEV`, `ENOMEM` …).
    public static func map(
        _ size: Int, _ protection: Protection, _ flags: MapFlags, descriptor: CInt, offset: Int = 0
    ) throws(MapError) -> MappedRegion {
        try requireAligned(offset)
        return MappedRegion(
            adopting: try mapRegion(
                length: size, protection: protection, flags: flags, descriptor: descriptor, offset: offset))
    }

    /// Changes the protection of the pages: mprotect(2).
    ///
    /// - Throws: `systemCall` (`EACCES`: the file was not opened for writing), `closed`, `lost`.
    public func protect(_ protection: Protection) throws(MapError) {
        try bytes.protect(protection)
    }

    /// Unmaps the memory: munmap(2). All handles on the bytes become invalid.
    public consuming func unmap() {}
}

/// Checks that an offset is a multiple of the page size, as mmap(2) requires. The error gives the nearest
/// valid offset below.
package func requireAligned(_ offset: Int) throws(MapError) {
    guard offset >= 0 else {
        throw MapError(.mmap, errno: EINVAL, "offset %1 is negative", offset)
    }
    guard offset & (pageSize &- 1) == 0 else {
        throw MapError(
            .mmap, errno: EINVAL,
            "offset %1 is not a multiple of the page size (%2); the nearest one below is %3", offset,
            pageSize,
            offset.roundedDown(toPage: pageSize))
    }
}

/// Maps memory. It reserves the slot in the fault guard's table first, so no mapping is ever unguarded.
///
/// - Parameters:
///   - length: In bytes, at least 1.
///   - offset: In bytes, need not be a multiple of the page size: the mapping starts at the beginning of the
///     page, `base` at the offset.
///   - advice: Given before the function returns; if that fails, nothing stays mapped.
///   - isMemory: Whether the file is in memory and this process made it.
///   - shouldContinue: Called from time to time with the number of bytes done; returns false to stop, and nothing stays
///     mapped.
package func mapRegion(
    length: Int, protection: Protection, flags: MapFlags, descriptor: CInt, offset: Int,
    advice: Advice? = nil, isMemory: Bool = false, shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) -> mm_region {
    guard length > 0 else {
        throw MapError(.mmap, errno: EINVAL, "size %1 is out of range: a mapping has at least 1 byte", length)
    }
    guard flags.isDisjoint(with: [.fixed, .fixedNoReplace, .growsDown]) else {
        throw MapError(
            .mmap, errno: EINVAL,
            "MAP_FIXED, MAP_FIXED_NOREPLACE and MAP_GROWSDOWN are refused: the kernel chooses the address")
    }
    let page = mappedPageSize(flags, descriptor)
    let pagePadding = offset & (page &- 1)
    let (needed, overflow) = length.addingReportingOverflow(pagePadding)
    guard !overflow, let extent = needed.roundedUp(toPage: page) else {
        throw MapError(.mmap, errno: ENOMEM, "size %1 is larger than the address space", length)
    }
    let isAnonymous = flags.contains(.anonymous)
    let status = isAnonymous ? nil : try systemStatus(descriptor)
    let slot = try reservedSlot()
    let account = isMemory ? .memory : Account(protection, flags)
    let start: UnsafeMutableRawPointer
    do {
        start = try mapPages(
            extent, protection, flags, isAnonymous ? -1 : descriptor, offset &- pagePadding, page: page,
            account,
            shouldContinue: shouldContinue)
    } catch {
        mm_slot_retire(slot)
        throw hintMap(error, flags)
    }
    slot.pointee.page = page
    slot.pointee.is_own = account == .memory
    slot.pointee.protection = protection.rawValue
    slot.pointee.flags = flags.rawValue
    if flags.contains(.locked) { (slot.pointee.locked_from, slot.pointee.may_be_locked) = (0, true) }
    slot.pointee.base = (start + pagePadding).assumingMemoryBound(to: UInt8.self)
    slot.pointee.length = length
    slot.pointee.pagePadding = pagePadding
    slot.pointee.file_offset = Int64(offset)
    slot.describe(status, descriptor)
    mm_slot_publish(slot, start, extent)
    let region = mm_region(whole: slot)
    if let advice {
        do { try MappedBytes(region).advise(advice, shouldContinue: shouldContinue) } catch {
            unmapRegion(region)
            throw error
        }
    }
    return region
}

/// A region of 0 bytes, for an empty file: nothing is mapped, but all operations work.
package func emptyRegion(
    protection: Protection, flags: MapFlags, descriptor: CInt, offset: Int, isMemory: Bool = false
) throws(MapError) -> mm_region {
    let status = flags.contains(.anonymous) ? nil : try systemStatus(descriptor)
    let slot = try reservedSlot()
    slot.pointee.page = mappedPageSize(flags, descriptor)
    slot.pointee.is_own = isMemory || Account(protection, flags) == .memory
    slot.pointee.protection = protection.rawValue
    slot.pointee.flags = flags.rawValue
    slot.pointee.base = nil
    slot.pointee.length = 0
    slot.pointee.pagePadding = 0
    slot.pointee.file_offset = Int64(offset)
    slot.describe(status, descriptor)
    mm_slot_publish(slot, nil, 0)
    return mm_region(whole: slot)
}

/// The same for anonymous memory; it can grow.
func emptyAnonymousRegion() throws(MapError) -> mm_region {
    try emptyRegion(
        protection: [.read, .write], flags: [.anonymous, .private], descriptor: -1, offset: 0)
}

/// Unmaps a region and invalidates its handles. Does nothing if it is unmapped already.
package func unmapRegion(_ region: mm_region) {
    var region = region
    if mm_is_closed(&region) { return }
    let start = region.slot.pointee.start
    let extent = region.slot.pointee.extent
    let kept = region.slot.kept
    mm_slot_close(region.slot)
    if let kept { systemClose(kept) }
    region.slot.unmap(UnsafeMutableRawPointer(bitPattern: start), extent)
    unmapWaiting()
}

/// Tries again to unmap ranges after munmap(2) failed; stops after a few more failures.
func unmapWaiting() {
    var refused = 0
    var start: UnsafeMutableRawPointer?
    while refused < 4, let slot = mm_slot_take_waiting(&start) {
        guard !slot.finishUnmapping(start, slot.pointee.extent), let start else { continue }
        mm_slot_keep_range(slot, start, slot.pointee.extent)
        refused &+= 1
    }
}

extension UnsafeMutablePointer<mm_slot> {
    /// Unmaps the range of a closed slot and frees the slot.
    ///
    /// The kernel merges adjacent mappings. To unmap one of them it must split the merged mapping, which
    /// fails at the limit of mappings (vm.max_map_count). Then the slot keeps the range, counted in the
    /// budget, until it can be unmapped; its pages are freed at once.
    func unmap(_ start: UnsafeMutableRawPointer?, _ extent: Int) {
        guard !finishUnmapping(start, extent), let start else { return }
        // If this fails too, the pages are freed together with the range.
        do { try systemAdvise(start, extent, MADV_DONTNEED) } catch {
            try? systemAdvise(start, extent, CInt(Advice.dontNeedLocked.rawValue))
        }
        mm_slot_keep_range(self, start, extent)
    }

    fileprivate func finishUnmapping(_ start: UnsafeMutableRawPointer?, _ extent: Int) -> Bool {
        if let start {
            do { try systemUnmap(start, extent, account) } catch { return false }
        }
        if let memory = pointee.memory {
            mm_memory_leave(memory, extent)
            mm_memory_release(memory)
        }
        mm_slot_retire(self)
        return true
    }
}

/// Unmaps what no slot was made for yet.
func unmapRange(_ start: UnsafeMutableRawPointer, _ extent: Int, _ account: Account) {
    // Without memory for a slot it can only be tried.
    guard let slot = try? reservedSlot() else {
        try? systemUnmap(start, extent, account)
        return
    }
    slot.pointee.is_own = account == .memory
    slot.unmap(start, extent)
}

/// Reserves a slot for a mapping, or for a range that is unmapped while its mapping stays.
func reservedSlot() throws(MapError) -> UnsafeMutablePointer<mm_slot> {
    guard let slot = mm_slot_reserve() else {
        throw MapError(.mmap, errno: errno, "no memory for the fault guard's table")
    }
    (slot.pointee.keeper, slot.pointee.memory, slot.pointee.locked_from) = (0, nil, .max)
    slot.pointee.is_own = true
    slot.pointee.may_be_locked = false
    return slot
}

extension mm_region {
    /// The region of a closed handle.
    package static var closed: mm_region {
        mm_region(
            slot: mm_closed_slot(), stamp: 0, generation: 0, base: nil, length: 0, offset: 0, isWhole: false)
    }

    package init(whole slot: UnsafeMutablePointer<mm_slot>) {
        self.init(
            slot: slot, stamp: slot.pointee.stamp, generation: slot.pointee.generation,
            base: slot.pointee.base, length: slot.pointee.length, offset: 0, isWhole: true)
    }
}

extension UnsafeMutablePointer<mm_slot> {
    /// Whether a file is the mapped one.
    func isFile(_ status: stat) -> Bool {
        UInt64(status.st_dev) == pointee.device && UInt64(status.st_ino) == pointee.inode
    }

    /// Records the properties of the file. The descriptor may be closed later, so this is done once.
    func describe(_ status: stat?, _ descriptor: CInt) {
        guard let status else {
            pointee.kind = Int32(MM_ANONYMOUS)
            (pointee.file_size, pointee.device, pointee.inode) = (0, 0, 0)
            pointee.residency_hidden = false
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFBLK: pointee.kind = Int32(MM_BLOCK_DEVICE)
        case S_IFCHR: pointee.kind = Int32(MM_CHARACTER_DEVICE)
        default: pointee.kind = Int32(MM_FILE)
        }
        pointee.file_size = Int64(status.st_size)
        pointee.device = UInt64(status.st_dev)
        pointee.inode = UInt64(status.st_ino)
        pointee.residency_hidden = !systemMayAskResidency(descriptor, status)
    }
}

/// The page size of a new mapping in bytes: that of a hugetlbfs file; else that of `MAP_HUGE_*`, or 2 MiB for
/// `MAP_HUGETLB` without a size; else `pageSize`.
func mappedPageSize(_ flags: MapFlags, _ descriptor: CInt) -> Int {
    if !flags.contains(.anonymous), let size = systemHugePageSize(descriptor) { return size }
    guard flags.contains(.hugeTLB) else { return pageSize }
    let exponent = (Int(flags.rawValue) &>> 26) & 0x3f
    return exponent >= 12 && exponent < 48 ? 1 &<< exponent : 2 &<< 20
}

private func hintMap(_ error: MapError, _ flags: MapFlags) -> MapError {
    switch error.errno {
    case EACCES:
        error.hinting(
            "the file must be open for reading, and for writing too (\"r+\") where the mapping is shared and writable"
        )
    case ENODEV: error.hinting("this kind of file has no pages to map")
    case EINVAL where flags.isDisjoint(with: [.shared, .private]):
        error.hinting("flags need MAP_SHARED or MAP_PRIVATE")
    case EPERM: error.hinting("the file system or a seal on the file forbids this protection")
    default: error
    }
}
