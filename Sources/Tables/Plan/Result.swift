/// The rows of a table, one batch after the other, for `t:rows()`; read on the caller's thread.
package final class RowReader {
    package let columns: [Column]
    private let stream: RowStream
    private var cursor: Cursor?

    init(_ stream: RowStream) { (self.stream, self.columns) = (stream, stream.columns) }

    /// The next rows, one at least; nil at the end. The batch, with strings in private memory, is valid until the next
    /// call.
    package func next(_ run: Run) throws(TableError) -> Batch? {
        while true {
            try run.poll()
            if cursor == nil {
                guard let piece = try stream.next() else { return nil }
                cursor = piece.cursor
            }
            guard let batch = try cursor?.next() else {
                cursor = nil
                continue
            }
            if batch.count == 0 { continue }
            try batch.makeStringsPrivate(columns)
            return batch
        }
    }
}

extension Table {
    /// `t:rows()`.
    package func rows(_ run: Run) throws(TableError) -> RowReader {
        RowReader(try open(run, wanted: Array(repeating: true, count: columns.count)))
    }

    /// `t:count()`.
    package func count(_ run: Run) throws(TableError) -> Int {
        var total = 0
        let stream = try open(run, wanted: Array(repeating: false, count: columns.count))
        try stream.forEachPiece(
            run,
            { (cursor) throws(TableError) in
                var count = 0
                while let batch = try cursor.next() {
                    count &+= batch.count
                    try run.poll()
                }
                return count
            },
            deposit: { (count) throws(TableError) in
                total &+= count
                return true
            })
        return total
    }

    /// The first rows, as a batch, and the number of all rows where it is known: for `tostring`.
    ///
    /// - Parameter limit: At most `Batch.capacity`.
    package func preview(_ run: Run, limit: Int) throws(TableError) -> (
        rows: Batch, total: Int?, frame: Frame
    ) {
        let stream = try open(run, wanted: Array(repeating: true, count: columns.count))
        let known = stream.rowCount
        // One more, to see whether there are more.
        let frame = try Frame(collecting: stream, run, limit: limit &+ 1)
        let rows = Batch(columns: columns.count)
        rows.count = min(limit, frame.count)
        for index in columns.indices {
            if let vector = frame.vector(index) {
                rows.vectors[index] = vector
            } else {
                rows.vectors[index] = try rows.room(index, columns[index].type)
            }
        }
        return (rows, known ?? (frame.count <= limit ? frame.count : nil), frame)
    }

    /// All rows, in private memory: for `totable`, `list`, `column`.
    package func collect(_ run: Run, wanted: [Bool]? = nil) throws(TableError) -> Frame {
        try Frame(collecting: open(run, wanted: wanted ?? Array(repeating: true, count: columns.count)), run)
    }

    /// The text of all rows, for `write`.
    ///
    /// - Parameter deposit: Gets parts of the text in order, one at a time, on any thread.
    package func forEachText(
        _ run: Run, _ format: RowText, deposit: (UnsafeRawBufferPointer) throws(TableError) -> Void
    ) throws(TableError) {
        let stream = try open(run, wanted: Array(repeating: true, count: columns.count))
        var rows = 0
        try stream.forEachPiece(
            run,
            { (cursor) throws(TableError) in
                var text = try List<UInt8>(capacity: 1 << 16)
                var rows = 0
                while let batch = try cursor.next() {
                    if let misfit = try format.append(batch, to: &text) {
                        return (text, rows &+ misfit.row, Optional(misfit))
                    }
                    rows &+= batch.count
                    try run.poll()
                }
                return (text, rows, nil)
            },
            deposit: { (part: (text: List<UInt8>, rows: Int, misfit: RowText.Misfit?)) throws(TableError) in
                if let misfit = part.misfit { throw format.complaint(misfit, row: rows &+ part.rows) }
                rows &+= part.rows
                try deposit(UnsafeRawBufferPointer(start: part.text.base, count: part.text.count))
                return true
            })
    }
}
