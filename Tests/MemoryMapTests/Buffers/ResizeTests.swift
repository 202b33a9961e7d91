import Glibc
import Testing

@testable import MemoryMap

@Suite struct ResizeTests {
    /// Every pair of sizes, for files and memory, against an array that is truncated and padded.
    @Test func everySizeFromEveryOther() throws {
        let sizes = [0, 1, 4095, 4096, 4097, 12_288, 20_001]
        let scratch = try Scratch()
        for old in sizes {
            for new in sizes {
                let model = (0..<old).map { UInt8(truncatingIfNeeded: $0 % 251 + 1) }
                let expected = Array(model.prefix(new)) + [UInt8](repeating: 0, count: max(0, new - old))
                let path = try scratch.file("data", model)
                let map = try MappedRegion.open(path, .readWrite)
                let kept = map.bytes
                try map.resize(new, path: path)
                #expect(map.count == new && kept.count == new && fileSize(path) == new, "\(old) to \(new)")
                #expect(try kept.copied() == expected, "\(old) to \(new)")
                // And back: zeros in place of the bytes that were cut off.
                try map.resize(old, path: path)
                let back = Array(expected.prefix(old)) + [UInt8](repeating: 0, count: max(0, old - new))
                #expect(try kept.copied() == back && contents(path) == back, "\(old) to \(new) and back")
                guard old > 0, new > 0 else { continue }
                let memory = try MappedRegion.anonymous(old)
                try model.withUnsafeBytes { raw in try memory.bytes.copy(at: 0, from: raw) }
                try memory.resize(new)
                #expect(try memory.bytes.copied() == expected, "memory, \(old) to \(new)")
                try memory.resize(old)
                #expect(try memory.bytes.copied() == back, "memory, \(old) to \(new) and back")
            }
        }
    }

    @Test func slicesFollowOrGoStale() throws {
        let memory = try MappedRegion.anonymous(2 * pageSize)
        try memory.bytes.store(9, at: 100)
        let (near, far) = (try memory.bytes.slice(100, 1), try memory.bytes.slice(pageSize, 10))
        let empty = try memory.bytes.slice(2 * pageSize)
        // A size that needs another address.
        try memory.resize(64 << 20)
        #expect(try near.load(at: 0) == 9 && far.load(at: 9) == 0 && empty.count == 0)
        try memory.resize(pageSize)
        #expect(try near.load(at: 0) == 9)
        #expect(failure { () throws(MapError) in _ = try far.load(at: 0) }?.kind == .misuse)
        #expect(failure { () throws(MapError) in _ = try empty.slice(0) }?.kind == .misuse)
        try memory.resize(pageSize + 10)
        #expect(try far.load(at: 9) == 0)
        for slice in [near, far] {
            #expect(failure { () throws(MapError) in try slice.resize(5, path: nil) }?.kind == .misuse)
        }
    }

