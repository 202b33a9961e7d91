extension Table {
    /// The first rows of those sorted by a column, without keeping many more.
    func top(_ count: Int, _ key: SortKey, _ wanted: [Bool], _ run: Run) throws(TableError) -> Frame {
        let columns = columns
        let best = try Frame(columns, wanted: wanted)
        if count == 0 { return best }
        let limit = min(max(count, 1 << 11), 1 << 40)
        let stream = try open(run, wanted: wanted)
        var whole = best
        try stream.forEachPiece(
            run,
            { (cursor) throws(TableError) in
                var part = try Frame(columns, wanted: wanted)
                let mask = try Memory(Batch.capacity)
                // What the word of a row has to be less than, as there are enough rows that are not after it.
                var least: UInt64?
                while let batch = try cursor.next() {
                    if let least { try batch.keep(before: least, key, columns, mask.bound(to: UInt8.self)) }
                    try part.append(batch)
                    if part.count > limit &* 2 {
                        part = try part.best(count, key, run)
                        least = part.lastWord(key)
                    }
                    try run.poll()
                }
                return try part.best(count, key, run)
            },
            deposit: { (part) throws(TableError) in
                try whole.append(part)
                if whole.count > limit &* 2 { whole = try whole.best(count, key, run) }
                return true
            })
        return try whole.best(count, key, run)
    }
}

extension Batch {
    /// Leaves out rows whose word in the order of a key is not less than one.
    fileprivate func keep(
        before least: UInt64, _ key: SortKey, _ columns: [Column], _ mask: UnsafeMutablePointer<UInt8>
    ) throws(TableError) {
        guard count > 0, let vector = vectors[key.column] else { return }
        let type = columns[key.column].type
        for row in 0..<count {
            let isBefore = orderedWord(vector.words[row], type, key.isDescending) < least
            mask[row] = isBefore && !vector.isNull(row) ? 1 : 0
        }
        try keep(mask, columns)
    }
}

extension Frame {
    /// The word of the last row in the order of a key; nil for a null, or a string.
    fileprivate func lastWord(_ key: SortKey) -> UInt64? {
        let type = columns[key.column].type
        guard count > 0, type != .string, let vector = vector(key.column), !vector.isNull(count - 1) else {
            return nil
        }
        return orderedWord(vector.words[count - 1], type, key.isDescending)
    }

    /// The first `limit` rows of the sorted ones, with strings of their own.
    fileprivate func best(_ limit: Int, _ key: SortKey, _ run: Run) throws(TableError) -> Frame {
        let order = try sortOrder([key], run)
        return try gathering(order.bound(to: UInt32.self), min(limit, count), isSharing: false)
    }
}
