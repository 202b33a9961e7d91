internal import CMemoryMap
internal import Glibc

// System calls that only the instruments use; see SystemCalls.swift.

/// open(2) of a file of proc(5) about this process. The sandbox policy does not apply: the library needs the
/// file, not the script.
func systemOpen(
    process path: UnsafePointer<CChar>, _ flags: CInt = O_RDONLY
) throws(MapError) -> Descriptor {
    let descriptor = try retrying(.open, "open", { Int(open(path, flags | O_CLOEXEC)) }) {
        $0.argument(path: path)
        $0.argument(openFlags: flags | O_CLOEXEC)
    }
    return CInt(truncatingIfNeeded: descriptor)
}

/// read(2); 0 at the end.
func systemRead(
    _ descriptor: Descriptor, _ memory: UnsafeMutableRawBufferPointer
) throws(MapError) -> Int {
    return try retrying(.read, "read", { read(descriptor, memory.baseAddress, memory.count) }) {
        $0.argument(descriptor)
        $0.argument(text: "[…]")
        $0.argument(memory.count)
    }
}

/// pread(2); 0 at the end.
func systemRead(
    _ descriptor: Descriptor, _ memory: UnsafeMutableRawBufferPointer, at offset: Int
) throws(MapError) -> Int {
    return try retrying(
        .read, "pread", { pread(descriptor, memory.baseAddress, memory.count, off_t(offset)) }
    ) {
        $0.argument(descriptor)
        $0.argument(text: "[…]")
        $0.argument(memory.count)
        $0.argument(offset)
    }
}

/// cachestat(2) of a range of a file, at least 1 byte.
func systemCacheState(
    _ descriptor: Descriptor, _ offset: Int, _ length: Int
) throws(MapError) -> mm_cache_state {
    var state = mm_cache_state()
    try retrying(
        .cachestat, "cachestat",
        {
            Int(
                mm_cachestat(
                    descriptor, UInt64(bitPattern: Int64(offset)), UInt64(bitPattern: Int64(length)), &state))
        }
    ) {
        $0.argument(descriptor)
        $0.argument(offset)
        $0.argument(length)
        $0.argument(text: "{…}")
        $0.argument(0)
    }
    return state
}

/// posix_fadvise(2) with `POSIX_FADV_DONTNEED`.
func systemForget(_ descriptor: Descriptor, _ offset: Int, _ length: Int) throws(MapError) {
    let trace = Trace()
    let error = posix_fadvise(descriptor, off_t(offset), off_t(length), CInt(POSIX_FADV_DONTNEED))
    // posix_fadvise(2) returns the error and does not set errno.
    errno = error
    trace.end("posix_fadvise", error == 0 ? 0 : -1) {
        $0.argument(descriptor)
        $0.argument(offset)
        $0.argument(length)
        $0.argument(text: "POSIX_FADV_DONTNEED")
    }
    if error != 0 { throw MapError(.posix_fadvise, errno: error) }
}

/// fdatasync(2).
func systemFlush(_ descriptor: Descriptor) throws(MapError) {
    try retrying(.fdatasync, "fdatasync", { Int(fdatasync(descriptor)) }) { $0.argument(descriptor) }
}

/// sync_file_range(2): waits until the dirty pages of the range are written.
func systemWriteOut(_ descriptor: Descriptor, _ offset: Int, _ length: Int) throws(MapError) {
    try retrying(
        .fdatasync, "sync_file_range", { Int(mm_write_out(descriptor, Int64(offset), Int64(length))) }
    ) {
        $0.argument(descriptor)
        $0.argument(offset)
        $0.argument(length)
        $0.argument(
            text: "SYNC_FILE_RANGE_WAIT_BEFORE|SYNC_FILE_RANGE_WRITE|SYNC_FILE_RANGE_WAIT_AFTER")
    }
}

/// lseek(2) to the next data or the next hole; nil if there is none after the offset.
func systemSeek(_ descriptor: Descriptor, _ offset: Int, toData: Bool) throws(MapError) -> Int? {
    // SEEK_DATA and SEEK_HOLE, GNU extensions that Swift's Glibc lacks.
    let trace = Trace()
    let found = lseek(descriptor, off_t(offset), toData ? 3 : 4)
    trace.end("lseek", Int(found)) {
        $0.argument(descriptor)
        $0.argument(offset)
        $0.argument(text: toData ? "SEEK_DATA" : "SEEK_HOLE")
    }
    if found >= 0 { return Int(found) }
    if errno == ENXIO { return nil }
    throw MapError(.lseek, errno: errno)
}

/// memfd_create(2).
func systemMemoryFile(
    _ name: UnsafePointer<CChar>, withSeals: Bool = false
) throws(MapError) -> Descriptor {
    let trace = Trace()
    let descriptor = mm_memfd(name, withSeals)
    trace.end("memfd_create", Int(descriptor)) {
        $0.argument(path: name)
        $0.argument(text: withSeals ? "MFD_CLOEXEC|MFD_ALLOW_SEALING" : "MFD_CLOEXEC")
    }
    if descriptor == -1 { throw MapError(.memfd_create, errno: errno) }
    return descriptor
}
