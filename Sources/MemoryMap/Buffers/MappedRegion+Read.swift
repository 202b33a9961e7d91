package import CMemoryMap
package import Glibc

// Bytes that cannot be mapped: of pipes, terminals, and files that are made while they are read. They are read into
// anonymous memory.

/// All that an open file of the C library still gives.
///
/// - Parameters:
///   - max: More bytes than this are an error.
///   - shouldContinue: Asked with the number of bytes read; false stops.
/// - Throws: `systemCall` (`EFBIG` for more than `max`, `ENOMEM`, and as read(2)), `interrupted`.
package func readRegion(
    _ stream: UnsafeMutablePointer<FILE>, max: Int?, shouldContinue: ShouldContinue
) throws(MapError) -> mm_region {
    try fill(max, expected: 0, shouldContinue) { (room, count) throws(MapError) in
        while true {
            let found = fread(room.baseAddress, 1, room.count, stream)
            let code = errno
            if found == room.count || feof(stream) != 0 { return found }
            clearerr(stream)
            guard code == EINTR || code == EAGAIN else { throw MapError(.read, errno: code) }
            if found > 0 { return found }
            if !shouldContinue(count) { throw MapError(.interrupted) }
            if code == EAGAIN { _ = systemIsReady(fileno(stream), POLLIN) }
        }
    }
}

/// All bytes of a file that is opened by its path, within the bounds of this process.
///
/// - Parameters: See above.
/// - Throws: As above, and as open(2).
package func readRegion(
    path: UnsafePointer<CChar>, max: Int?, shouldContinue: ShouldContinue
) throws(MapError) -> mm_region {
    let descriptor = try systemOpen(path, O_RDONLY)
    defer { systemClose(descriptor) }
    let status = try systemStatus(descriptor)
    // The size is only a hint: files of proc(5) have none, and other files may change.
    let expected = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) &+ 1 : 0
    return try fill(max, expected: min(expected, 1 << 30), shouldContinue) { (room, count) throws(MapError) in
        try systemRead(descriptor, room) { shouldContinue(count) }
    }
}

/// The size of a file that can be read to its end, in bytes; nil where it has none.
package func sizeToRead(_ path: UnsafePointer<CChar>) -> Int? {
    guard let status = systemStatus(of: path), status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
}

/// Fills memory until `read` has no more.
private func fill(
    _ max: Int?, expected: Int, _ shouldContinue: ShouldContinue,
    _ read: (_ room: UnsafeMutableRawBufferPointer, _ count: Int) throws(MapError) -> Int
) throws(MapError) -> mm_region {
    var memory = try GrowingMemory(expected: expected)
    while true {
        var room = try memory.room()
        room = UnsafeMutableRawBufferPointer(rebasing: room.prefix(streamStep))
        let found = try read(room, memory.count)
        if found == 0 { return try memory.finish() }
        memory.fill(found)
        if let max, memory.count > max {
            throw MapError(.read, errno: EFBIG, "there are more than %1 bytes (max)", max)
        }
        if !shouldContinue(memory.count) { throw MapError(.interrupted) }
    }
}
