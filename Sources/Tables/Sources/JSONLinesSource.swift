internal import CMemoryMap
internal import Glibc
internal import MemoryMap

/// Lines that are JSON objects: files, one after the other, or a buffer.
///
/// A column is a path: `http.status` is the key "http.status", if the object has it, else the key "status" in the object
/// "http". What is missing or null is null. A column of strings has the text of a string, and of any other value its JSON.
package final class JSONLinesSource: Source {
    private let paths: [JSONPath]
    private let text: FileText
    private let nulls: [[UInt8]]
    private let bad: BadValues
    private let tally = Tally()
    /// Bytes in a block.
    var blockSize = textBlockSize

    /// - Parameters:
    ///   - requests: The columns; nil for those of the first rows.
    ///   - nulls: Strings that are null where the column is of another type.
    package convenience init(
        _ files: [TextFile], _ requests: [ColumnRequest]?, nulls: [[UInt8]] = [[]], bad: BadValues = .error,
        _ run: Run
    ) throws(TableError) {
        var text = FileText()
        for file in files {
            let region = try file.current()
            let mark = file.compression == nil ? try file.lengthOfMark(region) : 0
            try mapped(path: file.path) { () throws(MapError) in try MappedBytes(region).checkIntact() }
            text.append(file, mark..<max(region.length, mark))
        }
        var columns: [Column] = []
        var paths: [JSONPath] = []
        if let requests, requests.allSatisfy({ $0.type != nil }) {
            columns = requests.map { Column($0.name, $0.type ?? .string, format: $0.format) }
            paths = requests.map { JSONPath($0.name) }
        } else {
            let (found, rows) = try JSONLinesSource.firstColumns(text, isLenient: bad != .error, run)
            if let requests {
                for request in requests {
                    let known = found.first { $0.column.name == request.name }
                    guard let type = request.type ?? known?.column.type else {
                        throw unknown(request.name, rows, found.map { $0.column })
                    }
                    columns.append(Column(request.name, type, format: request.format))
                    paths.append(known?.path ?? JSONPath(request.name))
                }
            } else {
                (columns, paths) = (found.map { $0.column }, found.map { $0.path })
            }
        }
        if requests != nil { try requireDistinctNames(columns) }
        self.init(columns, paths, text, nulls, bad)
    }

    private init(
        _ columns: [Column], _ paths: [JSONPath], _ text: FileText, _ nulls: [[UInt8]], _ bad: BadValues
    ) {
        (self.paths, self.text, self.nulls, self.bad) = (paths, text, nulls, bad)
        super.init(columns)
    }

    /// The columns of the first rows: as many as a batch has, or those of a block.
    private static func firstColumns(
        _ text: FileText, isLenient: Bool, _ run: Run
    ) throws(TableError) -> (columns: [(column: Column, path: JSONPath)], rows: Int) {
        var schema = try JSONSchema()
        var first: TableError?
        if let block = try FileBlocks(text, .lines, run, size: textBlockSize).next() {
            let window = try JSONWindow(block)
            read: while try window.next(run) {
                var place = 0
                while place < window.count {
                    let start = window.text + place
                    let newline = memchr(start, 10, window.count &- place)
                    let count =
                        newline.map { UnsafeRawPointer($0) - UnsafeRawPointer(start) } ?? window.count
                        &- place
                    if let fault = try schema.learn(start, count), first == nil {
                        var message = Message()
                        message.put(fault.message)
                        first = window.complain(place &+ fault.offset, message)
                    }
                    place &+= count &+ 1
                    if schema.rows == Batch.capacity { break read }
                }
            }
        }
        // Of text that has no row at all it is better said at once.
        if let first, schema.rows == 0, !isLenient { throw first }
        return (schema.columns, schema.rows)
    }

    package override func open(
        _ run: Run, wanted: [Bool], filters: [Predicate]
    ) throws(TableError) -> RowStream {
        tally.reset()
        let plan = try JSONPlan(columns, paths, wanted: wanted, filters: filters, nulls: nulls, bad: bad)
        return JSONLinesStream(
            plan, FileBlocks(text, .lines, run, size: blockSize), total: text.count, run, tally)
    }

    package override func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        guard n > 0, k >= 1, k <= n else {
            throw TableError("piece \(k) of \(n): 1 to \(max(n, 1)) expected")
        }
        let run = Run { _ in true }
        return JSONLinesSource(columns, paths, try text.piece(k, of: n, .lines, run), nulls, bad)
    }

    package override var skipped: Int { tally.count }

    package override var stamp: [Int]? { text.stamp }

    package override var explanation: [UInt8] {
        var message = Message()
        message.put("JSON lines, ")
        message.put(text.explanation)
        return message.bytes
    }
}

