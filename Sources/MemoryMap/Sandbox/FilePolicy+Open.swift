internal import Glibc

/// The number of attempts to open a path while another process replaces parts of it with links.
private let attempts = 32

extension FilePolicy {
    /// open(2), if the policy allows it.
    ///
    /// - Parameters:
    ///   - path: Links are followed if the policy allows their targets.
    ///   - flags: `O_*`, which determine the access that the policy must allow.
    ///   - mode: The permissions of a new file.
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

    /// unlink(2). Removes a link itself, not its target.
    ///
    /// - Parameter orFolder: Whether to remove a directory with rmdir(2), as remove(3) does.
    package func remove(_ path: UnsafePointer<CChar>, orFolder: Bool = false) throws(FileFailure) {
        let place = try find(path, .write, followsLast: false)
        defer { place.close() }
        let failed = place.name.withCString { name in
            guard unlinkat(place.folder, name, 0) != 0 else { return false }
            return !orFolder || errno != EISDIR || unlinkat(place.folder, name, AT_REMOVEDIR) != 0
        }
        if failed { throw .failed(errno) }
    }

    /// rename(2). Does not move an unreadable file to a readable path, and does not rename a directory that
    /// is allowed or on the way to an allowed path.
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

    /// The folder of a file that may be written anew, by a file beside it that takes its place, and its name there.
    ///
    /// - Parameter path: A link at its end is followed.
    func openFolder(of path: UnsafePointer<CChar>) throws(MapError) -> (folder: CInt, name: PathName) {
        do {
            let place = try find(path, .write, followsLast: true)
            let beside = place.names.dropLast() + [PathName(bytes: [UInt8(ascii: "*")])]
            if allows(.write, Array(beside)) { return (place.folder, place.name) }
            place.close()
        } catch {
            switch error {
            case .failed(let code): throw MapError(.open, errno: code)
            case .refused:
                throw MapError(.open, errno: EACCES, "writing it is not allowed").because(.writingRefused)
            }
        }
        throw MapError(.open, errno: EACCES, "a new file next to it is not allowed").because(.besideRefused)
    }

    /// Whether the policy allows removing or renaming a file, or a link itself.
    package func mayChange(_ path: UnsafePointer<CChar>) -> Bool {
        guard let place = try? resolve(path, followsLast: false) else { return false }
        return !isHidden(place) && allows(.write, place.names)
    }

    /// Whether renaming a path would change the path of something that the policy allows.
    private func holdsRoot(_ names: [PathName]) -> Bool {
        roots.contains { $0.names.starts(with: names) && ($0.isFolder || $0.names.count > names.count) }
    }

    /// Tries again if a name turned out to be a link or no directory: another process has changed it since
    /// the path was resolved, and the new path may be allowed too.
    private func repeating<T>(_ body: () throws(FileFailure) -> T) throws(FileFailure) -> T {
        for _ in 1..<attempts {
            do { return try body() } catch {
                guard case .failed(let code) = error, code == ELOOP || code == ENOTDIR else { throw error }
            }
        }
        return try body()
    }
}

/// Whether open(2) follows a link at the end of a path. It does not with `O_CREAT` and `O_EXCL`: then nothing
/// may exist there, not even a link.
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

/// A file, given by an open directory that the policy allows and the name in it.
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
        // An error here, as for an empty path, reveals nothing about files.
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
                // Different roots allow reading and writing, and they led to different files, because another
                // process changed directories meanwhile. Neither file allows both.
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

    /// Opens the directories from a root to the file one by one, without following links.
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
        // The root itself: with "." it can be opened, but not removed or renamed.
        let name = below.last ?? PathName(bytes: [UInt8(ascii: ".")])
        return FoundFile(folder: folder, name: name, names: names)
    }
}
