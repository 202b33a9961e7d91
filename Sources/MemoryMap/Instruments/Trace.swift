internal import CMemoryMap
internal import Glibc

/// Reports a system call in the format of strace(1) if tracing is on. Otherwise it costs one test of a flag.
///
/// ```text
/// script.lua:3: mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = 0x7f12e0000000 <0.000012>
/// ```
struct Trace {
    /// The start time in nanoseconds; 0 if tracing is off.
    private let started: UInt64

    @inline(__always)
    init() { started = mm_is_tracing() ? Trace.now() : 0 }

    /// Must be called right after the system call, before anything can change `errno`.
    ///
    /// - Parameters:
    ///   - result: The result of the call; -1 if it failed with `errno`.
    ///   - isAddress: Whether the result is an address.
    @inline(__always)
    func end(
        _ name: StaticString, _ result: Int, isAddress: Bool = false,
        _ arguments: (inout TraceLine) -> Void
    ) {
        if started == 0 { return }
        report(name, result, isAddress, arguments)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    @inline(never)
    private func report(
        _ name: StaticString, _ result: Int, _ isAddress: Bool, _ arguments: (inout TraceLine) -> Void
    ) {
        let code = errno
        let duration = Trace.now() &- started
        var memory: InlineArray<8192, UInt8> = .init(repeating: 0)
        withUnsafeMutableBytes(of: &memory) { raw in
            var line = TraceLine(raw.bindMemory(to: UInt8.self))
            line.origin()
            line.begin(name)
            arguments(&line)
            line.end(result, isAddress: isAddress, code)
            line.duration(duration)
            line.write()
        }
        errno = code
    }
}

/// A line of the trace.
struct TraceLine {
    private var line: FixedText
    private var isFirst = true

    init(_ buffer: UnsafeMutableBufferPointer<UInt8>) { line = FixedText(buffer) }

    /// The script and the line that the call comes from, if known.
    fileprivate mutating func origin() {
        var memory: InlineArray<1024, CChar> = .init(repeating: 0)
        withUnsafeMutableBytes(of: &memory) { raw in
            let place = raw.bindMemory(to: CChar.self)
            guard let start = place.baseAddress else { return }
            line.shown(start, count: min(Int(mm_trace_origin(start, place.count)), place.count))
        }
        if line.count > 0 { line.text(": ") }
    }

    fileprivate mutating func begin(_ name: StaticString) {
        line.text(name)
        line.text("(")
    }

    fileprivate mutating func end(_ result: Int, isAddress: Bool, _ code: CInt) {
        line.text(") = ")
        if result == -1 {
            line.text("-1 ")
            line.string(mm_error_name(code))
            line.text(" (")
            line.string(strerror(code))
            line.text(")")
        } else if isAddress {
            line.hexadecimal(UInt(bitPattern: result))
        } else {
            line.decimal(result)
        }
    }

    fileprivate mutating func duration(_ nanoseconds: UInt64) {
        let microseconds = Int(nanoseconds / 1000)
        line.text(" <")
        line.decimal(microseconds / 1_000_000)
        line.text(".")
        var unit = 100_000
        while unit > 0 {
            line.decimal(microseconds / unit % 10)
            unit /= 10
        }
        line.text(">\n")
    }

    fileprivate func write() { _ = Glibc.write(STDERR_FILENO, line.buffer.baseAddress, line.count) }

    private mutating func separate() {
        if !isFirst { line.text(", ") }
        isFirst = false
    }
}

// The arguments of a call, separated by commas.
extension TraceLine {
    mutating func argument(_ number: Int) {
        separate()
        line.decimal(number)
    }

    mutating func argument(_ number: CInt) { argument(Int(number)) }

    mutating func argument(_ address: UnsafeRawPointer?) {
        separate()
        if let address { line.hexadecimal(UInt(bitPattern: address)) } else { line.text("NULL") }
    }

    mutating func argument(text name: StaticString) {
        separate()
        line.text(name)
    }

    /// A path in quotes. Bytes that are unsafe for a terminal appear as `\xNN`.
    mutating func argument(path: UnsafePointer<CChar>) {
        separate()
        line.text("\"")
        line.shown(path, count: strlen(path), quoting: true)
        line.text("\"")
    }

    /// Bits by their names, joined with `|`; bits without a name as a number.
    mutating func argument(
        _ bits: CInt, _ names: [(StaticString, CInt)], zero: StaticString = "0"
    ) {
        separate()
        if bits == 0 {
            line.text(zero)
            return
        }
        var rest = bits
        for (name, bit) in names where bit != 0 && rest & bit == bit {
            if rest != bits { line.text("|") }
            line.text(name)
            rest &= ~bit
        }
        if rest != 0 {
            if rest != bits { line.text("|") }
            line.hexadecimal(UInt(UInt32(bitPattern: rest)))
        }
    }

    mutating func argument(protection: CInt) {
        argument(
            protection, [("PROT_READ", PROT_READ), ("PROT_WRITE", PROT_WRITE), ("PROT_EXEC", PROT_EXEC)],
            zero: "PROT_NONE")
    }

    mutating func argument(mapFlags: CInt) {
        argument(
            mapFlags,
            [
                ("MAP_SHARED_VALIDATE", 3), ("MAP_SHARED", 1), ("MAP_PRIVATE", 2), ("MAP_FIXED", 0x10),
                ("MAP_ANONYMOUS", 0x20), ("MAP_LOCKED", 0x2000), ("MAP_NORESERVE", 0x4000),
                ("MAP_POPULATE", 0x8000), ("MAP_NONBLOCK", 0x10000), ("MAP_STACK", 0x20000),
                ("MAP_HUGETLB", 0x40000), ("MAP_SYNC", 0x80000),
            ])
    }

    mutating func argument(openFlags: CInt) {
        separate()
        switch openFlags & O_ACCMODE {
        case O_WRONLY: line.text("O_WRONLY")
        case O_RDWR: line.text("O_RDWR")
        default: line.text("O_RDONLY")
        }
        let rest = openFlags & ~O_ACCMODE
        if rest == 0 { return }
        line.text("|")
        isFirst = true
        argument(
            rest,
            [
                ("O_CREAT", O_CREAT), ("O_EXCL", O_EXCL), ("O_TRUNC", O_TRUNC), ("O_NOCTTY", O_NOCTTY),
                ("O_NONBLOCK", O_NONBLOCK), ("O_CLOEXEC", O_CLOEXEC), ("O_TMPFILE", unnamedFile),
                ("O_NOFOLLOW", O_NOFOLLOW),
            ])
    }

    mutating func argument(syncFlags: CInt) {
        argument(syncFlags, [("MS_ASYNC", 1), ("MS_INVALIDATE", 2), ("MS_SYNC", 4)])
    }

    /// An advice by its name in the manual, as `MADV_SEQUENTIAL`.
    mutating func argument(advice: CInt) {
        guard let name = Advice.names.first(where: { $0.advice.rawValue == Int(advice) })?.name else {
            argument(advice)
            return
        }
        separate()
        line.text("MADV_")
        for i in 0..<name.utf8CodeUnitCount {
            let letter = name.utf8Start[i]
            line.put(letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z") ? letter &- 32 : letter)
        }
    }
}
