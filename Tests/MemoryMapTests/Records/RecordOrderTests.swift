import CMemoryMap
import Testing

@testable import MemoryMap

/// Records sorted by their fields, against the standard library.
@Suite struct RecordOrderTests {
    /// id u32, name char[11], x f64, from byte 1 on; with a gap to the next.
    private static let size = 25

    /// Records and their memory.
    final class Table {
        let map: MappedRegion
        let records: MappedRecords

        init(_ count: Int, _ stride: Int) throws {
            map = try MappedRegion.anonymous(count * stride + 64)
            try map.bytes.fill(0xee)
            records = try map.bytes.records(size: RecordOrderTests.size, 5, count: count, stride: stride)
        }
    }

    private func make(_ count: Int, _ stride: Int, _ generator: inout Seeded) throws -> Table {
        let table = try Table(count, stride)
        let records = table.records
        for i in 0..<count {
            let record = try records.record(at: i)
            try record.store(.integer(.random(in: 0...9, using: &generator)), as: .uint32, at: 1)
            let name = (0..<Int.random(in: 0...11, using: &generator)).map { _ -> UInt8 in
                [UInt8(ascii: "a"), UInt8(ascii: "b"), 0xff].randomElement(using: &generator) ?? 0
            }
            try name.withUnsafeBytes { try record.store($0, at: 5, size: 11) }
            let x = [0.0, -0.0, .nan, 1, -2.5, .infinity].randomElement(using: &generator) ?? 0
            try record.store(.float(x), as: .float64.bigEndian, at: 16)
            try record.store(UInt8(i & 0xff), at: 0)
            try record.store(UInt8(i >> 8 & 0xff), at: 24)
        }
        return table
    }

    private func bytes(_ records: MappedRecords) throws -> [[UInt8]] {
        try (0..<records.count).map { i in
            let record = try records.record(at: i)
            return try (0..<Self.size).map { try record.load(at: $0) }
        }
    }

    private static let id = SortField.Value.number(.uint32)
    private static let name = SortField.Value.characters(11)
    private static let x = SortField.Value.number(.float64.bigEndian)

    private func comesBefore(_ a: [UInt8], _ b: [UInt8], _ fields: [SortField]) -> Bool {
        func number(_ bytes: [UInt8], _ type: ElementType, _ offset: Int) -> Number {
            bytes.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
                    return .integer(0)
                }
                return Number(bits: mm_load_number(start + offset, type.code), type)
            }
        }
        for field in fields {
            switch field.value {
            case .number(let type):
                let (x, y) = (number(a, type, field.offset), number(b, type, field.offset))
                if OrderTests.comesBefore(x, y, type, descending: field.isDescending) { return true }
                if OrderTests.comesBefore(y, x, type, descending: field.isDescending) { return false }
            case .characters(let count):
                let (x, y) = (a[field.offset..<field.offset + count], b[field.offset..<field.offset + count])
                if x.elementsEqual(y) { continue }
                return x.lexicographicallyPrecedes(y) != field.isDescending
            }
        }
        return false
    }

    private static var orders: [[SortField]] {
        [
            [SortField(id, at: 1)], [SortField(id, at: 1, isDescending: true)], [SortField(name, at: 5)],
            [SortField(name, at: 5, isDescending: true)], [SortField(x, at: 16)],
            [SortField(x, at: 16, isDescending: true), SortField(id, at: 1)],
            [SortField(id, at: 1), SortField(x, at: 16), SortField(name, at: 5, isDescending: true)],
        ]
    }

    private func check(_ counts: [Int]) throws {
        var generator = Seeded()
        for count in counts {
            for stride in [Self.size, Self.size + 7] {
                for fields in Self.orders {
                    let table = try make(count, stride, &generator)
                    let records = table.records
                    let before = try bytes(records)
                    let wanted = before.enumerated().sorted { a, b in
                        if comesBefore(a.element, b.element, fields) { return true }
                        if comesBefore(b.element, a.element, fields) { return false }
                        return a.offset < b.offset
                    }.map(\.element)
                    try records.sort(fields) { _ in true }
                    #expect(try bytes(records) == wanted, "\(count) every \(stride), seed \(generator.seed)")
                    if stride > Self.size && count > 1 {
                        #expect(try table.map.bytes.load(at: 5 + Self.size) == 0xee)
                    }
                }
            }
        }
    }

    @Test func recordsAreSorted() throws { try check([0, 1, 2, 40, 500]) }

    /// Where there is memory for an order and not for the records they go round in place.
    @Test func withoutMemoryForACopy() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let tests = RecordOrderTests()
            var generator = Seeded()
            for fields in RecordOrderTests.orders {
                let table = try tests.make(1000, 400, &generator)
                let records = table.records
                let before = try tests.bytes(records)
                let other = try tests.make(1000, 400, &generator)
                let copy = other.records
                for (i, record) in before.enumerated() {
                    let target = try copy.record(at: i)
                    for (k, byte) in record.enumerated() { try target.store(byte, at: k) }
                }
                try copy.sort(fields) { _ in true }
                // Of 25 bytes each, beside 8 for an index: sorting takes 8 or 16 more for a while, and gives them back.
                let wide = try table.map.bytes.records(size: 390, 5, count: 1000, stride: 400)
                mm_budget_set_limit(mm_budget_used() + 1000 * 200)
                try wide.sort(fields) { _ in true }
                mm_budget_set_limit(.max)
                #expect(try tests.bytes(records) == tests.bytes(copy))
                _ = (table.map.count, other.map.count)
            }
        }
    }

    @Test func whatIsStoppedLosesNothing() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let tests = RecordOrderTests()
            var generator = Seeded()
            let table = try tests.make(70_000, RecordOrderTests.size, &generator)
            let records = table.records
            let before = try tests.bytes(records).sorted { $0.lexicographicallyPrecedes($1) }
            for (allowed, isFrugal) in [
                (0, false), (3, false), (8, false), (100, true), (258, true), (259, true), (260, true),
            ] {
                var asked = 0
                if isFrugal { mm_budget_set_limit(mm_budget_used() + 70_000 * 30) }
                do throws(MapError) {
                    try records.sort([SortField(RecordOrderTests.id, at: 1, isDescending: allowed % 2 == 0)])
                    { _ in
                        asked += 1
                        return asked <= allowed
                    }
                } catch { #expect(error.kind == .interrupted) }
                mm_budget_set_limit(.max)
                #expect(try tests.bytes(records).sorted { $0.lexicographicallyPrecedes($1) } == before)
            }
            _ = table.map.count
        }
    }

    @Test func gather() throws {
        var generator = Seeded()
        let table = try make(50, 32, &generator)
        let records = table.records
        let other = try make(20, Self.size, &generator)
        let target = other.records
        let indexes = (0..<20).map { _ in Int64.random(in: 0..<50, using: &generator) }
        let orderMap = try MappedRegion.anonymous(160)
        let order = try orderMap.bytes.elements(.uint64)
        for (i, x) in indexes.enumerated() { try order.store(.integer(x), at: i) }
        try target.gather(order, records) { _ in true }
        let all = try bytes(records)
        #expect(try bytes(target) == indexes.map { all[Int($0)] })
        let before = try bytes(target)
        try order.store(.integer(50), at: 19)
        let error = #expect(throws: MapError.self) { try target.gather(order, records) { _ in true } }
        #expect(error?.values.0 == 50 && error?.values.1 == 19)
        #expect(try bytes(target) == before)
        #expect(throws: MapError.self) { try records.slice(0, 20).gather(order, records) { _ in true } }
        _ = (table.map.count, other.map.count)
    }
}
