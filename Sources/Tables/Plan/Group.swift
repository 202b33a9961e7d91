internal import Glibc
internal import MemoryMap

extension Table {
    /// The groups that this table is: those that were kept, or computed now.
    func groups(
        of table: Table, _ grouping: Grouping, _ wanted: [Bool], _ run: Run
    ) throws(TableError) -> Frame {
        if let kept = takeKept() { return kept }
        return try table.group(grouping, columns, wanted, run)
    }

    /// The groups of the table's rows, in the order of their first rows.
    ///
    /// - Parameter columns: Of the result.
    func group(
        _ grouping: Grouping, _ columns: [Column], _ wanted: [Bool], _ run: Run
    ) throws(TableError) -> Frame {
        let aggregates = zip(grouping.aggregates, wanted[grouping.keys.count...]).filter { $0.1 }.map { $0.0 }
        return try open(run, wanted: wanting(grouping, aggregates)).group(grouping, columns, wanted, run)
    }

    /// Each combination of all columns once, in the order of the first rows.
    func distinctRows(_ wanted: [Bool], _ filters: [Predicate], _ run: Run) throws(TableError) -> Frame {
        let keys = columns.indices.map { Grouping.Key($0, name: columns[$0].name) }
        return try open(run, wanted: wanted, filters: filters)
            .group(Grouping(keys: keys, aggregates: []), columns, wanted, run)
    }

    /// Which columns groups need.
    func wanting(_ grouping: Grouping, _ aggregates: [Aggregate]) -> [Bool] {
        Array(repeating: false, count: columns.count)
            .adding(grouping.keys.map { $0.column } + aggregates.compactMap { $0.column })
    }
}

extension RowStream {
    /// The groups of the rows, in the order of their first rows.
    ///
    /// - Parameters:
    ///   - result: The columns of the result.
    ///   - wanted: Which of them are needed.
    fileprivate func group(
        _ grouping: Grouping, _ result: [Column], _ wanted: [Bool], _ run: Run
    ) throws(TableError) -> Frame {
        let columns = self.columns
        var whole = try Groups(grouping, columns, wanted)
        var isFirst = true
        // Fresh memory for each piece would take longer than the groups.
        let spares = Spares<Groups>()
        do {
            try forEachPiece(
                run,
                { (cursor) throws(TableError) in
                    let part: Groups
                    if let spare = spares.take() {
                        part = spare
                    } else {
                        part = try Groups(grouping, columns, wanted)
                    }
                    do throws(TableError) {
                        while let batch = try cursor.next() {
                            try part.add(batch)
                            try run.poll()
                        }
                    } catch { throw error.naming(part) }
                    return part
                },
                deposit: { (part) throws(TableError) in
                    if isFirst {
                        // Those of the first piece need no copy.
                        isFirst = false
                        spares.give(whole)
                        whole = part
                        return true
                    }
                    try whole.merge(part)
                    try part.removeAll()
                    spares.give(part)
                    return true
                })
            spares.removeAll()
            return try whole.finish(result, run)
        } catch { throw error.naming(whole) }
    }
}

extension TableError {
    /// Where memory ran out: with the number of groups that there were. Without keys it is not they that need it.
    fileprivate func naming(_ groups: Groups) -> TableError {
        guard case .map(let error, _) = self, error.errno == ENOMEM, groups.hasKeys else { return self }
        return .groups(error, groups.count)
    }
}

/// The groups of some rows, and what is kept of each.
private final class Groups {
    private let grouping: Grouping
    /// Of the rows.
    private let columns: [Column]
    private let keys: KeyTable
    private var aggregators: [Aggregator] = []
    /// For each aggregate its aggregator; nil if it is not wanted.
    private var places: [Int?] = []
    private let numbers: Memory
    private let rooms: [Memory]

    var hasKeys: Bool { !grouping.keys.isEmpty }
    var count: Int { hasKeys ? keys.count : 1 }

