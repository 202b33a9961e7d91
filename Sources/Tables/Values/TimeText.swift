/// A place in a text that is read as a time. Each byte is read once: others may write it meanwhile.
struct TimeText {
    private var place: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>

    /// Blanks around the text do not count.
    @inline(__always)
    init(_ text: Text) {
        place = text.start
        var end = text.start + text.count
        while place < end, isBlank(place[0]) { place += 1 }
        while place < end, isBlank(end[-1]) { end -= 1 }
        self.end = end
    }

    @inline(__always)
    var isAtEnd: Bool { place >= end }

    /// Exactly so many digits; nil if there are others.
    @inline(__always)
    mutating func digits(exactly count: Int) -> Int? {
        guard end - place >= count else { return nil }
        var value = 0
        var worst: UInt8 = 0
        for i in 0..<count {
            let digit = place[i] &- 48
            worst = max(worst, digit)
            value = value &* 10 &+ Int(digit)
        }
        if worst > 9 { return nil }
        place += count
        return value
    }

    /// 1 to `most` digits, after blanks.
    @inline(__always)
    mutating func digits(atMost most: Int) -> Int? {
        skipBlanks()
        var value = 0
        var count = 0
        while count < most, place < end {
            let digit = place[0] &- 48
            if digit > 9 { break }
            value = value &* 10 &+ Int(digit)
            place += 1
            count &+= 1
        }
        return count == 0 ? nil : value
    }

    /// The same.
    ///
    /// - Parameter start: Gets the place of the digits in the text if there are `most` of them, else -1.
    @inline(__always)
    mutating func digits(atMost most: Int, _ start: inout Int, in text: Text) -> Int? {
        skipBlanks()
        let first = place
        let value = digits(atMost: most)
        start = place - first == most ? first - text.start : -1
        return value
    }

    @inline(__always)
    mutating func skipBlanks() { while place < end, isBlank(place[0]) { place += 1 } }

    /// Whether the byte is next, which is then passed.
    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard place < end, place[0] == byte else { return false }
        place += 1
        return true
    }

    /// The next byte, which is passed; 0 at the end.
    @inline(__always)
    mutating func next() -> UInt8 {
        guard place < end else { return 0 }
        place += 1
        return place[-1]
    }

    /// The number of a name, from 0: all of it or its first three letters, in any case.
    ///
    /// - Parameter names: Each padded with blanks to 9 bytes.
    @inline(__always)
    mutating func name(_ names: StaticString) -> Int? {
        var count = 0
        while count < 9, place + count < end, (place[count] | 0x20) &- 97 <= 25 { count &+= 1 }
        guard count >= 3 else { return nil }
        for number in 0..<names.utf8CodeUnitCount / 9 {
            let name = names.utf8Start + number &* 9
            if count > 3 && count < 9 && name[count] != 32 { continue }
            var same = 0
            while same < count, place[same] | 0x20 == name[same] { same &+= 1 }
            if same == count {
                place += count
                return number
            }
        }
        return nil
    }

    /// All digits that follow, at least one: the first 18 count.
    @inline(__always)
    mutating func fraction(_ time: inout CivilTime) -> Bool {
        var (value, count) = (0, 0)
        let first = place
        while place < end {
            let digit = place[0] &- 48
            if digit > 9 { break }
            if count < 18 {
                value = value &* 10 &+ Int(digit)
                count &+= 1
            }
            place += 1
        }
        (time.fraction, time.fractionDigits) = (value, count)
        return place > first
    }

    /// The name of a zone that is UTC: what others mean depends on the place.
    mutating func universalTime() -> Bool {
        var letters: UInt32 = 0
        while place < end, (place[0] | 0x20) &- 97 <= 25, letters >> 24 == 0 {
            letters = letters << 8 | UInt32(place[0] | 0x20)
            place += 1
        }
        return letters == 0x757463 || letters == 0x676d74 || letters == 0x7a
    }

    /// `Z`, `+01`, `+0100` or `+01:00`.
    @inline(__always)
    mutating func zone(_ time: inout CivilTime) -> Bool {
        let sign = next()
        if sign | 0x20 == UInt8(ascii: "z") {
            time.offset = 0
            return true
        }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), let hours = digits(exactly: 2),
            hours < 24
        else { return false }
        var minutes = 0
        if take(UInt8(ascii: ":")) || place < end && place[0] &- 48 <= 9 {
            guard let found = digits(exactly: 2), found < 60 else { return false }
            minutes = found
        }
        let offset = hours &* 60 &+ minutes
        time.offset = sign == UInt8(ascii: "-") ? 0 &- offset : offset
        return true
    }
}

extension Double {
    /// Seconds since 1970-01-01T00:00:00Z of a time in ISO 8601: a date, or a date and a time of day with an optional
    /// zone, else UTC. Nil for anything else.
    package init?(iso text: Text) {
        var place = TimeText(text)
        var time = CivilTime()
        guard let year = place.digits(exactly: 4), place.take(UInt8(ascii: "-")),
            let month = place.digits(exactly: 2), place.take(UInt8(ascii: "-")),
            let day = place.digits(exactly: 2)
        else { return nil }
        (time.year, time.month, time.day) = (year, month, day)
        if !place.isAtEnd {
            let mark = place.next()
            guard mark | 0x20 == UInt8(ascii: "t") || mark == 32, let hour = place.digits(exactly: 2) else {
                return nil
            }
            time.hour = hour
            if place.take(UInt8(ascii: ":")) {
                guard let minute = place.digits(exactly: 2) else { return nil }
                time.minute = minute
                if place.take(UInt8(ascii: ":")) {
                    guard let second = place.digits(exactly: 2) else { return nil }
                    time.second = second
                    if place.take(UInt8(ascii: ".")) || place.take(UInt8(ascii: ",")) {
                        guard place.fraction(&time) else { return nil }
                    }
                }
            }
            if !place.isAtEnd {
                _ = place.take(32)
                guard place.zone(&time), place.isAtEnd else { return nil }
            }
        }
        guard let seconds = time.seconds else { return nil }
        self = seconds
    }
}
