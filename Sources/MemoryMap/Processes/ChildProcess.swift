package import CMemoryMap
internal import Glibc

// Child processes. There is no fork(2) here, because other threads may hold locks.

/// Starts a program: posix_spawn(3). Its standard input is /dev/null; standard output and standard error are
/// those of this process.
///
/// - Parameters:
///   - path: The program.
///   - arguments: argv, which ends with a null pointer.
///   - descriptors: The descriptors that it inherits, with the same numbers; none below 3. All others are
///     closed.
/// - Throws: `systemCall` (`EAGAIN`, `ENOMEM`, `ENOENT`, `EACCES` …).
package func startProcess(
    _ path: UnsafePointer<CChar>, _ arguments: UnsafePointer<UnsafeMutablePointer<CChar>?>,
    descriptors: UnsafeBufferPointer<CInt>
) throws(MapError) -> CInt {
    var actions = posix_spawn_file_actions_t()
    var child = CInt()
    var error = posix_spawn_file_actions_init(&actions)
    if error == 0 {
        defer { posix_spawn_file_actions_destroy(&actions) }
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for descriptor in descriptors where error == 0 {
            // For a descriptor onto itself, this clears close-on-exec.
            error = posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor)
        }
        if error == 0 {
            let trace = Trace()
            error = posix_spawn(&child, path, &actions, nil, arguments, environ)
            errno = error
            trace.end("posix_spawn", error == 0 ? Int(child) : -1) { $0.argument(path: path) }
        }
    }
    if error != 0 { throw MapError(.posix_spawn, errno: error) }
    return child
}

/// A descriptor that becomes readable when the process ends, or nil if the kernel provides none:
/// pidfd_open(2).
package func watchProcess(_ process: CInt) -> CInt? {
    let trace = Trace()
    let descriptor = mm_pidfd(process)
    trace.end("pidfd_open", Int(descriptor)) {
        $0.argument(process)
        $0.argument(0)
    }
    return descriptor >= 0 ? descriptor : nil
}

/// Waits for a child process, and reaps it: poll(2) and waitpid(2). A call waits 50 ms at most.
///
/// - Parameters:
///   - watch: The result of `watchProcess`.
///   - nanoseconds: The longest time to wait; 0 only checks the state.
/// - Returns: Its status, see waitpid(2); nil while it runs.
/// - Throws: `systemCall` with `ECHILD` if other code has reaped the child.
package func awaitProcess(_ process: CInt, _ watch: CInt?, nanoseconds: Int64) throws(MapError) -> CInt? {
    if let status = try endOfProcess(process) { return status }
    guard nanoseconds > 0 else { return nil }
    // Without a watch, the state is checked at short intervals.
    let most: Int64 = watch == nil ? 5_000_000 : 50_000_000
    var waiting = pollfd(fd: watch ?? -1, events: Int16(POLLIN), revents: 0)
    let trace = Trace()
    let milliseconds = CInt((min(nanoseconds, most) &+ 999_999) / 1_000_000)
    let result = poll(&waiting, watch == nil ? 0 : 1, milliseconds)
    trace.end("poll", Int(result)) {
        $0.argument(text: "{…}")
        $0.argument(watch == nil ? 0 : 1)
        $0.argument(milliseconds)
    }
    return try endOfProcess(process)
}

private func endOfProcess(_ process: CInt) throws(MapError) -> CInt? {
    var status: CInt = 0
    let ended = try retrying(.waitpid, "waitpid", { Int(waitpid(process, &status, WNOHANG)) }) {
        $0.argument(process)
        $0.argument(text: "{…}")
        $0.argument(text: "WNOHANG")
    }
    return ended == Int(process) ? status : nil
}

/// Sends a signal to a child: pidfd_send_signal(2), which cannot reach another process that has reused its
/// process ID; kill(2) without a watch.
///
/// - Returns: False if it has ended.
package func signalProcess(_ process: CInt, _ watch: CInt?, _ signal: CInt) throws(MapError) -> Bool {
    let trace = Trace()
    let result = watch.map { mm_pidfd_signal($0, signal) } ?? kill(process, signal)
    trace.end(watch == nil ? "kill" : "pidfd_send_signal", Int(result)) {
        $0.argument(watch ?? process)
        $0.argument(signal)
    }
    if result == 0 { return true }
    if errno == ESRCH { return false }
    throw MapError(.kill, errno: errno)
}

extension MappedBytes {
    /// A descriptor of the mapped file, for another process to map; open for writing if the mapping is
    /// writable.
    ///
    /// - Returns: At least 3. The caller closes it.
    /// - Throws: `misuse` for a private or empty mapping; `systemCall` if the file cannot be opened again;
    ///   `closed`, `lost`.
    package func descriptorToShare() throws(MapError) -> CInt {
        var current = self
        try current.refresh()
        let slot = current.region.slot.pointee
        guard MapFlags(rawValue: slot.flags).isShared else {
            throw MapError(.misuse, "another process cannot see the bytes of a private mapping").because(
                .privateMapping)
        }
        guard slot.start != 0 else { throw MapError(.misuse, "an empty mapping cannot be shared") }
        let descriptor: Descriptor
        do {
            descriptor = try current.openFile(
                for: .open, slot.protection & PROT_WRITE != 0 ? O_RDWR : O_RDONLY)
        } catch {
            throw slot.kind == MM_ANONYMOUS
                ? MapError(
                    error.call ?? .open, errno: error.errno,
                    "this shared anonymous memory has no descriptor to pass on"
                ).because(.noDescriptor) : error
        }
        guard descriptor < 3 else { return descriptor }
        defer { systemClose(descriptor) }
        return try systemDuplicate(descriptor)
    }
}

/// Maps a file that another process shares. Takes ownership of the descriptor, even if it throws.
///
/// - Parameters:
///   - offset: Of the first byte in the file; need not be a multiple of the page size.
///   - keeps: Whether the mapping keeps the descriptor, because the file has no path.
/// - Throws: `systemCall`.
package func adoptRegion(
    _ descriptor: CInt, offset: Int, length: Int, protection: Protection, keeps: Bool, isAnonymous: Bool
) throws(MapError) -> mm_region {
    let region: mm_region
    do {
        region = try mapRegion(
            length: length, protection: protection, flags: .shared, descriptor: descriptor, offset: offset)
    } catch {
        systemClose(descriptor)
        throw error
    }
    if isAnonymous { region.slot.pointee.kind = Int32(MM_ANONYMOUS) }
    if keeps {
        mm_close_on_exec(descriptor)
        region.slot.pointee.keeper = descriptor &+ 1
    } else {
        systemClose(descriptor)
    }
    return region
}