private func unknown(_ name: [UInt8], _ rows: Int, _ columns: [Column]) -> TableError {
    var message = Message()
    message.put("columns: '")
    message.show(name, atMost: 100)
    message.put("' is in none of the first ")
    message.put(rows)
    message.put(" rows; give its type, as in \"")
    message.show(name, atMost: 100)
    message.put(" string\"")
    if !columns.isEmpty {
        message.put(", or one of these: ")
        for (index, column) in columns.prefix(20).enumerated() {
            if index > 0 { message.put(", ") }
            message.show(column.name, atMost: 100)
        }
        if columns.count > 20 { message.put(", ...") }
    }
    return TableError(message)
}

/// The rows of JSON lines.
package final class JSONLinesStream: RowStream {
    let plan: JSONPlan
    let run: Run
    private let blocks: TextBlocks
    private let tally: Tally
    private let spares = Spares<JSONWork>()

    init(_ plan: JSONPlan, _ blocks: TextBlocks, total: Int, _ run: Run, _ tally: Tally) {
        (self.plan, self.blocks, self.run, self.tally) = (plan, blocks, run, tally)
        super.init(plan.columns, isParallel: true, total: total)
    }

    package override func next() throws(TableError) -> Piece? {
        guard let block = try blocks.next() else { return nil }
        var work = spares.take()
        if work == nil { work = try JSONWork(plan, run) }
        return try work.map { (work) throws(TableError) in
            Piece(try JSONLinesCursor(self, block, work), done: block.done)
        }
    }

    func finish(_ work: JSONWork) {
        tally.add(work.rows.takeSkipped())
        spares.give(work)
    }
}

/// What a cursor works with; used by one after the other.
final class JSONWork {
    let rows: JSONRows
    let batch: Batch

    init(_ plan: JSONPlan, _ run: Run) throws(TableError) {
        rows = try JSONRows(plan, run)
        batch = Batch(columns: plan.columns.count)
    }
}

/// The rows of a block.
package final class JSONLinesCursor: Cursor {
    private let stream: JSONLinesStream
    private let window: JSONWindow
    private let work: JSONWork
    private var isBegun = false

    init(_ stream: JSONLinesStream, _ block: TextBlock, _ work: JSONWork) throws(TableError) {
        (self.stream, self.work) = (stream, work)
        window = try JSONWindow(block)
    }

    deinit { stream.finish(work) }

    package override func next() throws(TableError) -> Batch? {
        while true {
            try stream.run.poll()
            if isBegun, try work.rows.next(work.batch) { return work.batch }
            guard try window.next(stream.run) else { return nil }
            isBegun = true
            work.rows.begin(window.text, window.count, complain: window.complaint)
        }
    }
}

/// A walk over a block in private copies of some lines each.
final class JSONWindow {
    private let block: TextBlock
    private var memory: Memory
    private var place: Int
    /// The place of the copy in the region.
    private var start = 0
    private(set) var count = 0

    /// A copy is read soon after it was made, and fits into the processor's cache till then.
    private static var size: Int { 512 << 10 }
    /// Zeros after the text: some readers look at several bytes at once.
    private static var padding: Int { 64 }

    init(_ block: TextBlock) throws(TableError) {
        self.block = block
        place = block.range.lowerBound
        memory = try Memory(min(JSONWindow.size, block.range.count) &+ JSONWindow.padding)
    }

    var text: UnsafeMutablePointer<UInt8> { memory.bound(to: UInt8.self) }

    /// Copies the next lines; false at the end.
    func next(_ run: Run) throws(TableError) -> Bool {
        place &+= count
        count = 0
        start = place
        let end = block.range.upperBound
        if place >= end {
            if block.isMapped { try block.file.checkReached(end) }
            return false
        }
        var wanted = min(JSONWindow.size, end &- place)
        var copied = 0
        while true {
            try run.poll()
            try memory.reserve(wanted &+ JSONWindow.padding)
            try copy(copied, wanted, run)
            let isLast = place &+ wanted == end
            if isLast { break }
            if let newline = mm_find_last(text + copied, 10, wanted &- copied) {
                wanted = UnsafeRawPointer(newline) - UnsafeRawPointer(text) &+ 1
                break
            }
            // A long line.
            (copied, wanted) = (wanted, min(wanted &* 2, end &- place))
        }
        count = wanted
        (text + count).update(repeating: 0, count: JSONWindow.padding)
        return true
    }

    private func copy(_ from: Int, _ to: Int, _ run: Run) throws(TableError) {
        var region = try block.current()
        guard let base = region.base else { return }
        var copied = from
        while copied < to {
            let count = min(to &- copied, 8 << 20)
            memcpy(text + copied, base + (place &+ copied), count)
            copied &+= count
            if copied < to { try run.poll() }
        }
        if mm_was_intact(&region) { return }
        try mapped(path: block.file.path) { () throws(MapError) in try MappedBytes(region).checkIntact() }
    }

    func complain(_ place: Int, _ problem: Message) -> TableError { complaint(place, problem) }

    /// Makes errors about places in the present copy.
    var complaint: (_ place: Int, _ problem: Message) -> TableError {
        { [block, start] place, problem in
            var message = block.location(of: start &+ place)
            message.put(", ")
            message.put(problem.bytes)
            return TableError(message)
        }
    }
}
