import MemoryMap

@testable import Tables

/// A value of a table in a test; nil is null.
typealias Value = Table.Value

/// Rows in memory, handed out in small pieces and batches, so that all that merges pieces is at work.
final class RowsSource: Source {
    let rows: [[Value?]]
    let pieceSize: Int
    let batchSize: Int

    init(_ columns: [Column], _ rows: [[Value?]], pieceSize: Int = 7, batchSize: Int = 3) {
        (self.rows, self.pieceSize, self.batchSize) = (rows, pieceSize, batchSize)
        super.init(columns)
    }

    override func open(_ run: Run, wanted: [Bool], filters: [Predicate]) throws(TableError) -> RowStream {
        RowsStream(self, wanted.adding(filters.map { $0.column })).filtered(filters)
    }

    override func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        RowsSource(
            columns, Array(rows[rows.count * (k - 1) / n..<rows.count * k / n]), pieceSize: pieceSize,
            batchSize: batchSize)
    }
}

private final class RowsStream: RowStream {
    let source: RowsSource
    let wanted: [Bool]
    var place = 0

    init(_ source: RowsSource, _ wanted: [Bool]) {
        (self.source, self.wanted) = (source, wanted)
        super.init(source.columns, isParallel: true, total: source.rows.count)
    }

    override func next() throws(TableError) -> Piece? {
        if place >= source.rows.count { return nil }
        let start = place
        place = min(source.rows.count, start + source.pieceSize)
        return Piece(RowsCursor(source, wanted, start..<place), done: place)
    }
}

private final class RowsCursor: Cursor {
    let source: RowsSource
    let wanted: [Bool]
    var rows: Range<Int>
    let batch: Batch

    init(_ source: RowsSource, _ wanted: [Bool], _ rows: Range<Int>) {
        (self.source, self.wanted, self.rows) = (source, wanted, rows)
        batch = Batch(columns: source.columns.count)
    }

    override func next() throws(TableError) -> Batch? {
        if rows.isEmpty { return nil }
        let taken = rows.prefix(source.batchSize)
        rows = taken.upperBound..<rows.upperBound
        batch.count = taken.count
        batch.arena.removeAll()
        for (index, column) in source.columns.enumerated() where wanted[index] {
            var vector = try batch.room(index, column.type)
            var hasNulls = false
            for (to, row) in taken.enumerated() {
                let value = source.rows[row][index]
                vector.nulls?[to] = value == nil ? 1 : 0
                if value == nil { hasNulls = true }
                if column.type == .string {
                    var bytes: [UInt8] = []
                    if case .string(let string)? = value { bytes = string }
                    let place = try batch.arena.allocate(bytes.count)
                    for i in bytes.indices { place[i] = bytes[i] }
                    vector.texts[to] = Text(place, bytes.count)
                } else {
                    vector.words[to] = value.map(word) ?? 0
                }
            }
            if !hasNulls { vector.nulls = nil }
            batch.vectors[index] = vector
        }
        return batch
    }
}

private func word(_ value: Value) -> UInt64 {
    switch value {
    case .string: 0
    case .number(let number): number.bitPattern
    case .integer(let integer): UInt64(bitPattern: integer)
    case .u64(let integer): integer
    case .boolean(let truth): truth ? 1 : 0
    }
}

extension Run {
    static var plain: Run { Run { _ in true } }
}

extension Table {
    /// All rows.
    func values(_ run: Run = .plain) throws(TableError) -> [[Value?]] {
        let frame = try collect(run)
        // A frame gives null for what it does not have; who reads batches wants a vector for each column.
        for column in columns.indices where frame.count > 0 && frame.vector(column) == nil {
            throw TableError("a column was not read")
        }
        return (0..<frame.count).map { row in columns.indices.map { frame.value($0, row) } }
    }
}

func name(_ text: String) -> [UInt8] { Array(text.utf8) }
