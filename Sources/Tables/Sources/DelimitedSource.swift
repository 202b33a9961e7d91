internal import CMemoryMap
internal import MemoryMap

/// A column that a script asks for.
package struct ColumnRequest: Sendable {
    package var name: [UInt8]
    /// Nil: what the first rows say.
    package var type: ColumnType?
    /// Of a time, as in strptime(3); nil for ISO 8601.
    package var format: [UInt8]?

    package init(_ name: [UInt8], _ type: ColumnType? = nil, format: [UInt8]? = nil) {
        (self.name, self.type, self.format) = (name, type, format)
    }
}

/// Delimited text: files, one after the other, or a buffer.
package final class DelimitedSource: Source {
    private let format: DelimitedFormat
    private let shapes: [DelimitedShape]
    private let text: FileText
    private let tally = Tally()
    /// Bytes, at least; smaller only in tests.
    var blockSize = textBlockSize

    /// Reads the headers, and the first rows where a type is not given.
    ///
    /// - Parameters:
    ///   - requests: The columns; nil for all. With a header they are picked by name, else they go by position.
    package convenience init(
        _ files: [TextFile], _ format: DelimitedFormat, _ requests: [ColumnRequest]?, _ run: Run
    ) throws(TableError) {
        if let problem = format.contradiction { throw TableError("\(problem)") }
        if let requests { try requireUnique(requests) }
        var (text, shapes) = (FileText(), [DelimitedShape]())
        var named: [ColumnRequest]? = requests
        for file in files {
            let (range, shape) = try file.beginning(format.cutter, run).layout(
                format, &named, hasHeader: format.hasHeader ?? (requests == nil), run)
            text.append(file, range)
            shapes.append(shape)
        }
        let columns = try inferred(named ?? [], format, run) { (columns) throws(TableError) in
            DelimitedSource(columns, format, shapes, text)
        }
        self.init(columns, format, shapes, text)
    }

    private init(
        _ columns: [Column], _ format: DelimitedFormat, _ shapes: [DelimitedShape], _ text: FileText
    ) {
        (self.format, self.shapes, self.text) = (format, shapes, text)
        super.init(columns)
    }

    package override func open(
        _ run: Run, wanted: [Bool], filters: [Predicate]
    ) throws(TableError) -> RowStream {
        tally.reset()
        return try DelimitedStream(
            columns, format, shapes, FileBlocks(text, format.cutter, run, size: blockSize),
            total: text.count, run,
            wanted: wanted, filters: filters, tally)
    }

    package override func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        try requirePiece(k, n)
        let run = Run { _ in true }
        return DelimitedSource(columns, format, shapes, try text.piece(k, of: n, format.cutter, run))
    }

    package override var skipped: Int { tally.count }

    package override var stamp: [Int]? { text.stamp }

    package override var explanation: [UInt8] {
        var message = Message()
        message.put("delimited text, sep = \"")
        message.show(format.separator, atMost: 16)
        message.put("\", ")
        message.put(text.explanation)
        return message.bytes
    }
}

func requirePiece(_ k: Int, _ n: Int) throws(TableError) {
    guard n > 0, k >= 1, k <= n else { throw TableError("piece \(k) of \(n): 1 to \(max(n, 1)) expected") }
}

func requireUnique(_ requests: [ColumnRequest]) throws(TableError) {
    if requests.isEmpty { throw TableError("columns: at least one is needed") }
    for (index, request) in requests.enumerated()
    where requests[..<index].contains(where: { $0.name == request.name }) {
        var message = Message()
        message.put("columns: '")
        message.show(request.name, atMost: 100)
        message.put("' is there twice")
        throw TableError(message)
    }
}

extension TextFile {
    /// Where the rows are, and the columns in them.
    ///
    /// - Parameter requests: Nil for all columns, which are then set.
    fileprivate func layout(
        _ format: DelimitedFormat, _ requests: inout [ColumnRequest]?, hasHeader: Bool, _ run: Run
    ) throws(TableError) -> (Range<Int>, DelimitedShape) {
        let region = try current()
        let start = try lengthOfMark(region)
        let row = try firstRow(format, region, start, isHeader: hasHeader, run)
        if hasHeader {
            guard let row else {
                throw complaint("the file has no row, so no header (columns = { … }, header = false)")
            }
            var wanted = requests ?? []
            if requests == nil { wanted = try columns(row.fields) }
            requests = wanted
            var places: [Int] = []
            for request in wanted { places.append(try place(of: request.name, row.fields)) }
            return (row.end..<region.length, DelimitedShape(fields: row.fields.count, places: places))
        }
        let fields = row?.fields.count ?? requests?.count ?? 0
        let wanted =
            requests
            ?? (0..<fields).map { ColumnRequest([UInt8]("column\($0 &+ 1)".utf8)) }
        requests = wanted
        // A row that is too short is found when it is read.
        let shape = DelimitedShape(fields: max(fields, wanted.count), places: Array(wanted.indices))
        return (start..<region.length, shape)
    }

