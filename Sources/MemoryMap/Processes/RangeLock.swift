internal import CMemoryMap
internal import Glibc

/// A range of a file that is locked, or to be locked, for those who ask: an open file description lock of fcntl(2).
///
/// It has a descriptor of its own, and so it belongs neither to the process, as the locks of lockf(3) do, nor to the
/// mapping: it ends when its descriptor is closed.
package struct RangeLock {
    package let descriptor: CInt
    /// What the descriptor keeps in memory, where no path leads to the file. The lock is a holder of it.
    package let memory: OpaquePointer?
    /// In the file, in bytes.
    package let offset: Int
    package let length: Int

    /// Takes the lock, if nobody has one that it cannot stand beside.
    ///
    /// - Throws: `systemCall` (`ENOLCK` …).
    package static func attempt(
        _ descriptor: CInt, isExclusive: Bool, offset: Int, length: Int
    ) throws(MapError) -> Bool {
        try systemLockRange(descriptor, isExclusive, offset, length)
    }
}

extension MappedBytes {
    /// A lock to be taken on a range of the file behind the mapping.
    ///
    /// - Parameters:
    ///   - length: In bytes, at least 1; nil means to the end.
    ///   - isExclusive: Needs the right to write the file.
    /// - Throws: `systemCall`: `EOPNOTSUPP` where there is no file; of open(2). `offsetOutOfRange`,
    ///   `lengthOutOfRange`, `closed`, `lost`.
    package func rangeLock(
        _ offset: Int, _ length: Int?, isExclusive: Bool
    ) throws(MapError) -> RangeLock {
        var current = self
        try current.refresh()
        let count = try checkedLength(offset: offset, length: length, count: current.region.length)
        guard count > 0 else {
            throw MapError(.lengthOutOfRange, "length 0 is out of range: a lock is on at least 1 byte")
        }
        let slot = current.region.slot
        let flags = isExclusive ? O_RDWR : O_RDONLY
        // Not a copy of a descriptor: locks belong to what open(2) made.
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
                    "an exclusive lock needs the right to write the file; a \"shared\" one does not")
                : error
        }
        if let memory { mm_memory_hold(memory) }
        return RangeLock(
            descriptor: descriptor, memory: memory,
            offset: Int(slot.pointee.file_offset) &+ current.region.offset &+ offset, length: count)
    }
}

/// The same file, opened once more.
private func reopen(_ descriptor: Descriptor, _ flags: CInt) throws(MapError) -> Descriptor {
    var memory: InlineArray<64, UInt8> = .init(repeating: 0)
    return try withUnsafeMutableBytes(of: &memory) { raw throws(MapError) in
        var text = FixedText(raw.bindMemory(to: UInt8.self))
        text.text("/proc/self/fd/")
        text.decimal(Int(descriptor))
        guard let path = raw.bindMemory(to: CChar.self).baseAddress else {
            throw MapError(.open, errno: ENOENT)
        }
        return try systemOpen(process: path, flags)
    }
}
