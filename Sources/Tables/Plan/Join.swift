internal import MemoryMap

extension Table {
    /// The rows of this table, each with its partners.
    ///
    /// - Parameter columns: Of the result.
    func open(
        _ run: Run, joining right: Table, _ joining: Joining, _ columns: [Column], _ wanted: [Bool],
        _ filters: [Predicate]
    ) throws(TableError) -> RowStream {
        let leftCount = self.columns.count
        let needed = wanted.adding(filters.map { $0.column })
        // A filter on the left table needs no partner; one on the right table may pass what has none.
        let early = filters.filter { $0.column < leftCount }
        let late = filters.filter { $0.column >= leftCount }
        let needsRight = right.wanting(joining.right, where: needed[leftCount...])
        let partners = try Partners(
            Frame(
                collecting: right.open(run, wanted: needsRight.adding(joining.on.map { $0.right })), run),
            joining.on.map { $0.right }, run)
        let needsLeft = Array(needed[..<leftCount]).adding(joining.on.map { $0.left })
        let base = try open(run, wanted: needsLeft, filters: early)
        return JoinStream(base, partners, joining, columns, needed).filtered(late)
    }
}

/// The columns of a table that rows are joined by.
private struct KeyColumns {
    private let columns: [(index: Int, type: ColumnType, room: Memory)]

    init(_ chosen: [Int], _ all: [Column]) throws(TableError) {
        var columns: [(index: Int, type: ColumnType, room: Memory)] = []
        for index in chosen { columns.append((index, all[index].type, try Memory(Batch.capacity * 8))) }
        self.columns = columns
    }

    /// The keys of the rows of a batch, valid until the next call.
    func vectors(of batch: Batch) throws(TableError) -> [Vector] {
        var vectors: [Vector] = []
        for column in columns {
            guard let vector = batch.vectors[column.index] else { continue }
            vectors.append(try normalizedKey(vector, column.type, batch.count, column.room))
        }
        return vectors
    }
}

/// The rows of the right table, by key.
private final class Partners {
    let frame: Frame
    let keys: KeyTable
    /// By key: the first row; by row: the next one with its key, or `UInt32.max`.
    let first: List<UInt32>
    let next: Memory

    init(_ frame: Frame, _ columns: [Int], _ run: Run) throws(TableError) {
        guard frame.count < Int(UInt32.max) else {
            throw TableError("more than 4294967294 rows cannot be joined")
        }
        self.frame = frame
        keys = try KeyTable(columns.map { frame.columns[$0].type })
        next = try Memory(max(frame.count, 1) * 4)
        let links = next.bound(to: UInt32.self)
        var first = try List<UInt32>()
        var last = try List<UInt32>()
        let numbers = try Memory(Batch.capacity * 4)
        let keyColumns = try KeyColumns(columns, frame.columns)
        let cursor = frame.open()
        var start = 0
        while let piece = try cursor.next() {
            while let batch = try piece.cursor.next() {
                try run.poll()
                let ids = numbers.bound(to: UInt32.self)
                try keys.numbers(try keyColumns.vectors(of: batch), batch.count, into: ids)
                for row in 0..<batch.count {
                    let (id, number) = (Int(ids[row]), UInt32(truncatingIfNeeded: start &+ row))
                    links[start &+ row] = UInt32.max
                    if id == first.count {
                        try first.append(number)
                        try last.append(number)
                    } else {
                        links[Int(last[id])] = number
                        last[id] = number
                    }
                }
                start &+= batch.count
            }
        }
        self.first = first
    }
}

private final class JoinStream: RowStream {
    private let base: RowStream
    private let partners: Partners
    private let joining: Joining
    private let wanted: [Bool]

    init(
        _ base: RowStream, _ partners: Partners, _ joining: Joining, _ columns: [Column], _ wanted: [Bool]
    ) {
        (self.base, self.partners, self.joining, self.wanted) = (base, partners, joining, wanted)
        super.init(columns, isParallel: base.isParallel, total: base.total)
    }

    override func next() throws(TableError) -> Piece? {
        guard let piece = try base.pull() else { return nil }
        return Piece(
            try JoinCursor(piece.cursor, base.columns, partners, joining, columns, wanted), done: piece.done)
    }
}

