internal import CMemoryMap
internal import Glibc
package import MemoryMap

/// A regular expression whose named groups are columns.
package struct LinePattern: Sendable {
    fileprivate let source: [UInt8]
    fileprivate let options: PatternOptions
    fileprivate let steps: UInt32?
    /// In the order of the groups.
    package let groups: [(name: [UInt8], number: Int)]

    /// - Throws: If the pattern is none, or has no named group.
    package init(_ source: [UInt8], _ options: PatternOptions = [], steps: UInt32? = nil) throws(TableError) {
        (self.source, self.options, self.steps) = (source, options, steps)
        let pattern = try CompiledPattern(source, options, steps: steps, refusal: LinePattern.refusal)
        var groups: [(name: [UInt8], number: Int)] = []
        for index in 0..<pattern.pointer.pointee.names {
            guard let (name, group) = pattern.pointer.pointee.name(index) else { continue }
            groups.append(([UInt8](UnsafeBufferPointer(start: name, count: strlen(name))), group))
        }
        withExtendedLifetime(pattern) {}
        if groups.isEmpty { throw TableError("pattern: it has no named group, such as (?<name>\\w+)") }
        self.groups = groups.sorted { $0.number < $1.number }
    }

    /// The pattern for lines of which some groups are wanted, if it needs no PCRE2.
    fileprivate func plain(_ groups: [Int]) -> PlainPattern? {
        options.isEmpty && steps == nil ? PlainPattern(source, groups: groups) : nil
    }

    fileprivate func compiled() throws(TableError) -> CompiledPattern {
        try CompiledPattern(source, options, steps: steps, refusal: LinePattern.refusal)
    }

    private static func refusal(_ error: PatternError) -> TableError {
        TableError("pattern: PCRE2 error \(error.code) at offset \(error.offset)")
    }
}

/// Text by lines: a column `line`, or the named groups of a pattern.
package final class LinesSource: Source {
    private let format: DelimitedFormat
    private let pattern: LinePattern?
    /// By column, the number of its group.
    private let groups: [Int]
    private let text: FileText
    private let tally = Tally()
    /// Bytes, at least; smaller only in tests.
    var blockSize = textBlockSize

    /// Reads the first rows where a type is not given.
    ///
    /// - Parameters:
    ///   - format: Its comment, nulls, decimal point, blank lines and bad rows. With a header the first line of each
    ///     file is passed over.
    ///   - requests: The columns, by name; nil for all.
    package convenience init(
        _ files: [TextFile], _ format: DelimitedFormat, _ pattern: LinePattern?, _ requests: [ColumnRequest]?,
        _ run: Run
    ) throws(TableError) {
        let all = pattern?.groups ?? [(name: [UInt8]("line".utf8), number: 0)]
        let wanted = requests ?? all.map { ColumnRequest($0.name, pattern == nil ? .string : nil) }
        try requireUnique(wanted)
        var groups: [Int] = []
        for request in wanted {
            guard let group = all.first(where: { $0.name == request.name }) else {
                throw unknown(
                    request.name,
                    pattern == nil ? "the column of lines is 'line'" : "the pattern has no group of that name"
                )
            }
            groups.append(group.number)
        }
        var text = FileText()
        for file in files {
            text.append(file, try file.beginning(.lines, run).lines(hasHeader: format.hasHeader == true, run))
        }
        let columns = try inferred(wanted, format, run) { (columns) throws(TableError) in
            LinesSource(columns, format, pattern, groups, text)
        }
        self.init(columns, format, pattern, groups, text)
    }

    private init(
        _ columns: [Column], _ format: DelimitedFormat, _ pattern: LinePattern?, _ groups: [Int],
        _ text: FileText
    ) {
        (self.format, self.pattern, self.groups, self.text) = (format, pattern, groups, text)
        super.init(columns)
    }

    package override func open(
        _ run: Run, wanted: [Bool], filters: [Predicate]
    ) throws(TableError) -> RowStream {
        tally.reset()
        return try LinesStream(
            columns, format, pattern, groups, FileBlocks(text, .lines, run, size: blockSize),
            total: text.count,
            run, wanted: wanted, filters: filters, tally)
    }

    package override func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        try requirePiece(k, n)
        let run = Run { _ in true }
        return LinesSource(columns, format, pattern, groups, try text.piece(k, of: n, .lines, run))
    }

    package override var skipped: Int { tally.count }

    package override var stamp: [Int]? { text.stamp }

    package override var explanation: [UInt8] {
        var message = Message()
        message.put("lines of ")
        message.put(text.explanation)
        if let pattern {
            message.put(", pattern = \"")
            message.show(pattern.source, atMost: 200)
            message.put("\"")
        }
        return message.bytes
    }
}

