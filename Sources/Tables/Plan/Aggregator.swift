/// What is kept of a column for each group.
class Aggregator {
    let column: Int
    let type: ColumnType

    init(_ column: Int, _ type: ColumnType) throws(TableError) { (self.column, self.type) = (column, type) }

    /// Makes room for so many groups.
    func reserve(_ groups: Int) throws(TableError) {}

    /// Adds the rows of a batch.
    ///
    /// - Parameter ids: The group of each row.
    func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) throws(TableError) {}

    /// Adds what another of the same class kept, of rows after all rows of this one.
    ///
    /// - Parameter map: The number of each of its groups here.
    func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) throws(TableError) {}

    /// Forgets all rows.
    func removeAll() {}

    /// Sets the values of a column of the result.
    func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {}
}

extension Aggregate {
    /// What computes the aggregate, and perhaps others.
    enum State: Hashable {
        case rows
        case sum(Int), spread(Int), least(Int), greatest(Int), first(Int), last(Int), values(Int), distinct(
            Int), nulls(Int)
    }

    var state: State {
        let column = column ?? 0
        return switch function {
        case .count: .rows
        case .sum, .mean: .sum(column)
        case .variance, .stddev: .spread(column)
        case .min: .least(column)
        case .max: .greatest(column)
        case .first: .first(column)
        case .last: .last(column)
        case .median, .quantile: .values(column)
        case .distinct: .distinct(column)
        case .nulls: .nulls(column)
        }
    }

    func aggregator(_ columns: [Column]) throws(TableError) -> Aggregator {
        let column = column ?? 0
        let type = columns.isEmpty ? ColumnType.integer : columns[column].type
        return switch function {
        case .count: try RowCounter(column, type, nulls: false)
        case .nulls: try RowCounter(column, type, nulls: true)
        case .sum, .mean:
            type == .number || type == .time ? try FloatSum(column, type) : try IntegerSum(column, type)
        case .variance, .stddev: try Spread(column, type)
        case .min: try Chosen(column, type, .least)
        case .max: try Chosen(column, type, .greatest)
        case .first: try Chosen(column, type, .first)
        case .last: try Chosen(column, type, .last)
        case .median, .quantile: try Values(column, type)
        case .distinct: try DistinctCounter(column, type)
        }
    }
}

extension List {
    /// Adds values until there are `count`.
    @inline(__always)
    mutating func fill(to count: Int, _ value: Value) throws(TableError) {
        if count <= self.count { return }
        let more = count &- self.count
        try extend(more).update(repeating: value, count: more)
    }
}

/// Calls `body` for each row that is not null.
@inline(__always)
func forEachRow(_ vector: Vector, _ count: Int, _ body: (Int) -> Void) {
    if let nulls = vector.nulls {
        for row in 0..<count where nulls[row] == 0 { body(row) }
    } else {
        for row in 0..<count { body(row) }
    }
}

/// Calls `body` with each value as a float.
@inline(__always)
func forEachFloat(_ vector: Vector, _ type: ColumnType, _ count: Int, _ body: (Int, Double) -> Void) {
    switch type {
    case .integer: forEachRow(vector, count) { body($0, Double(vector.integers[$0])) }
    case .u64: forEachRow(vector, count) { body($0, Double(vector.words[$0])) }
    default: forEachRow(vector, count) { body($0, vector.doubles[$0]) }
    }
}
