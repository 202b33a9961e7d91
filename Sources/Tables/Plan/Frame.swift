internal import MemoryMap

/// Rows in private memory.
package final class Frame {
    package let columns: [Column]
    package private(set) var count = 0
    private var store: [Storage?]
    private let arena = Arena()

    /// The values of a column; nulls are stored once there is one.
    private struct Storage {
        let isText: Bool
        var texts: List<Text>
        var words: List<UInt64>
        var nulls: List<UInt8>?

        init(_ type: ColumnType) throws(TableError) {
            isText = type == .string
            texts = try List(capacity: isText ? 64 : 1)
            words = try List(capacity: isText ? 1 : 64)
        }

        var vector: Vector {
            Vector(isText ? texts.memory.base : words.memory.base, nulls: nulls?.base)
        }

        /// Room for nulls of the rows so far, none of them null.
        mutating func haveNulls(_ count: Int) throws(TableError) {
            if nulls != nil { return }
            var list = try List<UInt8>(capacity: count &+ 64)
            try list.extend(count).update(repeating: 0, count: count)
            nulls = list
        }

        mutating func append(_ vector: Vector, _ more: Int, after count: Int, _ arena: Arena?)
            throws(TableError)
        {
            if isText {
                let place = try texts.extend(more)
                if let arena {
                    for row in 0..<more { place[row] = try arena.copy(vector.texts[row]) }
                } else {
                    place.update(from: vector.texts, count: more)
                }
            } else {
                try words.extend(more).update(from: vector.words, count: more)
            }
            if let source = vector.nulls {
                try haveNulls(count)
                try nulls?.extend(more).update(from: source, count: more)
            } else if nulls != nil {
                try nulls?.extend(more).update(repeating: 0, count: more)
            }
        }
    }

    /// No rows; the columns that are not wanted stay without values.
    init(_ columns: [Column], wanted: [Bool]) throws(TableError) {
        self.columns = columns
        store = []
        for (column, isWanted) in zip(columns, wanted) {
            store.append(isWanted ? try Storage(column.type) : nil)
        }
    }

    /// The rows of a stream; with a limit the first ones.
    convenience init(collecting stream: RowStream, _ run: Run, limit: Int? = nil) throws(TableError) {
        let columns = stream.columns
        try self.init(columns, wanted: Array(repeating: false, count: columns.count))
        if limit == 0 { return }
        try stream.forEachPiece(
            run, isAll: limit == nil,
            { (cursor) throws(TableError) in
                var part: Frame?
                while let batch = try cursor.next() {
                    let frame: Frame
                    if let part {
                        frame = part
                    } else {
                        frame = try Frame(columns, wanted: batch.vectors.map { $0 != nil })
                    }
                    part = frame
                    if let limit { batch.count = min(batch.count, limit &- frame.count) }
                    try frame.append(batch)
                    if let limit, frame.count >= limit { break }
                    try run.poll()
                }
                return part
            },
            deposit: { (part) throws(TableError) in
                if let part {
                    if let limit { part.count = min(part.count, limit &- self.count) }
                    try self.append(part)
                }
                return limit.map { self.count < $0 } ?? true
            })
    }

    /// Copies the rows of a batch, strings too.
    func append(_ batch: Batch) throws(TableError) {
        if batch.count == 0 { return }
        for index in store.indices {
            guard let vector = batch.vectors[index] else { continue }
            try store[index]?.append(vector, batch.count, after: count, arena)
        }
        count &+= batch.count
    }

    /// Takes the rows of another frame, and its strings.
    func append(_ other: Frame) throws(TableError) {
        if other.count == 0 { return }
        for index in store.indices {
            guard let source = other.store[index] else { continue }
            if store[index] == nil { store[index] = try Storage(columns[index].type) }
            try store[index]?.append(source.vector, other.count, after: count, nil)
        }
        arena.adopt(other.arena)
        count &+= other.count
    }

    /// A new column of a frame of `count` rows: its values are set by the caller.
    ///
    /// - Parameter nulls: Whether there is room for nulls; all are then 0.
    func make(_ index: Int, count: Int, nulls: Bool) throws(TableError) -> Vector {
        var storage = try Storage(columns[index].type)
        if storage.isText { _ = try storage.texts.extend(count) } else { _ = try storage.words.extend(count) }
        if nulls { try storage.haveNulls(count) }
        store[index] = storage
        self.count = count
        return storage.vector
    }

    /// Bytes of memory.
    var size: Int {
        store.reduce(arena.capacity) { size, storage in
            guard let storage else { return size }
            return size &+ storage.texts.memory.capacity &+ storage.words.memory.capacity
                &+ (storage.nulls?.memory.capacity ?? 0)
        }
    }

    /// For frames without a column.
    func setCount(_ count: Int) { self.count = count }

    /// Takes the columns of another frame that it has, and its strings.
    func adopt(_ other: Frame) {
        for index in store.indices where other.store[index] != nil { store[index] = other.store[index] }
        arena.adopt(other.arena)
    }

    /// Keeps the strings of another arena.
    func adopt(_ arena: Arena) { self.arena.adopt(arena) }

    /// The values of a column; nil if it was not wanted.
    package func vector(_ column: Int) -> Vector? { store[column]?.vector }

    /// The same rows in another order, or some of them.
    ///
    /// - Parameters:
    ///   - order: The number of a row of this frame for each row of the new one.
    ///   - isSharing: Whether the new frame takes all strings of this one; else it gets copies of its own.
    func gathering(
        _ order: UnsafePointer<UInt32>, _ count: Int, isSharing: Bool = true
    ) throws(TableError) -> Frame {
        let result = try Frame(columns, wanted: Array(repeating: false, count: columns.count))
        for index in store.indices {
            guard let source = store[index]?.vector else { continue }
            let target = try result.make(index, count: count, nulls: source.nulls != nil)
            if columns[index].type == .string {
                for row in 0..<count { target.texts[row] = source.texts[Int(order[row])] }
                if !isSharing {
                    for row in 0..<count { target.texts[row] = try result.arena.copy(target.texts[row]) }
                }
            } else {
                for row in 0..<count { target.words[row] = source.words[Int(order[row])] }
            }
            if let from = source.nulls, let to = target.nulls {
                for row in 0..<count { to[row] = from[Int(order[row])] }
            }
        }
        result.count = count
        // This frame is not used any more.
        if isSharing { result.adopt(arena) }
        return result
    }

    /// The rows as a stream.
    func open() -> RowStream { FrameStream(self) }
}

