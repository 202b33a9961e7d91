internal import CMemoryMap
internal import MemoryMap

/// Distinct rows of key columns, numbered in the order in which they came.
///
/// Nulls are equal to each other, and so are NaNs, and 0.0 and -0.0. The words of a key are side by side, because a large
/// table is slow by its cache misses.
final class KeyTable {
    /// By key column: the first of its words in a row, and whether it is a string, which has two: its address and its length.
    private let parts: [(place: Int, isText: Bool)]
    /// Words in a row: the hash, a bit for each null, and the keys.
    private let width: Int
    private var rows: List<UInt64>
    private(set) var count = 0
    private(set) var hasNulls = false
    private let arena = Arena()
    /// The number of a key plus one in the low half, high bits of its hash in the high half; 0 for a free place.
    private var slots: Memory
    private var mask: Int
    private let scratch: Memory

    init(_ types: [ColumnType]) throws(TableError) {
        guard types.count <= 64 else { throw TableError("there are \(types.count) keys; 64 are the most") }
        var parts: [(place: Int, isText: Bool)] = []
        var next = 2
        for type in types {
            parts.append((next, type == .string))
            next += type == .string ? 2 : 1
        }
        (self.parts, width) = (parts, next)
        rows = try List(capacity: 64 * next)
        slots = try Memory(1024 * 8, isZero: true)
        mask = 1023
        scratch = try Memory(Batch.capacity * 8)
    }

    /// The number of the key of each row; new keys are added.
    ///
    /// - Parameter keys: The key columns; numbers as `normalizedKey` leaves them.
    func numbers(
        _ keys: [Vector], _ count: Int, into numbers: UnsafeMutablePointer<UInt32>
    ) throws(TableError) {
        let hashes = scratch.bound(to: UInt64.self)
        hash(keys, count, into: hashes)
        var row = 0
        // Adding a key may move all of them.
        while row < count {
            row = findRun(keys, hashes, row, count, numbers)
            if row < count {
                numbers[row] = try add(keys, row, hashes[row])
                row &+= 1
            }
        }
    }

    /// The number of the key of each row, or `UInt32.max` if it is not there or null.
    ///
    /// - Parameters:
    ///   - keys: As for `numbers`.
    ///   - scratch: Room for a hash of each row; several threads may search at once.
    func find(
        _ keys: [Vector], _ count: Int, into numbers: UnsafeMutablePointer<UInt32>, scratch: Memory
    ) {
        let hashes = scratch.bound(to: UInt64.self)
        hash(keys, count, into: hashes)
        var row = 0
        while row < count {
            row = findRun(keys, hashes, row, count, numbers)
            if row < count {
                numbers[row] = UInt32.max
                row &+= 1
            }
        }
        for key in keys {
            guard let nulls = key.nulls else { continue }
            for row in 0..<count where nulls[row] != 0 { numbers[row] = UInt32.max }
        }
    }

    /// Forgets all keys. The memory stays for others.
    func removeAll() {
        let slots = slots.bound(to: UInt64.self)
        if count > mask / 16 {
            slots.update(repeating: 0, count: mask &+ 1)
        } else {
            // Each key is between the place of its hash and the next free one.
            for number in 0..<count {
                var place = Int(truncatingIfNeeded: rows[number &* width]) & mask
                while slots[place] != 0 {
                    slots[place] = 0
                    place = (place &+ 1) & mask
                }
            }
        }
        rows.removeAll()
        arena.removeAll()
        (count, hasNulls) = (0, false)
    }

    /// Numbers the keys of another table in this one, in its order.
    func merge(_ other: KeyTable, into numbers: UnsafeMutablePointer<UInt32>) throws(TableError) {
        let source = other.rows.base
        for number in 0..<other.count {
            let row = source + number &* width
            let hash = row[0]
            if number &+ 16 < other.count {
                prefetch(slot: row[16 &* width])
                prefetch(row: row[8 &* width])
            }
            var place = Int(truncatingIfNeeded: hash) & mask
            let slots = slots.bound(to: UInt64.self)
            var found = -1
            while slots[place] != 0 {
                if slots[place] &>> 32 == hash &>> 32 {
                    let candidate = Int(truncatingIfNeeded: slots[place] & 0xFFFF_FFFF) &- 1
                    if isEqual(rows.base + candidate &* width, row) {
                        found = candidate
                        break
                    }
                }
                place = (place &+ 1) & mask
            }
            if found < 0 {
                let target = try rows.extend(width)
                target.update(from: row, count: width)
                for part in parts where part.isText {
                    store(try arena.copy(text(row, part.place)), target, part.place)
                }
                if row[1] != 0 { hasNulls = true }
                found = try enter(place, hash)
            }
            numbers[number] = UInt32(truncatingIfNeeded: found)
        }
    }

