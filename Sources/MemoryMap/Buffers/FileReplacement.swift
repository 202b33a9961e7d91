package import CMemoryMap
package import Glibc

// Writing a file anew, so that at any moment, also after a crash, either the old one is there or the new one: a file
// in the same folder is written, and takes its name at the end. Until then it has no name, where the file system has such
// files (`O_TMPFILE`): the kernel takes it away however the process ends. Elsewhere it is `.mmap-` and 16 digits, which
// stays if the process ends on the way.

extension mm_replacement {
    /// Makes the new file in the folder of the old one.
    ///
    /// - Parameter path: A symbolic link at its end is followed.
    /// - Throws: `systemCall` of open(2), also where the old file is no regular one, and of fchown(2) where the new one cannot
    ///   have its owner. No file is left then.
    package mutating func begin(_ path: UnsafePointer<CChar>) throws(MapError) {
        (folder, file) = (-1, -1)
        folder = try findFolder(path)
        do throws(MapError) {
            try make()
        } catch {
            abort()
            throw error
        }
    }

    /// The same, but standard output, standard error, a named pipe, and a device are written to as they are, after what the
    /// C library has buffered.
    ///
    /// - Throws: As above; `systemCall` with `ENXIO` for a pipe that nothing reads.
    package mutating func beginOrStream(_ path: UnsafePointer<CChar>) throws(MapError) {
        (folder, file) = (-1, -1)
        let output: CInt =
            strcmp(path, "/dev/stdout") == 0
            ? STDOUT_FILENO : strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO : -1
        if output >= 0 {
            fflush(nil)
            file = try systemDuplicate(output)
        } else if let kind = systemStatus(of: path)?.st_mode, [S_IFIFO, S_IFCHR].contains(kind & S_IFMT) {
            file = try openStream(path)
        } else {
            return try begin(path)
        }
        is_stream = true
    }

    /// Does not wait for the reader of a pipe: open(2) would hear nothing.
    private func openStream(_ path: UnsafePointer<CChar>) throws(MapError) -> CInt {
        do throws(MapError) { return try systemOpen(path, O_WRONLY | O_NONBLOCK) } catch {
            throw error.errno == ENXIO ? error.hinting("nothing reads this pipe") : error
        }
    }

    /// Appends bytes of this process.
    ///
    /// - Throws: `systemCall` (`ENOSPC`, `EFBIG` …), `interrupted`.
    package func write(_ bytes: UnsafeRawBufferPointer, shouldContinue: ShouldContinue) throws(MapError) {
        try systemWrite(file, bytes, shouldContinue: shouldContinue)
    }

    /// Appends the bytes of a mapping.
    ///
    /// - Throws: As above, and `closed`, `lost`, `notReadable`.
    package func write(_ bytes: MappedBytes, shouldContinue: ShouldContinue) throws(MapError) {
        let (current, all) = try bytes.readable(0, nil)
        do { try systemWrite(file, all, shouldContinue: shouldContinue) } catch {
            throw current.cause(of: error, all)
        }
        try current.checkIntact()
    }

    /// Gives the new file the old one's name, when the disk has all of it.
    ///
    /// - Throws: `systemCall`. Only where the folder could not be written is the new file there all the same.
    package mutating func commit() throws(MapError) {
        if is_stream { return abort() }
        // By now: write(2) takes the set-user-ID bit away.
        if !is_new { try systemMode(file, mode) }
        try systemSync(file: file)
        if temporary.0 == 0 { try nameFile() }
        try withNames { (folder, temporary, name) throws(MapError) in
            try systemRename(in: folder, temporary, to: name)
        }
        temporary.0 = 0
        defer { abort() }
        if let names = try? systemOpen(in: folder, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            defer { systemClose(names) }
            try systemSync(file: names)
        } else if mm_sync_file_system(file) != 0 {
            // A folder that may be written but not read.
            throw MapError(.fsync, errno: errno)
        }
    }

    /// Takes the new file away, unless it has its name; may be called any number of times.
    package mutating func abort() {
        if temporary.0 != 0 {
            withNames { (folder, temporary, _) in systemUnlink(in: folder, temporary) }
            temporary.0 = 0
        }
        if file >= 0 { systemClose(file) }
        if folder >= 0 { systemClose(folder) }
        (folder, file) = (-1, -1)
    }

    /// Another descriptor of the new file, for the caller.
    package func duplicate() throws(MapError) -> CInt { try systemDuplicate(file) }

