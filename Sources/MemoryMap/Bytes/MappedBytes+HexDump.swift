internal import Glibc

/// The state of a hex dump that is printed in parts, in the layout of `hexdump -C`: 16 bytes per line,
/// repeated lines folded into `*`, the offset of the end last.
package struct HexDump {
    /// The offset of the next byte to print.
    package var position: Int
    /// The offset after the last byte.
    package let end: Int
    /// Whether the last line printed was `*`.
    package var isFolded = false
    /// Whether the line with the offset of the end was printed, or the range is empty.
    package var isDone: Bool
    private let start: Int

    package init(_ offset: Int, _ length: Int) {
        (start, position, end, isDone) = (offset, offset, offset &+ length, length == 0)
    }

    /// Enough for one line: an offset of 16 digits, 16 bytes, their characters, a newline.
    package static let lineCapacity = 96
}

private let digits: StaticString = "0123456789abcdef"

/// Writes text into memory without a check: the caller provides enough.
private struct Pen {
    var place: UnsafeMutablePointer<UInt8>

    mutating func put(_ byte: UInt8) {
        place.pointee = byte
        place += 1
    }

    mutating func put(hex value: Int, digits count: Int) {
        var shift = (count &- 1) &* 4
        while shift >= 0 {
            put(digits.utf8Start[(value &>> shift) & 15])
            shift &-= 4
        }
    }

    /// At least eight digits, more if necessary.
    mutating func put(offset: Int) {
        var count = 8
        while count < 16 && offset &>> (count &* 4) != 0 { count &+= 1 }
        put(hex: offset, digits: count)
    }
}

extension MappedBytes {
    /// Prints lines of a dump until `target` is nearly full, the dump is complete, or so many bytes were read
    /// that the caller should check for an interrupt.
    ///
    /// - Parameter target: At least `HexDump.lineCapacity` bytes.
    /// - Returns: The number of bytes printed.
    /// - Throws: `closed`, `lost`, `notReadable`, `lengthOutOfRange` if the buffer shrank.
    package func print(
        _ dump: inout HexDump, into target: UnsafeMutableBufferPointer<UInt8>
    ) throws(MapError) -> Int {
        guard let first = target.baseAddress, target.count >= HexDump.lineCapacity else { return 0 }
        let (current, bytes) = try readable(0, dump.end)
        var pen = Pen(place: first)
        let last = first + (target.count &- HexDump.lineCapacity)
        var linesLeft = 1 << 16
        while !dump.isDone && pen.place <= last && linesLeft > 0, let memory = bytes.baseAddress {
            dump.printLine(memory, &pen)
            linesLeft &-= 1
        }
        try current.checkIntact()
        return pen.place - first
    }
}

extension HexDump {
    fileprivate mutating func printLine(_ memory: UnsafeRawPointer, _ pen: inout Pen) {
        let count = min(16, end &- position)
        if count == 0 {
            pen.put(offset: end)
            pen.put(UInt8(ascii: "\n"))
            isDone = true
            return
        }
        let line = memory + position
        if count == 16 && position &- start >= 16 && memcmp(line, line - 16, 16) == 0 {
            if !isFolded {
                pen.put(UInt8(ascii: "*"))
                pen.put(UInt8(ascii: "\n"))
            }
            isFolded = true
        } else {
            isFolded = false
            print(UnsafeRawBufferPointer(start: line, count: count), &pen)
        }
        position &+= count
    }

    private func print(_ line: UnsafeRawBufferPointer, _ pen: inout Pen) {
        pen.put(offset: position)
        for index in 0..<16 {
            pen.put(UInt8(ascii: " "))
            if index & 7 == 0 { pen.put(UInt8(ascii: " ")) }
            if index < line.count {
                pen.put(hex: Int(line[index]), digits: 2)
            } else {
                pen.put(UInt8(ascii: " "))
                pen.put(UInt8(ascii: " "))
            }
        }
        pen.put(UInt8(ascii: " "))
        pen.put(UInt8(ascii: " "))
        pen.put(UInt8(ascii: "|"))
        for byte in line { pen.put(byte >= 0x20 && byte < 0x7f ? byte : UInt8(ascii: ".")) }
        pen.put(UInt8(ascii: "|"))
        pen.put(UInt8(ascii: "\n"))
    }
}
