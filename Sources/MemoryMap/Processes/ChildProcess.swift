package import CMemoryMap
internal import Glibc

// Processes that this one starts. There is no fork(2) here: other threads may hold locks.

/// Starts a program: posix_spawn(3). It reads nothing (/dev/null) and writes where this process does.
///
/// - Parameters:
///   - path: The program.
///   - arguments: argv, which ends with a null.
///   - descriptors: What it gets of this process, by the same numbers; none below 3. Everything else is closed.
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
            // Of a number onto itself this takes away close-on-exec.
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

/// A descriptor that is readable once the process has ended, or nil where the kernel has none: pidfd_open(2).
package func watchProcess(_ process: CInt) -> CInt? {
    let trace = Trace()
    let descriptor = mm_pidfd(process)
    trace.end("pidfd_open", Int(descriptor)) {
        $0.argument(process)
        $0.argument(0)
    }
    return descriptor >= 0 ? descriptor : nil
}

/// Waits for a child of this process, which is no zombie afterwards: poll(2) and waitpid(2).
///
/// - Parameters:
///   - watch: What `watchProcess` gave.
///   - nanoseconds: How long; 0 only asks.
/// - Returns: Its status as of waitpid(2); nil while it runs.
/// - Throws: `systemCall` with `ECHILD` where somebody else has asked for its status.
package func awaitProcess(_ process: CInt, _ watch: CInt?, nanoseconds: Int64) throws(MapError) -> CInt? {
    if let status = try endOfProcess(process) { return status }
    guard nanoseconds > 0 else { return nil }
    // Without a watch there is nothing but to ask again and again.
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

/// Sends a child a signal: pidfd_send_signal(2), which cannot meet another process that has its number by now; kill(2)
/// without a watch.
///
/// - Returns: False where it has ended.
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
    /// A descriptor of what is mapped, for another process to map: with the right to write where the mapping has it.
    ///
    /// - Returns: One that is the caller's, none of the three standard ones.
    /// - Throws: `misuse` for a private or empty mapping; `systemCall` where the file cannot be opened again;
    ///   `closed`, `lost`.
    package func descriptorToShare() throws(MapError) -> CInt {
        var current = self
        try current.refresh()
        let slot = current.region.slot.pointee
        guard MapFlags(rawValue: slot.flags).isShared else {
            throw MapError(.misuse, "a private mapping has bytes that no other process can see").because(
                .privateMapping)
        }
        guard slot.start != 0 else { throw MapError(.misuse, "an empty mapping has nothing to share") }
        let descriptor: Descriptor
        do {
            descriptor = try current.openFile(
                for: .open, slot.protection & PROT_WRITE != 0 ? O_RDWR : O_RDONLY)
        } catch {
            throw slot.kind == MM_ANONYMOUS
                ? MapError(
                    error.call ?? .open, errno: error.errno,
                    "this shared anonymous memory has no descriptor to give away"
                ).because(.noDescriptor) : error
        }
        guard descriptor < 3 else { return descriptor }
        defer { systemClose(descriptor) }
        return try systemDuplicate(descriptor)
    }
}

/// Maps what another process shares, and owns the descriptor from then on.
///
/// - Parameters:
///   - offset: Of the first byte in the file, any.
///   - keeps: Whether the mapping is to keep the descriptor, because no path leads to the file.
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
