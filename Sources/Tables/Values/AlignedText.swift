internal import CMemoryMap

/// Rows for people: names, types, and values beneath each other.
///
/// Numbers are aligned at the decimal point. A null is `null`; a string that looks like it, or like nothing, is in quotes.
package struct AlignedText {
    private let columns: [Column]
    private let width: Int
    private let dots: [UInt8]

    /// - Parameters:
    ///   - width: Columns of the terminal; nil if lines may have any length.
    ///   - isUnicode: Whether the terminal shows more than ASCII.
    package init(_ columns: [Column], width: Int?, isUnicode: Bool) {
        self.columns = columns
        self.width = max(width ?? .max, 20)
        dots = [UInt8]((isUnicode ? "…" : "...").utf8)
    }

    /// - Parameters:
    ///   - rows: The first rows, with all columns. Their strings may be in a mapping that others write.
    ///   - total: How many rows there are in all; nil if unknown.
    ///   - hasMore: Whether there are more than these, where the number is not known.
    package func bytes(_ rows: Batch, total: Int?, hasMore: Bool = false) throws(TableError) -> [UInt8] {
        var grid: [GridColumn] = []
        for (index, column) in columns.enumerated() {
            // What is left of a terminal's line after ten columns at least.
            let most = min(width, Self.longest)
            if let vector = rows.vectors[index] {
                grid.append(try GridColumn(column, vector, rows.count, most, dots))
            }
        }
        fit(&grid)
        var lines: [UInt8] = []
        for line in 0..<rows.count &+ 2 where !grid.isEmpty {
            var text: [UInt8] = []
            for (index, column) in grid.enumerated() {
                if index > 0 { text += [32, 32] }
                column.append(line, to: &text, dots)
            }
            while text.last == 32 { text.removeLast() }
            lines += text
            lines.append(10)
        }
        lines += footer(rows.count, total, hasMore)
        let missing = columns.count &- grid.count
        if missing > 0 {
            let names = columns.suffix(missing).map { Shown($0.name, 20, dots).bytes }
            let line =
                [UInt8]("\(missing) more column\(missing == 1 ? "" : "s"): ".utf8)
                + [UInt8](names.joined(separator: [UInt8]([44, 32])))
            lines.append(10)
            lines += dots + [32] + Shown(line, width &- 4, dots).bytes
        }
        return lines
    }

    /// A cell without a terminal to fit in has at most so many columns.
    private static var longest: Int { 1000 }

    private func footer(_ count: Int, _ total: Int?, _ hasMore: Bool) -> [UInt8] {
        func rows(_ count: Int) -> String { "\(count) row\(count == 1 ? "" : "s")" }
        guard let total else {
            return hasMore ? dots + [UInt8](" more rows".utf8) : [UInt8](rows(count).utf8)
        }
        if total <= count { return [UInt8](rows(total).utf8) }
        return dots + [UInt8](" \(total &- count) more, \(rows(total)) in all".utf8)
    }

    /// Makes columns narrower, the widest first, and leaves out the last ones, until all fits.
    private func fit(_ grid: inout [GridColumn]) {
        func sum(_ cap: Int) -> Int {
            grid.reduce(0) { $0 &+ $1.width(cap) &+ 2 } &- 2
        }
        if sum(.max) <= width { return }
        while grid.count > 1, sum(0) > width { grid.removeLast() }
        var (low, high) = (0, width)
        while low < high {
            let cap = (low &+ high &+ 1) / 2
            if sum(cap) <= width { low = cap } else { high = cap &- 1 }
        }
        for index in grid.indices { grid[index].cut = max(1, min(grid[index].width(low), width)) }
    }
}

/// A text that is safe to show, cut to a number of columns.
private struct Shown {
    private(set) var bytes: [UInt8] = []
    /// Columns.
    private(set) var width = 0

    init(_ text: [UInt8], _ most: Int, _ dots: [UInt8]) {
        text.withUnsafeBufferPointer { text in
            if let start = text.baseAddress { append(Text(start, text.count), most, dots) }
        }
    }

    init(_ text: Text, _ most: Int, _ dots: [UInt8]) {
        if text.count > 0 { append(text, most, dots) }
    }

