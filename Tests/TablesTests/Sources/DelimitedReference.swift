@testable import Tables

/// A field as the reference reads it.
struct ReferenceField: Equatable {
    var text: [UInt8]
    var isQuoted = false
}

/// Delimited text by the rules of b:fields, one byte after the other.
struct DelimitedReference {
    enum Row {
        case fields([ReferenceField])
        case bad
        /// It may take all rows after it along, so it is never left out.
        case unclosed
    }

    let format: DelimitedFormat
    let text: [UInt8]
    private(set) var rows: [(start: Int, row: Row)] = []

    init(_ text: [UInt8], _ format: DelimitedFormat) {
        (self.text, self.format) = (text, format)
        var place = text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        while place < text.count {
            let start = place
            if !format.comment.isEmpty, text[place...].starts(with: format.comment) {
                place = afterLine(place)
            } else if format.skipsBlank, let next = lineEnd(place) {
                place = next
            } else {
                let row = readRow(&place)
                rows.append((start, row))
            }
        }
    }

    private func byte(_ place: Int) -> UInt8? { place < text.count ? text[place] : nil }

    /// The place after the line's end that is here.
    private func lineEnd(_ place: Int) -> Int? {
        if byte(place) == 10 { return place + 1 }
        return byte(place) == 13 && byte(place + 1) == 10 ? place + 2 : nil
    }

    private func afterLine(_ place: Int) -> Int {
        (text[min(place, text.count)...].firstIndex(of: 10) ?? text.count - 1) + 1
    }

    private func separator(_ place: Int) -> Int? {
        text[min(place, text.count)...].starts(with: format.separator) ? place + format.separator.count : nil
    }

    private func readRow(_ place: inout Int) -> Row {
        var fields: [ReferenceField] = []
        let quote = format.merges ? nil : format.quote
        let escape = format.escape ?? quote
        while true {
            if format.merges { while let next = separator(place) { place = next } }
            var field = ReferenceField(text: [])
            if let quote, byte(place) == quote {
                field.isQuoted = true
                place += 1
                while true {
                    guard let next = byte(place) else { return .unclosed }
                    if next == escape, let after = byte(place + 1), after == quote || after == escape {
                        field.text.append(after)
                        place += 2
                    } else if next == quote {
                        let after = place + 1
                        if after >= text.count || separator(after) != nil || lineEnd(after) != nil { break }
                        if !format.isLazy {
                            place = afterLine(after)
                            return .bad
                        }
                        field.text.append(quote)
                        place += 1
                    } else {
                        field.text.append(next)
                        place += 1
                    }
                }
                place += 1
            } else {
                while place < text.count, separator(place) == nil, lineEnd(place) == nil {
                    if byte(place) == quote && !format.isLazy {
                        place = afterLine(place)
                        return .bad
                    }
                    field.text.append(text[place])
                    place += 1
                }
            }
            fields.append(field)
            if place >= text.count { return .fields(fields) }
            if let next = lineEnd(place) {
                place = next
                return .fields(fields)
            }
            place = separator(place) ?? text.count
        }
    }

    /// What a table of string columns has: nil for null, and where reading ends with an error.
    func table(columns: Int) -> (rows: [[[UInt8]?]], errorAt: Int?, skipped: Int) {
        var expected: Int?
        search: for (_, row) in rows {
            switch row {
            case .fields(let fields):
                expected = fields.count
                break search
            case .bad: if format.bad != .skip { break search }
            case .unclosed: break search
            }
        }
        let width = max(expected ?? columns, columns)
        var result: [[[UInt8]?]] = []
        var skipped = 0
        for (start, row) in rows {
            guard case .fields(var fields) = row else {
                if case .unclosed = row { return (result, start, skipped) }
                if format.bad != .skip { return (result, start, skipped) }
                skipped += 1
                continue
            }
            if fields.count != width {
                if format.bad == .error { return (result, start, skipped) }
                if format.bad == .skip {
                    skipped += 1
                    continue
                }
            }
            fields = Array(fields.prefix(columns))
            var values: [[UInt8]?] = fields.map {
                !$0.isQuoted && format.nulls.contains($0.text) ? nil : $0.text
            }
            while values.count < columns { values.append(nil) }
            result.append(values)
        }
        return (result, nil, skipped)
    }
}
