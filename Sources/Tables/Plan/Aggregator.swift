internal import Glibc
internal import MemoryMap

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
    fileprivate mutating func fill(to count: Int, _ value: Value) throws(TableError) {
        if count <= self.count { return }
        let more = count &- self.count
        try extend(more).update(repeating: value, count: more)
    }
}

/// Calls `body` for each row that is not null.
@inline(__always)
private func forEachRow(_ vector: Vector, _ count: Int, _ body: (Int) -> Void) {
    if let nulls = vector.nulls {
        for row in 0..<count where nulls[row] == 0 { body(row) }
    } else {
        for row in 0..<count { body(row) }
    }
}

/// Calls `body` with each value as a float.
@inline(__always)
private func forEachFloat(_ vector: Vector, _ type: ColumnType, _ count: Int, _ body: (Int, Double) -> Void) {
    switch type {
    case .integer: forEachRow(vector, count) { body($0, Double(vector.integers[$0])) }
    case .u64: forEachRow(vector, count) { body($0, Double(vector.words[$0])) }
    default: forEachRow(vector, count) { body($0, vector.doubles[$0]) }
    }
}

// MARK: - Counts and sums

/// The number of rows, or of nulls.
private final class RowCounter: Aggregator {
    private let countsNulls: Bool
    private var counts: List<Int64>

    init(_ column: Int, _ type: ColumnType, nulls: Bool) throws(TableError) {
        countsNulls = nulls
        counts = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try counts.fill(to: groups, 0) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) {
        let counts = counts.base
        if countsNulls {
            guard let nulls = vector.nulls else { return }
            for row in 0..<count { counts[Int(ids[row])] &+= Int64(nulls[row]) }
        } else {
            for row in 0..<count { counts[Int(ids[row])] &+= 1 }
        }
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) {
        guard let other = other as? RowCounter else { return }
        for group in 0..<groups { counts[Int(map[group])] &+= other.counts[group] }
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        try frame.make(index, count: groups, nulls: false).integers.update(from: counts.base, count: groups)
    }
}

/// Sums of floats, with what rounding took away (Neumaier): pieces are summed one by one and then added in their order, so
/// that the result does not depend on the number of threads.
private final class FloatSum: Aggregator {
    fileprivate struct State { var sum = 0.0, rest = 0.0, count: Int64 = 0 }
    private var states: List<State>

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        states = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try states.fill(to: groups, State()) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) {
        let states = states.base
        let values = vector.doubles
        forEachRow(vector, count) { row in
            let state = states + Int(ids[row])
            state.pointee.add(values[row])
            state.pointee.count &+= 1
        }
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) {
        guard let other = other as? FloatSum else { return }
        for group in 0..<groups {
            let source = other.states[group]
            let state = states.base + Int(map[group])
            state.pointee.add(source.sum)
            state.pointee.rest += source.rest
            state.pointee.count &+= source.count
        }
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        let target = try frame.make(index, count: groups, nulls: true)
        for group in 0..<groups {
            let state = states[group]
            // An infinite sum has no rest.
            let sum = state.sum.isFinite ? state.sum + state.rest : state.sum
            target.doubles[group] =
                state.count == 0 ? 0 : aggregate.function == .mean ? sum / Double(state.count) : sum
            target.nulls?[group] = state.count == 0 ? 1 : 0
        }
    }
}

extension FloatSum.State {
    @inline(__always)
    fileprivate mutating func add(_ value: Double) {
        let total = sum + value
        let part = total - sum
        rest += (sum - (total - part)) + (value - part)
        sum = total
    }
}

/// Sums of integers, exact.
private final class IntegerSum: Aggregator {
    private struct State { var sum: Int128 = 0, count: Int64 = 0 }
    private var states: List<State>

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        states = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try states.fill(to: groups, State()) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) {
        let states = states.base
        let isSigned = type != .u64
        forEachRow(vector, count) { row in
            let state = states + Int(ids[row])
            state.pointee.sum &+= isSigned ? Int128(vector.integers[row]) : Int128(vector.words[row])
            state.pointee.count &+= 1
        }
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) {
        guard let other = other as? IntegerSum else { return }
        for group in 0..<groups {
            let state = states.base + Int(map[group])
            state.pointee.sum &+= other.states[group].sum
            state.pointee.count &+= other.states[group].count
        }
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        let target = try frame.make(index, count: groups, nulls: true)
        for group in 0..<groups {
            let state = states[group]
            target.nulls?[group] = state.count == 0 ? 1 : 0
            if aggregate.function == .mean {
                target.doubles[group] = state.count == 0 ? 0 : Double(state.sum) / Double(state.count)
            } else if type == .u64, let sum = UInt64(exactly: state.sum) {
                target.words[group] = sum
            } else if type != .u64, let sum = Int64(exactly: state.sum) {
                target.integers[group] = sum
            } else {
                throw TableError(
                    "the sum '\(shown(aggregate.name))' of a group is \(state.sum), which does not fit an integer of 64 bits; read the column as a number"
                )
            }
        }
    }
}

