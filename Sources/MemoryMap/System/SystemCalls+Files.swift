internal import CMemoryMap
internal import Glibc

// System calls on open files and on names in an open folder.

/// What a step of reading or writing covers, in bytes.
let streamStep = 1 << 20

/// read(2); 0 at the end. Waits for data in steps of a tenth of a second.
///
/// - Parameter shouldContinue: Asked while it waits; false stops.
func systemRead(
    _ descriptor: Descriptor, _ memory: UnsafeMutableRawBufferPointer, shouldContinue: () -> Bool
) throws(MapError) -> Int {
    while true {
        // Waits here: read(2) itself is restarted after a signal.
        if systemIsReady(descriptor, POLLIN) {
            do throws(MapError) { return try systemRead(descriptor, memory) } catch
                where error.errno == EAGAIN
            {}
        }
        if !shouldContinue() { throw MapError(.interrupted) }
    }
}

/// poll(2) for up to a tenth of a second: whether the next call will not wait.
func systemIsReady(_ descriptor: Descriptor, _ events: CInt) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
    return Glibc.poll(&request, 1, 100) > 0
}

/// write(2) of all the bytes.
///
/// - Parameter shouldContinue: Asked every `streamStep` bytes with the number of those written; false stops.
func systemWrite(
    _ descriptor: Descriptor, _ memory: UnsafeRawBufferPointer, shouldContinue: ShouldContinue
) throws(MapError) {
    var done = 0
    while done < memory.count {
        let part = min(streamStep, memory.count &- done)
        let trace = Trace()
        let count = write(descriptor, memory.baseAddress.map { $0 + done }, part)
        trace.end("write", count) {
            $0.argument(descriptor)
            $0.argument(text: "[…]")
            $0.argument(part)
        }
        let code = errno
        if count < 0 {
            if code == EAGAIN {
                _ = systemIsReady(descriptor, POLLOUT)
            } else if code != EINTR {
                throw MapError(.write, errno: code)
            }
        }
        done &+= max(0, count)
        if !shouldContinue(done) { throw MapError(.interrupted) }
    }
}

/// fsync(2).
func systemSync(file descriptor: Descriptor) throws(MapError) {
    try retrying(.fsync, "fsync", { Int(fsync(descriptor)) }) { $0.argument(descriptor) }
}

/// openat(2); `name` has no slash, or leads to a folder.
func systemOpen(
    in folder: Descriptor, _ name: UnsafePointer<CChar>, _ flags: CInt, mode: mode_t = 0
) throws(MapError) -> Descriptor {
    let flags = flags | O_CLOEXEC | O_NOCTTY
    let descriptor = try retrying(.open, "openat", { Int(openat(folder, name, flags, mode)) }) {
        $0.argument(folder: folder)
        $0.argument(path: name)
        $0.argument(openFlags: flags)
    }
    return CInt(truncatingIfNeeded: descriptor)
}

/// fstatat(2) of a name itself, not of where a link leads; nil where there is none.
func systemStatus(in folder: Descriptor, _ name: UnsafePointer<CChar>) throws(MapError) -> stat? {
    var status = stat()
    let trace = Trace()
    let result = fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW)
    trace.end("newfstatat", Int(result)) {
        $0.argument(folder: folder)
        $0.argument(path: name)
        $0.argument(text: "{…}, AT_SYMLINK_NOFOLLOW")
    }
    if result == 0 { return status }
    if errno == ENOENT { return nil }
    throw MapError(.fstat, errno: errno)
}

/// readlinkat(2): the length of the target; nil where the name is no link.
func systemLink(
    in folder: Descriptor, _ name: UnsafePointer<CChar>, _ target: UnsafeMutableBufferPointer<CChar>
) -> Int? {
    guard let start = target.baseAddress else { return nil }
    let trace = Trace()
    let count = readlinkat(folder, name, start, target.count)
    trace.end("readlinkat", count) {
        $0.argument(folder: folder)
        $0.argument(path: name)
        $0.argument(text: "[…]")
    }
    return count >= 0 ? count : nil
}

