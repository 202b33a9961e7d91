internal import CMemoryMap
internal import Glibc

extension MappedBytes {
    /// Opens the mapped file again: a mapping of a file with a path keeps no descriptor.
    ///
    /// The kernel reports the current path, so the file is found after a rename too. A privileged process can
    /// open even a removed file, through /proc/self/map_files. In a sandbox that is for reading only, which
    /// the mapping already allows.
    ///
    /// - Parameters:
    ///   - call: The system call that needs the descriptor; named in errors.
    ///   - flags: `O_RDONLY` or `O_RDWR`.
    /// - Throws: `systemCall`: of `call` with `EOPNOTSUPP` for anonymous memory, which has no file; of
    ///   open(2) if the file cannot be found or opened.
    func openFile(for call: SystemCall, _ flags: CInt = O_RDONLY) throws(MapError) -> Descriptor {
        let slot = region.slot.pointee
        let isPrivate = !MapFlags(rawValue: slot.flags).isShared
        if slot.kind == MM_ANONYMOUS && isPrivate {
            throw MapError(
                call, errno: EOPNOTSUPP, "anonymous memory has no file")
        }
        if let kept = region.slot.kept { return try systemDuplicate(kept) }
        guard slot.start != 0 else {
            throw MapError(call, errno: EOPNOTSUPP, "nothing of the file is mapped")
        }
        // No heap memory: this must work after a script has used up its memory.
        var path: InlineArray<4096, CChar> = .init(repeating: 0)
        var link: InlineArray<64, UInt8> = .init(repeating: 0)
        try eachLine(of: "/proc/self/maps") { line in
            guard let entry = MapsEntry(line), entry.start <= slot.start, slot.start < entry.end else {
                return true
            }
            withUnsafeMutableBytes(of: &path) { unescape(line[entry.path], into: $0) }
            withUnsafeMutableBytes(of: &link) { entry.link(into: $0.bindMemory(to: UInt8.self)) }
            return false
        }
        if slot.kind != MM_ANONYMOUS, path[0] != 0,
            let found = try? withCString(&path, { name throws(MapError) in try systemOpen(name, flags) })
        {
            if isSame(found) { return found }
            systemClose(found)
        }
        do throws(MapError) {
            if slot.kind != MM_ANONYMOUS, flags != O_RDONLY, FilePolicy.current != nil {
                throw MapError(.open, errno: EACCES)
            }
            let found = try withCString(&link) { name throws(MapError) in try systemOpen(process: name, flags)
            }
            if slot.kind == MM_ANONYMOUS || isSame(found) { return found }
            systemClose(found)
        } catch  where slot.kind == MM_ANONYMOUS {
            throw error.hinting(
                "shared anonymous memory has a file without a name, which only root may open (/proc/self/map_files)"
            )
        } catch {
            throw MapError(
                .open, errno: error.errno,
                "the mapped file must be opened again by its path, but it is not there or may not be read")
        }
        throw MapError(.open, errno: ESTALE, "the path now names another file than the one that is mapped")
    }

    private func isSame(_ descriptor: Descriptor) -> Bool {
        guard let status = try? systemStatus(descriptor) else { return false }
        return region.slot.isFile(status)
    }
}

/// Calls `body` with a zero-terminated array as a C string.
private func withCString<T, let size: Int, Result>(
    _ text: inout InlineArray<size, T>, _ body: (UnsafePointer<CChar>) throws(MapError) -> Result
) throws(MapError) -> Result {
    try withUnsafeBytes(of: &text) { raw throws(MapError) in
        guard let start = raw.bindMemory(to: CChar.self).baseAddress else {
            throw MapError(.open, errno: ENOENT)
        }
        return try body(start)
    }
}

/// Copies a path of /proc/self/maps to zeroed memory; a path that does not fit is not copied. The kernel
/// escapes a newline as `\012`, but does not escape backslashes. So `\012` is ambiguous, and the caller must
/// check that the file is the mapped one.
private func unescape(_ text: Slice<UnsafeRawBufferPointer>, into target: UnsafeMutableRawBufferPointer) {
    guard text.count < target.count else { return }
    var index = text.startIndex
    var count = 0
    while index < text.endIndex {
        let isNewline = text[index...].starts(with: [92, 48, 49, 50])
        target[count] = isNewline ? 10 : text[index]
        index &+= isNewline ? 4 : 1
        count &+= 1
    }
}
