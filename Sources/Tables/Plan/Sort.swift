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

    /// Orders strings; most comparisons look at eight bytes alone.
    private func sortTexts(
        _ order: UnsafeMutablePointer<UInt32>, _ vector: Vector, _ key: SortKey, _ run: Run
    ) throws(TableError) {
        let size = max(count, 1) * MemoryLayout<TextSort.Item>.stride
        let (first, second) = (try Memory(size), try Memory(size))
        let items = first.bound(to: TextSort.Item.self)
        var kept = 0
        var nulls = try List<UInt32>()
        for place in 0..<count {
            if vector.isNull(Int(order[place])) {
                try nulls.append(order[place])
            } else {
                items[kept] = TextSort.Item(prefix: 0, row: order[place])
                kept &+= 1
            }
        }
        let sort = TextSort(
            items: items, room: second.bound(to: TextSort.Item.self), texts: vector.texts,
            isDescending: key.isDescending, run: run)
        try sort.sort(kept)
        for i in 0..<kept { order[i] = items[i].row }
        for i in 0..<nulls.count { order[kept &+ i] = nulls[i] }
    }
}

/// Sorts strings, stable: by radix over eight bytes after those that all of them have, then those that are equal there by
/// merging. Parts are sorted on all cores and then merged.
private struct TextSort: @unchecked Sendable {
    struct Item { var prefix: UInt64, row: UInt32 }

    let items: UnsafeMutablePointer<Item>
    /// For as many.
    let room: UnsafeMutablePointer<Item>
    let texts: UnsafeMutablePointer<Text>
    let isDescending: Bool
    let run: Run

    /// Fewer are not worth a thread.
    private static var grain: Int { 32 << 10 }

    func sort(_ count: Int) throws(TableError) {
        let skipped = try lengthInCommon(count)
        let parts = ParallelRanges(count, grain: max(TextSort.grain, (count &- 1) / threadCount &+ 1))
        try forEach(parts) { range throws(TableError) in try sortPart(range, skipped) }
        // Two parts are merged at a time; at last all of them are one.
        var width = parts.grain
        while width < count {
            let (whole, next) = (count, width &* 2)
            try forEach(ParallelRanges(count, grain: next)) { range throws(TableError) in
                merge(range.lowerBound, min(range.lowerBound &+ width, whole), range.upperBound)
            }
            width = next
        }
    }

    private func forEach(
        _ ranges: ParallelRanges, _ body: (Range<Int>) throws(TableError) -> Void
    ) throws(TableError) {
        let failed = Failure()
        do throws(MapError) {
            try withoutActuallyEscaping(body) { (body) throws(MapError) in
                try ranges.forEach(shouldContinue: { _ in true }) { _, range in
                    do throws(TableError) { try body(range) } catch { failed.note(error) }
                    return true
                }
            }
        } catch { throw TableError(error) }
        if let error = failed.error { throw error }
        try run.poll()
    }

    /// Bytes at the start of all strings that are the same.
    private func lengthInCommon(_ count: Int) throws(TableError) -> Int {
        if count == 0 { return 0 }
        let first = texts[Int(items[0].row)]
        var length = first.count
        for i in 1..<max(count, 1) {
            let text = texts[Int(items[i].row)]
            length = min(length, text.count)
            var same = 0
            while same < length, text.start[same] == first.start[same] { same &+= 1 }
            length = same
            if length == 0 { break }
            if i & 0xFFFF == 0 { try run.poll() }
        }
        return length
    }

    private func sortPart(_ range: Range<Int>, _ skipped: Int) throws(TableError) {
        for i in range {
            let text = texts[Int(items[i].row)]
            let word = prefix(Text(text.start + skipped, text.count &- skipped))
            items[i].prefix = isDescending ? ~word : word
        }
        try sortByPrefix(range)
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start &+ 1
            while end < range.upperBound, items[end].prefix == items[start].prefix { end &+= 1 }
            if end &- start > 1 { try sortByMerging(start..<end) }
            start = end
        }
    }

    private func sortByPrefix(_ range: Range<Int>) throws(TableError) {
        let count = range.count
        var (from, to) = (items + range.lowerBound, room + range.lowerBound)
        var (all, any): (UInt64, UInt64) = (.max, 0)
        for i in 0..<count { (all, any) = (all & from[i].prefix, any | from[i].prefix) }
        let differing = all ^ any
        for shift in stride(from: UInt64(0), to: 64, by: 8) where differing >> shift & 0xFF != 0 {
            try run.poll()
            withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { starts in
                starts.initialize(repeating: 0)
                for i in 0..<count { starts[Int(from[i].prefix &>> shift & 0xFF)] &+= 1 }
                var sum = 0
                for digit in 0..<256 { (starts[digit], sum) = (sum, sum &+ starts[digit]) }
                for i in 0..<count {
                    let digit = Int(from[i].prefix &>> shift & 0xFF)
                    to[starts[digit]] = from[i]
                    starts[digit] &+= 1
                }
            }
            (from, to) = (to, from)
        }
        if from != items + range.lowerBound { to.update(from: from, count: count) }
    }

    /// Whether b has to be in front of a.
    @inline(__always)
    private func isAfter(_ a: Item, _ b: Item) -> Bool {
        if a.prefix != b.prefix { return a.prefix > b.prefix }
        let result = texts[Int(a.row)].order(texts[Int(b.row)])
        return isDescending ? result < 0 : result > 0
    }

    /// Runs of 16 by insertion, then merged two by two.
    private func sortByMerging(_ range: Range<Int>) throws(TableError) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, start &+ 16)
            for i in start..<end {
                let item = items[i]
                var place = i
                while place > start && isAfter(items[place &- 1], item) {
                    items[place] = items[place &- 1]
                    place &-= 1
                }
                items[place] = item
            }
            start = end
        }
        var width = 16
        while width < range.count {
            var start = range.lowerBound
            while start < range.upperBound {
                try run.poll()
                let middle = min(range.upperBound, start &+ width)
                let end = min(range.upperBound, middle &+ width)
                merge(start, middle, end)
                start = end
            }
            width &*= 2
        }
    }

    private func merge(_ start: Int, _ middle: Int, _ end: Int) {
        if middle >= end || !isAfter(items[middle &- 1], items[middle]) { return }
        // The first part makes room.
        (room + start).update(from: items + start, count: middle &- start)
        var (left, right, place) = (start, middle, start)
        while left < middle && right < end {
            if isAfter(room[left], items[right]) {
                items[place] = items[right]
                right &+= 1
            } else {
                items[place] = room[left]
                left &+= 1
            }
            place &+= 1
        }
        (items + place).update(from: room + left, count: middle &- left)
    }
}

/// The first error of several threads.
private final class Failure: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private(set) var error: TableError?

    init() { pthread_mutex_init(lock, nil) }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    func note(_ failure: TableError) {
        pthread_mutex_lock(lock)
        if error == nil { error = failure }
        pthread_mutex_unlock(lock)
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
