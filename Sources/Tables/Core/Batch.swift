/// The values of a column for the rows of a batch, or of a frame.
///
/// A string is a `Text` (16 bytes); anything else a word of 8 bytes: the bits of a float (number, time), an integer, 0 or 1.
package struct Vector {
    package var values: UnsafeMutableRawPointer
    /// A byte for each row, 1 for null; nil if none is null. The value at a null is defined: an empty string, or 0.
    package var nulls: UnsafeMutablePointer<UInt8>?

    @inline(__always)
    package init(_ values: UnsafeMutableRawPointer, nulls: UnsafeMutablePointer<UInt8>? = nil) {
        (self.values, self.nulls) = (values, nulls)
    }

    @inline(__always)
    package var texts: UnsafeMutablePointer<Text> { values.assumingMemoryBound(to: Text.self) }
    @inline(__always)
    package var words: UnsafeMutablePointer<UInt64> { values.assumingMemoryBound(to: UInt64.self) }
    @inline(__always)
    package var doubles: UnsafeMutablePointer<Double> { values.assumingMemoryBound(to: Double.self) }
    @inline(__always)
    package var integers: UnsafeMutablePointer<Int64> { values.assumingMemoryBound(to: Int64.self) }

    /// The values from a row on.
    func dropping(_ rows: Int, _ type: ColumnType) -> Vector {
        Vector(values + rows &* type.width, nulls: nulls.map { $0 + rows })
    }

    @inline(__always)
    package func isNull(_ row: Int) -> Bool { nulls.map { $0[row] != 0 } ?? false }
}

/// Some rows of a table, at most `capacity`, by columns.
package final class Batch {
    package static var capacity: Int { 2048 }

    /// The number of rows.
    package var count = 0
    /// By the stream's columns; nil for columns that nobody asked for.
    package var vectors: [Vector?]
    /// Memory for strings that had to be made, such as those with doubled quotes. Its maker empties it.
    package let arena: Arena
    /// Memory of this batch's own for the values and nulls of a column; nil until it is needed.
    private var own: [(values: Memory, nulls: Memory)?]

    package init(columns: Int) {
        vectors = Array(repeating: nil, count: columns)
        own = Array(repeating: nil, count: columns)
        arena = Arena()
    }

    /// Memory for `capacity` values of a column and their nulls; always the same for a column. Sets nothing.
    package func room(_ column: Int, _ type: ColumnType) throws(TableError) -> Vector {
        let room: (values: Memory, nulls: Memory)
        if let former = own[column] {
            room = former
        } else {
            room = (try Memory(Batch.capacity &* type.width), try Memory(Batch.capacity))
            own[column] = room
        }
        return Vector(room.values.base, nulls: room.nulls.bound(to: UInt8.self))
    }
}

extension Batch {
    /// Keeps the rows whose byte in `mask` is not 0, for the columns that are there.
    package func keep(_ mask: UnsafePointer<UInt8>, _ columns: [Column]) throws(TableError) {
        var kept = 0
        for row in 0..<count where mask[row] != 0 { kept &+= 1 }
        if kept == count { return }
        for column in vectors.indices {
            guard let vector = vectors[column] else { continue }
            var target = try room(column, columns[column].type)
            let nulls = target.nulls
            var to = 0
            if columns[column].type == .string {
                for row in 0..<count where mask[row] != 0 {
                    target.texts[to] = vector.texts[row]
                    to &+= 1
                }
            } else {
                for row in 0..<count where mask[row] != 0 {
                    target.words[to] = vector.words[row]
                    to &+= 1
                }
            }
            if let from = vector.nulls, let nulls {
                to = 0
                for row in 0..<count where mask[row] != 0 {
                    nulls[to] = from[row]
                    to &+= 1
                }
            } else {
                target.nulls = nil
            }
            vectors[column] = target
        }
        count = kept
    }
}
