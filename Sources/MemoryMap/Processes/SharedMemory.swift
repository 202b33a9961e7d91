package import CMemoryMap
internal import Glibc

// Memory that other processes can map too, by a name or by a descriptor that is passed to them.

/// Opens and maps a shared memory object, as shm_open(3) does.
///
/// - Parameters:
///   - path: The path of the object on Linux: `/dev/shm/name`.
///   - size: The number of bytes to map, at least 1. The object is created if it does not exist, with mode
///     0600, and extended if it is smaller; its space is allocated. Nil maps all of an existing object.
///   - exclusive: Whether it is an error if the object exists; needs a size.
///   - shouldContinue: Called when a signal has interrupted the allocation; returns false to stop.
/// - Throws: `valueOutOfRange` for the size, `misuse`, `systemCall` (`ENOENT`, `EEXIST`, `EACCES`, `ENOSPC` …).
package func sharedRegion(
    _ path: UnsafePointer<CChar>, size: Int?, exclusive: Bool, shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) -> mm_region {
    if let size {
        try requireSize(size)
    } else if exclusive {
        throw MapError(.misuse, "exclusive = true creates a new object: give its size")
    }
    let (descriptor, isNew) = try openShared(path, makes: size != nil, exclusive)
    do throws(MapError) {
        let status = try systemStatus(descriptor)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw MapError(.mmap, errno: ENODEV, "not a shared memory object")
        }
        let present = Int(status.st_size)
        if let size, size > present {
            do {
                try systemAllocate(
                    descriptor, from: present, count: size &- present, shouldContinue: shouldContinue)
            } catch {
                // Free the space that was allocated before memory ran out.
                if !isNew { try? systemTruncate(descriptor, to: present) }
                throw error
            }
        }
        return try keptRegion(descriptor, size ?? present)
    } catch {
        systemClose(descriptor)
        if isNew { systemUnlink(path) }
        throw error
    }
}

/// Removes the name of a shared memory object: shm_unlink(3). Existing mappings remain.
package func unlinkShared(_ path: UnsafePointer<CChar>) throws(MapError) { try systemRemove(path) }

private func openShared(
    _ path: UnsafePointer<CChar>, makes: Bool, _ exclusive: Bool
) throws(MapError) -> (Descriptor, isNew: Bool) {
    let flags = O_RDWR | O_NOFOLLOW
    guard makes else {
        do { return (try systemOpen(path, flags), false) } catch {
            throw error.errno == ENOENT
                ? error.hinting("no shared memory has this name; give a size to create it") : error
        }
    }
    while true {
        do { return (try systemOpen(path, flags | O_CREAT | O_EXCL, mode: 0o600), true) } catch
            where error.errno == EEXIST
        {
            if exclusive { throw error.hinting("shared memory with this name already exists") }
        }
        // If another process has just removed the name, try again.
        do { return (try systemOpen(path, flags), false) } catch  where error.errno == ENOENT {}
    }
}

/// Maps a new file in memory that has no path: memfd_create(2).
///
/// - Parameters:
///   - name: Shown in /proc; need not be unique.
///   - size: In bytes, at least 1.
///   - seal: Whether to seal the size: no process can change it then.
/// - Throws: `valueOutOfRange` for the size, `systemCall` (`EMFILE`, `ENOMEM` …).
package func memoryFileRegion(
    _ name: UnsafePointer<CChar>, size: Int, seal: Bool
) throws(MapError) -> mm_region {
    try requireSize(size)
    let descriptor = try systemMemoryFile(name, withSeals: seal)
    do {
        try systemTruncate(descriptor, to: size)
        if seal { try systemSealSize(descriptor) }
        return try keptRegion(descriptor, size)
    } catch {
        systemClose(descriptor)
        throw error
    }
}

/// Shared anonymous memory. In the kernel that is always a file in memory; here it is one with a descriptor,
/// which can be passed to other processes, unless the process has few descriptors left.
package func sharedAnonymousRegion(
    size: Int, populate: Bool, shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) -> mm_region {
    guard let descriptor = spareMemoryFile(size) else {
        // Without a descriptor, only children of fork(2) share the memory.
        return try mapRegion(
            length: size, protection: [.read, .write],
            flags: populate ? [.anonymous, .shared, .populate] : [.anonymous, .shared],
            descriptor: -1, offset: 0, shouldContinue: shouldContinue)
    }
    do throws(MapError) {
        do { try systemTruncate(descriptor, to: size) } catch {
            throw MapError(.mmap, errno: ENOMEM, "size %1 is larger than the address space", size)
        }
        let region = try keptRegion(
            descriptor, size, populate ? [.shared, .populate] : .shared, shouldContinue: shouldContinue)
        region.slot.pointee.kind = Int32(MM_ANONYMOUS)
        return region
    } catch {
        systemClose(descriptor)
        throw error
    }
}

/// A file in memory, or nil if its descriptor is in the upper half of the process's limit: a script that maps
/// in a loop must have descriptors left to open files.
private func spareMemoryFile(_ size: Int) -> Descriptor? {
    guard size > 0, let descriptor = try? systemMemoryFile("anonymous") else { return nil }
    if Int(descriptor) < systemDescriptorLimit() / 2 { return descriptor }
    systemClose(descriptor)
    return nil
}

private func requireSize(_ size: Int) throws(MapError) {
    guard size > 0 else {
        throw MapError(.valueOutOfRange, "size %1 is out of range: shared memory has at least 1 byte", size)
    }
    try requireRoom(size)
}

/// Maps a file and keeps the descriptor, because the file has no path or may lose it. If it throws, the
/// caller still owns the descriptor.
func keptRegion(
    _ descriptor: Descriptor, _ size: Int, _ flags: MapFlags = .shared,
    shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) -> mm_region {
    let protection: Protection = [.read, .write]
    let region =
        size == 0
        ? try emptyRegion(
            protection: protection, flags: flags, descriptor: descriptor, offset: 0, isMemory: true)
        : try mapRegion(
            length: size, protection: protection, flags: flags, descriptor: descriptor, offset: 0,
            isMemory: true, shouldContinue: shouldContinue)
    region.slot.pointee.keeper = descriptor &+ 1
    return region
}

extension UnsafeMutablePointer<mm_slot> {
    /// The descriptor that the mapping keeps.
    var kept: Descriptor? { pointee.keeper > 0 ? pointee.keeper &- 1 : nil }

    /// The budget's record of pages of the file that are no longer mapped; created on first use.
    func lastingMemory() throws(MapError) -> OpaquePointer {
        if let memory = pointee.memory { return memory }
        guard let memory = mm_memory_make() else { throw MapError(.mmap, errno: ENOMEM) }
        pointee.memory = memory
        return memory
    }
}
