import CHashes
import Glibc
import Testing

@testable import MemoryMap

/// Hashes of ranges in several blocks, against the hash in one block.
@Suite struct HashTests {
    private static let block = 4 << 20

    /// By definition, a bit at a time.
    private func plainCRC(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var table = [UInt32](repeating: 0, count: 256)
        for index in 0..<256 {
            var entry = UInt32(index)
            for _ in 0..<8 { entry = entry & 1 != 0 ? entry >> 1 ^ 0xedb8_8320 : entry >> 1 }
            table[index] = entry
        }
        var crc: UInt32 = .max
        table.withUnsafeBufferPointer { table in
            for byte in bytes { crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
        }
        return ~crc
    }

    private func region(_ size: Int) throws -> MappedRegion {
        let region = try MappedRegion.anonymous(size)
        let (_, bytes) = try region.bytes.writable(0, nil)
        var state: UInt64 = 88_172_645_463_325_252
        for index in stride(from: 0, to: size &- 8, by: 8) {
            state ^= state &<< 13
            state ^= state &>> 7
            state ^= state &<< 17
            bytes.storeBytes(of: state, toByteOffset: index, as: UInt64.self)
        }
        return region
    }

    /// In a process of its own, as it sets the process's number of threads.
    @Test func `the result does not depend on blocks and threads`() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let tests = HashTests()
            let block = HashTests.block
            let region = try tests.region(3 * block + 100)
            for (offset, length) in [
                (0, 0), (0, 1), (1, block - 1), (3, block), (0, block + 1), (7, 2 * block),
                (50, 2 * block + 1),
                (0, 3 * block + 100),
            ] {
                let (_, bytes) = try region.bytes.readable(offset, length)
                let crc = tests.plainCRC(bytes)
                for threads in [1, 2, 5] {
                    threadCount = threads
                    #expect(try region.bytes.crc32(offset, length) == crc, "\(offset) \(length) \(threads)")
                }
                #expect(try region.bytes.xxh3(offset, length) == XXH3_64bits(bytes.baseAddress, length))
                var digest = [UInt8](repeating: 0, count: 32)
                SHA256(bytes.baseAddress, length, &digest)
                #expect(try region.bytes.sha256(offset, length) == digest)
            }
        }
    }

    private func hash(
        _ kind: Int, _ bytes: MappedBytes, _ shouldContinue: (Int) -> Bool
    ) throws(MapError) {
        switch kind {
        case 0: _ = try bytes.crc32(shouldContinue: shouldContinue)
        case 1: _ = try bytes.xxh3(shouldContinue: shouldContinue)
        default: _ = try bytes.sha256(shouldContinue: shouldContinue)
        }
    }

    @Test(arguments: 0..<3)
    func `shouldContinue stops the computation`(kind: Int) throws {
        let bytes = try region(3 * Self.block)
        for stop in 1...3 {
            var asked = 0
            var isInside = true
            let error = failure { () throws(MapError) in
                try hash(kind, bytes.bytes) { done in
                    asked += 1
                    if done < 1 || done > 3 * Self.block { isInside = false }
                    return asked < stop
                }
            }
            #expect(isInside)
            // The CRC may ask less often here, as other threads take parts too.
            if kind != 0 { #expect(asked == stop) }
            #expect(error?.kind == (asked < stop ? nil : .interrupted))
        }
    }

    @Test(arguments: 0..<3)
    func `pages lost during the computation are an error`(kind: Int) throws {
        let scratch = try Scratch()
        let path = try scratch.sparse("f", 3 * Self.block)
        let region = try MappedRegion.open(path, .read)
        let error = failure { () throws(MapError) in
            try hash(kind, region.bytes) { _ in truncate(path, 0) == 0 }
        }
        // Other threads may have read everything before.
        #expect(error?.kind == .lost || kind == 0 && error == nil)
    }
}
