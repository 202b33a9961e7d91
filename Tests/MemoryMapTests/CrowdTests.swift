import CMemoryMap
import Glibc
import Synchronization
import Testing

@testable import MemoryMap

/// Ten thousand mappings, opened and closed at random, while another thread cuts their files.
@Suite struct CrowdTests {
    private static let isOver = Atomic<Bool>(false)

    /// Cuts files short and lets them grow until it is told to stop.
    private static func cut(_ paths: [String]) {
        while !isOver.load(ordering: .relaxed) {
            for path in paths {
                truncate(path, 10)
                truncate(path, off_t(2 * pageSize))
            }
            usleep(50)
        }
    }

    /// The byte of the second page: 7, a zero of a file that has grown back, or nil for a loss.
    private static func look(_ region: mm_region) -> UInt8? {
        var byte: UInt8?
        let refused = failure { () throws(MapError) in byte = try MappedBytes(region).load(at: pageSize) }
        if let refused, refused.kind != .lost && refused.kind != .offsetOutOfRange { return 255 }
        return byte
    }

    @Test func theTenThousandthMappingIsGuardedToo() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
            let paths = try (0..<4).map {
                try scratch.file("\($0)", [UInt8](repeating: 7, count: 2 * pageSize))
            }
            let before = mm_slots_in_use()
            var dice = Dice(state: 3)
            var regions: [mm_region?] = []
            for _ in 0..<10_000 {
                regions.append(try openRegion(paths[dice.roll(4)], .readWrite, OpenOptions()))
            }
            let cutter = Task.detached { CrowdTests.cut(paths) }
            var (lost, wrong) = (0, 0)
            for _ in 0..<60_000 {
                let place = dice.roll(regions.count)
                if let region = regions[place] {
                    let byte = CrowdTests.look(region)
                    if byte == nil { lost += 1 } else if byte != 7 && byte != 0 { wrong += 1 }
                    if byte == nil || dice.roll(3) == 0 {
                        unmapRegion(region)
                        regions[place] = nil
                    }
                } else {
                    regions[place] = try openRegion(paths[dice.roll(4)], .readWrite, OpenOptions())
                }
            }
            CrowdTests.isOver.store(true, ordering: .relaxed)
            await cutter.value
            #expect(wrong == 0)
            for path in paths { truncate(path, 0) }
            let alive = regions.compactMap { $0 }
            #expect(alive.allSatisfy { CrowdTests.look($0) == nil }, "a mapping reads what is not there")
            for region in alive { unmapRegion(region) }
            #expect(mm_slots_in_use() == before && mappedLines(scratch.path) == 0)
        }
    }
}
