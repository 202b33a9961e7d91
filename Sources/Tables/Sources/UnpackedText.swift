internal import CMemoryMap
internal import MemoryMap

/// Memory for unpacked text, used again when no block has it any more.
final class UnpackedMemory: @unchecked Sendable {
    let region: mm_region

    init(_ size: Int) throws(TableError) {
        region = try mapped { () throws(MapError) in
            try mapRegion(
                length: size, protection: [.read, .write], flags: [.anonymous, .private], descriptor: -1,
                offset: 0)
        }
    }

    deinit { unmapRegion(region) }

    var room: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: region.base, count: region.length)
    }
}

/// The text of a compressed file, unpacked block by block, in memory that does not grow with it.
final class UnpackedText {
    private let file: TextFile
    private let cutter: RowCutter
    private let run: Run
    private let size: Int
    /// Of the first row, in the text; 0: after a byte order mark.
    private let start: Int
    private let unpacker: Unpacker
    private var isAtEnd = false
    private(set) var pool: [UnpackedMemory] = []
    /// What is unpacked and in no block yet.
    private var rest: (memory: UnpackedMemory, range: Range<Int>)?
    /// Bytes and lines of the text before that.
    private var offset = 0
    private var lines = 0

    init(_ file: TextFile, _ cutter: RowCutter, _ run: Run, size: Int, start: Int) throws(TableError) {
        (self.file, self.cutter, self.run, self.size, self.start) = (file, cutter, run, size, start)
        unpacker = try mapped(path: file.path) { () throws(MapError) in
            try Unpacker(file.compression, total: file.count) { (room, offset) throws(MapError) in
                try file.read(room, offset)
            }
        }
    }

    /// Bytes of the file that were read.
    var place: Int { unpacker.place }

    /// The next rows; nil at the end.
    func next() throws(TableError) -> (file: TextFile, range: Range<Int>, offset: Int, lines: Int)? {
        // The first row that ends after `size` bytes is looked for in a little more.
        let more = size / 16 &+ 64
        var memory = try take(max(size, rest?.range.count ?? 0) &+ more)
        var count = 0
        if let rest {
            memory.room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.memory.room[rest.range]))
            count = rest.range.count
        }
        rest = nil
        while true {
            try fill(memory, &count)
            let block = try TextFile(memory, count, of: file)
            var first = 0
            if offset == 0 {
                first = start
                if start == 0 {
                    first = try file.lengthOfMark(UnsafeRawBufferPointer(rebasing: memory.room[..<count]))
                }
            }
            var end = isAtEnd ? count : nil
            if !isAtEnd && count > first {
                end = try cutter.cut(
                    block.region, from: first, goal: min(max(size, first), count), end: count, run)
            }
            if let end {
                if end <= first { return nil }
                let result = (block, first..<end, offset, lines)
                if end < count { rest = (memory, end..<count) }
                if let base = block.region.base {
                    lines &+= try countBytes(base, end, UInt8(ascii: "\n"), run)
                }
                offset &+= end
                return result
            }
            let larger = try take(memory.room.count &* 2)
            withExtendedLifetime(memory) {
                larger.room.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.room[..<count]))
            }
            memory = larger
        }
    }

    /// Unpacks until the memory is full or the text ends.
    private func fill(_ memory: UnpackedMemory, _ count: inout Int) throws(TableError) {
        while count < memory.room.count, !isAtEnd {
            let room = UnsafeMutableRawBufferPointer(rebasing: memory.room[count...])
            let more = try mapped(path: file.path) { () throws(MapError) in
                try unpacker.next(
                    into: room, { (room, offset) throws(MapError) in try file.read(room, offset) },
                    { _ in
                        do throws(TableError) { try run.poll() } catch { return false }
                        return true
                    })
            }
            isAtEnd = more == 0
            count &+= more
        }
    }

    private func take(_ size: Int) throws(TableError) -> UnpackedMemory {
        for i in pool.indices where pool[i].room.count >= size && isKnownUniquelyReferenced(&pool[i]) {
            return pool[i]
        }
        // Memory that is too small by now.
        pool.removeAll { $0.room.count < size }
        let memory = try UnpackedMemory(size)
        pool.append(memory)
        return memory
    }
}

extension TextFile {
    /// Copies bytes of the file, as many as there are room and bytes for.
    fileprivate func read(_ room: UnsafeMutableRawBufferPointer, _ offset: Int) throws(MapError) -> Int {
        let (current, all) = try MappedBytes(region).readable(0, nil)
        let part = min(room.count, all.count &- offset)
        guard part > 0 else { return 0 }
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[offset..<offset &+ part]))
        try current.checkIntact()
        return part
    }

    /// The first rows of the text: the file itself if it is not compressed.
    func beginning(_ cutter: RowCutter, _ run: Run) throws(TableError) -> TextFile {
        if compression == nil { return self }
        let text = try UnpackedText(self, cutter, run, size: textBlockSize, start: 0)
        if let first = try text.next() { return first.file }
        return try TextFile(try UnpackedMemory(1), 0, of: self)
    }
}
