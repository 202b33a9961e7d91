import CMemoryMap
import Testing

@testable import MemoryMap

/// Sorting and what stands on it, against the standard library.
@Suite struct OrderTests {
    static let types: [ElementType] = [
        .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64, .float16, .bfloat16, .float32,
        .float64,
    ]

    /// Elements with random bits, of few or many values, in either byte order, with or without gaps.
    final class Case {
        let map: MappedRegion
        let elements: MappedElements
        let note: Comment

        init(_ type: ElementType, _ count: Int, _ kind: Int, _ generator: inout Seeded) throws {
            let isSwapped = Bool.random(using: &generator)
            let stride = type.byteCount + (Bool.random(using: &generator) ? 3 : 0)
            let type = isSwapped ? type.bigEndian : type.littleEndian
            map = try MappedRegion.anonymous(count * stride + 16)
            elements = try map.bytes.elements(type, 1, count: count, stride: stride)
            for i in 0..<count {
                let place = 1 + i * stride
                let bits: UInt64 =
                    switch kind {
                    case 0: .random(in: 0 ... .max, using: &generator)
                    case 1: .random(in: 0...3, using: &generator)
                    // Most are in one narrow range.
                    case 2:
                        .random(in: 0...99, using: &generator) < 90
                            ? .random(in: 1000...9000, using: &generator)
                            : .random(in: 0 ... .max, using: &generator)
                    case 3: UInt64(i)
                    default: UInt64(count - i)
                    }
                let number: Number =
                    type.isFloat
                    ? .float(
                        kind == 0
                            ? (i % 50 == 7
                                ? [.nan, .infinity, -.infinity, 0, -0.0][i % 5]
                                : .random(in: -1...1, using: &generator) * 100)
                            : Double(bits % 60_000))
                    : .integer(Int64(bitPattern: bits) >> Int64(64 - 8 * type.byteCount))
                if type.isFloat {
                    try map.bytes.store(number, as: type, at: place)
                } else {
                    let word = type.byteCount == 8 ? bits : bits % (1 << UInt64(8 * type.byteCount))
                    for k in 0..<type.byteCount {
                        try map.bytes.store(UInt8(truncatingIfNeeded: word >> UInt64(8 * k)), at: place + k)
                    }
                }
            }
            note = "\(type), \(count) elements every \(stride) bytes, kind \(kind), seed \(generator.seed)"
        }

        func values() throws -> [Number] { try (0..<elements.count).map { try elements.load(at: $0) } }
    }

    /// Whether a number comes before another, NaN last in both directions.
    static func comesBefore(_ a: Number, _ b: Number, _ type: ElementType, descending: Bool = false) -> Bool {
        switch (a, b) {
        case (.integer(let x), .integer(let y)):
            let isLess =
                type.kind == Int32(MM_U64)
                ? UInt64(bitPattern: x) < UInt64(bitPattern: y) : x < y
            return descending ? x != y && !isLess : isLess
        case (.float(let x), .float(let y)):
            if x.isNaN { return false }
            if y.isNaN { return true }
            return descending ? x > y : x < y
        default: return false
        }
    }

    private static func isSame(_ a: [Number], _ b: [Number]) -> Bool {
        a.count == b.count
            && zip(a, b).allSatisfy { a, b in
                if case .float(let x) = a, case .float(let y) = b { return x == y || x.isNaN && y.isNaN }
                return a == b
            }
    }