    /// Copies each character before it is judged: others may write the text meanwhile.
    private mutating func append(_ text: Text, _ most: Int, _ dots: [UInt8]) {
        let dotsWidth = dots.count == 3 && dots[0] != UInt8(ascii: ".") ? 1 : dots.count
        var place = 0
        /// The last place where dots would fit.
        var (cutBytes, cutWidth) = (0, 0)
        while place < text.count {
            var copy = InlineArray<4, CChar>(repeating: 0)
            let available = min(4, text.count &- place)
            for i in 0..<available { copy[i] = CChar(bitPattern: text.start[place &+ i]) }
            var (length, columns) = (0, 0)
            withUnsafePointer(to: &copy) { copy in
                let character = UnsafeRawPointer(copy).assumingMemoryBound(to: CChar.self)
                length = mm_shown(character, available)
                columns = length > 0 ? Int(mm_columns(character, length)) : 4
            }
            if width &+ dotsWidth <= most { (cutBytes, cutWidth) = (bytes.count, width) }
            if width &+ columns > most {
                bytes.removeSubrange(cutBytes...)
                bytes += dots
                width = cutWidth &+ dotsWidth
                return
            }
            if length > 0 {
                for i in 0..<length { bytes.append(UInt8(bitPattern: copy[i])) }
            } else {
                let digits = [UInt8]("0123456789abcdef".utf8)
                let byte = UInt8(bitPattern: copy[0])
                bytes += [
                    UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)],
                ]
            }
            width &+= columns
            place &+= max(length, 1)
        }
    }

    mutating func quote() {
        bytes = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
        width &+= 2
    }
}

/// A column of the text: its name, its type, and its values.
private struct GridColumn {
    private struct Cell {
        var shown: Shown
        /// Columns before the decimal point of a number; nil for what is aligned as a whole.
        var point: Int?
    }

    private var cells: [Cell]
    private let isRight: Bool
    /// Columns before the point, and from it on.
    private var before = 0
    private var after = 0
    private var whole = 0
    private let least: Int
    /// Columns that the column may take.
    var cut = Int.max

    init(_ column: Column, _ vector: Vector, _ count: Int, _ most: Int, _ dots: [UInt8]) throws(TableError) {
        isRight = column.type.isNumeric
        let type = [UInt8]("\(column.type.name)".utf8)
        cells = [Cell(shown: Shown(column.name, most, dots)), Cell(shown: Shown(type, most, dots))]
        for row in 0..<count { cells.append(try Self.cell(column.type, vector, row, most, dots)) }
        for cell in cells {
            if let point = cell.point {
                before = max(before, point)
                after = max(after, cell.shown.width &- point)
            } else {
                whole = max(whole, cell.shown.width)
            }
        }
        // Numbers are not cut.
        let values = cells.dropFirst().reduce(before &+ after) { max($0, $1.shown.width) }
        least = isRight ? values : min(10, max(whole, values))
    }

    private static func cell(
        _ type: ColumnType, _ vector: Vector, _ row: Int, _ most: Int, _ dots: [UInt8]
    ) throws(TableError) -> Cell {
        if vector.isNull(row) { return Cell(shown: Shown([UInt8]("null".utf8), most, dots)) }
        if type == .string {
            let text = vector.texts[row]
            var shown = Shown(text, max(most &- 2, 4), dots)
            let bytes = shown.bytes
            let isLikeNull = bytes.isEmpty || bytes.elementsEqual("null".utf8)
            let isBordered = bytes.first == 32 || bytes.last == 32 || bytes.first == UInt8(ascii: "\"")
            if isLikeNull || isBordered { shown.quote() }
            return Cell(shown: shown)
        }
        let text = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.room) {
            room -> [UInt8] in
            guard let start = room.baseAddress else { return [] }
            let end =
                switch type {
                case .integer: NumberText.write(vector.integers[row], start)
                case .u64: NumberText.write(vector.words[row], start)
                case .time: TimeISO.write(vector.doubles[row], start)
                case .boolean: start
                case .number, .string: NumberText.writeRounded(vector.doubles[row], start)
                }
            if type == .boolean { return [UInt8]((vector.words[row] != 0 ? "true" : "false").utf8) }
            return [UInt8](UnsafeBufferPointer(start: start, count: end - start))
        }
        let shown = Shown(text, text.count, dots)
        let end = text.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "e") } ?? text.count
        return Cell(shown: shown, point: type.isNumeric ? end : nil)
    }

    /// How wide the column is where those that can be cut have at most `cap` columns.
    func width(_ cap: Int) -> Int { min(max(least, min(max(whole, before &+ after), cap)), cut) }

    func append(_ line: Int, to text: inout [UInt8], _ dots: [UInt8]) {
        let width = width(.max)
        let cell = cells[line]
        var shown = cell.shown
        if shown.width > width { shown = Shown(shown.bytes, width, dots) }
        // Digits after the point are beneath each other; names end where the digits do.
        let right = cell.point.map { max(0, after &- (shown.width &- $0)) } ?? 0
        let left = isRight ? max(0, width &- shown.width &- right) : 0
        let end = isRight ? right : width &- shown.width
        text += repeatElement(32, count: left)
        text += shown.bytes
        text += repeatElement(32, count: max(0, end))
    }
}