    /// A column of keys of one type that is no string, from a key on; none of them is null.
    func words(_ index: Int, from start: Int, _ count: Int, into target: UnsafeMutablePointer<UInt64>) {
        for number in 0..<count { target[number] = rows[(start &+ number) &* width &+ parts[index].place] }
    }

    /// A column of strings.
    func texts(_ index: Int, from start: Int, _ count: Int, into target: UnsafeMutablePointer<Text>) {
        for number in 0..<count {
            target[number] = text(rows.base + (start &+ number) &* width, parts[index].place)
        }
    }

    /// The keys as columns of a frame of `count` rows. The table gives its strings away.
    func move(into frame: Frame) throws(TableError) {
        for index in parts.indices {
            let target = try frame.make(index, count: count, nulls: hasNulls)
            if parts[index].isText {
                texts(index, from: 0, count, into: target.texts)
            } else {
                words(index, from: 0, count, into: target.words)
            }
            guard hasNulls, let nulls = target.nulls else { continue }
            for number in 0..<count {
                nulls[number] = UInt8(truncatingIfNeeded: rows[number &* width &+ 1] &>> UInt64(index) & 1)
            }
        }
        frame.adopt(arena)
    }

    // MARK: - Searching

    /// Finds keys from a row on, and returns the first row whose key is not there.
    @inline(__always)
    private func findRun(
        _ keys: [Vector], _ hashes: UnsafePointer<UInt64>, _ start: Int, _ count: Int,
        _ numbers: UnsafeMutablePointer<UInt32>
    ) -> Int {
        let hasNulls = keys.contains { $0.nulls != nil }
        if keys.count == 1, let key = keys.first, !hasNulls {
            return parts[0].isText
                ? search(hashes, start, count, numbers) { row, known in
                    known[1] == 0 && text(known, 2) == key.texts[row]
                }
                : search(hashes, start, count, numbers) { row, known in
                    known[1] == 0 && known[2] == key.words[row]
                }
        }
        return keys.withUnsafeBufferPointer { keys in
            parts.withUnsafeBufferPointer { parts in
                hasNulls
                    ? search(hashes, start, count, numbers) { row, known in
                        isEqual(known, keys, parts, row, hasNulls: true)
                    }
                    : search(hashes, start, count, numbers) { row, known in
                        isEqual(known, keys, parts, row, hasNulls: false)
                    }
            }
        }
    }

    @inline(__always)
    private func search(
        _ hashes: UnsafePointer<UInt64>, _ start: Int, _ count: Int, _ numbers: UnsafeMutablePointer<UInt32>,
        _ isSame: (_ row: Int, _ known: UnsafePointer<UInt64>) -> Bool
    ) -> Int {
        let slots = UnsafePointer(slots.bound(to: UInt64.self))
        let known = UnsafePointer(rows.base)
        let (mask, width) = (mask, width)
        // What is not in the second cache is asked for in time.
        let isLarge = mask >= 1 << 15
        var row = start
        while row < count {
            let hash = hashes[row]
            if isLarge && row &+ 16 < count {
                prefetch(slot: hashes[row &+ 16])
                prefetch(row: hashes[row &+ 8])
            }
            var place = Int(truncatingIfNeeded: hash) & mask
            var found = -1
            while true {
                let slot = slots[place]
                if slot == 0 { return row }
                if slot &>> 32 == hash &>> 32 {
                    let candidate = Int(truncatingIfNeeded: slot & 0xFFFF_FFFF) &- 1
                    if isSame(row, known + candidate &* width) {
                        found = candidate
                        break
                    }
                }
                place = (place &+ 1) & mask
            }
            numbers[row] = UInt32(truncatingIfNeeded: found)
            row &+= 1
        }
        return row
    }

    @inline(__always)
    private func isEqual(
        _ known: UnsafePointer<UInt64>, _ keys: UnsafeBufferPointer<Vector>,
        _ parts: UnsafeBufferPointer<(place: Int, isText: Bool)>, _ row: Int, hasNulls: Bool
    ) -> Bool {
        if !hasNulls && known[1] != 0 { return false }
        for index in keys.indices {
            if hasNulls {
                let isNull = keys[index].isNull(row)
                if (known[1] &>> UInt64(index) & 1 != 0) != isNull { return false }
                if isNull { continue }
            }
            let (place, isText) = parts[index]
            if isText {
                if text(known, place) != keys[index].texts[row] { return false }
            } else if known[place] != keys[index].words[row] {
                return false
            }
        }
        return true
    }

    /// Asks for the slot of a hash.
    @inline(__always)
    private func prefetch(slot hash: UInt64) {
        mm_prefetch(slots.bound(to: UInt64.self) + (Int(truncatingIfNeeded: hash) & mask))
    }

