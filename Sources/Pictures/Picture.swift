internal import CMemoryMap
internal import Glibc
package import MemoryMap

/// The style of a picture.
package struct PictureStyle: Sendable {
    /// The width of the text, 20 to 512 columns.
    package var columns = 80
    /// The largest number of lines of cells, 1 to 64.
    package var rows = 4
    /// Whether to use ASCII instead of block characters.
    package var isPlain = true
    /// Whether to write escape sequences for color.
    package var isColored = false

    package init() {}

    /// The largest size of a picture in bytes.
    package var capacity: Int { (columns &* 16 &+ 64) &* (rows &+ 8) }

    /// The number of cells in a line, which begins with the number of its first page.
    func cells(pages: Int) -> Int {
        var digits = 1
        var rest = pages / 10
        while rest > 0 {
            digits &+= 1
            rest /= 10
        }
        let room = columns &- digits &- 2
        return room >= 16 ? room & ~15 : max(room, 1)
    }
}

/// The state that a cell shows.
private enum Cell: UInt8 {
    case none, some, all, dirty, copied, arrived, someArrived, left, someLeft

    static let every: [Cell] = [
        .none, .some, .all, .dirty, .copied, .arrived, .someArrived, .left, .someLeft,
    ]

    var glyph: (plain: StaticString, block: StaticString) {
        switch self {
        case .none: (".", "·")
        case .some: ("-", "▒")
        case .all: ("#", "█")
        case .dirty: ("D", "◆")
        case .copied: ("C", "●")
        case .arrived: ("+", "▲")
        case .someArrived: ("i", "△")
        case .left: ("x", "▼")
        case .someLeft: ("o", "▽")
        }
    }

    /// Colors that are readable on light and dark backgrounds.
    var color: StaticString {
        switch self {
        case .none: "\u{1B}[2m"
        case .some, .all: "\u{1B}[32m"
        case .dirty: "\u{1B}[31m"
        case .copied: "\u{1B}[35m"
        case .arrived, .someArrived: "\u{1B}[36m"
        case .left, .someLeft: "\u{1B}[33m"
        }
    }

    var meaning: StaticString {
        switch self {
        case .none: "absent"
        case .some: "partly"
        case .all: "in memory"
        case .dirty: "dirty"
        case .copied: "private copy"
        case .arrived: "came in"
        case .someArrived: "came in partly"
        case .left: "went out"
        case .someLeft: "went out partly"
        }
    }
}

/// A picture of a mapping's pages: which are in memory, dirty, or copied, and which changed.
package struct Picture {
    private let bytes: MappedBytes
    private let style: PictureStyle
    private let resident: PageBits
    private let copied: PageBits
    private let before: PageBits?

    /// - Parameters:
    ///   - resident: A set for the number of pages of `pageSpan`, which `draw` fills.
    ///   - copied: As `resident`.
    ///   - before: The pages that were in memory at an earlier time, for comparison.
    package init(
        _ bytes: MappedBytes, _ style: PictureStyle, resident: PageBits, copied: PageBits, before: PageBits?
    ) {
        (self.bytes, self.style) = (bytes, style)
        (self.resident, self.copied, self.before) = (resident, copied, before)
    }

    /// Reads the state of the mapping and draws it.
    ///
    /// - Parameters:
    ///   - title: The name of the mapping, safe for a terminal.
    ///   - target: At least `PictureStyle.capacity` bytes.
    ///   - ending: Text after each line.
    /// - Returns: The number of bytes and of lines written.
    /// - Throws: As `MappedBytes.residency`.
    package func draw(
        title: UnsafePointer<CChar>, into target: UnsafeMutableBufferPointer<UInt8>,
        ending: StaticString, shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) -> (count: Int, lines: Int) {
        resident.clear()
        copied.clear()
        try bytes.residency(0, nil, into: resident, shouldContinue: shouldContinue)
        try bytes.divergedPages(0, nil, into: copied, shouldContinue: shouldContinue)
        var canvas = Canvas(
            text: FixedText(target), style: style, ending: ending, pages: resident.count,
            cells: style.cells(pages: resident.count))
        canvas.heading(title, bytes)
        let dirty = try DirtyPages(bytes, shouldContinue)
        defer { dirty.close() }
        var seen: UInt16 = 0
        try canvas.rows { range throws(MapError) in
            if !shouldContinue(range.lowerBound) { throw MapError(.interrupted) }
            let cell = cell(range, dirty)
            seen |= 1 << cell.rawValue
            return cell
        }
        canvas.counts(resident: resident, copied: copied, dirty: dirty.total)
        if let before { canvas.changes(resident, before) }
        if seen != 0 { canvas.legend(seen) }
        return (canvas.text.count, canvas.lines)
    }

    private func cell(_ range: Range<Int>, _ dirty: DirtyPages) -> Cell {
        if let before {
            var (came, went) = (0, 0)
            for page in range {
                if resident[page] && !before[page] { came &+= 1 }
                if before[page] && !resident[page] { went &+= 1 }
            }
            if came == range.count { return .arrived }
            if went == range.count { return .left }
            if came > 0 && came >= went { return .someArrived }
            if went > 0 { return .someLeft }
        }
        if copied.count(in: range) > 0 { return .copied }
        let count = resident.count(in: range)
        if count == 0 { return .none }
        if dirty.count(range) > 0 { return .dirty }
        return count == range.count ? .all : .some
    }
}

