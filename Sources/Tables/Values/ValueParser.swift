internal import Glibc
internal import MemoryMap

/// What happens to a row with a value that is none of its column's type: `bad = "nil"`, `bad = "skip"`.
package enum BadValues: UInt8, Sendable {
    case error
    /// The value is null.
    case null
    /// The row is left out.
    case skip
}

/// Reads the values of a column from texts.
package struct ValueParser: Sendable {
    package let column: Column
    private let point: UInt8
    private let bad: BadValues
    private let nulls: NullTexts
    private let format: TimeFormat?

    /// - Parameters:
    ///   - decimal: The decimal point.
    ///   - nulls: The texts that mean null.
    /// - Throws: If the format of a time is none.
    package init(
        _ column: Column, decimal: UInt8 = UInt8(ascii: "."), nulls: [[UInt8]] = [[]], bad: BadValues = .error
    ) throws(TableError) {
        self.column = column
        self.point = decimal
        self.bad = bad
        self.nulls = NullTexts(nulls, isNamed: column.type == .time && column.format != nil)
        if column.type == .time, let format = column.format {
            self.format = try TimeFormat(format)
        } else {
            self.format = nil
        }
    }

    /// Reads the values of some rows.
    ///
    /// - Parameters:
    ///   - texts: May be in a mapping that others write: no byte decides about memory. Of a column of strings they may be
    ///     the vector's own.
    ///   - quoted: For each row whether its text was in quotes; nil if none was.
    ///   - vector: Room for the values and for the nulls. Afterward it has no nulls where no value is null.
    ///   - skipped: Set to 1 for the rows that are to be left out.
    /// - Returns: The first row with a bad value, where that is an error; see `complaint`. The values after it are
    ///   undefined.
    package func parse(
        _ texts: UnsafePointer<Text>, quoted: UnsafePointer<UInt8>? = nil, count: Int,
        into vector: inout Vector,
        skipped: UnsafeMutablePointer<UInt8>? = nil
    ) throws(TableError) -> Int? {
        if column.type == .string {
            copy(texts, quoted, count, &vector)
            return nil
        }
        var marks = NullMarks(vector)
        // Before a bad value too: the room has what was there before.
        defer { vector.nulls = marks.isEmpty ? nil : vector.nulls }
        var row = 0
        var day = SameDay()
        while true {
            row &+= try values(texts + row, count &- row, vector.words + row, &day)
            if row == count { break }
            if !nulls.contain(texts[row]) {
                if bad == .error { return row }
                if bad == .skip { skipped?[row] = 1 }
            }
            // Without room for nulls there is no other way to say it.
            guard marks.set(row, of: count) else { return row }
            vector.words[row] = 0
            row &+= 1
        }
        return nil
    }

    /// The null texts of a column of strings are those that were not in quotes.
    private func copy(
        _ texts: UnsafePointer<Text>, _ quoted: UnsafePointer<UInt8>?, _ count: Int, _ vector: inout Vector
    ) {
        if UnsafePointer(vector.texts) != texts { vector.texts.update(from: texts, count: count) }
        var marks = NullMarks(vector)
        for row in 0..<count where nulls.contain(vector.texts[row]) {
            if let quoted, quoted[row] != 0 { continue }
            guard marks.set(row, of: count) else { break }
            vector.texts[row].count = 0
        }
        vector.nulls = marks.isEmpty ? nil : vector.nulls
    }

    /// Reads texts, as far as each is a value and not null, and returns how many were.
    private func values(
        _ texts: UnsafePointer<Text>, _ count: Int, _ values: UnsafeMutablePointer<UInt64>,
        _ day: inout SameDay
    ) throws(TableError) -> Int {
        if !nulls.mayBeValues { return try valuesOrNulls(texts, count, values, &day) }
        for row in 0..<count {
            if nulls.contain(texts[row]) { return row }
            if try valuesOrNulls(texts + row, 1, values + row, &day) == 0 { return row }
        }
        return count
    }

    private func valuesOrNulls(
        _ texts: UnsafePointer<Text>, _ count: Int, _ values: UnsafeMutablePointer<UInt64>,
        _ day: inout SameDay
    ) throws(TableError) -> Int {
        let doubles = UnsafeMutableRawPointer(values).assumingMemoryBound(to: Double.self)
        switch column.type {
        case .string: return 0
        case .number: return try numerals(texts, count, values, .number)
        case .integer: return try numerals(texts, count, values, .integer)
        case .u64: return try numerals(texts, count, values, .u64)
        case .boolean:
            for row in 0..<count {
                guard let value = Bool(texts[row]) else { return row }
                values[row] = value ? 1 : 0
            }
            return count
        case .time:
            if let format { return format.read(texts, count: count, into: doubles, &day) }
            for row in 0..<count {
                if let value = day.seconds(texts[row]) {
                    doubles[row] = value
                    continue
                }
                guard let value = Double(iso: texts[row]) else { return row }
                doubles[row] = value
                day.remember(texts[row], SameDay.Places(iso: texts[row]), value)
            }
            return count
        }
    }

    private func numerals(
        _ texts: UnsafePointer<Text>, _ count: Int, _ values: UnsafeMutablePointer<UInt64>,
        _ kind: NumeralKind
    ) throws(TableError) -> Int {
        let places = UnsafeRawPointer(texts).assumingMemoryBound(to: NumeralText.self)
        var row = 0
        while true {
            row &+= readPlainNumerals(
                places + row, count: count &- row, into: values + row, as: kind, point: point)
            if row == count || nulls.contain(texts[row]) { return row }
            guard let value = try UInt64(numeral: texts[row], kind, point) else { return row }
            values[row] = value
            row &+= 1
        }
    }

    /// Why a text is no value of the column, and what to write.
    package func complaint(_ text: Text) throws(TableError) -> [UInt8] {
        var message = [UInt8]("column '".utf8) + column.name + [UInt8]("': '".utf8)
        message += text.buffer.prefix(40)
        if text.count > 40 { message += [UInt8]("...".utf8) }
        message += [UInt8]("' is not ".utf8)
        switch column.type {
        case .string: message += [UInt8]("a string".utf8)
        case .number: message += [UInt8]("a number".utf8)
        case .integer: message += [UInt8]("an integer".utf8)
        case .u64: message += [UInt8]("a u64".utf8)
        case .boolean: message += [UInt8]("a boolean, true or false".utf8)
        case .time:
            if let format = column.format {
                message += [UInt8]("a time of the format '".utf8) + format + [UInt8]("'".utf8)
            } else {
                message += [UInt8]("a time in ISO 8601, such as 2024-12-31T23:59:59Z".utf8)
            }
        }
        if column.type.isNumeric, try isGrouped(text) {
            message += [UInt8](
                " (thousands separators are not read: give the column the type 'string', and t:with makes numbers without them)"
                    .utf8)
            return message
        }
        let fitting = try UInt64(numeral: text, .number, point) == nil ? "string" : "number"
        if fitting != "number" || column.type != .number {
            message += [UInt8](" (give the column the type '".utf8) + [UInt8](fitting.utf8)
            message += [UInt8]("', or use bad = \"nil\" or \"skip\")".utf8)
        }
        return message
    }
}

