/// The type of a column of strings: the first that all values fit which are not null; `string` where all are null.
func inferredType(
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
