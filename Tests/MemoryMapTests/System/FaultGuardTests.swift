import CMemoryMap
import Glibc
import Vectors
import Testing

@testable import MemoryMap

/// A file that loses bytes while it is mapped causes an error, not the end of the process.
@Suite struct FaultGuardTests {
    /// Maps a file of three pages filled with 7, then truncates it to `size`.
    private func cut(
        to size: Int, _ mode: OpenMode = .readWrite, _ body: (borrowing MappedRegion, String) throws -> Void
    ) throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [UInt8](repeating: 7, count: 3 * pageSize))
        let map = try MappedRegion.open(path, mode)
        guard truncate(path, off_t(size)) == 0 else { throw Refused(call: "truncate", errno: errno) }
        try body(map, path)
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 8192, 12287])
    func onlyBytesPastTheNewEndAreLost(size: Int) throws {
        let firstGone = (size + pageSize - 1) / pageSize * pageSize
        try cut(to: size) { map, _ throws in
            for index in [0, size - 1] where index >= 0 && index < size {
                #expect(try map.bytes.load(at: index) == 7)
            }
            // The rest of the last page reads as zeros, without a signal.
            if size < firstGone { #expect(try map.bytes.load(at: size) == 0) }
            guard firstGone < map.count else { return }
            let refused = failure { () throws(MapError) in _ = try map.bytes.load(at: firstGone) }
            #expect(refused?.kind == .lost)
            #expect(refused?.values.0 == firstGone, "the offset of the fault")
            #expect(refused?.values.1 == 3 * pageSize, "the size when it was mapped")
            // The bytes that were there before are lost too, until mapped again: pages were replaced.
            #expect(failure { () throws(MapError) in _ = try map.bytes.load(at: 0) }?.kind == .lost)
        }
    }

    @Test(arguments: [OpenMode.readWrite, .copyOnWrite])
    func everyOperationReportsTheLoss(mode: OpenMode) throws {
        typealias Operation = (MappedBytes) throws(MapError) -> Void
        let seven = [UInt8](repeating: 7, count: 3 * pageSize)
        let operations: [(String, Operation)] = [
            ("load", { b throws(MapError) in _ = try b.load(at: 2 * pageSize) }),
            ("store", { b throws(MapError) in try b.store(1, at: 2 * pageSize) }),
            ("fill", { b throws(MapError) in try b.fill(1) }),
            (
                "repeat",
                { b throws(MapError) in try seven.lend { r throws(MapError) in try b.fill(repeating: r) } }
            ),
            (
                "copy",
                { b throws(MapError) in try seven.lend { r throws(MapError) in try b.copy(at: 0, from: r) } }
            ),
            ("inside", { b throws(MapError) in try b.copy(at: 0, from: b, 2 * pageSize, 5) }),
            (
                "out",
                { b throws(MapError) in
                    let memory = try MappedRegion.anonymous(3 * pageSize)
                    try memory.bytes.copy(at: 0, from: b)
                }
            ),
            ("find", { b throws(MapError) in try [9].lend { r throws(MapError) in _ = try b.find(r) } }),
            (
                "findLast",
                { b throws(MapError) in try [9].lend { r throws(MapError) in _ = try b.findLast(r) } }
            ),
            (
                "compare",
                { b throws(MapError) in try seven.lend { r throws(MapError) in _ = try b.compare(r) } }
            ),
            (
                "mismatch",
                { b throws(MapError) in try seven.lend { r throws(MapError) in _ = try b.mismatch(r) } }
            ),
            (
                "read",
                { b throws(MapError) in
                    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: b.count, alignment: 1)
                    defer { target.deallocate() }
                    try b.read(at: 0, into: target)
                }
            ),
            (
                "dump",
                { b throws(MapError) in
                    let target = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 4096)
                    defer { target.deallocate() }
                    var dump = HexDump(2 * pageSize, 16)
                    _ = try b.print(&dump, into: target)
                }
            ),
        ]
        for (name, operation) in operations {
            try cut(to: pageSize, mode) { map, _ in
                let slice = try map.bytes.slice(0)
                #expect(failure { () throws(MapError) in try operation(map.bytes) }?.kind == .lost, "\(name)")
                #expect(
                    failure { () throws(MapError) in try operation(slice) }?.kind == .lost,
                    "\(name) of a slice")
            }
        }
    }

    /// Writes past a lost page use new memory, so a long write must not continue to its end.
    @Test func longWriteEndsSoonAfterLoss() throws {
        typealias Write = (MappedBytes, ShouldContinue) throws(MapError) -> Void
        let size = 256 << 20
        let half = try MappedRegion.anonymous(size / 2)
        let writes: [(String, Write)] = [
            (
                "fill",
                { b, shouldContinue throws(MapError) in try b.fill(1, 0, nil, shouldContinue: shouldContinue)
                }
            ),
            (
                "repeat",
                { b, shouldContinue throws(MapError) in
                    try [UInt8](repeating: 7, count: 3).lend { r throws(MapError) in
                        try b.fill(repeating: r, 0, nil, shouldContinue: shouldContinue)
                    }
                }
            ),
            (
                "copy",
                { b, shouldContinue throws(MapError) in
                    try b.copy(at: 0, from: try half.bytes.readable(0, nil).1, shouldContinue: shouldContinue)
                }
            ),
            (
                "fill elements",
                { b, shouldContinue throws(MapError) in
                    try b.elements(.uint32).fill(.integer(1), 0, nil, shouldContinue: shouldContinue)
                }
            ),
            (
                "copy elements",
                { b, shouldContinue throws(MapError) in
                    try b.elements(.uint32).copy(
                        from: try half.bytes.elements(.uint32), at: 0, saturating: false,
                        shouldContinue: shouldContinue)
                }
            ),
            (
                "convert",
                { b, shouldContinue throws(MapError) in
                    try b.elements(.uint32).copy(
                        from: try half.bytes.elements(.uint16), at: 0, saturating: false,
                        shouldContinue: shouldContinue)
                }
            ),
            (
                "add",
                { b, shouldContinue throws(MapError) in
                    try half.bytes.elements(.uint32).combine(
                        .add, .number(.integer(1)), into: b.elements(.uint32, 0, count: size / 8),
                        isWrapping: true, shouldContinue: shouldContinue)
                }
            ),
        ]
        for (name, write) in writes {
            let scratch = try Scratch()
            let path = try scratch.sparse("data", size)
            let map = try MappedRegion.open(path, .readWrite)
            #expect(truncate(path, 0) == 0)
            var asked = 0
            let refused = failure { () throws(MapError) in
                try write(map.bytes) { _ in
                    asked += 1
                    return true
                }
            }
            #expect(refused?.kind == .lost, "\(name)")
            // Few calls of `shouldContinue` show an early end.
            #expect(asked <= 2, "\(name): \(asked)")
        }
    }

    /// A lost write must not appear in the file.
    @Test func grownFileContainsNoLostWrite() throws {
        try cut(to: 0) { map, path in
            #expect(failure { () throws(MapError) in try map.bytes.store(1, at: 0) }?.kind == .lost)
            #expect(truncate(path, off_t(3 * pageSize)) == 0)
            #expect(failure { () throws(MapError) in _ = try map.bytes.load(at: 0) }?.kind == .lost)
            #expect(contents(path) == [UInt8](repeating: 0, count: 3 * pageSize))
            for refused in [
                failure { () throws(MapError) in try map.protect(.read) },
                failure { () throws(MapError) in try map.bytes.advise(.random) },
                failure { () throws(MapError) in try map.bytes.sync() },
                failure { () throws(MapError) in _ = try map.bytes.residency() },
                failure { () throws(MapError) in try map.bytes.lock() },
                failure { () throws(MapError) in try map.resize(5, path: path) },
            ] { #expect(refused?.kind == .lost) }
            let bytes = map.bytes
            try map.remap(path: path)
            #expect(try bytes.load(at: 3 * pageSize - 1) == 0)
        }
    }

    @Test func mappingPastEndOfFileIsLostAtAccess() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        let descriptor = open(path, O_RDWR)
        let map = try MappedRegion.map(4 * pageSize, [.read, .write], .shared, descriptor: descriptor)
        close(descriptor)
        #expect(try map.bytes.load(at: pageSize - 1) == 0)
        #expect(failure { () throws(MapError) in try map.bytes.store(1, at: pageSize) }?.kind == .lost)
        #expect(fileSize(path) == 3)
    }

    @Test func deviceFaultIsReportedLikeTruncation() throws {
        let map = try MappedRegion.anonymous(3 * pageSize)
        let neighbor = try MappedRegion.anonymous(3 * pageSize)
        try neighbor.bytes.fill(5)
        try map.bytes.fill(6)
        let address = map.region.base.map { UnsafeRawPointer($0) + pageSize + 3 }
        #expect(address.map { mm_inject_fault($0) } == true)
        let refused = failure { () throws(MapError) in _ = try map.bytes.touched() }
        #expect(refused?.kind == .lost && refused?.values.0 == pageSize + 3)
        #expect(try neighbor.bytes.load(at: 0) == 5 && neighbor.bytes.load(at: 3 * pageSize - 1) == 5)
        var outside: UInt8 = 0
        #expect(!mm_inject_fault(&outside))
    }

    @Test func foreignProtectionChangeIsLossToo() throws {
        let map = try MappedRegion.anonymous(3 * pageSize)
        #expect(mprotect(map.region.base, pageSize, PROT_NONE) == 0)
        let refused = failure { () throws(MapError) in try map.bytes.fill(1) }
        #expect(refused?.kind == .lost && refused?.values.2 == Int(SIGSEGV))
    }

    @Test func manyThreadsFaultAtOnce() async throws {
        let scratch = try Scratch()
        await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var lost = 0
                    for round in 0..<100 {
                        guard let path = try? scratch.file("\(worker)", [UInt8](repeating: 1, count: 8192)),
                            let map = try? MappedRegion.open(path, .readWrite)
                        else { continue }
                        if round % 2 == 0 { truncate(path, 0) }
                        let sum = failure { () throws(MapError) in _ = try map.bytes.load(at: 4096) }
                        if (sum?.kind == .lost) == (round % 2 == 0) { lost += 1 }
                    }
                    return lost
                }
            }
            for await right in group { #expect(right == 100) }
        }
    }

    /// Eight threads read one mapping while its file is truncated.
    @Test func oneMappingIsLostForEveryThread() async throws {
        let scratch = try Scratch()
        for _ in 0..<20 {
            let path = try scratch.file("shared", [UInt8](repeating: 1, count: 64 * pageSize))
            let map = try MappedRegion.open(path, .readWrite)
            let bytes = map.bytes
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        // Either every byte was 1, or the loss is reported: never a silent zero.
                        while true {
                            var hasZero = false
                            let refused = failure { () throws(MapError) in
                                hasZero =
                                    try [0].lend { zero throws(MapError) in try bytes.find(zero) } != nil
                            }
                            if let refused { return refused.kind == .lost }
                            if hasZero { return false }
                        }
                    }
                }
                truncate(path, 0)
                for await isRight in group { #expect(isRight) }
            }
            withExtendedLifetime(path) {}
            map.unmap()
        }
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` for a closure that throws a `MapError`.
    func lend<T>(_ body: (UnsafeRawBufferPointer) throws(MapError) -> T) throws(MapError) -> T {
        let result = withUnsafeBytes { raw -> Result<T, MapError> in
            do throws(MapError) { return .success(try body(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

extension MappedBytes {
    fileprivate func touched() throws(MapError) -> UInt8 { try load(at: 0) }
}
