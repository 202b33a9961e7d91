internal import CMemoryMap
internal import Glibc

// System calls for memory that processes share; see SystemCalls.swift.

/// unlink(2), if the sandbox policy allows it.
func systemRemove(_ path: UnsafePointer<CChar>) throws(MapError) {
    if let policy = FilePolicy.current {
        do { try policy.remove(path) } catch {
            switch error {
            case .failed(let code): throw MapError(.unlink, errno: code)
            case .refused:
                throw MapError(
                    .unlink, errno: EACCES, "removing it is not allowed"
                ).because(.removingRefused)
            }
        }
        return
    }
    let trace = Trace()
    let result = unlink(path)
    trace.end("unlink", Int(result)) { $0.argument(path: path) }
    if result == -1 { throw MapError(.unlink, errno: errno) }
}

/// The process's limit of file descriptors: getrlimit(2) with `RLIMIT_NOFILE`.
func systemDescriptorLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    return Int(clamping: limit.rlim_cur)
}

/// fcntl(2) with `F_DUPFD_CLOEXEC`.
func systemDuplicate(_ descriptor: Descriptor) throws(MapError) -> Descriptor {
    let trace = Trace()
    let copy = mm_duplicate(descriptor)
    trace.end("fcntl", Int(copy)) {
        $0.argument(descriptor)
        $0.argument(text: "F_DUPFD_CLOEXEC")
        $0.argument(3)
    }
    if copy == -1 { throw MapError(.fcntl, errno: errno) }
    return copy
}

/// fcntl(2) with `F_ADD_SEALS`: permanently fixes the size of a file of memfd_create(2).
func systemSealSize(_ descriptor: Descriptor) throws(MapError) {
    let trace = Trace()
    let result = mm_seal_size(descriptor)
    trace.end("fcntl", Int(result)) {
        $0.argument(descriptor)
        $0.argument(text: "F_ADD_SEALS")
        $0.argument(text: "F_SEAL_SHRINK|F_SEAL_GROW")
    }
    if result == -1 { throw MapError(.fcntl, errno: errno) }
}

/// fcntl(2) with `F_OFD_SETLK`, in bytes.
///
/// - Returns: False if another lock conflicts.
func systemLockRange(
    _ descriptor: Descriptor, _ isExclusive: Bool, _ offset: Int, _ length: Int
) throws(MapError) -> Bool {
    do {
        try retrying(
            .fcntl, "fcntl", { Int(mm_lock_range(descriptor, isExclusive, Int64(offset), Int64(length))) }
        ) {
            $0.argument(descriptor)
            $0.argument(text: "F_OFD_SETLK")
            $0.argument(text: isExclusive ? "F_WRLCK" : "F_RDLCK")
            $0.argument(offset)
            $0.argument(length)
        }
        return true
    } catch {
        if error.errno == EAGAIN || error.errno == EACCES { return false }
        throw error
    }
}

/// The reason that a wait ended.
enum Waking { case woken, changed, timeout, signal }

/// futex(2) with `FUTEX_WAIT`, between processes.
///
/// - Parameter nanoseconds: The longest time to wait.
func systemWait(
    _ place: UnsafePointer<UInt8>, while value: UInt32, _ nanoseconds: Int64
) throws(MapError) -> Waking {
    let trace = Trace()
    let result = mm_futex_wait(place, value, nanoseconds)
    trace.end("futex", Int(result)) {
        $0.argument(UnsafeRawPointer(place))
        $0.argument(text: "FUTEX_WAIT")
        $0.argument(Int(value))
        $0.argument(text: "{…}")
    }
    if result == 0 { return .woken }
    switch errno {
    case EAGAIN: return .changed
    case ETIMEDOUT: return .timeout
    case EINTR: return .signal
    default: throw MapError(.futex, errno: errno)
    }
}

/// futex(2) with `FUTEX_WAKE`, between processes.
///
/// - Returns: The number of waiters that were woken.
func systemWake(_ place: UnsafePointer<UInt8>, _ count: CInt) throws(MapError) -> Int {
    let trace = Trace()
    let result = mm_futex_wake(place, count)
    trace.end("futex", Int(result)) {
        $0.argument(UnsafeRawPointer(place))
        $0.argument(text: "FUTEX_WAKE")
        $0.argument(count)
    }
    if result == -1 { throw MapError(.futex, errno: errno) }
    return Int(result)
}
