/// Why a function cannot be compiled.
struct Reason: Error, Equatable {
    let text: String
    init(_ text: String) { self.text = text }
}

/// Reads the parts of a binary chunk. Each method fails at the end of the bytes.
struct Reader {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }
    static let bad = Reason("the bytecode is not that of Lua 5.4, or was changed")

    mutating func byte() throws(Reason) -> UInt8 {
        guard position < bytes.count else { throw Reader.bad }
        position += 1
        return bytes[position - 1]
    }

    mutating func take(_ count: Int) throws(Reason) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw Reader.bad }
        position += count
        return bytes[position - count..<position]
    }

    /// An unsigned number in groups of seven bits, the highest first, the last one marked.
    mutating func size() throws(Reason) -> Int {
        var value = 0
        while true {
            let next = try byte()
            guard value < 1 << 40 else { throw Reader.bad }
            value = value << 7 | Int(next & 0x7f)
            if next & 0x80 != 0 { return value }
        }
    }

    /// The number of elements of a list, each at least `least` bytes.
    mutating func count(least: Int) throws(Reason) -> Int {
        let count = try size()
        guard count <= (bytes.count - position) / least else { throw Reader.bad }
        return count
    }

    mutating func word() throws(Reason) -> UInt64 {
        try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func instruction() throws(Reason) -> Instruction {
        Instruction(raw: try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// nil for an absent string.
    mutating func string() throws(Reason) -> ArraySlice<UInt8>? {
        let size = try size()
        return size == 0 ? nil : try take(size - 1)
    }
}
