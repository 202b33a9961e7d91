import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// At the kernel's limit of mappings (vm.max_map_count), where it splits none: each test in a process of its own.
@Suite struct MapCountTests {
    @Test func refusedUnmapClosesAndUnmapsLater() async {
        await #expect(processExitsWith: .exitCode(0)) {
            for kind in Kind.allCases {
                let crowd = try Crowd(kind)
                let used = mm_budget_used()
                let middle = crowd.regions[1]
                let address = middle.slot.pointee.start
                let resident = residentSize()
                let slots = mm_slots_in_use()
                unmapRegion(middle)
                #expect(
                    failure { () throws(MapError) in _ = try MappedBytes(middle).load(at: 0) }?.kind
                        == .closed)
                if crowd.isJoined {
                    #expect(
                        isMapped(address) && mm_budget_used() == used && mm_slots_in_use() == slots, "\(kind)"
                    )
                    // Its pages are released already.
                    if kind != .locked { #expect(resident - residentSize() >= Crowd.size / 2, "\(kind)") }
                }
                // The neighbors are unchanged.
                for region in [crowd.regions[0], crowd.regions[2]] {
                    #expect(try MappedBytes(region).copied() == crowd.expected, "\(kind)")
                }
                crowd.makeRoom()
                // The next map or unmap also unmaps the old one.
                _ = try MappedRegion.anonymous(1).count
                #expect(!isMapped(address), "\(kind)")
                unmapRegion(crowd.regions[0])
                unmapRegion(crowd.regions[2])
                #expect(mm_slots_in_use() == 0 && mm_budget_used() == 0, "\(kind)")
            }
        }
    }

    /// Each order in which three merged mappings can be unmapped.
    @Test func mergedMappingsUnmapInAnyOrder() async {
        await #expect(processExitsWith: .exitCode(0)) {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let crowd = try Crowd(.anonymous)
                for index in order { unmapRegion(crowd.regions[index]) }
                #expect(mm_slots_in_use() == 0 && mm_budget_used() == 0, "\(order)")
                crowd.makeRoom()
            }
        }
    }

    @Test func remapAndResizeLeakNothing() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * Crowd.size))
            let crowd = try Crowd(.shared, path)
            let bytes = MappedBytes(crowd.regions[1])
            // There is no room for a second mapping; the failure must not lose anything.
            let refused = failure { () throws(MapError) in
                try path.withMapError { pointer throws(MapError) in try bytes.remap(path: pointer) }
            }
            #expect(refused == nil || refused?.errno == ENOMEM)
            #expect(try bytes.copied() == crowd.expected)
            let smaller = failure { () throws(MapError) in try MappedBytes(crowd.regions[1]).protect(.read) }
            #expect(smaller == nil || smaller?.description.contains("vm.max_map_count") == true)
            crowd.makeRoom()
            try path.withMapError { pointer throws(MapError) in try bytes.remap(path: pointer) }
            for region in crowd.regions { unmapRegion(region) }
            #expect(mm_slots_in_use() == 0 && mm_budget_used() == 0)
        }
    }

    /// A fault in one of several mappings that the kernel has merged and cannot split: the neighbors may be lost too,
    /// but the process continues.
    @Test func faultInMergedMappingIsAnError() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            for index in 0..<3 {
                for closed in [nil, 0, 2] where closed != index {
                    for extra in [false, true] {
                        let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * Crowd.size))
                        let crowd = try Crowd(.shared, path, oneMore: extra)
                        // The middle one waits to be unmapped, or one at an end is gone.
                        if closed != nil && index != 1 { unmapRegion(crowd.regions[1]) }
                        if let closed, index == 1 { unmapRegion(crowd.regions[closed]) }
                        truncate(path, 0)
                        let bytes = MappedBytes(crowd.regions[index])
                        let lost = failure { () throws(MapError) in _ = try bytes.load(at: 100) }
                        #expect(lost?.kind == .lost, "\(index) \(String(describing: closed)) \(extra)")
                        for region in crowd.regions {
                            let other = failure { () throws(MapError) in
                                _ = try MappedBytes(region).load(at: 100)
                            }
                            #expect(other?.kind == .lost || other?.kind == .closed)
                        }
                        for region in crowd.regions { unmapRegion(region) }
                        crowd.makeRoom()
                        _ = try MappedRegion.anonymous(1).count
                        #expect(mm_slots_in_use() == 0)
                    }
                }
            }
        }
    }
}

private enum Kind: CaseIterable { case anonymous, locked, shared, `private` }

/// Three adjacent mappings, which the kernel merges, in a process at the limit of mappings.
private struct Crowd {
    static let size = 1 << 20

    /// In the order of their addresses.
    let regions: [mm_region]
    let expected: [UInt8]
    private let others: [UnsafeMutableRawPointer]

    init(_ kind: Kind, _ path: String? = nil, oneMore: Bool = false) throws {
        let isFile = kind == .shared || kind == .private
        let scratch = try Scratch()
        let file = try path ?? scratch.file("data", [UInt8](repeating: 7, count: 3 * Crowd.size))
        var made: [mm_region] = []
        // The kernel maps from high addresses to low ones: the last part of the file first.
        for index in [2, 1, 0] {
            if isFile {
                var options = OpenOptions()
                (options.offset, options.length) = (index * Crowd.size, Crowd.size)
                made.append(
                    try file.withMapError { pointer throws(MapError) in
                        try openRegion(pointer, kind == .shared ? .readWrite : .copyOnWrite, options) { _ in
                            true
                        }
                    })
            } else {
                made.append(
                    try mapRegion(
                        length: Crowd.size, protection: [.read, .write],
                        flags: kind == .locked ? [.private, .anonymous, .locked] : [.private, .anonymous],
                        descriptor: -1, offset: 0))
            }
        }
        for region in made { try MappedBytes(region).fill(7) }
        regions = made.sorted { $0.slot.pointee.start < $1.slot.pointee.start }
        expected = [UInt8](repeating: 7, count: Crowd.size)
        var others: [UnsafeMutableRawPointer] = []
        others.reserveCapacity(1 << 17)
        // Two protections in turn, so that the kernel merges no two.
        while let page = mmap(
            nil, pageSize, others.count % 2 == 0 ? PROT_READ : PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            page != MAP_FAILED, others.count < 1 << 17
        {
            others.append(page)
        }
        guard others.count < 1 << 17 else { throw Refused(call: "vm.max_map_count is too large", errno: 0) }
        // The kernel allows one mapping more than the limit; at the limit itself it splits none either.
        if !oneMore, let last = others.popLast() { munmap(last, pageSize) }
        self.others = others
    }

    var isJoined: Bool {
        (0..<2).allSatisfy {
            regions[$0].slot.pointee.start + UInt(Crowd.size) == regions[$0 + 1].slot.pointee.start
        }
    }

    func makeRoom() { for page in others { munmap(page, pageSize) } }
}

private func isMapped(_ address: UInt) -> Bool {
    var vector: UInt8 = 0
    return mincore(UnsafeMutableRawPointer(bitPattern: address), 1, &vector) == 0
}

extension String {
    fileprivate func withMapError<T>(
        _ body: (UnsafePointer<CChar>) throws(MapError) -> T
    ) throws(MapError) -> T {
        let result = withCString { pointer -> Result<T, MapError> in
            do throws(MapError) { return .success(try body(pointer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
