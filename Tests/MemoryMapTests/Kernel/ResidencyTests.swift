import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// The instruments against a plain loop over the system calls, on a disk and on tmpfs.
@Suite(.serialized) struct ResidencyTests {
    static let folders: [String] = ["/tmp", "/dev/shm"].filter { access($0, W_OK) == 0 }

    /// mincore(2), page by page, as in a C program.
    private func plainly(_ map: borrowing MappedRegion) -> [Bool] {
        let slot = map.region.slot.pointee
        return (0..<Int(slot.extent) / pageSize).map { page in
            var byte: UInt8 = 0
            let address = UnsafeMutableRawPointer(bitPattern: slot.start + UInt(page * pageSize))
            return address.map { mincore($0, pageSize, &byte) == 0 && byte & 1 == 1 } ?? false
        }
    }

    private func residency(_ bytes: MappedBytes, _ offset: Int = 0, _ length: Int? = nil) throws -> [Bool] {
        let count = try bytes.pageSpan(offset, length).count
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: count / 64 + 1)
        defer { words.deallocate() }
        let bits = PageBits(words, count: count)
        bits.clear()
        try bytes.residency(offset, length, into: bits) { _ in true }
        return (0..<count).map { bits[$0] }
    }

    private func diverged(_ bytes: MappedBytes) throws -> [Int] {
        let count = try bytes.pageSpan(0, nil).count
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: count / 64 + 1)
        defer { words.deallocate() }
        let bits = PageBits(words, count: count)
        bits.clear()
        try bytes.divergedPages(0, nil, into: bits) { _ in true }
        return (0..<count).filter { bits[$0] }
    }

    /// Large enough for cachestat(2) to skip parts without a page, with pages for each step of the search: in the
    /// first part, after a gap, at the very end.
    @Test(arguments: folders) func sparseMappingMatchesMincore(_ folder: String) throws {
        let scratch = try Scratch(in: folder)
        let size = 1 << 30
        let map = try MappedRegion.open(try scratch.sparse("sparse", size), .readWrite)
        try map.bytes.advise(.random)
        var touched: Set<Int> = []
        for place in [0, 1, 16383, 16384, 16385, 70000, 131_072, 262_143] {
            #expect(try map.bytes.load(at: place * pageSize) == 0)
            touched.insert(place)
        }
        let found = try residency(map.bytes)
        #expect(touched.allSatisfy { found[$0] })
        #expect(found == plainly(map))
        #expect(try map.bytes.residency().resident == found.count { $0 })
        // From the middle of a page to the middle of another one.
        let part = try residency(map.bytes, 16383 * pageSize + 5, 70000 * pageSize)
        #expect(part == Array(found[16383...86383]))
    }

    @Test(arguments: folders) func privateMappingMatchesMincore(_ folder: String) throws {
        let scratch = try Scratch(in: folder)
        let map = try MappedRegion.open(try scratch.sparse("sparse", 80 << 20), .copyOnWrite)
        // Pages that are read ahead could arrive between the two checks.
        try map.bytes.advise(.random)
        for place in [0, 5 << 20, 79 << 20] { _ = try map.bytes.load(at: place) }
        try map.bytes.store(1, at: 70 << 20)
        let found = try residency(map.bytes)
        for place in [0, 5 << 20, 70 << 20, 79 << 20] { #expect(found[place / pageSize]) }
        #expect(found == plainly(map))
        #expect(try diverged(map.bytes) == [(70 << 20) / pageSize])
    }

    @Test func cacheStateCountsPages() throws {
        let scratch = try Scratch()
        let map = try MappedRegion.open(
            try scratch.file("data", [UInt8](repeating: 7, count: 40 * pageSize)), .readWrite)
        try map.bytes.sync(blocking: true)
        // Linux before 6.5 has no cachestat(2).
        if failure({ () throws(MapError) in _ = try map.bytes.cacheState() })?.errno == ENOSYS { return }
        #expect(try map.bytes.cacheState().dirty == 0)
        try map.bytes.store(1, at: 20 * pageSize + 5)
        let all = try map.bytes.cacheState()
        // A file system may count dirty pages by larger blocks.
        #expect(all.cached == 40 && (1...40).contains(all.dirty))
        #expect(try map.bytes.cacheState(20 * pageSize, 1).dirty == 1)
        #expect(try map.bytes.cacheState(10 * pageSize - 1, 2).cached == 2)
        #expect(try map.bytes.cacheState(0, 0).cached == 0)
    }

    @Test func evictedPagesAreGoneAndReported() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", (0..<64 * pageSize).map { UInt8($0 / pageSize) })
        let shared = try MappedRegion.open(path, .readWrite)
        let copy = try MappedRegion.open(path, .copyOnWrite)
        try shared.bytes.store(99, at: 3 * pageSize)
        try copy.bytes.store(88, at: 5 * pageSize)
        _ = try copy.bytes.touch(0, nil, stride: pageSize) { _ in true }
        #expect(try evictFile(path) == Eviction(evicted: 64, stayed: 0))
        #expect(plainly(shared).allSatisfy { !$0 })
        // Written bytes are not lost, and a private copy's page stays; no other page is copied.
        #expect(try diverged(copy.bytes) == [5])
        #expect(try shared.bytes.load(at: 3 * pageSize) == 99 && copy.bytes.load(at: 5 * pageSize) == 88)
        #expect(try shared.bytes.load(at: 5 * pageSize) == 5)
        // A part, through a slice.
        _ = try shared.bytes.touch(0, nil, stride: pageSize) { _ in true }
        let eviction = try shared.bytes.slice(10 * pageSize + 1, pageSize).evict()
        #expect((eviction.evicted ?? 0) + (eviction.stayed ?? 0) == 2)
        #expect(plainly(shared)[10...11].count { $0 } == eviction.stayed)
    }

    @Test func lockedPagesStay() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 64 * pageSize))
        let map = try MappedRegion.open(path, .readWrite)
        try map.bytes.lock(8 * pageSize, 3 * pageSize)
        _ = try map.bytes.touch(0, nil, stride: pageSize) { _ in true }
        let eviction = try evictFile(path)
        // If the locked pages are part of a larger block, the whole block stays.
        #expect(eviction.stayed.map { $0 >= 3 } == true)
        #expect((eviction.evicted ?? 0) + (eviction.stayed ?? 0) == 64)
        #expect(try map.bytes.residency().resident == eviction.stayed)
    }

    @Test(.enabled(if: folders.contains("/dev/shm"), "there is no tmpfs at /dev/shm"))
    func filesInMemoryStay() throws {
        let scratch = try Scratch(in: "/dev/shm")
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 8 * pageSize))
        #expect(try evictFile(path) == Eviction(evicted: 0, stayed: 8))
        #expect(contents(path) == [UInt8](repeating: 7, count: 8 * pageSize))
    }

    @Test func onlyFilesHavePagesToEvict() throws {
        #expect(failure { () throws(MapError) in _ = try evictFile("/dev/null") }?.kind == .misuse)
        #expect(failure { () throws(MapError) in _ = try evictFile("/") }?.kind == .misuse)
        #expect(failure { () throws(MapError) in _ = try evictFile("/no such file") }?.errno == ENOENT)
        let map = try MappedRegion.anonymous(pageSize)
        let refused = [
            failure { () throws(MapError) in _ = try map.bytes.evict() },
            failure { () throws(MapError) in _ = try map.bytes.cacheState() },
            failure { () throws(MapError) in try map.bytes.extents(0, nil) { _ in true } },
        ]
        #expect(refused.map { $0?.errno } == [EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP])
    }

    @Test(arguments: folders) func holesAreWhereNothingWasWritten(_ folder: String) throws {
        let scratch = try Scratch(in: folder)
        let path = try scratch.sparse("sparse", 64 * pageSize + 10)
        let map = try MappedRegion.open(path, .readWrite)
        for page in [0, 1, 9, 40, 64] { try map.bytes.store(1, at: page * pageSize) }
        try map.bytes.sync(blocking: true)
        var found: [Int] = []
        var place = 0
        try map.bytes.extents(0, nil) { extent in
            #expect(extent.offset == place)
            place += extent.length
            if extent.isData {
                found += Array(
                    stride(from: extent.offset, to: extent.offset + extent.length, by: pageSize)
                ).map { $0 / pageSize }
            }
            return true
        }
        #expect(place == 64 * pageSize + 10)
        #expect(found == [0, 1, 9, 40, 64])
        // The part of a slice, from and to the middle of a page.
        var parts: [[Int]] = []
        try map.bytes.slice(100).extents(8 * pageSize, pageSize) { extent in
            parts.append([extent.offset, extent.length, extent.isData ? 1 : 0])
            return true
        }
        #expect(parts == [[8 * pageSize, pageSize - 100, 0], [9 * pageSize - 100, 100, 1]])
    }

    @Test func renamedFileIsFound() throws {
        let scratch = try Scratch()
        let path = try scratch.file("a\nb", [UInt8](repeating: 7, count: pageSize))
        let map = try MappedRegion.open(path, .read)
        func opens() -> Bool {
            guard let descriptor = try? map.bytes.openFile(for: .cachestat) else { return false }
            systemClose(descriptor)
            return true
        }
        #expect(opens())
        let moved = "\(scratch.path)/moved \\012 (deleted)"
        #expect(rename(path, moved) == 0)
        #expect(opens())
        // Another file has the old path now.
        unlink(moved)
        _ = try scratch.file("moved \\012 (deleted)", [1])
        #expect(opens() == (geteuid() == 0))
        let before = openDescriptors(in: scratch.path)
        for _ in 0..<10 { _ = opens() }
        #expect(openDescriptors(in: scratch.path) == before)
    }

    @Test func populatingBringsPagesIn() throws {
        let scratch = try Scratch()
        let path = try scratch.sparse("sparse", 64 * pageSize)
        let map = try MappedRegion.open(path, .copyOnWrite)
        let isKnown = Advice(rawValue: 23).isKnown
        if isKnown {
            let range = try map.bytes.populate(3 * pageSize + 1, pageSize, writing: true) { _ in true }
            #expect(range == PageRange(offset: 3 * pageSize, length: 2 * pageSize))
            #expect(try diverged(map.bytes) == [3, 4])
            _ = try map.bytes.populate(8 * pageSize, pageSize, writing: false) { _ in true }
            #expect(plainly(map)[8])
        }
        let reader = try MappedRegion.open(path, .read)
        let refused = failure { () throws(MapError) in
            _ = try reader.bytes.populate(0, nil, writing: true) { _ in true }
        }
        #expect(refused?.kind == .notWritable)
    }

    @Test func longWorkCanBeStopped() throws {
        let scratch = try Scratch()
        let map = try MappedRegion.open(try scratch.sparse("sparse", 1 << 30), .copyOnWrite)
        let stopped = [
            failure { () throws(MapError) in _ = try map.bytes.residency(0, nil) { _ in false } },
            failure { () throws(MapError) in _ = try map.bytes.touch(0, nil, stride: 1) { _ in false } },
            failure { () throws(MapError) in
                _ = try map.bytes.populate(0, 64 << 20, writing: false) { _ in false }
            },
        ]
        #expect(stopped.map { $0?.kind } == [.interrupted, .interrupted, .interrupted])
    }

    /// In a process of its own, as it counts all mappings of the process.
    @Test func growthCountsAPageOnce() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            let path = try scratch.file("data", [UInt8](repeating: 7, count: 32 * pageSize))
            let first = try MappedRegion.open(path, .read)
            let second = try MappedRegion.open(path, .read)
            try second.bytes.advise(.random)
            try first.bytes.advise(.random)
            _ = try evictFile(path)
            let entries = UnsafeMutableBufferPointer<ResidencyEntry>.allocate(
                capacity: ResidencyCount.capacity())
            defer { entries.deallocate() }
            let count = try ResidencyCount(entries)
            for page in [1, 5, 6] { _ = try first.bytes.load(at: page * pageSize) }
            for page in [5, 9] { _ = try second.bytes.load(at: page * pageSize) }
            #expect(try count.growth() == 4)
            #expect(try first.bytes.residency().resident == 4)
        }
    }
}
