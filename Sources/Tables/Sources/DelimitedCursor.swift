internal import CMemoryMap
internal import MemoryMap

/// The rows of delimited text.
package final class DelimitedStream: TextStream {
    /// For each file where its columns are.
    private let shapes: [DelimitedShape]

    init(
        _ columns: [Column], _ format: DelimitedFormat, _ shapes: [DelimitedShape], _ blocks: TextBlocks,
        total: Int, _ run: Run, wanted: [Bool], filters: [Predicate], _ tally: Tally
    ) throws(TableError) {
        self.shapes = shapes
        try super.init(
            columns, format, mostFields: shapes.reduce(0) { max($0, $1.fields) }, blocks, total: total, run,
            wanted: wanted, filters: filters, tally)
    }

    override func cursor(_ block: TextBlock, _ work: TextWork) throws(TableError) -> TextCursor {
        DelimitedCursor(self, shapes[block.number], block, work)
    }
}

/// Where the columns of a table are in a file.
struct DelimitedShape: Sendable {
    /// The number of fields of each row.
    let fields: Int
    /// By column.
    let places: [Int]
}

/// Rows from this size of a block on, in bytes, which are some very long ones, are read by `mm_rows`, which polls.
private var hugeBlock: Int { 64 << 20 }

/// The rows of a block of delimited text.
package final class DelimitedCursor: TextCursor {
    private let run: Run
    private let bad: BadValues
    private let shape: DelimitedShape
    private let scanner: FieldScanner
    private let isPlain: Bool
    private let targets: FieldTargets
    private var rows: mm_rows

    init(_ stream: DelimitedStream, _ shape: DelimitedShape, _ block: TextBlock, _ work: TextWork) {
        (run, bad, self.shape) = (stream.run, stream.format.bad, shape)
        scanner = FieldScanner(stream.format, fields: shape.fields)
        isPlain = stream.format.isPlain && block.range.count < hugeBlock
        targets = work.targets(shape.fields, shape.places)
        rows = stream.format.rows(block.file.region, block.range.lowerBound, block.range.upperBound)
        super.init(stream, block, work)
    }

    // MARK: Fields

    /// Cuts the next rows into fields and returns their number.
    override func scan(_ base: UnsafePointer<UInt8>) throws(TableError) -> Int {
        let end = block.range.upperBound
        var count = 0
        rows.region = region
        while count < Batch.capacity, place < end, failure == nil {
            if isPlain {
                count = scanner.scan(
                    base, &place, end, readable: region.length, targets, work.starts, from: count,
                    room: Batch.capacity)
                if count == Batch.capacity || place >= end { break }
            }
            if try scanRow(count) { count &+= 1 }
        }
        return count
    }

    /// Cuts a row that may have anything; false if there is none or it does not fit.
    private func scanRow(_ row: Int) throws(TableError) -> Bool {
        var state = mm_row()
        var fields = 0
        rows.position = place
        guard mm_begin_row(&rows, &state) else { return false }
        repeat {
            let count = try take(&state)
            if count == ScanStatus.end.rawValue {
                place = block.range.upperBound
                return false
            }
            place = state.position
            guard count >= 0 else {
                // Left out, this row would take the rest of the file with it.
                let isFatal = count == ScanStatus.unclosedQuote.rawValue
                try refuse(state.start, always: isFatal) {
                    $0.explain(ScanStatus(rawValue: count), field: state.column &+ 1)
                }
                return false
            }
            guard let base = rows.region.base else { return false }
            for i in 0..<Int(count) {
                if fields < shape.fields, let target = targets[fields] {
                    let found = work.found[i]
                    let marks =
                        (found.quoted ? quotedMark : 0)
                        | (found.kind == UInt8(MM_FIELD_DOUBLED) ? escapedMark : 0)
                    target[row] = Text(base + found.start, found.length | marks)
                }
                fields &+= 1
            }
        } while !state.complete
        place = state.position
        work.starts[row] = state.start
        if fields == shape.fields { return true }
        if bad == .null {
            for field in fields..<max(fields, shape.fields) {
                guard let target = targets[field], let base = rows.region.base else { continue }
                target[row] = Text(base, missingMark)
            }
            return true
        }
        let isBlank = fields == 1 && state.finish == state.start
        try refuse(state.start) { $0.explain(fields, of: shape.fields, isBlank: isBlank) }
        return false
    }

    private func take(_ state: inout mm_row) throws(TableError) -> Int32 {
        var stopped: TableError?
        let count = try mapped(path: block.file.path) { () throws(MapError) in
            try rows.scan(&state, work.found, TextWork.room) { _ in
                do throws(TableError) { try run.poll() } catch { stopped = error }
                return stopped == nil
            }
        }
        if let stopped { throw stopped }
        return count
    }
}

extension Message {
    /// Why a row cannot be cut into fields.
    fileprivate mutating func explain(_ status: ScanStatus?, field: Int) {
        put(", field ")
        put(field)
        switch status {
        case .unclosedQuote: put(": the quote is not closed")
        case .strayByte: put(": the closing quote is not at the field's end (lazyquotes = true accepts it)")
        default: put(": a quote inside a field without quotes (lazyquotes = true accepts it)")
        }
    }

    fileprivate mutating func explain(_ fields: Int, of expected: Int, isBlank: Bool) {
        put(isBlank ? ": the row is blank, but " : ": the row has ")
        if !isBlank {
            put(fields)
            put(fields == 1 ? " field, but " : " fields, but ")
        }
        put(expected)
        put(expected == 1 ? " is expected (" : " are expected (")
        put(
            isBlank
                ? "skipblank = true passes over blank rows"
                : fields < expected
                    ? "bad = \"nil\" makes missing fields null"
                    : "fields with a separator need quotes; bad = \"nil\" drops fields after the last column")
        put(", bad = \"skip\" leaves such rows out")
        if fields > 1 && expected == 1 { put("; sep = \";\" if another byte separates the fields") }
        put(")")
    }
}