    @Test func mappingKeepsItsOffset() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", (0..<100).map { UInt8($0) })
        var options = OpenOptions()
        options.offset = 37
        let map = try MappedRegion.open(path, .readWrite, options)
        try map.resize(10_000, path: path)
        #expect(fileSize(path) == 10_037)
        #expect(
            try map.bytes.load(at: 0) == 37 && map.bytes.load(at: 62) == 99 && map.bytes.load(at: 63) == 0)
        try map.resize(0, path: path)
        #expect(fileSize(path) == 37)
        try map.resize(1, path: path)
        try map.bytes.store(255, at: 0)
        #expect(contents(path) == (0..<37).map { UInt8($0) } + [255])
    }

    @Test func refusedResizeChangesNothing() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        let reader = try MappedRegion.open(path, .read)
        let copy = try MappedRegion.open(path, .copyOnWrite)
        for size in [0, 1, 3, 5000] {
            // A read-only mapping must not resize its file either.
            let refused = failure { () throws(MapError) in try reader.resize(size, path: path) }
            #expect(refused?.kind == .notWritable)
            #expect(failure { () throws(MapError) in try copy.resize(size, path: path) }?.kind == .misuse)
        }
        let writer = try MappedRegion.open(path, .readWrite)
        for size in [-1, Int.min, Int.max, 1 << 62] {
            #expect(throws: MapError.self) { try writer.resize(size, path: path) }
        }
        var options = OpenOptions()
        options.length = 2
        let part = try MappedRegion.open(path, .readWrite, options)
        #expect(failure { () throws(MapError) in try part.resize(1, path: path) }?.kind == .misuse)
        let shared = try MappedRegion.anonymous(100, shared: true)
        #expect(failure { () throws(MapError) in try shared.resize(2 * pageSize) }?.kind == .misuse)
        let memory = try MappedRegion.anonymous(100)
        for size in [0, -1, Int.min, Int.max, Int.max - 4095] {
            #expect(throws: MapError.self) { try memory.resize(size) }
        }
        #expect(memory.count == 100 && writer.count == 3 && contents(path) == [1, 2, 3])
        try memory.bytes.fill(1)
        try writer.bytes.fill(1)
    }

    @Test func pathOfAnotherFileIsRefused() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3])
        let map = try MappedRegion.open(path, .readWrite)
        #expect(rename(path, "\(scratch.path)/moved") == 0)
        #expect(failure { () throws(MapError) in try map.resize(9, path: path) }?.errno == ENOENT)
        _ = try scratch.file("data", [4])
        #expect(failure { () throws(MapError) in try map.resize(9, path: path) }?.errno == ESTALE)
        #expect(openDescriptors(in: scratch.path) == 0)
        #expect(contents(path) == [4])
        try map.resize(4, path: "\(scratch.path)/moved")
        #expect(contents("\(scratch.path)/moved") == [1, 2, 3, 0])
    }

    @Test func remapFollowsTheFile() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data", [1, 2, 3, 4])
        let map = try MappedRegion.open(path, .readWrite)
        try map.resize(2, path: path)
        #expect(truncate(path, 6000) == 0)
        try map.remap(path: path)
        #expect(map.count == 6000, "a mapping that reached the end of its file reaches the present end")
        #expect(try map.bytes.load(at: 1) == 2 && map.bytes.load(at: 5999) == 0)
        #expect(truncate(path, 0) == 0)
        try map.remap(path: path)
        #expect(map.count == 0)
        unlink(path)
        #expect(failure { () throws(MapError) in try map.remap(path: path) }?.errno == ENOENT)
        #expect(mkdir(path, 0o700) == 0)
        #expect(throws: MapError.self) { try map.remap(path: path) }
        rmdir(path)
        var options = OpenOptions()
        (options.offset, options.size) = (100, 200)
        let far = try MappedRegion.open(path, .truncate, options)
        #expect(truncate(path, 50) == 0)
        #expect(failure { () throws(MapError) in try far.remap(path: path) }?.kind == .offsetOutOfRange)
        let memory = try MappedRegion.anonymous(1)
        #expect(failure { () throws(MapError) in try memory.remap(path: path) }?.kind == .misuse)
    }

    /// Growing allocates disk blocks: on a full disk it is an error now, not a fault later.
    @Test func fullDiskIsAnErrorAndChangesNothing() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let scratch = try Scratch()
            // Mounted, entered, and unmounted at once: the mount lives as long as the child is in it.
            guard mount("tmpfs", scratch.path, "tmpfs", 0, "size=64k") == 0, chdir(scratch.path) == 0,
                umount2(scratch.path, 2) == 0
            else {
                print("skipped: no small file system may be mounted here")
                exit(0)
            }
            let path = "data"
            let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
            #expect(write(descriptor, [1, 2, 3] as [UInt8], 3) == 3)
            let map = try MappedRegion.open(path, .readWrite)
            let refused = failure { () throws(MapError) in try map.resize(1 << 20, path: path) }
            #expect(refused?.errno == ENOSPC)
            #expect(map.count == 3 && contents(path) == [1, 2, 3])
            var options = OpenOptions()
            (options.length, options.grow) = (1 << 20, true)
            let grown = failure { () throws(MapError) in _ = try MappedRegion.open(path, .readWrite, options)
            }
            #expect(grown?.errno == ENOSPC && contents(path) == [1, 2, 3])
            options = OpenOptions()
            options.size = 1 << 20
            let made = failure { () throws(MapError) in _ = try MappedRegion.open(path, .truncate, options) }
            #expect(made?.errno == ENOSPC && contents(path) == [1, 2, 3])
            // A hole that the disk has no space for causes a fault, and so an error.
            #expect(truncate(path, 1 << 20) == 0)
            let sparse = try MappedRegion.open(path, .readWrite)
            #expect(failure { () throws(MapError) in try sparse.bytes.fill(1) }?.kind == .lost)
        }
    }
}