/// The rows of a frame, without copies.
private final class FrameStream: RowStream {
    private let frame: Frame
    private var position = 0
    /// Few rows: what follows may be slow, and the threads are to end at the same time.
    private static let grain = 16 << 10

    init(_ frame: Frame) {
        self.frame = frame
        super.init(frame.columns, isParallel: true, total: frame.count)
    }

    override var rowCount: Int? { frame.count }
    override var isKept: Bool { true }

    override func next() throws(TableError) -> Piece? {
        if position >= frame.count { return nil }
        let start = position
        position = min(frame.count, start &+ Self.grain)
        return Piece(FrameCursor(frame, start..<position), done: position)
    }
}

private final class FrameCursor: Cursor {
    private let frame: Frame
    private var rows: Range<Int>
    private let batch: Batch

    init(_ frame: Frame, _ rows: Range<Int>) {
        (self.frame, self.rows) = (frame, rows)
        batch = Batch(columns: frame.columns.count)
    }

    override func next() throws(TableError) -> Batch? {
        if rows.isEmpty { return nil }
        let start = rows.lowerBound
        batch.count = min(rows.count, Batch.capacity)
        rows = start &+ batch.count..<rows.upperBound
        batch.arena.removeAll()
        for index in frame.columns.indices {
            batch.vectors[index] = frame.vector(index)?.dropping(start, frame.columns[index].type)
        }
        return batch
    }
}