/// The text of a picture.
private struct Canvas {
    var text: FixedText
    let style: PictureStyle
    let ending: StaticString
    let pages: Int
    /// Cells in a line.
    let cells: Int
    var lines = 0
    /// Columns used in the current line.
    private var column = 0
    private var color: Cell?

    init(text: FixedText, style: PictureStyle, ending: StaticString, pages: Int, cells: Int) {
        (self.text, self.style, self.ending) = (text, style, ending)
        (self.pages, self.cells) = (pages, cells)
    }

    private mutating func endLine() {
        text.text(ending)
        lines &+= 1
        column = 0
    }

    /// Writes the end of the title as far as it fits, the protection, and the sizes.
    mutating func heading(_ title: UnsafePointer<CChar>, _ bytes: MappedBytes) {
        let slot = bytes.region.slot.pointee
        let length = strlen(title)
        let room = max(style.columns &- 42, 8)
        var start = max(length &- room, 0)
        // Does not begin in the middle of a character.
        while start < length && UInt8(bitPattern: title[start]) & 0xC0 == 0x80 { start &+= 1 }
        if start > 0 { text.text(style.isPlain ? "..." : "…") }
        for index in start..<length {
            let byte = UInt8(bitPattern: title[index])
            text.put(style.isPlain && byte > 0x7F ? UInt8(ascii: "?") : byte)
        }
        text.text("  ")
        text.text(slot.protection & PROT_READ != 0 ? "r" : "-")
        text.text(slot.protection & PROT_WRITE != 0 ? "w" : "-")
        text.text(slot.protection & PROT_EXEC != 0 ? "x" : "-")
        text.text(MapFlags(rawValue: slot.flags).isShared ? "s" : "p")
        text.text("  ")
        text.size(bytes.count)
        text.text("  ")
        number(pages, "page")
        text.text(" of ")
        text.size(pageSize)
        endLine()
    }

    private mutating func number(_ count: Int, _ noun: StaticString) {
        text.decimal(count)
        text.text(" ")
        text.text(noun)
        if count != 1 { text.text("s") }
    }

    /// The number of pages in a cell: a power of two, so that cells begin at round numbers.
    private var perCell: Int {
        var result = 1
        while (pages &- 1) / result >= cells &* style.rows { result <<= 1 }
        return result
    }

    mutating func rows(_ cell: (Range<Int>) throws(MapError) -> Cell) throws(MapError) {
        let perCell = perCell
        var width = 1
        var rest = pages / 10
        while rest > 0 {
            width &+= 1
            rest /= 10
        }
        var page = 0
        while page < pages {
            label(page, width)
            var used = 0
            while used < cells && page < pages {
                let end = min(page &+ perCell, pages)
                paint(try cell(page..<end))
                page = end
                used &+= 1
            }
            plain()
            endLine()
        }
    }

