/// A plan over rows: a source, and what is done to its rows, verb by verb. Each verb gives another table; nothing is read
/// before a result is asked for.
package final class Table {
    package let columns: [Column]
    let step: Step
    /// The steps of the plan, one after the other, and all of them; a table that is used twice counts twice.
    private let (depth, size): (Int, Int)
    /// Groups that were computed before their result was asked for, and the stamp of the rows.
    private var kept: (groups: Frame, stamp: [Int])?

    init(_ columns: [Column], _ step: Step) {
        (self.columns, self.step) = (columns, step)
        depth = step.origins.reduce(0) { max($0, $1.depth) } &+ 1
        size = step.origins.reduce(1) { min($0 &+ $1.size, 1 << 40) }
    }

    /// Refuses a plan that no question needs, before it takes more stack than there is.
    package func requireReasonable() throws(TableError) {
        if depth > 200 || size > 2000 {
            throw TableError(
                "a table has at most 200 steps one after the other, and 2000 in all; write it to a file, and go on from there"
            )
        }
    }

    package convenience init(_ source: Source) { self.init(source.columns, .source(source)) }

    func keep(_ groups: Frame, _ stamp: [Int]) { kept = (groups, stamp) }

    /// The groups that were kept, if the rows are still as they were: once, since they take memory.
    func takeKept() -> Frame? {
        guard let kept else { return nil }
        self.kept = nil
        return kept.stamp == stamp ? kept.groups : nil
    }

    /// What changes where the rows do; nil if nobody knows.
    var stamp: [Int]? {
        switch step {
        case .source(let source): return source.stamp
        case .filterFunction, .compute: return nil
        default:
            var stamps: [Int] = []
            for origin in step.origins {
                guard let stamp = origin.stamp else { return nil }
                stamps += stamp
            }
            return stamps
        }
    }

    /// What a table does with the rows of the tables that it comes from.
    enum Step {
        case source(Source)
        case filter(Table, Predicate)
        /// Rows for which a function of the script gives true.
        case filterFunction(Table, function: Int, arguments: [Int])
        /// A column that a function of the script makes; the last one.
        case compute(Table, function: Int, arguments: [Int])
        /// Columns of another table, by number.
        case project(Table, [Int])
        case fill(Table, column: Int, Predicate.Constant)
        case group(Table, Grouping)
        case sort(Table, [SortKey])
        case top(Table, count: Int, SortKey)
        case head(Table, count: Int)
        case distinct(Table)
        case join(Table, Table, Joining)
        /// The rows of both, by the numbers of their columns.
        case append(Table, Table, [Int])
    }

    /// The number of a column.
    ///
    /// - Throws: If there is none of the name: the message names the likely one.
    package func column(_ name: [UInt8]) throws(TableError) -> Int {
        if let index = columns.firstIndex(where: { $0.name == name }) { return index }
        throw unknownColumn(name, among: columns)
    }
}

/// A column to sort by.
package struct SortKey: Sendable {
    package var column: Int
    package var isDescending: Bool

    package init(_ column: Int, isDescending: Bool) {
        (self.column, self.isDescending) = (column, isDescending)
    }
}

/// `t:group(keys, aggregates)`.
package struct Grouping {
    package struct Key {
        package var column: Int
        /// Of a time: what it is rounded down to.
        package var unit: TimeUnit?
        package var name: [UInt8]

        package init(_ column: Int, unit: TimeUnit? = nil, name: [UInt8]) {
            (self.column, self.unit, self.name) = (column, unit, name)
        }
    }

    package var keys: [Key]
    package var aggregates: [Aggregate]

    package init(keys: [Key], aggregates: [Aggregate]) { (self.keys, self.aggregates) = (keys, aggregates) }
}

package enum TimeUnit: UInt8, Sendable { case hour, day, month, year }

/// A value for each group.
package struct Aggregate {
    package enum Function: UInt8, Sendable, CaseIterable {
        case count, sum, min, max, mean, first, last, variance, stddev, median, quantile, distinct
        /// The number of nulls.
        case nulls
    }

    package var function: Function
    /// Nil for `count`.
    package var column: Int?
    /// Of a quantile, from 0 to 1.
    package var q: Double
    package var name: [UInt8]

    package init(_ function: Function, _ column: Int?, q: Double = 0.5, name: [UInt8]) {
        (self.function, self.column, self.name) = (function, column, name)
        self.q = function == .median ? 0.5 : q
    }
}

/// `t:join(other, on, kind)`.
package struct Joining {
    /// Columns of the left and of the right table that are to be equal.
    var on: [(left: Int, right: Int)]
    /// Whether rows of the left table without a partner stay.
    var keepsLeft: Bool
    /// Columns of the right table in the result, after all of the left.
    var right: [Int]
}

