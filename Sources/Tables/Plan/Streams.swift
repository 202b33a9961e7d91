extension Table {
    /// Starts reading the rows.
    ///
    /// - Parameters:
    ///   - wanted: For each column whether its values are needed.
    ///   - filters: Rows that do not pass all of them are left out, as early as possible.
    func open(_ run: Run, wanted: [Bool], filters: [Predicate] = []) throws(TableError) -> RowStream {
        switch step {
        case .source(let source): return try source.open(run, wanted: wanted, filters: filters)
        case .filter(let table, let predicate):
            return try table.open(run, wanted: wanted, filters: [predicate] + filters)
        case .project(let table, let chosen):
            let needed = table.wanting(chosen, where: wanted)
            let base = try table.open(run, wanted: needed, filters: filters.moved(to: chosen))
            return ProjectStream(base, columns, chosen)
        case .fill(let table, let column, let value):
            // What is filled in may pass where a null does not.
            let (late, early) = filters.partitioned { $0.column == column }
            let needed = wanted.adding(late.map { $0.column })
            let filled = MapStream(try table.open(run, wanted: needed, filters: early), columns) {
                [columns] () throws(TableError) in FillCursor(column, value, columns[column].type)
            }
            return filled.filtered(late)
        case .filterFunction(let table, let function, let arguments):
            return try table.openFunction(
                run, wanted, filters, columns, arguments, isFilter: true, function)
        case .compute(let table, let function, let arguments):
            return try table.openFunction(
                run, wanted, filters, columns, arguments, isFilter: false, function)
        case .group(let table, let grouping):
            let needed = wanted.adding(filters.map { $0.column })
            return try groups(of: table, grouping, needed, run).open().filtered(filters)
        case .sort(let table, let keys):
            let needed = wanted.adding(keys.map { $0.column } + filters.map { $0.column })
            let frame = try Frame(collecting: table.open(run, wanted: needed, filters: filters), run)
            return try frame.sorted(keys, run).open()
        case .top(let table, let count, let key):
            let needed = wanted.adding([key.column] + filters.map { $0.column })
            return try table.top(count, key, needed, run).open().filtered(filters)
        case .head(let table, let count):
            let needed = wanted.adding(filters.map { $0.column })
            let frame = try Frame(collecting: table.open(run, wanted: needed), run, limit: count)
            return frame.open().filtered(filters)
        case .distinct(let table):
            // All columns tell rows apart.
            let needed = Array(repeating: true, count: table.columns.count)
            return try table.distinctRows(needed, filters, run).open()
        case .join(let left, let right, let joining):
            return try left.open(run, joining: right, joining, columns, wanted, filters)
        case .append(let first, let second, let order):
            let needed = second.wanting(order, where: wanted)
            let base = try second.open(run, wanted: needed, filters: filters.moved(to: order))
            return AppendStream(
                try first.open(run, wanted: wanted, filters: filters), ProjectStream(base, columns, order))
        }
    }
}

extension Table {
    /// Which columns are needed if some columns of a table that is made of them are.
    ///
    /// - Parameters:
    ///   - chosen: By the other table's columns: the columns of this one.
    ///   - wanted: Which of them are needed.
    func wanting(_ chosen: [Int], where wanted: some Sequence<Bool>) -> [Bool] {
        var needed = Array(repeating: false, count: columns.count)
        for (column, isWanted) in zip(chosen, wanted) where isWanted { needed[column] = true }
        return needed
    }
}

extension [Predicate] {
    /// The same on the columns that those of a table are made of.
    func moved(to chosen: [Int]) -> [Predicate] { map { Predicate(column: chosen[$0.column], $0.test) } }
}

extension [Bool] {
    /// The same with some more columns.
    func adding(_ more: [Int]) -> [Bool] {
        var result = self
        for column in more { result[column] = true }
        return result
    }
}

extension Array {
    /// The elements that match, and the others, in order.
    fileprivate func partitioned(_ matches: (Element) -> Bool) -> ([Element], [Element]) {
        (filter(matches), filter { !matches($0) })
    }
}

