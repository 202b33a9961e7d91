internal import Glibc
internal import MemoryMap

extension Frame {
    /// The rows by some columns, stable; nulls are last in both directions.
    func sorted(_ keys: [SortKey], _ run: Run) throws(TableError) -> Frame {
        let order = try sortOrder(keys, run)
        return try gathering(order.bound(to: UInt32.self), count)
    }

    /// The numbers of the rows in their order.
    func sortOrder(_ keys: [SortKey], _ run: Run) throws(TableError) -> Memory {
        guard count < Int(UInt32.max) else { throw TableError("more than 4294967294 rows cannot be sorted") }
        let memory = try Memory(max(count, 1) * 4)
        let order = memory.bound(to: UInt32.self)
        for row in 0..<count { order[row] = UInt32(truncatingIfNeeded: row) }
        // The last key first: each pass leaves the order of equal rows as it is.
        for key in keys.reversed() {
            guard let vector = vector(key.column) else { continue }
            let type = columns[key.column].type
            if type == .string {
                try sortTexts(order, vector, key, run)
            } else {
                try sortWords(order, vector, type, key, run)
            }
        }
        return memory
    }

    /// Orders numbers by radix, eight bits at a time.
    private func sortWords(
        _ order: UnsafeMutablePointer<UInt32>, _ vector: Vector, _ type: ColumnType, _ key: SortKey,
        _ run: Run
    ) throws(TableError) {
        struct Item { var key: UInt64, row: UInt32, isNull: UInt32 }
        let size = max(count, 1) * MemoryLayout<Item>.stride
        let (first, second) = (try Memory(size), try Memory(size))
        var (from, to) = (first.bound(to: Item.self), second.bound(to: Item.self))
        var (all, any): (UInt64, UInt64) = (.max, 0)
        for place in 0..<count {
            let row = Int(order[place])
            let isNull = vector.isNull(row)
            let word = isNull ? 0 : orderedWord(vector.words[row], type, key.isDescending)
            from[place] = Item(key: word, row: order[place], isNull: isNull ? 1 : 0)
            if !isNull { (all, any) = (all & word, any | word) }
        }
        let differing = all ^ any
        for shift in stride(from: UInt64(0), to: 64, by: 8) where differing >> shift & 0xFF != 0 {
            try run.poll()
            withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { starts in
                starts.initialize(repeating: 0)
                for place in 0..<count { starts[Int(from[place].key &>> shift & 0xFF)] &+= 1 }
                var sum = 0
                for digit in 0..<256 { (starts[digit], sum) = (sum, sum &+ starts[digit]) }
                for place in 0..<count {
                    let digit = Int(from[place].key &>> shift & 0xFF)
                    to[starts[digit]] = from[place]
                    starts[digit] &+= 1
                }
            }
            (from, to) = (to, from)
        }
        var next = 0
        for place in 0..<count where from[place].isNull == 0 {
            order[next] = from[place].row
            next &+= 1
        }
        if next == count { return }
        for place in 0..<count where from[place].isNull != 0 {
            order[next] = from[place].row
            next &+= 1
        }
    }

