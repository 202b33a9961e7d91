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

    /// The part of the entry that is in a range of addresses; empty if none is.
    func part(in range: Range<UInt>) -> Range<UInt> { (start..<max(start, end)).clamped(to: range) }

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

/// Entries of a mapping that include adjacent mappings: at most the first one and the last one.
private struct SharedEntries {
    /// The parts of them that belong to the mapping.
    var first = UInt(0)..<0
    var last = UInt(0)..<0
    /// Whether a part of the mapping is left out of core dumps.
    var hasDumpFlag = false

    func contains(_ part: Range<UInt>) -> Bool { !part.isEmpty && (part == first || part == last) }

    mutating func insert(_ part: Range<UInt>) {
        if first.isEmpty { first = part } else { last = part }
    }

    /// Gives the advice to the parts. At the limit of mappings (vm.max_map_count) it fails, and they stay shared.
    func advise(_ advice: CInt) {
        advise(advice, first)
        advise(advice, last)
    }

    private func advise(_ advice: CInt, _ part: Range<UInt>) {
        if part.isEmpty { return }
        let extent = Int(part.upperBound &- part.lowerBound)
        try? systemAdvise(UnsafeMutableRawPointer(bitPattern: part.lowerBound), extent, advice)
    }
}

/// Where a line of proc_pid_smaps(5) has a flag; an empty range if it is the line of flags without this one, nil if it
/// is another line.
///
/// - Parameter flag: A space and two letters.
func firstRange(ofFlag flag: StaticString, in line: UnsafeRawBufferPointer) -> Range<Int>? {
    let name: StaticString = "VmFlags:"
    guard let start = line.baseAddress, line.count >= name.utf8CodeUnitCount,
        memcmp(start, name.utf8Start, name.utf8CodeUnitCount) == 0
    else { return nil }
    guard let found = mm_find(start, line.count, flag.utf8Start, flag.utf8CodeUnitCount) else { return 0..<0 }
    return (found - start)..<(found - start) &+ flag.utf8CodeUnitCount
}

extension MappedBytes {
    /// Copies the lines of the mapping from /proc/self/maps or /proc/self/smaps. There is more than one entry
    /// if advice or protection has split the mapping.
    ///
    /// The kernel makes one entry of adjacent mappings that are alike, as private anonymous ones are. An entry of smaps
    /// has numbers, so there the mapping gets an entry of its own for the time of the reading: it is left out of core
    /// dumps meanwhile (`MADV_DONTDUMP`), as its neighbors are not. If a part was left out before, or in maps, the entry
    /// includes the adjacent mappings.
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
        let whole = start..<start &+ UInt(current.region.slot.pointee.extent)
        var shared = SharedEntries()
        let length = try copyEntries(of: path, whole, into: target, &shared, shouldContinue)
        if shared.first.isEmpty || shared.hasDumpFlag { return length }
        shared.advise(MADV_DONTDUMP)
        defer { shared.advise(MADV_DODUMP) }
        return try copyEntries(of: path, whole, into: target, &shared, shouldContinue)
    }

    /// - Parameter shared: Receives the entries that include adjacent mappings, if it is empty. Else these are separate
    ///   now, and the flag of `MADV_DONTDUMP` is left out of theirs.
    private func copyEntries(
        of path: StaticString, _ whole: Range<UInt>, into target: UnsafeMutableBufferPointer<UInt8>,
        _ shared: inout SharedEntries, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        let isSeparate = !shared.first.isEmpty
        var text = FixedText(target)
        var length = 0
        var (part, includesOthers, isStopped) = (UInt(0)..<0, false, false)
        try eachLine(of: path) { line in
            if let entry = MapsEntry(line) {
                // Entries are in the order of addresses, so none follows the end of the mapping. Each one may
                // take long: for smaps the kernel walks its pages.
                isStopped = !shouldContinue(length)
                if isStopped || entry.start >= whole.upperBound { return false }
                part = entry.part(in: whole)
                includesOthers = entry.start < part.lowerBound || part.upperBound < entry.end
            }
            guard !part.isEmpty else { return true }
            var left = 0..<0
            if let flag = firstRange(ofFlag: " dd", in: line) {
                if !isSeparate {
                    if includesOthers { shared.insert(part) }
                    if !flag.isEmpty { shared.hasDumpFlag = true }
                } else if !includesOthers && shared.contains(part) {
                    left = flag
                }
            }
            for i in 0..<line.count where !left.contains(i) { text.put(line[i]) }
            text.put(10)
            length &+= line.count &- left.count &+ 1
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