/// A cursor over another's batches.
class MappingCursor: Cursor {
    fileprivate(set) var base: Cursor?

    override final func next() throws(TableError) -> Batch? {
        guard let batch = try base?.pull() else { return nil }
        return try map(batch)
    }

    /// May change the batch, or return another.
    func map(_ batch: Batch) throws(TableError) -> Batch { batch }
}

/// A stream whose batches are changed by a cursor of their own for each piece.
private final class MapStream: RowStream {
    private let base: RowStream
    private let make: () throws(TableError) -> MappingCursor

    init(_ base: RowStream, _ columns: [Column], _ make: @escaping () throws(TableError) -> MappingCursor) {
        (self.base, self.make) = (base, make)
        super.init(columns, isParallel: base.isParallel, total: base.total)
    }

    override func next() throws(TableError) -> Piece? { try base.pull().map(make) }

    override var canPrepare: Bool { base.canPrepare }

    override func prepared() throws(TableError) -> Piece? { try base.pullPrepared().map(make) }
}

extension Piece? {
    /// The piece with its batches changed by a cursor.
    fileprivate func map(_ make: () throws(TableError) -> MappingCursor) throws(TableError) -> Piece? {
        guard let self else { return nil }
        let cursor = try make()
        cursor.base = self.cursor
        return Piece(cursor, done: self.done)
    }
}

/// A stream whose batches are changed on the caller's thread.
private final class CallerStream: RowStream {
    private let base: RowStream
    private let make: (_ isKept: Bool) throws(TableError) -> MappingCursor

    init(
        _ base: RowStream, _ columns: [Column],
        _ make: @escaping (_ isKept: Bool) throws(TableError) -> MappingCursor
    ) {
        (self.base, self.make) = (base, make)
        super.init(columns, isParallel: false, total: base.total)
    }

    override func next() throws(TableError) -> Piece? {
        try base.pull().map { () throws(TableError) in try make(false) }
    }

    // A script may close what it mapped while other threads read: they get private memory only.
    override var canPrepare: Bool { base.canPrepare && base.isKept }
    override var isKept: Bool { canPrepare }

    override func prepared() throws(TableError) -> Piece? {
        let piece = try base.pullPrepared().map { () throws(TableError) in try make(true) }
        guard let piece else { return nil }
        var batches: [Batch] = []
        while let batch = try piece.cursor.pull() { batches.append(batch) }
        return Piece(KeptCursor(batches, piece.cursor), done: piece.done)
    }
}

/// Batches that are there already.
private final class KeptCursor: Cursor {
    private let batches: [Batch]
    private var number = 0
    /// Keeps the memory that the batches do not own.
    private let keeper: Cursor

    init(_ batches: [Batch], _ keeper: Cursor) { (self.batches, self.keeper) = (batches, keeper) }

    override func next() throws(TableError) -> Batch? {
        if number == batches.count { return nil }
        number &+= 1
        return batches[number &- 1]
    }
}

/// Some columns of another stream.
private final class ProjectStream: RowStream {
    private let base: RowStream
    private let chosen: [Int]

    init(_ base: RowStream, _ columns: [Column], _ chosen: [Int]) {
        (self.base, self.chosen) = (base, chosen)
        super.init(columns, isParallel: base.isParallel, total: base.total)
    }

    override var rowCount: Int? { base.rowCount }

    override func next() throws(TableError) -> Piece? { chosen(of: try base.pull()) }

    override var canPrepare: Bool { base.canPrepare }
    override var isKept: Bool { base.isKept }

    override func prepared() throws(TableError) -> Piece? { chosen(of: try base.pullPrepared()) }

    private func chosen(of piece: Piece?) -> Piece? {
        piece.map { Piece(ProjectCursor($0.cursor, chosen), done: $0.done) }
    }

    private final class ProjectCursor: Cursor {
        private let base: Cursor
        private let chosen: [Int]
        private let batch: Batch

        init(_ base: Cursor, _ chosen: [Int]) {
            (self.base, self.chosen) = (base, chosen)
            batch = Batch(columns: chosen.count)
        }

