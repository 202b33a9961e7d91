/// The least, greatest, first or last value.
final class Chosen: Aggregator {
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
            case .least: if text.order(texts[group]) >= 0 { return }
            case .greatest: if text.order(texts[group]) <= 0 { return }
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

    override func removeAll() {
        words.removeAll()
        texts.removeAll()
        isSet.removeAll()
        arena.removeAll()
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
