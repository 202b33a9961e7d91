/// All values of each group, for quantiles.
final class Values: Aggregator {
    private var groups: List<UInt32>
    private var values: List<Double>
    /// By group, after `sortByGroup`.
    private var starts: List<Int>?

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        groups = try List()
        values = try List()
        try super.init(column, type)
    }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) throws(TableError) {
        let group = try groups.extend(count)
        let value = try values.extend(count)
        var kept = 0
        forEachFloat(vector, type, count) { row, number in
            group[kept] = ids[row]
            value[kept] = number
            kept &+= 1
        }
        groups.truncate(groups.count &- count &+ kept)
        values.truncate(values.count &- count &+ kept)
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ count: Int) throws(TableError) {
        guard let other = other as? Values else { return }
        let more = other.values.count
        let group = try groups.extend(more)
        for i in 0..<more { group[i] = map[Int(other.groups[i])] }
        try values.extend(more).update(from: other.values.base, count: more)
    }

    override func removeAll() {
        groups.removeAll()
        values.removeAll()
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ count: Int, _ run: Run
    ) throws(TableError) {
        if starts == nil { try sortByGroup(count, run) }
        guard let starts else { return }
        let target = try frame.make(index, count: count, nulls: true)
        for group in 0..<count {
            let (start, end) = (starts[group], starts[group &+ 1])
            target.nulls?[group] = start == end ? 1 : 0
            target.doubles[group] =
                start == end
                ? 0
                : try quantile(values.base + start, count: end &- start, q: aggregate.q) {
                    () throws(TableError) in try run.poll()
                }
        }
    }

    private func sortByGroup(_ count: Int, _ run: Run) throws(TableError) {
        var starts = try List<Int>(capacity: count &+ 1)
        try starts.fill(to: count &+ 1, 0)
        for i in 0..<values.count {
            if i & 0xF_FFFF == 0 { try run.poll() }
            starts[Int(groups[i]) &+ 1] &+= 1
        }
        for group in 0..<count { starts[group &+ 1] &+= starts[group] }
        var sorted = try List<Double>(capacity: values.count)
        let place = try sorted.extend(values.count)
        for i in 0..<values.count {
            if i & 0xF_FFFF == 0 { try run.poll() }
            let group = Int(groups[i])
            place[starts[group]] = values[i]
            starts[group] &+= 1
        }
        // Each start is now the end of its group, which is the start of the next.
        var former = 0
        for group in 0...count {
            let end = starts[group]
            starts[group] = former
            former = end
        }
        values = sorted
        groups = try List()
        self.starts = starts
    }
}

/// The number of different values.
final class DistinctCounter: Aggregator {
    private let keys: KeyTable
    private var counts: List<Int64>
    private let ids: Memory
    private let normal: Memory
    private let kept: Batch

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        keys = try KeyTable([.integer, type])
        counts = try List()
        ids = try Memory(Batch.capacity * 4)
        normal = try Memory(Batch.capacity * 8)
        kept = Batch(columns: 2)
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try counts.fill(to: groups, 0) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) throws(TableError) {
        let group = try kept.room(0, .integer)
        let value = try kept.room(1, type)
        var rows = 0
        for row in 0..<count where !vector.isNull(row) {
            group.words[rows] = UInt64(ids[row])
            if type == .string {
                value.texts[rows] = vector.texts[row]
            } else {
                value.words[rows] = vector.words[row]
            }
            rows &+= 1
        }
        try add(group, value, rows)
    }

    private func add(_ group: Vector, _ value: Vector, _ rows: Int) throws(TableError) {
        let before = keys.count
        let numbers = ids.bound(to: UInt32.self)
        let values = try normalizedKey(Vector(value.values), type, rows, normal)
        try keys.numbers([Vector(group.values), values], rows, into: numbers)
        var next = before
        for row in 0..<rows where Int(numbers[row]) == next {
            counts[Int(group.words[row])] &+= 1
            next &+= 1
        }
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) throws(TableError) {
        guard let other = other as? DistinctCounter else { return }
        var start = 0
        while start < other.keys.count {
            let count = min(Batch.capacity, other.keys.count &- start)
            let group = try kept.room(0, .integer)
            let value = try kept.room(1, type)
            other.keys.words(0, from: start, count, into: group.words)
            for row in 0..<count { group.words[row] = UInt64(map[Int(truncatingIfNeeded: group.words[row])]) }
            if type == .string {
                other.keys.texts(1, from: start, count, into: value.texts)
            } else {
                other.keys.words(1, from: start, count, into: value.words)
            }
            try add(group, value, count)
            start &+= count
        }
    }

    override func removeAll() {
        keys.removeAll()
        counts.removeAll()
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        try frame.make(index, count: groups, nulls: false).integers.update(from: counts.base, count: groups)
    }
}
