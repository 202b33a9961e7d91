internal import CMemoryMap
package import MemoryMap

/// Columns in memory: numbers at a fixed distance, or strings of a fixed size. Of views, or of the fields of records.
package final class ElementsSource: Source {
    /// Where the values of a column are.
    package enum Values {
        case numbers(MappedElements)
        /// Strings of the records' size; with `trims` without the zero bytes at their ends.
        case strings(MappedRecords, trims: Bool)

        package var count: Int {
            switch self {
            case .numbers(let elements): elements.count
            case .strings(let records, _): records.count
            }
        }

        /// Integers as integers, floats as numbers.
        package var type: ColumnType {
            switch self {
            case .numbers(let elements):
                elements.type.isFloat ? .number : elements.type.kind == Int32(MM_U64) ? .u64 : .integer
            case .strings: .string
            }
        }
    }

    fileprivate let values: [Values]
    private let rows: Range<Int>
    private let kind: StaticString

    /// - Parameters:
    ///   - requests: What to read, by name, and as which type; nil for all.
    ///   - kind: What the columns are, in words: "records".
    package convenience init(
        _ all: [(name: [UInt8], values: Values)], _ requests: [ColumnRequest]?, kind: StaticString
    ) throws(TableError) {
        var columns: [Column] = []
        var values: [Values] = []
        let known = all.map { Column($0.name, $0.values.type) }
        for request in requests ?? known.map({ ColumnRequest($0.name) }) {
            guard let place = all.firstIndex(where: { $0.name == request.name }) else {
                throw unknownColumn(request.name, among: known)
            }
            let column = try known[place].read(as: request)
            columns.append(column)
            values.append(all[place].values)
        }
        try requireDistinctNames(columns)
        let count = values.first?.count ?? 0
        if let other = values.firstIndex(where: { $0.count != count }) {
            throw TableError(
                "the columns '\(shown(columns[0].name))' and '\(shown(columns[other].name))' have \(count) and \(values[other].count) rows"
            )
        }
        self.init(columns, values, 0..<count, kind)
    }

    private init(_ columns: [Column], _ values: [Values], _ rows: Range<Int>, _ kind: StaticString) {
        (self.values, self.rows, self.kind) = (values, rows, kind)
        super.init(columns)
    }

    package override func open(
        _ run: Run, wanted: [Bool], filters: [Predicate]
    ) throws(TableError) -> RowStream {
        ElementsStream(self, rows, wanted, filters)
    }

    package override func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        let (part, rest) = rows.count.quotientAndRemainder(dividingBy: n)
        let ends = [k &- 1, k].map { rows.lowerBound &+ part &* $0 &+ min($0, rest) }
        return ElementsSource(columns, values, ends[0]..<ends[1], kind)
    }

    package override var explanation: [UInt8] {
        Array("\(kind), \(rows.count) row\(rows.count == 1 ? "" : "s")".utf8)
    }
}

extension Column {
    /// The column as the type that is asked for: numbers and times of any numbers.
    fileprivate func read(as request: ColumnRequest) throws(TableError) -> Column {
        guard let wanted = request.type, wanted != type else { return self }
        if type.isNumeric && (wanted == .number || wanted == .time) && request.format == nil {
            return Column(name, wanted)
        }
        throw TableError(
            "column '\(shown(name))' is \(type.name) in memory and cannot be read as \(wanted.name)")
    }
}

private final class ElementsStream: RowStream {
    private let source: ElementsSource
    private let wanted: [Bool]
    private let filters: [Predicate]
    private var position: Int
    private let end: Int
    private static let grain = 128 << 10

    init(_ source: ElementsSource, _ rows: Range<Int>, _ wanted: [Bool], _ filters: [Predicate]) {
        (self.source, self.wanted, self.filters) = (source, wanted, filters)
        (position, end) = (rows.lowerBound, rows.upperBound)
        first = position
        super.init(source.columns, isParallel: true, total: rows.count)
    }

    override var rowCount: Int? { filters.isEmpty ? total : nil }

    private let first: Int

    override func next() throws(TableError) -> Piece? {
        if position >= end { return nil }
        let start = position
        position = min(end, start &+ Self.grain)
        let cursor = try ElementsCursor(source, start..<position, wanted, filters)
        return Piece(cursor, done: position &- first)
    }
}

