/// The columns of a request, with the types that are not given as the first rows have them.
///
/// - Parameter make: A source whose columns are all strings.
func inferred(
    _ requests: [ColumnRequest], _ format: DelimitedFormat,
    _ make: (_ columns: [Column]) throws(TableError) -> Source
) throws(TableError) -> [Column] {
    var columns = requests.map { Column($0.name, $0.type ?? .string, format: $0.format) }
    let open = requests.indices.filter { requests[$0].type == nil }
    if open.isEmpty { return columns }
    let source = try make(requests.map { Column($0.name, .string) })
    let stream = try source.open(Run { _ in true }, wanted: requests.map { $0.type == nil }, filters: [])
    while let piece = try stream.pull() {
        guard let batch = try piece.cursor.pull(), batch.count > 0 else { continue }
        for column in open {
            guard let vector = batch.vectors[column] else { continue }
            columns[column].type = try inferredType(vector, count: batch.count, format)
        }
        break
    }
    return columns
}

/// The type of a column of strings: the first that all values fit which are not null; `string` where all are null.
private func inferredType(
    _ vector: Vector, count: Int, _ format: DelimitedFormat
) throws(TableError) -> ColumnType {
    if (0..<count).allSatisfy({ vector.isNull($0) }) { return .string }
    let values = try Memory(count &* 8)
    let nulls = try Memory(count)
    for type in [ColumnType.integer, .u64, .number, .boolean, .time] {
        let parser = try ValueParser(Column([], type), decimal: format.point, nulls: format.nulls)
        var room = Vector(values.base, nulls: nulls.bound(to: UInt8.self))
        if try parser.parse(vector.texts, count: count, into: &room) == nil { return type }
    }
    return .string
}
