/// Constants, to one of which a value is to be equal. It is made once, and read by several threads at once.
package final class ValueSet: @unchecked Sendable {
    private let keys: KeyTable
    /// Constants that it was made of.
    package let count: Int

    /// - Parameters:
    ///   - type: Of the column.
    ///   - fill: Calls its argument with each constant. Those that no value of the column is equal to do not matter.
    package init(
        _ type: ColumnType,
        _ fill: ((Predicate.Constant) throws(TableError) -> Void) throws(TableError) -> Void
    ) throws(TableError) {
        let keys = try KeyTable([type])
        let batch = Batch(columns: 1)
        let vector = Vector(try batch.room(0, type).values)
        let room = try Room()
        var count = 0
        func flush() throws(TableError) {
            let values = try normalizedKey(vector, type, batch.count, room.normal)
            try keys.numbers([values], batch.count, into: room.numbers.bound(to: UInt32.self))
            batch.count = 0
            batch.arena.removeAll()
        }
        try fill { (constant) throws(TableError) in
            count &+= 1
            if type == .string {
                guard case .string(let bytes) = constant else { return }
                let place = try batch.arena.allocate(bytes.count)
                for i in bytes.indices { place[i] = bytes[i] }
                vector.texts[batch.count] = Text(place, bytes.count)
            } else {
                guard let word = constant.word(as: type) else { return }
                vector.words[batch.count] = word
            }
            batch.count &+= 1
            if batch.count == Batch.capacity { try flush() }
        }
        try flush()
        (self.keys, self.count) = (keys, count)
    }

    /// What a thread needs to look for values.
    struct Room {
        fileprivate let numbers: Memory
        fileprivate let hashes: Memory
        fileprivate let normal: Memory

        init() throws(TableError) {
            numbers = try Memory(Batch.capacity &* 4)
            hashes = try Memory(Batch.capacity &* 8)
            normal = try Memory(Batch.capacity &* 8)
        }
    }

    /// Sets to 0 the bytes of rows whose values are not there.
    func apply(
        _ vector: Vector, _ type: ColumnType, _ count: Int, _ mask: UnsafeMutablePointer<UInt8>, _ room: Room
    ) throws(TableError) {
        let numbers = room.numbers.bound(to: UInt32.self)
        let values = try normalizedKey(vector, type, count, room.normal)
        keys.find([values], count, into: numbers, scratch: room.hashes)
        for row in 0..<count where numbers[row] == UInt32.max { mask[row] = 0 }
    }
}

extension Predicate.Constant {
    /// The bits of the equal value of a column that holds no strings; nil if there is none.
    fileprivate func word(as type: ColumnType) -> UInt64? {
        switch (type, self) {
        case (.string, _), (_, .string): nil
        case (.boolean, .boolean(let value)): value ? 1 : 0
        case (.boolean, _), (_, .boolean): nil
        // NaN is equal to nothing.
        case (.number, _), (.time, _): double.flatMap { $0.isNaN ? nil : $0.bitPattern }
        case (.integer, .integer(let value)): UInt64(bitPattern: value)
        case (.integer, .u64(let value)): Int64(exactly: value).map { UInt64($0) }
        case (.integer, .number(let value)): Int64(exactly: value).map { UInt64(bitPattern: $0) }
        case (.u64, .u64(let value)): value
        case (.u64, .integer(let value)): UInt64(exactly: value)
        case (.u64, .number(let value)): UInt64(exactly: value)
        }
    }

    private var double: Double? {
        switch self {
        case .number(let value): value
        case .integer(let value): Double(exactly: value)
        case .u64(let value): Double(exactly: value)
        case .string, .boolean: nil
        }
    }
}
