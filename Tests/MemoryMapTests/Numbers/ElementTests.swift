import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// Numbers in a mapping, in Swift.
@Suite struct ElementTests {
    static let native: [ElementType] = [
        .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64, .float16, .bfloat16, .float32,
        .float64,
    ]
    static let types = native.flatMap { [$0.littleEndian, $0.bigEndian] }

    /// A conversion within the same bytes first copies them to temporary memory.
    @Test func temporaryCopyCountsForLimit() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let map = try MappedRegion.anonymous(1 << 20)
            let (bytes, floats) = (
                try map.bytes.elements(.uint8, 0, count: 1000), try map.bytes.elements(.float32)
            )
            let before = mm_budget_used()
            mm_budget_set_limit(before + 7999)
            let refused = failure { () throws(MapError) in try floats.copy(from: bytes) }
            #expect(refused?.errno == ENOMEM, "\(String(describing: refused))")
            #expect(mm_budget_used() == before)
            mm_budget_set_limit(before + 8000)
            try bytes.fill(.integer(7))
            try floats.copy(from: bytes)
            #expect(try floats.load(at: 999) == .float(7))
            #expect(mm_budget_used() == before)
        }
    }

    /// A type code from another process is either a valid type or refused.
    @Test func typeCodesAreChecked() {
        let codes = Set(Self.types.map { Int64($0.code) })
        for code in Int64(-70)...70 { #expect((ElementType(checking: code) != nil) == codes.contains(code)) }
        for code in [Int64.min, .max, 1 << 32, 1 << 33 | 3] { #expect(ElementType(checking: code) == nil) }
    }

    @Test func typeHasOneName() {
        for type in Self.types {
            #expect(ElementType(type.description) == type)
            #expect(type.byteCount == Int(String(type.description.filter(\.isNumber))).map { $0 / 8 })
            #expect(
                type.littleEndian.bigEndian == type.bigEndian && type.bigEndian.bigEndian == type.bigEndian)
        }
        #expect(ElementType("u32") == ElementType(1.littleEndian == 1 ? "u32le" : "u32be"))
        #expect(ElementType.uint8.bigEndian == .uint8 && !ElementType.int8.bigEndian.isSwapped)
        for name in [
            "", "u", "u8x", "f8", "bf32", "bf16bee", "b16", "u32me", "i7", "u32le ", "leu32", "u\u{0}",
        ] {
            #expect(ElementType(name) == nil)
        }
    }

    @Test func integersFitWhereTheyBelong() throws {
        let map = try MappedRegion.anonymous(64)
        let edges: [Int64] = [0, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 52]
        let values = Set(edges.flatMap { edge in (-2...2).flatMap { [edge + $0, -edge + $0] } })
        for type in Self.types {
            for value in values {
                let fits: Bool =
                    switch type.littleEndian {
                    case ElementType.uint8: UInt8(exactly: value) != nil
                    case ElementType.int8: Int8(exactly: value) != nil
                    case ElementType.uint16.littleEndian: UInt16(exactly: value) != nil
                    case ElementType.int16.littleEndian: Int16(exactly: value) != nil
                    case ElementType.uint32.littleEndian: UInt32(exactly: value) != nil
                    case ElementType.int32.littleEndian: Int32(exactly: value) != nil
                    case ElementType.float32.littleEndian: Float(exactly: value) != nil
                    case ElementType.float16.littleEndian: value.magnitude <= 2048
                    case ElementType.bfloat16.littleEndian: value.magnitude <= 256
                    default: true
                    }
                if type.isFloat && !fits { continue }
                let wanted: Number = type.isFloat ? .float(Double(value)) : .integer(value)
                do {
                    try map.bytes.store(.integer(value), as: type, at: 3)
                    guard fits, try map.bytes.load(type, at: 3) == wanted else {
                        Issue.record("\(value) as \(type)")
                        return
                    }
                    try map.bytes.store(.float(Double(value)), as: type, at: 3)
                    guard try map.bytes.load(type, at: 3) == wanted else {
                        Issue.record("\(value) as \(type) from a float")
                        return
                    }
                } catch {
                    guard !fits, error.kind == .valueOutOfRange else {
                        Issue.record("\(value) as \(type): \(error)")
                        return
                    }
                }
            }
        }
    }

    @Test func elementsShareMemory() throws {
        let map = try MappedRegion.anonymous(100)
        let elements = try map.bytes.elements(.int32.bigEndian, 10, stride: 7)
        #expect(elements.count == 13 && elements.stride == 7 && elements.type.description == "i32be")
        try elements.store(.integer(-2), at: 12)
        #expect(try map.bytes.load(at: 10 + 7 * 12 + 3) == 0xfe)
        #expect(try elements.slice(12).load(at: 0) == .integer(-2))
        try elements.fill(.integer(6), 2, 3)
        #expect(try (0..<13).map { try elements.load(at: $0) }.filter { $0 == .integer(6) }.count == 3)
        let copy = try MappedRegion.anonymous(13 * 8)
        try copy.bytes.elements(.float64).copy(from: elements)
        #expect(try copy.bytes.elements(.float64).load(at: 12) == .float(-2))
        #expect(throws: MapError.self) { try copy.bytes.elements(.uint8).copy(from: elements) }
        try copy.bytes.elements(.uint8).copy(from: elements, saturating: true)
        #expect(try copy.bytes.load(at: 12) == 0)
        for (offset, count, stride) in [
            (101, 0, 1), (-1, 0, 1), (0, 26, 4), (0, -1, 4), (0, 1, 0), (97, 1, 4),
        ] {
            #expect(throws: MapError.self) {
                try map.bytes.elements(.int32, offset, count: count, stride: stride)
            }
        }
        map.unmap()
        let error = #expect(throws: MapError.self) { try elements.load(at: 0) }
        #expect(error?.kind == .closed)
    }
}
