import Glibc
import MemoryMap
import Testing

@testable import Tables

@Suite("Memory of tables")
struct MemoryTests {
    @Test("A list keeps its values while it grows")
    func growth() throws {
        var list = try List<Int>(capacity: 1)
        for i in 0..<10_000 { try list.append(i) }
        #expect(list.count == 10_000)
        #expect((0..<10_000).allSatisfy { list[$0] == $0 })
    }

    @Test("Memory grows from small sizes to large ones with its bytes, and what is to be 0 is 0")
    func sizes() throws {
        let sizes = [1, 1000, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 10 << 20, 33 << 20]
        for first in sizes {
            let zeros = try Memory(first, isZero: true)
            #expect(zeros.bound(to: UInt8.self)[0] == 0)
            #expect(memcmp(zeros.base, zeros.base + 1, zeros.capacity - 1) == 0)
            for next in sizes {
                let memory = try Memory(first)
                #expect(memory.capacity >= first)
                let bytes = memory.bound(to: UInt8.self)
                for i in stride(from: 0, to: first, by: 9973) {
                    bytes[i] = UInt8(truncatingIfNeeded: i / 9973)
                }
                try memory.reserve(next)
                #expect(memory.capacity >= max(first, next))
                let moved = memory.bound(to: UInt8.self)
                moved[memory.capacity - 1] = 1
                #expect(
                    stride(from: 0, to: first, by: 9973).allSatisfy {
                        moved[$0] == UInt8(truncatingIfNeeded: $0 / 9973) || $0 == memory.capacity - 1
                    })
            }
        }
        #expect(throws: TableError.self) { try Memory(Int.max) }
        #expect(throws: TableError.self) { try Memory(1 << 50) }
        let memory = try Memory(16)
        #expect(throws: TableError.self) { try memory.reserve(1 << 50) }
        #expect(memory.capacity == 16)
    }

    @Test("Strings of an arena do not move, and outlive the arena that is taken over")
    func arena() throws {
        let whole = Arena(step: 64)
        var texts: [Text] = []
        do {
            let part = Arena(step: 64)
            for i in 0..<1000 {
                let bytes = [UInt8](repeating: UInt8(i & 255), count: i % 200)
                texts.append(
                    try bytes.withUnsafeBufferPointer { (bytes) throws(TableError) in
                        guard let start = bytes.baseAddress else { return Text(try part.allocate(0), 0) }
                        return try part.copy(Text(start, bytes.count))
                    })
            }
            whole.adopt(part)
        }
        for i in 0..<1000 {
            #expect(texts[i].buffer.elementsEqual(repeatElement(UInt8(i & 255), count: i % 200)))
        }
    }

    @Test("A batch keeps the rows of a mask, with their nulls, in order")
    func keep() throws {
        let columns = [Column([97], .integer), Column([98], .string)]
        let batch = Batch(columns: 2)
        let numbers = try batch.room(0, .integer)
        let texts = try batch.room(1, .string)
        let letters = try batch.arena.allocate(100)
        for i in 0..<100 {
            letters[i] = UInt8(i)
            numbers.integers[i] = Int64(i)
            numbers.nulls?[i] = i % 7 == 0 ? 1 : 0
            texts.texts[i] = Text(letters + i, 1)
        }
        batch.vectors = [numbers, Vector(texts.values)]
        batch.count = 100
        let mask = (0..<100).map { UInt8($0 % 3 == 1 ? 1 : 0) }
        try batch.keep(mask, columns)
        let kept = (0..<100).filter { $0 % 3 == 1 }
        #expect(batch.count == kept.count)
        for (i, row) in kept.enumerated() {
            #expect(batch.vectors[0]?.integers[i] == Int64(row))
            #expect(batch.vectors[0]?.isNull(i) == (row % 7 == 0))
            #expect(batch.vectors[1]?.texts[i].start[0] == UInt8(row))
            #expect(batch.vectors[1]?.isNull(i) == false)
        }
    }
}
