internal import Glibc

/// Why an operation on mapped memory failed.
///
/// A plain value without references. Creating and throwing it allocates nothing, so that "out of memory" can
/// be reported too.
public struct MapError: Error, Sendable {
    /// The category of the error, in the caller's terms.
    public enum Kind: UInt8, Sendable {
        /// A system call failed; `call` and `errno` say which and how.
        case systemCall
        /// An offset is past the end, or negative.
        case offsetOutOfRange
        /// A length reaches past the end, or is negative.
        case lengthOutOfRange
        /// A number does not fit its target type.
        case valueOutOfRange
        /// The mapping was unmapped.
        case closed
        /// Pages of the mapping are gone: the file was truncated, or the disk is full or failed.
        case lost
        /// The mapping's protection does not allow reading.
        case notReadable
        /// The mapping's protection does not allow writing.
        case notWritable
        /// The operation does not fit this kind of mapping.
        case misuse
        /// The caller stopped a long operation.
        case interrupted
        /// An argument does not have the type that the hint names.
        case type
        /// An argument's value is not accepted.
        case argument
        /// An argument is not one of the known words.
        case word
    }

    /// A cause to which a higher layer adds advice: it knows the caller's language and options.
    package enum Reason: UInt8, Sendable {
        case memoryLimit, mappedLimit, besideRefused
        case readingRefused, writingRefused, readingAndWritingRefused, removingRefused
        case virtualFile, privateMapping, noDescriptor
    }

    public let kind: Kind
    /// The system call that failed, if any.
    public let call: SystemCall?
    /// The `errno` of that call, 0 otherwise.
    public let errno: CInt
    /// The cause or the advice, as a template: `%1`, `%2`, and `%3` stand for the values, `%f` for the first
    /// value as the bits of a double, `%c` for the first value as a character.
    package let hint: StaticString
    package let values: (Int, Int, Int)
    package var reason: Reason?
    /// The number of the caller's invalid argument; 0 for none. For a range, the number of the offset; the
    /// length is the next argument.
    package var argument: Int32 = 0
    /// The index of the invalid value in a list of values.
    package var element: Int?
    /// For `word`: the known words, separated by blanks, up to a comma; nil for the names of advice.
    package private(set) var choices: StaticString?

    package init(
        _ kind: Kind, _ hint: StaticString = "", _ first: Int = 0, _ second: Int = 0, _ third: Int = 0
    ) {
        self.kind = kind
        self.call = nil
        self.errno = 0
        self.hint = hint
        self.values = (first, second, third)
    }

    package init(
        _ call: SystemCall, errno: CInt, _ hint: StaticString = "",
        _ first: Int = 0, _ second: Int = 0, _ third: Int = 0
    ) {
        self.kind = .systemCall
        self.call = call
        self.errno = errno
        self.hint = hint
        self.values = (first, second, third)
    }

    package init(type expected: StaticString, argument: Int32) {
        self.init(.type, expected)
        self.argument = argument
    }

    /// - Parameter problem: `%s` stands for the word.
    package init(unknown problem: StaticString, of choices: StaticString?, argument: Int32) {
        self.init(.word, problem)
        self.choices = choices
        self.argument = argument
    }

    package init(_ text: StaticString, argument: Int32, _ first: Int = 0, _ second: Int = 0) {
        self.init(.argument, text, first, second)
        self.argument = argument
    }

    package init(misuse text: StaticString, _ first: Int = 0, _ second: Int = 0) {
        self.init(.misuse, text, first, second)
    }

    package init(_ error: MapError, element: Int? = nil, argument: Int32 = 0) {
        self = error
        self.argument = argument
        self.element = element
    }

    package func because(_ reason: Reason) -> MapError {
        var error = self
        error.reason = reason
        return error
    }

    /// A copy of a system call error with advice for the caller, unless it has advice already.
    package func hinting(_ hint: StaticString, _ first: Int = 0, _ second: Int = 0) -> MapError {
        guard let call, self.hint.utf8CodeUnitCount == 0 else { return self }
        return MapError(
            MapError(call, errno: errno, hint, first, second), element: element, argument: argument)
    }

