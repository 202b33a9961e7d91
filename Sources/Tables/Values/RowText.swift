internal import CMemoryMap

/// Rows as text: CSV, TSV, JSON lines.
package struct RowText: Sendable {
    package enum Format: Sendable {
        /// RFC 4180, with `\n` after each row. The separator is a comma, or a tab in TSV.
        case separated(by: UInt8)
        /// A JSON object a line.
        case jsonLines
    }

    private let format: Format
    private let columns: [Column]
    /// What is written before each value.
    private let leads: [[UInt8]]

    package init(_ format: Format, _ columns: [Column]) throws(TableError) {
        self.format = format
        self.columns = columns
        var leads: [[UInt8]] = []
        for (index, column) in columns.enumerated() {
            switch format {
            case .separated(let separator): leads.append(index == 0 ? [] : [separator])
            case .jsonLines:
                var output = TextOutput(try List())
                try output.write([index == 0 ? UInt8(ascii: "{") : UInt8(ascii: ",")])
                let wrong = try column.name.withText { (text) throws(TableError) in
                    try output.writeJSON(text)
                }
                if let wrong {
                    throw TableError(
                        "the name of column \(index + 1), '\(shown(column.name))', is no UTF-8 from its byte \(wrong) on, and JSON is: t:rename gives it another"
                    )
                }
                try output.write([UInt8(ascii: ":")])
                let lead = output.finish()
                leads.append([UInt8](UnsafeBufferPointer(start: lead.base, count: lead.count)))
            }
        }
        self.leads = leads
    }

    /// Adds the header, which JSON lines have none of.
    package func appendHeader(to list: inout List<UInt8>) throws(TableError) {
        guard case .separated(let separator) = format else { return }
        var output = TextOutput(list)
        for (index, column) in columns.enumerated() {
            try output.write(leads[index])
            // Readers drop a byte order mark at the start of a file.
            let hasMark = index == 0 && column.name.starts(with: [0xef, 0xbb, 0xbf])
            try column.name.withText { (text) throws(TableError) in
                try output.writeSeparated(text, separator, isQuoted: hasMark || text.count == 0)
            }
        }
        try output.require(1)
        output.write(UInt8(ascii: "\n"))
        list = output.finish()
    }

    /// A string that the format cannot say: JSON is UTF-8.
    package struct Misfit {
        /// In the batch.
        package let row: Int
        fileprivate let column: Int
        /// Of the first byte that is none, in the string.
        fileprivate let byte: Int
    }

    /// Says what is wrong with a string of a row of the whole table.
    package func complaint(_ misfit: Misfit, row: Int) -> TableError {
        TableError(
            "column '\(shown(columns[misfit.column].name))', row \(row): the string is no UTF-8 from its byte \(misfit.byte) on, and JSON is; write CSV, or make UTF-8 of the source with iconv(1)"
        )
    }

    /// Adds the rows of a batch, which has all columns. Strings may be in a mapping that others write.
    ///
    /// - Returns: The first string that does not fit; then the text ends somewhere in its row.
    package func append(_ batch: Batch, to list: inout List<UInt8>) throws(TableError) -> Misfit? {
        var output = TextOutput(list)
        // A row costs no retain or bounds check this way.
        var cells: [Cell] = []
        var start = 0
        for (index, column) in columns.enumerated() {
            guard let vector = batch.vectors[index] else { continue }
            let end = start &+ leads[index].count
            cells.append(Cell(type: column.type, vector: vector, lead: start..<end))
            start = end
        }
        let leads = leads.flatMap { $0 }
        // Apart from strings.
        let room = leads.count &+ cells.count &* NumberText.room &+ 16
        var misfit: Misfit?
        do {
            try leads.withUnsafeBufferPointer { (leads) throws(TableError) in
                try cells.withUnsafeBufferPointer { (cells) throws(TableError) in
                    switch format {
                    case .separated(let separator):
                        for row in 0..<batch.count {
                            try writeSeparated(row, cells, separator, room, &output)
                        }
                    case .jsonLines:
                        for row in 0..<batch.count where misfit == nil {
                            misfit = try writeJSON(row, cells, leads, room, &output)
                        }
                    }
                }
            }
        }
        list = output.finish()
        return misfit
    }

    private struct Cell {
        let type: ColumnType
        let vector: Vector
        /// In the bytes of all leads.
        let lead: Range<Int>
    }

    @inline(__always)
    private func writeSeparated(
        _ row: Int, _ cells: UnsafeBufferPointer<Cell>, _ separator: UInt8, _ room: Int,
        _ output: inout TextOutput
    ) throws(TableError) {
        try output.require(room)
        for index in 0..<cells.count {
            let cell = cells[index]
            if index > 0 { output.write(separator) }
            if let nulls = cell.vector.nulls, nulls[row] != 0 { continue }
            switch cell.type {
            case .string:
                try output.writeSeparated(cell.vector.texts[row], separator)
                try output.require(room)
            case .number: output.place = NumberText.write(cell.vector.doubles[row], output.place)
            case .integer: output.place = NumberText.write(cell.vector.integers[row], output.place)
            case .u64: output.place = NumberText.write(cell.vector.words[row], output.place)
            case .boolean: output.write(cell.vector.words[row] != 0)
            case .time: output.place = TimeISO.write(cell.vector.doubles[row], output.place)
            }
        }
        output.write(UInt8(ascii: "\n"))
    }

    @inline(__always)
    private func writeJSON(
        _ row: Int, _ cells: UnsafeBufferPointer<Cell>, _ leads: UnsafeBufferPointer<UInt8>, _ room: Int,
        _ output: inout TextOutput
    ) throws(TableError) -> Misfit? {
        try output.require(room)
        if cells.count == 0 { output.write(UInt8(ascii: "{")) }
        for index in 0..<cells.count {
            let cell = cells[index]
            for i in cell.lead { output.write(leads[i]) }
            if let nulls = cell.vector.nulls, nulls[row] != 0 {
                output.write("null")
                continue
            }
            switch cell.type {
            case .string:
                if let byte = try output.writeJSON(cell.vector.texts[row]) {
                    return Misfit(row: row, column: index, byte: byte)
                }
                try output.require(room)
            case .integer: output.place = NumberText.write(cell.vector.integers[row], output.place)
            case .u64: output.place = NumberText.write(cell.vector.words[row], output.place)
            case .boolean: output.write(cell.vector.words[row] != 0)
            case .number:
                let value = cell.vector.doubles[row]
                if !value.isFinite {
                    output.write("null")
                } else {
                    output.place = NumberText.write(value, output.place)
                }
            case .time:
                let value = cell.vector.doubles[row]
                if !value.isFinite {
                    output.write("null")
                } else {
                    output.write(UInt8(ascii: "\""))
                    output.place = TimeISO.write(value, output.place)
                    output.write(UInt8(ascii: "\""))
                }
            }
        }
        output.write(UInt8(ascii: "}"))
        output.write(UInt8(ascii: "\n"))
        return nil
    }
}