/// Counts, means, and sums of squared differences (Welford; Chan for pieces).
private final class Spread: Aggregator {
    private struct State { var count = 0.0, mean = 0.0, squares = 0.0 }
    private var states: List<State>

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        states = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try states.fill(to: groups, State()) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) {
        let states = states.base
        forEachFloat(vector, type, count) { row, value in
            let state = states + Int(ids[row])
            state.pointee.count += 1
            let difference = value - state.pointee.mean
            state.pointee.mean += difference / state.pointee.count
            state.pointee.squares += difference * (value - state.pointee.mean)
        }
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) {
        guard let other = other as? Spread else { return }
        for group in 0..<groups {
            let b = other.states[group]
            if b.count == 0 { continue }
            let state = states.base + Int(map[group])
            let a = state.pointee
            if a.count == 0 {
                state.pointee = b
                continue
            }
            let count = a.count + b.count
            let difference = b.mean - a.mean
            state.pointee = State(
                count: count, mean: a.mean + difference * (b.count / count),
                squares: a.squares + b.squares + difference * difference * (a.count * b.count / count))
        }
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        let target = try frame.make(index, count: groups, nulls: true)
        for group in 0..<groups {
            let state = states[group]
            // As in SQL, nothing can be said of one value.
            target.nulls?[group] = state.count < 2 ? 1 : 0
            let variance = state.count < 2 ? 0 : state.squares / (state.count - 1)
            target.doubles[group] = aggregate.function == .stddev ? variance.squareRoot() : variance
        }
    }
}

// MARK: - One of the values

/// The least, greatest, first or last value.
private final class Chosen: Aggregator {
    enum Choice { case least, greatest, first, last }

    private let choice: Choice
    private var words: List<UInt64>
    private var texts: List<Text>
    private var isSet: List<UInt8>
    private let arena = Arena()

    init(_ column: Int, _ type: ColumnType, _ choice: Choice) throws(TableError) {
        self.choice = choice
        words = try List(capacity: 1)
        texts = try List(capacity: 1)
        isSet = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) {
        if type == .string {
            if groups > texts.count { try texts.fill(to: groups, Text(try arena.allocate(0), 0)) }
        } else {
            try words.fill(to: groups, 0)
        }
        try isSet.fill(to: groups, 0)
    }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) throws(TableError) {
        if type == .string {
            for row in 0..<count where !vector.isNull(row) { try offer(vector.texts[row], Int(ids[row])) }
            return
        }
        let isSet = isSet.base
        switch (choice, type) {
        case (.least, .number), (.least, .time):
            // A NaN stays: nothing is less than it, and it is chosen because it is not equal to itself.
            choose(ids, vector.doubles, vector, count, isSet) { $0 < $1 || $0 != $0 }
        case (.greatest, .number), (.greatest, .time):
            choose(ids, vector.doubles, vector, count, isSet) { $0 > $1 || $0 != $0 }
        case (.least, .integer): choose(ids, vector.integers, vector, count, isSet) { $0 < $1 }
        case (.greatest, .integer): choose(ids, vector.integers, vector, count, isSet) { $0 > $1 }
        case (.least, _): choose(ids, vector.words, vector, count, isSet) { $0 < $1 }
        case (.greatest, _): choose(ids, vector.words, vector, count, isSet) { $0 > $1 }
        case (.first, _): choose(ids, vector.words, vector, count, isSet) { _, _ in false }
        case (.last, _): choose(ids, vector.words, vector, count, isSet) { _, _ in true }
        }
    }

    @inline(__always)
    private func choose<Value>(
        _ ids: UnsafePointer<UInt32>, _ values: UnsafePointer<Value>, _ vector: Vector, _ count: Int,
        _ isSet: UnsafeMutablePointer<UInt8>, _ isBetter: (Value, Value) -> Bool
    ) {
        let best = UnsafeMutableRawPointer(words.base).assumingMemoryBound(to: Value.self)
        forEachRow(vector, count) { row in
            let group = Int(ids[row])
            let value = values[row]
            if isSet[group] == 0 {
                isSet[group] = 1
                best[group] = value
            } else if isBetter(value, best[group]) {
                best[group] = value
            }
        }
    }

    private func offer(_ text: Text, _ group: Int) throws(TableError) {
        if isSet[group] != 0 {
            switch choice {
            case .first: return
            case .least: if compareTexts(text, texts[group]) >= 0 { return }
            case .greatest: if compareTexts(text, texts[group]) <= 0 { return }
            case .last: break
            }
            // Its memory is used again where the new string fits.
            let former = texts[group]
            if text.count <= former.count {
                UnsafeMutablePointer(mutating: former.start).update(from: text.start, count: text.count)
                texts[group] = Text(former.start, text.count)
                return
            }
        }
        isSet[group] = 1
        texts[group] = try arena.copy(text)
    }

    override func merge(_ other: Aggregator, _ map: UnsafePointer<UInt32>, _ groups: Int) throws(TableError) {
        guard let other = other as? Chosen else { return }
        let step = Batch.capacity
        let nulls = try Memory(step)
        let flags = nulls.bound(to: UInt8.self)
        var start = 0
        while start < groups {
            let count = min(step, groups &- start)
            for i in 0..<count { flags[i] = other.isSet[start &+ i] != 0 ? 0 : 1 }
            let values =
                type == .string
                ? UnsafeMutableRawPointer(other.texts.base + start)
                : UnsafeMutableRawPointer(other.words.base + start)
            try update(map + start, Vector(values, nulls: flags), count)
            start &+= count
        }
    }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        let target = try frame.make(index, count: groups, nulls: true)
        if type == .string {
            target.texts.update(from: texts.base, count: groups)
            frame.adopt(arena)
        } else {
            target.words.update(from: words.base, count: groups)
        }
        for group in 0..<groups { target.nulls?[group] = isSet[group] != 0 ? 0 : 1 }
    }
}

/// Compares strings by their bytes: below, equal to, or above 0.
@inline(__always)
func compareTexts(_ a: Text, _ b: Text) -> Int {
    let order = memcmp(a.start, b.start, min(a.count, b.count))
    return order != 0 ? Int(order) : a.count &- b.count
}

// MARK: - All values

/// All values of each group, for quantiles.
private final class Values: Aggregator {
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
private final class DistinctCounter: Aggregator {
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

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        try frame.make(index, count: groups, nulls: false).integers.update(from: counts.base, count: groups)
    }
}