    init(_ grouping: Grouping, _ columns: [Column], _ wanted: [Bool]) throws(TableError) {
        (self.grouping, self.columns) = (grouping, columns)
        keys = try KeyTable(grouping.keys.map { columns[$0.column].type })
        numbers = try Memory(Batch.capacity * 4)
        numbers.bound(to: UInt32.self).update(repeating: 0, count: Batch.capacity)
        var rooms: [Memory] = []
        for _ in grouping.keys { rooms.append(try Memory(Batch.capacity * 8)) }
        self.rooms = rooms
        var known: [Aggregate.State: Int] = [:]
        for (index, aggregate) in grouping.aggregates.enumerated() {
            guard wanted[grouping.keys.count + index] else {
                places.append(nil)
                continue
            }
            if let place = known[aggregate.state] {
                places.append(place)
                continue
            }
            known[aggregate.state] = aggregators.count
            places.append(aggregators.count)
            aggregators.append(try aggregate.aggregator(columns))
        }
        if grouping.keys.isEmpty { for aggregator in aggregators { try aggregator.reserve(1) } }
    }

    func add(_ batch: Batch) throws(TableError) {
        let count = batch.count
        if count == 0 { return }
        let numbers = numbers.bound(to: UInt32.self)
        if !grouping.keys.isEmpty {
            var vectors: [Vector] = []
            for (index, key) in grouping.keys.enumerated() {
                guard let vector = batch.vectors[key.column] else { return }
                vectors.append(try prepared(vector, key, count, rooms[index]))
            }
            try keys.numbers(vectors, count, into: numbers)
            for aggregator in aggregators { try aggregator.reserve(keys.count) }
        }
        let none = Vector(self.numbers.base)
        for aggregator in aggregators {
            try aggregator.update(
                numbers, batch.vectors.isEmpty ? none : batch.vectors[aggregator.column] ?? none, count)
        }
    }

    private func prepared(
        _ vector: Vector, _ key: Grouping.Key, _ count: Int, _ room: Memory
    ) throws(TableError) -> Vector {
        guard let unit = key.unit else {
            return try normalizedKey(vector, columns[key.column].type, count, room)
        }
        let target = room.bound(to: Double.self)
        for row in 0..<count { target[row] = truncated(vector.doubles[row], to: unit) }
        return try normalizedKey(Vector(room.base, nulls: vector.nulls), .time, count, room)
    }

    /// Adds the groups of rows after all rows so far.
    func merge(_ other: Groups) throws(TableError) {
        let count = other.count
        let map = try Memory(max(count, 1) * 4)
        let numbers = map.bound(to: UInt32.self)
        if grouping.keys.isEmpty {
            numbers[0] = 0
        } else {
            try keys.merge(other.keys, into: numbers)
            for aggregator in aggregators { try aggregator.reserve(keys.count) }
        }
        for (index, aggregator) in aggregators.enumerated() {
            try aggregator.merge(other.aggregators[index], numbers, count)
        }
    }

    /// Forgets all rows. The memory stays for others.
    func removeAll() throws(TableError) {
        keys.removeAll()
        for aggregator in aggregators { aggregator.removeAll() }
        if grouping.keys.isEmpty { for aggregator in aggregators { try aggregator.reserve(1) } }
    }

    func finish(_ columns: [Column], _ run: Run) throws(TableError) -> Frame {
        // The keys, and what each aggregator makes: threads share no frame.
        var parts: [Frame] = []
        for _ in 0...aggregators.count {
            parts.append(try Frame(columns, wanted: Array(repeating: false, count: columns.count)))
        }
        let failures = Spares<(part: Int, error: TableError)>()
        do throws(MapError) {
            let isLarge = count >= 1 << 14
            try ParallelRanges(parts.count, grain: isLarge ? 1 : parts.count)
                .forEach(shouldContinue: { _ in run.shouldGoOn }) { _, range in
                    for part in range {
                        do throws(TableError) { try finish(part, parts[part], run) } catch {
                            failures.give((part, error))
                            return false
                        }
                    }
                    return true
                }
        } catch { throw TableError(error) }
        var first: (part: Int, error: TableError)?
        while let failure = failures.take() { if failure.part < first?.part ?? Int.max { first = failure } }
        if let first { throw first.error }
        for part in parts[1...] { parts[0].adopt(part) }
        parts[0].setCount(count)
        return parts[0]
    }

    /// - Parameter part: 0 for the keys, or the number of an aggregator plus one.
    private func finish(_ part: Int, _ frame: Frame, _ run: Run) throws(TableError) {
        if part == 0 {
            if hasKeys { try keys.move(into: frame) }
            return
        }
        for (index, aggregate) in grouping.aggregates.enumerated() where places[index] == part - 1 {
            try aggregators[part - 1].finish(aggregate, frame, grouping.keys.count + index, count, run)
        }
    }
}