private final class ElementsCursor: Cursor {
    private let source: ElementsSource
    private var rows: Range<Int>
    private let wanted: [Bool]
    private let filters: [Filter]
    private let batch: Batch
    private let mask: Memory

    init(
        _ source: ElementsSource, _ rows: Range<Int>, _ wanted: [Bool], _ filters: [Predicate]
    ) throws(TableError) {
        (self.source, self.rows, self.wanted) = (source, rows, wanted)
        var own: [Filter] = []
        for filter in filters { own.append(try Filter(filter, source.columns[filter.column].type)) }
        self.filters = own
        batch = Batch(columns: source.columns.count)
        mask = try Memory(Batch.capacity)
    }

    override func next() throws(TableError) -> Batch? {
        if rows.isEmpty { return nil }
        let start = rows.lowerBound
        let count = min(rows.count, Batch.capacity)
        rows = start &+ count..<rows.upperBound
        batch.count = count
        batch.arena.removeAll()
        for column in batch.vectors.indices { batch.vectors[column] = nil }
        if try !filter(start, count) { return batch }
        for column in wanted.indices where wanted[column] && batch.vectors[column] == nil {
            batch.vectors[column] = try load(column, start, count)
        }
        if !filters.isEmpty { try batch.keep(mask.bound(to: UInt8.self), source.columns) }
        return batch
    }

    /// Reads the columns of the filters; false, with an empty batch, if no row passes.
    private func filter(_ start: Int, _ count: Int) throws(TableError) -> Bool {
        if filters.isEmpty { return true }
        let all = mask.bound(to: UInt8.self)
        all.update(repeating: 1, count: count)
        for filter in filters {
            let column = filter.predicate.column
            let vector: Vector
            if let former = batch.vectors[column] {
                vector = former
            } else {
                vector = try load(column, start, count)
            }
            batch.vectors[column] = vector
            try filter.apply(vector, count, all)
        }
        for row in 0..<count where all[row] != 0 { return true }
        // All columns are there, as far as anybody looks at an empty batch.
        for column in wanted.indices where wanted[column] {
            batch.vectors[column] = Vector(try batch.room(column, source.columns[column].type).values)
        }
        batch.count = 0
        return false
    }

    private func load(_ column: Int, _ start: Int, _ count: Int) throws(TableError) -> Vector {
        let type = source.columns[column].type
        let target = try batch.room(column, type)
        switch source.values[column] {
        case .numbers(let elements):
            try mapped { () throws(MapError) in
                let part = try elements.readable(start, count)
                guard let base = part.elements.region.base else { return }
                mm_load_numbers(base, part.stride, count, part.elements.type, target.words)
                try part.checkIntact()
            }
            if type == .number || type == .time, !elements.type.isFloat {
                let isUnsigned = elements.type.kind == Int32(MM_U64)
                for row in 0..<count {
                    target.doubles[row] =
                        isUnsigned ? Double(target.words[row]) : Double(target.integers[row])
                }
            }
        case .strings(let records, let trims):
            try strings(records, trims, start, count, target.texts)
        }
        return Vector(target.values)
    }

    /// Copies the strings: their mapping may be closed before the next batch, by a function of the script.
    private func strings(
        _ records: MappedRecords, _ trims: Bool, _ start: Int, _ count: Int,
        _ texts: UnsafeMutablePointer<Text>
    ) throws(TableError) {
        let part = try mapped { () throws(MapError) in
            let part = try records.slice(start, count)
            var region = part.records.region
            guard mm_is_readable(&region) else { throw .notReadable }
            return part
        }
        let size = part.size
        let (bytes, overflow) = size.multipliedReportingOverflow(by: count)
        guard !overflow, let base = part.records.region.base else {
            throw TableError("\(count) strings of \(size) bytes are too long")
        }
        let place = try batch.arena.allocate(bytes)
        for row in 0..<count {
            let target = place + row &* size
            target.update(from: base + row &* part.stride, count: size)
            let string = UnsafeRawBufferPointer(start: target, count: size)
            texts[row] = Text(target, trims ? countWithoutZeros(string) : size)
        }
        try mapped { () throws(MapError) in try MappedBytes(part.records.region).checkIntact() }
    }
}