extension TextOutput {
    /// There is room.
    @inline(__always)
    mutating func write(_ value: Bool) {
        if value { write("true") } else { write("false") }
    }

    // MARK: CSV

    /// Writes a string, in quotes where it would not read back equal without.
    @inline(__always)
    mutating func writeSeparated(
        _ text: Text, _ separator: UInt8, isQuoted: Bool = false
    ) throws(TableError) {
        if !isQuoted && isShort(text) {
            try require(16)
            if mm_copy_field(place, text.start, text.count, separator) {
                place += text.count
                return
            }
        }
        try writeLong(text, separator, isQuoted)
    }

    @inline(never)
    private mutating func writeLong(
        _ text: Text, _ separator: UInt8, _ isQuoted: Bool
    ) throws(TableError) {
        let mark = place - list.base
        if !isQuoted, text.count > 0, try copyPlain(text, separator) { return }
        place = list.base + mark
        try require(2)
        write(UInt8(ascii: "\""))
        var start = 0
        while start < text.count {
            let end = min(text.count, start &+ 4096)
            try require(2 &* (end &- start) &+ 2)
            for i in start..<end {
                let byte = text.start[i]
                place[0] = byte
                place[1] = byte
                place += byte == UInt8(ascii: "\"") ? 2 : 1
            }
            start = end
        }
        try require(1)
        write(UInt8(ascii: "\""))
    }

