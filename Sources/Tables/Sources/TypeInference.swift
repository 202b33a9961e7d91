/// The columns of a request, with the types that are not given as the first rows have them.
///
/// - Parameter make: A source whose columns are all strings.
func inferred(
    _ requests: [ColumnRequest], _ format: DelimitedFormat, _ run: Run,
    _ make: (_ columns: [Column]) throws(TableError) -> Source
) throws(TableError) -> [Column] {
    var columns = requests.map { Column($0.name, $0.type ?? .string, format: $0.format) }
    let open = requests.indices.filter { requests[$0].type == nil }
    if open.isEmpty { return columns }
    let source = try make(requests.map { Column($0.name, .string) })
    let stream = try source.open(run, wanted: requests.map { $0.type == nil }, filters: [])
    while let piece = try stream.pull() {
        guard let batch = try piece.cursor.pull(), batch.count > 0 else { continue }
        for column in open {
            guard let vector = batch.vectors[column] else { continue }
            var inference = TypeInference(decimal: format.point, nulls: format.nulls)
            for row in 0..<batch.count where !vector.isNull(row) { inference.note(vector.texts[row]) }
            columns[column].type = inference.type
        }
        break
    }
    return columns
}
