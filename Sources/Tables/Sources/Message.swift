internal import CMemoryMap

/// A message, as bytes: names and fields may have any.
struct Message {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(_ other: [UInt8]) { bytes.append(contentsOf: other) }

    mutating func put(_ number: Int) { bytes.append(contentsOf: String(number).utf8) }

    /// Appends bytes from outside: what is unsafe for a terminal as `\xNN`, and no more than so many of them.
    mutating func show(_ text: [UInt8], atMost limit: Int) {
        text.withUnsafeBytes { show($0, atMost: limit) }
    }

    mutating func show(_ text: UnsafeRawBufferPointer, atMost limit: Int) {
        // A copy, since others may write the bytes meanwhile.
        let copy = [UInt8](text.prefix(limit))
        copy.withUnsafeBytes { copy in
            guard let start = copy.bindMemory(to: CChar.self).baseAddress else { return }
            var place = 0
            while place < copy.count {
                let count = Int(mm_shown(start + place, copy.count &- place))
                if count == 0 {
                    let digits = [UInt8]("0123456789abcdef".utf8)
                    put("\\x")
                    bytes.append(digits[Int(copy[place] &>> 4)])
                    bytes.append(digits[Int(copy[place] & 15)])
                }
                bytes.append(contentsOf: copy[place..<place &+ count])
                place &+= max(count, 1)
            }
        }
        if text.count > limit { put("...") }
    }
}

extension TableError {
    init(_ message: Message) { self = .data(message.bytes) }
}

extension TextBlock {
    /// The start of a message about a row: `FILE: line N, offset M`.
    ///
    /// - Parameter place: Of the row, in the region.
    func location(of place: Int) -> Message {
        var message = Message()
        message.put(name)
        message.put(": line ")
        message.put(line(at: place))
        message.put(", offset ")
        message.put(offset &+ place)
        return message
    }

    /// The number of the line at a place, from 1.
    private func line(at place: Int) -> Int {
        guard let region = try? file.current(), let base = region.base, place <= region.length else {
            return 0
        }
        let count = try? countBytes(base, place, UInt8(ascii: "\n"), nil)
        return lines &+ (count ?? 0) &+ 1
    }
}
