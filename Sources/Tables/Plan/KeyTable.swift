internal import MemoryMap

/// Distinct rows of key columns, numbered in the order in which they came.
///
/// Nulls are equal to each other, and so are NaNs, and 0.0 and -0.0.
final class KeyTable {
    private let types: [ColumnType]
    /// By key column.
    private var values: [Keys]
    private var hashes: List<UInt64>
    private(set) var count = 0
    private let arena = Arena()
    /// The number of a key plus one in the low half, high bits of its hash in the high half; 0 for a free place.
    private var slots: Memory
    private var mask: Int
    private let scratch: Memory

    private struct Keys {
        var texts: List<Text>
        var words: List<UInt64>
        var nulls: List<UInt8>
        var hasNulls = false
        let isText: Bool

        init(_ type: ColumnType) throws(TableError) {
            isText = type == .string
            texts = try List(capacity: isText ? 64 : 1)
            words = try List(capacity: isText ? 1 : 64)
            nulls = try List(capacity: 64)
        }
    }

    init(_ types: [ColumnType]) throws(TableError) {
        self.types = types
        values = []
        for type in types { values.append(try Keys(type)) }
        hashes = try List(capacity: 64)
        slots = try Memory(1024 * 8)
        mask = 1023
        slots.bound(to: UInt64.self).update(repeating: 0, count: 1024)
        scratch = try Memory(Batch.capacity * 8)
    }

    /// The number of the key of each row; new keys are added.
    ///
    /// - Parameter keys: The key columns; numbers as `normalizeKeys` leaves them.
    func numbers(
        _ keys: [Vector], _ count: Int, into numbers: UnsafeMutablePointer<UInt32>
    ) throws(TableError) {
        let hashes = scratch.bound(to: UInt64.self)
        hash(keys, count, into: hashes)
        if keys.count == 1, let key = keys.first, types[0] == .string, key.nulls == nil {
            return try textNumbers(key.texts, hashes, count, into: numbers)
        }
        for row in 0..<count { numbers[row] = try number(keys, row, hashes[row]) }
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
        let places = slots.bound(to: UInt64.self)
        for row in 0..<count {
            numbers[row] = UInt32.max
            if keys.contains(where: { $0.isNull(row) }) { continue }
            var place = Int(truncatingIfNeeded: hashes[row]) & mask
            while places[place] != 0 {
                let found = Int(places[place] & 0xFFFF_FFFF) &- 1
                if places[place] >> 32 == hashes[row] >> 32, isEqual(found, keys, row) {
                    numbers[row] = UInt32(truncatingIfNeeded: found)
                    break
                }
                place = (place &+ 1) & mask
            }
        }
    }

    /// Numbers the keys of another table in this one, in its order.
    func merge(_ other: KeyTable, into numbers: UnsafeMutablePointer<UInt32>) throws(TableError) {
        var start = 0
        while start < other.count {
            let count = min(Batch.capacity, other.count &- start)
            let keys = values.indices.map { other.column($0, from: start) }
            for row in 0..<count {
                numbers[start &+ row] = try number(keys, row, other.hashes[start &+ row])
            }
            start &+= count
        }
    }

    /// A column of the keys, from a key on. No value is null that was not.
    func column(_ index: Int, from start: Int) -> Vector {
        let keys = values[index]
        return Vector(
            keys.isText
                ? UnsafeMutableRawPointer(keys.texts.base + start)
                : UnsafeMutableRawPointer(keys.words.base + start),
            nulls: keys.hasNulls ? keys.nulls.base + start : nil)
    }

    /// The keys as columns of a frame of `count` rows. The table gives its strings away.
    func move(into frame: Frame) throws(TableError) {
        for (index, keys) in values.enumerated() {
            let target = try frame.make(index, count: count, nulls: keys.hasNulls)
            if keys.isText {
                target.texts.update(from: keys.texts.base, count: count)
            } else {
                target.words.update(from: keys.words.base, count: count)
            }
            if keys.hasNulls { target.nulls?.update(from: keys.nulls.base, count: count) }
        }
        frame.adopt(arena)
    }

    // MARK: - One string without nulls, the usual case

    @inline(__always)
    private func textNumbers(
        _ texts: UnsafePointer<Text>, _ hashes: UnsafePointer<UInt64>, _ count: Int,
        into numbers: UnsafeMutablePointer<UInt32>
    ) throws(TableError) {
        var row = 0
        while row < count {
            let places = slots.bound(to: UInt64.self)
            let known = values[0].texts.base
            let mask = mask
            let isPlain = !values[0].hasNulls
            while row < count {
                let hash = hashes[row]
                let text = texts[row]
                var place = Int(truncatingIfNeeded: hash) & mask
                var found = -1
                while true {
                    let slot = places[place]
                    if slot == 0 { break }
                    if slot &>> 32 == hash &>> 32 {
                        let number = Int(truncatingIfNeeded: slot & 0xFFFF_FFFF) &- 1
                        if (isPlain || values[0].nulls[number] == 0) && equalTexts(known[number], text) {
                            found = number
                            break
                        }
                    }
                    place = (place &+ 1) & mask
                }
                if found < 0 { break }
                numbers[row] = UInt32(truncatingIfNeeded: found)
                row &+= 1
            }
            if row < count {
                numbers[row] = try number(
                    [Vector(UnsafeMutableRawPointer(mutating: texts))], row, hashes[row])
                row &+= 1
            }
        }
    }

    // MARK: - Any keys

