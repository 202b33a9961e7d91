extension Table {
    /// Opens a step that calls a function of the script: on the caller's thread alone, or as machine code on all.
    func openFunction(
        _ run: Run, _ wanted: [Bool], _ filters: [Predicate], _ columns: [Column], _ arguments: [Int],
        isFilter: Bool, _ function: Int
    ) throws(TableError) -> RowStream {
        guard let functions = run.functions else { throw TableError("a function needs an interpreter") }
        var code: (any RowCode)?
        if run.usesMachineCode {
            code = functions.machineCode(function, arguments.map { self.columns[$0].type })
            if code == nil { throw .needsInterpreter }
        }
        let made = isFilter ? nil : self.columns.count
        // A filter on another column runs before the function is called.
        let early = filters.filter { $0.column != made && !isFilter }
        let late = filters.filter { $0.column == made || isFilter }
        var needed = wanted.adding(late.map { $0.column })
        // The function is called even if nobody asks for its results: it may count, or print.
        if made != nil { needed.removeLast() }
        let base = try open(run, wanted: needed.adding(arguments), filters: early)
        let before = self.columns
        let stream: RowStream
        if let code {
            stream = base.mapping(columns) { [columns] () throws(TableError) in
                try FunctionCursor(
                    try code.makeWorker(), arguments, before, columns, run, isFilter: isFilter, isKept: false)
            }
        } else {
            let isPrivate = base.isKept
            stream = base.mappingOnCaller(columns) { [columns] (isKept) throws(TableError) in
                try FunctionCursor(
                    InterpretedRows(functions, function, isPrivate: isPrivate), arguments, before, columns,
                    run,
                    isFilter: isFilter, isKept: isKept)
            }
        }
        return stream.filtered(late)
    }

    /// The type of what a function returns for the first rows.
    func typeOfResults(_ function: Int, _ arguments: [Int], _ run: Run) throws(TableError) -> ColumnType {
        guard let functions = run.functions else { throw TableError("a function needs an interpreter") }
        let wanted = Array(repeating: false, count: columns.count).adding(arguments)
        let groups = try groupsBelow(run)
        let stream = try open(run, wanted: wanted)
        let results = try Results()
        var type: ColumnType?
        while type == nil, let piece = try stream.next() {
            while type == nil, let batch = try piece.cursor.next() {
                try run.poll()
                if batch.count == 0 { continue }
                try batch.makeStringsPrivate(columns)
                let (all, vectors) = (batch.count, batch.vectors)
                var start = 0
                while type == nil && start < all {
                    // Few rows, since they are computed once more with the result.
                    batch.count = min(all &- start, 100)
                    for index in columns.indices {
                        batch.vectors[index] = vectors[index]?.dropping(start, columns[index].type)
                    }
                    try functions.call(function, batch, columns, arguments: arguments, results)
                    type = try results.type(batch.count)
                    start &+= batch.count
                }
            }
        }
        if let groups, groups.frame.size <= Table.mostKept { groups.table.keep(groups.frame, groups.stamp) }
        return type ?? .number
    }

    /// Groups up to this, in bytes, are kept for the next result.
    private static var mostKept: Int { 64 << 20 }

    /// Computes all of the groups that the rows are made of, so that they need not be computed again for the result; nil
    /// if there are none, or they may be others then.
    private func groupsBelow(
        _ run: Run
    ) throws(TableError) -> (table: Table, frame: Frame, stamp: [Int])? {
        switch step {
        case .group(let table, let grouping):
            guard let stamp else { return nil }
            let all = Array(repeating: true, count: columns.count)
            let frame = try groups(of: table, grouping, all, run)
            keep(frame, stamp)
            return (self, frame, stamp)
        case .filter(let table, _), .filterFunction(let table, _, _), .project(let table, _),
            .fill(let table, _, _), .sort(let table, _), .top(let table, _, _), .head(let table, _),
            .compute(let table, _, _):
            return try table.groupsBelow(run)
        case .source, .distinct, .join, .append: return nil
        }
    }
}

extension Results {
    /// The type of a column of these results; nil if all are nil.
    func type(_ count: Int) throws(TableError) -> ColumnType? {
        var type: ColumnType?
        for row in 0..<count {
            switch Kind(rawValue: kinds[row]) {
            case .null, nil: continue
            case .boolean: type = type ?? .boolean
            case .integer: type = type ?? .integer
            // Integers among floats are floats.
            case .float: type = .number
            case .string: type = type ?? .string
            case .other: throw TableError("the function returned a value that no column can hold")
            }
        }
        return type
    }