    private func check(_ counts: [Int], _ types: [ElementType] = types) throws {
        var generator = Seeded()
        for type in types {
            for count in counts {
                for kind in 0..<5 {
                    let made = try Case(type, count, kind, &generator)
                    let before = try made.values()
                    func sorted(_ isDescending: Bool) -> [(offset: Int, element: Number)] {
                        before.enumerated().sorted { a, b in
                            if Self.comesBefore(a.element, b.element, type, descending: isDescending) {
                                return true
                            }
                            if Self.comesBefore(b.element, a.element, type, descending: isDescending) {
                                return false
                            }
                            return a.offset < b.offset
                        }
                    }
                    let wanted = [sorted(false), sorted(true)]
                    for (i, wanted) in wanted.enumerated() {
                        var order = [UInt64](repeating: 0, count: count)
                        try order.withUnsafeMutableBufferPointer { order in
                            guard let start = order.baseAddress else { return }
                            try made.elements.argsort(into: start, isDescending: i == 1) { _ in true }
                        }
                        let isRight = order == wanted.map { UInt64($0.offset) }
                        #expect(isRight, made.note)
                    }
                    for (i, wanted) in wanted.enumerated() {
                        try made.elements.sort(isDescending: i == 1) { _ in true }
                        let isRight = Self.isSame(try made.values(), wanted.map(\.element))
                        #expect(isRight, made.note)
                    }
                }
            }
        }
    }

    @Test func fewAreSorted() throws { try check([0, 1, 2, 31, 33, 700]) }

    /// Enough to be sorted by way of a copy.
    @Test func manyAreSorted() throws {
        try check([17_000], [.int32, .float64])
    }

