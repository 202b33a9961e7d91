package import CMemoryMap
internal import Glibc

/// How a file is opened for mapping.
public enum OpenMode: UInt8, Sendable {
    /// `"r"`: read-only, shared.
    case read
    /// `"r+"`: reading and writing, shared: changes reach the file.
    case readWrite
    /// `"c"`: reading and writing a private copy; the file never changes.
    case copyOnWrite
    /// `"w+"`: created or truncated; then reading and writing, shared.
    case truncate

    var protection: Protection { self == .read ? [.read] : [.read, .write] }
    var flags: MapFlags { self == .copyOnWrite ? .private : .shared }
    var mayGrow: Bool { self == .readWrite || self == .truncate }
}

/// Options for opening a file.
public struct OpenOptions: Sendable {
    /// The start of the mapping in the file, in bytes; need not be a multiple of the page size.
    public var offset = 0
    /// The number of bytes to map; nil means to the end of the file.
    public var length: Int?
    /// The new size of the file in bytes, for `OpenMode.truncate`.
    public var size = 0
    /// Whether to extend a file that is too short. The space is allocated, so a full disk is an error on
    /// opening.
    public var grow = false
    /// Whether it grows, or is made, by a hole: without space, which a full disk refuses later.
    public var sparse = false
    /// The expected use of the mapping: madvise(2).
    public var advice: Advice?
    /// Whether to read in all pages at once: `MAP_POPULATE`.
    public var populate = false
    /// Whether to lock all pages in memory: mlock(2).
    public var lock = false

    public init() {}
}

extension MappedRegion {
    /// Maps a file. Unlike mmap(2) this never maps past the end of the file; an empty file gives an
    /// empty mapping.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - mode: The access to the file.
    ///   - options: The part to map, and other options.
    /// - Throws: `systemCall` (`ENOENT`, `EACCES`, `EISDIR`, `ENODEV`, `ENOSPC` …),
    ///   `offsetOutOfRange`, `lengthOutOfRange`, `misuse`.
    public static func open(
        _ path: String, _ mode: OpenMode = .read, _ options: OpenOptions = OpenOptions()
    ) throws(MapError) -> MappedRegion {
        // A closure cannot throw a typed error through withCString, so it returns a Result.
        let result = path.withCString { pointer -> Result<mm_region, MapError> in
            do throws(MapError) { return .success(try openRegion(pointer, mode, options)) } catch {
                return .failure(error)
            }
        }
        return MappedRegion(adopting: try result.get())
    }
}

/// `MappedRegion.open` for callers that unmap the region themselves.
///
/// - Parameter shouldContinue: Called from time to time with the number of bytes done; returns false to stop, and
///   nothing stays mapped.
/// - Throws: As `MappedRegion.open`, and `interrupted`.
package func openRegion(
    _ path: UnsafePointer<CChar>, _ mode: OpenMode, _ options: OpenOptions,
    shouldContinue: ShouldContinue = { _ in true }
) throws(MapError) -> mm_region {
    if options.grow && !mode.mayGrow {
        throw MapError(.misuse, "option 'grow' needs mode \"r+\" or \"w+\"")
    }
    if options.size != 0 && mode != .truncate {
        throw MapError(.misuse, "option 'size' needs mode \"w+\"; in mode \"r+\" use length and grow")
    }
    if options.sparse && !options.grow && mode != .truncate {
        throw MapError(.misuse, "option 'sparse' needs mode \"w+\", or mode \"r+\" with grow = true")
    }
    guard options.size >= 0 else {
        throw MapError(.misuse, "size %1 is out of range: it must not be negative", options.size)
    }
    // Checked before the file is truncated or extended: a mapping that fails must not destroy its contents.
    if mode == .truncate {
        let size = try grownSize(options, from: options.size)
        try requireRoom(try partLength(options, fileSize: size), .mapped)
    } else if options.grow {
        try requireRoom(options.length ?? 0, .mapped)
    }
    let (descriptor, isNew) = try openFile(path, mode)
    defer { systemClose(descriptor) }
    do {
        let size = try prepareFile(descriptor, mode, options, shouldContinue)
        return try mapFile(descriptor, mode, options, size, shouldContinue)
    } catch {
        if isNew { systemUnlink(path) }
        throw error
    }
}

private func openFile(
    _ path: UnsafePointer<CChar>, _ mode: OpenMode
) throws(MapError) -> (descriptor: CInt, isNew: Bool) {
    guard mode == .truncate else {
        do { return (try systemOpen(path, mode == .readWrite ? O_RDWR : O_RDONLY), false) } catch {
            if error.errno == EISDIR { throw .directory }
            throw error.errno == EACCES && mode == .readWrite
                ? error.hinting(
                    "no permission to write the file; \"r\" and \"c\" need only permission to read")
                : error
        }
    }
    // O_EXCL tells whether this call creates the file: only then may a later failure remove it.
    do { return (try systemOpen(path, O_RDWR | O_CREAT | O_EXCL), true) } catch  where error.errno == EEXIST {
        // O_CREAT again, for a symbolic link whose target does not exist yet.
        return (try systemOpen(path, O_RDWR | O_CREAT), false)
    }
}

