internal import Glibc

/// Why a file that this program reads or writes by itself was not opened.
struct PlainFileFailure: Error, CustomStringConvertible {
    /// nil for what is there and is no regular file.
    let errno: CInt?

    /// What is missing, or belongs to somebody else, is nothing to tell about.
    var isWorthSaying: Bool { errno != ENOENT && errno != EACCES && errno != ENOTDIR }
    var description: String { errno.map { String(cString: strerror($0)) } ?? "it is not a regular file" }
}

/// open(2) of a regular file; links are followed. Of a pipe it would wait for the other end, a device may have no end, or
/// do something because it is opened.
func openPlain(_ path: String, _ flags: CInt) -> Result<CInt, PlainFileFailure> {
    let file = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o600)
    // A socket, or a pipe that nobody reads.
    guard file >= 0 else { return .failure(PlainFileFailure(errno: errno == ENXIO ? nil : errno)) }
    var status = stat()
    if fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG { return .success(file) }
    close(file)
    return .failure(PlainFileFailure(errno: nil))
}
