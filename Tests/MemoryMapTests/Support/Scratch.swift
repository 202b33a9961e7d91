import Glibc

@testable import MemoryMap

/// A test's own directory, removed with all its content.
final class Scratch: Sendable {
    let path: String

    init(in parent: String = "/tmp") throws {
        var template = Array("\(parent)/mmap-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Refused(call: "mkdtemp", errno: errno) }
        path = template.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                    raw.baseAddress.map { String(cString: $0.assumingMemoryBound(to: CChar.self)) } ?? ""
                }
                if name != "." && name != ".." { unlink("\(path)/\(name)") }
            }
            closedir(directory)
        }
        rmdir(path)
    }

    /// Writes a file and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let full = "\(path)/\(name)"
        let descriptor = open(full, O_RDWR | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw Refused(call: "open", errno: errno) }
        defer { close(descriptor) }
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Refused(call: "write", errno: errno)
        }
        return full
    }

    /// Makes a file of a size, without blocks.
    func sparse(_ name: String, _ size: Int) throws -> String {
        let full = try file(name, [])
        guard truncate(full, off_t(size)) == 0 else { throw Refused(call: "truncate", errno: errno) }
        return full
    }
}

/// A failed step of a test's preparation.
struct Refused: Error {
    let call: String
    let errno: CInt
}

/// The bytes of a file as read(2) sees them.
func contents(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(descriptor, &piece, piece.count)
        if count <= 0 { return result }
        result += piece[0..<count]
    }
}

/// The size of a file in bytes, or -1.
func fileSize(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : -1
}

/// The error that an operation throws, or nil.
func failure(_ body: () throws(MapError) -> Void) -> MapError? {
    do throws(MapError) { try body() } catch { return error }
    return nil
}

/// The number of the process's open descriptors in a directory. The test runner has others, whose number
/// changes.
func openDescriptors(in path: String) -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var target = [CChar](repeating: 0, count: 5000)
    var count = 0
    while let entry = readdir(directory) {
        let length = withUnsafePointer(to: &entry.pointee.d_name) { name in
            name.withMemoryRebound(to: CChar.self, capacity: 256) {
                readlinkat(dirfd(directory), $0, &target, target.count - 1)
            }
        }
        if length > 0 && strncmp(target, path, strlen(path)) == 0 { count += 1 }
    }
    return count
}

/// The number of lines of /proc/self/maps that contain a text.
func mappedLines(_ text: String) -> Int {
    String(decoding: contents("/proc/self/maps"), as: UTF8.self)
        .split(separator: "\n").count { $0.contains(text) }
}

extension MappedBytes {
    /// All bytes, one by one.
    var array: [UInt8] {
        var result: [UInt8] = []
        for index in 0..<count { result.append((try? load(at: index)) ?? 0) }
        return result
    }

    /// All bytes, in one call.
    func copied() throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        try result.withUnsafeMutableBytes { raw in try read(at: 0, into: raw) }
        return result
    }
}

/// Small, repeatable random numbers.
struct Dice {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(sides))
    }
}
