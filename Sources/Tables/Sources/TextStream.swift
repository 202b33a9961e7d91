internal import CMemoryMap
internal import Glibc
internal import MemoryMap

/// The rows of a text: of each row some bytes are the texts of the columns.
package class TextStream: RowStream {
    let run: Run
    let format: DelimitedFormat
    let parsers: [ValueParser]
    /// The columns that filters need, in the order of the filters, each once.
    let filtered: [Int]
    /// The other columns that are needed.
    let others: [Int]
    let wanted: [Bool]
    let filters: [Predicate]
    /// Of a row, at most.
    let mostFields: Int
    private let blocks: TextBlocks
    private let spares = Spares<TextWork>()
    private let tally: Tally

    init(
        _ columns: [Column], _ format: DelimitedFormat, mostFields: Int, _ blocks: TextBlocks, total: Int,
        _ run: Run, wanted: [Bool], filters: [Predicate], _ tally: Tally
    ) throws(TableError) {
        var parsers: [ValueParser] = []
        for column in columns {
            parsers.append(
                try ValueParser(column, decimal: format.point, nulls: format.nulls, bad: format.bad))
        }
        var filtered: [Int] = []
        for filter in filters where !filtered.contains(filter.column) { filtered.append(filter.column) }
        (self.run, self.format, self.mostFields, self.parsers) = (run, format, mostFields, parsers)
        (self.filtered, self.wanted, self.filters) = (filtered, wanted, filters)
        others = columns.indices.filter { wanted[$0] && !filtered.contains($0) }
        (self.blocks, self.tally) = (blocks, tally)
        super.init(columns, isParallel: true, total: total)
    }

    package override func next() throws(TableError) -> Piece? {
        try run.poll()
        guard let block = try blocks.next() else { return nil }
        if let work = spares.take() { return Piece(try cursor(block, work), done: block.done) }
        return Piece(try cursor(block, try TextWork(self)), done: block.done)
    }

    /// A cursor over the rows of a block.
    func cursor(_ block: TextBlock, _ work: TextWork) throws(TableError) -> TextCursor {
        TextCursor(self, block, work)
    }

    func finish(_ work: TextWork, skipped: Int) {
        spares.give(work)
        tally.add(skipped)
    }
}

/// The memory of a cursor, which the next one gets.
final class TextWork {
    let batch: Batch
    /// By column, the fields as they are in the text; nil for columns that are not needed.
    private(set) var texts: [UnsafeMutablePointer<Text>?]
    /// By column, where the texts are if not in the batch.
    private var memory: [Memory] = []
    private let places: Memory
    private let bytes: Memory
    private let targetMemory: Memory
    private let foundMemory: Memory
    /// By column.
    private(set) var filters: [[Filter]]

    init(_ stream: TextStream) throws(TableError) {
        let columns = stream.columns
        batch = Batch(columns: columns.count)
        texts = Array(repeating: nil, count: columns.count)
        filters = Array(repeating: [], count: columns.count)
        places = try Memory(Batch.capacity &* MemoryLayout<Int>.stride)
        bytes = try Memory(3 &* Batch.capacity)
        foundMemory = try Memory(TextWork.room &* TextWork.fieldSize)
        let most = max(stream.mostFields, 1)
        targetMemory = try Memory(most &* MemoryLayout<UnsafeMutablePointer<Text>?>.stride)
        for column in stream.filtered + stream.others {
            if columns[column].type == .string {
                texts[column] = try batch.room(column, .string).texts
            } else {
                let room = try Memory(Batch.capacity &* MemoryLayout<Text>.stride)
                memory.append(room)
                texts[column] = room.bound(to: Text.self)
            }
        }
        for filter in stream.filters {
            filters[filter.column].append(try Filter(filter, columns[filter.column].type))
        }
    }

    /// The places of rows in the text.
    var starts: UnsafeMutablePointer<Int> { places.bound(to: Int.self) }
    /// For each row whether the column's field was in quotes (1), or is missing (2).
    var quoted: UnsafeMutablePointer<UInt8> { bytes.bound(to: UInt8.self) }
    /// The rows that are to be kept.
    var mask: UnsafeMutablePointer<UInt8> { quoted + Batch.capacity }
    /// The rows that do not fit.
    var skipped: UnsafeMutablePointer<UInt8> { mask + Batch.capacity }

    /// The fields that `mm_rows` finds at once.
    static var room: Int { 64 }
    private static var fieldSize: Int { MemoryLayout<mm_text_field>.stride }
    var found: UnsafeMutablePointer<mm_text_field> { foundMemory.bound(to: mm_text_field.self) }

    /// By field, where its texts go.
    ///
    /// - Parameters:
    ///   - fields: Their number.
    ///   - places: By column, the number of its field.
    func targets(_ fields: Int, _ places: [Int]) -> FieldTargets {
        let targets = targetMemory.bound(to: UnsafeMutablePointer<Text>?.self)
        targets.update(repeating: nil, count: fields)
        for (column, field) in places.enumerated() where texts[column] != nil {
            targets[field] = texts[column]
        }
        return FieldTargets(targets)
    }
}

/// What cursors on several threads leave for others.
final class Spares<Value>: @unchecked Sendable {
    private var values: [Value] = []
    private let lock = Lock()

    func take() -> Value? { lock.holding { values.popLast() } }
    func give(_ value: Value) { lock.holding { values.append(value) } }
    func removeAll() { lock.holding { values = [] } }
}

/// A count of several threads.
final class Tally: @unchecked Sendable {
    private var sum = 0
    private let lock = Lock()

    var count: Int { lock.holding { sum } }
    func add(_ more: Int) { if more > 0 { lock.holding { sum &+= more } } }
    func reset() { lock.holding { sum = 0 } }
}

private final class Lock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() { pthread_mutex_init(mutex, nil) }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func holding<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