extension Table.Step {
    /// The tables that the step reads.
    fileprivate var origins: [Table] {
        switch self {
        case .source: []
        case .filter(let table, _), .filterFunction(let table, _, _), .compute(let table, _, _),
            .project(let table, _), .fill(let table, _, _), .group(let table, _), .sort(let table, _),
            .top(let table, _, _), .head(let table, _), .distinct(let table):
            [table]
        case .join(let left, let right, _), .append(let left, let right, _): [left, right]
        }
    }
}

// MARK: - Verbs

extension Table {
    /// `t:where(column, op, value)`.
    package func filtered(_ predicate: Predicate) -> Table { Table(columns, .filter(self, predicate)) }

    /// `t:where(f, columns…)`.
    package func filtered(function: Int, _ arguments: [Int]) -> Table {
        Table(columns, .filterFunction(self, function: function, arguments: arguments))
    }

    /// `t:with(name, f, columns…)`: a new column, at the end or in the place of the one with its name. Its type is that of
    /// the first results that are not nil.
    ///
    /// - Parameter functions: Calls the function for the first rows.
    package func computed(
        _ name: [UInt8], function: Int, _ arguments: [Int], _ run: Run
    ) throws(TableError) -> Table {
        let type = try typeOfResults(function, arguments, run)
        let computed = Table(
            columns + [Column(name, type)], .compute(self, function: function, arguments: arguments))
        guard let former = columns.firstIndex(where: { $0.name == name }) else { return computed }
        var order = Array(columns.indices)
        order[former] = columns.count
        return computed.selecting(order)
    }

    /// `t:select(columns…)`.
    package func selecting(_ chosen: [Int]) -> Table {
        Table(chosen.map { columns[$0] }, .project(self, chosen))
    }

    /// `t:rename(old, new)`.
    package func renaming(_ column: Int, to name: [UInt8]) throws(TableError) -> Table {
        var renamed = columns
        renamed[column].name = name
        try requireDistinctNames(renamed)
        return Table(renamed, .project(self, Array(columns.indices)))
    }

    /// `t:fill(column, value)`.
    package func filling(_ column: Int, _ value: Predicate.Constant) -> Table {
        Table(columns, .fill(self, column: column, value))
    }

    package func grouped(_ grouping: Grouping) throws(TableError) -> Table {
        var result: [Column] = []
        for key in grouping.keys {
            var column = columns[key.column]
            if key.unit != nil && column.type != .time {
                throw TableError("column '\(shown(column.name))' is no time: it cannot be rounded down")
            }
            column.name = key.name
            result.append(column)
        }
        for aggregate in grouping.aggregates {
            result.append(Column(aggregate.name, try aggregate.resultType(columns)))
        }
        try requireDistinctNames(result)
        return Table(result, .group(self, grouping))
    }

    package func sorted(_ keys: [SortKey]) -> Table { Table(columns, .sort(self, keys)) }

    /// `t:top(n, column)`, and with `isDescending` false `t:bottom`.
    package func top(_ count: Int, _ key: SortKey) -> Table { Table(columns, .top(self, count: count, key)) }

    package func head(_ count: Int) -> Table { Table(columns, .head(self, count: count)) }

    /// `t:distinct(columns…)`.
    package func distinct(_ chosen: [Int]) -> Table {
        let chosen = selecting(chosen)
        return Table(chosen.columns, .distinct(chosen))
    }

    /// `t:join(other, on, kind)`.
    package func joined(
        _ other: Table, on: [(left: Int, right: Int)], keepsLeft: Bool
    ) throws(TableError) -> Table {
        for pair in on {
            let (left, right) = (columns[pair.left], other.columns[pair.right])
            if !left.type.joins(right.type) {
                throw TableError(
                    "the columns '\(shown(left.name))' (\(left.type.name)) and '\(shown(right.name))' (\(right.type.name)) cannot be equal: read both with one type"
                )
            }
        }
        let keys = Set(on.map { $0.right })
        let rest = other.columns.indices.filter { !keys.contains($0) }
        var result = columns
        for index in rest {
            var column = other.columns[index]
            if columns.contains(where: { $0.name == column.name }) { column.name += Array("_right".utf8) }
            result.append(column)
        }
        try requireDistinctNames(result)
        return Table(result, .join(self, other, Joining(on: on, keepsLeft: keepsLeft, right: rest)))
    }

