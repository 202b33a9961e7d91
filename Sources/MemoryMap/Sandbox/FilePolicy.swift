internal import CMemoryMap
internal import Glibc

/// The kinds of access to a file.
package struct FileAccess: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = FileAccess(rawValue: 1)
    package static let write = FileAccess(rawValue: 2)
}

/// Why a file was not opened, removed or renamed.
package enum FileFailure: Error {
    /// The policy does not allow this part of the requested access.
    case refused(FileAccess)
    /// A system call failed with this `errno`.
    case failed(CInt)
}

/// The files that a sandbox allows. `FilePolicy.current` judges the path of every file that a script opens,
/// removes, or renames.
///
/// A path is first resolved to a path without links. That is only a hint, because another process may change
/// a directory at any moment. Then the directories are opened one by one, from the descriptor of an allowed
/// directory and without following links, so the file is certainly below that directory. Nothing is opened,
/// created, truncated, or removed before it is known to be allowed.
package struct FilePolicy {
    /// The policy of this process; nil if there is no sandbox. Set once, before the first script runs.
    nonisolated(unsafe) package static var current: FilePolicy?

    /// An allowed directory with everything below it, or an allowed file, which need not exist yet.
    struct Root {
        /// The resolved path.
        let names: [PathName]
        /// The directory itself, or the directory of the file.
        let folder: Descriptor
        let isFolder: Bool
        let access: FileAccess

        /// The number of names in the path of `folder`.
        var depth: Int { isFolder ? names.count : names.count &- 1 }

        func covers(_ path: [PathName]) -> Bool { path.starts(with: names) }
    }

    /// The root directory. System calls of the policy itself use paths relative to it, which distinguishes
    /// them from calls that bypass the policy.
    let top = Glibc.open("/", pathOnly | O_DIRECTORY | O_CLOEXEC)
    private(set) var roots: [Root] = []
    /// Directories that are not secret, though their files are not allowed: the current directory, the
    /// script's, and those on the way to allowed files.
    private(set) var known: [[PathName]] = []

    /// Files about this process that the library itself reads.
    private static let ownFiles: [StaticString] = [
        "/proc/self/maps", "/proc/self/smaps", "/proc/self/pagemap", "/proc/self/statm",
    ]

    package init() {
        if let folder = try? FilePolicy.currentFolder() { known.append(folder) }
    }

    /// Declares the directories on the way to a file not secret.
    package mutating func know(_ path: UnsafePointer<CChar>) {
        guard let place = try? resolve(path, followsLast: true) else { return }
        known += place.left + [Array(place.names.dropLast())]
    }

    /// Allows a directory with everything below it, or a single file.
    ///
    /// - Parameter path: Relative to the current directory; resolved now.
    /// - Throws: The `errno` of the failure: `ENOENT` if not even the directory of the file exists.
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

    /// Makes the kernel enforce the policy too, with Landlock if available, for this thread and all threads
    /// and processes that it starts.
    ///
    /// - Parameter files: More files that Landlock allows to be read. The policy itself still does not allow
    ///   them to scripts.
    /// - Returns: Whether Landlock is in force.
    package func confine(alsoReading files: [UnsafePointer<CChar>]) -> Bool {
        let ruleset = mm_landlock_create()
        guard ruleset >= 0 else { return false }
        defer { systemClose(ruleset) }
        for root in roots where !root.allow(in: ruleset) { return false }
        for file in files {
            let descriptor = Glibc.open(file, pathOnly | O_CLOEXEC)
            guard descriptor >= 0 else { continue }  // The open(2) that needs the file reports the error.
            defer { systemClose(descriptor) }
            if mm_landlock_allow(ruleset, descriptor, UInt32(MM_MAY_READ)) != 0 { return false }
        }
        for name in FilePolicy.ownFiles {
            let path = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
            // The descriptor stays open: when the last one is closed, the file of proc(5) becomes a different
            // file for Landlock.
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
            // A rule needs an existing file. If there is none yet, the rule is for its directory.
            return mm_landlock_allow(ruleset, folder, writes | makes) == 0
        }
        defer { systemClose(file) }
        return mm_landlock_allow(ruleset, file, reads | writes) == 0
            && (makes == 0 || mm_landlock_allow(ruleset, folder, makes) == 0)
    }
}

/// `O_PATH`, which Swift's Glibc lacks.
let pathOnly: CInt = 0o10_000_000