extension ValueParser {
    /// Whether a text is a number with separators between groups of three digits: `1,234,567.5`.
    private func isGrouped(_ text: Text) throws(TableError) -> Bool {
        if text.count > 60 { return false }
        let separators = Array(",._' ".utf8).filter { $0 != point }
        let bytes = Array(text.buffer)
        guard let place = bytes.firstIndex(where: { separators.contains($0) }), place > 0 else {
            return false
        }
        let parts = bytes[...].split(separator: point, maxSplits: 1, omittingEmptySubsequences: false)
        let groups = parts[0].split(separator: bytes[place], omittingEmptySubsequences: false)
        guard groups.count > 1, groups[0].count <= 4, groups.dropFirst().allSatisfy({ $0.count == 3 }) else {
            return false
        }
        let plain = bytes.filter { $0 != bytes[place] }
        return try plain.withText { (text) throws(TableError) in
            try UInt64(numeral: text, .number, point) != nil
        }
    }
}

/// The texts that mean null.
struct NullTexts: Sendable {
    private let texts: [[UInt8]]
    /// Bit `n` is set if a text has `n` bytes; the last bit stands for all longer ones.
    private let lengths: UInt64
    /// Whether the empty text, which needs no look at the list, is one.
    private let hasEmpty: Bool
    /// Whether one could be taken for a value, so that the list is looked at first.
    let mayBeValues: Bool

    /// - Parameter isNamed: Whether names may be values, such as those of months.
    init(_ texts: [[UInt8]], isNamed: Bool = false) {
        self.texts = texts.filter { !$0.isEmpty }
        hasEmpty = texts.contains([])
        lengths = self.texts.reduce(0) { $0 | 1 &<< UInt64(min($1.count, 63)) }
        mayBeValues = self.texts.contains { text in
            isNamed || text.contains { $0 &- 48 <= 9 } || Bool(text) != nil
        }
    }

    @inline(__always)
    func contain(_ text: Text) -> Bool {
        if text.count == 0 { return hasEmpty }
        if lengths & 1 &<< UInt64(min(text.count, 63)) == 0 { return false }
        return find(text)
    }

