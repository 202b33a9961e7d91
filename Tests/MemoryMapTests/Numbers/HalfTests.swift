import Vectors
import Testing

@testable import CMemoryMap
@testable import MemoryMap

/// f16 and bf16: all 65,536 of each, both ways, against their definition.
@Suite struct HalfTests {
    /// A format: bits of fraction, and the exponent of its least normal number.
    struct Format: Sendable {
        let name: String
        let type: ElementType
        let element: Element
        let digits: Int
        let least: Int

        var infinity: UInt16 { (0x7fff >> UInt16(digits)) << UInt16(digits) }

        /// IEEE 754, 3.4, with the exponent of infinity as if it were another one: where halves of units are looked
        /// for, the number after the greatest.
        func value(_ bits: UInt16) -> Double {
            let fraction = Double(bits & (1 << UInt16(digits) - 1)) / Double(1 << digits)
            let exponent = Int((bits & 0x7fff) >> UInt16(digits))
            let magnitude =
                exponent == 0
                ? fraction * power(least) : (1 + fraction) * power(exponent - 1 + least)
            return bits & 0x8000 == 0 ? magnitude : -magnitude
        }

        private func power(_ exponent: Int) -> Double {
            Double(sign: .plus, exponent: exponent, significand: 1)
        }
    }

    static let formats = [
        Format(name: "f16", type: .float16, element: .f16, digits: 10, least: -14),
        Format(name: "bf16", type: .bfloat16, element: .bf16, digits: 7, least: -126),
    ]

