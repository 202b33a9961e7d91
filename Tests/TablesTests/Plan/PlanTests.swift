import Glibc
import MemoryMap
import Testing

@testable import Tables

/// A random table: few keys, nulls, equal values, special floats.
struct Sample {
    static let columns = [
        Column(name("s"), .string), Column(name("x"), .number), Column(name("i"), .integer),
        Column(name("u"), .u64), Column(name("b"), .boolean), Column(name("t"), .time),
    ]

    static func rows(_ count: Int, seed: UInt64) -> [[Value?]] {
        var random = Generator(state: seed)
        let words = [
            "", "a", "b", "ab", "key", "a longer key", "a longer key2", "café",
            String(repeating: "x", count: 40),
        ]
        let floats = [0.0, -0.0, 1, -1, 0.1, 1e300, .infinity, 2.5, 3, 1e-300]
        return (0..<count).map { _ in
            [
                random.next() % 9 == 0 ? nil : .string(name(words[Int(random.next() % 9)])),
                random.next() % 9 == 0 ? nil : .number(floats[Int(random.next() % 10)]),
                random.next() % 9 == 0 ? nil : .integer(Int64(random.next() % 20) - 10),
                random.next() % 9 == 0 ? nil : .u64(.max - random.next() % 5),
                random.next() % 9 == 0 ? nil : .boolean(random.next() % 2 == 0),
                random.next() % 9 == 0 ? nil : .number(Double(random.next() % 8) * 40_000),
            ]
        }
    }

    static func table(_ rows: [[Value?]], pieceSize: Int = 7) -> Table {
        Table(RowsSource(columns, rows, pieceSize: pieceSize))
    }
}

struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var word = state
        word ^= word >> 33
        word &*= 0xFF51_AFD7_ED55_8CCD
        word ^= word >> 33
        return word
    }
}

/// Equal keys are one: 0.0 and -0.0.
private func key(_ value: Value?) -> String {
    switch value {
    case nil: "null"
    case .number(let number)?: "\(number == 0 ? 0 : number)"
    case .string(let bytes)?: "\(bytes)"
    case .integer(let integer)?: "i\(integer)"
    case .u64(let integer)?: "u\(integer)"
    case .boolean(let truth)?: "\(truth)"
    }
}

private func float(_ value: Value) -> Double {
    switch value {
    case .number(let number): number
    case .integer(let integer): Double(integer)
    case .u64(let integer): Double(integer)
    default: .nan
    }
}

/// Whether a comes before b; nil if they are equal. Nulls are last.
private func isBefore(_ a: Value?, _ b: Value?, descending: Bool) -> Bool? {
    switch (a, b) {
    case (nil, nil): return nil
    case (nil, _): return false
    case (_, nil): return true
    case (.string(let a)?, .string(let b)?):
        if a == b { return nil }
        return a.lexicographicallyPrecedes(b) != descending
    case (.boolean(let a)?, .boolean(let b)?):
        if a == b { return nil }
        return (!a && b) != descending
    case (.integer(let a)?, .integer(let b)?): return a == b ? nil : (a < b) != descending
    case (.u64(let a)?, .u64(let b)?): return a == b ? nil : (a < b) != descending
    case (.number(let a)?, .number(let b)?): return a == b ? nil : (a < b) != descending
    default: return nil
    }
}

@Suite("Plans of tables", .serialized)
struct PlanTests {
    @Test("Rows come as they are, for all sizes of pieces", arguments: [0, 1, 2, 6, 7, 8, 100, 3000])
    func collect(count: Int) throws {
        let rows = Sample.rows(count, seed: 1)
        for size in [1, 7, 5000] {
            let table = Sample.table(rows, pieceSize: size)
            #expect(try table.values() == rows)
            #expect(try table.count(.plain) == count)
        }
    }