/// Checks the type of the file, truncates or extends it, and returns its size in bytes.
private func prepareFile(
    _ descriptor: CInt, _ mode: OpenMode, _ options: OpenOptions, _ shouldContinue: ShouldContinue
) throws(MapError) -> Int {
    let status = try systemStatus(descriptor)
    var size = Int(status.st_size)
    switch status.st_mode & S_IFMT {
    case S_IFREG:
        if size == 0 && systemIsVirtual(descriptor) {
            throw MapError(
                .mmap, errno: ENODEV,
                "the files of /proc and /sys have no pages to map"
            ).because(.virtualFile)
        }
    case S_IFDIR: throw .directory
    case S_IFBLK: size = try systemEnd(descriptor)
    case S_IFCHR:
        guard let length = options.length else {
            throw MapError(
                .mmap, errno: ENODEV, "a character device has no size; give a length if it can be mapped")
        }
        let (end, overflow) = options.offset.addingReportingOverflow(length)
        return overflow ? Int.max : end
    default: throw MapError(.mmap, errno: ENODEV, "a pipe or socket has no pages to map")
    }
    if mode == .truncate {
        let grown = try grownSize(options, from: options.size)
        if options.sparse {
            try systemTruncate(descriptor, to: 0)
            return try growFile(descriptor, from: 0, to: grown, isSparse: true, shouldContinue)
        }
        try emptyFile(descriptor, from: size, to: grown, shouldContinue)
        return grown
    }
    return try growFile(
        descriptor, from: size, to: try grownSize(options, from: size), isSparse: options.sparse,
        shouldContinue)
}

/// The size in bytes that a file of `size` bytes needs for the part to map; `size` if it may not grow.
private func grownSize(_ options: OpenOptions, from size: Int) throws(MapError) -> Int {
    guard options.grow, let length = options.length, options.offset >= 0, length >= 0 else { return size }
    let (end, overflow) = options.offset.addingReportingOverflow(length)
    if overflow { throw MapError(.fallocate, errno: EFBIG, "no file is that large") }
    return max(size, end)
}

/// Truncates a file and gives it a new size. The space is allocated before the old contents are removed, so a
/// full disk loses nothing.
private func emptyFile(_ descriptor: CInt, from old: Int, to new: Int, _ shouldContinue: ShouldContinue)
    throws(MapError)
{
    do { try systemAllocate(descriptor, from: 0, count: new, shouldContinue: shouldContinue) } catch {
        try systemTruncate(descriptor, to: old)
        throw error
    }
    try systemTruncate(descriptor, to: 0)
    try systemAllocate(descriptor, from: 0, count: new, isEmptied: true, shouldContinue: shouldContinue)
}

/// Gives a file more bytes, with space for them unless `isSparse`. After an error it has its old size.
func growFile(
    _ descriptor: CInt, from old: Int, to new: Int, isSparse: Bool, _ shouldContinue: ShouldContinue
) throws(MapError) -> Int {
    if isSparse {
        if new > old { try systemTruncate(descriptor, to: new) }
        return new
    }
    do { try systemAllocate(descriptor, from: old, count: new &- old, shouldContinue: shouldContinue) } catch
    {
        try systemTruncate(descriptor, to: old)
        throw error
    }
    return new
}

/// The number of bytes to map, checked against the size of the file.
private func partLength(_ options: OpenOptions, fileSize size: Int) throws(MapError) -> Int {
    guard options.offset >= 0, options.offset <= size else {
        throw MapError(
            .offsetOutOfRange, "offset %1 is out of range: the file has %2 bytes", options.offset, size)
    }
    let length = options.length ?? (size &- options.offset)
    guard length >= 0, length <= size &- options.offset else {
        throw MapError(
            .lengthOutOfRange,
            "length %1 is out of range: the file has %2 bytes from offset %3 (grow = true extends it in mode \"r+\")",
            length, size &- options.offset, options.offset)
    }
    return length
}

private func mapFile(
    _ descriptor: CInt, _ mode: OpenMode, _ options: OpenOptions, _ size: Int,
    _ shouldContinue: ShouldContinue
) throws(MapError) -> mm_region {
    let length = try partLength(options, fileSize: size)
    var flags = mode.flags
    if options.populate { flags.insert(.populate) }
    if length == 0 {
        return try emptyRegion(
            protection: mode.protection, flags: flags, descriptor: descriptor, offset: options.offset)
    }
    let region = try mapRegion(
        length: length, protection: mode.protection, flags: flags, descriptor: descriptor,
        offset: options.offset, advice: options.advice, shouldContinue: shouldContinue)
    if options.lock {
        do { try MappedBytes(region).lock(0, nil, path: nil, shouldContinue: shouldContinue) } catch {
            unmapRegion(region)
            throw error
        }
    }
    return region
}

extension MapError {
    fileprivate static var directory: MapError {
        MapError(.open, errno: EISDIR, "a directory cannot be mapped")
    }
}
