import Testing

@testable import MemoryMap

/// Sets of pages against arrays of booleans.
@Suite struct PageBitsTests {
    /// Calls `body` with an empty set.
    private func withBits(_ count: Int, _ body: (PageBits) throws -> Void) rethrows {
        let words = PageBits.words(for: count)
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: max(words, 1))
        defer { memory.deallocate() }
        let bits = PageBits(memory, count: count)
        bits.clear()
        try body(bits)
    }

    private static func runs(_ model: [Bool]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for (page, isSet) in model.enumerated() where isSet {
            if let last = result.last, last.upperBound == page {
                result[result.count - 1] = last.lowerBound..<page + 1
            } else {
                result.append(page..<page + 1)
            }
        }
        return result
    }

    private static func runs(_ bits: PageBits) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var page = 0
        while let run = bits.run(from: page) {
            result.append(run)
            page = run.upperBound
        }
        return result
    }

    /// Patterns that differ at the ends of words: none, all, sparse, dense, alternating.
    private static func models(_ count: Int) -> [[Bool]] {
        var dice = Dice(state: UInt64(count))
        return [
            [Bool](repeating: false, count: count), [Bool](repeating: true, count: count),
            (0..<count).map { $0 % 2 == 0 }, (0..<count).map { _ in dice.roll(20) == 0 },
            (0..<count).map { _ in dice.roll(20) != 0 }, (0..<count).map { $0 == count - 1 || $0 == 0 },
        ]
    }

    @Test(arguments: [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 200, 1000])
    func bitsMatchMincore(_ count: Int) {
        var dice = Dice(state: 7)
        for model in Self.models(count) {
            withBits(count) { bits in
                // Only the lowest bit of each mincore(2) byte is defined.
                let bytes = model.map { UInt8(($0 ? 1 : 0) | dice.roll(128) << 1) }
                let half = count / 128 * 64
                var total = bytes[..<half].withUnsafeBufferPointer { bits.insert($0, at: 0) }
                total += bytes[half...].withUnsafeBufferPointer { bits.insert($0, at: half) }
                #expect(total == model.count { $0 })
                #expect((0..<count).map { bits[$0] } == model)
                #expect(Self.runs(bits) == Self.runs(model))
                for first in stride(from: 0, through: count, by: max(count / 9, 1)) {
                    for end in stride(from: first, through: count, by: max(count / 7, 1)) {
                        #expect(bits.count(in: first..<end) == model[first..<end].count { $0 })
                    }
                }
            }
        }
    }

    @Test func differencesMatchModels() {
        let models = Self.models(150)
        for these in models {
            for those in models {
                withBits(150) { left in
                    withBits(150) { right in
                        withBits(150) { result in
                            for page in 0..<150 where these[page] { left.insert(page) }
                            for page in 0..<150 where those[page] { right.insert(page) }
                            left.subtract(right, into: result)
                            #expect((0..<150).map { result[$0] } == zip(these, those).map { $0 && !$1 })
                        }
                    }
                }
            }
        }
    }
}
