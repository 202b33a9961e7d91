import CMemoryMap
import Glibc
import Testing

@testable import MemoryMap

/// madvise(2), msync(2), mincore(2), mlock(2), mprotect(2).
@Suite struct KernelTests {
    /// Advice that discards data must not touch a byte outside of its range.
    @Test func destructiveAdviceAffectsWholePagesOrNothing() throws {
        let page = pageSize
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 4 * page))
        for (what, advice) in [
            ("private", Advice.dontNeed), ("anonymous", .dontNeed), ("anonymous", .remove),
        ] {
            for offset in [0, 1, page - 1, page, page + 1, 2 * page] {
                for length in [0, 1, page - 1, page, page + 1, 2 * page] {
                    let map =
                        what == "private"
                        ? try MappedRegion.open(path, .copyOnWrite)
                        : try MappedRegion.anonymous(4 * page, shared: advice == .remove)
                    try map.bytes.fill(9)
                    let mayRun = length == 0 || (offset % page == 0 && length % page == 0)
                    let refused = failure { () throws(MapError) in
                        try map.bytes.advise(advice, offset, length)
                    }
                    #expect(refused?.errno == (mayRun ? nil : EINVAL), "\(what), \(offset), \(length)")
                    let wiped = what == "private" ? UInt8(7) : 0
                    let expected = (0..<4 * page).map {
                        mayRun && $0 >= offset && $0 < offset + length ? wiped : 9
                    }
                    #expect(try map.bytes.copied() == expected, "\(what), \(offset), \(length)")
                }
            }
        }
    }

    /// Rounding a slice's range would reach its neighbors in the same mapping.
    @Test func destructiveAdviceOnASliceSparesItsNeighbors() throws {
        let map = try MappedRegion.anonymous(3 * pageSize)
        try map.bytes.fill(9)
        let slice = try map.bytes.slice(pageSize + 10, 100)
        #expect(failure { () throws(MapError) in try slice.advise(.dontNeed) }?.errno == EINVAL)
        let whole = try map.bytes.slice(pageSize, pageSize)
        #expect(try whole.advise(.dontNeed) == PageRange(offset: 0, length: pageSize))
        #expect(try map.bytes.load(at: pageSize - 1) == 9 && map.bytes.load(at: 2 * pageSize) == 9)
        #expect(try whole.load(at: 0) == 0)
        // A mapping's last page belongs to it as a whole, even if its last byte is in the middle.
        let short = try MappedRegion.anonymous(pageSize + 10)
        try short.bytes.fill(9)
        try short.bytes.advise(.dontNeed, pageSize, 10)
        #expect(try short.bytes.load(at: pageSize) == 0 && short.bytes.load(at: 0) == 9)
    }

    @Test func holesInAFileAreWholePagesOfTheFile() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * pageSize))
        var options = OpenOptions()
        (options.offset, options.length) = (10, pageSize)
        let part = try MappedRegion.open(path, .readWrite, options)
        // The first and last page hold bytes of the file outside of the mapping.
        #expect(failure { () throws(MapError) in try part.bytes.advise(.remove) }?.errno == EINVAL)
        #expect(contents(path) == [UInt8](repeating: 7, count: 3 * pageSize))
    }

    @Test func harmlessAdviceIsRoundedOutward() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * pageSize))
        var options = OpenOptions()
        options.offset = 100
        let map = try MappedRegion.open(path, .read, options)
        let page = pageSize
        for advice in [Advice.normal, .random, .sequential, .willNeed, .dontNeed] {
            #expect(try map.bytes.advise(advice) == PageRange(offset: -100, length: 3 * page))
            #expect(try map.bytes.advise(advice, page, 1) == PageRange(offset: page - 100, length: page))
            #expect(try map.bytes.advise(advice, page - 101, 2) == PageRange(offset: -100, length: 2 * page))
            let slice = try map.bytes.slice(page, 5)
            #expect(try slice.advise(advice, 2, 1) == PageRange(offset: -100, length: page))
        }
        #expect(try map.bytes.copied() == [UInt8](repeating: 7, count: 3 * page - 100))
    }

    @Test func adviceIsCheckedEvenForNothing() throws {
        let map = try MappedRegion.anonymous(100)
        for value in [-1, 5, 99_999, Int.max, Int.min, 1 << 32] {
            for length in [0, 100] {
                let refused = failure { () throws(MapError) in
                    try map.bytes.advise(Advice(rawValue: value), 0, length)
                }
                #expect(refused?.errno == EINVAL, "advice \(value) for \(length) bytes")
            }
        }
        #expect(
            failure { () throws(MapError) in try map.bytes.advise(.normal, 101) }?.kind == .offsetOutOfRange)
        #expect(
            failure { () throws(MapError) in try map.bytes.advise(.normal, 1, 100) }?.kind
                == .lengthOutOfRange)
    }

    @Test func adviceAtMapTimeThatFailsLeavesNothingMapped() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        for (advice, lock) in [(Advice(rawValue: 9999), false), (.remove, false)] {
            var options = OpenOptions()
            (options.advice, options.lock) = (advice, lock)
            #expect(throws: MapError.self) { _ = try MappedRegion.open(path, .read, options).count }
            #expect(mappedLines(scratch.path) == 0)
        }
        let kept = try MappedRegion.open(path)
        #expect(mappedLines(scratch.path) == 1 && kept.count == 3)
    }

    @Test func syncWritesAndRoundsOutward() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 2 * pageSize))
        let map = try MappedRegion.open(path, .readWrite)
        try map.bytes.fill(8)
        for (blocking, invalidate) in [(false, false), (true, false), (false, true), (true, true)] {
            let range = try map.bytes.sync(pageSize, 1, blocking: blocking, invalidate: invalidate)
            #expect(range == PageRange(offset: pageSize, length: pageSize))
        }
        #expect(try map.bytes.sync(5, 0) == PageRange(offset: 5, length: 0))
        #expect(contents(path) == [UInt8](repeating: 8, count: 2 * pageSize))
        try map.bytes.lock()
        let refused = failure { () throws(MapError) in try map.bytes.sync(invalidate: true) }
        #expect(refused?.errno == EBUSY)
        try map.bytes.unlock()
        try map.bytes.sync(invalidate: true)
        #expect(failure { () throws(MapError) in try map.bytes.sync(-1) }?.kind == .offsetOutOfRange)
    }

    /// The numbers of a mapping's locked pages, from /proc.
    private func lockedPages(_ bytes: MappedBytes) throws -> [Int] {
        var text = [UInt8](repeating: 0, count: 1 << 16)
        let length = try text.withUnsafeMutableBufferPointer { buffer in
            try bytes.processEntries(of: "/proc/self/smaps", into: buffer) { _ in true }
        }
        let start = Int(bytes.region.slot.pointee.start)
        var (pages, entry): ([Int], Range<Int>) = ([], 0..<0)
        for line in String(decoding: text[..<length], as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            let ends = (words.first ?? "").split(separator: "-").compactMap { Int($0, radix: 16) }
            if ends.count == 2 {
                entry = max((ends[0] - start) / pageSize, 0)..<min((ends[1] - start) / pageSize, 1 << 20)
            }
            if words.first == "VmFlags:" && words.contains("lo") { pages += entry }
        }
        return pages
    }

    /// A lock that fails, or is interrupted, leaves the pages locked that were locked before, and no others.
    @Test(arguments: [false, true])
    func failedLockKeepsEarlierLocks(isLong: Bool) async {
        await #expect(processExitsWith: .exitCode(0)) { [isLong] in
            let scratch = try Scratch()
            let tests = KernelTests()
            let size = isLong ? longExtent + 8 * pageSize : 64 * pageSize
            let map = try MappedRegion.open(try scratch.sparse("data", size), .readWrite)
            let all = try map.bytes.slice(0)
            try map.bytes.lock(2 * pageSize, 2 * pageSize)
            try map.bytes.lock(7 * pageSize, 1)
            #expect(try tests.lockedPages(map.bytes) == [2, 3, 7])
            if isLong {
                let refused = failure { () throws(MapError) in
                    try all.lock(0, nil, path: nil) { $0 == 0 }
                }
                #expect(refused?.kind == .interrupted)
            } else {
                #expect(truncate("\(scratch.path)/data", off_t(9 * pageSize)) == 0)
                let refused = failure { () throws(MapError) in try map.bytes.lock() }
                #expect(refused?.call == .mlock)
            }
            #expect(try tests.lockedPages(map.bytes) == [2, 3, 7])
            // A range that starts in the middle of a locked range.
            if isLong {
                let refused = failure { () throws(MapError) in
                    try all.lock(3 * pageSize, size - 3 * pageSize, path: nil) { $0 == 0 }
                }
                #expect(refused?.kind == .interrupted)
                #expect(try tests.lockedPages(map.bytes) == [2, 3, 7])
            }
            try map.bytes.unlock()
            #expect(try tests.lockedPages(map.bytes) == [])
        }
    }

    /// More pages than the vector of one call holds.
    @Test func residencyCountsTouchedPages() throws {
        let pages = 16384 + 3
        let map = try MappedRegion.anonymous(pages * pageSize)
        _ = try? map.bytes.advise(Advice(rawValue: 15))
        #expect(try map.bytes.residency() == Residency(resident: 0, absent: pages))
        let touched = [0, 5, 16383, 16384, pages - 1]
        for page in touched { try map.bytes.store(1, at: page * pageSize + 7) }
        #expect(try map.bytes.residency() == Residency(resident: 5, absent: pages - 5))
        #expect(try map.bytes.residency(5 * pageSize, 1) == Residency(resident: 1, absent: 0))
        #expect(try map.bytes.residency(5 * pageSize - 1, 1) == Residency(resident: 0, absent: 1))
        #expect(try map.bytes.residency(5 * pageSize - 1, 2) == Residency(resident: 1, absent: 1))
        #expect(try map.bytes.residency(7, 0) == Residency(resident: 0, absent: 0))
    }

    /// For a caller who neither owns the file nor may write it, the kernel says that all pages are resident.
    @Test func hiddenResidencyIsAnError() async {
        guard geteuid() == 0 else {
            print("skipped: only root can become another user")
            return
        }
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            chmod(scratch.path, 0o755)
            let path = try scratch.file("data", [UInt8](repeating: 7, count: 4 * pageSize))
            chmod(path, 0o644)
            let mine = try MappedRegion.open(path)
            #expect(try mine.bytes.residency().resident == 4)
            #expect(seteuid(65534) == 0)
            let map = try MappedRegion.open(path)
            let refused = failure { () throws(MapError) in _ = try map.bytes.residency() }
            #expect(refused?.call == .mincore && refused?.errno == EPERM)
            // A caller may ask about its own memory.
            let own = try MappedRegion.anonymous(pageSize)
            #expect(try own.bytes.residency() == Residency(resident: 0, absent: 1))
            // A file that the caller may not read cannot be mapped.
            #expect(seteuid(0) == 0)
            chmod(path, 0)
            #expect(seteuid(65534) == 0)
            let closed = failure { () throws(MapError) in _ = try MappedRegion.open(path, .readWrite) }
            #expect(closed?.errno == EACCES)
            #expect(seteuid(0) == 0)
        }
    }

    @Test func lockingMoreThanAllowedNamesTheLimit() async {
        guard geteuid() == 0 else {
            print("skipped: only root can become another user")
            return
        }
        await #expect(processExitsWith: .exitCode(0)) {
            var limit = rlimit(rlim_cur: 8192, rlim_max: 8192)
            #expect(setrlimit(__rlimit_resource_t(8), &limit) == 0)
            #expect(setuid(65534) == 0)
            let large = try MappedRegion.anonymous(1 << 20)
            let over = failure { () throws(MapError) in try large.bytes.lock() }
            #expect(over?.errno == ENOMEM)
            #expect(over?.description.contains("8192 bytes may be locked (RLIMIT_MEMLOCK") == true)
        }
    }

    @Test func protectionAppliesToTheWholeMappingOnly() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        let map = try MappedRegion.open(path, .read)
        let refused = failure { () throws(MapError) in try map.protect([.read, .write]) }
        #expect(refused?.errno == EACCES && refused?.description.contains("r+") == true)
        #expect(failure { () throws(MapError) in try map.bytes.store(1, at: 0) }?.kind == .notWritable)
        let slice = try map.bytes.slice(0)
        #expect(failure { () throws(MapError) in try slice.protect(.read) }?.kind == .misuse)
        let writer = try MappedRegion.open(path, .readWrite)
        let part = try writer.bytes.slice(1)
        try writer.protect(.read)
        #expect(failure { () throws(MapError) in try part.store(1, at: 0) }?.kind == .notWritable)
        try writer.protect([.read, .write])
        try part.store(9, at: 0)
        #expect(contents(path) == [1, 9, 3])
    }
}