    private func withNames<E: Error>(
        _ body: (_ folder: CInt, _ temporary: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>) throws(E) ->
            Void
    ) throws(E) {
        let copy = self
        try withUnsafeBytes(of: copy.temporary) { (temporary) throws(E) in
            try withUnsafeBytes(of: copy.name) { (name) throws(E) in
                guard let old = temporary.bindMemory(to: CChar.self).baseAddress,
                    let new = name.bindMemory(to: CChar.self).baseAddress
                else { return }
                try body(copy.folder, old, new)
            }
        }
    }

    private mutating func make() throws(MapError) {
        var old: stat?
        try withNames { (folder, _, name) throws(MapError) in old = try systemStatus(in: folder, name) }
        if let old, old.st_mode & S_IFMT != S_IFREG {
            throw old.st_mode & S_IFMT == S_IFDIR
                ? MapError(.open, errno: EISDIR, "this is a folder")
                : MapError(.open, errno: EINVAL, "only a regular file can be replaced")
        }
        is_new = old == nil
        mode = old.map { $0.st_mode & 0o7777 } ?? 0
        // What is in the file is nobody's before the file has its mode.
        let early: mode_t = is_new ? 0o666 : 0o600
        if !makeUnnamed(early) { try makeFile(early) }
        guard let old else { return }
        let status = try systemStatus(file)
        if status.st_uid != old.st_uid || status.st_gid != old.st_gid {
            do { try systemOwn(file, old.st_uid, old.st_gid) } catch {
                throw error.hinting("the new file would have another owner or group than the old one")
            }
        }
    }

    /// Makes a file without a name; false where there are none.
    private mutating func makeUnnamed(_ mode: mode_t) -> Bool {
        do throws(MapError) {
            file = try systemOpen(in: folder, ".", O_WRONLY | unnamedFile | O_NOFOLLOW, mode: mode)
        } catch { return false }
        if systemCanLink(file) { return true }
        systemClose(file)
        file = -1
        return false
    }

