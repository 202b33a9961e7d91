/// The number of rows, or of nulls.
final class RowCounter: Aggregator {
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

    override func removeAll() { counts.removeAll() }

    override func finish(
        _ aggregate: Aggregate, _ frame: Frame, _ index: Int, _ groups: Int, _ run: Run
    ) throws(TableError) {
        try frame.make(index, count: groups, nulls: false).integers.update(from: counts.base, count: groups)
    }
}

/// Sums of floats, with what rounding took away (Neumaier): pieces are summed one by one and then added in their order, so
/// that the result does not depend on the number of threads.
final class FloatSum: Aggregator {
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

    override func removeAll() { states.removeAll() }

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
final class IntegerSum: Aggregator {
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

    override func removeAll() { states.removeAll() }

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
final class Spread: Aggregator {
    private struct State {
        var count = 0.0, squares = 0.0
        /// Of the differences from `base`, which is the first integer: large integers are not rounded to floats.
        var mean = 0.0
        /// The bits of an integer of the column's type; 0 for floats.
        var base: UInt64 = 0
    }
    private var states: List<State>

    override init(_ column: Int, _ type: ColumnType) throws(TableError) {
        states = try List()
        try super.init(column, type)
    }

    override func reserve(_ groups: Int) throws(TableError) { try states.fill(to: groups, State()) }

    override func update(_ ids: UnsafePointer<UInt32>, _ vector: Vector, _ count: Int) {
        let states = states.base
        switch type {
        case .integer, .u64:
            let isSigned = type == .integer
            forEachRow(vector, count) { row in
                let state = states + Int(ids[row])
                let word = vector.words[row]
                if state.pointee.count == 0 { state.pointee.base = word }
                add(Spread.difference(word, state.pointee.base, isSigned: isSigned), state)
            }
        default: forEachRow(vector, count) { row in add(vector.doubles[row], states + Int(ids[row])) }
        }
    }

    @inline(__always)
    private func add(_ value: Double, _ state: UnsafeMutablePointer<State>) {
        state.pointee.count += 1
        let difference = value - state.pointee.mean
        state.pointee.mean += difference / state.pointee.count
        state.pointee.squares += difference * (value - state.pointee.mean)
    }

    /// The difference of two integers, rounded once.
    @inline(__always)
    private static func difference(_ a: UInt64, _ b: UInt64, isSigned: Bool) -> Double {
        let isLess = isSigned ? Int64(bitPattern: a) < Int64(bitPattern: b) : a < b
        return isLess ? -Double(b &- a) : Double(a &- b)
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
            let difference =
                b.mean - a.mean + Spread.difference(b.base, a.base, isSigned: type != .u64)
            state.pointee = State(
                count: count,
                squares: a.squares + b.squares + difference * difference * (a.count * b.count / count),
                mean: a.mean + difference * (b.count / count), base: a.base)
        }
    }

    override func removeAll() { states.removeAll() }

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
