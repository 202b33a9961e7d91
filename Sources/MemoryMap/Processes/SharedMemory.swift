package import CMemoryMap
internal import Glibc

// Memory that other processes can map too: by a name, or by a descriptor that they get.

/// Shared memory by its name, as shm_open(3) gives it.
///
/// - Parameters:
///   - path: Where Linux keeps it: `/dev/shm/name`.
///   - size: In bytes, at least 1: the object is made if it is not there, for this user alone (mode 0600), and extended
///     if it is smaller; its space is allocated. So much of it is mapped. Nil for an object that is there, as large as
///     it is.
///   - exclusive: Whether an object that is there already is an error; needs a size.
///   - poll: Asked where a signal has interrupted the allocation; false stops.
/// - Throws: `valueOutOfRange` for the size, `misuse`, `systemCall` (`ENOENT`, `EEXIST`, `EACCES`, `ENOSPC` …).
package func sharedRegion(
    _ path: UnsafePointer<CChar>, size: Int?, exclusive: Bool, poll: Poll = { _ in true }
) throws(MapError) -> mm_region {
    if let size {
        try requireSize(size)
    } else if exclusive {
        throw MapError(.misuse, "exclusive = true makes a new object, so it needs a size")
    }
    let (descriptor, isNew) = try openShared(path, makes: size != nil, exclusive)
    do throws(MapError) {
        let status = try systemStatus(descriptor)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw MapError(.mmap, errno: ENODEV, "this is no shared memory object")
        }
        let present = Int(status.st_size)
        if let size, size > present {
            do {
                try systemAllocate(descriptor, from: present, count: size &- present, poll: poll)
            } catch {
                // What was allocated before the memory ran out must not stay.
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

/// Takes the name of shared memory away: shm_unlink(3). Who has it mapped keeps it.
package func unlinkShared(_ path: UnsafePointer<CChar>) throws(MapError) { try systemRemove(path) }

private func openShared(
    _ path: UnsafePointer<CChar>, makes: Bool, _ exclusive: Bool
) throws(MapError) -> (Descriptor, isNew: Bool) {
    let flags = O_RDWR | O_NOFOLLOW
    guard makes else {
        do { return (try systemOpen(path, flags), false) } catch {
            throw error.errno == ENOENT
                ? error.hinting("no shared memory has this name; with a size it is made") : error
        }
    }
    while true {
        do { return (try systemOpen(path, flags | O_CREAT | O_EXCL, mode: 0o600), true) } catch
            where error.errno == EEXIST
        {
            if exclusive { throw error.hinting("shared memory of this name is there already") }
        }
        // Another process may take the name away just now.
        do { return (try systemOpen(path, flags), false) } catch  where error.errno == ENOENT {}
    }
}

/// A file in memory without a name in the file system: memfd_create(2).
///
/// - Parameters:
///   - name: For people who look into /proc; need not be unique.
///   - size: In bytes, at least 1.
///   - seal: Whether the size is fixed for good, for everybody.
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

/// Anonymous memory for this process and its children. It is a file in memory, as shared anonymous memory always is
/// inside the kernel, but one of which there is a descriptor to give away: where the process has descriptors to spare.
package func sharedAnonymousRegion(
    size: Int, populate: Bool, poll: Poll = { _ in true }
) throws(MapError) -> mm_region {
    guard let descriptor = spareMemoryFile(size) else {
        // Then only children of fork(2) have it.
        return try mapRegion(
            length: size, protection: [.read, .write],
            flags: populate ? [.anonymous, .shared, .populate] : [.anonymous, .shared],
            descriptor: -1, offset: 0, poll: poll)
    }
    do throws(MapError) {
        do { try systemTruncate(descriptor, to: size) } catch {
            throw MapError(.mmap, errno: ENOMEM, "size %1 is larger than the address space", size)
        }
        let region = try keptRegion(
            descriptor, size, populate ? [.shared, .populate] : .shared, poll: poll)
        region.slot.pointee.kind = Int32(MM_ANONYMOUS)
        return region
    } catch {
        systemClose(descriptor)
        throw error
    }
}

/// A file in memory, unless its descriptor would be one of the upper half of those that the process may have: who maps
/// in a loop is to be left enough to open files with.
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

/// Maps a file and keeps the descriptor: no path leads there, or may not for long. Only if it throws the descriptor
/// remains the caller's.
func keptRegion(
    _ descriptor: Descriptor, _ size: Int, _ flags: MapFlags = .shared, poll: Poll = { _ in true }
) throws(MapError) -> mm_region {
    let protection: Protection = [.read, .write]
    let region =
        size == 0
        ? try emptyRegion(protection: protection, flags: flags, descriptor: descriptor, offset: 0)
        : try mapRegion(
            length: size, protection: protection, flags: flags, descriptor: descriptor, offset: 0, poll: poll)
    region.slot.pointee.keeper = descriptor &+ 1
    return region
}

extension UnsafeMutablePointer<mm_slot> {
    /// The descriptor that the mapping keeps.
    var kept: Descriptor? { pointee.keeper > 0 ? pointee.keeper &- 1 : nil }

    /// What counts those of its pages that are no longer mapped.
    func lastingMemory() throws(MapError) -> OpaquePointer {
        if let memory = pointee.memory { return memory }
        guard let memory = mm_memory_make() else { throw MapError(.mmap, errno: ENOMEM) }
        pointee.memory = memory
        return memory
    }
}
