extension Table {
    /// What `t:describe()` says of a column; nil where a value is not defined for its type, or where there is none.
    package struct Description {
        package var column: Column
        package var count = 0
        package var nulls = 0
        /// As rows of a frame of one row: `min`, `max` of the column's type, the others floats.
        package var min: Value?
        package var max: Value?
        package var mean: Double?
        package var stddev: Double?
        package var median: Double?
        package var distinct = 0
    }

    package enum Value: Equatable {
        case string([UInt8])
        case number(Double)
        case integer(Int64)
        case u64(UInt64)
        case boolean(Bool)
    }

    /// All columns in one pass.
    package func description(_ run: Run) throws(TableError) -> [Description] {
        var aggregates = [Aggregate(.count, nil, name: Array("count".utf8))]
        var places: [[Aggregate.Function: Int]] = []
        for (index, column) in columns.enumerated() {
            var functions: [Aggregate.Function] = [.min, .max, .distinct, .nulls]
            if column.type.isNumeric { functions += [.mean, .stddev, .median] }
            var known: [Aggregate.Function: Int] = [:]
            for function in functions {
                known[function] = aggregates.count
                aggregates.append(Aggregate(function, index, name: Array("\(function) \(index)".utf8)))
            }
            places.append(known)
        }
        let result = try grouped(Grouping(keys: [], aggregates: aggregates)).collect(run)
        return columns.indices.map { index in
            var description = Description(column: columns[index])
            description.count = result.integer(0)
            let known = places[index]
            description.nulls = known[.nulls].map { result.integer($0) } ?? 0
            description.min = known[.min].flatMap { result.value($0, 0) }
            description.max = known[.max].flatMap { result.value($0, 0) }
            description.distinct = known[.distinct].map { result.integer($0) } ?? 0
            description.mean = known[.mean].flatMap { result.float($0) }
            description.stddev = known[.stddev].flatMap { result.float($0) }
            description.median = known[.median].flatMap { result.float($0) }
            return description
        }
    }
}

extension Frame {
    /// The value at a row; nil for null.
    package func value(_ column: Int, _ row: Int) -> Table.Value? {
        guard let vector = vector(column), row < count, !vector.isNull(row) else { return nil }
        switch columns[column].type {
        case .string: return .string(Array(vector.texts[row].buffer))
        case .number, .time: return .number(vector.doubles[row])
        case .integer: return .integer(vector.integers[row])
        case .u64: return .u64(vector.words[row])
        case .boolean: return .boolean(vector.words[row] != 0)
        }
    }

    fileprivate func integer(_ column: Int) -> Int {
        guard case .integer(let value)? = value(column, 0) else { return 0 }
        return Int(value)
    }

    fileprivate func float(_ column: Int) -> Double? {
        guard case .number(let value)? = value(column, 0) else { return nil }
        return value
    }
}
