internal import Glibc

/// One name of a path, as bytes: a path need not be UTF-8.
struct PathName: Equatable {
    let bytes: [UInt8]

    func withCString<T>(_ body: (UnsafePointer<CChar>) -> T) -> T {
        PathName.terminated(bytes, body)
    }

    /// Calls `body` with the path of the names, relative to the root directory.
    static func withPath<T>(_ names: [PathName], _ body: (UnsafePointer<CChar>) -> T) -> T {
        var path: [UInt8] = []
        for name in names {
            if !path.isEmpty { path.append(slash) }
            path.append(contentsOf: name.bytes)
        }
        return terminated(path.isEmpty ? [UInt8(ascii: ".")] : path, body)
    }

    private static func terminated<T>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> T) -> T {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count &+ 1) { buffer in
            var end = 0
            for byte in bytes {
                buffer[end] = CChar(bitPattern: byte)
                end &+= 1
            }
            buffer[end] = 0
            // A buffer of at least one element has an address.
            return body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped))
        }
    }
}

private let slash = UInt8(ascii: "/")

/// A resolved path.
struct ResolvedPath {
    /// From the root directory, without links, `.`, and `..`.
    var names: [PathName] = []
    /// The `errno` with which the kernel would refuse the path, if any. `names` is complete even then, so
    /// that the policy can decide whether the script may see the error.
    var error: CInt?
    /// Directories that the path enters and leaves again by `..`.
    var left: [[PathName]] = []
}

extension FilePolicy {
    /// Resolves a path as the kernel would, including links.
    ///
    /// - Parameter followsLast: Whether to follow a link at the end of the path.
    /// - Throws: `ENOENT` for an empty path, `ENAMETOOLONG`, and the errors of getcwd(3).
    func resolve(_ path: UnsafePointer<CChar>, followsLast: Bool) throws(FileFailure) -> ResolvedPath {
        let text = UnsafeBufferPointer(start: path, count: strlen(path))
        guard text.count > 0 else { throw .failed(ENOENT) }
        guard text.count < Int(PATH_MAX) else { throw .failed(ENAMETOOLONG) }
        var walk = PathWalk(from: top, followsLast: followsLast)
        walk.prepend(text.map { UInt8(bitPattern: $0) })
        if path[0] != CChar(bitPattern: slash) { walk.place.names = try FilePolicy.currentFolder() }
        while walk.step() {}
        return walk.place
    }

    /// Whether a path enters and leaves a secret directory. Success or failure would reveal whether that
    /// directory exists.
    func isHidden(_ place: ResolvedPath) -> Bool {
        !place.left.allSatisfy { folder in
            known.contains { $0.starts(with: folder) }
                || roots.contains { $0.covers(folder) || $0.names.starts(with: folder) }
        }
    }

    static func currentFolder() throws(FileFailure) -> [PathName] {
        guard let path = getcwd(nil, 0) else { throw .failed(errno) }
        defer { free(path) }
        let text = UnsafeBufferPointer(start: path, count: strlen(path))
        return text.split(separator: CChar(bitPattern: slash)).map { name in
            PathName(bytes: name.map { UInt8(bitPattern: $0) })
        }
    }
}

/// The resolution of a path. The result is only a hint: directories may change meanwhile.
private struct PathWalk {
    var place = ResolvedPath()
    private let top: Descriptor
    private let followsLast: Bool
    /// The remaining names, in reverse order. An empty name stands for a slash at the end of the path.
    private var ahead: [ArraySlice<UInt8>] = []
    private var links = 0

    init(from top: Descriptor, followsLast: Bool) {
        self.top = top
        self.followsLast = followsLast
    }

    mutating func prepend(_ path: [UInt8]) {
        if path.first == slash { place.names = [] }
        let endsWithSlash = path.last == slash && !ahead.contains { !$0.isEmpty }
        if endsWithSlash { ahead.append([]) }
        ahead.append(contentsOf: path.split(separator: slash).reversed())
    }

    /// Resolves the next name; false if there is none.
    mutating func step() -> Bool {
        guard let name = ahead.popLast() else { return false }
        let dot = UInt8(ascii: ".")
        if name.isEmpty || name.elementsEqual([dot]) { return true }
        if name.elementsEqual([dot, dot]) {
            place.left.append(place.names)
            _ = place.names.popLast()
            return true
        }
        place.names.append(PathName(bytes: Array(name)))
        if place.error == nil { look() }
        return true
    }

    /// Follows the name that was just added, if it is a link.
    private mutating func look() {
        var status = stat()
        let isLast = ahead.isEmpty
        let result = PathName.withPath(place.names) { fstatat(top, $0, &status, AT_SYMLINK_NOFOLLOW) }
        guard result == 0 else {
            // The last name may be missing: it may be that of a new file.
            if !(isLast && errno == ENOENT) { place.error = errno }
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFLNK where followsLast || !isLast: follow()
        case S_IFDIR: break
        default: if !isLast { place.error = ENOTDIR }
        }
    }

    private mutating func follow() {
        links &+= 1
        guard links <= 40 else {
            place.error = ELOOP
            return
        }
        var target: [UInt8] = []
        let capacity = Int(PATH_MAX)
        let names = place.names
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            guard let start = buffer.baseAddress else { return }
            let count = PathName.withPath(names) { readlinkat(top, $0, start, capacity) }
            if count > 0 && count < capacity {
                target = buffer.prefix(count).map { UInt8(bitPattern: $0) }
            }
        }
        guard !target.isEmpty else {
            place.error = ENOENT
            return
        }
        _ = place.names.popLast()
        prepend(target)
    }
}