    /// `t:append(other)`.
    package func appending(_ other: Table) throws(TableError) -> Table {
        var order: [Int] = []
        for column in columns {
            let index = try other.column(column.name)
            let type = other.columns[index].type
            if type != column.type {
                throw TableError(
                    "column '\(shown(column.name))' is \(column.type.name) in one table and \(type.name) in the other: read both with one type"
                )
            }
            order.append(index)
        }
        if let extra = other.columns.first(where: { column in !columns.contains { $0.name == column.name } })
        {
            throw TableError(
                "column '\(shown(extra.name))' is in the second table alone: select the columns of the first")
        }
        return Table(columns, .append(self, other, order))
    }

    /// `t:piece(k, n)`, with `k` from 1 to `n`.
    package func piece(_ k: Int, of n: Int) throws(TableError) -> Table {
        switch step {
        case .source(let source): return Table(columns, .source(try source.piece(k, of: n)))
        case .filter(let table, let predicate):
            return Table(columns, .filter(try table.piece(k, of: n), predicate))
        case .filterFunction(let table, let function, let arguments):
            return Table(
                columns,
                .filterFunction(try table.piece(k, of: n), function: function, arguments: arguments))
        case .compute(let table, let function, let arguments):
            return Table(
                columns, .compute(try table.piece(k, of: n), function: function, arguments: arguments))
        case .project(let table, let chosen):
            return Table(columns, .project(try table.piece(k, of: n), chosen))
        case .fill(let table, let column, let value):
            return Table(columns, .fill(try table.piece(k, of: n), column: column, value))
        default:
            throw TableError(
                "a piece is cut from the rows of a source: call piece before group, sort, top, head, distinct, join, and append"
            )
        }
    }

    /// The rows that did not fit and were left out, in the last run.
    package var skipped: Int {
        if case .source(let source) = step { return source.skipped }
        return step.origins.reduce(0) { $0 &+ $1.skipped }
    }
}

// MARK: - Names and types

extension ColumnType {
    func joins(_ other: ColumnType) -> Bool { self == other }
}

func requireDistinctNames(_ columns: [Column]) throws(TableError) {
    var seen: Set<[UInt8]> = []
    for column in columns where !seen.insert(column.name).inserted {
        throw TableError("there would be two columns '\(shown(column.name))': give one of them another name")
    }
}

/// A name as text for a message: bytes that are not safe in a terminal are escaped, long ones are cut.
package func shown(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    var scalars = 0
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
        if scalars >= 80 { return text + "…" }
        if scalar.value < 32 || scalar.value >= 0x7F && scalar.value < 0xA0 || scalar.value == 0xFFFD {
            text += "?"
        } else {
            text.unicodeScalars.append(scalar)
        }
        scalars += 1
    }
    return text
}

func unknownColumn(_ name: [UInt8], among columns: [Column]) -> TableError {
    let nearest = columns.map { ($0.name, distance($0.name, name)) }.min { $0.1 < $1.1 }
    var text = "there is no column '\(shown(name))'"
    if let nearest, nearest.1 <= max(1, name.count / 3), nearest.1 < name.count {
        text += "; did you mean '\(shown(nearest.0))'?"
    } else {
        text +=
            "; the columns are " + columns.prefix(20).map { "'\(shown($0.name))'" }.joined(separator: ", ")
        if columns.count > 20 { text += ", …" }
    }
    return TableError(text)
}

/// The number of letters to change, add, or leave out, regardless of case.
package func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    if left.count > 64 || right.count > 64 { return left == right ? 0 : Int.max }
    let fold: (UInt8) -> UInt8 = { $0 >= 65 && $0 <= 90 ? $0 | 32 : $0 }
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
        var corner = row[0]
        row[0] = i + 1
        for (j, b) in right.enumerated() {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, corner + (fold(a) == fold(b) ? 0 : 1))
            corner = above
        }
    }
    return row[right.count]
}

extension Aggregate {
    /// The type of the aggregate's column.
    func resultType(_ columns: [Column]) throws(TableError) -> ColumnType {
        guard let column else { return .integer }
        let type = columns[column].type
        switch function {
        case .count, .distinct, .nulls: return .integer
        case .min, .max, .first, .last: return type
        case .sum:
            if type.isNumeric { return type }
        case .mean, .median, .quantile:
            if type.isNumeric { return .number }
            if type == .time { return .time }
        case .variance, .stddev:
            if type.isNumeric { return .number }
        }
        let name = shown(columns[column].name)
        let advice =
            type == .string
            ? "; t:with(\"\(name)\", tonumber, \"\(name)\") makes numbers of it, or give the types of all columns that you need: columns = { \"\(name) number\", … }"
            : ""
        throw TableError("\(function) of column '\(name)' needs numbers, and it is \(type.name)\(advice)")
    }
}