    private func number(_ keys: [Vector], _ row: Int, _ hash: UInt64) throws(TableError) -> UInt32 {
        let places = slots.bound(to: UInt64.self)
        var place = Int(truncatingIfNeeded: hash) & mask
        while places[place] != 0 {
            let found = Int(places[place] & 0xFFFF_FFFF) &- 1
            if places[place] >> 32 == hash >> 32, isEqual(found, keys, row) {
                return UInt32(truncatingIfNeeded: found)
            }
            place = (place &+ 1) & mask
        }
        guard count < Int(UInt32.max) - 2 else { throw TableError("there are more than 4294967293 groups") }
        for index in values.indices {
            let isNull = keys[index].isNull(row)
            if values[index].isText {
                try values[index].texts.append(try arena.copy(keys[index].texts[row]))
            } else {
                try values[index].words.append(keys[index].words[row])
            }
            try values[index].nulls.append(isNull ? 1 : 0)
            if isNull { values[index].hasNulls = true }
        }
        try hashes.append(hash)
        places[place] = (hash >> 32) << 32 | UInt64(count &+ 1)
        count &+= 1
        if count &* 2 > mask { try rehash() }
        return UInt32(truncatingIfNeeded: count &- 1)
    }

    private func rehash() throws(TableError) {
        let size = (mask &+ 1) &* 4
        let larger = try Memory(size &* 8)
        let places = larger.bound(to: UInt64.self)
        places.update(repeating: 0, count: size)
        for number in 0..<count {
            let hash = hashes[number]
            var place = Int(truncatingIfNeeded: hash) & (size &- 1)
            while places[place] != 0 { place = (place &+ 1) & (size &- 1) }
            places[place] = (hash >> 32) << 32 | UInt64(number &+ 1)
        }
        (slots, mask) = (larger, size &- 1)
    }

    @inline(__always)
    private func isEqual(_ number: Int, _ keys: [Vector], _ row: Int) -> Bool {
        for index in values.indices {
            let isNull = keys[index].isNull(row)
            if (values[index].nulls[number] != 0) != isNull { return false }
            if isNull { continue }
            if values[index].isText {
                if !equalTexts(values[index].texts[number], keys[index].texts[row]) { return false }
            } else if values[index].words[number] != keys[index].words[row] {
                return false
            }
        }
        return true
    }

    private func hash(_ keys: [Vector], _ count: Int, into hashes: UnsafeMutablePointer<UInt64>) {
        hashes.update(repeating: hashSeed, count: count)
        for (index, key) in keys.enumerated() {
            if types[index] == .string {
                if let nulls = key.nulls {
                    for row in 0..<count {
                        hashes[row] = nulls[row] != 0 ? mix(hashes[row], 1) : hashText(key.texts[row], hashes[row])
                    }
                } else {
                    for row in 0..<count { hashes[row] = hashText(key.texts[row], hashes[row]) }
                }
            } else {
                for row in 0..<count {
                    hashes[row] = mix(hashes[row], key.isNull(row) ? 1 : key.words[row] ^ 0x9E37_79B9_7F4A_7C15)
                }
            }
        }
    }
}

/// Different in each process, so that nobody can make data whose keys collide.
private let hashSeed = UInt64.random(in: .min ... .max)

@inline(__always)
private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: b ^ 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
}

@inline(__always)
private func word(_ p: UnsafePointer<UInt8>) -> UInt64 {
    UnsafeRawPointer(p).loadUnaligned(as: UInt64.self)
}

@inline(__always)
private func half(_ p: UnsafePointer<UInt8>) -> UInt64 {
    UInt64(UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
}

@inline(__always)
private func hashText(_ text: Text, _ seed: UInt64) -> UInt64 {
    let (p, count) = (text.start, text.count)
    var hash = seed ^ UInt64(bitPattern: Int64(count))
    if count >= 8 {
        var place = 0
        while place &+ 8 < count {
            hash = mix(hash, word(p + place))
            place &+= 8
        }
        return mix(hash, word(p + (count &- 8)))
    }
    if count >= 4 { return mix(hash, half(p) | half(p + (count &- 4)) &<< 32) }
    if count == 0 { return mix(hash, 0) }
    return mix(hash, UInt64(p[0]) | UInt64(p[count &>> 1]) &<< 8 | UInt64(p[count &- 1]) &<< 16)
}

@inline(__always)
func equalTexts(_ a: Text, _ b: Text) -> Bool {
    if a.count != b.count { return false }
    let count = a.count
    if count >= 8 {
        var place = 0
        while place &+ 8 < count {
            if word(a.start + place) != word(b.start + place) { return false }
            place &+= 8
        }
        return word(a.start + (count &- 8)) == word(b.start + (count &- 8))
    }
    if count >= 4 {
        return half(a.start) == half(b.start) && half(a.start + (count &- 4)) == half(b.start + (count &- 4))
    }
    for i in 0..<count where a.start[i] != b.start[i] { return false }
    return true
}

/// Makes equal keys equal words: 0.0 for -0.0, one NaN for all. Returns the vector itself where nothing is to do.
func normalizedKey(_ vector: Vector, _ type: ColumnType, _ count: Int, _ room: Memory) throws(TableError) -> Vector {
    guard type == .number || type == .time else { return vector }
    try room.reserve(count &* 8)
    let target = room.bound(to: UInt64.self)
    for row in 0..<count {
        let value = vector.doubles[row]
        target[row] = value == 0 ? 0 : value != value ? Double.nan.bitPattern : value.bitPattern
    }
    return Vector(room.base, nulls: vector.nulls)
}
