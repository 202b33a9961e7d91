import Testing

@testable import Tables

@Suite("Quantiles of tables")
struct QuantileTests {
    /// By sorting all.
    private func reference(_ values: [Double], _ q: Double) -> Double {
        let sorted = values.sorted()
        let place = Double(values.count - 1) * q
        let low = Int(place.rounded(.down))
        let weight = place - Double(low)
        if weight == 0 || low + 1 >= sorted.count { return sorted[low] }
        let difference = sorted[low + 1] - sorted[low]
        return weight < 0.5 ? sorted[low] + difference * weight : sorted[low + 1] - difference * (1 - weight)
    }

    private func found(_ values: [Double], _ q: Double) -> Double {
        var copy = values
        let result = copy.withUnsafeMutableBufferPointer { copy in
            copy.baseAddress.map { quantile($0, count: copy.count, q: q) } ?? .nan
        }
        #expect(copy.sorted() == values.sorted())
        return result
    }

    @Test("All sizes to 80, all kinds of order, many quantiles")
    func small() {
        var random = Random(state: 1)
        for count in 1...80 {
            let kinds: [[Double]] = [
                (0..<count).map { _ in Double.random(in: -10...10, using: &random) },
                (0..<count).map { _ in Double(Int.random(in: 0...3, using: &random)) },
                (0..<count).map { Double($0) }, (0..<count).map { Double(-$0) },
                (0..<count).map { Double(min($0, count - $0)) }, Array(repeating: 7, count: count),
            ]
            for values in kinds {
                for q in [0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.999, 1] {
                    #expect(found(values, q) == reference(values, q), "\(values) \(q)")
                }
            }
        }
    }

    @Test("Large ones: random, few different, in order, with steps, and all but one equal")
    func large() {
        var random = Random(state: 2)
        let count = 50_000
        let kinds: [[Double]] = [
            (0..<count).map { _ in Double.random(in: -1...1, using: &random) },
            (0..<count).map { _ in Double(bitPattern: random.next() >> 2) },
            (0..<count).map { _ in Double(Int.random(in: 0...20, using: &random)) },
            (0..<count).map { Double($0) }, (0..<count).map { Double(-$0) },
            (0..<count).map { Double($0 % 63) },
            (0..<count).map { Double(($0 * 7919) % 1000) }, (0..<count).map { $0 == 31_111 ? 1 : 0 },
            (0..<count).map { $0 == 31_111 ? -1 : 0 }, (0..<count).map { $0 % 2 == 0 ? -0.0 : 0 },
        ]
        for (i, values) in kinds.enumerated() {
            for q in [0, 0.001, 0.5, 0.95, 1] {
                #expect(found(values, q) == reference(values, q), "\(i) \(q)")
            }
        }
    }

    @Test("What samples see is not what there is: the number of passes stays small")
    func adversary() throws {
        // All values at the places that are looked at are the same or the least.
        for seed in 0..<20 {
            var random = Random(state: UInt64(seed))
            let count = 100_000
            var values = (0..<count).map { _ in Double(bitPattern: random.next() >> 3) }
            let step = count / 63
            for i in 0..<63 { values[min(count - 1, i * step + (i * 7919) % step)] = Double(seed % 3 - 1) }
            var polls = 0
            var copy = values
            let result = try copy.withUnsafeMutableBufferPointer { copy in
                let start = try #require(copy.baseAddress)
                return quantile(start, count: count, q: 0.5) { polls += 1 }
            }
            #expect(result == reference(values, 0.5))
            #expect(polls < 200)
        }
    }

    @Test("Infinities, NaN, and a poll that throws")
    func special() throws {
        #expect(found([.infinity, 1, 2], 0.5) == 2)
        #expect(found([.infinity, 1, 2], 1) == .infinity)
        #expect(found([-.infinity, 1, 2], 0) == -.infinity)
        #expect(found([-.infinity, .infinity, 1], 0.5) == 1)
        #expect(found([.infinity, 1], 0.5) == .infinity)
        #expect(found([-.greatestFiniteMagnitude, .greatestFiniteMagnitude], 0.5) == 0)
        var copy: [Double] = [1, .nan, 2]
        copy.withUnsafeMutableBufferPointer { copy in
            #expect(copy.baseAddress.map { quantile($0, count: 3, q: 0.5).isNaN } == true)
        }
        var random = Random(state: 3)
        var many = (0..<500_000).map { _ in Double.random(in: -1...1, using: &random) }
        #expect(throws: TableError.self) {
            try many.withUnsafeMutableBufferPointer { many in
                let start = try #require(many.baseAddress)
                _ = try quantile(start, count: many.count, q: 0.5) {
                    () throws(TableError) in throw .interrupted
                }
            }
        }
    }
}
