import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

@Suite struct LifetimeTests {
    @Test func everyUseAfterUnmapIsClosed() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        let map = try MappedRegion.open(path, .readWrite)
        let (whole, slice) = (map.bytes, try map.bytes.slice(1).slice(1))
        map.unmap()
        #expect(mappedLines(scratch.path) == 0)
        // The old handles must not reach another mapping in the same slot.
        let next = try MappedRegion.open(path, .readWrite)
        for bytes in [whole, slice] {
            let refused = [
                failure { () throws(MapError) in _ = try bytes.load(at: 0) },
                failure { () throws(MapError) in try bytes.store(9, at: 0) },
                failure { () throws(MapError) in try bytes.fill(9) },
                failure { () throws(MapError) in _ = try bytes.slice(0) },
                failure { () throws(MapError) in try bytes.advise(.normal) },
                failure { () throws(MapError) in try bytes.sync() },
                failure { () throws(MapError) in _ = try bytes.residency() },
                failure { () throws(MapError) in try bytes.lock() },
                failure { () throws(MapError) in try bytes.unlock() },
                failure { () throws(MapError) in try bytes.protect(.read) },
                failure { () throws(MapError) in try bytes.resize(5, path: nil) },
                failure { () throws(MapError) in try bytes.remap(path: nil) },
                failure { () throws(MapError) in try [1].lend { r throws(MapError) in _ = try bytes.find(r) }
                },
                failure { () throws(MapError) in
                    try [1].lend { r throws(MapError) in _ = try bytes.compare(r) }
                },
            ]
            for refusal in refused { #expect(refusal?.kind == .closed) }
            #expect(bytes.count == 0)
        }
        #expect(try next.bytes.copied() == [1, 2, 3])
    }

    /// A handle refreshed while its mapping is being unmapped or moved must not keep the old address.
    @Test func noHandleIsCurrentBetweenTwoStates() throws {
        let map = try MappedRegion.anonymous(100)
        var bytes = map.bytes
        mm_slot_withdraw(bytes.region.slot)
        // As another thread would, in the middle of a move.
        try bytes.refresh()
        mm_slot_publish(bytes.region.slot, UnsafeMutableRawPointer(bytes.region.base), pageSize)
        var region = bytes.region
        #expect(!mm_is_current(&region), "a handle refreshed during the move would keep the old address")
    }

    @Test func tenThousandMappingsLiveAtOnce() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * pageSize))
            let before = mm_slots_in_use()
            var regions: [mm_region] = []
            for index in 0..<12_000 {
                regions.append(try openRegion(path, .readWrite, OpenOptions()))
                try MappedBytes(regions[index]).store(UInt8(truncatingIfNeeded: index), at: 0)
            }
            #expect(mm_slots_in_use() == before + 12_000 && openDescriptors(in: scratch.path) == 0)
            truncate(path, off_t(pageSize))
            // A fault in one mapping is not a fault in the others.
            let last = MappedBytes(regions[11_999])
            #expect(failure { () throws(MapError) in _ = try last.load(at: pageSize) }?.kind == .lost)
            #expect(try MappedBytes(regions[0]).load(at: 0) == UInt8(truncatingIfNeeded: 11_999))
            for region in regions { unmapRegion(region) }
            for region in regions { unmapRegion(region) }
            #expect(mm_slots_in_use() == before && mappedLines(scratch.path) == 0)
        }
    }

    @Test func limitOfMappingsIsNamed() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var regions: [mm_region] = []
            regions.reserveCapacity(1 << 18)
            var refused: MapError?
            while refused == nil && regions.count < 1 << 18 {
                refused = failure { () throws(MapError) in
                    // Alternate two protections, so that the kernel merges no two.
                    regions.append(
                        try mapRegion(
                            length: 1, protection: regions.count % 2 == 0 ? .read : [],
                            flags: [.private, .anonymous], descriptor: -1, offset: 0))
                }
            }
            let count = mm_slots_in_use()
            for region in regions { unmapRegion(region) }
            #expect(refused?.errno == ENOMEM)
            #expect(refused?.description.contains("vm.max_map_count") == true)
            #expect(count == regions.count && mm_slots_in_use() == 0)
            exit(0)
        }
    }

    @Test func limitOfAddressSpaceIsNamed() async {
        await #expect(processExitsWith: .exitCode(0)) {
            _ = try MappedRegion.anonymous(1).count
            var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
            setrlimit(__rlimit_resource_t(9), &limit)
            let refused = failure { () throws(MapError) in _ = try MappedRegion.anonymous(64 << 20) }
            let hint = refused?.namingLimit.hint ?? ""
            let isRight = refused?.errno == ENOMEM && "\(hint)".contains("ulimit -v")
            _exit(isRight ? 0 : 1)
        }
    }

    @Test func threadsMapAndUnmapAtOnce() async throws {
        await withTaskGroup(of: Bool.self) { group in
            for worker in 1...8 {
                group.addTask {
                    for _ in 0..<500 {
                        guard let map = try? MappedRegion.anonymous(3 * pageSize) else { return false }
                        let bytes = map.bytes
                        guard (try? bytes.fill(UInt8(worker))) != nil,
                            (try? bytes.load(at: 3 * pageSize - 1)) == UInt8(worker)
                        else { return false }
                        map.unmap()
                        if (try? bytes.load(at: 0)) != nil { return false }
                    }
                    return true
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    @Test func slotIsReusedAfterUnmap() async {
        await #expect(processExitsWith: .exitCode(0)) {
            for _ in 0..<100_000 { _ = try MappedRegion.anonymous(1).count }
            #expect(mm_slots_in_use() == 0)
        }
    }
}