private final class JoinCursor: Cursor {
    private let base: Cursor
    private let leftColumns: [Column]
    private let partners: Partners
    private let joining: Joining
    private let columns: [Column]
    private let wanted: [Bool]
    private let batch: Batch
    private let numbers: Memory
    private let scratch: Memory
    /// For each row of the result the row of the left batch, and of the right frame or `UInt32.max`.
    private let pairs: (left: Memory, right: Memory)
    private let keyColumns: KeyColumns
    private var left: Batch?
    private var row = 0
    /// The partner that is next for `row`; nil where the row is not begun.
    private var partner: UInt32?

    init(
        _ base: Cursor, _ leftColumns: [Column], _ partners: Partners, _ joining: Joining,
        _ columns: [Column],
        _ wanted: [Bool]
    ) throws(TableError) {
        (self.base, self.leftColumns, self.partners) = (base, leftColumns, partners)
        (self.joining, self.columns, self.wanted) = (joining, columns, wanted)
        batch = Batch(columns: columns.count)
        numbers = try Memory(Batch.capacity * 4)
        scratch = try Memory(Batch.capacity * 8)
        pairs = (try Memory(Batch.capacity * 4), try Memory(Batch.capacity * 4))
        keyColumns = try KeyColumns(joining.on.map { $0.left }, leftColumns)
    }

    override func next() throws(TableError) -> Batch? {
        if left.map({ row >= $0.count }) ?? true {
            guard let next = try base.pull() else { return nil }
            (left, row, partner) = (next, 0, nil)
            partners.keys.find(
                try keyColumns.vectors(of: next), next.count, into: numbers.bound(to: UInt32.self),
                scratch: scratch)
        }
        guard let left else { return nil }
        fillPairs(left)
        try gather(left)
        return batch
    }

    /// Finds pairs until a batch is full or the left rows are done.
    private func fillPairs(_ left: Batch) {
        let ids = numbers.bound(to: UInt32.self)
        let (lefts, rights) = (pairs.left.bound(to: UInt32.self), pairs.right.bound(to: UInt32.self))
        let links = partners.next.bound(to: UInt32.self)
        var count = 0
        while row < left.count && count < Batch.capacity {
            let id = ids[row]
            if id == UInt32.max {
                if joining.keepsLeft {
                    (lefts[count], rights[count]) = (UInt32(truncatingIfNeeded: row), UInt32.max)
                    count &+= 1
                }
                row &+= 1
                continue
            }
            var next = partner ?? partners.first[Int(id)]
            while next != UInt32.max && count < Batch.capacity {
                (lefts[count], rights[count]) = (UInt32(truncatingIfNeeded: row), next)
                count &+= 1
                next = links[Int(next)]
            }
            if next == UInt32.max {
                row &+= 1
                partner = nil
            } else {
                partner = next
            }
        }
        batch.count = count
    }

    private func gather(_ left: Batch) throws(TableError) {
        let (lefts, rights) = (pairs.left.bound(to: UInt32.self), pairs.right.bound(to: UInt32.self))
        let count = batch.count
        batch.arena.removeAll()
        for index in leftColumns.indices where wanted[index] {
            guard let source = left.vectors[index] else { continue }
            var target = try batch.room(index, columns[index].type)
            if source.nulls == nil { target.nulls = nil }
            if columns[index].type == .string {
                for i in 0..<count { target.texts[i] = source.texts[Int(lefts[i])] }
            } else {
                for i in 0..<count { target.words[i] = source.words[Int(lefts[i])] }
            }
            if let from = source.nulls, let to = target.nulls {
                for i in 0..<count { to[i] = from[Int(lefts[i])] }
            }
            batch.vectors[index] = target
        }
        let nothing = Text(try batch.arena.allocate(0), 0)
        for (offset, column) in joining.right.enumerated() {
            let index = leftColumns.count + offset
            guard wanted[index] else { continue }
            let target = try batch.room(index, columns[index].type)
            guard let to = target.nulls else { continue }
            guard let source = partners.frame.vector(column) else {
                // A frame of no rows has no vectors: no row has a partner.
                for i in 0..<count {
                    to[i] = 1
                    if columns[index].type == .string {
                        target.texts[i] = nothing
                    } else {
                        target.words[i] = 0
                    }
                }
                batch.vectors[index] = target
                continue
            }
            for i in 0..<count {
                let row = rights[i]
                let isNull = row == UInt32.max || source.isNull(Int(row))
                to[i] = isNull ? 1 : 0
                if columns[index].type == .string {
                    target.texts[i] = row == UInt32.max ? nothing : source.texts[Int(row)]
                } else {
                    target.words[i] = row == UInt32.max ? 0 : source.words[Int(row)]
                }
            }
            batch.vectors[index] = target
        }
    }
}
