package import CMemoryMap
internal import Glibc

/// An entry of /proc/self/maps: a range of the address space, see proc_pid_maps(5).
struct MapsEntry {
    var start: UInt = 0
    var end: UInt = 0
    /// The range of the path in the line; empty if there is no path.
    var path = 0..<0

    /// Nil for a line that does not begin with two addresses, as the lines with numbers in /proc/self/smaps.
    init?(_ line: UnsafeRawBufferPointer) {
        var position = 0
        guard let start = MapsEntry.hexadecimal(line, &position), position < line.count,
            line[position] == UInt8(ascii: "-")
        else { return nil }
        position &+= 1
        guard let end = MapsEntry.hexadecimal(line, &position) else { return nil }
        (self.start, self.end) = (start, end)
        // After the addresses: permissions, offset, device, inode, and then the path.
        for _ in 0..<4 {
            MapsEntry.skip(line, &position) { $0 == UInt8(ascii: " ") }
            MapsEntry.skip(line, &position) { $0 != UInt8(ascii: " ") }
        }
        MapsEntry.skip(line, &position) { $0 == UInt8(ascii: " ") }
        path = position..<line.count
    }

    /// Writes the path of the mapped file in /proc/self/map_files, which needs a privilege to open. `target`
    /// is zeroed.
    func link(into target: UnsafeMutableBufferPointer<UInt8>) {
        var text = FixedText(target)
        text.text("/proc/self/map_files/")
        text.digits(start, radix: 16)
        text.text("-")
        text.digits(end, radix: 16)
    }

    private static func skip(
        _ line: UnsafeRawBufferPointer, _ position: inout Int, _ matches: (UInt8) -> Bool
    ) {
        while position < line.count && matches(line[position]) { position &+= 1 }
    }

    private static func hexadecimal(_ line: UnsafeRawBufferPointer, _ position: inout Int) -> UInt? {
        let first = position
        var value: UInt = 0
        while position < line.count, position &- first < 16 {
            let byte = line[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
            default: return position > first ? value : nil
            }
            value = value << 4 | UInt(digit)
            position &+= 1
        }
        return position > first ? value : nil
    }
}

/// Reads a text file of proc(5) line by line, without its newlines.
///
/// - Parameter body: Returns false to stop. The line is valid only during the call.
func eachLine(
    of path: StaticString, _ body: (UnsafeRawBufferPointer) -> Bool
) throws(MapError) {
    let name = UnsafeRawPointer(path.utf8Start).assumingMemoryBound(to: CChar.self)
    let descriptor = try systemOpen(process: name)
    defer { systemClose(descriptor) }
    // A line contains a path: at most 4095 bytes, or four times that if every byte is escaped.
    let capacity = 65536
    guard let start = malloc(capacity) else { throw MapError(.read, errno: ENOMEM) }
    defer { free(start) }
    let buffer = UnsafeMutableRawBufferPointer(start: start, count: capacity)
    var filled = 0
    while true {
        let count = try systemRead(descriptor, UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
        if count == 0 { return }
        filled &+= count
        var line = 0
        while line < filled, let newline = memchr(start + line, 10, filled &- line) {
            let end = newline - UnsafeMutableRawPointer(start)
            if !body(UnsafeRawBufferPointer(rebasing: buffer[line..<end])) { return }
            line = end &+ 1
        }
        if line == 0 && filled == capacity { return }
        memmove(start, start + line, filled &- line)
        filled &-= line
    }
}

extension MappedBytes {
    /// Copies the lines of the mapping from /proc/self/maps or /proc/self/smaps. There is more than one entry
    /// if advice or protection has split the mapping, and an entry may include adjacent mappings.
    ///
    /// - Parameters:
    ///   - target: Receives the lines, each with its newline, as far as they fit.
    ///   - shouldContinue: Called for each entry with the number of bytes so far; returns false to stop.
    /// - Returns: The size of all lines in bytes, including what did not fit.
    /// - Throws: `systemCall` of open(2) or read(2), `closed`, `lost`.
    package func processEntries(
        of path: StaticString, into target: UnsafeMutableBufferPointer<UInt8>, shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        var current = self
        try current.refresh()
        let start = current.region.slot.pointee.start
        let end = start &+ UInt(current.region.slot.pointee.extent)
        var text = FixedText(target)
        var length = 0
        var isInside = false
        var isStopped = false
        try eachLine(of: path) { line in
            if let entry = MapsEntry(line) {
                // Entries are in the order of addresses, so none follows the end of the mapping. Each one may
                // take long: for smaps the kernel walks its pages.
                isStopped = !shouldContinue(length)
                if isStopped || entry.start >= end { return false }
                isInside = start < entry.end
            }
            guard isInside else { return true }
            for byte in line { text.put(byte) }
            text.put(10)
            length &+= line.count &+ 1
            return true
        }
        if isStopped { throw MapError(.interrupted) }
        return length
    }

    /// The kind of storage that holds the file.
    ///
    /// - Throws: As `openFile`.
    package func storage() throws(MapError) -> mm_cache_kind {
        var current = self
        try current.refresh()
        let descriptor = try current.openFile(for: .open)
        defer { systemClose(descriptor) }
        return mm_cache_kind_of(descriptor)
    }
}