    private mutating func makeFile(_ mode: mode_t) throws(MapError) {
        self.file = try withFreeName { (folder, temporary) throws(MapError) in
            do throws(MapError) {
                return try systemOpen(
                    in: folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            } catch  where error.errno == EACCES || error.errno == EROFS || error.errno == EPERM {
                throw error.hinting(
                    "the new file is written next to the old one, so the folder must be writable")
            }
        }
    }

    /// Gives the file without a name one, for a moment: only rename(2) replaces another file.
    private mutating func nameFile() throws(MapError) {
        let file = file
        try withFreeName { (folder, temporary) throws(MapError) in
            try systemLink(file, in: folder, as: temporary)
        }
    }

    /// Calls `body` with random names until one is not taken.
    private mutating func withFreeName<Result>(
        _ body: (_ folder: CInt, _ temporary: UnsafePointer<CChar>) throws(MapError) -> Result
    ) throws(MapError) -> Result {
        for _ in 0..<100 {
            setTemporary()
            var result: Result?
            do throws(MapError) {
                try withNames { (folder, temporary, _) throws(MapError) in
                    result = try body(folder, temporary)
                }
            } catch {
                // It is not ours.
                temporary.0 = 0
                if error.errno != EEXIST { throw error }
            }
            if let result { return result }
        }
        throw MapError(.open, errno: EEXIST)
    }

    /// ".mmap-0123456789abcdef", of random digits.
    private mutating func setTemporary() {
        var random: UInt64 = 0
        if !mm_random(&random) {
            random = UInt64(getpid()) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(time(nil))
        }
        withUnsafeMutableBytes(of: &temporary) { text in
            var place = 0
            for byte in ".mmap-".utf8 {
                text[place] = byte
                place &+= 1
            }
            for _ in 0..<16 {
                let digit = UInt8(random & 15)
                text[place] = digit < 10 ? 48 &+ digit : 87 &+ digit
                random &>>= 4
                place &+= 1
            }
            text[place] = 0
        }
    }

    /// Opens the folder of the file, whose name goes to `name`.
    private mutating func findFolder(_ path: UnsafePointer<CChar>) throws(MapError) -> CInt {
        guard let policy = FilePolicy.current else { return try followLinks(path) }
        let (found, target) = try policy.openFolder(of: path)
        guard setName(target.bytes) else {
            systemClose(found)
            throw MapError(.open, errno: ENAMETOOLONG)
        }
        return found
    }

    private mutating func setName(_ bytes: some Collection<UInt8>) -> Bool {
        guard bytes.count < 256 else { return false }
        withUnsafeMutableBytes(of: &name) { text in
            var place = 0
            for byte in bytes {
                text[place] = byte
                place &+= 1
            }
            text[place] = 0
        }
        return true
    }

    /// The same where all folders are open to this process: link by link, each from the folder that it is in.
    private mutating func followLinks(_ path: UnsafePointer<CChar>) throws(MapError) -> CInt {
        var ahead = UnsafeBufferPointer(start: path, count: strlen(path)).map { UInt8(bitPattern: $0) }
        var place = AT_FDCWD
        var links = 0
        while true {
            let slash = ahead.lastIndex(of: UInt8(ascii: "/"))
            let last = slash.map { ahead[($0 &+ 1)...] } ?? ahead[...]
            let isFolder = last.isEmpty || last.elementsEqual([46]) || last.elementsEqual([46, 46])
            var folder = place
            var failure: MapError?
            if ahead.isEmpty {
                failure = MapError(.open, errno: ENOENT)
            } else if isFolder {
                failure = MapError(.open, errno: EISDIR, "this is a folder")
            } else if !setName(last) {
                failure = MapError(.open, errno: ENAMETOOLONG)
            } else {
                let names =
                    slash.map { $0 == 0 ? [UInt8(ascii: "/")] : Array(ahead[..<$0]) } ?? [UInt8(ascii: ".")]
                do throws(MapError) { folder = try openFolder(place, names) } catch { failure = error }
            }
            if place >= 0 { systemClose(place) }
            if let failure { throw failure }
            place = folder
            guard let target = target(in: folder) else { return folder }
            links &+= 1
            if links > 40 {
                systemClose(folder)
                throw MapError(.open, errno: ELOOP)
            }
            ahead = target
        }
    }

    private func openFolder(_ place: CInt, _ names: [UInt8]) throws(MapError) -> CInt {
        let path = names.map { CChar(bitPattern: $0) } + [0]
        var folder: CInt = -1
        try path.withUnsafeBufferPointer { (path) throws(MapError) in
            guard let start = path.baseAddress else { return }
            folder = try systemOpen(in: place, start, pathOnly | O_DIRECTORY)
        }
        return folder
    }

    /// Where the link of the name leads; nil where it is none.
    private func target(in folder: CInt) -> [UInt8]? {
        var target: [UInt8]?
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            withUnsafeBytes(of: name) { name in
                guard let start = name.bindMemory(to: CChar.self).baseAddress else { return }
                if let count = systemLink(in: folder, start, buffer) {
                    target = buffer.prefix(count).map { UInt8(bitPattern: $0) }
                }
            }
        }
        return target
    }
}

extension MappedBytes {
    /// Why the kernel could not read bytes of a mapping: it says EFAULT where a page is gone, and the guard does not see it.
    func cause(of error: MapError, _ bytes: UnsafeRawBufferPointer) -> MapError {
        guard error.errno == EFAULT else { return cause(error) }
        var region = region
        region.base = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        region.length = bytes.count
        var place = 0
        while place < bytes.count && isIntact {
            _ = mm_load_byte(&region, UInt64(place))
            place &+= pageSize
        }
        _ = mm_load_byte(&region, UInt64(max(0, bytes.count &- 1)))
        return cause(error)
    }

    /// Writes bytes of a range to an open file of the C library, after what it has buffered.
    ///
    /// - Returns: The number of bytes.
    /// - Throws: `systemCall` of write(2), `interrupted`; `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`,
    ///   `notReadable`. Some of the bytes may be written then.
    package func write(
        _ offset: Int, _ length: Int?, to stream: UnsafeMutablePointer<FILE>, shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        let (current, all) = try readable(offset, length)
        while fflush(stream) != 0 {
            let code = errno
            guard code == EINTR || code == EAGAIN else { throw MapError(.write, errno: code) }
            if !shouldContinue(0) { throw MapError(.interrupted) }
        }
        let descriptor = fileno(stream)
        defer {
            // The C library does not know that the file has gone on.
            let place = lseek(descriptor, 0, SEEK_CUR)
            if place >= 0 { _ = fseeko(stream, place, SEEK_SET) }
        }
        do { try systemWrite(descriptor, all, shouldContinue: shouldContinue) } catch {
            throw current.cause(of: error, all)
        }
        try current.checkIntact()
        return all.count
    }
}
