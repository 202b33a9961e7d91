internal import CMemoryMap
internal import Glibc

// Wrappers of system calls, one function for each. A wrapper throws `errno` as a `MapError`, retries after
// `EINTR`, and reports the call if tracing is on.

typealias Descriptor = CInt

@inline(__always)
private func check(
    _ call: SystemCall, _ trace: Trace, _ result: CInt, _ arguments: (inout TraceLine) -> Void
) throws(MapError) {
    trace.end(call.name, Int(result), arguments)
    if result == -1 { throw MapError(call, errno: errno) }
}

/// Makes a system call and repeats it while a signal interrupts it. The trace shows each attempt.
///
/// - Returns: The result of the call, never -1.
/// - Throws: `systemCall` with `errno`.
@discardableResult @inline(__always)
func retrying(
    _ call: SystemCall, _ name: StaticString, _ body: () -> Int, _ arguments: (inout TraceLine) -> Void
) throws(MapError) -> Int {
    while true {
        let trace = Trace()
        let result = body()
        trace.end(name, result, arguments)
        if result != -1 { return result }
        if errno != EINTR { throw MapError(call, errno: errno) }
    }
}

/// open(2), if the sandbox policy allows it. Never waits for the other end of a FIFO, and never acquires a
/// controlling terminal.
func systemOpen(
    _ path: UnsafePointer<CChar>, _ flags: CInt, mode: mode_t = 0o666
) throws(MapError) -> Descriptor {
    let flags = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    if let policy = FilePolicy.current { return try policy.openForMapping(path, flags, mode) }
    let descriptor = try retrying(.open, "open", { Int(open(path, flags, mode)) }) {
        $0.argument(path: path)
        $0.argument(openFlags: flags)
        if flags & O_CREAT != 0 { $0.argument(text: mode == 0o600 ? "0600" : "0666") }
    }
    return CInt(truncatingIfNeeded: descriptor)
}

/// fstat(2).
func systemStatus(_ descriptor: Descriptor) throws(MapError) -> stat {
    var status = stat()
    let trace = Trace()
    let result = fstat(descriptor, &status)
    try check(.fstat, trace, result) {
        $0.argument(descriptor)
        $0.argument(text: "{…}")
    }
    return status
}

/// stat(2), if the sandbox policy allows it; nil if there is no such file, or on another error.
func systemStatus(of path: UnsafePointer<CChar>) -> stat? {
    if let policy = FilePolicy.current {
        guard let descriptor = try? policy.open(path, pathOnly) else { return nil }
        defer { systemClose(descriptor) }
        return try? systemStatus(descriptor)
    }
    var status = stat()
    let trace = Trace()
    let result = stat(path, &status)
    trace.end("stat", Int(result)) {
        $0.argument(path: path)
        $0.argument(text: "{…}")
    }
    return result == 0 ? status : nil
}

/// Whether the file is in proc(5) or sysfs(5), where every file has size 0 even if it can be read:
/// fstatfs(2).
func systemIsVirtual(_ descriptor: Descriptor) -> Bool {
    mm_is_virtual(descriptor)
}

/// The page size in bytes of a hugetlbfs file, nil for all other files: fstatfs(2).
func systemHugePageSize(_ descriptor: Descriptor) -> Int? {
    let size = mm_huge_page_size(descriptor)
    return size > 0 ? size : nil
}

/// Throws if `ulimit -f` forbids the file to grow to this size: the kernel would send SIGXFSZ, which ends the
/// process unless the host handles it.
private func requireFileLimit(_ call: SystemCall, _ descriptor: Descriptor, _ size: Int) throws(MapError) {
    guard size > 0, !mm_may_have_size(UInt64(size)), try size > Int(systemStatus(descriptor).st_size) else {
        return
    }
    throw MapError(
        call, errno: EFBIG, "%1 bytes exceed the limit of file size (\"ulimit -f\")", size)
}

/// ftruncate(2), in bytes.
func systemTruncate(_ descriptor: Descriptor, to size: Int) throws(MapError) {
    try requireFileLimit(.ftruncate, descriptor, size)
    try retrying(.ftruncate, "ftruncate", { Int(ftruncate(descriptor, off_t(size))) }) {
        $0.argument(descriptor)
        $0.argument(size)
    }
}

