internal import Glibc

/// The reason why one of the program's own files (history, key bindings, lessons) was not opened.
struct PlainFileFailure: Error, CustomStringConvertible {
    /// nil if the path exists and is not a regular file.
    let errno: CInt?

    /// False for a missing file or one without permission, which is not worth a message.
    var isWorthSaying: Bool { errno != ENOENT && errno != EACCES && errno != ENOTDIR }
    var description: String { errno.map { String(cString: strerror($0)) } ?? "it is not a regular file" }
}

/// open(2) for regular files only; symbolic links are followed. open(2) of a pipe would wait for the other end; a
/// device may be endless or react to being opened.
func openPlain(_ path: String, _ flags: CInt) -> Result<CInt, PlainFileFailure> {
    let file = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o600)
    // ENXIO: a socket, or a pipe without a reader.
    guard file >= 0 else { return .failure(PlainFileFailure(errno: errno == ENXIO ? nil : errno)) }
    var status = stat()
    if fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG { return .success(file) }
    close(file)
    return .failure(PlainFileFailure(errno: nil))
}
