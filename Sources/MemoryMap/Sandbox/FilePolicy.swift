internal import CMemoryMap
internal import Glibc

/// What may be done with a file.
package struct FileAccess: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = FileAccess(rawValue: 1)
    package static let write = FileAccess(rawValue: 2)
}

/// Why a file was not opened, removed or renamed.
package enum FileFailure: Error {
    /// The policy does not allow this, of what was wanted.
    case refused(FileAccess)
    /// A system call failed with this `errno`.
    case failed(CInt)
}

/// Which files this process may reach, where somebody has set bounds to it. `FilePolicy.current` stands in front of
/// every open(2) of the library.
///
/// A path is first resolved to one without links, which is only a hint: another process may change a folder at any
/// moment. What counts is the way the kernel then goes, name by name, from the descriptor of an allowed folder,
/// following no link: whatever it reaches is below that folder. So nothing is opened, made, emptied or removed
/// before it is known to be allowed.
package struct FilePolicy {
    /// The bounds of this process; nil where it has none. Set once, before the first script runs.
    nonisolated(unsafe) package static var current: FilePolicy?

    /// A folder with all that is below it, or a single file, which need not exist yet.
    struct Root {
        /// Resolved, name by name.
        let names: [PathName]
        /// The folder itself, or the one that the file is in.
        let folder: Descriptor
        let isFolder: Bool
        let access: FileAccess

        /// How many names lead to `folder`.
        var depth: Int { isFolder ? names.count : names.count &- 1 }

        func covers(_ path: [PathName]) -> Bool { path.starts(with: names) }
    }

    /// The root folder: whatever the policy itself asks the kernel is asked from there, so that it can be told from what
    /// goes past the policy.
    let top = Glibc.open("/", pathOnly | O_DIRECTORY | O_CLOEXEC)
    private(set) var roots: [Root] = []
    /// Folders that are no secret, though nothing in them may be reached: the current one, that of the script, and
    /// those in the paths of what is allowed.
    private(set) var known: [[PathName]] = []

    /// What the library reads of this process for itself.
    private static let ownFiles: [StaticString] = [
        "/proc/self/maps", "/proc/self/smaps", "/proc/self/pagemap", "/proc/self/statm",
    ]

    package init() {
        if let folder = try? FilePolicy.currentFolder() { known.append(folder) }
    }

    /// Makes no secret of the folders on the way to a file.
    package mutating func know(_ path: UnsafePointer<CChar>) {
        guard let place = try? resolve(path, followsLast: true) else { return }
        known += place.left + [Array(place.names.dropLast())]
    }

    /// Allows a folder with all that is below it, or a single file.
    ///
    /// - Parameter path: Relative to the current folder; resolved now.
    /// - Throws: The `errno` of what stands against it: `ENOENT` where even the folder of the file is missing.
    package mutating func allow(_ access: FileAccess, _ path: UnsafePointer<CChar>) throws(FileFailure) {
        let place = try resolve(path, followsLast: true)
        if let error = place.error { throw .failed(error) }
        known += place.left
        let folder = openFolder(place.names)
        if folder >= 0 {
            roots.append(Root(names: place.names, folder: folder, isFolder: true, access: access))
            return
        }
        guard errno == ENOTDIR || errno == ENOENT, !place.names.isEmpty else { throw .failed(errno) }
        let parent = openFolder(Array(place.names.dropLast()))
        guard parent >= 0 else { throw .failed(errno) }
        roots.append(Root(names: place.names, folder: parent, isFolder: false, access: access))
    }

    private func openFolder(_ names: [PathName]) -> Descriptor {
        PathName.withPath(names) { openat(top, $0, pathOnly | O_DIRECTORY | O_CLOEXEC) }
    }

    /// Has the kernel enforce the policy too, where it offers Landlock, for this thread and all it starts.
    ///
    /// - Parameter files: Files that may be read besides: this wall is behind the other one, where they are not.
    /// - Returns: Whether the second wall stands.
    package func confine(alsoReading files: [UnsafePointer<CChar>]) -> Bool {
        let ruleset = mm_landlock_create()
        guard ruleset >= 0 else { return false }
        defer { systemClose(ruleset) }
        for root in roots where !root.allow(in: ruleset) { return false }
        for file in files {
            let descriptor = Glibc.open(file, pathOnly | O_CLOEXEC)
            guard descriptor >= 0 else { continue }  // Whoever opens it will say so.
            defer { systemClose(descriptor) }
            if mm_landlock_allow(ruleset, descriptor, UInt32(MM_MAY_READ)) != 0 { return false }
        }
        for name in FilePolicy.ownFiles {
            let path = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
            // Stays open: a file of proc(5) is another one once nobody holds it any more.
            let descriptor = Glibc.open(path, pathOnly | O_CLOEXEC)
            if descriptor >= 0 { _ = mm_landlock_allow(ruleset, descriptor, UInt32(MM_MAY_READ)) }
        }
        return mm_landlock_enter(ruleset) == 0
    }
}

extension FilePolicy.Root {
    fileprivate func allow(in ruleset: Descriptor) -> Bool {
        let reads = access.contains(.read) ? UInt32(MM_MAY_READ) : 0
        let writes = access.contains(.write) ? UInt32(MM_MAY_WRITE) : 0
        let makes = access.contains(.write) ? UInt32(MM_MAY_MAKE) : 0
        if isFolder { return mm_landlock_allow(ruleset, folder, reads | writes | makes) == 0 }
        guard let name = names.last else { return false }
        let file = name.withCString { openat(folder, $0, pathOnly | O_NOFOLLOW | O_CLOEXEC) }
        guard file >= 0 else {
            // A rule needs a file: for one that is still to be made its folder has to stand in.
            return mm_landlock_allow(ruleset, folder, writes | makes) == 0
        }
        defer { systemClose(file) }
        return mm_landlock_allow(ruleset, file, reads | writes) == 0
            && (makes == 0 || mm_landlock_allow(ruleset, folder, makes) == 0)
    }
}

/// `O_PATH`, which Swift's Glibc lacks.
let pathOnly: CInt = 0o10_000_000
