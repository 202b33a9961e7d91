internal import CMemoryMap
internal import MemoryMap

/// How delimited text is written: the options of `b:fields`.
package struct DelimitedFormat: Sendable {
    /// 1 to 16 bytes between fields.
    package var separator: [UInt8]
    /// Nil: no field is in quotes.
    package var quote: UInt8? = UInt8(ascii: "\"")
    /// Before a quote, or itself, inside of quotes; nil: the quote is doubled.
    package var escape: UInt8?
    /// Up to 16 bytes; rows that begin with them are passed over. Empty for none.
    package var comment: [UInt8] = []
    /// The decimal point.
    package var point = UInt8(ascii: ".")
    /// A run of separators is one, and there is none at the start of a row. Then no field is in quotes.
    package var merges = false
    /// A quote may also be a plain byte.
    package var isLazy = false
    /// Rows without a byte are passed over.
    package var skipsBlank = false
    /// Fields that are null; in string columns only where they are not in quotes.
    package var nulls: [[UInt8]] = [[]]
    package var bad = BadValues.error
    /// Whether the first row names the columns; nil: where no columns are given.
    package var hasHeader: Bool?

    package init(separator: [UInt8]) { self.separator = separator }

    var quotes: UInt8? { merges ? nil : quote }

    /// Whether a row of this format can be read by the scanner for one separator byte and doubled quotes.
    var isPlain: Bool {
        separator.count == 1 && !merges && (quotes == nil || !isLazy && (escape == nil || escape == quote))
    }

    /// Where rows end.
    var cutter: RowCutter {
        guard let quote = quotes else { return RowCutter(.lines, self) }
        // The number of quotes tells where fields end only where every quote is one of a pair.
        let isCounted = isPlain && comment.isEmpty && bad != .skip
        return RowCutter(isCounted ? .quotes(quote) : .rows(quote), self)
    }

    /// The first thing that contradicts another; nil for none.
    package var contradiction: StaticString? {
        if separator.isEmpty || separator.count > Int(MM_LONGEST_SEPARATOR) {
            return "sep: 1 to 16 bytes expected"
        }
        if comment.count > Int(MM_LONGEST_SEPARATOR) { return "comment: up to 16 bytes expected" }
        if separator.contains(UInt8(ascii: "\n")) { return "sep: a newline ends a row" }
        guard let quote = quotes else { return nil }
        if separator.contains(quote) { return "sep: it has a quote in it" }
        if quote == UInt8(ascii: "\n") { return "quote: a newline ends a row" }
        if let escape, separator.contains(escape) || escape == UInt8(ascii: "\n") {
            return "escape: a separator has it"
        }
        return nil
    }

    /// A walk over the rows of bytes `position ..< end` of a region.
    func rows(_ region: mm_region, _ position: Int, _ end: Int) -> mm_rows {
        var rows = mm_rows(
            region: region, position: position, end: end, given: 0, counted_to: position, counted_line: 1,
            separator: mm_separator(separator), line: mm_separator([UInt8(ascii: "\n")]),
            comment: mm_separator(comment), quote: quotes ?? 0, escape: escape ?? quotes ?? 0, point: point,
            takes_return: true, quoted: quotes != nil, lazy: quotes != nil && isLazy, merges: merges,
            skips_blank: skipsBlank, header: false, optional_text: false, special: false, count: 0, types: nil
        )
        mm_settle_rows(&rows)
        return rows
    }
}

extension mm_separator {
    /// The first 16 bytes of an array.
    init(_ bytes: [UInt8]) {
        self.init()
        count = UInt32(truncatingIfNeeded: min(bytes.count, Int(MM_LONGEST_SEPARATOR)))
        withUnsafeMutableBytes(of: &self.bytes) { $0.copyBytes(from: bytes.prefix($0.count)) }
    }
}