    /// Sets the value of a row in a column of a type.
    @inline(__always)
    fileprivate func set(_ row: Int, _ vector: Vector, _ type: ColumnType) throws(TableError) {
        vector.nulls?[row] = 0
        switch (Kind(rawValue: kinds[row]), type) {
        case (.null, _):
            vector.nulls?[row] = 1
            if type == .string {
                vector.texts[row] = Text(UnsafePointer(kinds), 0)
            } else {
                vector.words[row] = 0
            }
        case (.boolean, .boolean), (.integer, .integer), (.float, .number): vector.words[row] = words[row]
        case (.integer, .number):
            let integer = Int64(bitPattern: words[row])
            guard Int64(exactly: Double(integer)) == integer else {
                throw TableError(
                    "the function returned the integer \(integer), which no float is equal to, and its first results were floats; a string keeps all digits: return tostring(…)"
                )
            }
            vector.doubles[row] = Double(integer)
        case (.float, .integer):
            guard let exact = Int64(exactly: Double(bitPattern: words[row])) else {
                throw mismatch(row, type)
            }
            vector.integers[row] = exact
        case (.string, .string): vector.texts[row] = texts[row]
        default: throw mismatch(row, type)
        }
    }

    private func mismatch(_ row: Int, _ type: ColumnType) -> TableError {
        let found =
            switch Kind(rawValue: kinds[row]) {
            case .boolean: "a boolean"
            case .integer: "an integer"
            case .float: "a float that is no integer"
            case .string: "a string"
            default: "a value that no column can hold"
            }
        let advice = type == .integer ? "; add 0.0 to the result, so that all are floats" : ""
        return TableError(
            "the function returned \(found), and its first results were of the type \(type.name)\(advice)")
    }
}

extension Batch {
    /// Copies the strings into the batch's own memory: a script may close their mapping, and others may write it.
    func makeStringsPrivate(_ columns: [Column]) throws(TableError) {
        for index in vectors.indices where columns[index].type == .string {
            guard let vector = vectors[index] else { continue }
            var target = try room(index, .string)
            if vector.nulls == nil { target.nulls = nil }
            for row in 0..<count { target.texts[row] = try arena.copy(vector.texts[row]) }
            if let from = vector.nulls, let to = target.nulls, from != to {
                to.update(from: from, count: count)
            }
            vectors[index] = target
        }
    }
}

/// Calls a function in the interpreter.
private final class InterpretedRows: RowWorker {
    private let functions: any ScriptFunctions
    private let function: Int
    private let isPrivate: Bool

    /// - Parameter isPrivate: Whether the strings of the batches are in private memory.
    init(_ functions: any ScriptFunctions, _ function: Int, isPrivate: Bool) {
        (self.functions, self.function, self.isPrivate) = (functions, function, isPrivate)
    }

    func compute(
        _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
    ) throws(TableError) {
        if !isPrivate { try batch.makeStringsPrivate(columns) }
        try functions.call(function, batch, columns, arguments: arguments, results)
    }
}

/// Calls a function for the rows of each batch.
private final class FunctionCursor: MappingCursor {
    private let rows: any RowWorker
    private let arguments: [Int]
    /// Of the batches that come in.
    private let columns: [Column]
    private let run: Run
    private let isFilter: Bool
    private let isKept: Bool
    private let results: Results
    private let type: ColumnType
    private let wide: Batch

    /// - Parameter isKept: Whether each batch stays while the cursor does; those that come in do.
    init(
        _ rows: any RowWorker, _ arguments: [Int], _ columns: [Column], _ after: [Column], _ run: Run,
        isFilter: Bool, isKept: Bool
    ) throws(TableError) {
        (self.rows, self.arguments) = (rows, arguments)
        (self.columns, self.run, self.isFilter, self.isKept) = (columns, run, isFilter, isKept)
        results = try Results()
        type = after.last?.type ?? .number
        wide = Batch(columns: after.count)
    }

    override func map(_ batch: Batch) throws(TableError) -> Batch {
        try run.poll()
        if batch.count > 0 { try rows.compute(batch, columns, arguments: arguments, results) }
        if isFilter {
            for row in 0..<batch.count {
                let kind = Results.Kind(rawValue: results.kinds[row])
                // What is neither nil nor false is true, as in Lua.
                results.kinds[row] = kind == .null || kind == .boolean && results.words[row] == 0 ? 0 : 1
            }
            let kept = isKept ? Batch(columns: columns.count) : batch
            if isKept { (kept.count, kept.vectors) = (batch.count, batch.vectors) }
            try kept.keep(results.kinds, columns)
            return kept
        }
        let wide = isKept ? Batch(columns: wide.vectors.count) : wide
        let made = wide.vectors.count - 1
        let target = try wide.room(made, type)
        for row in 0..<batch.count { try results.set(row, target, type) }
        wide.count = batch.count
        wide.arena.removeAll()
        if isKept && type == .string {
            for row in 0..<batch.count { target.texts[row] = try wide.arena.copy(target.texts[row]) }
        }
        for index in columns.indices { wide.vectors[index] = batch.vectors[index] }
        wide.vectors[made] = target
        return wide
    }
}
