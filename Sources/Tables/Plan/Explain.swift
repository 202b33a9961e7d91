extension Table {
    /// `t:explain()`: what a result would do, a line for each step, in the order of the work.
    package func explanation() -> [UInt8] {
        var lines: [String] = []
        explain(wanted: Array(repeating: true, count: columns.count), filters: [], into: &lines, indent: "")
        return Array(lines.joined(separator: "\n").utf8)
    }

    private func explain(wanted: [Bool], filters: [Predicate], into lines: inout [String], indent: String) {
        func put(_ line: String) { lines.append(indent + line) }
        func late() {
            for filter in filters { put("leave out rows unless " + filter.words(columns)) }
        }
        switch step {
        case .source(let source):
            let needed = wanted.adding(filters.map { $0.column })
            put("read " + shown(source.explanation) + ", in pieces on all cores")
            let names = columns.indices.filter { needed[$0] }.map { "'\(shown(columns[$0].name))'" }
            if names.isEmpty {
                put("  no column is parsed: rows are counted")
            } else {
                put(
                    "  parse \(names.count) of \(columns.count) columns: "
                        + names.prefix(20).joined(separator: ", "))
            }
            for filter in filters { put("  first leave out rows unless " + filter.words(columns)) }
        case .filter(let table, let predicate):
            table.explain(wanted: wanted, filters: [predicate] + filters, into: &lines, indent: indent)
        case .project(let table, let chosen):
            table.explain(
                wanted: table.wanting(chosen, where: wanted), filters: filters.moved(to: chosen),
                into: &lines,
                indent: indent)
        case .fill(let table, let column, let value):
            let early = filters.filter { $0.column != column }
            table.explain(wanted: wanted, filters: early, into: &lines, indent: indent)
            put("put \(value.words) in the place of nulls of '\(shown(columns[column].name))'")
            for filter in filters where filter.column == column {
                put("leave out rows unless " + filter.words(columns))
            }
        case .filterFunction(let table, _, let arguments):
            table.explain(wanted: wanted.adding(arguments), filters: [], into: &lines, indent: indent)
            put(
                "leave out rows unless a function of \(table.names(arguments)) gives true, in the interpreter on one thread"
            )
            late()
        case .compute(let table, _, let arguments):
            let made = table.columns.count
            let needed = Array(wanted[..<made]).adding(arguments)
            table.explain(
                wanted: needed, filters: filters.filter { $0.column != made }, into: &lines, indent: indent)
            put(
                "compute '\(shown(columns[made].name))' by a function of \(table.names(arguments)), in the interpreter on one thread"
            )
            for filter in filters where filter.column == made {
                put("leave out rows unless " + filter.words(columns))
            }
        case .group(let table, let grouping):
            table.explain(
                wanted: table.wanting(grouping, grouping.aggregates), filters: [], into: &lines,
                indent: indent)
            let keys = grouping.keys.map { key in
                (key.unit.map { "\($0) of " } ?? "") + "'\(shown(table.columns[key.column].name))'"
            }
            let by = keys.isEmpty ? "all rows as one group" : "group by " + keys.joined(separator: ", ")
            let parts = grouping.aggregates.map { "'\(shown($0.name))'" }
            put(by + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", ")) + "; keeps the groups")
            late()
        case .sort(let table, let keys):
            table.explain(
                wanted: wanted.adding(keys.map { $0.column }), filters: filters, into: &lines, indent: indent)
            put(
                "sort by "
                    + keys.map {
                        "'\(shown(columns[$0.column].name))'" + ($0.isDescending ? ", descending" : "")
                    }
                    .joined(separator: ", then ") + "; keeps all rows")
        case .top(let table, let count, let key):
            table.explain(wanted: wanted.adding([key.column]), filters: [], into: &lines, indent: indent)
            put(
                "keep the \(count) \(key.isDescending ? "greatest" : "least") by '\(shown(columns[key.column].name))'"
            )
            late()
        case .head(let table, let count):
            table.explain(wanted: wanted, filters: [], into: &lines, indent: indent)
            put("stop after \(count) rows")
            late()
        case .distinct(let table):
            table.explain(
                wanted: Array(repeating: true, count: columns.count), filters: filters, into: &lines,
                indent: indent)
            put("keep each combination of \(names(Array(columns.indices))) once; keeps the combinations")
        case .join(let left, let right, let joining):
            let needed = right.wanting(joining.right, where: wanted[left.columns.count...])
            put("keep all rows of the second table, by \(right.names(joining.on.map { $0.right })):")
            right.explain(
                wanted: needed.adding(joining.on.map { $0.right }), filters: [], into: &lines,
                indent: indent + "  ")
            left.explain(
                wanted: Array(wanted[..<left.columns.count]).adding(joining.on.map { $0.left }),
                filters: filters.filter { $0.column < left.columns.count }, into: &lines, indent: indent)
            put(
                "join each row with its partners"
                    + (joining.keepsLeft ? "; rows without one stay" : "; rows without one are left out"))
            for filter in filters where filter.column >= left.columns.count {
                put("leave out rows unless " + filter.words(columns))
            }
        case .append(let first, let second, let order):
            first.explain(wanted: wanted, filters: filters, into: &lines, indent: indent)
            let needed = second.wanting(order, where: wanted)
            put("then the rows of the second table:")
            second.explain(
                wanted: needed, filters: filters.moved(to: order),
                into: &lines, indent: indent + "  ")
        }
    }

    private func names(_ chosen: [Int]) -> String {
        chosen.map { "'\(shown(columns[$0].name))'" }.joined(separator: ", ")
    }
}

extension Predicate {
    fileprivate func words(_ columns: [Column]) -> String {
        let name = "'\(shown(columns[column].name))'"
        return switch test {
        case .compare(let comparison, let value): "\(name) \(comparison.sign) \(value.words)"
        case .among(let values): "\(name) is one of \(values.count) values"
        case .nothing: "\(name) is one of 0 values"
        case .matches: "\(name) matches a regular expression"
        case .isNull: "\(name) is null"
        case .isNotNull: "\(name) is not null"
        }
    }
}

extension Predicate.Comparison {
    fileprivate var sign: String {
        switch self {
        case .equal: "=="
        case .notEqual: "~="
        case .less: "<"
        case .lessOrEqual: "<="
        case .greater: ">"
        case .greaterOrEqual: ">="
        }
    }
}

extension Predicate.Constant {
    fileprivate var words: String {
        switch self {
        case .string(let bytes): "\"\(shown(bytes))\""
        case .number(let number): "\(number)"
        case .integer(let integer): "\(integer)"
        case .u64(let integer): "\(integer)"
        case .boolean(let truth): "\(truth)"
        }
    }
}