    @inline(never)
    private func find(_ text: Text) -> Bool {
        texts.contains { $0.count == text.count && memcmp($0, text.start, text.count) == 0 }
    }
}

/// Marks nulls in a vector that has room for them; clears the room before the first.
private struct NullMarks {
    private let marks: UnsafeMutablePointer<UInt8>?
    private(set) var isEmpty = true

    init(_ vector: Vector) { marks = vector.nulls }

    /// Whether there was room.
    @inline(__always)
    mutating func set(_ row: Int, of count: Int) -> Bool {
        guard let marks else { return false }
        if isEmpty {
            marks.update(repeating: 0, count: count)
            isEmpty = false
        }
        marks[row] = 1
        return true
    }
}

extension Bool {
    /// `true` or `false`, in any case, with blanks around.
    init?(_ text: Text) {
        var (start, end) = (0, text.count)
        while start < end, isBlank(text.start[start]) { start &+= 1 }
        while start < end, isBlank(text.start[end &- 1]) { end &-= 1 }
        guard end &- start == 4 || end &- start == 5 else { return nil }
        var letters: UInt64 = 0
        for i in start..<end { letters = letters &<< 8 | UInt64(text.start[i] | 0x20) }
        switch letters {
        case 0x7472_7565: self = true
        case 0x66_616c_7365: self = false
        default: return nil
        }
    }

    fileprivate init?(_ text: [UInt8]) {
        let value = text.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.flatMap { Bool(Text($0, bytes.count)) }
        }
        guard let value else { return nil }
        self = value
    }
}

extension Double {
    /// What is no finite number, as `t:write` writes it.
    init?(notFinite text: Text) {
        // Each byte is read once.
        var letters: UInt32 = 0
        for byte in text.buffer.prefix(4) { letters = letters << 8 | UInt32(byte) }
        switch (text.count, letters) {
        case (3, 0x4E_614E): self = .nan
        case (3, 0x69_6E66): self = .infinity
        case (4, 0x2D69_6E66): self = -.infinity
        default: return nil
        }
    }
}

extension UInt64 {
    /// The value of a column of the kind: its bits.
    init?(numeral text: Text, _ kind: NumeralKind, _ point: UInt8) throws(TableError) {
        if let value = try UInt64(luaNumeral: text, kind, point) {
            self = value
        } else if kind == .number, let value = Double(notFinite: text) {
            self = value.bitPattern
        } else {
            return nil
        }
    }

    /// The value of a column of the kind, of any text that `b:fields` accepts for it: its bits.
    init?(luaNumeral text: Text, _ kind: NumeralKind, _ point: UInt8) throws(TableError) {
        // Most are short. The copy is private, because strtod(3) reads bytes more than once.
        let few = 256
        if text.count < few {
            let bits = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: few) { room -> UInt64? in
                room.baseAddress.flatMap { UInt64(copy: text, $0, kind, point) }
            }
            guard let bits else { return nil }
            self = bits
        } else {
            let room = try Memory(text.count &+ 1)
            let bits = UInt64(copy: text, room.bound(to: UInt8.self), kind, point)
            withExtendedLifetime(room) {}
            guard let bits else { return nil }
            self = bits
        }
    }

    /// - Parameter room: Has a byte more than the text.
    private init?(
        copy text: Text, _ room: UnsafeMutablePointer<UInt8>, _ kind: NumeralKind, _ point: UInt8
    ) {
        room.update(from: text.start, count: text.count)
        room[text.count] = 0
        if point != UInt8(ascii: ".") {
            for i in 0..<text.count {
                if room[i] == UInt8(ascii: ".") { return nil }
                if room[i] == point { room[i] = UInt8(ascii: ".") }
            }
        }
        let bytes = UnsafeRawBufferPointer(start: room, count: text.count)
        if kind == .u64, let value = UInt64(numeral: bytes) {
            self = value
            return
        }
        let characters = UnsafeRawPointer(room).assumingMemoryBound(to: CChar.self)
        switch (LuaNumeral(characters, count: text.count), kind) {
        case (.integer(let value), .number): self = Double(value).bitPattern
        case (.float(let value), .number): self = value.bitPattern
        case (.integer(let value), .integer): self = UInt64(bitPattern: value)
        case (.float, .integer):
            guard let whole = Int64(whole: bytes) else { return nil }
            self = UInt64(bitPattern: whole)
        case (.float, .u64), (.integer, .u64):
            guard let whole = UInt64(whole: bytes) else { return nil }
            self = whole
        case (nil, _): return nil
        }
    }
}