    /// Asks for the key that may have a hash.
    @inline(__always)
    private func prefetch(row hash: UInt64) {
        let slot = slots.bound(to: UInt64.self)[Int(truncatingIfNeeded: hash) & mask]
        if slot != 0 { mm_prefetch(rows.base + (Int(truncatingIfNeeded: slot & 0xFFFF_FFFF) &- 1) &* width) }
    }

    private func isEqual(_ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>) -> Bool {
        if a[0] != b[0] || a[1] != b[1] { return false }
        for (place, isText) in parts {
            if isText {
                if text(a, place) != text(b, place) { return false }
            } else if a[place] != b[place] {
                return false
            }
        }
        return true
    }

    // MARK: - Adding

    private func add(_ keys: [Vector], _ row: Int, _ hash: UInt64) throws(TableError) -> UInt32 {
        let target = try rows.extend(width)
        target[0] = hash
        target[1] = 0
        for (index, part) in parts.enumerated() {
            let isNull = keys[index].isNull(row)
            if isNull {
                target[1] |= 1 << UInt64(index)
                hasNulls = true
            }
            if part.isText {
                store(
                    try arena.copy(isNull ? Text(keys[index].texts[row].start, 0) : keys[index].texts[row]),
                    target, part.place)
            } else {
                target[part.place] = isNull ? 0 : keys[index].words[row]
            }
        }
        var place = Int(truncatingIfNeeded: hash) & mask
        let slots = slots.bound(to: UInt64.self)
        while slots[place] != 0 { place = (place &+ 1) & mask }
        return UInt32(truncatingIfNeeded: try enter(place, hash))
    }

    /// Enters the last row at a free place.
    private func enter(_ place: Int, _ hash: UInt64) throws(TableError) -> Int {
        guard count < Int(UInt32.max) - 2 else { throw TableError("there are more than 4294967293 groups") }
        slots.bound(to: UInt64.self)[place] = (hash >> 32) << 32 | UInt64(count &+ 1)
        count &+= 1
        if count &* 2 > mask { try rehash() }
        return count &- 1
    }

    private func rehash() throws(TableError) {
        // A small table is not to be made larger often; a large one is not to have much more memory than it needs.
        let size = (mask &+ 1) &* (mask < 1 << 17 ? 4 : 2)
        let larger = try Memory(size &* 8, isZero: true)
        let slots = larger.bound(to: UInt64.self)
        let known = rows.base
        for number in 0..<count {
            let hash = known[number &* width]
            var place = Int(truncatingIfNeeded: hash) & (size &- 1)
            while slots[place] != 0 { place = (place &+ 1) & (size &- 1) }
            slots[place] = (hash >> 32) << 32 | UInt64(number &+ 1)
        }
        (self.slots, mask) = (larger, size &- 1)
    }

    private func hash(_ keys: [Vector], _ count: Int, into hashes: UnsafeMutablePointer<UInt64>) {
        hashes.update(repeating: hashSeed, count: count)
        for (index, key) in keys.enumerated() {
            if parts[index].isText {
                if let nulls = key.nulls {
                    for row in 0..<count {
                        hashes[row] =
                            nulls[row] != 0 ? mix(hashes[row], 1) : key.texts[row].hash(hashes[row])
                    }
                } else {
                    for row in 0..<count { hashes[row] = key.texts[row].hash(hashes[row]) }
                }
            } else if let nulls = key.nulls {
                for row in 0..<count {
                    hashes[row] = mix(
                        hashes[row], nulls[row] != 0 ? 1 : key.words[row] ^ 0x9E37_79B9_7F4A_7C15)
                }
            } else {
                for row in 0..<count {
                    hashes[row] = mix(hashes[row], key.words[row] ^ 0x9E37_79B9_7F4A_7C15)
                }
            }
        }
    }
}

@inline(__always)
private func text(_ row: UnsafePointer<UInt64>, _ place: Int) -> Text {
    UnsafeRawPointer(row + place).loadUnaligned(as: Text.self)
}

@inline(__always)
private func store(_ text: Text, _ row: UnsafeMutablePointer<UInt64>, _ place: Int) {
    UnsafeMutableRawPointer(row + place).storeBytes(of: text, as: Text.self)
}

/// Makes equal keys equal words: 0.0 for -0.0, one NaN for all. Returns the vector itself where nothing is to do.
func normalizedKey(_ vector: Vector, _ type: ColumnType, _ count: Int, _ room: Memory) throws(TableError)
    -> Vector
{
    guard type == .number || type == .time else { return vector }
    try room.reserve(count &* 8)
    let target = room.bound(to: UInt64.self)
    for row in 0..<count {
        let value = vector.doubles[row]
        target[row] = value == 0 ? 0 : value != value ? Double.nan.bitPattern : value.bitPattern
    }
    return Vector(room.base, nulls: vector.nulls)
}