extension TextFile {
    /// Where the lines are.
    fileprivate func lines(hasHeader: Bool, _ run: Run) throws(TableError) -> Range<Int> {
        let region = try current()
        let end = region.length
        var start = try lengthOfMark(region)
        if hasHeader {
            let goal = min(start &+ 1, end)
            start = try RowCutter.lines.cut(region, from: start, goal: goal, end: end, run) ?? end
        }
        return start..<end
    }
}

private func unknown(_ name: [UInt8], _ why: StaticString) -> TableError {
    var message = Message()
    message.put("columns: no column '")
    message.show(name, atMost: 100)
    message.put("': ")
    message.put(why)
    return TableError(message)
}

/// The rows of text by lines.
package final class LinesStream: TextStream {
    private let pattern: LinePattern?
    private let groups: [Int]
    private let patterns = Spares<CompiledPattern>()
    fileprivate let plain: PlainPattern?

    init(
        _ columns: [Column], _ format: DelimitedFormat, _ pattern: LinePattern?, _ groups: [Int],
        _ blocks: TextBlocks, total: Int, _ run: Run, wanted: [Bool], filters: [Predicate], _ tally: Tally
    ) throws(TableError) {
        (self.pattern, self.groups) = (pattern, groups)
        plain = pattern?.plain(groups)
        try super.init(
            columns, format, mostFields: groups.count, blocks, total: total, run, wanted: wanted,
            filters: filters, tally)
    }

    override func cursor(_ block: TextBlock, _ work: TextWork) throws(TableError) -> TextCursor {
        guard let pattern else { return LinesCursor(self, block, work) }
        if let own = patterns.take() { return try PatternCursor(self, own, groups, block, work) }
        return try PatternCursor(self, try pattern.compiled(), groups, block, work)
    }

    fileprivate func give(_ pattern: CompiledPattern) { patterns.give(pattern) }
}

/// The lines of a block as they are.
package class LinesCursor: TextCursor {
    private let format: DelimitedFormat
    final let targets: FieldTargets

    init(_ stream: LinesStream, columns: Int = 1, _ block: TextBlock, _ work: TextWork) {
        format = stream.format
        targets = work.targets(columns, Array(0..<columns))
        super.init(stream, block, work)
    }

    override func scan(_ base: UnsafePointer<UInt8>) throws(TableError) -> Int {
        let end = block.range.upperBound
        let target = targets[0]
        var count = 0
        while count < Batch.capacity, place < end {
            guard let line = line(base, end) else { continue }
            target?[count] = Text(base + line.lowerBound, line.count)
            work.starts[count] = line.lowerBound
            count &+= 1
        }
        return count
    }

    /// The next line without its end, after which `place` then is; nil if it is passed over.
    @inline(__always)
    final func line(_ base: UnsafePointer<UInt8>, _ end: Int) -> Range<Int>? {
        let start = place
        var stop = end
        if let found = memchr(base + start, CInt(UInt8(ascii: "\n")), end &- start) {
            stop = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            place = stop &+ 1
            if stop > start, base[stop &- 1] == UInt8(ascii: "\r") { stop &-= 1 }
        } else {
            place = end
        }
        if format.skipsBlank && stop == start { return nil }
        if !format.comment.isEmpty, stop &- start >= format.comment.count,
            memcmp(base + start, format.comment, format.comment.count) == 0
        {
            return nil
        }
        return start..<stop
    }
}

/// The groups of a pattern in the lines of a block.
private final class PatternCursor: LinesCursor {
    private let stream: LinesStream
    private let pattern: CompiledPattern
    private let groups: [Int]
    private let bad: BadValues
    private let plain: PlainPattern?
    private let lines: PlainLines
    /// Two offsets for each column, and one that nobody wants.
    private let offsets: UnsafeMutablePointer<Int>

    init(
        _ stream: LinesStream, _ pattern: CompiledPattern, _ groups: [Int], _ block: TextBlock,
        _ work: TextWork
    ) throws(TableError) {
        (self.stream, self.pattern, self.groups, bad) = (stream, pattern, groups, stream.format.bad)
        plain = stream.plain
        lines = try PlainLines(groups: groups.count)
        offsets = .allocate(capacity: 2 &* groups.count &+ 1)
        offsets.initialize(repeating: 0, count: 2 &* groups.count &+ 1)
        super.init(stream, columns: groups.count, block, work)
    }

    deinit {
        offsets.deallocate()
        stream.give(pattern)
    }

