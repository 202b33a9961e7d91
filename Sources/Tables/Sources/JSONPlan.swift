/// What is read of the rows of JSON lines: made once, used by all threads.
package struct JSONPlan: Sendable {
    let columns: [Column]
    let bad: BadValues
    /// Those that are needed, those of filters first.
    let needed: [Int]
    /// How many of `needed` have filters.
    let filtered: Int
    let wanted: [Bool]
    let filters: [Predicate]
    /// For each of `needed`.
    let paths: [JSONPath]
    let parsers: [ValueParser]
    /// Strings that are null where they are no values of the column's type.
    let nulls: [[UInt8]]

    /// - Parameters:
    ///   - paths: For each column.
    ///   - nulls: The texts that mean null for columns that are not of strings.
    package init(
        _ columns: [Column], _ paths: [JSONPath], wanted: [Bool], filters: [Predicate],
        nulls: [[UInt8]] = [[]],
        bad: BadValues = .error
    ) throws(TableError) {
        (self.columns, self.wanted, self.filters, self.nulls, self.bad) = (
            columns, wanted, filters, nulls, bad
        )
        let early = columns.indices.filter { column in filters.contains { $0.column == column } }
        let late = columns.indices.filter { wanted[$0] && !early.contains($0) }
        needed = early + late
        filtered = early.count
        self.paths = needed.map { paths[$0] }
        var parsers: [ValueParser] = []
        // A null in the data is an empty text for the parser.
        for column in needed {
            parsers.append(try ValueParser(columns[column], nulls: nulls + [[]], bad: bad))
        }
        self.parsers = parsers
    }
}
