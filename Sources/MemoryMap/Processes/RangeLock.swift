internal import CMemoryMap
internal import Glibc

/// An advisory lock on a range of a file, held or not: an open file description lock of fcntl(2).
///
/// It has its own descriptor, and closing that releases the lock. So the lock belongs neither to the process,
/// as a lock of lockf(3) does, nor to the mapping.
package struct RangeLock {
    package let descriptor: CInt
    /// The budget's record of memory that the descriptor keeps allocated, if the file has no path. The lock
    /// is one of its holders.
    package let memory: OpaquePointer?
    /// In the file, in bytes.
    package let offset: Int
    package let length: Int

    /// Acquires the lock; false if another lock conflicts.
    ///
    /// - Throws: `systemCall` (`ENOLCK` …).
    package static func attempt(
        _ descriptor: CInt, isExclusive: Bool, offset: Int, length: Int
    ) throws(MapError) -> Bool {
        try systemLockRange(descriptor, isExclusive, offset, length)
    }
}

extension MappedBytes {
    /// Prepares a lock on a range of the mapped file.
    ///
    /// - Parameters:
    ///   - length: In bytes, at least 1; nil means to the end.
    ///   - isExclusive: Requires write permission for the file.
    /// - Throws: `systemCall`: `EOPNOTSUPP` if there is no file; of open(2). `offsetOutOfRange`,
    ///   `lengthOutOfRange`, `closed`, `lost`.
    package func rangeLock(
        _ offset: Int, _ length: Int?, isExclusive: Bool
    ) throws(MapError) -> RangeLock {
        var current = self
        try current.refresh()
        let count = try checkedLength(offset: offset, length: length, count: current.region.length)
        guard count > 0 else {
            throw MapError(.lengthOutOfRange, "length 0 is out of range: a lock covers at least 1 byte")
        }
        let slot = current.region.slot
        let flags = isExclusive ? O_RDWR : O_RDONLY
        // Not a duplicate of a descriptor: the lock belongs to the open file description.
        let descriptor: Descriptor
        var memory: OpaquePointer?
        do throws(MapError) {
            if let kept = slot.kept {
                memory = try slot.lastingMemory()
                descriptor = try reopen(kept, flags)
            } else {
                descriptor = try current.openFile(for: .fcntl, flags)
            }
        } catch {
            throw error.errno == EACCES && isExclusive
                ? error.hinting(
                    "an exclusive lock needs write permission on the file; a \"shared\" one does not")
                : error
        }
        if let memory { mm_memory_hold(memory) }
        return RangeLock(
            descriptor: descriptor, memory: memory,
            offset: Int(slot.pointee.file_offset) &+ current.region.offset &+ offset, length: count)
    }
}

/// Opens the file of a descriptor again.
private func reopen(_ descriptor: Descriptor, _ flags: CInt) throws(MapError) -> Descriptor {
    try withDescriptorPath(descriptor) { (path) throws(MapError) in try systemOpen(process: path, flags) }
}