    private mutating func label(_ page: Int, _ width: Int) {
        var digits = 1
        var rest = page / 10
        while rest > 0 {
            digits &+= 1
            rest /= 10
        }
        for _ in 0..<max(width &- digits, 0) { text.text(" ") }
        text.decimal(page)
        text.text(" ")
    }

    private mutating func paint(_ cell: Cell) {
        if style.isColored && color?.color.utf8Start != cell.color.utf8Start {
            if color != nil { text.text("\u{1B}[0m") }
            text.text(cell.color)
            color = cell
        }
        text.text(style.isPlain ? cell.glyph.plain : cell.glyph.block)
    }

    private mutating func plain() {
        if color != nil { text.text("\u{1B}[0m") }
        color = nil
    }

    mutating func counts(resident: PageBits, copied: PageBits, dirty: Int) {
        let count = resident.count(in: 0..<pages)
        text.text("in memory ")
        amount(count)
        if pages > 0 {
            let percent = count &* 100 / pages
            // 0 % is shown only for no pages at all.
            text.text(percent == 0 && count > 0 ? " (<" : " (")
            text.decimal(max(percent, count > 0 ? 1 : 0))
            text.text(" %)")
        }
        if dirty > 0 {
            endLine()
            text.text("dirty, not on the disk yet ")
            amount(dirty)
        }
        let copies = copied.count(in: 0..<pages)
        if copies > 0 {
            endLine()
            text.text("private copies ")
            amount(copies)
        }
        endLine()
    }

    private mutating func amount(_ count: Int) {
        number(count, "page")
        text.text(", ")
        text.size(count &* pageSize)
    }

    mutating func changes(_ now: PageBits, _ before: PageBits) {
        change("came in ", now, before)
        change("went out ", before, now)
    }

    /// Writes the number of pages that are in one set and not in the other, and their first runs.
    private mutating func change(_ what: StaticString, _ these: PageBits, _ those: PageBits) {
        var total = 0
        var runs = 0
        eachDifference(these, those) { range in
            total &+= range.count
            runs &+= 1
        }
        text.text(what)
        if total == 0 {
            text.text("nothing")
        } else {
            amount(total)
            text.text(": ")
        }
        let shown = max((style.columns &- 40) / 12, 1)
        var listed = 0
        eachDifference(these, those) { range in
            listed &+= 1
            if listed > shown { return }
            if listed > 1 { text.text(", ") }
            text.decimal(range.lowerBound)
            if range.count > 1 {
                text.text(style.isPlain ? "-" : "–")
                text.decimal(range.upperBound &- 1)
            }
        }
        if runs > shown {
            text.text(" and ")
            number(runs &- shown, "more run")
        }
        endLine()
    }

    private func eachDifference(
        _ these: PageBits, _ those: PageBits, _ body: (Range<Int>) -> Void
    ) {
        var page = 0
        while let run = these.run(from: page) {
            var start = run.lowerBound
            while start < run.upperBound {
                if those[start] {
                    start &+= 1
                    continue
                }
                var end = start &+ 1
                while end < run.upperBound && !those[end] { end &+= 1 }
                body(start..<end)
                start = end
            }
            page = run.upperBound
        }
    }

    /// Writes the meanings of the glyphs in use, given by their bits.
    mutating func legend(_ seen: UInt16) {
        var used = 0
        for cell in Cell.every where seen & (1 << cell.rawValue) != 0 {
            // Only as many as fit in the line.
            used &+= cell.meaning.utf8CodeUnitCount &+ 5
            if used > style.columns { break }
            if used > cell.meaning.utf8CodeUnitCount &+ 5 { text.text("   ") }
            paint(cell)
            plain()
            text.text(" ")
            text.text(cell.meaning)
        }
        let perCell = perCell
        if perCell > 1 && used &+ 24 <= style.columns {
            text.text("   (")
            text.decimal(perCell)
            text.text(" pages each)")
        }
        endLine()
    }
}
