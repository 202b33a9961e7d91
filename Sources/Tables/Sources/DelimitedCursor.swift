internal import CMemoryMap
internal import MemoryMap

/// Rows from this size of a block on, in bytes, which are some very long ones, are read by `mm_rows`, which polls.
private var hugeBlock: Int { 64 << 20 }

/// The rows of a block of delimited text.
package final class DelimitedCursor: Cursor {
    private let stream: DelimitedStream
    private let block: TextBlock
    private let work: DelimitedWork
    private let shape: DelimitedShape
    private let scanner: FieldScanner
    private let isPlain: Bool
    private let targets: FieldTargets
    private var rows: mm_rows
    /// As the file's was when the last batch was read.
    private var region: mm_region
    private var place: Int
    /// What is wrong with the row after those of the last batch.
    private var failure: TableError?
    private var skipped = 0

    init(_ stream: DelimitedStream, _ block: TextBlock, _ work: DelimitedWork) {
        (self.stream, self.block, self.work) = (stream, block, work)
        shape = stream.shapes[block.number]
        scanner = FieldScanner(stream.format, fields: shape.fields)
        isPlain = stream.format.isPlain && block.range.count < hugeBlock
        targets = work.targets(shape)
        region = block.file.region
        rows = stream.format.rows(region, block.range.lowerBound, block.range.upperBound)
        place = block.range.lowerBound
    }

    deinit { stream.finish(work, skipped: skipped) }

    package override func next() throws(TableError) -> Batch? {
        try stream.run.poll()
        // The texts of the last batch have been read by now.
        try checkIntact()
        if failure != nil || place >= block.range.upperBound {
            // A row may not fit because the file was cut short within its last page.
            if block.isMapped { try block.file.checkReached(block.range.upperBound) }
            if let failure { throw failure }
            return nil
        }
        let batch = work.batch
        batch.count = 0
        batch.arena.removeAll()
        region = try block.current()
        rows.region = region
        guard let base = region.base else { return nil }
        let count = try scan(base)
        try read(count)
        try checkIntact()
        return batch
    }

    /// A buffer may have been moved meanwhile; then the batch is gone, but no row.
    private func checkIntact() throws(TableError) {
        if mm_was_intact(&region) { return }
        if mm_is_lost(&region) || mm_is_closed(&region) {
            try mapped(path: block.file.path) { () throws(MapError) in try MappedBytes(region).checkIntact() }
        }
    }

    // MARK: Fields

    /// Cuts the next rows into fields and returns their number.
    private func scan(_ base: UnsafePointer<UInt8>) throws(TableError) -> Int {
        let end = block.range.upperBound
        var count = 0
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
                try refuse(state.start) { $0.explain(ScanStatus(rawValue: count), field: state.column &+ 1) }
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
        if stream.format.bad == .null {
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
            try rows.scan(&state, work.found, DelimitedWork.room) { _ in
                do throws(TableError) { try stream.run.poll() } catch { stopped = error }
                return stopped == nil
            }
        }
        if let stopped { throw stopped }
        return count
    }

    /// A row that cannot be cut into fields.
    private func refuse(_ start: Int, _ explain: (inout Message) -> Void) throws(TableError) {
        if stream.format.bad == .skip {
            skipped &+= 1
            return
        }
        var message = block.location(of: start)
        explain(&message)
        failure = TableError(message)
    }

    // MARK: Values

    /// Reads the values of the rows, those that filters need first.
    private func read(_ rows: Int) throws(TableError) {
        let batch = work.batch
        batch.count = rows
        for column in batch.vectors.indices { batch.vectors[column] = nil }
        for (index, column) in stream.filtered.enumerated() {
            work.skipped.update(repeating: 0, count: batch.count)
            try read(column: column)
            work.mask.update(repeating: 1, count: batch.count)
            if let vector = batch.vectors[column] {
                for filter in work.filters[column] { try filter.apply(vector, batch.count, work.mask) }
            }
            leaveOut()
            let later = stream.filtered[(index &+ 1)...]
            try keep(later)
        }
        if stream.others.isEmpty && stream.filtered.isEmpty { return }
        work.skipped.update(repeating: 0, count: batch.count)
        for column in stream.others { try read(column: column) }
        if stream.format.bad == .skip {
            work.mask.update(repeating: 1, count: batch.count)
            leaveOut()
            try batch.keep(work.mask, stream.columns)
        }
        for column in stream.filtered where !stream.wanted[column] { batch.vectors[column] = nil }
    }

    /// Takes the rows that do not fit out of the mask, and counts them.
    private func leaveOut() {
        guard stream.format.bad == .skip else { return }
        for row in 0..<work.batch.count where work.skipped[row] != 0 {
            skipped &+= 1
            work.mask[row] = 0
        }
    }

    /// Keeps the rows of the mask: values, and texts of columns that were not read yet.
    private func keep(_ later: ArraySlice<Int>) throws(TableError) {
        let (count, mask) = (work.batch.count, work.mask)
        try work.batch.keep(mask, stream.columns)
        if work.batch.count == count { return }
        compact(work.starts, mask, count)
        for column in later { if let texts = work.texts[column] { compact(texts, mask, count) } }
        for column in stream.others { if let texts = work.texts[column] { compact(texts, mask, count) } }
    }

    @inline(__always)
    private func compact<Value: BitwiseCopyable>(
        _ values: UnsafeMutablePointer<Value>, _ mask: UnsafeMutablePointer<UInt8>, _ count: Int
    ) {
        var to = 0
        for row in 0..<count {
            values[to] = values[row]
            to &+= Int(mask[row] & 1)
        }
    }

    /// Reads a column's values. Where one does not fit, the batch ends before it.
    private func read(column: Int) throws(TableError) {
        let batch = work.batch
        guard let texts = work.texts[column] else { return }
        let marks = try settle(texts, batch.count)
        var vector = try batch.room(column, stream.columns[column].type)
        let nulls = vector.nulls
        let bad = try stream.parsers[column].parse(
            texts, quoted: marks != 0 ? work.quoted : nil, count: batch.count, into: &vector,
            skipped: work.skipped)
        if let bad {
            var message = block.location(of: work.starts[bad])
            message.put(", ")
            message.put(try stream.parsers[column].complaint(texts[bad]))
            failure = TableError(message)
            batch.count = bad
        }
        if marks & 2 != 0, let nulls {
            if vector.nulls == nil { nulls.update(repeating: 0, count: batch.count) }
            for row in 0..<batch.count where work.quoted[row] == 2 { nulls[row] = 1 }
            vector.nulls = nulls
        }
        batch.vectors[column] = vector
    }

    /// Takes the marks off the counts of texts, notes them in `work.quoted`, and copies texts with escapes.
    ///
    /// - Returns: All that was noted, 0 if nothing was.
    private func settle(_ texts: UnsafeMutablePointer<Text>, _ count: Int) throws(TableError) -> UInt8 {
        var marks = 0
        for row in 0..<count { marks |= texts[row].count }
        if marks & allMarks == 0 { return 0 }
        var noted: UInt8 = 0
        for row in 0..<count {
            let marked = texts[row].count
            texts[row].count = marked & ~allMarks
            if marked & escapedMark != 0 { texts[row] = try unescaped(texts[row]) }
            work.quoted[row] = marked & missingMark != 0 ? 2 : marked & quotedMark != 0 ? 1 : 0
            noted |= work.quoted[row]
        }
        return noted
    }

    private func unescaped(_ text: Text) throws(TableError) -> Text {
        let quote = stream.format.quotes ?? 0
        let copy = try work.batch.arena.copy(text)
        let bytes = UnsafeMutableBufferPointer(
            start: UnsafeMutablePointer(mutating: copy.start), count: copy.count)
        return Text(
            copy.start, MappedBytes.undouble(bytes, quote: quote, escape: stream.format.escape ?? quote))
    }
}

extension TextBlock {
    /// The region as it is now.
    func current() throws(TableError) -> mm_region {
        let region = try file.current()
        guard region.length >= range.upperBound else { throw file.shrunk(range.upperBound) }
        return region
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
        put(", bad = \"skip\" leaves such rows out)")
    }
}
