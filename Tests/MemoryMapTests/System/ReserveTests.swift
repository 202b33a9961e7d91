import CMemoryMap
import Testing

/// The reserve of memory for Swift's runtime when malloc(3) has none. Only programs linked by scripts/build allocate
/// from it by themselves; Tests/heap.sh tests those.
@Suite(.serialized) struct ReserveTests {
    /// A block from the reserve, filled with a byte of its own.
    private struct Block {
        let start: UnsafeMutableRawPointer
        let size: Int
        let mark: UInt8

        init?(_ size: Int, _ alignment: Int, _ mark: UInt8) {
            guard let start = mm_reserve_take(size, alignment) else { return nil }
            (self.start, self.size, self.mark) = (start, size, mark)
            start.initializeMemory(as: UInt8.self, repeating: mark, count: size)
        }

        var isWhole: Bool { UnsafeRawBufferPointer(start: start, count: size).allSatisfy { $0 == mark } }
    }

    @Test func `blocks are disjoint, aligned, and reusable`() {
        var random = Seeded(seed: 7)
        var blocks: [Block] = []
        for step in 0..<20_000 {
            if blocks.count > 100 || (!blocks.isEmpty && Bool.random(using: &random)) {
                let block = blocks.remove(at: Int.random(in: 0..<blocks.count, using: &random))
                #expect(block.isWhole)
                #expect(mm_reserve_give(block.start))
                continue
            }
            let size = Int.random(in: 0...(1 << Int.random(in: 0...16, using: &random)), using: &random)
            let alignment = 1 << Int.random(in: 0...12, using: &random)
            guard let block = Block(size, alignment, UInt8(truncatingIfNeeded: step)) else {
                Issue.record("no block of \(size) bytes")
                return
            }
            #expect(UInt(bitPattern: block.start) % UInt(alignment) == 0)
            blocks.append(block)
        }
        #expect(blocks.allSatisfy { $0.isWhole })
        for block in blocks { #expect(mm_reserve_give(block.start)) }
        #expect(mm_reserve_used() == 0)
    }

    @Test func `the reserve runs out, and is complete after release`() {
        var taken: [UnsafeMutableRawPointer] = []
        while let block = mm_reserve_take(1 << 20, 4096) { taken.append(block) }
        #expect(taken.count == 16)
        while let block = mm_reserve_take(1, 1) { taken.append(block) }
        #expect(mm_reserve_used() == 17 << 20)
        #expect(mm_reserve_take(0, 1) == nil)
        // A hole of one unit is found; a hole of two units does not exist.
        #expect(mm_reserve_give(taken[taken.count - 2]))
        #expect(mm_reserve_take(64, 1) == nil)
        #expect(mm_reserve_take(63, 1) == taken[taken.count - 2])
        for block in taken { #expect(mm_reserve_give(block)) }
        #expect(mm_reserve_used() == 0)
        #expect(mm_reserve_take(17 << 20, 1) == nil)
        #expect(mm_reserve_take(.max, 1) == nil)
        #expect(mm_reserve_take(1, 8192) == nil)
    }

    @Test func `malloc's memory is not in the reserve`() {
        let block = mm_runtime_malloc(100)
        #expect(!mm_reserve_give(block))
        #expect(!mm_reserve_give(nil))
        let larger = mm_runtime_realloc(block, 1000)
        mm_runtime_free(larger)
        #expect(mm_reserve_used() == 0)
    }
}
