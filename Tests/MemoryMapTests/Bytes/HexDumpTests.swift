import Glibc
import Testing

@testable import MemoryMap

/// The same bytes as `hexdump -C` prints.
@Suite struct HexDumpTests {
    private static let tool = "/usr/bin/hexdump"

    private func dump(_ bytes: MappedBytes, _ offset: Int, _ length: Int, pieces: Int) throws -> String {
        var state = HexDump(offset, length)
        let target = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: pieces)
        defer { target.deallocate() }
        var text: [UInt8] = []
        while !state.isDone {
            let count = try bytes.print(&state, into: target)
            text += target[0..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    private func reference(_ arguments: String) -> String? {
        guard access(Self.tool, X_OK) == 0 else { return nil }
        guard let pipe = popen("LC_ALL=C \(Self.tool) -C \(arguments)", "r") else { return nil }
        defer { pclose(pipe) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&piece, 1, piece.count, pipe)
            if count == 0 { return String(decoding: text, as: UTF8.self) }
            text += piece[0..<count]
        }
    }

    /// Random lines with repeats of every length, cut at every offset.
    @Test func dumpsMatchHexdump() throws {
        guard access(Self.tool, X_OK) == 0 else {
            print("skipped: \(Self.tool) is not installed")
            return
        }
        let scratch = try Scratch()
        var dice = Dice(state: 7)
        for repeats in 0...70 {
            var bytes = (0..<dice.roll(40)).map { _ in UInt8(dice.roll(256)) }
            let line = (0..<16).map { _ in UInt8(dice.roll(256)) }
            // Align with the lines of the dump, as only aligned repeats fold.
            bytes += [UInt8](repeating: 0, count: (16 - bytes.count % 16) % 16)
            for _ in 0..<repeats % 9 { bytes += line }
            bytes += [UInt8](repeating: UInt8(repeats % 2 * 0x41), count: repeats)
            bytes += (0..<dice.roll(3)).map { _ in UInt8(dice.roll(256)) }
            let path = try scratch.file("data", bytes)
            let map = try MappedRegion.open(path)
            let expected = reference(path)
            #expect(try dump(map.bytes, 0, bytes.count, pieces: 4096) == expected, "\(repeats) repeats")
            #expect(try dump(map.bytes, 0, bytes.count, pieces: HexDump.lineCapacity) == expected)
            let offset = dice.roll(bytes.count + 1)
            let length = dice.roll(bytes.count - offset + 1)
            guard length > 0 else { continue }
            #expect(
                try dump(map.bytes, offset, length, pieces: 200)
                    == reference("-s \(offset) -n \(length) \(path)"),
                "\(length) bytes at \(offset)")
        }
    }

    @Test func offsetsOverFourGiB() throws {
        let scratch = try Scratch()
        let path = try scratch.sparse("huge", (4 << 30) + 100)
        let map = try MappedRegion.open(path, .readWrite)
        try map.bytes.store(0x41, at: (4 << 30) + 5)
        let text = try dump(map.bytes, (4 << 30) - 20, 100, pieces: 4096)
        #expect(
            text == """
                ffffffec  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
                fffffffc  00 00 00 00 00 00 00 00  00 41 00 00 00 00 00 00  |.........A......|
                10000000c  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
                *
                10000004c  00 00 00 00                                       |....|
                100000050

                """)
        if let expected = reference("-s \((4 << 30) - 20) -n 100 \(path)") { #expect(text == expected) }
    }

    @Test func emptyBufferPrintsNothing() throws {
        let map = try MappedRegion.anonymous(10)
        #expect(try dump(map.bytes, 3, 0, pieces: 4096).isEmpty)
    }
}
