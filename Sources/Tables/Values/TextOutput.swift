internal import Glibc

/// The end of a list of bytes that is written to by pointer.
struct TextOutput {
    /// The bytes so far, and room.
    private(set) var list: List<UInt8>
    /// Where the next byte goes.
    var place: UnsafeMutablePointer<UInt8>
    private var end: UnsafeMutablePointer<UInt8>

    init(_ list: List<UInt8>) {
        self.list = list
        place = list.base + list.count
        end = place
    }

    /// The list with what was written.
    consuming func finish() -> List<UInt8> {
        list.truncate(place - list.base)
        return list
    }

    /// Makes room for so many bytes.
    @inline(__always)
    mutating func require(_ bytes: Int) throws(TableError) { if end - place < bytes { try grow(bytes) } }

    @inline(never)
    private mutating func grow(_ bytes: Int) throws(TableError) {
        list.truncate(place - list.base)
        let room = bytes &+ 64 << 10
        place = try list.extend(room)
        end = place + room
    }

    /// There is room.
    @inline(__always)
    mutating func write(_ byte: UInt8) {
        place[0] = byte
        place += 1
    }

    /// There is room.
    @inline(__always)
    mutating func write(_ string: StaticString) {
        for i in 0..<string.utf8CodeUnitCount { place[i] = string.utf8Start[i] }
        place += string.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafePointer<UInt8>, _ count: Int) throws(TableError) {
        try require(count)
        memcpy(place, bytes, count)
        place += count
    }

    mutating func write(_ bytes: [UInt8]) throws(TableError) {
        try require(bytes.count)
        for (i, byte) in bytes.enumerated() { place[i] = byte }
        place += bytes.count
    }
}

/// Whether 16 bytes can be read at a text that has 1 to 16 bytes: those of the same page can.
@inline(__always)
func isShort(_ text: Text) -> Bool {
    UInt(bitPattern: text.count &- 1) < 16 && UInt(bitPattern: text.start) & 4095 <= 4080
}