        override func next() throws(TableError) -> Batch? {
            guard let source = try base.pull() else { return nil }
            batch.count = source.count
            batch.arena.removeAll()
            for (index, column) in chosen.enumerated() { batch.vectors[index] = source.vectors[column] }
            return batch
        }
    }
}

/// The rows of one stream, then those of another.
private final class AppendStream: RowStream {
    private let first: RowStream
    private let second: RowStream
    private var isSecond = false

    init(_ first: RowStream, _ second: RowStream) {
        (self.first, self.second) = (first, second)
        super.init(
            first.columns, isParallel: first.isParallel && second.isParallel,
            total: first.total &+ second.total)
    }

    override func next() throws(TableError) -> Piece? {
        if !isSecond {
            if let piece = try first.pull() { return piece }
            isSecond = true
        }
        guard let piece = try second.pull() else { return nil }
        return Piece(piece.cursor, done: first.total &+ piece.done)
    }
}

/// Leaves rows out.
final class FilterCursor: MappingCursor {
    private let filters: [Filter]
    private let columns: [Column]
    private let memory: Memory

    init(_ filters: [Predicate], _ columns: [Column]) throws(TableError) {
        // Matchers are of one thread.
        var own: [Filter] = []
        for filter in filters { own.append(try Filter(filter, columns[filter.column].type)) }
        (self.filters, self.columns) = (own, columns)
        memory = try Memory(Batch.capacity)
    }

    override func map(_ batch: Batch) throws(TableError) -> Batch {
        let mask = memory.bound(to: UInt8.self)
        for filter in filters {
            guard batch.count > 0, let vector = batch.vectors[filter.predicate.column] else { continue }
            mask.update(repeating: 1, count: batch.count)
            try filter.apply(vector, batch.count, mask)
            try batch.keep(mask, columns)
        }
        return batch
    }
}

extension RowStream {
    /// The same rows, each batch changed by a cursor of its own for each piece.
    func mapping(_ columns: [Column], _ make: @escaping () throws(TableError) -> MappingCursor) -> RowStream {
        MapStream(self, columns, make)
    }

    /// The same rows, each batch changed on the caller's thread.
    ///
    /// - Parameter make: Makes a cursor. With `isKept` its batches stay while it does, and come from a stream whose do.
    func mappingOnCaller(
        _ columns: [Column], _ make: @escaping (_ isKept: Bool) throws(TableError) -> MappingCursor
    ) -> RowStream { CallerStream(self, columns, make) }

    /// The rows that pass; the columns of the filters must be there.
    func filtered(_ filters: [Predicate]) -> RowStream {
        if filters.isEmpty { return self }
        return mapping(columns) { [columns] () throws(TableError) in try FilterCursor(filters, columns) }
    }
}

/// Puts a value in the place of nulls.
private final class FillCursor: MappingCursor {
    private let column: Int
    private let type: ColumnType
    private var word: UInt64 = 0
    private let bytes: [UInt8]

    init(_ column: Int, _ value: Predicate.Constant, _ type: ColumnType) {
        (self.column, self.type) = (column, type)
        var bytes: [UInt8] = []
        switch value {
        case .string(let string): bytes = string
        case .number(let number): word = number.bitPattern
        case .integer(let integer): word = UInt64(bitPattern: integer)
        case .u64(let integer): word = integer
        case .boolean(let truth): word = truth ? 1 : 0
        }
        self.bytes = bytes
    }

    override func map(_ batch: Batch) throws(TableError) -> Batch {
        guard let vector = batch.vectors[column], let nulls = vector.nulls else { return batch }
        let target = try batch.room(column, type)
        if type == .string {
            let place = try batch.arena.allocate(bytes.count)
            for i in bytes.indices { place[i] = bytes[i] }
            let text = Text(place, bytes.count)
            for row in 0..<batch.count { target.texts[row] = nulls[row] != 0 ? text : vector.texts[row] }
        } else {
            for row in 0..<batch.count { target.words[row] = nulls[row] != 0 ? word : vector.words[row] }
        }
        batch.vectors[column] = Vector(target.values)
        return batch
    }
}