    /// The columns that a header names.
    private func columns(_ names: [[UInt8]]) throws(TableError) -> [ColumnRequest] {
        for (index, name) in names.enumerated() where !name.isEmpty {
            if names[..<index].contains(name) { throw duplicate(name) }
        }
        return names.enumerated().map { ColumnRequest($1.isEmpty ? [UInt8]("column\($0 &+ 1)".utf8) : $1) }
    }

    private func place(of name: [UInt8], _ names: [[UInt8]]) throws(TableError) -> Int {
        let places = names.indices.filter { names[$0] == name }
        if let place = places.first {
            if places.count > 1 { throw duplicate(name) }
            return place
        }
        // A name made up for a column without one.
        if let place = names.indices.first(where: {
            names[$0].isEmpty && name == [UInt8]("column\($0 &+ 1)".utf8)
        }) {
            return place
        }
        var message = Message()
        message.put(self.name)
        message.put(": no column '")
        message.show(name, atMost: 100)
        message.put("' in the header, which has ")
        for (index, name) in names.prefix(20).enumerated() {
            message.put(index == 0 ? "'" : ", '")
            message.show(name, atMost: 40)
            message.put("'")
        }
        if names.count > 20 { message.put(", ...") }
        throw TableError(message)
    }

    private func duplicate(_ name: [UInt8]) -> TableError {
        var message = Message()
        message.put(self.name)
        message.put(": the header has the column '")
        message.show(name, atMost: 100)
        message.put("' twice (columns = { … } without it, or header = false and columns by position)")
        return TableError(message)
    }

    private func complaint(_ text: StaticString) -> TableError {
        var message = Message()
        message.put(name)
        message.put(": ")
        message.put(text)
        return TableError(message)
    }

    /// The first row that is no comment and, where they do not count, not blank; nil if there is none, or if it has
    /// quotes in wrong places and is no header: its reader says so.
    private func firstRow(
        _ format: DelimitedFormat, _ region: mm_region, _ start: Int, isHeader: Bool, _ run: Run
    ) throws(TableError) -> (fields: [[UInt8]], end: Int)? {
        var rows = format.rows(region, start, region.length)
        var row = mm_row()
        while mm_begin_row(&rows, &row) {
            if let fields = try fields(of: &row, &rows, format, isHeader: isHeader, run) {
                return (fields, row.position)
            }
            if format.bad != .skip { break }
        }
        return nil
    }

    /// Nil if there is none, or if it has quotes in wrong places. The walk goes on after it.
    private func fields(
        of row: inout mm_row, _ rows: inout mm_rows, _ format: DelimitedFormat, isHeader: Bool, _ run: Run
    ) throws(TableError) -> [[UInt8]]? {
        var fields: [[UInt8]] = []
        var stopped: TableError?
        repeat {
            var found = mm_text_field()
            let count = try mapped(path: path) { () throws(MapError) in
                try rows.scan(&row, &found, 1) { _ in
                    do throws(TableError) { try run.poll() } catch { stopped = error }
                    return stopped == nil
                }
            }
            if let stopped { throw stopped }
            guard count >= 0 else {
                let isEnd = count == ScanStatus.end.rawValue
                if isHeader && !isEnd { throw complaint("the header has a quote in the wrong place") }
                rows.position = isEnd ? rows.end : row.position
                return nil
            }
            guard count > 0 else { continue }
            if fields.count == mostColumns { throw complaint("the first row has more than 65,536 fields") }
            guard let base = rows.region.base else { return nil }
            var bytes = [UInt8](UnsafeBufferPointer(start: base + found.start, count: found.length))
            if found.kind == UInt8(MM_FIELD_DOUBLED) {
                let quote = format.quotes ?? 0
                let kept = bytes.withUnsafeMutableBufferPointer {
                    MappedBytes.undouble($0, quote: quote, escape: format.escape ?? quote)
                }
                bytes.removeLast(bytes.count &- kept)
            }
            fields.append(bytes)
        } while !row.complete
        return fields
    }
}

private var mostColumns: Int { 65_536 }

extension FileText {
    /// The files in words.
    var explanation: [UInt8] {
        var message = Message()
        if let first = parts.first {
            message.put(first.file.name)
            if parts.count > 1 {
                message.put(" and ")
                message.put(parts.count &- 1)
                message.put(parts.count == 2 ? " other file" : " other files")
            }
            message.put(", ")
        }
        message.put(count)
        message.put(count == 1 ? " byte" : " bytes")
        return message.bytes
    }
}
