package import CMemoryMap
internal import Glibc
package import MemoryMap

/// A file that is mapped, a buffer of a script's, or unpacked text.
package final class TextFile: @unchecked Sendable {
    /// Nil for a buffer.
    package let path: [UInt8]?
    package let region: mm_region
    /// How the bytes are compressed; nil if they are the text.
    let compression: CompressedFormat?
    private let isOwner: Bool
    /// Keeps the memory of unpacked text.
    private let keeper: UnpackedMemory?

    /// Maps a file.
    package init(path: [UInt8], _ compression: CompressedFormat? = nil) throws(TableError) {
        var opened: mm_region?
        var failure: TableError?
        (path + [0]).withUnsafeBytes { bytes in
            guard let start = bytes.bindMemory(to: CChar.self).baseAddress else { return }
            do throws(MapError) {
                var options = OpenOptions()
                options.advice = .sequential
                opened = try openRegion(start, .read, options)
            } catch { failure = .map(error, path: path) }
        }
        if let failure { throw failure }
        guard let opened else { throw TableError("no file") }
        (self.path, region, self.compression, isOwner, keeper) = (path, opened, compression, true, nil)
    }

    /// A buffer, which stays its owner's.
    package init(_ buffer: mm_region, _ compression: CompressedFormat? = nil) {
        (path, region, self.compression, isOwner, keeper) = (nil, buffer, compression, false, nil)
    }

    /// The first bytes of unpacked text.
    init(_ memory: UnpackedMemory, _ count: Int, of file: TextFile) throws(TableError) {
        region = try mapped { () throws(MapError) in try MappedBytes(memory.region).slice(0, count).region }
        (path, compression, isOwner, keeper) = (file.path, nil, false, memory)
    }

    deinit { if isOwner { unmapRegion(region) } }

    /// Bytes.
    var count: Int { MappedBytes(region).count }

    /// The name for messages, shown safely.
    var name: [UInt8] {
        guard let path else { return [UInt8]("buffer".utf8) }
        var text = Message()
        text.show(path, atMost: 200)
        return text.bytes
    }

    /// The region as it is now.
    ///
    /// - Throws: `closed`, `lost`, `notReadable`, `misuse`.
    @inline(__always)
    func current() throws(TableError) -> mm_region {
        var region = region
        if mm_is_current(&region) && mm_is_readable(&region) { return region }
        return try mapped(path: path) { () throws(MapError) in
            try MappedBytes(region).readable(0, nil).bytes.region
        }
    }

    /// What changes where the file does; nil for a buffer, or if nobody knows.
    var stamp: [Int]? {
        guard let path else { return nil }
        return (path + [0]).withUnsafeBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.flatMap { MappedBytes(region).fileStamp(at: $0) }
        }
    }

    /// Checks that the file still has its first `end` bytes. Those after its end, in its last page, read as zeros.
    func checkReached(_ end: Int) throws(TableError) {
        guard let path else { return }
        var failure: TableError?
        (path + [0]).withUnsafeBytes { bytes in
            guard let start = bytes.bindMemory(to: CChar.self).baseAddress else { return }
            do throws(MapError) { try MappedBytes(region).checkReached(end, path: start) } catch {
                failure = .map(error, path: path)
            }
        }
        if let failure { throw failure }
    }
}

/// A part of a text that is whole rows.
package struct TextBlock {
    /// Keeps the memory.
    package let file: TextFile
    /// In the file's region.
    package let range: Range<Int>
    /// The number of the file.
    package let number: Int
    /// Where the region begins in the text, in bytes, and the lines before it.
    package let offset: Int
    package let lines: Int
    /// The amount of work that is done when the block is.
    package let done: Int
    /// Where errors say that the text is.
    package let name: [UInt8]
    /// Whether the file's size is to be checked at the end: not of private memory.
    let isMapped: Bool
}

/// The blocks of a text, in order. One thread at a time uses it.
package class TextBlocks {
    /// The next block; nil at the end.
    package func next() throws(TableError) -> TextBlock? { nil }
}

/// How long blocks are, in bytes: a block ends with the first row that ends at or after this.
var textBlockSize: Int { 4 << 20 }

/// Blocks of files, one after the other.
final class FileBlocks: TextBlocks {
    private let parts: [FileText.Part]
    private let cutter: RowCutter
    private let run: Run
    private let size: Int
    private var part = 0
    private var place: Int
    private var unpacked: UnpackedText?
    /// The work of the parts before this one.
    private var done = 0

    init(_ text: FileText, _ cutter: RowCutter, _ run: Run, size: Int) {
        (parts, self.cutter, self.run, self.size) = (text.parts, cutter, run, size)
        place = text.parts.first?.range.lowerBound ?? 0
    }

    override func next() throws(TableError) -> TextBlock? {
        while part < parts.count {
            let current = parts[part]
            if current.file.compression == nil {
                if place < current.range.upperBound { return try nextMapped(current) }
            } else if let block = try nextUnpacked(current) {
                return block
            }
            done &+= current.size
            part &+= 1
            unpacked = nil
            if part < parts.count { place = parts[part].range.lowerBound }
        }
        return nil
    }

    private func nextMapped(_ part: FileText.Part) throws(TableError) -> TextBlock {
        let start = place
        let end = part.range.upperBound
        let goal = end &- start > size ? start &+ size : end
        let region = try part.file.current()
        guard region.length >= end else { throw part.file.shrunk(end) }
        place = goal == end ? end : try cutter.cut(region, from: start, goal: goal, end: end, run) ?? end
        return TextBlock(
            file: part.file, range: start..<place, number: part.number, offset: 0, lines: 0,
            done: done &+ place &- part.range.lowerBound, name: part.file.name, isMapped: true)
    }

