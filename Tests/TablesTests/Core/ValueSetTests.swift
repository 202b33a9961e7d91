import MemoryMap
import Testing

@testable import Tables

@Suite("Sets of constants")
struct ValueSetTests {
    private static let columns: [ColumnType] = [.string, .number, .integer, .u64, .boolean, .time]

    /// Whether a value of a column is equal to a constant, by its text or exactly as a number.
    private func isEqual(_ value: Value, _ constant: Predicate.Constant) -> Bool {
        switch (value, constant) {
        case (.string(let a), .string(let b)): a == b
        case (.boolean(let a), .boolean(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.number(let a), .integer(let b)): Int64(exactly: a) == b
        case (.number(let a), .u64(let b)): UInt64(exactly: a) == b
        case (.integer(let a), .number(let b)): Int64(exactly: b) == a
        case (.integer(let a), .integer(let b)): a == b
        case (.integer(let a), .u64(let b)): UInt64(exactly: a) == b
        case (.u64(let a), .number(let b)): UInt64(exactly: b) == a
        case (.u64(let a), .integer(let b)): UInt64(exactly: b) == a
        case (.u64(let a), .u64(let b)): a == b
        default: false
        }
    }

    private func constant(_ random: inout Generator) -> Predicate.Constant {
        let small = Int64(random.next() % 9) - 4
        return switch random.next() % 6 {
        case 0: .string(name(["", "a", "b", "ab", "key", "a longer key"][Int(random.next() % 6)]))
        case 1:
            .number([0.0, -0.0, 1, 0.5, .nan, .infinity, 9_223_372_036_854_775_808][Int(random.next() % 7)])
        case 2: .integer([small, .max, .min, 1 << 53 + 1][Int(random.next() % 4)])
        case 3: .u64([UInt64(random.next() % 4), .max, .max - 2, 1 << 63][Int(random.next() % 4)])
        case 4: .boolean(random.next() % 2 == 0)
        default: .number(Double(random.next() % 8) * 40_000)
        }
    }

    @Test("Rows that are equal to one of some constants, of any type", arguments: 0..<4)
    func random(_ seed: Int) throws {
        var random = Generator(state: UInt64(seed) + 77)
        var rows = Sample.rows(300, seed: UInt64(seed) + 40)
        rows[3][1] = .number(.nan)
        rows[4][1] = .number(9_223_372_036_854_775_808)
        rows[5][2] = .integer(.max)
        for column in Self.columns.indices {
            for count in [0, 1, 2, 5, 30] {
                let constants = (0..<count).map { _ in constant(&random) }
                let values = try ValueSet(Self.columns[column]) { (insert) throws(TableError) in
                    for constant in constants { try insert(constant) }
                }
                #expect(values.count == count)
                let found = try Sample.table(rows).filtered(Predicate(column: column, .among(values)))
                    .values()
                let expected = rows.filter { row in
                    constants.contains { constant in row[column].map { isEqual($0, constant) } ?? false }
                }
                #expect("\(found)" == "\(expected)")
            }
        }
    }

    @Test("Many constants, read by several threads")
    func many() throws {
        let former = threadCount
        defer { threadCount = former }
        let values = try ValueSet(.integer) { (insert) throws(TableError) in
            for value in 0..<20_000 as Range<Int64> { try insert(.integer(value % 10_000 * 3)) }
        }
        let texts = try ValueSet(.string) { (insert) throws(TableError) in
            for value in 0..<10_000 { try insert(.string(name("key \(value * 3)"))) }
        }
        let rows: [[Value?]] = (0..<9000).map { [.integer($0), .string(name("key \($0)"))] }
        let table = Table(
            RowsSource(
                [Column(name("i"), .integer), Column(name("s"), .string)], rows, pieceSize: 500, batchSize: 64
            ))
        for threads in [1, 2, 7] {
            threadCount = threads
            for predicate in [Predicate(column: 0, .among(values)), Predicate(column: 1, .among(texts))] {
                let found = try table.filtered(predicate).values()
                #expect(found == stride(from: 0, to: 9000, by: 3).map { rows[$0] })
            }
        }
        #expect(try table.filtered(Predicate(column: 0, .nothing)).count(.plain) == 0)
        // What ends the filling ends it all.
        #expect(throws: TableError.self) {
            try ValueSet(.integer) { (insert) throws(TableError) in
                try insert(.integer(1))
                throw TableError.interrupted
            }
        }
    }
}