/// renameat(2) within a folder.
func systemRename(
    in folder: Descriptor, _ old: UnsafePointer<CChar>, to new: UnsafePointer<CChar>
) throws(MapError) {
    let trace = Trace()
    let result = renameat(folder, old, folder, new)
    trace.end("renameat", Int(result)) {
        $0.argument(folder: folder)
        $0.argument(path: old)
        $0.argument(folder: folder)
        $0.argument(path: new)
    }
    if result != 0 { throw MapError(.rename, errno: errno) }
}

/// `O_TMPFILE` of open(2), which is GNU's; on x86 and ARM this bit and `O_DIRECTORY`.
let unnamedFile: CInt = 0o20_000_000 | O_DIRECTORY

/// Whether linkat(2) can name an open file: that needs the name of its descriptor in /proc.
func systemCanLink(_ descriptor: Descriptor) -> Bool {
    withDescriptorPath(descriptor) { path in
        let trace = Trace()
        let result = faccessat(AT_FDCWD, path, F_OK, 0)
        trace.end("faccessat", Int(result)) {
            $0.argument(folder: AT_FDCWD)
            $0.argument(path: path)
        }
        return result == 0
    }
}

/// linkat(2): gives an open file without a name one in a folder.
func systemLink(
    _ descriptor: Descriptor, in folder: Descriptor, as name: UnsafePointer<CChar>
) throws(MapError) {
    try withDescriptorPath(descriptor) { (path) throws(MapError) in
        let trace = Trace()
        let result = linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW)
        trace.end("linkat", Int(result)) {
            $0.argument(folder: AT_FDCWD)
            $0.argument(path: path)
            $0.argument(folder: folder)
            $0.argument(path: name)
        }
        if result != 0 { throw MapError(.link, errno: errno) }
    }
}

/// Calls `body` with the name of a descriptor in /proc, such as `/proc/self/fd/7`.
func withDescriptorPath<Result, Failure: Error>(
    _ descriptor: Descriptor, _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
) throws(Failure) -> Result {
    var memory: InlineArray<64, UInt8> = .init(repeating: 0)
    return try withUnsafeMutablePointer(to: &memory) { (memory) throws(Failure) in
        let path = UnsafeMutableRawPointer(memory)
        var text = FixedText(
            UnsafeMutableBufferPointer(start: path.assumingMemoryBound(to: UInt8.self), count: 64))
        text.text("/proc/self/fd/")
        text.decimal(Int(descriptor))
        return try body(path.assumingMemoryBound(to: CChar.self))
    }
}

/// unlinkat(2), to take back a file that was made a moment ago; best effort.
func systemUnlink(in folder: Descriptor, _ name: UnsafePointer<CChar>) {
    let trace = Trace()
    let result = unlinkat(folder, name, 0)
    trace.end("unlinkat", Int(result)) {
        $0.argument(folder: folder)
        $0.argument(path: name)
    }
}

/// fchown(2).
func systemOwn(_ descriptor: Descriptor, _ user: uid_t, _ group: gid_t) throws(MapError) {
    let trace = Trace()
    let result = fchown(descriptor, user, group)
    trace.end("fchown", Int(result)) {
        $0.argument(descriptor)
        $0.argument(Int(user))
        $0.argument(Int(group))
    }
    if result != 0 { throw MapError(.fchown, errno: errno) }
}

/// fchmod(2).
func systemMode(_ descriptor: Descriptor, _ mode: mode_t) throws(MapError) {
    let trace = Trace()
    let result = fchmod(descriptor, mode)
    trace.end("fchmod", Int(result)) {
        $0.argument(descriptor)
        $0.argument(Int(mode))
    }
    if result != 0 { throw MapError(.fchmod, errno: errno) }
}

extension TraceLine {
    fileprivate mutating func argument(folder: Descriptor) {
        if folder == AT_FDCWD { argument(text: "AT_FDCWD") } else { argument(folder) }
    }
}