    /// Without memory for a copy: in place, and the same elements.
    @Test func sortingWithoutMemoryIsTheSame() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var generator = Seeded()
            for type in [ElementType.uint32, .float64] {
                let made = try Case(type, 17_000, 0, &generator)
                let before = try made.values()
                mm_budget_set_limit(mm_budget_used() + 100_000)
                try made.elements.sort(isDescending: true) { _ in true }
                #expect(throws: MapError.self) {
                    var order = [UInt64](repeating: 0, count: 17_000)
                    try order.withUnsafeMutableBufferPointer { order in
                        guard let start = order.baseAddress else { return }
                        try made.elements.argsort(into: start, isDescending: false) { _ in true }
                    }
                }
                mm_budget_set_limit(.max)
                let sorted = before.sorted { OrderTests.comesBefore($0, $1, type, descending: true) }
                #expect(try OrderTests.isSame(made.values(), sorted), made.note)
            }
        }
    }

    /// Wherever it is stopped, all elements are there.
    @Test func whatIsStoppedLosesNothing() throws {
        var generator = Seeded()
        for type in [ElementType.uint32, .float64] {
            let made = try Case(type, 20_000, 2, &generator)
            func sorted() throws -> [UInt64] {
                var bits = [UInt64](repeating: 0, count: made.elements.count)
                try bits.withUnsafeMutableBufferPointer { try made.elements.loadBits(0, into: $0) }
                return bits.sorted()
            }
            let before = try sorted()
            for allowed in [0, 1, 2, 3, 4, 5, 20, 100, 200, 250] {
                var asked = 0
                do {
                    try made.elements.sort(isDescending: allowed % 2 == 0) { _ in
                        asked += 1
                        return asked <= allowed
                    }
                } catch { #expect(error.kind == .interrupted) }
                #expect(try sorted() == before, made.note)
            }
        }
    }

    @Test func duplicatesGo() throws {
        var generator = Seeded()
        for type in Self.types {
            for count in [0, 1, 2, 100, 3000] {
                let made = try Case(type, count, 1, &generator)
                var wanted: [Number] = []
                for value in try made.values() where wanted.last.map({ $0 != value }) ?? true {
                    wanted.append(value)
                }
                let left = try made.elements.removeDuplicates { _ in true }
                let first = Array(try made.values().prefix(left))
                #expect(left == wanted.count && Self.isSame(first, wanted), made.note)
            }
        }
        let map = try MappedRegion.anonymous(64)
        let floats = try map.bytes.elements(.float64)
        for (i, x) in [0.0, -0.0, .nan, -.nan, 1, 1, 0, .nan].enumerated() {
            try floats.store(.float(x), at: i)
        }
        #expect(try floats.removeDuplicates { _ in true } == 5)
    }

    @Test func quantilesAreThoseOfSortedElements() throws {
        var generator = Seeded()
        let parts: [Double] = [0, 0.001, 0.25, 1 / 3, 0.5, 0.9, 0.999, 1]
        for type in Self.types {
            for count in [0, 1, 2, 7, 300, 4500] {
                for kind in 0..<5 {
                    let made = try Case(type, count, kind, &generator)
                    let doubles = try made.values().map { number -> Double in
                        switch number {
                        case .integer(let x):
                            type.kind == Int32(MM_U64) ? Double(UInt64(bitPattern: x)) : Double(x)
                        case .float(let x): x
                        }
                    }
                    for skipping in [false, true] {
                        let numbers = doubles.filter { !$0.isNaN }.sorted()
                        let got = try made.elements.quantiles(parts, skippingNaN: skipping) { _ in true }
                        // More than a few are found in another way.
                        let many = try made.elements.quantiles(parts + parts, skippingNaN: skipping) { _ in
                            true
                        }
                        let median = try made.elements.median(skippingNaN: skipping) { _ in true }
                        if numbers.isEmpty && (skipping || count == 0) {
                            #expect(got == nil && many == nil && median == nil, made.note)
                            continue
                        }
                        guard let got, let many, let median else {
                            Issue.record(made.note)
                            continue
                        }
                        if !skipping && numbers.count < count {
                            let isNaN = (got + many + [median]).allSatisfy(\.isNaN)
                            #expect(isNaN, made.note)
                            continue
                        }
                        let n = numbers.count
                        let middle = (numbers[(n - 1) / 2], numbers[n / 2])
                        #expect(
                            median == (middle.0 == middle.1 ? middle.0 : (middle.0 + middle.1) / 2), made.note
                        )
                        let isSame = (got + got).map(\.bitPattern) == many.map(\.bitPattern)
                        #expect(isSame, made.note)
                        for (part, value) in zip(parts, got) {
                            let place = Double(n - 1) * part
                            let (low, high) = (numbers[Int(place)], numbers[min(n - 1, Int(place) + 1)])
                            let exact = low + (high - low) * (place - place.rounded(.down))
                            let scale = max(low.magnitude, high.magnitude)
                            let isInfinite = !scale.isFinite
                            #expect(
                                isInfinite
                                    || (value - exact).magnitude <= 4e-16 * scale && value >= low
                                        && value <= high,
                                made.note)
                        }
                    }
                }
            }
        }
    }

    /// Without memory for what is probably near: the range of keys is narrowed.
    @Test func quantilesWithoutMemoryAreTheSame() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var generator = Seeded()
            for type in OrderTests.types {
                for kind in 0..<4 {
                    let made = try Case(type, 5000, kind, &generator)
                    let parts: [Double] = [0, 0.1, 0.5, 0.77, 1]
                    for skipping in [false, true] {
                        let usual = try made.elements.quantiles(parts, skippingNaN: skipping) { _ in true }
                        mm_budget_set_limit(mm_budget_used() + 1000)
                        let frugal = try made.elements.quantiles(parts, skippingNaN: skipping) { _ in true }
                        mm_budget_set_limit(.max)
                        #expect(usual?.map(\.bitPattern) == frugal?.map(\.bitPattern), made.note)
                    }
                }
            }
        }
    }

    @Test func infiniteNeighborsAreNotNaN() throws {
        let map = try MappedRegion.anonymous(24)
        let floats = try map.bytes.elements(.float64)
        func quantile(_ values: [Double], _ part: Double) throws -> Double? {
            for (i, x) in values.enumerated() { try floats.store(.float(x), at: i) }
            return try floats.slice(0, values.count).quantiles([part]) { _ in true }?.first
        }
        #expect(try quantile([1, .infinity], 0.5) == .infinity)
        #expect(try quantile([1, .infinity], 0) == 1)
        #expect(try quantile([-.infinity, 1], 0.5) == -.infinity)
        #expect(try quantile([-.infinity, 1], 1) == 1)
        let none = try quantile([-.infinity, .infinity], 0.5)
        #expect(none?.isNaN == true)
        #expect(try quantile([-.infinity, .infinity, 3], 0.5) == 3)
        #expect(try quantile([-1.5e308, 1.5e308], 0.5) == 0)
        #expect(try floats.slice(0, 2).median { _ in true } == 0)
    }
}