    private func nextUnpacked(_ part: FileText.Part) throws(TableError) -> TextBlock? {
        let text: UnpackedText
        if let unpacked {
            text = unpacked
        } else {
            text = try UnpackedText(part.file, cutter, run, size: size, start: part.range.lowerBound)
            unpacked = text
        }
        guard let block = try text.next() else { return nil }
        return TextBlock(
            file: block.file, range: block.range, number: part.number, offset: block.offset,
            lines: block.lines, done: done &+ min(text.place, part.size), name: part.file.name,
            isMapped: false)
    }
}

extension TextFile {
    func shrunk(_ end: Int) -> TableError {
        .map(
            MapError(
                .misuse, "the table's rows end at byte %1 and its buffer now has %2 bytes", end, count),
            path: path)
    }
}

/// Parts of files, one after the other.
package struct FileText: Sendable {
    package struct Part: Sendable {
        package let file: TextFile
        /// The number of the file, from 0.
        package let number: Int
        /// Whole rows, without a byte order mark and the header. Of a compressed file only the start counts, which is one
        /// in the unpacked text.
        package var range: Range<Int>

        /// Bytes of the file.
        var size: Int { file.compression == nil ? range.count : file.count }
    }

    package private(set) var parts: [Part] = []

    package init() {}

    package mutating func append(_ file: TextFile, _ range: Range<Int>) {
        let end = file.compression == nil ? range.upperBound : Int.max
        parts.append(Part(file: file, number: parts.count, range: range.lowerBound..<end))
    }

    /// Bytes.
    package var count: Int { parts.reduce(0) { $0 &+ $1.size } }

    /// What changes where one of the files does; nil if nobody knows.
    var stamp: [Int]? {
        var stamps: [Int] = []
        for part in parts {
            guard let stamp = part.file.stamp else { return nil }
            stamps += stamp
        }
        return stamps
    }

    /// Part `k` of `n` of the bytes, cut after rows. Compressed files are not cut.
    package func piece(
        _ k: Int, of n: Int, _ cutter: RowCutter, _ run: Run
    ) throws(TableError) -> FileText {
        let total = count
        let start = try cut(at: goal(k &- 1, n, total), cutter, run)
        let end = try cut(at: goal(k, n, total), cutter, run)
        var piece = self
        piece.parts = []
        for (index, part) in parts.enumerated() where index >= start.part && index <= end.part {
            let lower = index == start.part ? start.place : part.range.lowerBound
            let upper = index == end.part ? end.place : part.range.upperBound
            if lower < upper {
                piece.parts.append(Part(file: part.file, number: part.number, range: lower..<upper))
            }
        }
        return piece
    }

    private func goal(_ k: Int, _ n: Int, _ total: Int) -> Int { total / n &* k &+ total % n &* k / n }

    private func cut(
        at goal: Int, _ cutter: RowCutter, _ run: Run
    ) throws(TableError) -> (part: Int, place: Int) {
        var rest = goal
        for (index, part) in parts.enumerated() {
            if rest <= 0 { return (index, part.range.lowerBound) }
            if rest < part.size && part.file.compression == nil {
                let region = try part.file.current()
                let range = part.range
                guard region.length >= range.upperBound else { throw part.file.shrunk(range.upperBound) }
                let place = try cutter.cut(
                    region, from: range.lowerBound, goal: range.lowerBound &+ rest, end: range.upperBound, run
                )
                return (index, place ?? range.upperBound)
            }
            rest &-= part.size
        }
        return (parts.count, 0)
    }
}

extension TextFile {
    /// The bytes of a mark at the start of a text, with which some programs begin one: `EF BB BF`.
    ///
    /// - Parameter start: The first bytes of the text: `longestMark`, or all.
    /// - Throws: For UTF-16 and UTF-32, whose separators and line ends are no single bytes.
    func lengthOfMark(_ start: UnsafeRawBufferPointer) throws(TableError) -> Int {
        if start.starts(with: [0xEF, 0xBB, 0xBF]) { return 3 }
        guard let encoding = wideEncoding(start) else { return 0 }
        var message = Message()
        message.put(name)
        message.put(": the text is ")
        message.put(encoding)
        message.put(", and UTF-8 is read; iconv -f ")
        message.put(encoding)
        message.put(" -t UTF-8 makes it of a file")
        throw TableError(message)
    }

    func lengthOfMark(_ region: mm_region) throws(TableError) -> Int {
        try lengthOfMark(
            UnsafeRawBufferPointer(
                start: region.base, count: region.base == nil ? 0 : min(region.length, longestMark)))
    }
}

/// Bytes at the start of a text that tell how it is encoded.
let longestMark = 64

/// By a byte order mark, or by zeros in the place of each second byte.
private func wideEncoding(_ start: UnsafeRawBufferPointer) -> StaticString? {
    if start.starts(with: [0xFF, 0xFE, 0, 0]) { return "UTF-32LE" }
    if start.starts(with: [0, 0, 0xFE, 0xFF]) { return "UTF-32BE" }
    if start.starts(with: [0xFF, 0xFE]) { return "UTF-16LE" }
    if start.starts(with: [0xFE, 0xFF]) { return "UTF-16BE" }
    let pairs = min(start.count, longestMark) / 2
    if pairs < 4 { return nil }
    var (first, second) = (0, 0)
    for pair in 0..<pairs {
        if start[2 &* pair] == 0 { first &+= 1 }
        if start[2 &* pair &+ 1] == 0 { second &+= 1 }
    }
    if first == 0 && second == pairs { return "UTF-16LE" }
    return first == pairs && second == 0 ? "UTF-16BE" : nil
}
