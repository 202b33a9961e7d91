internal import CMemoryMap
internal import Glibc

// The only place that calls the kernel and reads `errno`: one function per system call, named after
// it, retried where a signal interrupted it, and reported where that is asked for.

typealias Descriptor = CInt

@inline(__always)
private func check(
    _ call: SystemCall, _ trace: Trace, _ result: CInt, _ arguments: (inout TraceLine) -> Void
) throws(MapError) {
    trace.end(call.name, Int(result), arguments)
    if result == -1 { throw MapError(call, errno: errno) }
}

/// Makes a system call, and again while a signal interrupts it; the trace has each try.
///
/// - Returns: What it returned, which is not -1.
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

/// open(2), within the bounds of this process. Never waits for the other end of a pipe, never becomes a controlling
/// terminal.
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

/// stat(2), within the bounds of this process; nil where there is no such file or it cannot be asked.
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

/// Whether the file is one of proc(5) or sysfs(5), whose size is 0 whatever can be read there: fstatfs(2).
func systemIsVirtual(_ descriptor: Descriptor) -> Bool {
    mm_is_virtual(descriptor)
}

/// The page size in bytes of a file of hugetlbfs, nil for all others: fstatfs(2).
func systemHugePageSize(_ descriptor: Descriptor) -> Int? {
    let size = mm_huge_page_size(descriptor)
    return size > 0 ? size : nil
}

/// Throws where `ulimit -f` forbids that a file grows to this size: the kernel would send SIGXFSZ, which ends a process
/// whose host does not handle it.
private func requireFileLimit(_ call: SystemCall, _ descriptor: Descriptor, _ size: Int) throws(MapError) {
    guard size > 0, !mm_may_have_size(UInt64(size)), try size > Int(systemStatus(descriptor).st_size) else {
        return
    }
    throw MapError(
        call, errno: EFBIG, "%1 bytes are more than a file may have here (\"ulimit -f\")", size)
}

/// ftruncate(2), in bytes.
func systemTruncate(_ descriptor: Descriptor, to size: Int) throws(MapError) {
    try requireFileLimit(.ftruncate, descriptor, size)
    try retrying(.ftruncate, "ftruncate", { Int(ftruncate(descriptor, off_t(size))) }) {
        $0.argument(descriptor)
        $0.argument(size)
    }
}

/// posix_fallocate(3): space for the bytes, so that a full disk is an error now and no fault later.
///
/// - Parameters:
///   - isEmptied: The file had the space a moment ago, which some file systems count as free only later.
///   - poll: Asked now and then; false stops, and what has been allocated stays.
func systemAllocate(
    _ descriptor: Descriptor, from offset: Int, count: Int, isEmptied: Bool = false,
    poll: Poll = { _ in true }
) throws(MapError) {
    guard count > 0 else { return }
    try requireFileLimit(.fallocate, descriptor, offset.addingReportingOverflow(count).partialValue)
    // tmpfs looks first whether there is so much, and ends for a signal: it must not fill the memory step by step.
    let isLong = count >= longExtent && mm_cache_kind_of(descriptor) != MM_CACHE_MEMORY
    // Others would find the disk full until the last step fails.
    if isLong && !isEmptied && !mm_may_have_space(descriptor, UInt64(count)) {
        throw MapError(.fallocate, errno: ENOSPC)
    }
    var done = 0
    while done < count {
        let part = isLong ? min(4 &* stepExtent, count &- done) : count
        let trace = Trace()
        let error = posix_fallocate(descriptor, off_t(offset &+ done), off_t(part))
        // It returns the error and leaves errno alone.
        errno = error
        trace.end("posix_fallocate", error == 0 ? 0 : -1) {
            $0.argument(descriptor)
            $0.argument(offset &+ done)
            $0.argument(part)
        }
        if error == 0 { done &+= part } else if error != EINTR { throw MapError(.fallocate, errno: error) }
        if done < count && !poll(done) { throw MapError(.interrupted) }
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

/// mmap(2) at an address of the kernel's choice, within the bounds of this process.
func systemMap(
    _ extent: Int, _ protection: CInt, _ flags: CInt, _ descriptor: Descriptor, _ offset: Int
) throws(MapError) -> UnsafeMutableRawPointer {
    try requireHarmless(.mmap, protection)
    unmapWaiting()
    try takeMemory(.mmap, extent)
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
        mm_budget_give(extent)
        throw MapError(.mmap, errno: code)
    }
    return address
}

/// munmap(2).
func systemUnmap(_ address: UnsafeMutableRawPointer, _ extent: Int) throws(MapError) {
    let trace = Trace()
    let result = munmap(address, extent)
    try check(.munmap, trace, result) {
        $0.argument(address)
        $0.argument(extent)
    }
    mm_budget_give(extent)
}

/// mremap(2), moving where it must.
func systemRemap(
    _ address: UnsafeMutableRawPointer, from old: Int, to new: Int
) throws(MapError) -> UnsafeMutableRawPointer {
    let more = max(0, new &- old)
    try takeMemory(.mremap, more)
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
        mm_budget_give(more)
        let error = MapError(.mremap, errno: code)
        // So many mappings for the kernel as there are differences: it makes one of them larger only.
        throw code == EFAULT
            ? error.hinting(
                "a part has another advice, lock or protection than the rest, or had when it was written to: before that, make the whole alike by unlock() and advise(\"normal\")"
            ) : error
    }
    mm_budget_give(max(0, old &- new))
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

/// madvise(2), within the bounds of this process.
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

/// mlock(2); `onFault`, which brings no page in, is mlock2(2).
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

/// close(2). Its result is of no use: the descriptor is gone either way (close(2), NOTES).
func systemClose(_ descriptor: Descriptor) {
    let trace = Trace()
    let result = close(descriptor)
    trace.end("close", Int(result)) { $0.argument(descriptor) }
}

/// unlink(2), to take back a file that was made a moment ago; best effort.
func systemUnlink(_ path: UnsafePointer<CChar>) {
    if let policy = FilePolicy.current {
        try? policy.remove(path)
        return
    }
    let trace = Trace()
    let result = unlink(path)
    trace.end("unlink", Int(result)) { $0.argument(path: path) }
}

/// `AT_EMPTY_PATH`, which Swift's Glibc lacks: the descriptor itself is meant.
private let emptyPath: CInt = 0x1000

/// Whether the kernel tells this caller which pages of the file are resident. Since Linux 5.2
/// mincore(2) answers "all" to everyone who neither owns the file nor may write it.
func systemMayAskResidency(_ descriptor: Descriptor, _ status: stat) -> Bool {
    if status.st_uid == geteuid() || geteuid() == 0 { return true }
    return faccessat(descriptor, "", W_OK, AT_EACCESS | emptyPath) == 0
}