    /// A copy with advice that names the system limit behind the `errno`, unless the error has advice
    /// already.
    package var namingLimit: MapError {
        switch (errno, call) {
        case (EMFILE, _): hinting("the process is at its limit of descriptors (\"ulimit -n\")")
        case (ENFILE, _): hinting("the system is at its limit of descriptors (fs.file-max)")
        case (EAGAIN, .posix_spawn): hinting("the user is at the limit of processes (\"ulimit -u\")")
        case (EAGAIN, .mmap), (EAGAIN, .mremap): namingLockLimit
        case (ENOMEM, .mmap), (ENOMEM, .mremap), (ENOMEM, .mprotect), (ENOMEM, .munmap), (EAGAIN, .madvise),
            (ENOMEM, .posix_spawn):
            hinting(
                "no address space or memory left (\"ulimit -v\", \"ulimit -d\"), or more than vm.max_map_count mappings; close what is not needed"
            )
        default: self
        }
    }

    /// A copy with advice that names `RLIMIT_MEMLOCK`, for a failure of mlock(2) or of another call that
    /// locks memory.
    package var namingLockLimit: MapError {
        guard errno == ENOMEM || errno == EPERM || errno == EAGAIN else { return self }
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(8), &limit) == 0, limit.rlim_cur < UInt(Int.max) else {
            return self
        }
        return hinting(
            "at most %1 bytes may be locked (RLIMIT_MEMLOCK, see \"ulimit -l\")", Int(limit.rlim_cur))
    }
}

extension MapError: Equatable {
    public static func == (left: MapError, right: MapError) -> Bool {
        left.kind == right.kind && left.call == right.call && left.errno == right.errno
            && left.values == right.values
    }
}

extension MapError: CustomStringConvertible {
    public var description: String {
        var text = ""
        if let call { text = "\(call): \(String(cString: strerror(errno)))" }
        let advice = namingLimit.hintText
        if text.isEmpty { return advice.isEmpty ? "\(kind)" : advice }
        return advice.isEmpty ? text : "\(text): \(advice)"
    }

    private var hintText: String {
        var result = ""
        var isPlaceholder = false
        for character in String(describing: hint) {
            switch (isPlaceholder, character) {
            case (false, "%"): isPlaceholder = true
            case (true, "1"): (result, isPlaceholder) = (result + "\(values.0)", false)
            case (true, "2"): (result, isPlaceholder) = (result + "\(values.1)", false)
            case (true, "3"): (result, isPlaceholder) = (result + "\(values.2)", false)
            case (true, "c"):
                let scalar = Unicode.Scalar(UInt8(truncatingIfNeeded: values.0))
                (result, isPlaceholder) = (result + String(Character(scalar)), false)
            case (true, "f"):
                let number = Double(bitPattern: UInt64(bitPattern: Int64(values.0)))
                (result, isPlaceholder) = (result + "\(number)", false)
            default: (result, isPlaceholder) = (result + String(character), false)
            }
        }
        return result
    }
}

/// The system calls that this library makes.
public enum SystemCall: UInt8, Sendable {
    case open, fstat, ftruncate, fallocate, mmap, munmap, mremap, mprotect, madvise, msync, mincore
    case mlock, munlock, lseek, read, cachestat, posix_fadvise, fdatasync, memfd_create
    case fcntl, futex, unlink, posix_spawn, waitpid, kill
    case write, fsync, link, rename, fchown, fchmod
    /// No system call: data that cannot be unpacked.
    case decompress

    /// The name as in section 2 of the manual.
    package var name: StaticString {
        switch self {
        case .open: "open"
        case .fstat: "fstat"
        case .ftruncate: "ftruncate"
        case .fallocate: "posix_fallocate"
        case .mmap: "mmap"
        case .munmap: "munmap"
        case .mremap: "mremap"
        case .mprotect: "mprotect"
        case .madvise: "madvise"
        case .msync: "msync"
        case .mincore: "mincore"
        case .mlock: "mlock"
        case .munlock: "munlock"
        case .lseek: "lseek"
        case .read: "read"
        case .cachestat: "cachestat"
        case .posix_fadvise: "posix_fadvise"
        case .fdatasync: "fdatasync"
        case .memfd_create: "memfd_create"
        case .fcntl: "fcntl"
        case .futex: "futex"
        case .unlink: "unlink"
        case .posix_spawn: "posix_spawn"
        case .waitpid: "waitpid"
        case .kill: "kill"
        case .write: "write"
        case .fsync: "fsync"
        case .link: "link"
        case .rename: "rename"
        case .fchown: "fchown"
        case .fchmod: "fchmod"
        case .decompress: "decompress"
        }
    }
}

extension SystemCall: CustomStringConvertible {
    public var description: String { String(describing: name) }
}
