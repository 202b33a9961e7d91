import Glibc
import MemoryMap
import Testing

@testable import Tables

/// Functions in Swift in the place of those of a script.
private final class Functions: ScriptFunctions {
    /// Nil raises an error.
    typealias Function = ([Value?]) -> Value??
    let functions: [Function]
    var calls = 0
    /// The most memory for strings that a batch had.
    var mostStrings = 0

    init(_ functions: [Function]) { self.functions = functions }

    func call(
        _ function: Int, _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
    ) throws(TableError) {
        results.arena.removeAll()
        mostStrings = max(mostStrings, batch.arena.capacity)
        for row in 0..<batch.count {
            calls += 1
            var values: [Value?] = []
            for index in arguments {
                guard let vector = batch.vectors[index] else { throw TableError("an argument is missing") }
                if vector.isNull(row) {
                    values.append(nil)
                } else if columns[index].type == .string {
                    values.append(.string(Array(vector.texts[row].buffer)))
                } else if columns[index].type == .integer {
                    values.append(.integer(vector.integers[row]))
                } else {
                    values.append(.number(vector.doubles[row]))
                }
            }
            let kind: Results.Kind
            guard let answer = functions[function](values) else { throw .raised }
            switch answer {
            case nil: kind = .null
            case .string(let bytes)?:
                kind = .string
                let place = try results.arena.allocate(bytes.count)
                for i in bytes.indices { place[i] = bytes[i] }
                results.texts[row] = Text(place, bytes.count)
            case .number(let number)?:
                kind = .float
                results.words[row] = number.bitPattern
            case .integer(let integer)?:
                kind = .integer
                results.words[row] = UInt64(bitPattern: integer)
            case .boolean(let truth)?:
                kind = .boolean
                results.words[row] = truth ? 1 : 0
            case .u64?: kind = .other
            }
            results.kinds[row] = kind.rawValue
        }
    }

    func machineCode(_ function: Int, _ types: [ColumnType]) -> (any RowCode)? { nil }
    func beginMachineCode() {}
    func endMachineCode() {}
    func leaveMachineCode() {}
}

@Suite("Functions of scripts in plans")
struct FunctionTests {
    private let rows = Sample.rows(100, seed: 9)

    private func run(_ functions: Functions) -> Run { Run(functions: functions) { _ in true } }

    @Test("where keeps the rows for which a function gives neither nil nor false")
    func filter() throws {
        let functions = Functions([
            { values in
                guard case .integer(let i)? = values[0] else { return .some(nil) }
                return .some(i % 2 == 0 ? .integer(0) : .boolean(false))
            }
        ])
        let kept = rows.filter { row in
            if case .integer(let i)? = row[2] { i % 2 == 0 } else { false }
        }
        #expect(try Sample.table(rows).filtered(function: 0, [2]).values(run(functions)) == kept)
        #expect(functions.calls == rows.count)
    }