    /// What reads them: memory in both byte orders, and the vector code of all instruction sets.
    private func readers(_ format: Format) -> [([UInt16]) -> [Double]] {
        let memory = [format.type.littleEndian, format.type.bigEndian].map { type in
            { (all: [UInt16]) -> [Double] in
                let words = all.map { type.isSwapped ? $0.byteSwapped : $0 }
                var bits = [UInt64](repeating: 0, count: all.count)
                words.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
                    mm_load_numbers(start, 2, all.count, type.code, &bits)
                }
                return bits.map { Double(bitPattern: $0) }
            }
        }
        let vectors = VariantTests.variants.map { vectors in
            { (all: [UInt16]) -> [Double] in
                var result = [Double](repeating: 0, count: all.count)
                all.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress else { return }
                    vectors.convert(format.element.rawValue, start, all.count, &result)
                }
                return result
            }
        }
        return memory + vectors
    }

    private func writers(_ format: Format) -> [([Double]) -> [UInt16]] {
        let memory = [format.type.littleEndian, format.type.bigEndian].map { type in
            { (all: [Double]) -> [UInt16] in
                var words = [UInt16](repeating: 0, count: all.count)
                let bits = all.map(\.bitPattern)
                words.withUnsafeMutableBytes { bytes in
                    guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
                    mm_store_numbers(start, 2, all.count, type.code, bits)
                }
                return words.map { type.isSwapped ? $0.byteSwapped : $0 }
            }
        }
        let vectors = VariantTests.variants.map { vectors in
            { (all: [Double]) -> [UInt16] in
                var words = [UInt16](repeating: 0, count: all.count)
                all.withUnsafeBytes { all in
                    words.withUnsafeMutableBytes { bytes in
                        guard let from = all.baseAddress, let to = bytes.baseAddress else { return }
                        vectors.narrow(format.element.rawValue, from, bytes.count / 2, to)
                    }
                }
                return words
            }
        }
        return memory + vectors
    }

    @Test(arguments: formats) func allAreReadAndWritten(_ format: Format) {
        let all = Array(UInt16.min...UInt16.max)
        let writers = writers(format)
        #expect(writers.count >= 3)
        for (i, read) in readers(format).enumerated() {
            let values = read(all)
            for (bits, value) in zip(all, values) {
                let magnitude = bits & 0x7fff
                let isRight: Bool
                if magnitude > format.infinity {
                    isRight = value.isNaN && !value.isSignalingNaN
                } else if magnitude == format.infinity {
                    isRight = value == (bits == magnitude ? .infinity : -.infinity)
                } else {
                    isRight = value.bitPattern == format.value(bits).bitPattern
                }
                guard isRight else {
                    Issue.record("\(format.name), reader \(i): \(bits) is \(value)")
                    return
                }
            }
            for (j, write) in writers.enumerated() {
                for (bits, again) in zip(all, write(values)) {
                    let isRight =
                        bits & 0x7fff > format.infinity
                        ? again & 0x7fff > format.infinity && again & 0x8000 == bits & 0x8000 : again == bits
                    guard isRight else {
                        Issue.record("\(format.name), reader \(i), writer \(j): \(bits) becomes \(again)")
                        return
                    }
                }
            }
        }
    }

    /// Around the middle between each and the next: the nearest, of two the even one; above the greatest infinity.
    @Test(arguments: formats) func theNearestIsWritten(_ format: Format) {
        var values: [Double] = []
        var wanted: [UInt16] = []
        func want(_ value: Double, _ bits: UInt16) {
            values += [value, -value]
            wanted += [bits, bits | 0x8000]
        }
        for bits in UInt16.min..<format.infinity {
            let (low, high) = (format.value(bits), format.value(bits + 1))
            let middle = low + (high - low) / 2
            want(low.nextUp, bits)
            want(middle.nextDown, bits)
            want(middle, bits & 1 == 0 ? bits : bits + 1)
            want(middle.nextUp, bits + 1)
            want(high.nextDown, bits + 1)
        }
        want(1e300, format.infinity)
        want(.greatestFiniteMagnitude, format.infinity)
        want(.leastNonzeroMagnitude, 0)
        for (i, write) in writers(format).enumerated() {
            let written = write(values)
            if written == wanted { continue }
            let place = zip(written, wanted).enumerated().first { $1.0 != $1.1 }?.offset ?? 0
            Issue.record(
                "\(format.name), writer \(i): \(values[place]) is \(written[place]), not \(wanted[place])")
        }
    }

    /// As of f32: a finite number that would be infinite does not fit, an infinite one does.
    @Test(arguments: formats) func whatFits(_ format: Format) throws {
        let map = try MappedRegion.anonymous(16)
        let greatest = format.value(format.infinity - 1)
        let limit = greatest + (format.value(format.infinity) - greatest) / 2
        for sign in [1.0, -1] {
            for value in [greatest, limit.nextDown, .infinity, .nan] {
                try map.bytes.store(.float(sign * value), as: format.type, at: 1)
                let back = try map.bytes.load(format.type, at: 1)
                #expect(
                    back == .float(sign * (value < .infinity ? greatest : value))
                        || value.isNaN && "\(back)".contains("nan"))
            }
            for value in [limit, limit.nextUp, format.value(format.infinity), 1e39] {
                let error = #expect(throws: MapError.self) {
                    try map.bytes.store(.float(sign * value), as: format.type, at: 1)
                }
                #expect(error?.kind == .valueOutOfRange && error?.description.contains(format.name) == true)
            }
        }
        let view = try map.bytes.elements(format.type, 0, count: 1)
        let wide = try map.bytes.elements(.float64, 8, count: 1)
        try wide.store(.float(1e300), at: 0)
        #expect(throws: MapError.self) { try view.copy(from: wide) }
        try view.copy(from: wide, saturating: true)
        #expect(try view.load(at: 0) == .float(greatest))
        let integers = try map.bytes.elements(.int64, 8, count: 1)
        for value in [Int64.max, Int64.min, 65_504, 65_519, 65_520, 65_535, 2049] {
            try integers.store(.integer(value), at: 0)
            let fits = Double(value).magnitude < limit
            do {
                try view.copy(from: integers)
                #expect(fits)
            } catch { #expect(!fits) }
            try view.copy(from: integers, saturating: true)
            let back = try view.load(at: 0)
            if !fits { #expect(back == .float(value > 0 ? greatest : -greatest)) }
        }
    }
}