    /// Copies a string until a byte needs quotes; whether none did.
    private mutating func copyPlain(_ text: Text, _ separator: UInt8) throws(TableError) -> Bool {
        var start = 0
        while start &+ 16 <= text.count {
            try require(16)
            if !mm_copy_field(place, text.start + start, 16, separator) { return false }
            place += 16
            start &+= 16
        }
        try require(16)
        for i in start..<text.count {
            let byte = text.start[i]
            if byte == separator || byte == UInt8(ascii: "\"") || byte == 10 || byte == 13 { return false }
            place[0] = byte
            place += 1
        }
        return true
    }

    // MARK: JSON

    /// Writes a string in quotes. Returns the place of the first byte that is no UTF-8; nothing after it is written.
    @inline(__always)
    mutating func writeJSON(_ text: Text) throws(TableError) -> Int? {
        if isShort(text) {
            try require(18)
            if mm_copy_json(place + 1, text.start, text.count) {
                place[0] = UInt8(ascii: "\"")
                place[text.count &+ 1] = UInt8(ascii: "\"")
                place += text.count &+ 2
                return nil
            }
        }
        return try writeLongJSON(text)
    }

    @inline(never)
    private mutating func writeLongJSON(_ text: Text) throws(TableError) -> Int? {
        try require(1)
        write(UInt8(ascii: "\""))
        var start = 0
        while start < text.count {
            // The longest form of a byte is \u001f.
            try require(6 &* 64 &+ 18)
            if start &+ 16 <= text.count && mm_copy_json(place, text.start + start, 16) {
                place += 16
                start &+= 16
                continue
            }
            let end = min(text.count, start &+ 16)
            while start < end {
                let length = writeCharacter(text.start + start, text.count &- start)
                if length == 0 { return start }
                start &+= length
            }
        }
        try require(1)
        write(UInt8(ascii: "\""))
        return nil
    }

    /// Writes the first character and returns how many bytes it had; 0 for what is no UTF-8. Reads each byte once.
    @inline(__always)
    private mutating func writeCharacter(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let byte = bytes[0]
        if byte >= 0x80 { return writeUTF8(byte, bytes, count) }
        switch byte {
        case UInt8(ascii: "\""): write("\\\"")
        case UInt8(ascii: "\\"): write("\\\\")
        case 8: write("\\b")
        case 9: write("\\t")
        case 10: write("\\n")
        case 12: write("\\f")
        case 13: write("\\r")
        case 0..<32:
            write("\\u00")
            write(48 &+ byte &>> 4)
            write(byte & 15 < 10 ? 48 &+ byte & 15 : 87 &+ byte & 15)
        default: write(byte)
        }
        return 1
    }

    /// A character that is not ASCII.
    private mutating func writeUTF8(_ first: UInt8, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: length = 4
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return 0
        }
        if length > count { return 0 }
        place[0] = first
        for i in 1..<length {
            let byte = bytes[i]
            if !(i == 1 ? second.contains(byte) : byte & 0xc0 == 0x80) { return 0 }
            place[i] = byte
        }
        place += length
        return length
    }
}

extension [UInt8] {
    /// Calls `body` with the bytes as a text.
    @inline(__always)
    func withText<Result>(_ body: (Text) throws(TableError) -> Result) throws(TableError) -> Result {
        try withUnsafeBufferPointer { (bytes) throws(TableError) in
            var none: UInt8 = 0
            guard let start = bytes.baseAddress else {
                return try withUnsafePointer(to: &none) { (none) throws(TableError) in try body(Text(none, 0))
                }
            }
            return try body(Text(start, bytes.count))
        }
    }
}
