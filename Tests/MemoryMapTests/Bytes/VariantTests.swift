import CMemoryMap
import Vectors
import VectorsBaseline
import Testing

@testable import MemoryMap

#if canImport(VectorsAVX2)
    import VectorsAVX2
#endif

/// The vector code of all instruction sets: the results must be the same to the last bit, and those of plain loops.
@Suite struct VariantTests {
    static var variants: [Vectors] {
        var all = [VectorsBaseline.vectors("baseline")]
        #if canImport(VectorsAVX2)
            if mm_has_avx2() { all.append(VectorsAVX2.vectors("AVX2")) }
        #endif
        return all
    }

    /// Every count up to a few blocks, at every relevant alignment.
    private func forEachRun(_ body: (UnsafeRawPointer, Int, Comment) -> Void) {
        var generator = Seeded()
        let bytes = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &generator) }
        bytes.withUnsafeBytes { all in
            guard let start = all.baseAddress else { return }
            for count in Array(0...67) + [127, 128, 129, 200, 300] {
                body(start + count % 8, count, "seed \(generator.seed), \(count) elements")
            }
        }
    }

    @Test func sumsAreExact() {
        forEachRun { start, count, place in
            func check<T: FixedWidthInteger & BitwiseCopyable>(_ type: Element, _: T.Type) {
                var sum: Int128 = 0
                for i in 0..<count {
                    sum += Int128(start.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self))
                }
                for vectors in Self.variants {
                    var results: [UInt64] = [0, 0]
                    vectors.sum(type.rawValue, start, count, &results)
                    #expect(Int128(truncatingIfNeeded: results[1]) << 64 | Int128(results[0]) == sum, place)
                }
            }
            check(.u8, UInt8.self)
            check(.i8, Int8.self)
            check(.u16, UInt16.self)
            check(.i16, Int16.self)
            check(.u32, UInt32.self)
            check(.i32, Int32.self)
            check(.u64, UInt64.self)
            check(.i64, Int64.self)
        }
    }

    @Test func longSumsDoNotOverflowTheirLanes() {
        let bytes = [UInt8](repeating: 0xff, count: 1 << 22)
        for vectors in Self.variants {
            for type in Element.allCases where !type.isFloat {
                var results: [UInt64] = [0, 0]
                let count = bytes.count / type.size
                bytes.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress else { return }
                    vectors.sum(type.rawValue, start, count, &results)
                }
                let most = type.isSigned ? Int128(-1) : (Int128(1) << (8 * type.size)) - 1
                #expect(
                    Int128(truncatingIfNeeded: results[1]) << 64 | Int128(results[0]) == most * Int128(count))
            }
            let count = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { vectors.countByte($0, bytes.count, 0xff) }
            }
            #expect(count == bytes.count)
        }
    }

    @Test func floatsAreAddedInOneOrder() {
        var generator = Seeded()
        let doubles = (0..<1000).map { _ in Double.random(in: -1e9...1e9, using: &generator) }
        doubles.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            for count in [0, 1, 15, 16, 17, 31, 33, 500, 1000] {
                let answers = Self.variants.map { vectors in
                    var summary = [0.0, 0, 0]
                    var deviations = [0.0, 0]
                    vectors.summary(start, count, &summary)
                    vectors.deviations(start, count, 0.1, &deviations)
                    return (summary + deviations + [vectors.dot(start, start, count)]).map(\.bitPattern)
                }
                for answer in answers { #expect(answer == answers.first) }
            }
        }
    }

    @Test func allOtherResultsAreTheSame() {
        forEachRun { start, count, place in
            for type in Element.allCases {
                let answers = Self.variants.map { vectors in
                    var answer: [UInt64] = []
                    if !type.isFloat && count > 0 {
                        var extremes: [UInt64] = [0, 0]
                        vectors.extremes(type.rawValue, start, count, &extremes)
                        answer += extremes
                        var dot: [UInt64] = [0, 0]
                        vectors.dotExact(type.rawValue, start, start + 8, count, &dot)
                        answer += dot
                    }
                    for comparison in Comparison.allCases {
                        answer.append(
                            UInt64(
                                vectors.countWhere(
                                    type.rawValue, comparison.rawValue, start, count, start + 16)))
                        answer.append(
                            UInt64(
                                bitPattern: Int64(
                                    vectors.findWhere(
                                        type.rawValue, comparison.rawValue, start, count, start + 16))))
                    }
                    var doubles = [Double](repeating: 0, count: count)
                    vectors.convert(type.rawValue, start, count, &doubles)
                    answer += doubles.map(\.bitPattern)
                    if type.isFloat && type != .f64 {
                        // Any doubles, as they come.
                        var narrow = [UInt8](repeating: 0, count: count / 8 * type.size)
                        narrow.withUnsafeMutableBytes { target in
                            guard let base = target.baseAddress else { return }
                            vectors.narrow(type.rawValue, start, count / 8, base)
                        }
                        answer += narrow.map { UInt64($0) }
                    }
                    for operation in Operation.allCases {
                        for isScalar in [false, true] {
                            var target = [UInt8](repeating: 0, count: count * type.size)
                            target.withUnsafeMutableBytes { target in
                                guard let base = target.baseAddress else { return }
                                vectors.combine(
                                    type.rawValue, operation.rawValue, base, start, start + 8, count, isScalar
                                )
                            }
                            answer += Self.values(target, type)
                        }
                    }
                    return answer
                }
                for answer in answers { #expect(answer == answers.first, place) }
            }
        }
    }

    /// The elements by their bits, with all NaNs as one: IEEE 754 does not specify the payload of a sum of two NaNs,
    /// and the compiler may swap the operands.
    private static func values(_ bytes: [UInt8], _ type: Element) -> [UInt64] {
        func values<Bits: FixedWidthInteger & BitwiseCopyable>(
            _: Bits.Type, isNaN: (Bits) -> Bool
        ) -> [UInt64] {
            bytes.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: MemoryLayout<Bits>.size).map {
                    let bits = bytes.loadUnaligned(fromByteOffset: $0, as: Bits.self)
                    return isNaN(bits) ? .max : UInt64(bits)
                }
            }
        }
        return switch type {
        case .f32: values(UInt32.self) { Float(bitPattern: $0).isNaN }
        case .f64: values(UInt64.self) { Double(bitPattern: $0).isNaN }
        default: values(UInt8.self) { _ in false }
        }
    }

    @Test func needles() {
        var generator = Seeded()
        for _ in 0..<300 {
            let alphabet = UInt8.random(in: 1...3, using: &generator)
            let bytes = (0..<Int.random(in: 2...300, using: &generator)).map { _ in
                UInt8.random(in: 0..<alphabet, using: &generator)
            }
            let from = Int.random(in: 0..<bytes.count - 1, using: &generator)
            let length = Int.random(in: 2...20, using: &generator)
            let needle = Array(bytes[from..<min(bytes.count, from + length)])
            let place: Comment = "seed \(generator.seed), \(needle) in \(bytes)"
            let places = (0...bytes.count - needle.count).filter {
                Array(bytes[$0..<$0 + needle.count]) == needle
            }
            var (count, free) = (0, 0)
            for place in places where place >= free { (count, free) = (count + 1, place + needle.count) }
            let positions = bytes.count - needle.count + 1
            bytes.withUnsafeBytes { bytes in
                needle.withUnsafeBytes { needle in
                    guard let start = bytes.baseAddress, let sought = needle.baseAddress else { return }
                    var prepared = Needle(sought, needle.count)
                    for vectors in Self.variants {
                        #expect(vectors.find(start, positions, &prepared) == places.first, place)
                        #expect(vectors.findLast(start, positions, &prepared) == places.last, place)
                        var next = 0
                        #expect(vectors.count(start, positions, &prepared, &next) == count, place)
                        #expect(next == max(0, free - positions), place)
                    }
                }
            }
        }
    }
}