/// posix_fallocate(3): allocates disk space, so that a full disk is an error now and not a SIGBUS later.
///
/// - Parameters:
///   - isEmptied: Whether the file has just given up the same space, which some file systems report as free
///     only later.
///   - shouldContinue: Called from time to time with the number of bytes done; returns false to stop. Allocated space
///     stays allocated.
func systemAllocate(
    _ descriptor: Descriptor, from offset: Int, count: Int, isEmptied: Bool = false,
    shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) {
    guard count > 0 else { return }
    try requireFileLimit(.fallocate, descriptor, offset.addingReportingOverflow(count).partialValue)
    // tmpfs checks for enough memory first, and a signal interrupts it. In steps it would fill the memory
    // before it fails.
    let isLong = count >= longExtent && mm_cache_kind_of(descriptor) != MM_CACHE_MEMORY
    // Other file systems would fill the disk before the last step fails.
    if isLong && !isEmptied && !mm_may_have_space(descriptor, UInt64(count)) {
        throw MapError(.fallocate, errno: ENOSPC)
    }
    var done = 0
    while done < count {
        let part = isLong ? min(4 &* stepExtent, count &- done) : count
        let trace = Trace()
        let error = posix_fallocate(descriptor, off_t(offset &+ done), off_t(part))
        // posix_fallocate(3) returns the error and does not set errno.
        errno = error
        trace.end("posix_fallocate", error == 0 ? 0 : -1) {
            $0.argument(descriptor)
            $0.argument(offset &+ done)
            $0.argument(part)
        }
        if error == 0 { done &+= part } else if error != EINTR { throw MapError(.fallocate, errno: error) }
        if done < count && !shouldContinue(done) { throw MapError(.interrupted) }
    }
}

/// lseek(2) to the end: the size of a block device, in bytes.
func systemEnd(_ descriptor: Descriptor) throws(MapError) -> Int {
    let trace = Trace()
    let end = lseek(descriptor, 0, SEEK_END)
    trace.end("lseek", Int(end)) {
        $0.argument(descriptor)
        $0.argument(0)
        $0.argument(text: "SEEK_END")
    }
    if end == -1 { throw MapError(.lseek, errno: errno) }
    return Int(end)
}

/// mmap(2) at an address that the kernel chooses, within the budget and the sandbox policy.
func systemMap(
    _ extent: Int, _ protection: CInt, _ flags: CInt, _ descriptor: Descriptor, _ offset: Int,
    _ account: Account
) throws(MapError) -> UnsafeMutableRawPointer {
    try requireHarmless(.mmap, protection)
    unmapWaiting()
    try takeMemory(.mmap, extent, account)
    let trace = Trace()
    let address = mmap(nil, extent, protection, flags, descriptor, off_t(offset))
    trace.end("mmap", Int(bitPattern: address), isAddress: true) {
        $0.argument(nil)
        $0.argument(extent)
        $0.argument(protection: protection)
        $0.argument(mapFlags: flags)
        $0.argument(descriptor)
        $0.argument(offset)
    }
    guard let address, address != MAP_FAILED else {
        let code = errno
        account.give(extent)
        throw MapError(.mmap, errno: code)
    }
    return address
}

/// munmap(2).
func systemUnmap(
    _ address: UnsafeMutableRawPointer, _ extent: Int, _ account: Account
) throws(MapError) {
    let trace = Trace()
    let result = munmap(address, extent)
    try check(.munmap, trace, result) {
        $0.argument(address)
        $0.argument(extent)
    }
    account.give(extent)
}

/// mremap(2) with `MREMAP_MAYMOVE`.
func systemRemap(
    _ address: UnsafeMutableRawPointer, from old: Int, to new: Int, _ account: Account
) throws(MapError) -> UnsafeMutableRawPointer {
    let more = max(0, new &- old)
    try takeMemory(.mremap, more, account)
    let trace = Trace()
    let moved = mm_mremap(address, old, new)
    trace.end("mremap", Int(bitPattern: moved), isAddress: true) {
        $0.argument(address)
        $0.argument(old)
        $0.argument(new)
        $0.argument(text: "MREMAP_MAYMOVE")
    }
    if moved == MAP_FAILED {
        let code = errno
        account.give(more)
        let error = MapError(.mremap, errno: code)
        // For the kernel, parts with different properties are separate mappings, and mremap(2) resizes only
        // one.
        throw code == EFAULT
            ? error.hinting(
                "a part has other advice, locks or protection than the rest, or had when it was written: before that, make the whole uniform with unlock() and advise(\"normal\")"
            ) : error
    }
    account.give(max(0, old &- new))
    return moved
}