    /// Orders strings by merging; most comparisons look at the first eight bytes alone.
    private func sortTexts(
        _ order: UnsafeMutablePointer<UInt32>, _ vector: Vector, _ key: SortKey, _ run: Run
    ) throws(TableError) {
        struct Item { var prefix: UInt64, row: UInt32 }
        let size = max(count, 1) * MemoryLayout<Item>.stride
        let (first, second) = (try Memory(size), try Memory(size))
        var (from, to) = (first.bound(to: Item.self), second.bound(to: Item.self))
        var kept = 0
        var nulls = try List<UInt32>()
        for place in 0..<count {
            let row = Int(order[place])
            if vector.isNull(row) {
                try nulls.append(order[place])
                continue
            }
            from[kept] = Item(prefix: prefix(vector.texts[row]), row: order[place])
            kept &+= 1
        }
        let isDescending = key.isDescending
        let texts = vector.texts
        /// Whether b has to be in front of a.
        @inline(__always)
        func isAfter(_ a: Item, _ b: Item) -> Bool {
            if a.prefix != b.prefix { return isDescending ? a.prefix < b.prefix : a.prefix > b.prefix }
            let result = texts[Int(a.row)].order(texts[Int(b.row)])
            return isDescending ? result < 0 : result > 0
        }
        // Runs of 16 by insertion, then merged two by two.
        var start = 0
        while start < kept {
            let end = min(kept, start &+ 16)
            for i in start..<end {
                let item = from[i]
                var place = i
                while place > start && isAfter(from[place &- 1], item) {
                    from[place] = from[place &- 1]
                    place &-= 1
                }
                from[place] = item
            }
            start = end
        }
        var width = 16
        while width < kept {
            var start = 0
            while start < kept {
                try run.poll()
                let middle = min(kept, start &+ width)
                let end = min(kept, middle &+ width)
                var (left, right, place) = (start, middle, start)
                while left < middle && right < end {
                    if isAfter(from[left], from[right]) {
                        to[place] = from[right]
                        right &+= 1
                    } else {
                        to[place] = from[left]
                        left &+= 1
                    }
                    place &+= 1
                }
                if left < middle { (to + place).update(from: from + left, count: middle &- left) }
                if right < end { (to + place).update(from: from + right, count: end &- right) }
                start = end
            }
            (from, to) = (to, from)
            width &*= 2
        }
        for i in 0..<kept { order[i] = from[i].row }
        for i in 0..<nulls.count { order[kept &+ i] = nulls[i] }
    }
}

/// The first eight bytes, the first highest; zeros after the end.
@inline(__always)
private func prefix(_ text: Text) -> UInt64 {
    if text.count >= 8 {
        return UInt64(bigEndian: UnsafeRawPointer(text.start).loadUnaligned(as: UInt64.self))
    }
    var result: UInt64 = 0
    for i in 0..<text.count { result |= UInt64(text.start[i]) &<< UInt64(56 &- 8 &* i) }
    return result
}

/// A word whose order as an unsigned number is that of the value; NaN after all others in both directions.
@inline(__always)
func orderedWord(_ word: UInt64, _ type: ColumnType, _ isDescending: Bool) -> UInt64 {
    let ordered: UInt64
    switch type {
    case .number, .time:
        let value = Double(bitPattern: word)
        if value != value { return .max }
        // 0.0 and -0.0 are equal.
        let bits = value == 0 ? 0 : word
        ordered = bits >> 63 != 0 ? ~bits : bits | 1 << 63
    case .integer: ordered = word ^ 1 << 63
    default: ordered = word
    }
    return isDescending ? ~ordered : ordered
}

extension Table {
    /// The first rows of those sorted by a column, without keeping many more.
    func top(_ count: Int, _ key: SortKey, _ wanted: [Bool], _ run: Run) throws(TableError) -> Frame {
        let columns = columns
        let best = try Frame(columns, wanted: wanted)
        if count == 0 { return best }
        let limit = min(max(count, 1 << 14), 1 << 40)
        let stream = try open(run, wanted: wanted)
        var whole = best
        try stream.forEachPiece(
            run,
            { (cursor) throws(TableError) in
                var part = try Frame(columns, wanted: wanted)
                while let batch = try cursor.next() {
                    try part.append(batch)
                    if part.count > limit &* 2 { part = try part.best(count, key, run) }
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

extension Frame {
    /// The first `limit` rows of the sorted ones, with strings of their own.
    fileprivate func best(_ limit: Int, _ key: SortKey, _ run: Run) throws(TableError) -> Frame {
        let order = try sortOrder([key], run)
        return try gathering(order.bound(to: UInt32.self), min(limit, count), isSharing: false)
    }
}
