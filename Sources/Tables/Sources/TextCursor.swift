internal import CMemoryMap
internal import MemoryMap

/// The rows of a block of text.
package class TextCursor: Cursor {
    private let stream: TextStream
    let block: TextBlock
    let work: TextWork
    /// As the file's was when the last batch was read.
    private(set) var region: mm_region
    /// Of the next row, in the region.
    final var place: Int
    /// What is wrong with the row after those of the last batch.
    private(set) var failure: TableError?
    private var skipped = 0

    init(_ stream: TextStream, _ block: TextBlock, _ work: TextWork) {
        (self.stream, self.block, self.work) = (stream, block, work)
        region = block.file.region
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

    /// Finds the texts of the next rows, from `place` on, puts them where `work.targets` says, and returns the number of
    /// rows, at most `Batch.capacity`.
    func scan(_ base: UnsafePointer<UInt8>) throws(TableError) -> Int { 0 }

    /// Passes over a row without the texts that it should have; with `always`, not even where such rows are left out.
    final func refuse(
        _ start: Int, always: Bool = false, _ explain: (inout Message) -> Void
    ) throws(TableError) {
        if stream.format.bad == .skip && !always {
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
            if texts[bad].buffer.elementsEqual(stream.columns[column].name) {
                message.put("; this is the column's name: header = true takes the first row for a header")
            }
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