    @Test("Groups, their order, and all aggregates", arguments: [0, 1, 5, 50, 500])
    func group(count: Int) throws {
        let rows = Sample.rows(count, seed: 2)
        for keys in [[], [0], [1], [2], [3], [4], [5], [0, 2], [4, 1, 0]] {
            var aggregates = [Aggregate(.count, nil, name: name("count"))]
            for (column, type) in Sample.columns.map({ $0.type }).enumerated() {
                for function in Aggregate.Function.allCases where function != .count {
                    let takesNumbers: [Aggregate.Function] = [
                        .sum, .mean, .variance, .stddev, .median, .quantile,
                    ]
                    if takesNumbers.contains(function) && type != .integer && type != .number { continue }
                    if type == .u64 && function == .sum { continue }
                    aggregates.append(
                        Aggregate(function, column, q: 0.3, name: name("\(function) \(column)")))
                }
            }
            let grouping = Grouping(
                keys: keys.map { Grouping.Key($0, name: Sample.columns[$0].name) }, aggregates: aggregates)
            let result = try Sample.table(rows).grouped(grouping).values()
            var order: [String] = []
            var groups: [String: [[Value?]]] = keys.isEmpty ? ["": []] : [:]
            if keys.isEmpty { order = [""] }
            for row in rows {
                let text = keys.map { key(row[$0]) }.joined(separator: "|")
                if groups[text] == nil { order.append(text) }
                groups[text, default: []].append(row)
            }
            #expect(result.count == order.count)
            for (index, text) in order.enumerated() {
                let members = groups[text] ?? []
                let row = result[index]
                #expect(keys.indices.map { key(row[$0]) }.joined(separator: "|") == text)
                for (place, aggregate) in aggregates.enumerated() {
                    let found = row[keys.count + place]
                    let expected = reference(aggregate, members)
                    #expect(
                        isNear(found, expected),
                        "\(keys) \(aggregate.function) \(aggregate.column ?? -1): \(String(describing: found)) \(String(describing: expected))"
                    )
                }
            }
        }
    }

    private func isNear(_ a: Value?, _ b: Value?) -> Bool {
        guard case .number(let a)? = a, case .number(let b)? = b else { return key(a) == key(b) }
        if a.isNaN || b.isNaN { return a.isNaN == b.isNaN }
        if a == b { return true }
        return abs(a - b) <= max(1e-15, 1e-9 * max(abs(a), abs(b)))
    }

    private func reference(_ aggregate: Aggregate, _ rows: [[Value?]]) -> Value? {
        guard let column = aggregate.column else { return .integer(Int64(rows.count)) }
        let values = rows.compactMap { $0[column] }
        let isInteger = Sample.columns[column].type == .integer
        switch aggregate.function {
        case .count: return .integer(Int64(rows.count))
        case .nulls: return .integer(Int64(rows.count - values.count))
        case .distinct: return .integer(Int64(Set(values.map(key)).count))
        case .first: return values.first
        case .last: return values.last
        case .min: return values.min { isBefore($0, $1, descending: false) == true }
        case .max: return values.min { isBefore($0, $1, descending: true) == true }
        default: break
        }
        if values.isEmpty { return nil }
        let floats = values.map(float)
        let sum = floats.reduce(0, +)
        let mean = sum / Double(floats.count)
        switch aggregate.function {
        case .sum: return isInteger ? .integer(Int64(sum)) : .number(sum)
        case .mean: return .number(mean)
        case .variance, .stddev:
            if floats.count < 2 { return nil }
            let variance = floats.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(floats.count - 1)
            return .number(aggregate.function == .stddev ? variance.squareRoot() : variance)
        default:
            let sorted = floats.sorted()
            let place = (aggregate.function == .median ? 0.5 : 0.3) * Double(sorted.count - 1)
            let low = Int(place)
            if low + 1 >= sorted.count { return .number(sorted[low]) }
            // As v:quantile: an infinite neighbor makes it infinite.
            let (a, b, weight) = (sorted[low], sorted[low + 1], place - Double(low))
            if weight == 0 || a == b { return .number(a) }
            return .number(a.isFinite && b.isFinite ? a + (b - a) * weight : a + b)
        }
    }

    @Test("Sums are those of one thread, for any number of threads")
    func threads() throws {
        let former = threadCount
        defer { threadCount = former }
        var random = Generator(state: 3)
        let rows: [[Value?]] = (0..<20_000).map { _ in
            [.integer(Int64(random.next() % 10)), .number(Double.random(in: -1e9...1e9, using: &random))]
        }
        let table = Table(
            RowsSource(
                [Column(name("k"), .integer), Column(name("x"), .number)], rows, pieceSize: 100, batchSize: 64
            ))
        let grouping = Grouping(
            keys: [Grouping.Key(0, name: name("k"))],
            aggregates: [Aggregate(.sum, 1, name: name("s")), Aggregate(.variance, 1, name: name("v"))])
        threadCount = 1
        let one = try table.grouped(grouping).values()
        for threads in [2, 4, 9] {
            threadCount = threads
            #expect(try table.grouped(grouping).values() == one)
        }
    }

    @Test("Sorts are stable, with nulls last, by one column and by several", arguments: [0, 1, 17, 400])
    func sort(count: Int) throws {
        let rows = Sample.rows(count, seed: 4)
        for keys in [
            [(0, false)], [(0, true)], [(1, false)], [(1, true)], [(2, true)], [(3, false)], [(4, true)],
            [(5, false)],
            [(4, false), (0, true), (1, false)], [(0, true), (2, false)],
        ] {
            let sorted = rows.enumerated().sorted { a, b in
                for (column, descending) in keys {
                    if let before = isBefore(a.element[column], b.element[column], descending: descending) {
                        return before
                    }
                }
                return a.offset < b.offset
            }.map { $0.element }
            let sortKeys = keys.map { SortKey($0.0, isDescending: $0.1) }
            #expect(try Sample.table(rows).sorted(sortKeys).values() == sorted, "\(keys)")
            for limit in [0, 1, 5, 1000] {
                #expect(
                    try Sample.table(rows).top(limit, sortKeys[0]).values()
                        == (keys.count == 1
                            ? Array(sorted.prefix(limit))
                            : try Sample.table(rows).sorted([sortKeys[0]]).head(limit).values()))
            }
        }
    }

    @Test("The best of many rows are the first of the sorted ones")
    func topOfMany() throws {
        var random = Generator(state: 12)
        let columns = [Column(name("i"), .integer), Column(name("x"), .number), Column(name("u"), .u64)]
        let rows = (0..<9000).map { row -> [Value?] in
            let number = random.next() % 20_000
            return [
                number % 9 == 0 ? nil : .integer(Int64(number) - 10_000),
                number % 9 == 1 ? nil : .number(number % 9 == 2 ? .nan : Double(number % 500) - 250),
                .u64(number),
            ]
        }
        let table = Table(RowsSource(columns, rows, pieceSize: 5000, batchSize: 100))
        for column in columns.indices {
            for isDescending in [false, true] {
                let key = SortKey(column, isDescending: isDescending)
                for limit in [1, 30, 2500, 8000] {
                    // The numbers tell the rows apart; NaN is not equal to itself.
                    let best = try table.top(limit, key).values().map { [$0[0], $0[2]] }
                    let first = try table.sorted([key]).head(limit).values().map { [$0[0], $0[2]] }
                    #expect(best == first, "\(column) \(limit)")
                }
            }
        }
    }

    @Test("Many strings, alike in their first bytes or not", arguments: 0..<4, [false, true])
    func manyStrings(_ kind: Int, _ isDescending: Bool) throws {
        var random = Generator(state: UInt64(kind))
        let count = 70_000
        let rows = (0..<count).map { row -> [Value?] in
            let number = random.next()
            var text: String
            switch kind {
            case 0: text = "a common start \(number % 5000)"
            case 1: text = String(number % 1000, radix: 2)
            case 2:
                text = String(repeating: "\0", count: Int(number % 12)) + (number % 7 == 0 ? "\u{FF}" : "")
            default: text = "\(number)"
            }
            if number % 50 == 1 { text = String(repeating: text, count: 4) }
            return [number % 100 == 0 ? nil : .string(Array(text.utf8)), .integer(Int64(row))]
        }
        let columns = [Column(name("s"), .string), Column(name("i"), .integer)]
        let table = Table(RowsSource(columns, rows, pieceSize: 10_000, batchSize: 2000))
        let sorted = try table.sorted([SortKey(0, isDescending: isDescending)]).collect(Run { _ in true })
        #expect(sorted.count == count)
        guard let texts = sorted.vector(0), let numbers = sorted.vector(1) else { return }
        var seen = Set<Int64>()
        var wrong = 0
        for row in 0..<count {
            seen.insert(numbers.integers[row])
            if row == 0 || texts.isNull(row) && !texts.isNull(row - 1) { continue }
            let isEqual = texts.isNull(row) || texts.texts[row - 1] == texts.texts[row]
            let order = isEqual ? 0 : texts.texts[row - 1].order(texts.texts[row])
            let isInOrder =
                isEqual
                ? numbers.integers[row - 1] < numbers.integers[row] : isDescending ? order > 0 : order < 0
            if texts.isNull(row - 1) && !texts.isNull(row) || !isInOrder { wrong += 1 }
        }
        #expect(seen.count == count && wrong == 0)
    }

    @Test("The first rows, each combination once, columns chosen, renamed, and filled")
    func others() throws {
        let rows = Sample.rows(300, seed: 5)
        let table = Sample.table(rows)
        for count in [0, 1, 7, 8, 299, 300, 301] {
            #expect(try table.head(count).values() == Array(rows.prefix(count)))
        }
        var seen: Set<String> = []
        let once = rows.map { [$0[4], $0[0]] }.filter {
            seen.insert($0.map(key).joined(separator: "|")).inserted
        }
        #expect(try table.distinct([4, 0]).values() == once)
        #expect(try table.selecting([5, 0, 0]).values() == rows.map { [$0[5], $0[0], $0[0]] })
        #expect(try table.renaming(1, to: name("y")).columns[1].name == name("y"))
        #expect(throws: TableError.self) { try table.renaming(1, to: name("s")) }
        #expect(
            try table.filling(0, .string(name("none"))).values().map { $0[0] }
                == rows.map { $0[0] ?? .string(name("none")) })
        #expect(try table.filling(2, .integer(7)).values().map { $0[2] } == rows.map { $0[2] ?? .integer(7) })
        #expect(try table.appending(table.selecting([1, 0, 2, 3, 4, 5])).values() == rows + rows)
        #expect(throws: TableError.self) { try table.appending(table.selecting([0, 1])) }
        for n in 1...5 {
            var all: [[Value?]] = []
            for k in 1...n { all += try table.selecting([0, 1]).piece(k, of: n).values() }
            #expect(all == rows.map { Array($0[0...1]) })
        }
        #expect(throws: TableError.self) { try table.head(3).piece(1, of: 2) }
    }

    @Test("Joins keep the order of the left rows, then of the right ones", arguments: [0, 1, 30, 200])
    func join(count: Int) throws {
        let left = Sample.rows(count, seed: 6)
        for other in [0, 1, 60] {
            let right = Sample.rows(other, seed: 7)
            for on in [[0], [1], [2], [4, 0]] {
                for keepsLeft in [false, true] {
                    let joined = try Sample.table(left).joined(
                        Sample.table(right), on: on.map { ($0, $0) }, keepsLeft: keepsLeft)
                    var expected: [[Value?]] = []
                    let rest = Sample.columns.indices.filter { !on.contains($0) }
                    for row in left {
                        let partners = right.filter { partner in
                            on.allSatisfy { row[$0] != nil && key(row[$0]) == key(partner[$0]) }
                        }
                        for partner in partners { expected.append(row + rest.map { partner[$0] }) }
                        if partners.isEmpty && keepsLeft { expected.append(row + rest.map { _ in nil }) }
                    }
                    #expect(try joined.values() == expected)
                    #expect(
                        joined.columns.suffix(rest.count).map { $0.name }
                            == rest.map { Sample.columns[$0].name + name("_right") })
                }
            }
        }
    }

    @Test("An interrupted run ends with an error, whatever it does")
    func interrupts() throws {
        let rows = Sample.rows(200, seed: 8)
        let table = Sample.table(rows)
        let grouping = Grouping(
            keys: [Grouping.Key(0, name: name("s"))], aggregates: [Aggregate(.count, nil, name: name("n"))])
        let tables = [
            table, try table.grouped(grouping), table.sorted([SortKey(1, isDescending: false)]),
            table.top(5, SortKey(1, isDescending: true)), table.distinct([0]),
            try table.joined(table, on: [(0, 0)], keepsLeft: true), try table.appending(table),
        ]
        let former = threadCount
        defer { threadCount = former }
        for table in tables {
            threadCount = 3
            #expect(throws: TableError.self) { try table.collect(Run { _ in false }) }
            threadCount = 1
            var calls = 0
            let counting = Run { _ in
                calls += 1
                return true
            }
            _ = try table.collect(counting)
            #expect(calls > 2)
            for limit in [0, 1, 2, 3, calls / 3, calls / 2, calls - 2, calls - 1] {
                var left = limit
                let run = Run { _ in
                    left -= 1
                    return left >= 0
                }
                #expect(throws: TableError.self) { try table.collect(run) }
            }
        }
    }

    @Test("A slow first piece does not let the results of the others pile up")
    func slowPiece() throws {
        let former = threadCount
        defer { threadCount = former }
        threadCount = 4
        let rows: [[Value?]] = (0..<1000).map { [.integer(Int64($0))] }
        let table = Table(RowsSource([Column(name("i"), .integer)], rows, pieceSize: 1))
        let stream = try table.open(.plain, wanted: [true])
        nonisolated(unsafe) var open = 0
        nonisolated(unsafe) var most = 0
        var places: [Int64] = []
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        defer { lock.deallocate() }
        try stream.forEachPiece(
            .plain,
            { (cursor) throws(TableError) in
                let value = try cursor.next()?.vectors[0]?.integers[0] ?? -1
                if value == 0 { usleep(200_000) }
                pthread_mutex_lock(lock)
                open += 1
                most = max(most, open)
                pthread_mutex_unlock(lock)
                return value
            },
            deposit: { (value) throws(TableError) in
                pthread_mutex_lock(lock)
                open -= 1
                pthread_mutex_unlock(lock)
                places.append(value)
                return true
            })
        #expect(places == (0..<1000).map { Int64($0) })
        #expect(most <= 2 * 4 + 4)
    }

    @Test("A plan has a greatest size, also where a table is used twice each time")
    func size() throws {
        var table = Sample.table(Sample.rows(3, seed: 11))
        for _ in 0..<199 { table = table.head(2) }
        try table.requireReasonable()
        #expect(try table.count(.plain) == 2)
        table = table.head(2)
        #expect(throws: TableError.self) { try table.requireReasonable() }
        var twice = Sample.table(Sample.rows(3, seed: 11))
        for _ in 0..<10 { twice = try twice.appending(twice) }
        #expect(throws: TableError.self) { try twice.requireReasonable() }
        for _ in 0..<80 { twice = try twice.appending(twice) }
        #expect(throws: TableError.self) { try twice.requireReasonable() }
    }

    @Test("Names that do not exist name the likely one")
    func names() throws {
        let table = Sample.table([])
        #expect(
            message { () throws(TableError) in _ = try table.column(name("S")) }
                == "there is no column 'S'; did you mean 's'?")
        let text = message { () throws(TableError) in _ = try table.column(name("temperature")) }
        #expect(text.contains("the columns are 's', 'x', 'i'"))
    }
}

/// The message of the error that `body` throws.
func message(_ body: () throws(TableError) -> Void) -> String {
    do throws(TableError) { try body() } catch {
        switch error {
        case .data(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .map(let error, _): return "\(error)"
        case .groups(let error, let count): return "\(count) groups: \(error)"
        case .raised: return "raised"
        case .needsInterpreter: return "needs the interpreter"
        }
    }
    return ""
}