/// mprotect(2).
func systemProtect(
    _ address: UnsafeMutableRawPointer, _ extent: Int, _ protection: CInt
) throws(MapError) {
    try requireHarmless(.mprotect, protection)
    let trace = Trace()
    let result = mprotect(address, extent, protection)
    try check(.mprotect, trace, result) {
        $0.argument(address)
        $0.argument(extent)
        $0.argument(protection: protection)
    }
}

/// madvise(2), if the sandbox policy allows it.
func systemAdvise(_ address: UnsafeMutableRawPointer?, _ extent: Int, _ advice: CInt) throws(MapError) {
    try requireHarmless(advice)
    try retrying(.madvise, "madvise", { Int(madvise(address, extent, advice)) }) {
        $0.argument(address)
        $0.argument(extent)
        $0.argument(advice: advice)
    }
}

/// msync(2).
func systemSync(_ address: UnsafeMutableRawPointer, _ extent: Int, _ flags: CInt) throws(MapError) {
    try retrying(.msync, "msync", { Int(msync(address, extent, flags)) }) {
        $0.argument(address)
        $0.argument(extent)
        $0.argument(syncFlags: flags)
    }
}

/// mincore(2): one byte per page into `vector`.
func systemResidency(
    _ address: UnsafeMutableRawPointer, _ extent: Int, _ vector: UnsafeMutablePointer<UInt8>
) throws(MapError) {
    while true {
        let trace = Trace()
        let result = mincore(address, extent, vector)
        trace.end("mincore", Int(result)) {
            $0.argument(address)
            $0.argument(extent)
            $0.argument(text: "[…]")
        }
        if result == 0 { return }
        if errno != EAGAIN { throw MapError(.mincore, errno: errno) }
    }
}

/// mlock(2), or mlock2(2) for `onFault`, which reads in no pages.
func systemLock(
    _ address: UnsafeMutableRawPointer, _ extent: Int, onFault: Bool = false
) throws(MapError) {
    let trace = Trace()
    let result = onFault ? mm_lock_on_fault(address, extent) : mlock(address, extent)
    trace.end(onFault ? "mlock2" : "mlock", Int(result)) {
        $0.argument(address)
        $0.argument(extent)
        if onFault { $0.argument(text: "MLOCK_ONFAULT") }
    }
    if result == -1 { throw MapError(.mlock, errno: errno) }
}

/// munlock(2).
func systemUnlock(_ address: UnsafeMutableRawPointer, _ extent: Int) throws(MapError) {
    let trace = Trace()
    let result = munlock(address, extent)
    try check(.munlock, trace, result) {
        $0.argument(address)
        $0.argument(extent)
    }
}

/// close(2). The result is ignored: the descriptor is closed even after an error (close(2), NOTES).
func systemClose(_ descriptor: Descriptor) {
    let trace = Trace()
    let result = close(descriptor)
    trace.end("close", Int(result)) { $0.argument(descriptor) }
}

/// unlink(2) of a file that was just created, after a failure. Errors are ignored.
func systemUnlink(_ path: UnsafePointer<CChar>) {
    if let policy = FilePolicy.current {
        try? policy.remove(path)
        return
    }
    let trace = Trace()
    let result = unlink(path)
    trace.end("unlink", Int(result)) { $0.argument(path: path) }
}

/// `AT_EMPTY_PATH`, which Swift's Glibc lacks: the call applies to the descriptor itself.
private let emptyPath: CInt = 0x1000

/// Whether the kernel tells this process which pages of the file are resident. Since Linux 5.2 mincore(2)
/// reports all pages as resident to a process that neither owns the file nor may write it.
func systemMayAskResidency(_ descriptor: Descriptor, _ status: stat) -> Bool {
    if status.st_uid == geteuid() || geteuid() == 0 { return true }
    return faccessat(descriptor, "", W_OK, AT_EACCESS | emptyPath) == 0
}

/// The free memory in bytes, from sysinfo(2), without the page cache.
func systemFreeMemory() -> Int {
    let (bytes, isOverflow) = sysconf(CInt(_SC_AVPHYS_PAGES)).multipliedReportingOverflow(by: pageSize)
    return isOverflow ? 0 : bytes
}
