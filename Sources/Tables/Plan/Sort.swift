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
        struct Item: RadixItem { var key: UInt64, row: UInt32, isNull: UInt32 }
        let size = max(count, 1) * MemoryLayout<Item>.stride
        let (first, second) = (try Memory(size), try Memory(size))
        let items = first.bound(to: Item.self)
        var differing = DifferingBits()
        for place in 0..<count {
            let row = Int(order[place])
            let isNull = vector.isNull(row)
            let word = isNull ? 0 : orderedWord(vector.words[row], type, key.isDescending)
            items[place] = Item(key: word, row: order[place], isNull: isNull ? 1 : 0)
            if !isNull { differing.note(word) }
        }
        let from = try sortByRadix(items, second.bound(to: Item.self), count, differing, run)
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
                items[kept] = TextSort.Item(key: 0, row: order[place])
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

/// What `sortByRadix` sorts.
protocol RadixItem: BitwiseCopyable {
    var key: UInt64 { get }
}

/// The bits in which some words differ.
struct DifferingBits {
    private var (all, any): (UInt64, UInt64) = (.max, 0)

    @inline(__always)
    mutating func note(_ word: UInt64) { (all, any) = (all & word, any | word) }

    /// 0 if there was no word.
    var bits: UInt64 { any & ~all }
}

/// Sorts by the keys, stable, eight bits at a time, and returns where the items are then.
///
/// - Parameters:
///   - room: For as many items.
///   - differing: Of the keys whose order counts.
func sortByRadix<Item: RadixItem>(
    _ items: UnsafeMutablePointer<Item>, _ room: UnsafeMutablePointer<Item>, _ count: Int,
    _ differing: DifferingBits, _ run: Run
) throws(TableError) -> UnsafeMutablePointer<Item> {
    var (from, to) = (items, room)
    for shift in stride(from: UInt64(0), to: 64, by: 8) where differing.bits >> shift & 0xFF != 0 {
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
    return from
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