    override func scan(_ base: UnsafePointer<UInt8>) throws(TableError) -> Int {
        let end = block.range.upperBound
        var count = 0
        while count < Batch.capacity, place < end, failure == nil {
            if let plain {
                let number = takeLines(base, end, atMost: Batch.capacity &- count)
                if number > 0 {
                    try put(plain.matches(lines, number), number, &count, base)
                    continue
                }
            }
            guard let line = line(base, end) else { continue }
            let isMatch = try matches(
                UnsafeRawBufferPointer(start: base + line.lowerBound, count: line.count))
            try put(line, isMatch, &count, base) { offsets[$0] }
        }
        return count
    }

    /// Takes the next lines that can be matched together, and returns their number; 0 if the next one cannot.
    private func takeLines(_ base: UnsafePointer<UInt8>, _ end: Int, atMost most: Int) -> Int {
        var number = 0
        while number < min(most, PlainLines.most), place < end {
            let start = place
            guard let line = line(base, end) else { continue }
            // Bytes after the line are read with it.
            if line.count >= 1 << 16 || region.length &- line.upperBound < 16 {
                place = start
                break
            }
            (lines.starts[number], lines.counts[number]) = (base + line.lowerBound, line.count)
            number &+= 1
        }
        return number
    }

    /// Puts lines into the next rows.
    ///
    /// - Parameter matches: A bit for each.
    private func put(
        _ matches: UInt64, _ number: Int, _ count: inout Int, _ base: UnsafePointer<UInt8>
    ) throws(TableError) {
        if matches.nonzeroBitCount < number {
            for index in 0..<number where failure == nil {
                let start = lines.starts[index] - base
                try put(
                    start..<start &+ lines.counts[index], matches &>> UInt64(index) & 1 != 0, &count, base
                ) { lines.offsets($0)[index] }
            }
            return
        }
        for column in groups.indices {
            guard let target = targets[column] else { continue }
            let (starts, stops) = (lines.offsets(2 &* column), lines.offsets(2 &* column &+ 1))
            for index in 0..<number {
                target[count &+ index] = Text(
                    lines.starts[index] + starts[index], stops[index] &- starts[index])
            }
        }
        for index in 0..<number { work.starts[count &+ index] = lines.starts[index] - base }
        count &+= number
    }

    /// Puts a line into the next row.
    ///
    /// - Parameter offset: Of the column's start (2 × its index) or end (one more).
    @inline(__always)
    private func put(
        _ line: Range<Int>, _ isMatch: Bool, _ count: inout Int, _ base: UnsafePointer<UInt8>,
        _ offset: (Int) -> Int
    ) throws(TableError) {
        if !isMatch && bad != .null {
            return try refuse(line.lowerBound) { message in
                message.put(": the pattern does not match '")
                message.show(
                    UnsafeRawBufferPointer(start: base + line.lowerBound, count: line.count), atMost: 60)
                message.put("' (bad = \"nil\" makes such rows null, bad = \"skip\" leaves them out)")
            }
        }
        let text = base + line.lowerBound
        for column in groups.indices {
            let (start, stop) = isMatch ? (offset(2 &* column), offset(2 &* column &+ 1)) : (-1, -1)
            // A group may end before it begins, by \K in a lookahead.
            let isPart = start >= 0 && start <= stop && stop <= line.count
            targets[column]?[count] = isPart ? Text(text + start, stop &- start) : Text(text, missingMark)
        }
        work.starts[count] = line.lowerBound
        count &+= 1
    }

    /// Whether a line matches; then `offsets` are those of the groups.
    private func matches(_ line: UnsafeRawBufferPointer) throws(TableError) -> Bool {
        if let plain, line.count < 1 << 16, let start = line.bindMemory(to: UInt8.self).baseAddress {
            return plain.matches(start, line.count, offsets)
        }
        guard try isFound(line), let found = pattern.pointer.pointee.offsets else { return false }
        for (column, group) in groups.enumerated() {
            (offsets[2 &* column], offsets[2 &* column &+ 1]) = (found[2 &* group], found[2 &* group &+ 1])
        }
        return true
    }

    private func isFound(_ line: UnsafeRawBufferPointer) throws(TableError) -> Bool {
        if let isMatch = pattern.pointer.pointee.matchesAtOnce(line) { return isMatch }
        var stopped: TableError?
        let result = try mapped(path: block.file.path) { () throws(MapError) in
            try PatternSearch(pattern.pointer, line, nil).next(from: 0) { _ in
                do throws(TableError) { try stream.run.poll() } catch { stopped = error }
                return stopped == nil
            }
        }
        if let stopped { throw stopped }
        return result == .found
    }
}
