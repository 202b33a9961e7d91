import Testing

@testable import MemoryMap

/// Running sums, differences and windows against loops.
@Suite struct RunningTests {
    private static let operations: [RollingOperation] = [.sum, .mean, .least, .greatest]

    private func results(_ operation: RunningOperation, _ values: [Double]) -> [Double] {
        switch operation {
        case .sums:
            var sum = 0.0
            return values.map {
                sum += $0
                return sum
            }
        case .differences: return zip(values.dropFirst(), values).map { $0 - $1 }
        case .rolling(let operation, let size):
            return (0...values.count - size).map { start in
                let window = values[start..<start + size]
                if window.contains(where: \.isNaN) { return .nan }
                switch operation {
                case .sum: return window.reduce(0, +)
                case .mean: return window.reduce(0, +) / Double(size)
                case .least: return window.min() ?? 0
                case .greatest: return window.max() ?? 0
                }
            }
        }
    }

    /// Small integers, so that floats are exact too.
    @Test func againstLoops() throws {
        var generator = Seeded()
        for type in OrderTests.types {
            for count in [1, 2, 5, 63, 2048, 2049] {
                let map = try MappedRegion.anonymous(count * (type.byteCount + 1) + 8)
                let elements = try map.bytes.elements(
                    Bool.random(using: &generator) ? type.bigEndian : type.littleEndian, 3, count: count,
                    stride: type.byteCount + 1)
                let low = type.isFloat || type.kind & 1 == 1 ? -9 : 0
                let hasNaN = type.isFloat && Bool.random(using: &generator)
                let values = (0..<count).map { i in
                    hasNaN && i == count / 2 ? Double.nan : Double(Int.random(in: low...9, using: &generator))
                }
                for (i, x) in values.enumerated() {
                    try elements.store(type.isFloat ? .float(x) : .integer(Int64(x)), at: i)
                }
                let sizes = Set([1, 2, count / 2, count - 1, count].filter { $0 >= 1 && $0 <= count })
                let rolling = sizes.flatMap { size in
                    Self.operations.map { RunningOperation.rolling($0, size) }
                }
                for operation in [.sums, .differences] + rolling {
                    let wanted = results(operation, values)
                    let target = try MappedRegion.anonymous(8 * count + 8)
                    let result = try target.bytes.elements(
                        operation.resultType(type), 0, count: try operation.resultCount(count))
                    try elements.run(operation, into: result) { _ in true }
                    let got = try (0..<result.count).map { i -> Double in
                        switch try result.load(at: i) {
                        case .integer(let x): Double(x)
                        case .float(let x): x
                        }
                    }
                    let isSame = zip(got, wanted).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
                    #expect(
                        got.count == wanted.count && isSame,
                        "\(type), \(count), \(operation), \(generator.seed)")
                }
            }
        }
    }

    /// What left a window is not in its sum any more, however large it was.
    @Test func aWindowForgets() throws {
        let map = try MappedRegion.anonymous(80)
        let floats = try map.bytes.elements(.float64)
        for (i, x) in [1e300, 1, 2, .infinity, 3, 4, 5, 6, 7, 8].enumerated() {
            try floats.store(.float(x), at: i)
        }
        let target = try MappedRegion.anonymous(80)
        let result = try target.bytes.elements(.float64, 0, count: 9)
        try floats.run(.rolling(.sum, 2), into: result) { _ in true }
        #expect(try [1, 4, 8].map { try result.load(at: $0) } == [.float(3), .float(7), .float(15)])
    }

    @Test func whatDoesNotFitIsAnErrorAndNothingIsWritten() throws {
        let map = try MappedRegion.anonymous(24)
        let target = try MappedRegion.anonymous(24)
        for (type, values) in [
            (ElementType.int64, [Int64.max, 1, 0]), (.int64, [Int64.min, -1, 0]), (.uint64, [-1, 1, 0]),
        ] {
            let elements = try map.bytes.elements(type)
            let result = try target.bytes.elements(RunningOperation.sums.resultType(type))
            for (i, x) in values.enumerated() { try elements.store(.integer(x), at: i) }
            try result.fill(.integer(7))
            for operation in [RunningOperation.sums, .rolling(.sum, 2)] {
                let count = try operation.resultCount(3)
                let error = #expect(throws: MapError.self) {
                    try elements.run(operation, into: result.slice(0, count)) { _ in true }
                }
                #expect(error?.kind == .valueOutOfRange && error?.values.1 == (count == 3 ? 1 : 0))
            }
            #expect(try (0..<3).allSatisfy { try result.load(at: $0) == .integer(7) })
            // All sums of a window fit, though those of its parts do not.
            let apart = try elements.slice(0, 2)
            try apart.store(.integer(type == .uint64 ? -1 : values[0]), at: 0)
            try apart.store(.integer(0), at: 1)
            try apart.run(.rolling(.sum, 2), into: result.slice(0, 1)) { _ in true }
        }
        let bytes = try target.bytes.elements(.uint8, 0, count: 3)
        let elements = try map.bytes.elements(.uint16, 0, count: 3)
        try elements.fill(.integer(100))
        try bytes.fill(.integer(1))
        #expect(throws: MapError.self) { try elements.run(.sums, into: bytes) { _ in true } }
        #expect(try bytes.load(at: 0) == .integer(1))
        // In place sums are; differences are not, as they would be of what was written.
        try elements.run(.sums, into: elements) { _ in true }
        #expect(try elements.load(at: 2) == .integer(300))
        #expect(throws: MapError.self) {
            try elements.run(.differences, into: elements.slice(0, 2)) { _ in true }
        }
        #expect(throws: MapError.self) { try elements.run(.sums, into: bytes.slice(0, 2)) { _ in true } }
        for size in [0, -1, 4] {
            #expect(throws: MapError.self) {
                try elements.run(.rolling(.sum, size), into: bytes) { _ in true }
            }
        }
    }

    /// The mean may be anywhere: distances from it are not lost.
    @Test func varianceDoesNotCancel() throws {
        let map = try MappedRegion.anonymous(800)
        for type in [ElementType.int64, .uint64] {
            let elements = try map.bytes.elements(type, 0, count: 20)
            for base in [Int64(0), 1 << 53, 1 << 60, Int64.max - 19, type == .int64 ? Int64.min : -20] {
                for i in 0..<20 { try elements.store(.integer(base &+ Int64(i)), at: i) }
                #expect(try elements.variance() == 33.25, "\(type) from \(base)")
                #expect(try elements.variance(missing: 1) == 35)
            }
        }
        let elements = try map.bytes.elements(.int64, 0, count: 2)
        try elements.store(.integer(.min), at: 0)
        try elements.store(.integer(.max), at: 1)
        #expect(try elements.variance() == 0x1p126)
        let floats = try map.bytes.elements(.float64, 0, count: 100)
        for value: Double in [0.1, 1e15 + 0.3, 1e300, -7e-300, 1 / 3] {
            try floats.fill(.float(value))
            #expect(try floats.variance() == 0, "\(value)")
        }
        for base: Double in [1e6, 1e10, 1e15] {
            for i in 0..<100 { try floats.store(.float(base + Double(i % 4)), at: i) }
            #expect(try floats.variance() == 1.25, "\(base)")
        }
    }

    @Test func whatIsGatheredIsWhereTheOrderSays() throws {
        var generator = Seeded()
        for type in OrderTests.types {
            for orderType in [ElementType.uint8, .int16, .uint32.bigEndian, .int64, .uint64] {
                let map = try MappedRegion.anonymous(4096)
                let (source, target) = (
                    try map.bytes.elements(type.bigEndian, 0, count: 100),
                    try map.bytes.elements(type.littleEndian, 1001, count: 60, stride: type.byteCount + 2)
                )
                let order = try map.bytes.elements(orderType, 2048, count: 60)
                for i in 0..<100 { try source.store(.integer(Int64(i)), at: i) }
                let indexes = (0..<60).map { _ in Int64.random(in: 0..<100, using: &generator) }
                for (i, x) in indexes.enumerated() { try order.store(.integer(x), at: i) }
                try target.gather(order, source) { _ in true }
                for (i, x) in indexes.enumerated() {
                    #expect(try target.load(at: i) == (type.isFloat ? .float(Double(x)) : .integer(x)))
                }
                // Converted, and not at all where one does not fit.
                let wide = try map.bytes.elements(.int64, 3000, count: 60)
                try wide.gather(order, source) { _ in true }
                #expect(try (0..<60).allSatisfy { try wide.load(at: $0) == .integer(indexes[$0]) })
                try order.store(.integer(100), at: 59)
                try wide.fill(.integer(5))
                let error = #expect(throws: MapError.self) { try wide.gather(order, source) { _ in true } }
                #expect(error?.values.0 == 100 && error?.values.1 == 59)
                #expect(try wide.load(at: 0) == .integer(5))
            }
        }
        let map = try MappedRegion.anonymous(64)
        let all = try map.bytes.elements(.uint8)
        #expect(throws: MapError.self) {
            try all.slice(0, 8).gather(all.slice(4, 8), all.slice(20, 8)) { _ in true }
        }
        #expect(throws: MapError.self) {
            try all.slice(0, 8).gather(all.slice(20, 8), all.slice(4, 8)) { _ in true }
        }
        #expect(throws: MapError.self) {
            try all.slice(0, 8).gather(all.slice(20, 7), all.slice(40, 8)) { _ in true }
        }
        let floats = try map.bytes.elements(.float32, 32, count: 8)
        #expect(throws: MapError.self) { try all.slice(0, 8).gather(floats, all.slice(8, 8)) { _ in true } }
    }
}