    @Test("with adds a column, of the type of the first results, or replaces one")
    func compute() throws {
        let functions = Functions([
            { values in
                guard case .string(let s)? = values[0] else { return .some(nil) }
                return .some(.string(s + s))
            },
            { values in
                guard case .integer(let i)? = values[0] else { return .some(nil) }
                return .some(i % 2 == 0 ? .integer(i) : .number(Double(i) / 2))
            },
            { _ in .some(nil) },
        ])
        let run = run(functions)
        let table = Sample.table(rows)
        let doubled = try table.computed(name("ss"), function: 0, [0], run)
        #expect(doubled.columns.last?.type == .string)
        #expect(
            try doubled.values(run)
                == rows.map { row in
                    guard case .string(let s)? = row[0] else { return row + [nil] }
                    return row + [.string(s + s)]
                })
        let halves = try table.computed(name("x"), function: 1, [2], run)
        #expect(halves.columns.map { $0.name } == table.columns.map { $0.name })
        #expect(halves.columns[1].type == .number)
        #expect(
            try halves.values(run).map { $0[1] }
                == rows.map { row -> Value? in
                    guard case .integer(let i)? = row[2] else { return nil }
                    return .number(i % 2 == 0 ? Double(i) : Double(i) / 2)
                })
        #expect(try table.computed(name("n"), function: 2, [2], run).values(run).allSatisfy { $0[6] == nil })
    }

    /// Rows that know whether they changed, and count how often they were read.
    private final class Stamped: Source {
        private let base: RowsSource
        var now: [Int]?
        private(set) var reads = 0

        init(_ rows: [[Value?]], _ now: [Int]?) {
            base = RowsSource(Sample.columns, rows)
            self.now = now
            super.init(base.columns)
        }

        override var stamp: [Int]? { now }

        override func open(_ run: Run, wanted: [Bool], filters: [Predicate]) throws(TableError) -> RowStream {
            reads += 1
            return try base.open(run, wanted: wanted, filters: filters)
        }
    }

    @Test("Groups that a function needs are computed once, where the rows stay as they are")
    func once() throws {
        let functions = Functions([{ .some($0[0]) }, { .some($0[0] == nil ? .number(0) : .number(1)) }])
        let run = run(functions)
        func table(_ source: Stamped) throws -> Table {
            let groups = try Table(source).grouped(
                Grouping(
                    keys: [Grouping.Key(0, name: name("s"))],
                    aggregates: [
                        Aggregate(.count, nil, name: name("n")), Aggregate(.max, 2, name: name("m")),
                    ]))
            return try groups.filtered(Predicate(column: 1, .compare(.greater, .integer(1))))
                .computed(name("f"), function: 0, [1], run).computed(name("g"), function: 1, [0], run)
        }
        let plain = Stamped(rows, nil)
        let expected = try table(plain).values(run)
        #expect(plain.reads == 3)
        #expect(expected.count > 2)

        let source = Stamped(rows, [1])
        let once = try table(source)
        #expect(source.reads == 1)
        #expect(try once.values(run) == expected)
        #expect(source.reads == 1)
        // They are not kept for long.
        #expect(try once.values(run) == expected)
        #expect(source.reads == 2)

        let changed = Stamped(rows, [1])
        let twice = try table(changed)
        changed.now = [2]
        #expect(try twice.values(run) == expected)
        #expect(changed.reads == 2)
    }

    @Test("A result of another type than the first ones is an error that says what to do")
    func mismatch() throws {
        var count = 0
        let functions = Functions([
            { _ in
                count += 1
                return .some(count > 200 ? .number(0.5) : .integer(1))
            }
        ])
        let run = run(functions)
        let many = Sample.table(Sample.rows(300, seed: 10), pieceSize: 1000)
        let table = try many.computed(name("y"), function: 0, [0], run)
        #expect(
            message { () throws(TableError) in _ = try table.values(run) }
                == "the function returned a float that is no integer, and its first results were of the type integer; add 0.0 to the result, so that all are floats"
        )
        #expect(
            message { () throws(TableError) in _ = try table.values() } == "a function needs an interpreter")
    }

    @Test("Strings of former batches are not kept, also after other verbs")
    func constantMemory() throws {
        let functions = Functions([{ _ in .some(.boolean(true)) }])
        let run = run(functions)
        let long = Value.string([UInt8](repeating: 120, count: 1000))
        let rows: [[Value?]] = (0..<3000).map { _ in [long, .integer(1)] }
        let table = Table(
            RowsSource([Column(name("s"), .string), Column(name("i"), .integer)], rows, pieceSize: 3000))
        let chain = try table.selecting([0]).filtered(function: 0, [0])
            .computed(name("a"), function: 0, [0], run).computed(name("b"), function: 0, [0], run)
        let reader = try chain.rows(run)
        var count = 0
        while let batch = try reader.next(run) {
            count += batch.count
            functions.mostStrings = max(functions.mostStrings, batch.arena.capacity)
        }
        #expect(count == 3000)
        #expect(functions.mostStrings <= 128 << 10)
    }

    /// Rows of groups are in private memory, where other threads read on while the function is called for later ones.
    @Test(
        "Functions after groups: the same for any number of threads, called in order, on the caller's thread")
    func ahead() throws {
        let former = threadCount
        defer { threadCount = former }
        let count = 40_000
        var random = Generator(state: 21)
        let rows: [[Value?]] = (0..<count).map { row in
            [
                .integer(Int64(row)),
                random.next() % 9 == 0 ? nil : .number(Double.random(in: -1e9...1e9, using: &random)),
                .string(name("\(random.next() % 500)")),
            ]
        }
        let source = RowsSource(
            [Column(name("i"), .integer), Column(name("x"), .number), Column(name("s"), .string)], rows,
            pieceSize: 9000, batchSize: 2048)
        let me = pthread_self()
        var (arguments, isElsewhere, last) = ([Int64](), false, Int64.max)
        let functions = Functions([
            { values in
                guard case .integer(let i)? = values[0] else { return nil }
                isElsewhere = isElsewhere || pthread_equal(me, pthread_self()) == 0
                arguments.append(i)
                if i == last { return nil }
                return i % 11 == 0 ? .some(nil) : .some(.string(name("\(i % 900)")))
            },
            { values in
                guard case .string(let s)? = values[0] else { return .some(.boolean(true)) }
                return .some(.boolean(s.last != 48))
            },
        ])
        let run = run(functions)
        let base = Table(source).head(count)
        let wide = try base.computed(name("f"), function: 0, [0], run)
        let chain = wide.filtered(function: 1, [3]).selecting([3, 1, 2, 0])
            .filtered(Predicate(column: 3, .compare(.greaterOrEqual, .integer(5))))
        let grouping = Grouping(
            keys: [Grouping.Key(0, name: name("f")), Grouping.Key(2, name: name("s"))],
            aggregates: [
                Aggregate(.sum, 1, name: name("sum")), Aggregate(.variance, 1, name: name("v")),
                Aggregate(.first, 3, name: name("first")), Aggregate(.quantile, 1, q: 0.3, name: name("q")),
            ])
        let tables = [
            wide, chain, try chain.grouped(grouping), chain.top(30, SortKey(1, isDescending: true)),
            chain.sorted([SortKey(0, isDescending: false)]),
        ]
        let expected = rows.compactMap { row -> [Value?]? in
            guard case .integer(let i)? = row[0], i >= 5, i % 11 == 0 || i % 10 != 0 else { return nil }
            return [i % 11 == 0 ? nil : .string(name("\(i % 900)")), row[1], row[2], row[0]]
        }
        threadCount = 1
        let one = try tables.map { (table) throws(TableError) in try table.values(run) }
        // Not as they are: the report of a difference would take minutes.
        let isExpected = one[1] == expected
        #expect(isExpected)
        for threads in [2, 7] {
            threadCount = threads
            for (index, table) in tables.enumerated() {
                arguments = []
                let isSame = try table.values(run) == one[index]
                #expect(isSame)
                let isInOrder = arguments.elementsEqual(0..<Int64(count))
                #expect(isInOrder)
            }
            // No row that is not needed.
            arguments = []
            #expect(try chain.head(3).values(run) == Array(expected[..<3]))
            #expect(arguments.count <= Batch.capacity)
            // An error ends the calls, wherever it is.
            for place in [0, 16_384, Int64(count) - 1] {
                (arguments, last) = ([], place)
                #expect(message { () throws(TableError) in _ = try tables[2].values(run) } == "raised")
                #expect(arguments.count == Int(place) + 1)
            }
            last = .max
            // And so does a signal.
            for limit in [0, 5, 20] {
                var left = limit
                let run = Run(functions: functions) { _ in
                    left -= 1
                    return left >= 0
                }
                #expect(
                    message { () throws(TableError) in _ = try tables[2].values(run) } != "")
            }
        }
        #expect(!isElsewhere)
    }

    @Test("Errors of a function end the run")
    func errors() throws {
        let functions = Functions([{ _ in nil }])
        let run = run(functions)
        let table = Sample.table(rows)
        #expect(
            message { () throws(TableError) in _ = try table.computed(name("y"), function: 0, [0], run) }
                == "raised")
        #expect(
            message { () throws(TableError) in _ = try table.filtered(function: 0, [0]).count(run) }
                == "raised")
    }
}
