import CMemoryMap
import Glibc
import Synchronization
import Testing

@testable import MemoryMap

/// Ten thousand mappings, opened and closed at random, while another thread truncates their files.
@Suite struct CrowdTests {
    private static let isOver = Atomic<Bool>(false)

    /// Truncates files and lets them grow again until told to stop.
    private static func cut(_ paths: [String]) {
        while !isOver.load(ordering: .relaxed) {
            for path in paths {
                truncate(path, 10)
                truncate(path, off_t(2 * pageSize))
            }
            usleep(50)
        }
    }

    /// The state of the second page: the byte; lost; no such page, as the mapping was made while the file was short;
    /// or another error.
    private enum Sight: Equatable {
        case byte(UInt8), lost, short, wrong
    }

    private static func look(_ region: mm_region) -> Sight {
        let bytes = MappedBytes(region)
        var byte: UInt8 = 0
        let refused = failure { () throws(MapError) in byte = try bytes.load(at: pageSize) }
        return switch refused?.kind {
        case nil: .byte(byte)
        case .lost: .lost
        case .offsetOutOfRange where bytes.count <= pageSize: .short
        default: .wrong
        }
    }

    @Test func tenThousandthMappingIsGuarded() async {
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
            var (whole, lost, wrong) = (0, 0, 0)
            // Until enough mappings were lost, however seldom the truncating thread runs.
            var step = 0
            while step < 60_000 || (lost < 100 || whole < 100) && step < 3_000_000 {
                step += 1
                let place = dice.roll(regions.count)
                if let region = regions[place] {
                    let sight = CrowdTests.look(region)
                    switch sight {
                    // Zero: the file has grown again.
                    case .byte(7), .byte(0): whole += 1
                    case .lost: lost += 1
                    case .short: break
                    case .byte, .wrong: wrong += 1
                    }
                    if sight == .lost || sight == .short || dice.roll(3) == 0 {
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
            #expect(lost >= 100 && whole >= 100, "\(lost) losses, \(whole) bytes")
            // Map all files with two pages, then remove the second page of each.
            for path in paths {
                truncate(path, 10)
                truncate(path, off_t(2 * pageSize))
            }
            for place in regions.indices {
                if let region = regions[place] {
                    if CrowdTests.look(region) == .byte(0) { continue }
                    unmapRegion(region)
                }
                regions[place] = try openRegion(paths[dice.roll(4)], .readWrite, OpenOptions())
            }
            for path in paths { truncate(path, 0) }
            let alive = regions.compactMap { $0 }
            #expect(alive.count == 10_000)
            #expect(alive.allSatisfy { CrowdTests.look($0) == .lost }, "a mapping reads what is not there")
            for region in alive { unmapRegion(region) }
            #expect(mm_slots_in_use() == before && mappedLines(scratch.path) == 0)
        }
    }
}
