internal import Glibc

/// How often a path is followed anew when a link appeared where there was none a moment ago.
private let attempts = 32

extension FilePolicy {
    /// open(2), for those who may.
    ///
    /// - Parameters:
    ///   - path: Links are followed, where they lead to something that is allowed.
    ///   - flags: `O_*`; what they make of the file decides which access is needed.
    ///   - mode: Of a file that is made.
    package func open(
        _ path: UnsafePointer<CChar>, _ flags: CInt, mode: UInt32 = 0o666
    ) throws(FileFailure) -> CInt {
        try repeating { () throws(FileFailure) in
            let place = try find(path, FileAccess(flags: flags), followsLast: followsLink(flags))
            defer { place.close() }
            let descriptor = place.name.withCString {
                openat(place.folder, $0, flags | O_NOFOLLOW | O_CLOEXEC, mode)
            }
            guard descriptor >= 0 else { throw .failed(errno) }
            return descriptor
        }
    }

    /// unlink(2). A link itself is removed, not where it leads.
    ///
    /// - Parameter orFolder: As remove(3): rmdir(2) for a folder.
    package func remove(_ path: UnsafePointer<CChar>, orFolder: Bool = false) throws(FileFailure) {
        let place = try find(path, .write, followsLast: false)
        defer { place.close() }
        let failed = place.name.withCString { name in
            guard unlinkat(place.folder, name, 0) != 0 else { return false }
            return !orFolder || errno != EISDIR || unlinkat(place.folder, name, AT_REMOVEDIR) != 0
        }
        if failed { throw .failed(errno) }
    }

    /// rename(2). A file that may not be read cannot be moved to where it could, nor can the folders that say where.
    package func rename(
        _ old: UnsafePointer<CChar>, to new: UnsafePointer<CChar>
    ) throws(FileFailure) {
        let from = try find(old, .write, followsLast: false)
        defer { from.close() }
        let to = try find(new, .write, followsLast: false)
        defer { to.close() }
        if allows(.read, to.names) && !allows(.read, from.names) { throw .refused(.read) }
        if holdsRoot(from.names) || holdsRoot(to.names) { throw .failed(EBUSY) }
        let result = from.name.withCString { name in
            to.name.withCString { renameat(from.folder, name, to.folder, $0) }
        }
        if result != 0 { throw .failed(errno) }
    }

    /// Whether a file, or a link itself, may be removed or renamed.
    package func mayChange(_ path: UnsafePointer<CChar>) -> Bool {
        guard let place = try? resolve(path, followsLast: false) else { return false }
        return !isHidden(place) && allows(.write, place.names)
    }

    /// Whether something that is allowed by its name would have another one if this had.
    private func holdsRoot(_ names: [PathName]) -> Bool {
        roots.contains { $0.names.starts(with: names) && ($0.isFolder || $0.names.count > names.count) }
    }

    /// A link that was put in the way is not followed, but it is no reason to give up either: the path may lead
    /// somewhere allowed all the same.
    private func repeating<T>(_ body: () throws(FileFailure) -> T) throws(FileFailure) -> T {
        for _ in 1..<attempts {
            do { return try body() } catch {
                guard case .failed(let code) = error, code == ELOOP || code == ENOTDIR else { throw error }
            }
        }
        return try body()
    }
}

/// Whether open(2) follows a link at the end of a path. To make a file it wants a name where nothing is, not even a link.
private func followsLink(_ flags: CInt) -> Bool {
    flags & O_NOFOLLOW == 0 && flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL
}

extension FileAccess {
    init(flags: CInt) {
        let way = flags & O_ACCMODE
        self = way == O_WRONLY ? .write : way == O_RDONLY ? .read : [.read, .write]
        if flags & (O_CREAT | O_TRUNC) != 0 { insert(.write) }
    }
}

/// A file by its folder, which is known to be allowed, and its name there.
private struct FoundFile {
    let folder: Descriptor
    let name: PathName
    let names: [PathName]

    func close() { systemClose(folder) }
}

extension FilePolicy {
    private func allows(_ access: FileAccess, _ names: [PathName]) -> Bool {
        roots.contains { $0.access.contains(access) && $0.covers(names) }
    }

    private func find(
        _ path: UnsafePointer<CChar>, _ access: FileAccess, followsLast: Bool
    ) throws(FileFailure) -> FoundFile {
        let place: ResolvedPath
        // An empty path is nowhere, and there is nothing to hide about it.
        place = try resolve(path, followsLast: followsLast)
        if isHidden(place) { throw .refused(access) }
        var missing: FileAccess = []
        var first: FoundFile?
        defer { first?.close() }
        for wanted in [FileAccess.read, .write] where access.contains(wanted) {
            guard let root = roots.last(where: { $0.access.contains(wanted) && $0.covers(place.names) })
            else {
                missing.insert(wanted)
                continue
            }
            if !missing.isEmpty || place.error != nil { continue }
            let file = try walk(place.names, from: root)
            if let other = first, !isSame(other, file) {
                // Reading was allowed in one folder and writing in another one, and a third process made their
                // paths one. There is no file that may be both.
                file.close()
                throw .refused(access)
            }
            first?.close()
            first = file
        }
        if !missing.isEmpty { throw .refused(missing) }
        if let error = place.error { throw .failed(error) }
        guard let found = first else { throw .failed(EINVAL) }
        first = nil
        return found
    }

    private func isSame(_ left: FoundFile, _ right: FoundFile) -> Bool {
        var one = stat()
        var other = stat()
        return fstat(left.folder, &one) == 0 && fstat(right.folder, &other) == 0
            && one.st_dev == other.st_dev && one.st_ino == other.st_ino && left.name == right.name
    }

    /// Goes from the folder of a root to that of the file, name by name and through no link.
    private func walk(_ names: [PathName], from root: Root) throws(FileFailure) -> FoundFile {
        var folder = fcntl(root.folder, F_DUPFD_CLOEXEC, 0)
        guard folder >= 0 else { throw .failed(errno) }
        let below = names.dropFirst(root.depth)
        for name in below.dropLast() {
            let next = name.withCString {
                openat(folder, $0, pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            let code = errno
            systemClose(folder)
            guard next >= 0 else { throw .failed(code) }
            folder = next
        }
        // The root itself: it can be opened, but not removed or renamed.
        let name = below.last ?? PathName(bytes: [UInt8(ascii: ".")])
        return FoundFile(folder: folder, name: name, names: names)
    }
}
